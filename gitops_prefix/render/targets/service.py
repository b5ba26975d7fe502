"""Service: the addresses that a load balancer assigns to it, and the address in DNS.

docs.cilium.io, "LoadBalancer IPAM"; metallb.io, "Usage"; external-dns, "annotations".
A target annotation replaces A and AAAA records alike, so the author's entries stay.

A Service that a chart or a Gateway makes has its annotations in Helm values, in
`spec.infrastructure`, or in another mapping: `Manifest.annotated_at` says which one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from gitops_prefix.decide.fields import dotted
from gitops_prefix.decide.prefix import format_address, parse_address
from gitops_prefix.decide.service_address import Claim, Exposure, Holder, room_of
from gitops_prefix.decide.specification import Reference, Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import Problem
from gitops_prefix.render.address_text import address_span, addresses_of, entries
from gitops_prefix.render.binding import (
    Binding,
    Bound,
    FieldEdit,
    Following,
    Surroundings,
    Target,
)
from gitops_prefix.render.load_balancers import (
    CILIUM,
    METALLB,
    LoadBalancer,
    SeveralBalancers,
    exposure_of,
    families_of,
    find_unfit,
    ipv4_of,
    is_silent,
    keys_of,
    load_balancer_of,
    may_be_dual_stack,
    undecided,
    warning_on,
)
from gitops_prefix.render.manifest import (
    ADDRESS_RANGE,
    IPV6_ONLY,
    NAME,
    SERVICE,
    SERVICE_ADDRESS_RANGE,
    SERVICE_SUBNET,
    SKIP_DNS,
    SUBNET,
    SUFFIX,
    Manifest,
    read_reference,
)
from gitops_prefix.render.node import value_at
from gitops_prefix.render.shared_list import Ownership, edit_address_text

_LOAD_BALANCER_IP = "loadBalancerIP"
_INTERNAL, _TARGET = "internal-hostname", "target"
"""external-dns takes the target in place of the cluster's addresses here as well."""
_SERVICE = ("v1", "Service")
DNS_PREFIXES = ("external-dns.alpha.kubernetes.io/", "external-dns.kubernetes.io/")
"""What external-dns reads by default: before release 0.22, and since."""
_NAMES = re.compile(r"([a-z0-9][-a-z0-9]*/)?[a-z0-9][-.a-z0-9]*")


def service_id(manifest: Manifest) -> tuple[str, str]:
    """Namespace and name of a Service: its own, those that SERVICE says, or where it is made.

    Raises:
        ValueError: SERVICE names nothing.
    """
    written = manifest.annotations.get(SERVICE)
    if isinstance(written, str):
        namespace, slash, name = written.rpartition("/")
        if not _NAMES.fullmatch(written):
            raise ValueError(f'"{written}" is no NAMESPACE/NAME of a Service')
        return namespace if slash else manifest.namespace, name
    there = value_at(manifest.content, manifest.annotated)
    own = isinstance(there, dict) and (there.get("apiVersion"), there.get("kind")) == _SERVICE
    if not own:
        return manifest.namespace, f"{manifest.name}:{dotted(manifest.annotated) or 'metadata'}"
    named = [value_at(there, ("metadata", key)) for key in ("namespace", "name")]
    namespace, name = (text if isinstance(text, str) else "" for text in named)
    return namespace, name


def _bind(manifest: Manifest, surroundings: Surroundings) -> Bound:
    reference, problems = service_reference(manifest, surroundings.specifications)
    if reference is None:
        return Bound(problems=problems)
    specification = surroundings.specifications[reference.dynamic_prefix]
    balancer = load_balancer_of(manifest, reference, surroundings.manifests)
    claim = find_unfit(manifest) or _read_claim(manifest, reference, specification, balancer)
    if isinstance(claim, Problem):
        return Bound(problems=(*problems, claim))
    if not isinstance(balancer, LoadBalancer):
        return Bound(problems=(*problems, undecided(manifest, balancer)))
    service = _Service(manifest, claim, balancer, keys_of(manifest, balancer))
    loss = _families_would_differ(manifest, service)
    if loss is not None and not (
        loss.code == "ipv4-would-be-lost" and service.holds_ipv6(manifest)
    ):
        return Bound(problems=(*problems, loss))
    dns = tuple(_dns_keys(manifest, surroundings.dns_annotation_prefixes))
    new = [key for key in dns if not entries(manifest.annotations.get(key))]
    replaced = _replaced_in_dns(manifest, service, loss, new) if new else None
    if replaced is not None:
        dns = tuple(key for key in dns if key not in new)
    bindings = (
        Binding(
            manifest.document,
            (*manifest.annotated_at, key),
            reference.dynamic_prefix,
            partial(_edit, service, key),
            claim,
        )
        for key in (*service.keys, *dns)
    )
    advice = (
        *filter(None, (loss, replaced)),
        *_advise(manifest, service, specification, dns),
    )
    return Bound(tuple(bindings), (*problems, *advice))


def _read_claim(
    manifest: Manifest,
    reference: Reference,
    specification: Specification,
    balancer: LoadBalancer | SeveralBalancers | None,
) -> Claim | Problem:
    """The host part that a Service wants, or why the Service gets none."""
    if specification.transition.mode != "ha":
        message = (
            f"{reference.dynamic_prefix} is in mode simple, which leaves Services to the load "
            "balancer: set its spec.transition.mode to ha"
        )
        return warning_on(manifest, "mode-simple", message)
    try:
        service_id(manifest)
    except ValueError as error:
        message = f'{SERVICE}: {error}: write it as in "media/plex"'
        return manifest.annotation_problem("invalid-value", message, key=SERVICE)
    try:
        claim = claim_of(manifest, reference, balancer)
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
        manifest: read by the annotations of the Service.
        keys: the annotations of the load balancer that hold addresses.
    """

    manifest: Manifest
    claim: Claim
    balancer: LoadBalancer
    keys: tuple[str, ...]

    def holds_ipv6(self, manifest: Manifest) -> bool:
        """Whether an address annotation has an IPv6 address already."""
        texts = (manifest.annotations.get(key) for key in self.keys)
        return any(True for text in texts for _ in addresses_of(text))

    def pinned(self, manifest: Manifest) -> tuple[str, ...]:
        """The IPv4 addresses of its address annotations, as they are written."""
        texts = (manifest.annotations.get(key) for key in self.keys)
        return tuple(dict.fromkeys(address for text in texts for address in ipv4_of(text)))

    def ipv4(self, manifest: Manifest) -> tuple[str, ...]:
        """The IPv4 addresses that a Service asks for."""
        # LB-IPAM adds this address to those of the annotation.
        more = manifest.of_spec(_LOAD_BALANCER_IP) if self.balancer is LoadBalancer.CILIUM else None
        return tuple(dict.fromkeys((*self.pinned(manifest), *ipv4_of(more))))

    def ipv4_in_dns(self, manifest: Manifest) -> tuple[str, ...]:
        """The IPv4 addresses that a Service has in DNS; external-dns takes external IPs alone."""
        external = manifest.of_spec("externalIPs")
        if not (external and isinstance(external, list)):
            return self.ipv4(manifest)
        return tuple(address for text in external for address in ipv4_of(text))


def _families_would_differ(manifest: Manifest, service: _Service) -> Problem | None:
    """A warning when our address would take the other addresses from a Service.

    `lbipam.cilium.io/ips` is exclusive. MetalLB wants exactly the families of the Service.
    A list with IPv6 alone has taken the IPv4 address already, so it goes on following.
    """
    key, ipv4, dual = service.keys[0], service.ipv4(manifest), may_be_dual_stack(manifest)
    if service.balancer is LoadBalancer.METALLB:
        if manifest.of_spec(_LOAD_BALANCER_IP):
            message = (
                f"MetalLB gives no address to a Service with spec.loadBalancerIP and {key}: write "
                "that address into the annotation instead"
            )
            return warning_on(manifest, "load-balancer-ip", message)
        if ipv4 and families_of(manifest) == ["IPv6"] and not dual:
            message = (
                f"MetalLB gives no address to a Service with IPv6 only and {ipv4[0]} in {key}: "
                "remove that address, or add IPv4 to spec.ipFamilies"
            )
            return warning_on(manifest, "no-ipv4", message, key)
        if ipv4 and manifest.of_spec("ipFamilyPolicy") == "SingleStack" and not dual:
            return _single_stack(manifest, key, ipv4[0])
    if not dual or ipv4:
        return None
    if service.balancer is LoadBalancer.METALLB:
        message = (
            f"MetalLB gives a dual-stack Service no address without an IPv4 in {key}: write its "
            "IPv4 address there, or make the Service single stack"
        )
    elif manifest.annotations.get(IPV6_ONLY) == "true":
        return None
    else:
        message = (
            f"the Service may be dual stack, and Cilium gives it only the addresses of {key}: "
            f'write its IPv4 address there, or set {IPV6_ONLY}: "true"'
        )
    return warning_on(manifest, "ipv4-would-be-lost", message)


def _single_stack(manifest: Manifest, key: str, ipv4: str) -> Problem:
    message = (
        f"MetalLB gives a single-stack Service no address with both families in {key}: "
        f"set spec.ipFamilyPolicy to PreferDualStack, or remove {ipv4}"
    )
    return warning_on(manifest, "ipv4-would-be-lost", message, key)


def _replaced_in_dns(
    manifest: Manifest, service: _Service, loss: Problem | None, keys: Sequence[str]
) -> Problem | None:
    """A warning when new targets would replace records of addresses that are not known here."""
    key = keys[0]
    names = (f"{each.removesuffix(_TARGET)}{_INTERNAL}" for each in keys)
    internal = next(filter(manifest.annotations.__contains__, names), None)
    if internal is not None:
        message = (
            f"{key} is not made, since it would replace the records of {internal} too, which are "
            "addresses inside the cluster: give that name to a Service of its own"
        )
    elif loss is not None and not service.ipv4_in_dns(manifest):
        message = (
            f"{key} is not made, since it would replace the A record, and the IPv4 address of the "
            f"Service is not known: write it into {service.keys[0]}"
        )
    else:
        return None
    return warning_on(manifest, "ipv4-leaves-dns", message)


def _advise(
    manifest: Manifest, service: _Service, specification: Specification, dns: tuple[str, ...]
) -> Iterator[Problem]:
    """Warnings that do not keep the Service from following."""
    if service.balancer is LoadBalancer.METALLB:
        if (ipv4 := service.ipv4(manifest)) and is_silent(manifest):
            yield _single_stack(manifest, service.keys[0], ipv4[0])
        if dns and specification.transition.dns_delay:
            message = "MetalLB holds one address, so the DNS target moves with it, without dnsDelay"
            yield warning_on(manifest, "no-dns-delay", message)
        for key in filter(manifest.annotations.__contains__, CILIUM):
            message = f"{key} is not read by MetalLB: remove it"
            yield warning_on(manifest, "unused-annotation", message, key)
    for key in dns:
        written = entries(manifest.annotations.get(key))
        if any(address_span(entry) is None for entry in written):
            message = f"{key}: external-dns drops a hostname beside addresses: keep one kind"
            yield warning_on(manifest, "hostname-in-target", message, key)
        elif written and service.ipv4_in_dns(manifest) and not any(map(ipv4_of, written)):
            message = f"{key} has no IPv4, so external-dns has no A record: add the IPv4 address"
            yield warning_on(manifest, "ipv4-leaves-dns", message, key)


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


def claim_of(
    manifest: Manifest, reference: Reference, balancer: LoadBalancer | SeveralBalancers | None
) -> Claim:
    """The host part that a Service wants.

    Raises:
        ValueError: its suffix is not an address, or SERVICE names nothing.
    """
    suffix = manifest.annotations.get(SUFFIX)
    held = (manifest.annotations.get(key) for key in (*CILIUM, *METALLB))
    sharing = balancer.sharing_keys if isinstance(balancer, LoadBalancer) else ()
    # Of two load balancers neither knows what the other one shares.
    keys = (f"{sharing[0]} {key}" for key in map(manifest.annotations.get, sharing) if key)
    sharing_key = next(keys, "")
    namespace, name = service_id(manifest)
    document, where = f"{manifest.path}:{manifest.span.number}", dotted(manifest.annotated)
    return Claim(
        namespace,
        name,
        reference,
        f"{document}:{where}" if where else document,
        parse_address(suffix) if isinstance(suffix, str) else None,
        tuple(address for text in held for address in addresses_of(text)),
        sharing_key,
        Holder(manifest.title or document, where),
        exposure=exposure_of(manifest, namespace, balancer) if sharing_key else Exposure(),
    )


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
    if metallb and (other := _find_another(service, service.manifest, known)):
        return binding.unchanged((other,))
    if key in service.keys:
        # MetalLB takes one address of a family (metallb.io, "Requesting specific IPs").
        wanted = held[:1] if metallb else held
        # The first annotation counts: what another one pins is pinned in an empty one, too.
        added = () if entries(binding.before) else service.pinned(service.manifest)
        return edit_address_text(binding, Ownership(wanted, known, prefixes, added))
    target = held[0] if metallb else _in_dns(following, held)
    # A target that is new replaces the A record too, so it needs the IPv4 addresses.
    added = () if entries(binding.before) else service.ipv4_in_dns(service.manifest)
    return edit_address_text(binding, Ownership((target,), known, prefixes, added))


def _find_another(service: _Service, manifest: Manifest, known: frozenset[int]) -> Problem | None:
    """A warning when a Service of MetalLB asks for an IPv6 address that is not ours."""
    for key in service.keys:
        for address in addresses_of(manifest.annotations.get(key)):
            if address not in known:
                message = (
                    f"MetalLB takes one IPv6 address, and {key} has {format_address(address)}, "
                    f"which is not of the range; the Service stays as it is: remove that address, "
                    f"or write its host part as {SUFFIX}"
                )
                return warning_on(manifest, "second-ipv6", message, key)
    return None


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
    fields=(CILIUM[0], *(f"{prefix}target" for prefix in DNS_PREFIXES)),
    bind=_bind,
    reads=(
        NAME,
        SERVICE_ADDRESS_RANGE,
        SERVICE_SUBNET,
        ADDRESS_RANGE,
        SUBNET,
        SUFFIX,
        SERVICE,
        IPV6_ONLY,
        SKIP_DNS,
    ),
)
