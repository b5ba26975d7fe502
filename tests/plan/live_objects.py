"""Live objects of both operators, as `kubectl get -o yaml` prints them."""

from copy import deepcopy
from typing import Any

PREFIX: dict[str, Any] = {
    "apiVersion": "dynamic-prefix.io/v1alpha1",
    "kind": "DynamicPrefix",
    "metadata": {
        "name": "home-ipv6",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": ["dynamic-prefix.io/finalizer"],
        "generation": 3,
        "resourceVersion": "7",
        "uid": "abc",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    },
    "spec": {
        "acquisition": {
            "dhcpv6pd": {"interface": "eth0", "requestedPrefixLength": 56},
            "routerAdvertisement": {"interface": "eth0", "enabled": True},
            "prefixFilter": {"requireGlobalUnicast": True},
        },
        "addressRanges": [
            {"name": "lb", "start": "::f000:0:0:0", "end": "::ffff:ffff:ffff:ffff"},
        ],
        "subnets": [
            {
                "name": "dmz",
                "offset": 3,
                "prefixLength": 64,
                "bgp": {"advertise": True, "community": "65001:100"},
            },
        ],
        "transition": {"mode": "ha", "maxPrefixHistory": 2},
    },
    "status": {
        "currentPrefix": "2001:db8:1200::/64",
        "prefixSource": "router-advertisement",
        "leaseExpiresAt": "2026-01-09T10:00:00Z",
        "addressRanges": [
            {
                "name": "lb",
                "start": "2001:db8:1200:0:f000::",
                "end": "2001:db8:1200:0:ffff:ffff:ffff:ffff",
                "cidr": "2001:db8:1200:0:f000::/68",
            },
        ],
        "subnets": [
            {"name": "dmz", "cidr": "2001:db8:1200:3::/64", "bgpAdvertisement": "dp-home-dmz"},
        ],
        "history": [
            {
                "prefix": "2001:db8:1100::/64",
                "acquiredAt": "2026-01-01T00:00:00Z",
                "deprecatedAt": "2026-01-02T00:00:00Z",
                "state": "draining",
            },
        ],
        "conditions": [
            {
                "type": kind,
                "status": "True",
                "reason": "Some",
                "message": "some",
                "lastTransitionTime": "2026-01-02T00:00:00Z",
                "observedGeneration": 3,
            }
            for kind in ("PrefixAcquired", "BGPAdvertisementReady")
        ],
    },
}
POOL: dict[str, Any] = {
    "apiVersion": "cilium.io/v2",
    "kind": "CiliumLoadBalancerIPPool",
    "metadata": {
        "name": "pool",
        "uid": "x",
        "labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "mine": "yes"},
        "annotations": {
            "dynamic-prefix.io/name": "home-ipv6",
            "dynamic-prefix.io/subnet": "dmz",
            "dynamic-prefix.io/last-sync": "2026-01-02T00:00:00Z",
            "dynamic-prefix.io/managed-blocks": "2001:db8:1200:3::/64",
        },
    },
    "spec": {
        "disabled": False,
        "serviceSelector": {"matchLabels": {"zone": "dmz"}},
        "blocks": [{"cidr": "2001:db8:1200:3::/64"}, {"cidr": "2001:db8:1100:3::/64"}],
    },
    "status": {"conditions": []},
}
ADVERTISEMENT: dict[str, Any] = {
    "apiVersion": "cilium.io/v2",
    "kind": "CiliumBGPAdvertisement",
    "metadata": {
        "name": "dp-home-ipv6-dmz",
        "labels": {
            "app.kubernetes.io/managed-by": "dynamic-prefix-operator",
            "dynamic-prefix.io/name": "home-ipv6",
            "dynamic-prefix.io/subnet": "dmz",
        },
        "ownerReferences": [{"kind": "DynamicPrefix", "name": "home-ipv6"}],
    },
    "spec": {
        "advertisements": [
            {
                "advertisementType": "Service",
                "service": {"addresses": ["LoadBalancerIP"]},
                "attributes": {"communities": {"standard": ["65001:100"]}},
            }
        ]
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {
        "name": "dns",
        "namespace": "net",
        "annotations": {
            "dynamic-prefix.io/name": "home-ipv6",
            "dynamic-prefix.io/service-address-range": "lb",
            "dynamic-prefix.io/managed-ips": "2001:db8:1200:0:f000::6",
            "lbipam.cilium.io/ips": ("2001:db8:1200:0:f000::6,2001:db8:1100:0:f000::6,192.168.1.6"),
        },
    },
    "spec": {
        "type": "LoadBalancer",
        "clusterIP": "10.0.0.1",
        "clusterIPs": ["10.0.0.1"],
        "ports": [{"port": 53, "nodePort": 30001, "protocol": "UDP"}],
    },
    "status": {"loadBalancer": {"ingress": [{"ip": "192.168.1.6"}]}},
}


def changed(document: dict[str, Any], *path: str | int, to: Any = None) -> dict[str, Any]:
    """A copy with another value at a path; without one, the field is left out."""
    copy = deepcopy(document)
    inner: Any = copy
    for step in path[:-1]:
        inner = inner[step] if isinstance(step, int) else inner.setdefault(step, {})
    if to is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return copy


def prefix(*path: str | int, to: Any = None) -> dict[str, Any]:
    """The DynamicPrefix, with another value at a path."""
    return changed(PREFIX, *path, to=to)


def service(**metadata: Any) -> dict[str, Any]:
    """The Service, with more metadata."""
    copy = deepcopy(SERVICE)
    for key, value in metadata.items():
        held = copy["metadata"].get(key)
        copy["metadata"][key] = {**held, **value} if isinstance(held, dict) else value
    return copy
