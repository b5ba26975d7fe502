"""Load balancers: which one a Service has, the annotations it reads, and its pools.

docs.cilium.io, "LoadBalancer IPAM"; metallb.io, "Usage". What a pool gives is compared with
what all other pools give, since both load balancers stop using pools that overlap.
"""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from gitops_prefix.decide.reference import Reference
from gitops_prefix.render.address_text import address_span, entries
from gitops_prefix.render.manifest import ADDRESS_RANGE, NAME, SUBNET, Manifest
from gitops_prefix.render.node import Value, value_at

CILIUM = ("lbipam.cilium.io/ips", "io.cilium/lb-ipam-ips")
METALLB = ("metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs")
"""Address annotations of each: the first one counts where a Service has both."""
_OF_CILIUM = ("lbipam.cilium.io/", "io.cilium/")
_OF_METALLB = ("metallb.io/", "metallb.universe.tf/")
_BY_POOL = {"CiliumLoadBalancerIPPool": "Cilium", "IPAddressPool": "MetalLB"}


class LoadBalancer(Enum):
    """A load balancer that takes addresses from annotations."""

    CILIUM = "Cilium"
    METALLB = "MetalLB"

    @property
    def address_keys(self) -> tuple[str, ...]:
        """The annotations in which it takes addresses; the first one counts."""
        return CILIUM if self is LoadBalancer.CILIUM else METALLB

    @property
    def sharing_keys(self) -> tuple[str, ...]:
        """The annotations that let two Services share an address; the first one counts."""
        if self is LoadBalancer.CILIUM:
            return ("lbipam.cilium.io/sharing-key", "io.cilium/lb-ipam-sharing-key")
        return ("metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip")


class SeveralBalancers(NamedTuple):
    """Pools of two kinds have the range of a Service, and nothing on the Service decides."""

    pools: tuple[Manifest, ...]


def load_balancer_of(
    manifest: Manifest, reference: Reference, manifests: Iterable[Manifest]
) -> LoadBalancer | SeveralBalancers | None:
    """The load balancer of a Service; None when it is neither Cilium's nor MetalLB's.

    The class counts first, then an annotation of MetalLB, then the kind of the pools of its
    range. An annotation of Cilium decides only between pools of both kinds: earlier versions
    wrote it on every Service.
    """
    of_metallb = _has_key(manifest, _OF_METALLB)
    chosen = value_at(manifest.content, ("spec", "loadBalancerClass"))
    if isinstance(chosen, str) and chosen:
        if chosen.startswith(_OF_CILIUM):
            return LoadBalancer.CILIUM
        # MetalLB takes a class of any name (its option --lb-class).
        return LoadBalancer.METALLB if of_metallb or "metallb" in chosen.lower() else None
    if of_metallb:
        return LoadBalancer.METALLB
    pools = {_BY_POOL[pool.kind]: pool for pool in _pools(reference, manifests)}
    if len(pools) > 1 and not _has_key(manifest, _OF_CILIUM):
        return SeveralBalancers(tuple(pools.values()))
    return LoadBalancer(next(iter(pools))) if len(pools) == 1 else LoadBalancer.CILIUM


def _has_key(manifest: Manifest, prefixes: tuple[str, ...]) -> bool:
    return any(str(key).startswith(prefixes) for key in manifest.annotations)


def _pools(reference: Reference, manifests: Iterable[Manifest]) -> Iterator[Manifest]:
    """The pools that may have the addresses of a reference."""
    for pool in manifests:
        if pool.kind not in _BY_POOL or pool.annotations.get(NAME) != reference.dynamic_prefix:
            continue
        part = pool.annotations.get(ADDRESS_RANGE) or pool.annotations.get(SUBNET)
        wanted = reference.address_range or reference.subnet
        if not part or not wanted or part == wanted:
            yield pool


def may_be_dual_stack(manifest: Manifest) -> bool:
    """Whether a Service may have an IPv4 address beside an IPv6 address."""
    policy = value_at(manifest.content, ("spec", "ipFamilyPolicy"))
    return policy in {"PreferDualStack", "RequireDualStack"} or len(families_of(manifest)) > 1


def may_hold_ipv6(manifest: Manifest) -> bool:
    """Whether a Service may have an IPv6 address at all."""
    return may_be_dual_stack(manifest) or families_of(manifest) in ([], ["IPv6"])


def families_of(manifest: Manifest) -> list[Value]:
    """The IP families that a Service asks for by name."""
    families = value_at(manifest.content, ("spec", "ipFamilies"))
    return families if isinstance(families, list) else []


def ipv4_of(text: Value) -> list[str]:
    """The IPv4 addresses of a list with commas, as they are written."""
    return [entry for entry in entries(text) if (span := address_span(entry)) and span.version == 4]


def keys_of(manifest: Manifest, balancer: LoadBalancer) -> tuple[str, ...]:
    """The annotations to write the addresses of a Service into: what it has, or the usual one."""
    keys = balancer.address_keys
    return tuple(key for key in keys if key in manifest.annotations) or keys[:1]
