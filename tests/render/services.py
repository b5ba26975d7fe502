"""Services in mode ha, and their DynamicPrefix."""

PREFIX = b"""\
apiVersion: dynamic-prefix.io/v1alpha1
kind: DynamicPrefix
metadata:
  name: home
spec:
  acquisition:
    routerAdvertisement: {interface: eth0}
  addressRanges:
    - {name: lb, start: "::f000:0:0:0", end: "::ffff:ffff:ffff:ffff"}
    - {name: two, start: "::5", end: "::6"}
  subnets:
    - {name: low, offset: 1, prefixLength: 72}
  transition: {mode: ha}
"""
ALPHA, BETA = "external-dns.alpha.kubernetes.io/target", "external-dns.kubernetes.io/target"
IPS = "lbipam.cilium.io/ips"


def service(*annotations: str, name: str = "web", namespace: str = "media") -> str:
    lines = "".join(f"    {one}\n" for one in ("dynamic-prefix.io/name: home", *annotations))
    return (
        f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n"
        + (f"  namespace: {namespace}\n" if namespace else "")
        + f"  annotations:\n{lines}spec:\n  type: LoadBalancer\n"
    )


TEN = 'dynamic-prefix.io/suffix: "::f000:0:0:10"'
