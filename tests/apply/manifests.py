"""One object of every kind that follows a prefix, as files and as what they come to."""

from datetime import UTC, datetime

from gitops_prefix.apply.fields import ApplyConfiguration, apply_configurations
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import PrefixSource
from gitops_prefix.decide.transition import Choice, advance
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import render
from gitops_prefix.render.settings import Settings
from tests.dynamic_prefix import STATIC, dynamic_prefix

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
A, B = "2001:db8:a::/64", "2001:db8:b::/64"

PREFIX = """
apiVersion: dynamic-prefix.io/v1alpha1
kind: DynamicPrefix
metadata:
  name: home
  annotations: {config.kubernetes.io/local-config: "true"}
spec:
  acquisition:
    routerAdvertisement: {interface: eth0}
  addressRanges:
    - {name: lan, start: "::f000:0:0:0", end: "::ffff:ffff:ffff:ffff"}
  subnets:
    - {name: pods, offset: 0, prefixLength: 80, bgp: {advertise: true, community: "65001:100"}}
  transition: {mode: ha, maxPrefixHistory: 2}
"""
STATIC_PREFIX = dynamic_prefix(STATIC, ranges=("lan",))
POOL = """
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata:
  name: lan
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: lan}
spec:
  serviceSelector: {matchLabels: {pool: lan}}
  blocks:
    - cidr: 192.168.42.0/24
"""
GROUP = """
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata:
  name: lan
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: lan}
spec:
  externalCIDRs: [192.168.42.0/24]
"""
BGP = """
apiVersion: cilium.io/v2
kind: CiliumBGPAdvertisement
metadata:
  name: lan
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/subnet: pods}
spec:
  advertisements:
    - advertisementType: Service
      service: {addresses: [LoadBalancerIP]}
      selector: {matchLabels: {pool: lan}}
      attributes: {localPreference: 90, communities: {standard: ["65001:1"]}}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: plex
  namespace: NAMESPACE
  annotations:
    dynamic-prefix.io/name: home
    dynamic-prefix.io/service-address-range: lan
    dynamic-prefix.io/suffix: "::f000:0:0:10"
    lbipam.cilium.io/ips: 192.168.42.10
    external-dns.alpha.kubernetes.io/target: 192.168.42.10
    example.com/theirs: "yes"
spec:
  type: LoadBalancer
  ports: [{name: http, port: 80}]
"""
METALLB = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: lan
  namespace: NAMESPACE
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: lan}
spec:
  autoAssign: false
  addresses: [192.168.42.0/24]
"""
CALICO = """
apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  name: lan
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/subnet: pods}
spec:
  cidr: 2001:db8:dead::/80
  natOutgoing: false
"""
VARIABLES = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: prefix
  namespace: NAMESPACE
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/variables: "true"}
data:
  theirs: stays
"""
MARKED = """
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: ingress
  namespace: NAMESPACE
spec:
  interval: 1h
  values:
    address: "2001:db8:0:0:f000::20"  # {"$dynamicprefix": "home:lan:address:::f000:0:0:20"}
    routes:
      - via: "2001:db8::/64"  # {"$dynamicprefix": "home:prefix"}
        metric: 5
"""
BY_FLUX = POOL.replace(
    "  name: lan", "  name: lan\n  labels: {kustomize.toolkit.fluxcd.io/name: apps}"
)
KUSTOMIZATION = """
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: NAMESPACE}
spec: {interval: 10m}
status: {lastAppliedRevision: "main@sha1:REVISION"}
"""
FOLLOWED = BY_FLUX.replace(
    "name: apps}", "name: apps, kustomize.toolkit.fluxcd.io/namespace: NAMESPACE}"
)
OLD, NEW = "a" * 40, "b" * 40
EVERY_KIND = {
    "pool.yaml": POOL,
    "group.yaml": GROUP,
    "bgp.yaml": BGP,
    "service.yaml": SERVICE,
    "metallb.yaml": METALLB,
    "calico.yaml": CALICO,
    "variables.yaml": VARIABLES,
    "marked.yaml": MARKED,
}


def rendered(files: dict[str, str], namespace: str, *prefixes: str) -> dict[str, bytes]:
    """The files, with a DynamicPrefix that saw these prefixes one after the other."""
    contents = {
        path: text.replace("NAMESPACE", namespace).encode()
        for path, text in {"prefix.yaml": PREFIX, **files}.items()
    }
    for prefix in prefixes:
        inventory = read_inventory(contents, Settings())
        assert not inventory.problems, inventory.problems
        (document,) = inventory.dynamic_prefixes.values()
        choice = Choice(Prefix.parse(prefix), PrefixSource.ROUTER_ADVERTISEMENT)
        status = advance(document.specification, document.status, choice, NOON)
        rendering = render(inventory, {"home": status})
        assert not [one for one in rendering.problems if one.severity == "error"]
        contents |= rendering.files
    return contents


def configurations(
    files: dict[str, str], namespace: str, *prefixes: str
) -> tuple[ApplyConfiguration, ...]:
    contents = rendered(files, namespace, *prefixes)
    return apply_configurations(read_inventory(contents, Settings()))
