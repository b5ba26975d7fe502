"""An inventory and statuses in, edited files out; every edit is proved.

Drift is what a rendering would change though no status did: somebody edited a managed
field by hand, or the field was never rendered, since it is new or its annotation is.
"""

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from gitops_prefix.decide.fields import Path, nearest
from gitops_prefix.decide.prefix import Prefix, format_address, parse_address
from gitops_prefix.decide.service_address import (
    Assignment,
    Claim,
    Rooms,
    assign,
    kept_host_part,
    room_of,
)
from gitops_prefix.decide.status import Status
from gitops_prefix.decide.transition import imagine, settle
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.binding import (
    Binding,
    Change,
    FieldEdit,
    FieldIdentity,
    Following,
    change_of,
)
from gitops_prefix.render.dynamic_prefix import edit_status
from gitops_prefix.render.edit_items import RefusedEditError
from gitops_prefix.render.inventory import (
    DocumentSpot,
    Inventory,
    documents_in_error,
    fill_pools,
    spot_of,
)
from gitops_prefix.render.load_balancers import find_pool_problems
from gitops_prefix.render.manifest import SUFFIX, Manifest
from gitops_prefix.render.node import AliasNode, Value, scalars_in
from gitops_prefix.render.positions import Position, walk
from gitops_prefix.render.proof import prove_edits, splice_files

_ADDRESS = r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]+"


class Rendering(NamedTuple):
    """The result of a rendering.

    Attributes:
        files: the new content of each file that changes.
        unchanged: how many managed fields are right already.
        held: the DynamicPrefixes that stay as they are, because of an error.
        held_documents: the documents that stay as they are, because of an error.
    """

    files: Mapping[str, bytes] = {}
    changes: tuple[Change, ...] = ()
    unchanged: int = 0
    problems: tuple[Problem, ...] = ()
    held: frozenset[str] = frozenset()
    held_documents: frozenset[DocumentSpot] = frozenset()

    @property
    def held_paths(self) -> frozenset[str]:
        """The files with a document that stays as it is, because of an error."""
        return frozenset(spot.path for spot in self.held_documents)


def render(inventory: Inventory, statuses: Mapping[str, Status]) -> Rendering:
    """Make every managed field follow the status of its DynamicPrefix.

    * Edit each status that has another decision.
    * Edit each bound field; a field that waits for a first prefix stays as it is.
    * Leave out each marked field with an error, alone; each other document with an error, whole;
      and all that follows a DynamicPrefix with an error or without a place to write to.
    * Splice, and prove that nothing else changes.

    Args:
        inventory: of the files.
        statuses: by name; a DynamicPrefix without a status renders nothing.
    """
    problems = list(inventory.problems)
    if inventory.stopped:
        return Rendering(problems=tuple(problems))
    edits = [*_edit_statuses(inventory, statuses, problems)]
    edits += _edit_bindings(inventory, statuses, problems)
    problems += find_pool_problems([*fill_pools(inventory, statuses, edits)])
    held = inventory.held | documents_in_error(inventory.manifests, problems)
    return _finish_the_rest(inventory, edits, problems, held)


def find_refusals(
    inventory: Inventory, statuses: Mapping[str, Status], examined: set[Hashable]
) -> list[Problem]:
    """What a rendering would refuse, without its files.

    Args:
        inventory: of the files.
        statuses: by name.
        examined: for each document, which fields were edited before. Their edits are not proved
            or refused again, since a proof looks at what is around a field, and not at its
            value. This call adds what it examines.
    """
    problems: list[Problem] = []
    edits = [*_edit_statuses(inventory, statuses, problems)]
    edits += _edit_bindings(inventory, statuses, problems)
    # Only some kinds of pool refuse what overlaps.
    strict = {
        spot: rule for spot, rule in inventory.pools.items() if rule.overlap is Severity.ERROR
    }
    pools = fill_pools(inventory._replace(pools=strict), statuses, edits) if strict else ()
    problems += find_pool_problems([*pools])
    names, held = _held_back(
        inventory, inventory.held | documents_in_error(inventory.manifests, problems)
    )
    together: dict[DocumentSpot, list[FieldEdit]] = {}
    for edit in edits:
        if edit.edits and _goes_on(edit.binding, names, held):
            together.setdefault(spot_of(edit.binding.manifest), []).append(edit)
    for spot, fields in together.items():
        paths = (spot, tuple(edit.binding.field_path for edit in fields))
        if paths not in examined:
            problems += prove_edits(fields)
            examined.add(paths)
    return problems


def _finish_the_rest(
    inventory: Inventory,
    edits: Sequence[FieldEdit],
    problems: list[Problem],
    held: frozenset[DocumentSpot],
) -> Rendering:
    """Splice what no error holds back; an edit that cannot be proved holds back its document."""
    while True:
        names, documents = _held_back(inventory, held)
        going = [edit for edit in edits if _goes_on(edit.binding, names, documents)]
        refusals = [*prove_edits([edit for edit in going if edit.edits])]
        if not refusals:
            finished = _splice(going, problems, unchanged=0)
            return finished._replace(held=names, held_documents=documents)
        problems += refusals
        held |= documents_in_error(inventory.manifests, refusals)


def _held_back(
    inventory: Inventory, held: frozenset[DocumentSpot]
) -> tuple[frozenset[str], frozenset[DocumentSpot]]:
    """The DynamicPrefixes that errors hold back, and every document that stays as it is.

    What belongs together moves together, or not at all (`Binding.alone`).
    """
    names = frozenset(
        name
        for name, document in inventory.dynamic_prefixes.items()
        if spot_of(document.manifest) in held
    )
    following = {
        spot_of(binding.manifest)
        for binding in inventory.bindings
        if binding.dynamic_prefix in names and not binding.alone
    }
    return names, held | following


def _goes_on(binding: Binding, names: frozenset[str], documents: frozenset[DocumentSpot]) -> bool:
    """Whether no error holds back a field, its document, or the DynamicPrefix that it follows."""
    return binding.dynamic_prefix not in names and spot_of(binding.manifest) not in documents


def finish(
    edits: Sequence[FieldEdit], problems: Sequence[Problem], *, unchanged: int = 0
) -> Rendering:
    """Prove the edits and splice them, or return what is wrong."""
    found = [*problems, *prove_edits([edit for edit in edits if edit.edits])]
    if any(problem.severity is Severity.ERROR for problem in found):
        return Rendering(problems=tuple(dict.fromkeys(found)))
    return _splice(edits, found, unchanged=unchanged)


def _splice(
    edits: Sequence[FieldEdit], problems: Sequence[Problem], *, unchanged: int
) -> Rendering:
    changed = [edit for edit in edits if edit.edits]
    changes = sorted(
        map(change_of, changed), key=lambda change: (change.path, change.document, change.field)
    )
    unchanged += len(edits) - len(changed)
    found = tuple(dict.fromkeys(problems))
    return Rendering(splice_files(changed), tuple(changes), unchanged, found)


def refused(manifest: Manifest, error: RefusedEditError) -> Problem:
    """The problem that a refused edit is."""
    return manifest.problem(error.node, "edit-refused", str(error))


def _edit_statuses(
    inventory: Inventory, statuses: Mapping[str, Status], problems: list[Problem]
) -> Iterator[FieldEdit]:
    for name, document in inventory.dynamic_prefixes.items():
        if name not in statuses:
            continue
        try:
            yield edit_status(document, statuses[name])
        except RefusedEditError as error:
            problems.append(refused(document.manifest, error))


def _edit_bindings(
    inventory: Inventory, statuses: Mapping[str, Status], problems: list[Problem]
) -> Iterator[FieldEdit]:
    followings = {
        name: Following(document.specification, document.status, statuses[name])
        for name, document in inventory.dynamic_prefixes.items()
        if name in statuses
    }
    host_parts = _assign_host_parts(inventory.bindings, _imagine(inventory) | followings)
    problems.extend(host_parts.problems)
    aliases: dict[DocumentSpot, list[_Alias]] = {}
    for binding in inventory.bindings:
        following = followings.get(binding.dynamic_prefix)
        if following is None or binding.claim in host_parts.refused:
            continue
        if binding.claim is not None and binding.claim in host_parts.after:
            following = following._replace(
                host_part=host_parts.after[binding.claim],
                host_part_before=host_parts.before.get(binding.claim),
            )
        elif binding.claim is not None and not (binding.claim.marked and binding.claim.suffix):
            continue
        try:
            edit = binding.edit(binding, following)
            if edit.edits:
                spot = spot_of(binding.manifest)
                if spot not in aliases:
                    aliases[spot] = _aliases_in(binding.manifest)
                edit = _with_aliases(edit, aliases[spot])
        except RefusedEditError as error:
            problems.append(replace(refused(binding.manifest, error), alone=binding.alone))
        else:
            problems.extend(replace(problem, alone=binding.alone) for problem in edit.problems)
            yield edit


class _Alias(NamedTuple):
    """An alias, and the path of what it repeats."""

    node: AliasNode
    path: Path


def _aliases_in(manifest: Manifest) -> list[_Alias]:
    """Every alias: it has the last anchor of its name before it (YAML 1.2.2, 7.1)."""
    if "*" not in manifest.text or "&" not in manifest.text:
        return []
    anchored: dict[str, list[Position]] = {}
    for position in walk(manifest.root):
        if not isinstance(position.node, AliasNode) and position.node.anchor is not None:
            anchored.setdefault(position.node.anchor, []).append(position)
    return [
        _Alias(node, owners[-1].path)
        for node in scalars_in(manifest.root)
        if isinstance(node, AliasNode)
        and (
            owners := [
                each for each in anchored.get(node.anchor, ()) if each.node.start < node.start
            ]
        )
    ]


def _with_aliases(edit: FieldEdit, aliases: Sequence[_Alias]) -> FieldEdit:
    """An edit, with the places of the aliases that repeat what is edited.

    Raises:
        RefusedEditError: an alias repeats what holds the address of a Service. It may be a second
            Service, which must not get the address of the first.
    """
    binding = edit.binding
    paths = binding.fields_in_cluster
    is_of_one_service = binding.claim is not None and not binding.claim.marked
    repeats = []
    for node, at in aliases:
        around = any(path[: len(at)] == at != path for path in paths)
        if around and is_of_one_service:
            message = (
                f"*{node.anchor} repeats the mapping of {binding.field}, and may make a second "
                "Service with its address: write the annotations out here"
            )
            raise RefusedEditError(node, message)
        if around or any(at[: len(path)] == path for path in paths):
            repeats.append(binding.manifest.place(node))
    return edit._replace(aliases=tuple(repeats))


def _imagine(inventory: Inventory) -> dict[str, Following]:
    """Each DynamicPrefix in an imagined prefix: two Services may share a suffix before the first.

    The prefixes differ, so that Services of two DynamicPrefixes never meet.
    """
    return {
        name: Following(document.specification, None, status)
        for number, (name, document) in enumerate(inventory.dynamic_prefixes.items())
        if (status := imagine(document.specification, number)) is not None
    }


class _HostParts(NamedTuple):
    """The host part of each claim, by the statuses after and before.

    Attributes:
        refused: claims of fields that stay as they are, each alone.
    """

    after: Mapping[Claim, int]
    before: Mapping[Claim, int]
    problems: tuple[Problem, ...]
    refused: frozenset[Claim]


def _assign_host_parts(
    bindings: Iterable[Binding], followings: Mapping[str, Following]
) -> _HostParts:
    """Assign all host parts at once: no claim may take what another claim holds."""
    claiming = {
        binding.claim: binding for binding in reversed([*bindings]) if binding.claim is not None
    }
    claims = {
        claim: rooms
        for claim in claiming
        if (following := followings.get(claim.reference.dynamic_prefix)) is not None
        and (rooms := _rooms(claim, following)) is not None
    }
    assignment = assign(claims)
    before = {
        claim: host_part
        for claim, rooms in claims.items()
        if rooms.before is not None
        and (host_part := kept_host_part(claim, Rooms(rooms.before))) is not None
    }
    together = {binding.claim for binding in bindings if not binding.alone}
    refused = {*(claim for _, claim in assignment.taken), *assignment.full} - together
    problems = tuple(_host_part_problems(assignment, claims, claiming, refused))
    return _HostParts(assignment.host_parts, before, problems, frozenset(refused))


def _rooms(claim: Claim, following: Following) -> Rooms | None:
    rooms = [
        room_of(claim.reference, following.specification, status) for status in following.statuses
    ]
    return Rooms(rooms[0], *rooms[1:]) if rooms[0] else None


def _host_part_problems(
    assignment: Assignment,
    claims: Mapping[Claim, Rooms],
    claiming: Mapping[Claim, Binding],
    refused: set[Claim],
) -> Iterator[Problem]:
    for first, second in assignment.taken:
        host_part = format_address(assignment.host_parts[second])
        message = (
            f"{_service(second)} and {_service(first)} ({claiming[first].place}) are both on host "
            f"part {host_part}: "
        )
        if first.marked or second.marked:
            message += "give one of them another, or write @NAMESPACE/NAME where one Service has it"
        else:
            message += (
                f"give one of them another {SUFFIX}, or both the same "
                "lbipam.cilium.io/sharing-key (of MetalLB: metallb.io/allow-shared-ip)"
            )
        alone = second in refused
        yield Problem("address-taken", message, claiming[second].place, alone=alone)
    for first, second in assignment.apart:
        host_part = format_address(assignment.host_parts[first])
        message = (
            f"{_service(second)} and {_service(first)} ({claiming[first].place}) have one sharing "
            f'key and two addresses, which stay: write {SUFFIX}: "{host_part}" on both to share '
            "one, or on each its own to keep both"
        )
        yield Problem("not-shared", message, claiming[second].place, Severity.WARNING)
    for claim in assignment.outside:
        room = claims[claim].after
        message = (
            f"{_service(claim)}: {SUFFIX} {format_address(claim.suffix or 0)} lies outside "
            f"{_part(claim)}, which has {format_address(room.first)} to {format_address(room.last)}"
        )
        yield Problem("suffix-outside", message, claiming[claim].place)
    for claim in assignment.full:
        message = (
            f"{_service(claim)}: every address of {_part(claim)} is taken: widen it, or name "
            "another one"
        )
        yield Problem("range-full", message, claiming[claim].place, alone=claim in refused)
    yield from _unknown_services(claiming)


def _unknown_services(claiming: Mapping[Claim, Binding]) -> Iterator[Problem]:
    """A warning for each marker that mentions a Service which nothing in the repository is."""
    known = {(claim.namespace, claim.name) for claim in claiming if not claim.mentions}
    for claim, binding in claiming.items():
        # Flux and kustomize may add a namespace later.
        if claim.mentions and known.isdisjoint({(claim.namespace, claim.name), ("", claim.name)}):
            service = f"{claim.namespace}/{claim.name}"
            names = sorted(f"{space or claim.namespace}/{name}" for space, name in known if name)
            message = (
                f"marker: no Service {service} in the repository has annotations or a marker of "
                f"ours, so the host part is made from that name{nearest(service, names)}"
            )
            yield Problem("unknown-service", message, binding.place, Severity.WARNING)


def _service(claim: Claim) -> str:
    if claim.marked:
        return f"the marker of {claim.document.rpartition(':')[2]}"
    return f"Service {claim.namespace}/{claim.name}" if claim.namespace else f"Service {claim.name}"


def _part(claim: Claim) -> str:
    reference = claim.reference
    part = reference.address_range or reference.subnet
    return f"{part} of {reference.dynamic_prefix}" if part else reference.dynamic_prefix


class Drift(NamedTuple):
    """Fields that differ: edited by hand, or not rendered yet."""

    by_hand: tuple[Change, ...] = ()
    first: tuple[Change, ...] = ()


def managed_fields(inventory: Inventory) -> frozenset[FieldIdentity]:
    """Every field that follows a DynamicPrefix."""
    return frozenset(binding.identity for binding in inventory.bindings)


def find_drift(inventory: Inventory, known: frozenset[FieldIdentity] | None = None) -> Drift:
    """The fields that differ from what their status renders.

    A DynamicPrefix whose specification was edited since it was rendered is left out: all
    its fields move, and nobody edited these.

    Args:
        inventory: of the files, without errors.
        known: the managed fields when the files were last right; None when that is
            unknown. Then a field with an address of the prefixes was edited by hand.
    """
    rendered = {
        name: document.status
        for name, document in inventory.dynamic_prefixes.items()
        if document.status is not None and _is_settled(inventory, name, document.status)
    }
    prefixes = [prefix for status in rendered.values() for prefix in status.prefixes]
    by_hand: list[Change] = []
    first: list[Change] = []
    for change in render(inventory, rendered).changes:
        identity = FieldIdentity(
            change.path, change.kind, change.namespace, change.name, change.field
        )
        was_ours = _has_address(change.before, prefixes) if known is None else identity in known
        (by_hand if was_ours else first).append(change)
    return Drift(tuple(by_hand), tuple(first))


def _is_settled(inventory: Inventory, name: str, status: Status) -> bool:
    try:
        settled = settle(inventory.dynamic_prefixes[name].specification, status)
    except ValueError:
        return False
    return settled.same_decision(status)


def _has_address(value: Value, prefixes: Sequence[Prefix]) -> bool:
    return any(prefix.contains(address) for address in _addresses(value) for prefix in prefixes)


def _addresses(value: Value) -> Iterator[int]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _addresses(item)
    elif isinstance(value, str):
        for word in re.findall(_ADDRESS, value):
            # The field `network` of a marker has the hextets alone.
            for text in (word, f"{word}::"):
                try:
                    yield parse_address(text)
                except ValueError:
                    continue
                break
