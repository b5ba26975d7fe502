"""The addresses that Services have in a cluster, written into the repository as their suffix.

    (inventory, live Services) -> edits, and what is odd

A suffix that is there is never overwritten, and nothing is guessed: what cannot be
told for sure is said, and left alone.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from gitops_prefix.decide.address import format_address
from gitops_prefix.decide.present_host_part import Nowhere, Outside, Several, present_host_part
from gitops_prefix.decide.service_address import Claim, Room, Rooms, assign, kept_host_part, room_of
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.edit_field import edit_text
from gitops_prefix.render.edit_scalar import RefusedEditError
from gitops_prefix.render.edited_field import EditedField, prove_edits, splice_files
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.live_service import LiveService
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.problems import at_node
from gitops_prefix.render.reference import NAME, SUFFIX, annotation_problem
from gitops_prefix.render.rendering import Rendering, change_of
from gitops_prefix.render.style import style_of
from gitops_prefix.render.targets.service import TARGET, claim_of, service_reference

_PATH = ("metadata", "annotations", SUFFIX)
MENDED = "no-address"
"""The code of an error that adopting a Service ends."""


@dataclass(frozen=True, slots=True)
class _Written:
    """A Service of the repository that follows a prefix.

    Attributes:
        claim: as its document says; the namespace may be one that kustomize adds later.
        room: what it is offered.
        live: the Service of the cluster that it is, if that can be told.
    """

    manifest: Manifest
    claim: Claim
    room: Room
    live: LiveService | None = None

    def __str__(self) -> str:
        claim = self.claim
        owner = f"{claim.namespace}/" if claim.namespace else ""
        return f"Service {owner}{claim.name}"


@dataclass(slots=True)
class _Found:
    """What is gathered on the way."""

    adopted: dict[Claim, int] = field(default_factory=dict)
    unchanged: int = 0
    problems: list[Problem] = field(default_factory=list)


def adopt(inventory: Inventory, live: Sequence[LiveService]) -> Rendering:
    """Give every Service of the repository the host part that it has in the cluster.

    * Find the Service of the cluster that each document means.
    * Take its host part, in the current prefix or else the newest past one.
    * Leave out what two would hold, and what differs from what is written.
    * Edit, splice, and prove that nothing else changed.

    Args:
        inventory: of the files; DynamicPrefixes without a status adopt nothing.
        live: the cluster's Services of type LoadBalancer.
    """
    found = _Found()
    written = list(_match([*_written(inventory)], live, found.problems))
    for one in written:
        _take(inventory, one, found)
    _drop_taken(written, found)
    found.problems += _strangers(inventory, live, written)
    edits, refused = _edit(written, found.adopted)
    problems = list(dict.fromkeys([*found.problems, *refused, *prove_edits(edits)]))
    if any(problem.severity is Severity.ERROR for problem in problems):
        return Rendering(problems=tuple(problems))
    changes = sorted(map(change_of, edits), key=lambda one: (one.path, one.document))
    return Rendering(splice_files(edits), tuple(changes), found.unchanged, tuple(problems))


def _written(inventory: Inventory) -> Iterator[_Written]:
    specifications = {name: one.specification for name, one in inventory.dynamic_prefixes.items()}
    for manifest in inventory.manifests:
        if (manifest.kind, manifest.group) != (TARGET.kind, TARGET.group):
            continue
        if NAME not in manifest.annotations:
            continue
        reference, _ = service_reference(manifest, specifications)
        if reference is None:
            continue
        document = inventory.dynamic_prefixes[reference.dynamic_prefix]
        if document.status is None:
            continue
        room = room_of(reference, document.specification, document.status)
        try:
            claim = claim_of(manifest, reference)
        except ValueError:
            # In mode `simple` nobody has told it yet; in mode `ha` nothing is adopted at all.
            continue
        if room is not None:
            yield _Written(manifest, claim, room)


def _match(
    written: Sequence[_Written], live: Sequence[LiveService], problems: list[Problem]
) -> Iterator[_Written]:
    """Each with the Service of the cluster that it means; Flux and kustomize add namespaces."""
    nameless = Counter(one.claim.name for one in written if not one.claim.namespace)
    named = {(one.claim.namespace, one.claim.name) for one in written}
    for one in written:
        claim = one.claim
        if claim.namespace:
            meant = [it for it in live if (it.namespace, it.name) == (claim.namespace, claim.name)]
        else:
            meant = [it for it in live if it.name == claim.name]
            meant = [it for it in meant if (it.namespace, it.name) not in named]
        if len(meant) == 1 and (claim.namespace or nameless[claim.name] == 1):
            namespaced = replace(claim, namespace=meant[0].namespace)
            yield replace(one, claim=namespaced, live=meant[0])
            continue
        problems.append(_ambiguous(one, meant) if meant else _absent(one))
        yield one


def _ambiguous(one: _Written, meant: Sequence[LiveService]) -> Problem:
    message = (
        f"{one} has no namespace, and {' or '.join(map(str, meant))} may be it or another one: "
        "write its metadata.namespace"
    )
    return annotation_problem(one.manifest, "namespace-unknown", message, severity=Severity.WARNING)


def _absent(one: _Written) -> Problem:
    message = f"{one} is no Service of type LoadBalancer in this cluster; it stays as it is"
    return annotation_problem(one.manifest, "not-in-cluster", message, severity=Severity.NOTE)


def _take(inventory: Inventory, one: _Written, found: _Found) -> None:
    if one.live is None:
        return
    document = inventory.dynamic_prefixes[one.claim.reference.dynamic_prefix]
    prefixes = document.status.prefixes if document.status else ()
    bases = [document.specification.base(prefix) for prefix in prefixes]
    present = present_host_part(one.live.held, one.room, bases)
    if isinstance(present, Nowhere):
        present = present_host_part(one.live.asked, one.room, bases)
    written = kept_host_part(one.claim, Rooms(one.room))
    if not isinstance(present, int):
        found.problems.append(_not_present(one, present))
    elif written is not None and written != present:
        found.problems.append(_differs(one, written, present))
    elif one.claim.suffix is not None:
        found.unchanged += 1
    else:
        found.adopted[one.claim] = present


def _not_present(one: _Written, present: Several | Outside | Nowhere) -> Problem:
    reference = one.claim.reference
    part = reference.address_range or reference.subnet
    whole = reference.dynamic_prefix
    if isinstance(present, Several):
        addresses = " and ".join(map(format_address, present.addresses))
        message = f"{one} has {addresses} in one prefix: write the {SUFFIX} that you want"
        return annotation_problem(
            one.manifest, "several-host-parts", message, severity=Severity.WARNING
        )
    if isinstance(present, Outside):
        first, last = (format_address(one) for one in (one.room.first, one.room.last))
        message = (
            f"{one} has {format_address(present.address)}, which lies outside {part or whole} "
            f"({first} to {last}): widen it, or name another range or subnet"
        )
        return annotation_problem(
            one.manifest, "host-part-outside", message, severity=Severity.WARNING
        )
    message = f"{one} has no address in the current or a past prefix of {whole}; it stays as it is"
    return annotation_problem(one.manifest, "no-present-address", message, severity=Severity.NOTE)


def _differs(one: _Written, written: int, present: int) -> Problem:
    message = (
        f"{one} is on host part {format_address(written)} here and on {format_address(present)} in "
        f"the cluster; it stays as it is: correct its {SUFFIX}, if the cluster is right"
    )
    key = SUFFIX if one.claim.suffix is not None else NAME
    return annotation_problem(
        one.manifest, "host-part-differs", message, key=key, severity=Severity.WARNING
    )


def _drop_taken(written: Sequence[_Written], found: _Found) -> None:
    """Leave out every Service that would be on one host part with another one."""
    by_claim = {
        replace(one.claim, suffix=found.adopted.get(one.claim, one.claim.suffix)): one
        for one in written
    }
    assignment = assign({claim: Rooms(one.room) for claim, one in by_claim.items()})
    for first, second in assignment.taken:
        pair = (by_claim[first], by_claim[second])
        for one, other in (pair, pair[::-1]):
            if found.adopted.pop(one.claim, None) is None:
                continue
            host_part = format_address(assignment.host_parts[first])
            message = (
                f"{one} and {other} ({other.manifest.path}) are both on host part {host_part}: "
                "give one of them another address, or both the same lbipam.cilium.io/sharing-key"
            )
            found.problems.append(
                annotation_problem(
                    one.manifest, "host-part-taken", message, severity=Severity.WARNING
                )
            )


def _strangers(
    inventory: Inventory, live: Sequence[LiveService], written: Sequence[_Written]
) -> Iterator[Problem]:
    """Services that hold an address of ours, and that nobody wrote down."""
    known = {(one.claim.namespace, one.claim.name) for one in written}
    for service in live:
        if not known.isdisjoint({(service.namespace, service.name), ("", service.name)}):
            continue
        for name, document in inventory.dynamic_prefixes.items():
            prefixes = document.status.prefixes if document.status else ()
            bases = [document.specification.base(prefix) for prefix in prefixes]
            inside = [
                one for one in service.held for base in bases if base.network <= one <= base.last
            ]
            if inside:
                message = (
                    f"{service} has {format_address(inside[0])} of {name}, and the repository has "
                    f'no such Service with {NAME}: "{name}"; add it to keep the address'
                )
                yield Problem("not-in-repository", message, severity=Severity.NOTE)


def _edit(
    written: Sequence[_Written], adopted: dict[Claim, int]
) -> tuple[list[EditedField], list[Problem]]:
    edits, refused = [], []
    for one in written:
        if one.claim not in adopted:
            continue
        manifest, suffix = one.manifest, format_address(adopted[one.claim])
        style = style_of(manifest.text, manifest.root)
        try:
            edit = edit_text(manifest.text, manifest.root, _PATH, suffix, style)
        except RefusedEditError as error:
            refused.append(at_node(manifest, error.node, "edit-refused", str(error)))
        else:
            edits.append(EditedField(manifest, _PATH, (edit,), None, suffix, suffix))
    return edits, refused
