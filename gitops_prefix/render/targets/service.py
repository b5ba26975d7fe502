"""Service: the addresses that a load balancer gives it, and the ones that DNS shows.

docs.cilium.io, "LoadBalancer IPAM"; metallb.io, "Usage"; external-dns, "annotations".
A target annotation replaces A and AAAA records alike, so its author's entries survive.
"""

from collections.abc import Iterator, Mapping
from functools import partial

from gitops_prefix.decide.address import parse_address
from gitops_prefix.decide.reference import Reference
from gitops_prefix.decide.service_address import Claim, room_of
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.address_list import Ownership, address_of, edit_address_list, entries
from gitops_prefix.render.binding import Binding, FieldEdit, Following
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import nearest_node
from gitops_prefix.render.reference import (
    ADDRESS_RANGE,
    SERVICE_ADDRESS_RANGE,
    SERVICE_SUBNET,
    SKIP_DNS,
    SUBNET,
    SUFFIX,
    annotation_problem,
    read_reference,
)
from gitops_prefix.render.settings import Settings
from gitops_prefix.render.target import Bound, Surroundings, Target

CILIUM = "lbipam.cilium.io/ips"
METALLB = ("metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs")
SHARING_KEY = "lbipam.cilium.io/sharing-key"
DNS_TARGETS = ("external-dns.alpha.kubernetes.io/target", "external-dns.kubernetes.io/target")
"""The one that external-dns read by default before 0.22, and since."""


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
        wrong = annotation_problem(manifest, "mode-simple", message, severity=Severity.WARNING)
        return Bound(problems=(*problems, wrong))
    try:
        claim = claim_of(manifest, reference)
    except ValueError as error:
        message = f'{SUFFIX}: {error}; write a host part, as in "::f000:0:0:10"'
        wrong = annotation_problem(manifest, "invalid-value", message, key=SUFFIX)
        return Bound(problems=(*problems, wrong))
    if claim.suffix is None and not (reference.address_range or reference.subnet):
        message = f"the Service names no address: add {SERVICE_ADDRESS_RANGE}, or {SUFFIX}"
        return Bound(problems=(*problems, annotation_problem(manifest, "no-address", message)))
    fields = [*_address_fields(manifest), *_dns_fields(manifest, surroundings.settings)]
    return Bound(tuple(_binding(manifest, claim, key) for key in fields), problems)


def service_reference(
    manifest: Manifest, specifications: Mapping[str, Specification]
) -> tuple[Reference | None, tuple[Problem, ...]]:
    """What a Service is bound to, or None when that is wrong, and every problem."""
    return read_reference(
        manifest,
        specifications,
        range_keys=(SERVICE_ADDRESS_RANGE, ADDRESS_RANGE),
        subnet_keys=(SERVICE_SUBNET, SUBNET),
    )


def claim_of(manifest: Manifest, reference: Reference) -> Claim:
    """The host part that a Service wants.

    Raises:
        ValueError: its suffix is no address.
    """
    return Claim(
        manifest.namespace,
        manifest.name,
        reference,
        f"{manifest.path}:{manifest.span.number}",
        parse_address(manifest.annotations[SUFFIX]) if SUFFIX in manifest.annotations else None,
        tuple(_addresses(manifest)),
        str(manifest.annotations.get(SHARING_KEY) or ""),
    )


def _addresses(manifest: Manifest) -> Iterator[int]:
    for key in (CILIUM, *METALLB):
        for entry in entries(manifest.annotations.get(key)):
            address = address_of(entry)
            if address is not None:
                yield address


def _address_fields(manifest: Manifest) -> Iterator[str]:
    metallb = [key for key in METALLB if key in manifest.annotations]
    if CILIUM in manifest.annotations or not metallb:
        yield CILIUM
    yield from metallb


def _dns_fields(manifest: Manifest, settings: Settings) -> Iterator[str]:
    if manifest.annotations.get(SKIP_DNS) == "true":
        return
    configured = tuple(f"{prefix}target" for prefix in settings.dns_annotation_prefixes)
    known = dict.fromkeys((*DNS_TARGETS, *configured))
    yield from [key for key in known if key in manifest.annotations] or configured


def _binding(manifest: Manifest, claim: Claim, key: str) -> Binding:
    path = ("metadata", "annotations", key)
    place = manifest.place(nearest_node(manifest.root, path))
    edit = partial(_edit, manifest, claim, key)
    return Binding(manifest, path, claim.reference.dynamic_prefix, place, edit, claim)


def _edit(manifest: Manifest, claim: Claim, key: str, following: Following) -> FieldEdit:
    known = frozenset(
        address
        for status in following.statuses
        for host_part in (following.host_part, following.host_part_before)
        if host_part is not None
        for address in _held(claim, following, status, host_part)
    )
    held = _held(claim, following, following.after, following.host_part or 0)
    if key in METALLB:
        # It takes one address a family (metallb.io, "Requesting specific IPs").
        wanted = held[:1]
    elif key == CILIUM:
        wanted = held
    else:
        wanted = (_shown(following, held),)
    ownership = Ownership(wanted, known, following.after.prefixes)
    return edit_address_list(manifest, ("metadata", "annotations", key), ownership)


def _held(claim: Claim, following: Following, status: Status, host_part: int) -> tuple[int, ...]:
    """The addresses of a host part in a status: current, then past."""
    room = room_of(claim.reference, following.specification, status)
    return room.addresses(host_part) if room else ()


def _shown(following: Following, held: tuple[int, ...]) -> int:
    """What DNS shows: for `dnsDelay` it may be the past one still."""
    base = following.specification.base(following.after.dns_target)
    inside = (address for address in held if base.network <= address <= base.last)
    return next(inside, held[0])


TARGET = Target(
    kind="Service",
    group="",
    versions=("v1",),
    fields=(CILIUM, DNS_TARGETS[0]),
    bind=_bind,
)
