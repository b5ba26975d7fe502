"""An inventory and statuses in, edited files out; every edit proved."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from gitops_prefix.decide.fields import dotted
from gitops_prefix.decide.status import Status, status_document
from gitops_prefix.decide.transition import imagine
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.binding import Binding, Following
from gitops_prefix.render.dynamic_prefix import DynamicPrefixDocument, edit_status
from gitops_prefix.render.edit_scalar import RefusedEditError
from gitops_prefix.render.edited_field import EditedField, prove_edits, splice_files
from gitops_prefix.render.host_parts import assign_host_parts
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import Value
from gitops_prefix.render.problems import at_node
from gitops_prefix.render.splice import Edit


@dataclass(frozen=True, slots=True)
class Change:
    """One managed field that gets another value.

    Attributes:
        document: number of the document in its file, from 0.
        field: dotted, as in `spec.blocks`.
        before: as plain values; None when the field was not there.
    """

    path: str
    document: int
    kind: str
    namespace: str
    name: str
    field: str
    before: Value
    after: Value
    api_version: str = ""


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a rendering comes to.

    Attributes:
        files: the new content of each file that changes, and of no other; empty when
            a problem is an error.
        unchanged: managed fields that stand right already.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    unchanged: int = 0
    problems: tuple[Problem, ...] = ()


def render(inventory: Inventory, statuses: Mapping[str, Status]) -> Rendering:
    """Make every managed field follow its DynamicPrefix's status.

    * Edit each status that decided something else.
    * Edit each bound field; what waits for a first prefix stays as it is.
    * Splice, and prove that nothing else changed.

    Args:
        inventory: of the files, without errors.
        statuses: by name; a DynamicPrefix without one renders nothing.
    """
    problems = list(inventory.problems)
    edits = [*_edit_statuses(inventory, statuses, problems)]
    edits += _edit_bindings(inventory, statuses, problems)
    changed = [one for one in edits if one.edits]
    problems = list(dict.fromkeys([*problems, *prove_edits(changed)]))
    if any(problem.severity is Severity.ERROR for problem in problems):
        return Rendering(problems=tuple(problems))
    files = splice_files(changed)
    changes = sorted(map(change_of, changed), key=lambda one: (one.path, one.document, one.field))
    return Rendering(files, tuple(changes), len(edits) - len(changed), tuple(problems))


def _edit_statuses(
    inventory: Inventory, statuses: Mapping[str, Status], problems: list[Problem]
) -> Iterator[EditedField]:
    for name, document in inventory.dynamic_prefixes.items():
        if name not in statuses:
            continue
        try:
            edits = edit_status(document, statuses[name])
        except RefusedEditError as error:
            problems.append(_refused(document.manifest, error))
        else:
            yield _status_edit(document, statuses[name], edits)


def _status_edit(
    document: DynamicPrefixDocument, status: Status, edits: tuple[Edit, ...]
) -> EditedField:
    before = document.status
    return EditedField(
        document.manifest,
        ("status",),
        edits,
        before and str(before.current),
        str(status.current),
        status_document(status),
    )


def _edit_bindings(
    inventory: Inventory, statuses: Mapping[str, Status], problems: list[Problem]
) -> Iterator[EditedField]:
    followings = {
        name: Following(document.specification, document.status, statuses[name])
        for name, document in inventory.dynamic_prefixes.items()
        if name in statuses
    }
    host_parts = assign_host_parts(inventory.bindings, _imagine(inventory) | followings)
    problems.extend(host_parts.problems)
    for binding in inventory.bindings:
        if binding.dynamic_prefix not in followings:
            continue
        following = followings[binding.dynamic_prefix]
        if binding.claim is not None:
            if binding.claim not in host_parts.after:
                continue
            following = replace(
                following,
                host_part=host_parts.after[binding.claim],
                host_part_before=host_parts.before.get(binding.claim),
            )
        yield from _edit_binding(binding, following, problems)


def _imagine(inventory: Inventory) -> dict[str, Following]:
    """What each would follow in some prefix: two Services on one suffix need no real one."""
    return {
        name: Following(document.specification, None, status)
        for number, (name, document) in enumerate(inventory.dynamic_prefixes.items())
        if (status := imagine(document.specification, number)) is not None
    }


def _edit_binding(
    binding: Binding, following: Following, problems: list[Problem]
) -> Iterator[EditedField]:
    manifest = binding.manifest
    try:
        edited = binding.edit(following)
    except RefusedEditError as error:
        problems.append(_refused(manifest, error))
    else:
        problems.extend(edited.problems)
        wanted = edited.after if edited.whole is None else edited.whole
        yield EditedField(
            manifest,
            binding.field_path,
            edited.edits,
            edited.before,
            edited.after,
            wanted,
            edited.documents,
        )


def _refused(manifest: Manifest, error: RefusedEditError) -> Problem:
    return at_node(manifest, error.node, "edit-refused", str(error))


def change_of(one: EditedField) -> Change:
    """An edited field as it is told."""
    manifest = one.manifest
    return Change(
        manifest.path,
        manifest.span.number,
        manifest.kind,
        manifest.namespace,
        manifest.name,
        dotted(one.path),
        one.before,
        one.after,
        manifest.api_version,
    )
