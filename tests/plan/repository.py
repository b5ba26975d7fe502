"""A DynamicPrefix, as the files of a repository have it."""

HOME = """\
apiVersion: dynamic-prefix.io/v1alpha1
kind: DynamicPrefix
metadata:
  name: home
spec:
  acquisition:
    routerAdvertisement: {interface: eth0}
  addressRanges:
    - {name: pool, start: "::f000:0:0:0", end: "::ffff:ffff:ffff:ffff"}
"""
