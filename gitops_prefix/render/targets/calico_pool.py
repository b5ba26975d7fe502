"""Calico IPPool: `spec.cidr`; past prefixes as disabled pools right behind it.

docs.tigera.io, "IP pool". A pool has one CIDR. A disabled pool assigns no address, but
its assigned addresses stay routed, so each past prefix keeps a pool of its own: a
sibling, which is a copy of the document with an annotation that names its parent.
Siblings are added and removed whole; nothing else in them is ever touched.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from gitops_prefix.decide.fields import Path
from gitops_prefix.decide.prefix import Prefix, exact_cidrs
from gitops_prefix.decide.specification import Reference, Specification
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.address_text import address_span, hextets, placed_cidrs
from gitops_prefix.render.binding import (
    Binding,
    Bound,
    FieldEdit,
    Following,
    Pool,
    SiblingEdit,
    Surroundings,
    Target,
)
from gitops_prefix.render.edit import edit_text, refuse_merged
from gitops_prefix.render.edit_items import RefusedEditError, replace_scalar
from gitops_prefix.render.manifest import (
    ADDRESS_RANGE,
    ANNOTATIONS,
    NAME,
    PARENT_POOL,
    SUBNET,
    Manifest,
    read_reference,
)
from gitops_prefix.render.node import (
    MappingNode,
    Node,
    Value,
    at_path,
    content_end,
    key_text,
    nearest_node,
    value_at,
)
from gitops_prefix.render.parse import locate
from gitops_prefix.render.proof import sibling_edits
from gitops_prefix.render.source import Edit, column, line_end, newline_of, splice

_CIDR = ("spec", "cidr")
_ANNOTATIONS = ("metadata", "annotations")
_LONGEST_NAME = 253
"""RFC 1123, as Kubernetes reads it."""


def _bind(manifest: Manifest, surroundings: Surroundings) -> Bound:
    reference, problems = read_reference(manifest, surroundings.specifications)
    if reference is None:
        return Bound(problems=problems)
    specification = surroundings.specifications[reference.dynamic_prefix]
    wrong = _not_one_cidr(manifest, reference, specification)
    if wrong is None and _first_of_name(manifest, surroundings.manifests) is not manifest:
        message = f'IPPool "{manifest.name}" is in this file twice: rename or remove one'
        wrong = manifest.annotation_problem("duplicate-pool", message)
    if wrong is not None:
        return Bound(problems=(*problems, wrong))
    siblings = _siblings_of(manifest, surroundings.manifests)
    taken = _names_beside(manifest, surroundings.manifests)
    name = reference.dynamic_prefix
    edit = partial(_edit_siblings, reference, siblings, taken)
    current = Binding(manifest, _CIDR, name, partial(_edit_cidr, reference))
    past = Binding(manifest, ("siblings",), name, edit, parts=(), at=_nearest_cidr(manifest))
    return Bound((current, past), problems)


def _nearest_cidr(manifest: Manifest) -> Node:
    return nearest_node(manifest.root, _CIDR)


def _not_one_cidr(
    manifest: Manifest, reference: Reference, specification: Specification
) -> Problem | None:
    for address_range in specification.ranges:
        count = len(exact_cidrs(address_range.start, address_range.end))
        if address_range.name == reference.address_range and count != 1:
            message = (
                f'a pool of Calico is one CIDR, and range "{address_range.name}" of '
                f"{reference.dynamic_prefix} has {count}: name a range that begins and ends with "
                "a CIDR, or a subnet"
            )
            return manifest.annotation_problem("not-one-cidr", message, key=ADDRESS_RANGE)
    return None


def _first_of_name(manifest: Manifest, manifests: Iterable[Manifest]) -> Manifest:
    """The first document of that name in the file: the siblings are copies of that one."""
    same = (
        other
        for other in manifests
        if (other.path, other.kind, other.name) == (manifest.path, manifest.kind, manifest.name)
    )
    return next(same, manifest)


def _siblings_of(parent: Manifest, manifests: Iterable[Manifest]) -> tuple[Manifest, ...]:
    """The siblings of a document: those in its file that name it."""
    return tuple(
        other
        for other in manifests
        if (other.path, other.kind, other.group) == (parent.path, parent.kind, parent.group)
        and other.annotations.get(PARENT_POOL) == parent.name
    )


def _names_beside(parent: Manifest, manifests: Iterable[Manifest]) -> frozenset[str]:
    """Names of pools in its directory; another directory may be another cluster's."""
    directory = parent.path.rpartition("/")[0]
    return frozenset(
        other.name
        for other in manifests
        if other.kind == parent.kind and other.path.rpartition("/")[0] == directory
    )


def _cidrs(reference: Reference, following: Following) -> list[Prefix]:
    """The CIDR in the current prefix, then in each past prefix."""
    placed = reference.placed(following.specification, following.after)
    return [*dict.fromkeys(placed_cidrs(part)[0] for part in placed)]


def _edit_cidr(reference: Reference, binding: Binding, following: Following) -> FieldEdit:
    manifest, before = binding.manifest, binding.before
    refuse_merged(manifest, _CIDR)
    current = str(_cidrs(reference, following)[0])
    span = address_span(before)
    if span is not None and span.version == 4:
        message = f"spec.cidr is {before}, and would become IPv6: annotate a pool of IPv6"
        raise RefusedEditError(_nearest_cidr(manifest), message)
    if span == address_span(current):
        return binding.unchanged()
    edit = edit_text(manifest.text, manifest.root, _CIDR, current)
    return FieldEdit(binding, (edit,), before, current)


def _edit_siblings(
    reference: Reference,
    siblings: Sequence[Manifest],
    taken: frozenset[str],
    binding: Binding,
    following: Following,
) -> FieldEdit:
    """Make the siblings those of the past prefixes, newest first.

    Raises:
        RefusedEditError: the document cannot be copied.
    """
    parent, past = binding.manifest, _cidrs(reference, following)[1:]
    spans = [address_span(value_at(sibling.content, _CIDR)) for sibling in siblings]
    wanted = [address_span(str(cidr)) for cidr in past]
    outdated = [
        sibling for sibling, span in zip(siblings, spans, strict=True) if span not in wanted
    ]
    staying = [sibling for sibling in outdated if _has_comment_around(sibling)]
    gone = [sibling.span for sibling in outdated if not _has_comment_around(sibling)]
    missing = [
        (name, str(cidr))
        for cidr, span in zip(past, wanted, strict=True)
        if span not in spans and (name := _name(parent, cidr)) not in taken
    ]
    edit = SiblingEdit(
        tuple(_copy(parent, name, cidr) for name, cidr in missing),
        tuple(_content(parent, name, cidr) for name, cidr in missing),
        tuple(gone),
    )
    kept = [sibling.name for sibling in siblings if sibling.span not in gone]
    return FieldEdit(
        binding,
        sibling_edits(parent, edit),
        [sibling.name for sibling in siblings],
        [*(name for name, _ in missing), *kept],
        tuple(map(_stays, staying)),
        siblings=edit,
    )


def _has_comment_around(sibling: Manifest) -> bool:
    """Whether a comment is before or behind it, which may belong to another document."""
    text, root = sibling.text, sibling.root
    around = text[: root.start].removeprefix("---") + text[content_end(root) :]
    return "#" in around


def _stays(sibling: Manifest) -> Problem:
    message = (
        f'{sibling.kind} "{sibling.name}" is of a past prefix, and stays because a comment is '
        "around it: remove either"
    )
    return sibling.problem(sibling.root, "sibling-stays", message, Severity.WARNING)


def _name(parent: Manifest, cidr: Prefix) -> str:
    """A name that is the same whenever the prefix returns."""
    behind = f"-{hextets(cidr).replace(':', '-')}-{cidr.length}"
    return parent.name[: _LONGEST_NAME - len(behind)] + behind


def _content(parent: Manifest, name: str, cidr: str) -> Value:
    """A sibling as plain values: its parent's, with what `_copy` replaces."""
    content = _mapping(parent.content)
    foreign = {
        key: value
        for key, value in parent.annotations.items()
        if not str(key).startswith(ANNOTATIONS)
    }
    annotations: Value = {**foreign, PARENT_POOL: parent.name}
    metadata = _mapping(content.get("metadata"))
    return {
        **content,
        "metadata": {**metadata, "name": name, "annotations": annotations},
        "spec": {**_mapping(content.get("spec")), "cidr": cidr, "disabled": True},
    }


def _mapping(value: Value) -> Mapping[str, Value]:
    return value if isinstance(value, dict) else {}


def _copy(parent: Manifest, name: str, cidr: str) -> str:
    """The text of a sibling, with the comments and in the style of its parent."""
    text = _with_text(parent.text, ("metadata", "name"), name)
    text = _with_text(text, _CIDR, cidr)
    disabled = edit_text(text, _root(text), ("spec", "disabled"), "true")
    # `edit_text` quotes strings, and this is a boolean.
    text = splice(text, [disabled._replace(text=disabled.text.replace('"true"', "true"))])
    text = _annotated(text, parent.name)
    for key in parent.annotations:
        if str(key).startswith(ANNOTATIONS) and key != NAME:
            text = _without_annotation(text, str(key))
    root = _root(text)
    start = root.start - column(text, root.start)
    start = root.start if text[start : root.start].strip(" ") else start
    newline = newline_of(text)
    body = text[start : line_end(text, content_end(root))].removesuffix(newline)
    return f"---{newline}{body}{newline}"


def _with_text(text: str, path: Path, value: str) -> str:
    return splice(text, [edit_text(text, _root(text), path, value)])


def _root(text: str) -> Node:
    root = locate(text)
    if root is None:  # pragma: no cover  a bound document has a mapping
        raise ValueError("there is no document")
    return root


def _annotations(text: str) -> MappingNode:
    root = _root(text)
    node = at_path(root, _ANNOTATIONS)
    if not isinstance(node, MappingNode):
        raise RefusedEditError(root, "metadata.annotations comes from elsewhere: write it out here")
    return node


def _annotated(text: str, parent: str) -> str:
    entry = _annotations(text).entry(NAME)
    if entry is None:
        raise _merged_annotation(text, NAME)
    edits = [
        replace_scalar(entry.key, PARENT_POOL, in_flow=True),
        replace_scalar(entry.value, parent, in_flow=True),
    ]
    return splice(text, edits)


def _merged_annotation(text: str, key: str) -> RefusedEditError:
    return RefusedEditError(_root(text), f"{key} comes from a merge (`<<`): write it out here")


def _without_annotation(text: str, key: str) -> str:
    node = _annotations(text)
    names = [key_text(entry.key) for entry in node.entries]
    if key not in names:
        raise _merged_annotation(text, key)
    index = names.index(key)
    entry = node.entries[index]
    if not node.flow:
        start = entry.key.start - column(text, entry.key.start)
        return splice(text, [Edit(start, line_end(text, content_end(entry.value)), "")])
    if index:
        return splice(text, [Edit(node.entries[index - 1].value.end, entry.value.end, "")])
    return splice(text, [Edit(entry.key.start, node.entries[1].key.start, "")])


TARGET = Target(
    kind="IPPool",
    group="projectcalico.org",
    versions=("v3",),
    fields=("spec.cidr",),
    bind=_bind,
    pool=Pool(_CIDR, address_span),
    reads=(NAME, ADDRESS_RANGE, SUBNET, PARENT_POOL),
)
