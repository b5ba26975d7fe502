"""Fields that are bound by markers: any scalar or list of any YAML file.

    ips: "2001:db8:1234:0:f000::10"   # {"$dynamicprefix": "home:lb:address:::10"}
    cidrs:                            # {"$dynamicprefix": "home:lb:cidrs"}
    - 2001:db8:1234:0:f000::/68

A marker is the comment that ends a line, and binds the value that ends on that line or
whose key does. A marked scalar is replaced, its quotes kept; in a marked list our items
are replaced, and the author's items stay; so do the entries of a string with commas.
`rewrite` moves the addresses inside any value.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

from gitops_prefix.decide.address import parse_address
from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.decide.transition import imagine
from gitops_prefix.errors import Place, Problem, Severity
from gitops_prefix.render.address_text import (
    dashed_span,
    entries,
    hextets_span,
    is_shaped,
    replace_entries,
)
from gitops_prefix.render.address_tokens import Moves
from gitops_prefix.render.binding import Binding, Bound, FieldEdit, Following, Surroundings
from gitops_prefix.render.edit import is_null, move_addresses, moved_value, moved_words
from gitops_prefix.render.edit_items import RefusedEditError, replace_scalar
from gitops_prefix.render.files import MARKER
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.marker import REWRITE, Marker, MarkerError, parse_marker
from gitops_prefix.render.node import (
    AliasNode,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    Value,
    at_path,
    scalars_in,
)
from gitops_prefix.render.shared_list import (
    ListRule,
    Ownership,
    edit_address_text,
    edit_shared_list,
)
from gitops_prefix.render.source import Edit
from gitops_prefix.render.style import quoted, resolve

_LISTS = ("cidrs", "addresses")
_COMMENT = r"(?m)(?:^|(?<=[ \t]))#[^\r\n]*"
_FORM = rf"#[ \t]*(\{{[^}}]*{re.escape(MARKER)}.*)"
_ASIDE = rf'\{{[ \t]*"{re.escape(MARKER)}"[ \t]*:'
_PROPERTIES = r"[-+0-9]*\s*:?[ \t]*([&!][^\s]*[ \t]*)*,?[ \t]*"


class _Position(NamedTuple):
    """A value that may be marked.

    Attributes:
        path: keys and indices from the document's root.
        key: the node before its colon; None for an item of a list.
        in_flow: whether it is inside braces or brackets.
    """

    path: Path
    node: Node
    key: Node | None
    in_flow: bool


class _Comment(NamedTuple):
    """A comment in the form of a marker.

    Attributes:
        text: the value of `$dynamicprefix`; None when the comment does not parse.
        offset: of the comment.
        position: the value that it marks; None when its line has no value.
        in_block_scalar: whether the comment is text of a block scalar.
        others: further keys of its JSON, which nothing reads.
        aside: whether words before its JSON keep it from being a marker.
    """

    text: str | None
    offset: int
    position: _Position | None
    in_block_scalar: bool
    others: tuple[str, ...] = ()
    aside: bool = False


def is_marked(manifest: Manifest) -> bool:
    """Whether a document has a comment that may be a marker."""
    return MARKER in manifest.text


def bind_marked(manifest: Manifest, surroundings: Surroundings) -> Bound:
    """The marked fields of a document, and what is wrong with its markers."""
    bindings: dict[Path, Binding] = {}
    problems: list[Problem] = []
    for comment in _find_comments(manifest.text, manifest.root):
        place = manifest.source.place(manifest.span.start + comment.offset)
        problems.extend(_oddities(comment, place))
        if comment.aside:
            continue
        try:
            binding = _bind(manifest, comment, surroundings)
        except MarkerError as error:
            problems.append(Problem(error.code, f"marker: {error}", place))
            continue
        if binding.field_path in bindings:
            message = f"marker: {binding.field} has another marker already: keep one"
            problems.append(Problem("marker-misplaced", message, binding.place))
            continue
        bindings[binding.field_path] = binding
    return Bound(tuple(bindings.values()), tuple(problems))


def _oddities(comment: _Comment, place: Place) -> Iterator[Problem]:
    if comment.aside:
        message = (
            f'words before it keep this from being a marker: write # {{"{MARKER}": ...}} alone'
        )
        yield Problem("marker-aside", message, place, Severity.WARNING)
    if comment.others:
        message = f"marker: nothing reads {', '.join(comment.others)} beside it: remove it"
        yield Problem("marker-other-key", message, place, Severity.WARNING)


def _bind(manifest: Manifest, comment: _Comment, surroundings: Surroundings) -> Binding:
    if comment.in_block_scalar:
        message = "is text inside of a block scalar: write NAME:rewrite behind its | or >"
        raise MarkerError("marker-misplaced", message)
    if comment.text is None:
        message = 'is not JSON of the form {"$dynamicprefix": "NAME:FIELD"}: correct the comment'
        raise MarkerError("marker-not-json", message)
    marker = parse_marker(comment.text, surroundings.specifications)
    position = comment.position
    if position is None or not position.path:
        message = "follows no value: write it behind the value or the key, on the same line"
        raise MarkerError("marker-misplaced", message)
    name = marker.reference.dynamic_prefix
    if marker.field == REWRITE and not isinstance(position.node, AliasNode):
        edit = partial(_edit_rewritten, position)
        return Binding(manifest, position.path, name, edit, at=position.key or position.node)
    _check_replaceable(position, name)
    specification = surroundings.specifications[name]
    imagined = imagine(specification)
    if imagined is not None:
        marker.values(specification, imagined)
    _check_overwriting(position, marker)
    key = position.key if is_null(position.node) else None
    edit = partial(_edit_of(position, marker), position, marker)
    return Binding(manifest, position.path, name, edit, at=key or position.node)


def _check_replaceable(position: _Position, name: str) -> None:
    """Only `rewrite` edits inside of a block scalar or a mapping."""
    node = position.node
    if isinstance(node, ScalarNode) and node.style in {"|", ">"}:
        message = f"marks a block scalar, which is not replaced: write {name}:rewrite"
        raise MarkerError("marker-misplaced", message)
    if not isinstance(node, ScalarNode | SequenceNode):
        message = f"{dotted(position.path)} is not a string or list of its own: mark one"
        raise MarkerError("marker-misplaced", message)


def _check_overwriting(position: _Position, marker: Marker) -> None:
    """Refuse a string that is more than the value of the field: the rest would be lost.

    A list with commas keeps its other entries, and needs one that is an address.
    """
    node = position.node
    if not isinstance(node, ScalarNode) or marker.field == "addresses" or not node.text.strip():
        return
    written = entries(node.text)
    if "," in node.text:
        fits = any(is_shaped(marker.field, entry) for entry in written)
    else:
        fits = is_null(node) or is_shaped(marker.field, node.text.strip())
    if not fits:
        name = marker.reference.dynamic_prefix
        message = (
            f'would overwrite "{node.text}", which is no value of {marker.field}: empty it, or '
            f"write {name}:rewrite to move only the addresses inside"
        )
        raise MarkerError("would-overwrite", message)


def _edit_of(
    position: _Position, marker: Marker
) -> Callable[[_Position, Marker, Binding, Following], FieldEdit]:
    """How a marked value is edited: as a list, as addresses in a string, or as a scalar."""
    if isinstance(position.node, SequenceNode):
        return _edit_list
    if is_null(position.node) and marker.field in _LISTS:
        return _edit_list
    return _edit_addresses if marker.field == "addresses" else _edit_scalar


def _values(
    position: _Position, marker: Marker, specification: Specification, status: Status
) -> tuple[str, ...]:
    """The values of a marker.

    Raises:
        RefusedEditError: this prefix has no such value.
    """
    try:
        return marker.values(specification, status)
    except MarkerError as error:
        raise RefusedEditError(position.node, f"marker: {error}") from error


def _edit_list(
    position: _Position, marker: Marker, binding: Binding, following: Following
) -> FieldEdit:
    _refuse_alias_key(position, binding)
    span_of = hextets_span if marker.field == "network" else dashed_span
    rule = ListRule(span_of, partial(_values, position, marker))
    return edit_shared_list(rule, binding, following)


def _edit_addresses(
    position: _Position, marker: Marker, binding: Binding, following: Following
) -> FieldEdit:
    _refuse_alias_key(position, binding)
    after, *before = (
        tuple(map(parse_address, _values(position, marker, following.specification, status)))
        for status in following.statuses
    )
    known = frozenset(chain(after, *before))
    return edit_address_text(binding, Ownership(after, known, following.after.prefixes))


def _edit_scalar(
    position: _Position, marker: Marker, binding: Binding, following: Following
) -> FieldEdit:
    wanted, *old = (
        _values(position, marker, following.specification, status) for status in following.statuses
    )
    before = binding.before
    if _is_right(before, wanted):
        return binding.unchanged()
    after = ",".join(wanted)
    if isinstance(before, str) and "," in before:
        after = replace_entries(before, wanted, [*wanted, *chain.from_iterable(old)])
        if after == before:
            return binding.unchanged()
    edit = _replace(binding.manifest.text, position, after)
    return FieldEdit(binding, (edit,), before, after)


def _edit_rewritten(position: _Position, binding: Binding, following: Following) -> FieldEdit:
    """Move what lies in a past prefix, wherever in the value it is."""
    manifest = binding.manifest
    current, *past = dict.fromkeys(
        following.specification.base(prefix)
        for status in following.statuses
        for prefix in status.prefixes
    )
    moves = move_addresses(manifest.text, position.node, past, current)
    problems = tuple(_rewriting_problems(binding, moves, current))
    if not moves.edits:
        return binding.unchanged(problems)
    _refuse_alias_key(position, binding)
    whole = moved_value(binding.before, past, current)
    before, after = binding.before, whole
    if not isinstance(before, str) or "\n" in before:
        # A whole file may be in a block scalar: only its addresses are reported.
        before, after = ([*dict.fromkeys(words)] for words in moved_words(manifest.text, moves))
    return FieldEdit(binding, moves.edits, before, after, problems, whole)


def _rewriting_problems(binding: Binding, moves: Moves, current: Prefix) -> Iterator[Problem]:
    if not (moves.edits or moves.ours or moves.stuck):
        message = (
            f"{binding.field}: nothing in it lies in {current} or a past prefix, so it never "
            "moves: write the first address, or remove the marker"
        )
        yield Problem("nothing-of-ours", message, binding.place, Severity.WARNING)
    manifest = binding.manifest
    for token in moves.stuck:
        written = manifest.text[token.start : token.end]
        message = f"{binding.field}: {written} has no place in {current}, and stays as it is"
        place = manifest.source.place(manifest.span.start + token.start)
        yield Problem("will-not-follow", message, place, Severity.WARNING)


def _refuse_alias_key(position: _Position, binding: Binding) -> None:
    """A list is found by its keys, and `*key :` has no text (a scalar is found by its position)."""
    if at_path(binding.manifest.root, position.path) is not position.node:
        message = f"{binding.field} has an alias as a key: write the key out"
        raise RefusedEditError(position.node, message)


def _is_right(before: Value, wanted: Sequence[str]) -> bool:
    """Whether a scalar has the values already, in any notation."""
    there = entries(before)
    return len(there) == len(wanted) and all(
        old == new or (dashed_span(old) is not None and dashed_span(old) == dashed_span(new))
        for old, new in zip(there, wanted, strict=True)
    )


def _replace(text: str, position: _Position, after: str) -> Edit:
    node = position.node
    if position.key is not None and is_null(node) and node.end == node.start:
        # An empty value has no position of its own: its text begins behind the colon.
        colon = text.index(":", position.key.end) + 1
        return Edit(colon, colon, f" {quoted(after)}")
    return replace_scalar(node, after, in_flow=position.in_flow)


def _find_comments(text: str, root: Node) -> Iterator[_Comment]:
    """Every comment in the form of a marker, with the value that it marks."""
    if MARKER not in text:
        return
    scalars = [node for node in scalars_in(root) if isinstance(node, ScalarNode)]
    ends = sorted(_ends(root, scalars), key=itemgetter(0))
    for found, in_block_scalar in _comments(text, scalars):
        offset = found.start()
        form = re.fullmatch(_FORM, found.group().rstrip())
        position = _before(text, offset, ends)
        if form is not None:
            said, others = _read(form.group(1))
            yield _Comment(said, offset, position, in_block_scalar, others)
        elif position is not None and re.search(_ASIDE, found.group()):
            yield _Comment(None, offset, position, in_block_scalar, aside=True)


def _comments(text: str, scalars: list[ScalarNode]) -> Iterator[tuple[re.Match[str], bool]]:
    """Every comment, and whether a block scalar is around it.

    A `#` in quotes or in a plain scalar begins no comment.
    """
    pattern = re.compile(_COMMENT)
    comment = pattern.search(text)
    while comment is not None:
        index = bisect_right(scalars, comment.start(), key=lambda scalar: scalar.start) - 1
        inside = index >= 0 and comment.start() < scalars[index].end
        if not inside or scalars[index].style in {"|", ">"}:
            begins = scalars[index].start if inside else 0
            yield comment, inside and "\n" in text[begins : comment.start()]
            comment = pattern.search(text, comment.end())
        else:
            comment = pattern.search(text, scalars[index].end)


def _read(text: str) -> tuple[str | None, tuple[str, ...]]:
    """The marker's text, if there is exactly one, and the other keys; words may follow."""
    import json  # noqa: PLC0415  most repositories have no marker

    try:
        pairs, end = json.JSONDecoder(object_pairs_hook=tuple).raw_decode(text)
    except (ValueError, RecursionError):
        return None, ()
    if MARKER in text[end:]:
        return None, ()
    said = [value for key, value in pairs if key == MARKER]
    others = tuple(key for key, _ in pairs if key != MARKER)
    return (said[0] if len(said) == 1 and isinstance(said[0], str) else None), others


def _before(text: str, offset: int, ends: list[tuple[int, _Position]]) -> _Position | None:
    """The value that ends on this line, or whose key does."""
    line_start = text.rfind("\n", 0, offset) + 1
    first = bisect_right(ends, line_start, key=itemgetter(0))
    last = bisect_right(ends, offset, key=itemgetter(0))
    properties = re.compile(_PROPERTIES)
    for end, position in reversed(ends[first:last]):
        if properties.fullmatch(text, end, offset):
            return position
    return None


def _ends(root: Node, scalars: list[ScalarNode]) -> Iterator[tuple[int, _Position]]:
    """Where a marker of each value may begin: behind the value, or behind its key."""
    anchors = {scalar.anchor: scalar for scalar in scalars if scalar.anchor is not None}
    for position in _walk(root, anchors):
        node = position.node
        beside = isinstance(node, AliasNode | ScalarNode) or node.flow
        if beside and node.end > node.start:
            yield node.end, position
        if isinstance(node, ScalarNode) and node.style in {"|", ">"}:
            yield node.start + 1, position
        if position.key is not None and (not beside or is_null(node)):
            yield position.key.end, position


def _walk(root: Node, anchors: Mapping[str, ScalarNode]) -> Iterator[_Position]:
    """Every value with its path, in the order of the text."""
    pending = [_Position((), root, None, in_flow=False)]
    while pending:
        position = pending.pop()
        yield position
        path, node = position.path, position.node
        if isinstance(node, MappingNode):
            inside = position.in_flow or node.flow
            pending += [
                _Position((*path, _step(name)), entry.value, entry.key, inside)
                for entry in reversed(node.entries)
                if (name := _name(entry.key, anchors)) is not None
            ]
        elif isinstance(node, SequenceNode):
            inside = position.in_flow or node.flow
            pending += [
                _Position((*path, index), item, None, inside)
                for index, item in reversed([*enumerate(node.items)])
            ]


def _name(key: Node, anchors: Mapping[str, ScalarNode]) -> ScalarNode | None:
    """The scalar of a key, behind an alias too: Helm values often have `*app :`."""
    if isinstance(key, AliasNode):
        return anchors.get(key.anchor)
    return key if isinstance(key, ScalarNode) else None


def _step(key: ScalarNode) -> str | int:
    """A key as the document's values have it."""
    value = key.text if key.style or key.tag else resolve(key.text)
    return value if type(value) is int else key.text
