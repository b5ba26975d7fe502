"""Marked lists of mappings: the item that holds our value is the pattern of the others.

    from:  # {"$dynamicprefix": "home:lb:all-cidrs"}
      - ipBlock: {cidr: "2001:db8:1234:0:f000::/68"}  # the LAN

The pattern is written once for each value, with its comments and its other keys, behind the
last item of ours. All other items keep their text and their place.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from gitops_prefix.decide.prefix import BITS, Prefix
from gitops_prefix.errors import Problem
from gitops_prefix.render.address_text import Span
from gitops_prefix.render.binding import Binding, FieldEdit
from gitops_prefix.render.edit_items import (
    RefusedEditError,
    comments,
    dashes_of,
    remove_run,
    replace_scalar,
    separator_of,
    shared_line,
)
from gitops_prefix.render.node import (
    AliasNode,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    Value,
    content_end,
)
from gitops_prefix.render.positions import walk
from gitops_prefix.render.shared_list import SpanOf, inside, will_not_follow
from gitops_prefix.render.source import Edit, column, line_end, newline_of, splice


class _Ours(NamedTuple):
    """An item of ours.

    Attributes:
        span: the addresses that it holds.
        holders: its scalars that hold them, each with whether it is in braces or brackets.
    """

    number: int
    span: Span
    holders: tuple[tuple[ScalarNode, bool], ...]


def has_mappings(node: Node) -> bool:
    """Whether a list has items that are no strings."""
    return isinstance(node, SequenceNode) and any(
        isinstance(item, MappingNode | SequenceNode) for item in node.items
    )


def edit_mapping_list(
    binding: Binding,
    sequence: SequenceNode,
    span_of: SpanOf,
    values: Sequence[Sequence[str]],
    bases: Sequence[Prefix],
) -> FieldEdit:
    """Make a list of mappings hold each of our values once.

    Args:
        binding: the list.
        sequence: its node, with items.
        span_of: the addresses of a value.
        values: those that are to be there, in this order, then those of the status before.
            Without such a status nothing says which item is ours, so the only one with our
            host part is, whatever its prefix.
        bases: the prefix that holds them, then the past ones.

    Raises:
        RefusedEditError: the list cannot be edited where it is.
    """
    wanted, *old = values
    spans = {span_of(value) for value in chain(wanted, *old)}
    ours = _find_all(sequence, span_of, lambda span: span in spans)
    if not ours and not old:
        alike = _find_all(sequence, span_of, _has_host_part(bases[0], span_of(wanted[0])))
        ours = alike if len(alike) == 1 else []
    if not ours:
        message = (
            f"{binding.field}: no item holds a value of ours, and the first one is the pattern of "
            f'the others: write it by hand, with "{wanted[0]}"'
        )
        problem = Problem("no-pattern", message, binding.place)
        return binding.unchanged((problem,))
    problems = tuple(_left_behind(binding, sequence, ours, bases, span_of))
    if [item.span for item in ours] == [span_of(value) for value in wanted]:
        return binding.unchanged(problems)
    text, pattern = binding.manifest.text, ours[0]
    edits = [
        replace_scalar(node, value, in_flow=in_flow or sequence.flow)
        for item, value in zip(ours, wanted, strict=False)
        if item.span != span_of(value)
        for node, in_flow in item.holders
    ]
    writer = _InBrackets(text, sequence) if sequence.flow else _InLines(text, sequence)
    edits += [writer.remove(item.number, pattern.number) for item in ours[len(wanted) :]]
    added = wanted[len(ours) :]
    if added:
        _refuse_anchor(sequence.items[pattern.number])
        edits.append(writer.add(pattern, ours[-1].number, added))
    after = _after(binding.before, ours, wanted, span_of)
    return FieldEdit(binding, tuple(edits), binding.before, after, problems)


def _left_behind(
    binding: Binding,
    sequence: SequenceNode,
    ours: Sequence[_Ours],
    bases: Sequence[Prefix],
    span_of: SpanOf,
) -> Iterator[Problem]:
    """A warning for each address of a prefix that is not the value of an item of ours.

    An `except` of an `ipBlock` is one: its author has to move it.
    """
    moved = {node.start for item in ours for node, _ in item.holders}
    for node, _ in _strings(sequence):
        span = span_of(node.text) if node.start not in moved else None
        if span is not None and span.version == 6 and any(inside(span, base) for base in bases):
            yield will_not_follow(binding, node, node.text)


def _has_host_part(base: Prefix, ours: Span | None) -> Callable[[Span], bool]:
    """Whether a span is ours, but for the prefix; host part 0 is every network's."""
    hosts = (1 << (BITS - base.length)) - 1

    def host_parts(span: Span) -> tuple[int, int, int]:
        return span.version, span.first & hosts, span.last - span.first

    return lambda span: (
        ours is not None and ours.first & hosts != 0 and (host_parts(span) == host_parts(ours))
    )


def _find_all(
    sequence: SequenceNode, span_of: SpanOf, is_ours: Callable[[Span], bool]
) -> list[_Ours]:
    found = (_find(index, item, span_of, is_ours) for index, item in enumerate(sequence.items))
    return [item for item in found if item is not None]


def _find(index: int, item: Node, span_of: SpanOf, is_ours: Callable[[Span], bool]) -> _Ours | None:
    """An item of ours: the first value in it that is ours counts."""
    scalars = [*_strings(item)]
    for node, _ in scalars:
        span = span_of(node.text)
        if span is not None and is_ours(span):
            same = tuple(pair for pair in scalars if span_of(pair[0].text) == span)
            return _Ours(index, span, same)
    return None


def _strings(node: Node) -> Iterator[tuple[ScalarNode, bool]]:
    """The scalars that may hold a value, each with whether it is in braces or brackets."""
    for position in walk(node):
        if isinstance(position.node, ScalarNode) and position.node.style not in {"|", ">"}:
            yield position.node, position.in_flow


def _refuse_anchor(item: Node) -> None:
    for position in walk(item):
        if not isinstance(position.node, AliasNode) and position.node.anchor is not None:
            message = "has an anchor, and would be written a second time: remove the anchor"
            raise RefusedEditError(position.node, message)


def _after(
    before: Value, ours: Sequence[_Ours], wanted: Sequence[str], span_of: SpanOf
) -> list[Value]:
    """The values of the list after the edit."""
    items: list[Value] = [*before] if isinstance(before, list) else []
    pattern = items[ours[0].number]
    copies = [_with(pattern, ours[0].span, value, span_of) for value in wanted[len(ours) :]]
    behind = ours[-1].number + 1
    items[behind:behind] = copies
    for item, value in zip(ours, wanted, strict=False):
        items[item.number] = _with(items[item.number], item.span, value, span_of)
    for item in reversed(ours[len(wanted) :]):
        del items[item.number]
    return items


def _with(value: Value, span: Span, new: str, span_of: SpanOf) -> Value:
    """A value with another text in the place of ours."""
    if isinstance(value, dict):
        return {key: _with(inner, span, new, span_of) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with(inner, span, new, span_of) for inner in value]
    return new if span_of(value) == span != span_of(new) else value


def _copy(text: str, pattern: _Ours, value: str, *, in_flow: bool, cut: slice) -> str:
    """A stretch of the text with another value of the pattern."""
    edits = [
        replace_scalar(node, value, in_flow=in_flow or inside).shifted(-cut.start)
        for node, inside in pattern.holders
    ]
    return splice(text[cut], edits)


class _InLines:
    """Writes items that begin with a dash."""

    def __init__(self, text: str, sequence: SequenceNode) -> None:
        self._text, self._sequence = text, sequence
        self._dashes = dashes_of(text, sequence)
        first = self._dashes[0]
        if text[first - column(text, first) : first].strip():
            raise shared_line(sequence)

    def _lines(self, index: int) -> tuple[int, int]:
        dash, item = self._dashes[index], self._sequence.items[index]
        return dash - column(self._text, dash), line_end(self._text, content_end(item))

    def add(self, pattern: _Ours, behind: int, values: Sequence[str]) -> Edit:
        """Write the pattern with each value, behind an item."""
        start, end = self._lines(pattern.number)
        cut = slice(start, end)
        copies = [_copy(self._text, pattern, value, in_flow=False, cut=cut) for value in values]
        position, newline = self._lines(behind)[1], newline_of(self._text)
        copies = [copy.removesuffix("\n").removesuffix("\r") for copy in copies]
        if self._text[position - 1] != "\n":
            return Edit(position, position, "".join(newline + copy for copy in copies))
        return Edit(position, position, "".join(copy + newline for copy in copies))

    def remove(self, index: int, pattern: int) -> Edit:
        """Remove an item; comments that the pattern does not have stay as lines of their own."""
        start, end = self._lines(index)
        known = self._comments(pattern)
        indent, newline = " " * column(self._text, self._dashes[index]), newline_of(self._text)
        kept = [comment for comment in self._comments(index) if comment not in known]
        return Edit(start, end, "".join(indent + comment + newline for comment in kept))

    def _comments(self, index: int) -> list[str]:
        _, end = self._lines(index)
        return comments(self._text, self._dashes[index], end, self._sequence.items[index])


class _InBrackets:
    """Writes items between brackets."""

    def __init__(self, text: str, sequence: SequenceNode) -> None:
        self._text, self._sequence = text, sequence

    def add(self, pattern: _Ours, behind: int, values: Sequence[str]) -> Edit:
        """Write the pattern with each value, behind an item."""
        item, position = self._sequence.items[pattern.number], self._sequence.items[behind].end
        separator = separator_of(self._text, self._sequence)
        copies = (
            _copy(self._text, pattern, value, in_flow=True, cut=slice(item.start, item.end))
            for value in values
        )
        return Edit(position, position, "".join(separator + copy for copy in copies))

    def remove(self, index: int, _: int) -> Edit:
        """Remove an item and a comma."""
        return remove_run(self._text, self._sequence, index, index)
