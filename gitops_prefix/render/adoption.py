"""Adoption: the addresses of Services in a cluster, written into the repository as suffixes.

    (inventory, live Services) -> edits and problems

A suffix that is there is never overwritten, and nothing is guessed: what is not certain
is reported and left as it is.

A live Service holds the addresses of `status.loadBalancer.ingress`. A controller that is
away writes none, so the addresses that a Service asks for count as well (docs.cilium.io,
"LoadBalancer IPAM"; metallb.io, "Usage").
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from gitops_prefix.decide.fields import Path
from gitops_prefix.decide.prefix import Prefix, format_address
from gitops_prefix.decide.service_address import (
    Claim,
    Nowhere,
    Outside,
    Room,
    Rooms,
    Several,
    assign,
    kept_host_part,
    present_host_part,
    room_of,
)
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.address_text import address_of, addresses_of, entries
from gitops_prefix.render.binding import Binding, FieldEdit, Following
from gitops_prefix.render.dynamic_prefix import DynamicPrefixDocument
from gitops_prefix.render.edit import edit_text
from gitops_prefix.render.edit_items import RefusedEditError
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.load_balancers import (
    CILIUM,
    METALLB,
    LoadBalancer,
    families_of,
    ipv4_of,
    keys_of,
    load_balancer_of,
    may_be_dual_stack,
)
from gitops_prefix.render.manifest import NAME, SERVICE, SUFFIX, Manifest
from gitops_prefix.render.positions import annotated_elsewhere
from gitops_prefix.render.rendering import Rendering, finish, refused
from gitops_prefix.render.targets.service import TARGET, claim_of, service_reference

MENDED = "no-address"
"""The code of an error that adopting a Service ends."""
_LOAD_BALANCER = "LoadBalancer"


class LiveService(NamedTuple):
    """A Service of type LoadBalancer in a cluster.

    Attributes:
        held: IPv6 addresses of its status, in their order.
        asked: the IPv6 addresses of its annotations and of spec.loadBalancerIP.
        ipv4: IPv4 addresses of its status, as they are written there.
    """

    namespace: str
    name: str
    held: tuple[int, ...] = ()
    asked: tuple[int, ...] = ()
    ipv4: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"Service {self.namespace}/{self.name}"


def read_live_services(objects: Iterable[Mapping[str, Any]]) -> tuple[LiveService, ...]:
    """The Services of type LoadBalancer among API objects, by namespace and name."""
    balanced = (
        service for service in objects if _in(service, "spec").get("type") == _LOAD_BALANCER
    )
    return tuple(sorted(map(_read_live, balanced)))


def _read_live(service: Mapping[str, Any]) -> LiveService:
    metadata = _in(service, "metadata")
    ingress = _in(_in(service, "status"), "loadBalancer").get("ingress") or []
    texts = [text for point in ingress if isinstance(text := point.get("ip"), str)]
    return LiveService(
        metadata.get("namespace") or "default",
        metadata.get("name") or "",
        tuple(address for address in map(address_of, texts) if address is not None),
        tuple(_asked(service)),
        tuple(address for text in texts for address in ipv4_of(text)),
    )


def _asked(service: Mapping[str, Any]) -> Iterator[int]:
    annotations = _in(_in(service, "metadata"), "annotations")
    for key in (*CILIUM, *METALLB):
        yield from addresses_of(annotations.get(key))
    yield from addresses_of(_in(service, "spec").get("loadBalancerIP"))


def _in(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An optional mapping of the API: absent, null and empty are the same."""
    return mapping.get(key) or {}


class _Written(NamedTuple):
    """A Service of the repository that follows a prefix.

    Attributes:
        claim: from its document; the namespace may be added by kustomize later.
        following: its DynamicPrefix, which stays as it is.
        room: the host parts that it may have.
        live: the Service of the cluster, if it is certain which one.
    """

    manifest: Manifest
    claim: Claim
    following: Following
    room: Room
    live: LiveService | None = None

    def __str__(self) -> str:
        claim = self.claim
        owner = f"{claim.namespace}/" if claim.namespace else ""
        return f"Service {owner}{claim.name}"


class _Findings:
    """What is collected on the way."""

    def __init__(self) -> None:
        self.adopted: dict[Claim, int] = {}
        self.unchanged = 0
        self.problems: list[Problem] = []


def adopt(inventory: Inventory, live: Sequence[LiveService]) -> Rendering:
    """Give every Service of the repository the host part that it has in the cluster.

    * Find the Service of the cluster that each document means.
    * Take its host part in the current prefix, else in the newest past one.
    * Leave out what two Services would hold, and what differs from the file.
    * Edit, splice, and prove that nothing else changes.

    Args:
        inventory: of the files; DynamicPrefixes without a status adopt nothing.
        live: the cluster's Services of type LoadBalancer.
    """
    findings = _Findings()
    written = list(_match([*_written(inventory)], live, findings.problems))
    for service in written:
        _take(inventory, service, findings)
    _drop_taken(written, findings)
    findings.problems += _strangers(inventory, live, written)
    edits = [*_edit(inventory, written, findings)]
    return finish(edits, findings.problems, unchanged=findings.unchanged)


def _written(inventory: Inventory) -> Iterator[_Written]:
    specifications = {
        name: document.specification for name, document in inventory.dynamic_prefixes.items()
    }
    for manifest in _annotated(inventory):
        reference, _ = service_reference(manifest, specifications)
        if reference is None:
            continue
        document = inventory.dynamic_prefixes[reference.dynamic_prefix]
        if document.status is None:
            continue
        room = room_of(reference, document.specification, document.status)
        try:
            balancer = load_balancer_of(manifest, reference, inventory.manifests)
            claim = claim_of(manifest, reference, balancer)
        except ValueError:
            # Mode `simple` does not report a wrong suffix; in mode `ha` nothing is adopted.
            continue
        if room is not None:
            following = Following(document.specification, document.status, document.status)
            yield _Written(manifest, claim, following, room)


def _annotated(inventory: Inventory) -> Iterator[Manifest]:
    """Each Service, and each mapping that has the annotations of one."""
    for manifest in inventory.manifests:
        if (manifest.kind, manifest.group) == (TARGET.kind, TARGET.group):
            if NAME in manifest.annotations:
                yield manifest
            yield from (place for place in annotated_elsewhere(manifest) if place.is_elsewhere)
        else:
            yield from annotated_elsewhere(manifest)


def _match(
    written: Sequence[_Written], live: Sequence[LiveService], problems: list[Problem]
) -> Iterator[_Written]:
    """Each with its Service of the cluster; Flux and kustomize add namespaces."""
    nameless = Counter(service.claim.name for service in written if not service.claim.namespace)
    named = {(service.claim.namespace, service.claim.name) for service in written}
    for service in written:
        claim = service.claim
        meant = [
            candidate
            for candidate in live
            if candidate.name == claim.name
            and (
                candidate.namespace == claim.namespace
                if claim.namespace
                else (candidate.namespace, candidate.name) not in named
            )
        ]
        if len(meant) == 1 and (claim.namespace or nameless[claim.name] == 1):
            namespaced = claim._replace(namespace=meant[0].namespace)
            yield service._replace(claim=namespaced, live=meant[0])
            continue
        problems.append(_ambiguous(service, meant) if meant else _absent(service))
        yield service


def _ambiguous(service: _Written, meant: Sequence[LiveService]) -> Problem:
    message = (
        f"{service} has no namespace, and {' or '.join(map(str, meant))} may be it or another "
        "Service: write its metadata.namespace"
    )
    return service.manifest.annotation_problem(
        "namespace-unknown", message, severity=Severity.WARNING
    )


def _absent(service: _Written) -> Problem:
    message = f"{service} is not a Service of type LoadBalancer in this cluster; it stays as it is"
    if ":" in service.claim.name and SERVICE not in service.manifest.annotations:
        message += f": name the Service that is made from it, as in {SERVICE}: media/plex"
    return service.manifest.annotation_problem("not-in-cluster", message, severity=Severity.NOTE)


def _bases(document: DynamicPrefixDocument) -> list[Prefix]:
    """The prefixes that host parts of a DynamicPrefix count from: current, then past."""
    prefixes = document.status.prefixes if document.status else ()
    return [document.specification.base(prefix) for prefix in prefixes]


def _take(inventory: Inventory, service: _Written, findings: _Findings) -> None:
    if service.live is None:
        return
    bases = _bases(inventory.dynamic_prefixes[service.claim.reference.dynamic_prefix])
    present = present_host_part(service.live.held, service.room, bases)
    if isinstance(present, Nowhere):
        present = present_host_part(service.live.asked, service.room, bases)
    written = kept_host_part(service.claim, Rooms(service.room))
    if not isinstance(present, int):
        findings.problems.append(_not_present(service, present))
    elif written is not None and written != present:
        findings.problems.append(_differs(service, written, present))
    elif service.claim.suffix is not None:
        findings.unchanged += 1
    else:
        findings.adopted[service.claim] = present


def _not_present(service: _Written, present: Several | Outside | Nowhere) -> Problem:
    reference = service.claim.reference
    part = reference.address_range or reference.subnet
    whole = reference.dynamic_prefix
    if isinstance(present, Several):
        addresses = " and ".join(map(format_address, present.addresses))
        message = f"{service} has {addresses} in one prefix: write the {SUFFIX} that you want"
        return service.manifest.annotation_problem(
            "several-host-parts", message, severity=Severity.WARNING
        )
    if isinstance(present, Outside):
        first, last = map(format_address, (service.room.first, service.room.last))
        message = (
            f"{service} has {format_address(present.address)}, which lies outside {part or whole} "
            f"({first} to {last}): widen it, or name another range or subnet"
        )
        return service.manifest.annotation_problem(
            "host-part-outside", message, severity=Severity.WARNING
        )
    message = (
        f"{service} has no address in the current or a past prefix of {whole}, so no {SUFFIX} is "
        "written"
    )
    return service.manifest.annotation_problem(
        "no-present-address", message, severity=Severity.NOTE
    )


def _differs(service: _Written, written: int, present: int) -> Problem:
    message = (
        f"{service} is on host part {format_address(written)} here and on "
        f"{format_address(present)} in the cluster; it stays as it is: correct its {SUFFIX}, if "
        "the cluster is right"
    )
    key = SUFFIX if service.claim.suffix is not None else NAME
    return service.manifest.annotation_problem(
        "host-part-differs", message, key=key, severity=Severity.WARNING
    )


def _drop_taken(written: Sequence[_Written], findings: _Findings) -> None:
    """Leave out every Service that would share its host part with another one."""
    by_claim = {
        service.claim._replace(
            suffix=findings.adopted.get(service.claim, service.claim.suffix)
        ): service
        for service in written
    }
    assignment = assign({claim: Rooms(service.room) for claim, service in by_claim.items()})
    for first, second in assignment.taken:
        pair = (by_claim[first], by_claim[second])
        for service, other in (pair, pair[::-1]):
            if findings.adopted.pop(service.claim, None) is None:
                continue
            host_part = format_address(assignment.host_parts[first])
            message = (
                f"{service} and {other} ({other.manifest.path}) are both on host part {host_part}: "
                "give one of them another address, or both the same sharing key"
            )
            findings.problems.append(
                service.manifest.annotation_problem(
                    "host-part-taken", message, severity=Severity.WARNING
                )
            )


def _strangers(
    inventory: Inventory, live: Sequence[LiveService], written: Sequence[_Written]
) -> Iterator[Problem]:
    """Services that hold an address of ours, and are not in the repository."""
    known = {(service.claim.namespace, service.claim.name) for service in written}
    for service in live:
        if not known.isdisjoint({(service.namespace, service.name), ("", service.name)}):
            continue
        for name, document in inventory.dynamic_prefixes.items():
            bases = _bases(document)
            inside = [
                address for address in service.held if any(base.contains(address) for base in bases)
            ]
            if inside:
                message = (
                    f"{service} has {format_address(inside[0])} of {name}, and the repository has "
                    f'no such Service with {NAME}: "{name}"; add it to keep the address'
                )
                yield Problem("not-in-repository", message, severity=Severity.NOTE)


def _edit(
    inventory: Inventory, written: Sequence[_Written], findings: _Findings
) -> Iterator[FieldEdit]:
    for service in written:
        name = service.claim.reference.dynamic_prefix
        texts: dict[Path, str] = {}
        if service.claim in findings.adopted:
            path = (*service.manifest.annotated_at, SUFFIX)
            texts[path] = format_address(findings.adopted[service.claim])
        texts |= _pinned(inventory, service)
        for path, text in texts.items():
            binding = Binding(service.manifest.document, path, name, partial(_write, text))
            try:
                yield binding.edit(binding, service.following)
            except RefusedEditError as error:
                findings.problems.append(refused(service.manifest, error))


def _pinned(inventory: Inventory, service: _Written) -> dict[Path, str]:
    """The addresses of a Service that would lose its IPv4 address in mode `ha`.

    They are what the Service holds now, so the annotation changes nothing in the cluster.
    """
    manifest, live = service.manifest, service.live
    if live is None or not live.ipv4:
        return {}
    balancer = load_balancer_of(manifest, service.claim.reference, inventory.manifests)
    if not isinstance(balancer, LoadBalancer) or not _wants_ipv4(manifest, balancer, live):
        return {}
    key, *_ = keys_of(manifest, balancer)
    before = manifest.annotations.get(key)
    if ipv4_of(before):
        return {}
    held = entries(before) or [format_address(address) for address in live.held]
    return {(*manifest.annotated_at, key): ",".join([*held, *live.ipv4])}


def _wants_ipv4(manifest: Manifest, balancer: LoadBalancer, live: LiveService) -> bool:
    """Whether the IPv4 address of a Service is to stay: its manifest says so, or the cluster."""
    if may_be_dual_stack(manifest):
        return True
    if families_of(manifest) == ["IPv6"]:
        return False
    # Charts, patches and defaults add families that no manifest shows. MetalLB gives a Service
    # of one family no address with both in the annotation.
    return balancer is LoadBalancer.CILIUM or bool(live.held)


def _write(text: str, binding: Binding, _: Following) -> FieldEdit:
    manifest = binding.manifest
    edit = edit_text(manifest.text, manifest.root, binding.field_path, text)
    return FieldEdit(binding, (edit,), binding.before, text)
