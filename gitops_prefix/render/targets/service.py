"""Service: the addresses that a load balancer assigns to it, and the address in DNS.

docs.cilium.io, "LoadBalancer IPAM"; metallb.io, "Usage"; external-dns, "annotations".
A target annotation replaces A and AAAA records alike, so the author's entries stay.
"""

from collections.abc import Iterator, Mapping
from functools import partial

from gitops_prefix.decide.address import parse_address
from gitops_prefix.decide.reference import Reference
from gitops_prefix.decide.service_address import Claim, room_of
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.address_text import addresses_of
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
    SERVICE_ADDRESS_RANGE,
    SERVICE_SUBNET,
    SKIP_DNS,
    SUBNET,
    SUFFIX,
    Manifest,
    read_reference,
)
from gitops_prefix.render.shared_list import Ownership, edit_address_text

CILIUM = "lbipam.cilium.io/ips"
METALLB = ("metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs")
SHARING_KEY = "lbipam.cilium.io/sharing-key"
DNS_TARGETS = ("external-dns.alpha.kubernetes.io/target", "external-dns.kubernetes.io/target")
"""What external-dns reads by default: before release 0.22, and since."""


def _bind(manifest: Manifest, surroundings: Surroundings) -> Bound:
    reference, problems = service_reference(manifest, surroundings.specifications)
    if reference is None:
        return Bound(problems=problems)
    specification = surroundings.specifications[reference.dynamic_prefix]
    if specification.transition.mode != "ha":
        message = (
            f"{reference.dynamic_prefix} is in mode simple, which leaves Services to the load "
            "balancer: set its spec.transition.mode to ha"
        )
        wrong = manifest.annotation_problem("mode-simple", message, severity=Severity.WARNING)
        return Bound(problems=(*problems, wrong))
    try:
        claim = claim_of(manifest, reference)
    except ValueError as error:
        message = f'{SUFFIX}: {error}; write a host part, as in "::f000:0:0:10"'
        wrong = manifest.annotation_problem("invalid-value", message, key=SUFFIX)
        return Bound(problems=(*problems, wrong))
    if claim.suffix is None and not (reference.address_range or reference.subnet):
        message = f"the Service names no address: add {SERVICE_ADDRESS_RANGE}, or {SUFFIX}"
        return Bound(problems=(*problems, manifest.annotation_problem("no-address", message)))
    keys = [*_address_keys(manifest), *_dns_keys(manifest, surroundings.dns_annotation_prefixes)]
    bindings = (
        Binding(
            manifest,
            ("metadata", "annotations", key),
            reference.dynamic_prefix,
            partial(_edit, claim, key),
            claim,
        )
        for key in keys
    )
    return Bound(tuple(bindings), problems)


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
        str(manifest.annotations.get(SHARING_KEY) or ""),
    )


def _address_keys(manifest: Manifest) -> Iterator[str]:
    metallb = [key for key in METALLB if key in manifest.annotations]
    if CILIUM in manifest.annotations or not metallb:
        yield CILIUM
    yield from metallb


def _dns_keys(manifest: Manifest, prefixes: tuple[str, ...]) -> Iterator[str]:
    if manifest.annotations.get(SKIP_DNS) == "true":
        return
    configured = tuple(f"{prefix}target" for prefix in prefixes)
    known = dict.fromkeys((*DNS_TARGETS, *configured))
    yield from [key for key in known if key in manifest.annotations] or configured


def _edit(claim: Claim, key: str, binding: Binding, following: Following) -> FieldEdit:
    known = frozenset(
        address
        for status in following.statuses
        for host_part in (following.host_part, following.host_part_before)
        if host_part is not None
        for address in _held(claim, following, status, host_part)
    )
    held = _held(claim, following, following.after, following.host_part or 0)
    if key in METALLB:
        # MetalLB takes one address a family (metallb.io, "Requesting specific IPs").
        wanted = held[:1]
    elif key == CILIUM:
        wanted = held
    else:
        wanted = (_in_dns(following, held),)
    return edit_address_text(binding, Ownership(wanted, known, following.after.prefixes))


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
    fields=(CILIUM, DNS_TARGETS[0]),
    bind=_bind,
)
