"""A pool and a CIDR group that follow home."""

POOL = """\
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata:
  name: p
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: lb}
"""
GROUP = POOL.replace("CiliumLoadBalancerIPPool", "CiliumCIDRGroup")
