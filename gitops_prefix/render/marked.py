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
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import cast

from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.decide.prefix import parse_address
from gitops_prefix.decide.service_address import Claim, Holder
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
from gitops_prefix.render.address_tokens import find_tokens
from gitops_prefix.render.binding import Binding, Bound, FieldEdit, Following, Surroundings
from gitops_prefix.render.edit import is_null, move_addresses, moved_value, moved_words
from gitops_prefix.render.edit_items import RefusedEditError, replace_scalar
from gitops_prefix.render.files import MARKER
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.mapping_list import edit_mapping_list, has_mappings
from gitops_prefix.render.marker import LISTS, REWRITE, Marker, MarkerError, parse_marker
from gitops_prefix.render.node import (
    AliasNode,
    ScalarNode,
    SequenceNode,
    Value,
    at_path,
    value_at,
)
from gitops_prefix.render.positions import MarkerComment, Position, find_marker_comments, walk
from gitops_prefix.render.shared_list import (
    ListRule,
    Ownership,
    edit_address_text,
    edit_shared_list,
)
from gitops_prefix.render.source import Edit
from gitops_prefix.render.style import quoted
from gitops_prefix.render.text_files import read_regions, rewriting_problems

_ASKING = re.compile(r"(?i)lbipam\.cilium\.io/ips|io\.cilium/lb-ipam-ips|.*loadbalancerips?")
"""Keys by which a Service asks for an address; every other field only repeats one."""
_END_OF_RANGE = re.compile(r":(start|stop|end)\b")
_ENDS = {"start", "stop", "end"}
_OF_LINES = re.compile(rf":{REWRITE}(:begin|:end)?\Z")


def is_marked(manifest: Manifest) -> bool:
    """Whether a document has a comment that may be a marker."""
    return MARKER in manifest.text


def bind_marked(manifest: Manifest, surroundings: Surroundings) -> Bound:
    """The marked fields of a document, and what is wrong with its markers."""
    bindings: dict[Path, Binding] = {}
    problems: list[Problem] = []
    comments = [*find_marker_comments(manifest.text, manifest.root)]
    for comment in comments:
        if _marks_lines(comment):
            continue
        place = manifest.source.place(manifest.span.start + comment.offset)
        problems.extend(_oddities(comment, place))
        if comment.aside:
            continue
        try:
            binding = _bind(manifest, comment, surroundings)
        except MarkerError as error:
            alone = comment.position is not None and _is_alone(comment.position, comment.text)
            problems.append(Problem(error.code, f"marker: {error}", place, alone=alone))
            continue
        if binding.field_path in bindings:
            message = f"marker: {binding.field} has another marker already: keep one"
            problems.append(Problem("marker-misplaced", message, binding.place))
            continue
        bindings[binding.field_path] = binding
    lines = [(str(comment.text), comment.offset) for comment in filter(_marks_lines, comments)]
    if lines:
        bound = _bind_lines(manifest, surroundings, lines)
        problems += bound.problems
        # A value with a marker of its own follows that one.
        bindings = {binding.field_path: binding for binding in bound.bindings} | bindings
    return Bound(tuple(bindings.values()), tuple(problems))


def _is_alone(position: Position, said: str | None) -> bool:
    """Whether a marked field moves also when another one beside it cannot.

    The two ends of a range move together, since it would span foreign networks otherwise. So do
    the annotations of an object: its address, and its names in DNS.
    """
    is_end = _END_OF_RANGE.search(said or "") or not _ENDS.isdisjoint(position.path[-1:])
    return not is_end and "annotations" not in position.path[:-1]


def _marks_lines(comment: MarkerComment) -> bool:
    """Whether a comment on a line of its own marks the next line, or begins or ends a part."""
    alone = comment.position is None and not (comment.in_block_scalar or comment.aside)
    return alone and _OF_LINES.search(comment.text or "") is not None


def _bind_lines(
    manifest: Manifest, surroundings: Surroundings, lines: Sequence[tuple[str, int]]
) -> Bound:
    """The strings with an address in the lines that comments mark."""
    regions, problems = read_regions(manifest, surroundings, lines)
    if problems:
        return Bound(problems=tuple(problems))
    bindings: list[Binding] = []
    for region in regions:
        found = [
            position
            for position in walk(manifest.root)
            if isinstance(position.node, ScalarNode)
            and region.start <= position.node.start < region.end
            and any(
                True for _ in find_tokens(manifest.text[position.node.start : position.node.end])
            )
        ]
        for position in found:
            edit = partial(_edit_quietly, position)
            name = region.dynamic_prefix
            bindings.append(
                Binding(manifest, position.path, name, edit, at=position.node, alone=True)
            )
        if not found:
            message = (
                f"marker: no string in {region.name} has an address: write the first one there"
            )
            place = manifest.source.place(manifest.span.start + region.marker)
            problems.append(Problem("nothing-of-ours", message, place, Severity.WARNING))
    return Bound(tuple(bindings), tuple(problems))


def _edit_quietly(position: Position, binding: Binding, following: Following) -> FieldEdit:
    """As `_edit_rewritten`; one of many strings may have only foreign addresses."""
    edited = _edit_rewritten(position, binding, following)
    problems = (problem for problem in edited.problems if problem.code != "nothing-of-ours")
    return edited._replace(problems=tuple(problems))


def _oddities(comment: MarkerComment, place: Place) -> Iterator[Problem]:
    if comment.aside:
        message = (
            f'words before it keep this from being a marker: write # {{"{MARKER}": ...}} alone'
        )
        yield Problem("marker-aside", message, place, Severity.WARNING)
    if comment.others:
        message = f"marker: nothing reads {', '.join(comment.others)} beside it: remove it"
        yield Problem("marker-other-key", message, place, Severity.WARNING)


def _bind(manifest: Manifest, comment: MarkerComment, surroundings: Surroundings) -> Binding:
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
    _check_key(manifest, position)
    if marker.field == REWRITE and not isinstance(position.node, AliasNode):
        edit = partial(_edit_rewritten, position)
        at, alone = position.key or position.node, _is_alone(position, comment.text)
        return Binding(manifest, position.path, name, edit, at=at, alone=alone)
    _check_replaceable(position, name)
    specification = surroundings.specifications[name]
    imagined = imagine(specification)
    if imagined is not None and marker.service is None:
        marker.values(specification, imagined)
    if not manifest.seals(position.path):
        _check_overwriting(position, marker)
    key = position.key if is_null(position.node) else None
    edit = partial(_edit_of(position, marker), position, marker)
    claim = _claim(manifest, position.path, marker)
    at, alone = key or position.node, _is_alone(position, comment.text)
    return Binding(manifest, position.path, name, edit, claim, at=at, alone=alone)


def _claim(manifest: Manifest, path: Path, marker: Marker) -> Claim | None:
    """The host part that a marker names; two in one document are one Service's, as a rule."""
    document = f"{manifest.path}:{manifest.span.number}"
    spot = f"{document}:{dotted(path)}"
    if marker.service is not None:
        return Claim(*marker.service, marker.reference, spot, marked=True)
    if marker.host is None:
        return None
    name = (manifest.namespace, manifest.name) if manifest.kind == "Service" else ("", "")
    place = dotted(path[:-1]) if _ASKING.fullmatch(str(path[-1])) else ""
    owner = Holder(manifest.title or document, place)
    return Claim(*name, marker.reference, spot, marker.host, owner=owner, marked=True)


def _check_key(manifest: Manifest, position: Position) -> None:
    """Every key above a value is a string, or a whole number; others have no path."""
    holder = value_at(manifest.content, position.path[:-1])
    if not isinstance(holder, list) and not (
        isinstance(holder, dict) and position.path[-1] in holder
    ):
        message = (
            f"{dotted(position.path)} has a key that YAML reads as no string, as true, null, 1.5 "
            "are: write the key in quotes"
        )
        raise MarkerError("marker-misplaced", message)


def _check_replaceable(position: Position, name: str) -> None:
    """Only `rewrite` edits inside of a block scalar or a mapping."""
    node = position.node
    if isinstance(node, ScalarNode) and node.style in {"|", ">"}:
        message = f"marks a block scalar, which is not replaced: write {name}:rewrite"
        raise MarkerError("marker-misplaced", message)
    if not isinstance(node, ScalarNode | SequenceNode):
        field = dotted(position.path)
        message = f"{field} is a mapping: mark its values on lines of their own, or {name}:rewrite"
        if isinstance(node, AliasNode):
            message = f"{field} is an alias: mark the value that it repeats, or write it out"
        raise MarkerError("marker-misplaced", message)


def _check_overwriting(position: Position, marker: Marker) -> None:
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
    position: Position, marker: Marker
) -> Callable[[Position, Marker, Binding, Following], FieldEdit]:
    """How a marked value is edited: as a list, as addresses in a string, or as a scalar."""
    if has_mappings(position.node):
        return _edit_mappings
    if isinstance(position.node, SequenceNode):
        return _edit_list
    if is_null(position.node) and marker.field in LISTS:
        return _edit_list
    return _edit_addresses if marker.field == "addresses" else _edit_scalar


def _values(
    position: Position, marker: Marker, specification: Specification, status: Status
) -> tuple[str, ...]:
    """The values of a marker.

    Raises:
        RefusedEditError: this prefix has no such value.
    """
    try:
        return marker.values(specification, status)
    except MarkerError as error:
        raise RefusedEditError(position.node, f"marker: {error}") from error


def _with_host(marker: Marker, following: Following) -> Marker:
    """The marker with the host part of the Service that it mentions."""
    return marker if marker.service is None else marker._replace(host=following.host_part)


def _edit_list(
    position: Position, marker: Marker, binding: Binding, following: Following
) -> FieldEdit:
    _refuse_alias_key(position, binding)
    span_of = hextets_span if marker.field == "network" else dashed_span
    rule = ListRule(span_of, partial(_values, position, _with_host(marker, following)))
    return edit_shared_list(rule, binding, following)


def _edit_mappings(
    position: Position, marker: Marker, binding: Binding, following: Following
) -> FieldEdit:
    _refuse_alias_key(position, binding)
    marker = _with_host(marker, following)
    values = [
        _values(position, marker, following.specification, status) for status in following.statuses
    ]
    span_of = hextets_span if marker.field == "network" else dashed_span
    sequence = cast("SequenceNode", position.node)
    return edit_mapping_list(binding, sequence, span_of, values, following.bases)


def _edit_addresses(
    position: Position, marker: Marker, binding: Binding, following: Following
) -> FieldEdit:
    _refuse_alias_key(position, binding)
    marker = _with_host(marker, following)
    after, *before = (
        tuple(map(parse_address, _values(position, marker, following.specification, status)))
        for status in following.statuses
    )
    known = frozenset(chain(after, *before))
    ownership = Ownership(after, known, following.after.prefixes)
    return edit_address_text(binding, ownership, in_place=True)


def _edit_scalar(
    position: Position, marker: Marker, binding: Binding, following: Following
) -> FieldEdit:
    marker = _with_host(marker, following)
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


def _edit_rewritten(position: Position, binding: Binding, following: Following) -> FieldEdit:
    """Move what lies in a past prefix, wherever in the value it is."""
    manifest = binding.manifest
    current, *past = following.bases
    find = partial(move_addresses, manifest.text, position.node)
    moves = find(past, current)
    problems = tuple(rewriting_problems(binding, following, moves, find))
    if not moves.edits:
        return binding.unchanged(problems)
    _refuse_alias_key(position, binding)
    whole = moved_value(binding.before, past, current)
    before, after = binding.before, whole
    if not isinstance(before, str) or "\n" in before:
        # A whole file may be in a block scalar: only its addresses are reported.
        before, after = (
            [*dict.fromkeys(words)] for words in moved_words(manifest.text, moves, past, current)
        )
    return FieldEdit(binding, moves.edits, before, after, problems, whole)


def _refuse_alias_key(position: Position, binding: Binding) -> None:
    """A list is found by its keys, and `*key :` has no text (a scalar is found by its position)."""
    if at_path(binding.manifest.root, position.path) is not position.node:
        message = (
            f"{binding.field} has a key that is not found by its text (an alias, or a number such "
            "as 0x10): write the key out"
        )
        raise RefusedEditError(position.node, message)


def _is_right(before: Value, wanted: Sequence[str]) -> bool:
    """Whether a scalar has the values already, in any notation."""
    there = entries(before)
    return len(there) == len(wanted) and all(
        old == new or (dashed_span(old) is not None and dashed_span(old) == dashed_span(new))
        for old, new in zip(there, wanted, strict=True)
    )


def _replace(text: str, position: Position, after: str) -> Edit:
    node = position.node
    if position.key is not None and is_null(node) and node.end == node.start:
        # An empty value has no position of its own: its text begins behind the colon.
        colon = text.index(":", position.key.end) + 1
        return Edit(colon, colon, f" {quoted(after)}")
    return replace_scalar(node, after, in_flow=position.in_flow)
