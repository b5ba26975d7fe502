"""Fields that are bound by markers: any scalar or list of any YAML file.

On a scalar the scalar is replaced, its quoting kept; on a list, or a key whose list
follows, our items are: what its author added stays, as in every list.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain

from gitops_prefix.decide.address import parse_address
from gitops_prefix.decide.fields import dotted
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.decide.transition import imagine
from gitops_prefix.errors import Place, Problem, Severity
from gitops_prefix.render.address_list import Ownership, edit_address_list, entries
from gitops_prefix.render.address_span import Span, address_span, range_span
from gitops_prefix.render.binding import Binding, FieldEdit, Following
from gitops_prefix.render.edit_field import is_null
from gitops_prefix.render.edit_scalar import RefusedEditError, replace_scalar
from gitops_prefix.render.files import MARKER
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.marked_node import MarkedNode, Position, find_marked_nodes
from gitops_prefix.render.marker import Marker, MarkerError, parse_marker
from gitops_prefix.render.node import ScalarNode, SequenceNode, Value, at_path
from gitops_prefix.render.plain_value import value_at
from gitops_prefix.render.shared_list import ListField, edit_shared_list
from gitops_prefix.render.splice import Edit
from gitops_prefix.render.style import quoted
from gitops_prefix.render.target import Bound, Surroundings

_LISTS = ("cidrs", "addresses")


def is_marked(manifest: Manifest) -> bool:
    """Whether a document has a comment that may be a marker."""
    return MARKER in manifest.text


def bind_marked(manifest: Manifest, surroundings: Surroundings) -> Bound:
    """The marked fields of a document, and what is wrong with its markers."""
    bindings: list[Binding] = []
    problems: list[Problem] = []
    seen: set[object] = set()
    for one in find_marked_nodes(manifest.text, manifest.root):
        place = manifest.source.place(manifest.span.start + one.offset)
        problems.extend(_oddities(one, place))
        if one.aside:
            continue
        try:
            binding = _bind(manifest, one, surroundings)
        except MarkerError as error:
            problems.append(Problem(error.code, f"marker: {error}", place))
            continue
        if binding.field_path in seen:
            message = f"marker: {binding.field} has another one already: keep one"
            problems.append(Problem("marker-misplaced", message, binding.place))
            continue
        seen.add(binding.field_path)
        bindings.append(binding)
    return Bound(tuple(bindings), tuple(problems))


def _oddities(one: MarkedNode, place: Place) -> Iterator[Problem]:
    if one.aside:
        message = (
            f'words before it keep this from being a marker: write # {{"{MARKER}": ...}} alone'
        )
        yield Problem("marker-aside", message, place, Severity.WARNING)
    if one.others:
        message = f"marker: nothing reads {', '.join(one.others)} beside it: remove it"
        yield Problem("marker-other-key", message, place, Severity.WARNING)


def _bind(manifest: Manifest, one: MarkedNode, surroundings: Surroundings) -> Binding:
    if one.in_scalar is not None:
        message = (
            "is text inside of a block scalar, which is never edited: move the value out of it"
        )
        raise MarkerError("marker-misplaced", message)
    if one.text is None:
        message = 'is no JSON of the form {"$dynamicprefix": "NAME:FIELD"}: mend the comment'
        raise MarkerError("marker-not-json", message)
    marker = parse_marker(one.text, surroundings.specifications)
    position = one.position
    if position is None or not position.path:
        message = "follows no value: write it behind the value or the key, on the same line"
        raise MarkerError("marker-misplaced", message)
    if not isinstance(position.node, ScalarNode | SequenceNode):
        message = f"{dotted(position.path)} is no string or list of its own: mark one"
        raise MarkerError("marker-misplaced", message)
    name = marker.reference.dynamic_prefix
    specification = surroundings.specifications[name]
    imagined = imagine(specification)
    if imagined is not None:
        marker.values(specification, imagined)
    shown = position.key if position.key is not None and is_null(position.node) else position.node
    as_list = isinstance(position.node, SequenceNode) or (
        is_null(position.node) and marker.field in _LISTS
    )
    edit = partial(_edit_list if as_list else _edit_scalar, manifest, position, marker)
    return Binding(manifest, position.path, name, manifest.place(shown), edit)


def _values(
    position: Position, marker: Marker, specification: Specification, status: Status
) -> tuple[str, ...]:
    """What a marker comes to.

    Raises:
        RefusedEditError: this prefix cannot give that.
    """
    try:
        return marker.values(specification, status)
    except MarkerError as error:
        raise RefusedEditError(position.node, f"marker: {error}") from error


def _edit_list(
    manifest: Manifest, position: Position, marker: Marker, following: Following
) -> FieldEdit:
    _refuse_alias_key(manifest, position)
    target = ListField(position.path, _network_span if marker.field == "network" else _span)
    return edit_shared_list(manifest, target, partial(_values, position, marker), following)


def _span(item: Value) -> Span | None:
    """An address, a CIDR, or two addresses with a dash between."""
    start, dash, end = item.partition("-") if isinstance(item, str) else ("", "", "")
    return range_span(start.strip(), end.strip()) if dash else address_span(item)


def _refuse_alias_key(manifest: Manifest, position: Position) -> None:
    """A list is found by its keys, and `*key :` is none (a scalar is found by its place)."""
    if at_path(manifest.root, position.path) is not position.node:
        message = f"{dotted(position.path)} stands behind an alias for a key: write the key out"
        raise RefusedEditError(position.node, message)


def _network_span(item: Value) -> Span | None:
    """What `network` writes: hextets that a `::/64` would make a CIDR of."""
    if not isinstance(item, str) or "::" in item or "/" in item:
        return _span(item)
    return address_span(f"{item}::/{16 * len(item.split(':'))}")


def _edit_scalar(
    manifest: Manifest, position: Position, marker: Marker, following: Following
) -> FieldEdit:
    if marker.field == "addresses":
        _refuse_alias_key(manifest, position)
        return edit_address_list(manifest, position.path, _ownership(position, marker, following))
    before = value_at(manifest.content, position.path)
    wanted = _values(position, marker, following.specification, following.after)
    if _says(before, wanted):
        return FieldEdit((), before, before)
    after = ",".join(wanted)
    return FieldEdit((_replace(manifest.text, position, after),), before, after)


def _ownership(position: Position, marker: Marker, following: Following) -> Ownership:
    after, *before = (
        tuple(map(parse_address, _values(position, marker, following.specification, status)))
        for status in following.statuses
    )
    return Ownership(after, frozenset(chain(after, *before)), following.after.prefixes)


def _says(before: Value, wanted: Sequence[str]) -> bool:
    """Whether it is there already, in whatever notation."""
    there = entries(before)
    return len(there) == len(wanted) and all(
        one == other or (_span(one) is not None and _span(one) == _span(other))
        for one, other in zip(there, wanted, strict=True)
    )


def _replace(text: str, position: Position, after: str) -> Edit:
    node = position.node
    if position.key is not None and is_null(node) and node.end == node.start:
        # An empty value has no place of its own, but behind the colon.
        colon = text.index(":", position.key.end) + 1
        return Edit(colon, colon, f" {quoted(after)}")
    return replace_scalar(node, after, in_flow=position.in_flow)
