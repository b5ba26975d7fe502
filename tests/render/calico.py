"""Calico's pools."""

POOL = """\
apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  name: pods
  annotations:
    dynamic-prefix.io/name: home
    dynamic-prefix.io/address-range: lb
spec:
  cidr: "2001:db8:a:0:f000::/68"
"""
