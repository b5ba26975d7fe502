"""Service: the addresses that a load balancer assigns to it, and the address in DNS.

docs.cilium.io, "LoadBalancer IPAM"; metallb.io, "Usage"; external-dns, "annotations".
A target annotation replaces A and AAAA records alike, so the author's entries stay.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import partial
from typing import NamedTuple

from gitops_prefix.decide.address import parse_address
from gitops_prefix.decide.reference import Reference
from gitops_prefix.decide.service_address import Claim, room_of
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.address_text import address_span, addresses_of, entries
from gitops_prefix.render.binding import (
    Binding,
    Bound,
    FieldEdit,
    Following,
    Surroundings,
    Target,
)
from gitops_prefix.render.manifest import (
    ADDRESS_RANGE,
    IPV6_ONLY,
    NAME,
    SERVICE_ADDRESS_RANGE,
    SERVICE_SUBNET,
    SKIP_DNS,
    SUBNET,
    SUFFIX,
    Manifest,
    read_reference,
)
from gitops_prefix.render.node import Value, value_at
from gitops_prefix.render.shared_list import Ownership, edit_address_text

CILIUM = "lbipam.cilium.io/ips"
METALLB = ("metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs")
SHARING_KEYS = (
    "lbipam.cilium.io/sharing-key",
    "metallb.io/allow-shared-ip",
    "metallb.universe.tf/allow-shared-ip",
)
_OF_CILIUM = ("lbipam.cilium.io/", "io.cilium/")
_OF_METALLB = ("metallb.io/", "metallb.universe.tf/")
_BY_POOL = {"CiliumLoadBalancerIPPool": "Cilium", "IPAddressPool": "MetalLB"}
DNS_PREFIXES = ("external-dns.alpha.kubernetes.io/", "external-dns.kubernetes.io/")
"""What external-dns reads by default: before release 0.22, and since."""


class LoadBalancer(Enum):
    """A load balancer that takes addresses from annotations."""

    CILIUM = "Cilium"
    METALLB = "MetalLB"


class SeveralBalancers(NamedTuple):
    """Pools of two kinds have the range of a Service, and nothing on the Service decides."""

    pools: tuple[Manifest, ...]


def load_balancer_of(
    manifest: Manifest, reference: Reference, manifests: Iterable[Manifest]
) -> LoadBalancer | SeveralBalancers | None:
    """The load balancer of a Service; None when it is neither Cilium's nor MetalLB's.

    The class counts first, then an annotation of a load balancer on the Service, then the
    kind of the pools of its range, then Cilium.
    """
    chosen = value_at(manifest.content, ("spec", "loadBalancerClass"))
    if isinstance(chosen, str) and chosen:
        if chosen.startswith(_OF_CILIUM):
            return LoadBalancer.CILIUM
        return LoadBalancer.METALLB if "metallb" in chosen.lower() else None
    for balancer, prefixes in (
        (LoadBalancer.METALLB, _OF_METALLB),
        (LoadBalancer.CILIUM, _OF_CILIUM),
    ):
        if any(str(key).startswith(prefixes) for key in manifest.annotations):
            return balancer
    pools = {_BY_POOL[pool.kind]: pool for pool in _pools(reference, manifests)}
    if len(pools) > 1:
        return SeveralBalancers(tuple(pools.values()))
    return LoadBalancer(next(iter(pools), "Cilium"))


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
    return policy in {"PreferDualStack", "RequireDualStack"} or len(_families(manifest)) > 1


def may_hold_ipv6(manifest: Manifest) -> bool:
    """Whether a Service may have an IPv6 address at all."""
    return may_be_dual_stack(manifest) or _families(manifest) in ([], ["IPv6"])


def _families(manifest: Manifest) -> list[Value]:
    families = value_at(manifest.content, ("spec", "ipFamilies"))
    return families if isinstance(families, list) else []


def ipv4_of(text: Value) -> list[str]:
    """The IPv4 addresses of a list with commas, as they are written."""
    return [entry for entry in entries(text) if (span := address_span(entry)) and span.version == 4]


def _bind(manifest: Manifest, surroundings: Surroundings) -> Bound:
    reference, problems = service_reference(manifest, surroundings.specifications)
    if reference is None:
        return Bound(problems=problems)
    specification = surroundings.specifications[reference.dynamic_prefix]
    claim = _read_claim(manifest, reference, specification)
    balancer = load_balancer_of(manifest, reference, surroundings.manifests)
    unfit = claim if isinstance(claim, Problem) else _find_unfit(manifest, balancer)
    if unfit is not None or isinstance(claim, Problem) or not isinstance(balancer, LoadBalancer):
        return Bound(problems=(*problems, *filter(None, (unfit,))))
    service = _Service(claim, balancer, address_keys(manifest, balancer))
    loss = _ipv4_would_be_lost(manifest, service)
    if loss is not None and not service.holds_ipv6(manifest):
        return Bound(problems=(*problems, loss))
    dns = [
        key
        for key in _dns_keys(manifest, surroundings.dns_annotation_prefixes)
        # A new target would replace an A record of an address that is not known here.
        if loss is None or key in manifest.annotations
    ]
    bindings = (
        Binding(
            manifest,
            ("metadata", "annotations", key),
            reference.dynamic_prefix,
            partial(_edit, service, key),
            claim,
        )
        for key in (*service.keys, *dns)
    )
    advice = _advise(manifest, service, specification, dns)
    return Bound(tuple(bindings), (*problems, *filter(None, (loss,)), *advice))


def _read_claim(
    manifest: Manifest, reference: Reference, specification: Specification
) -> Claim | Problem:
    """The host part that a Service wants, or why the Service gets none."""
    if specification.transition.mode != "ha":
        message = (
            f"{reference.dynamic_prefix} is in mode simple, which leaves Services to the load "
            "balancer: set its spec.transition.mode to ha"
        )
        return _warning(manifest, "mode-simple", message)
    try:
        claim = claim_of(manifest, reference)
    except ValueError as error:
        message = f'{SUFFIX}: {error}; write a host part, as in "::f000:0:0:10"'
        return manifest.annotation_problem("invalid-value", message, key=SUFFIX)
    if claim.suffix is None and not (reference.address_range or reference.subnet):
        message = f"the Service names no address: add {SERVICE_ADDRESS_RANGE}, or {SUFFIX}"
        return manifest.annotation_problem("no-address", message)
    return claim


class _Service(NamedTuple):
    """What the edit of an annotation needs to know.

    Attributes:
        keys: the annotations of the load balancer that hold addresses.
    """

    claim: Claim
    balancer: LoadBalancer
    keys: tuple[str, ...]

    def holds_ipv6(self, manifest: Manifest) -> bool:
        """Whether an address annotation has an IPv6 address already."""
        texts = (manifest.annotations.get(key) for key in self.keys)
        return any(True for text in texts for _ in addresses_of(text))

    def ipv4(self, manifest: Manifest) -> tuple[str, ...]:
        """The IPv4 addresses of the address annotations, as they are written."""
        texts = (manifest.annotations.get(key) for key in self.keys)
        return tuple(address for text in texts for address in ipv4_of(text))


def _find_unfit(
    manifest: Manifest, balancer: LoadBalancer | SeveralBalancers | None
) -> Problem | None:
    """Why a Service cannot have an address of ours, if it cannot."""
    kind = value_at(manifest.content, ("spec", "type"))
    if kind is not None and kind != "LoadBalancer":
        message = (
            f"the Service has type {kind}, not LoadBalancer, and gets no address: remove {NAME}"
        )
        return _warning(manifest, "no-load-balancer", message)
    if not may_hold_ipv6(manifest):
        message = "the Service has IPv4 only (spec.ipFamilies): add IPv6, or remove " + NAME
        return _warning(manifest, "no-ipv6", message)
    if isinstance(balancer, SeveralBalancers):
        first, second = balancer.pools[:2]
        message = (
            f"{first.kind} {first.name} and {second.kind} {second.name} both have the range of the "
            "Service: set its spec.loadBalancerClass, or write the annotation of one load balancer"
        )
        return manifest.annotation_problem("two-load-balancers", message)
    if balancer is None:
        chosen = value_at(manifest.content, ("spec", "loadBalancerClass"))
        message = f"spec.loadBalancerClass {chosen} is not known: write the address with a marker"
        return _warning(manifest, "no-load-balancer", message)
    return None


def _ipv4_would_be_lost(manifest: Manifest, service: _Service) -> Problem | None:
    """A warning when our address would take the IPv4 address from a Service.

    `lbipam.cilium.io/ips` is exclusive. MetalLB wants exactly the families of the Service.
    A list with IPv6 alone has taken the IPv4 address already, so it goes on following.
    """
    if not may_be_dual_stack(manifest) or service.ipv4(manifest):
        return None
    if service.balancer is LoadBalancer.METALLB:
        message = (
            f"MetalLB gives a dual-stack Service no address without an IPv4 in {service.keys[0]}: "
            "write its IPv4 address there, or make the Service single stack"
        )
    elif manifest.annotations.get(IPV6_ONLY) == "true":
        return None
    else:
        message = (
            f"the Service may be dual stack, and Cilium gives it only the addresses of {CILIUM}: "
            f'write its IPv4 address there, or set {IPV6_ONLY}: "true"'
        )
    return _warning(manifest, "ipv4-would-be-lost", message)


def _advise(
    manifest: Manifest, service: _Service, specification: Specification, dns: list[str]
) -> Iterator[Problem]:
    """Warnings that do not keep the Service from following."""
    if service.balancer is LoadBalancer.METALLB:
        if dns and specification.transition.dns_delay:
            message = "MetalLB holds one address, so the DNS target moves with it, without dnsDelay"
            yield _warning(manifest, "no-dns-delay", message)
        if CILIUM in manifest.annotations:
            message = f"{CILIUM} is not read by MetalLB: remove it"
            yield _warning(manifest, "unused-annotation", message, CILIUM)
    for key in dns:
        written = entries(manifest.annotations.get(key))
        if any(address_span(entry) is None for entry in written):
            message = f"{key}: external-dns drops a hostname beside addresses: keep one kind"
            yield _warning(manifest, "hostname-in-target", message, key)
        elif written and service.ipv4(manifest) and not any(map(ipv4_of, written)):
            message = f"{key} has no IPv4, so external-dns has no A record: add the IPv4 address"
            yield _warning(manifest, "ipv4-leaves-dns", message, key)


def _warning(manifest: Manifest, code: str, message: str, key: str = NAME) -> Problem:
    return manifest.annotation_problem(code, message, key=key, severity=Severity.WARNING)


def service_reference(
    manifest: Manifest, specifications: Mapping[str, Specification]
) -> tuple[Reference | None, tuple[Problem, ...]]:
    """The reference of a Service, or None when it is wrong, and every problem."""
    return read_reference(
        manifest,
        specifications,
        range_keys=(SERVICE_ADDRESS_RANGE, ADDRESS_RANGE),
        subnet_keys=(SERVICE_SUBNET, SUBNET),
    )


def claim_of(manifest: Manifest, reference: Reference) -> Claim:
    """The host part that a Service wants.

    Raises:
        ValueError: its suffix is not an address.
    """
    suffix = manifest.annotations.get(SUFFIX)
    held = (manifest.annotations.get(key) for key in (CILIUM, *METALLB))
    return Claim(
        manifest.namespace,
        manifest.name,
        reference,
        f"{manifest.path}:{manifest.span.number}",
        parse_address(suffix) if isinstance(suffix, str) else None,
        tuple(address for text in held for address in addresses_of(text)),
        next((str(key) for key in map(manifest.annotations.get, SHARING_KEYS) if key), ""),
    )


def address_keys(manifest: Manifest, balancer: LoadBalancer) -> tuple[str, ...]:
    """The annotations in which a load balancer takes addresses of a Service; at least one."""
    if balancer is LoadBalancer.CILIUM:
        return (CILIUM,)
    return tuple(key for key in METALLB if key in manifest.annotations) or METALLB[:1]


def _dns_keys(manifest: Manifest, configured: tuple[str, ...]) -> Iterator[str]:
    """The target annotations that external-dns reads for a Service.

    These are the targets that the Service has, those of its own hostname annotations and
    of the settings; both of external-dns's defaults where nothing says which. Targets
    with hostnames alone are the author's CNAME, and are left alone.
    """
    if manifest.annotations.get(SKIP_DNS) == "true":
        return
    known = tuple(dict.fromkeys((*DNS_PREFIXES, *configured)))
    named = [
        prefix
        for prefix in known
        if prefix in configured
        or f"{prefix}hostname" in manifest.annotations
        or f"{prefix}target" in manifest.annotations
    ]
    keys = [f"{prefix}target" for prefix in named or DNS_PREFIXES]
    written = {key: entries(manifest.annotations.get(key)) for key in keys}
    if any(found and not any(map(address_span, found)) for found in written.values()):
        return
    yield from keys


def _edit(service: _Service, key: str, binding: Binding, following: Following) -> FieldEdit:
    claim, prefixes = service.claim, following.after.prefixes
    known = frozenset(
        address
        for status in following.statuses
        for host_part in (following.host_part, following.host_part_before)
        if host_part is not None
        for address in _held(claim, following, status, host_part)
    )
    held = _held(claim, following, following.after, following.host_part or 0)
    metallb = service.balancer is LoadBalancer.METALLB
    if key in service.keys:
        # MetalLB takes one address of a family (metallb.io, "Requesting specific IPs").
        return edit_address_text(binding, Ownership(held[:1] if metallb else held, known, prefixes))
    target = held[0] if metallb else _in_dns(following, held)
    # A target that is new replaces the A record too, so it needs the IPv4 addresses.
    added = () if entries(binding.before) else service.ipv4(binding.manifest)
    return edit_address_text(binding, Ownership((target,), known, prefixes, added))


def _held(claim: Claim, following: Following, status: Status, host_part: int) -> tuple[int, ...]:
    """The addresses of a host part in a status: current, then past."""
    room = room_of(claim.reference, following.specification, status)
    return room.addresses(host_part) if room else ()


def _in_dns(following: Following, held: tuple[int, ...]) -> int:
    """The address in DNS: during `dnsDelay` it may be of the past prefix."""
    base = following.specification.base(following.after.dns_target)
    return next(filter(base.contains, held), held[0])


TARGET = Target(
    kind="Service",
    group="",
    versions=("v1",),
    fields=(CILIUM, *(f"{prefix}target" for prefix in DNS_PREFIXES)),
    bind=_bind,
)
