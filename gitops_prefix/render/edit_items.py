"""Edits of scalars and of the items of a list, in the style that their author uses.

The contract of every `edit_*` function, here and in `edit`: it reads nodes and returns
`Edit`s of the text that was parsed. The edits touch what they are to change and
nothing else: quotes, comments and foreign items stay. Where that is impossible, it
raises `RefusedEditError` with the node that is in the way, and a remedy.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from gitops_prefix.render.node import (
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    content_end,
    key_text,
    scalars_in,
)
from gitops_prefix.render.source import Edit, column, line_end, line_start
from gitops_prefix.render.style import (
    Quote,
    Style,
    block_lines,
    flow_text,
    is_plain_safe,
    quoted,
)

Item: TypeAlias = str | Mapping[str, str]
"""An item as we write it."""

_COMMENT = re.compile(r"(?:^|(?<=[ \t\n]))#[^\r\n]*")
_COMMA_AFTER = re.compile(r"\s*,[ \t]*")
_COMMA_BEFORE = re.compile(r",[ \t]*(?:\r?\n[ \t]*)?\Z")


class RefusedEditError(Exception):
    """A field cannot be edited without touching more than the field.

    Attributes:
        node: what is in the way.
    """

    def __init__(self, node: Node, message: str) -> None:
        super().__init__(message)
        self.node = node


class ListChange(NamedTuple):
    """What changes in a list that we share with its author.

    Attributes:
        kept: for each of the first items, its new value; None leaves it as it is.
        added: new items, right behind the kept ones.
        removed: indices of the items to remove.
    """

    kept: tuple[Item | None, ...]
    added: tuple[Item, ...]
    removed: tuple[int, ...]


def plan_change(
    nodes: Sequence[Node], ours: Sequence[Item | None], wanted: Sequence[Item]
) -> ListChange:
    """Our items first and in order; all other items behind them, untouched.

    The first items that are ours already are used again, one after the other, so their
    quotes and comments stay. Further items are added behind them or removed.

    Args:
        nodes: the items of the list.
        ours: for each item, which of our items it is, or None for a foreign item.
        wanted: the items that are to be ours; at least one.
    """
    kept: list[Item | None] = []
    for node, old, item in zip(nodes, ours, wanted, strict=False):
        if old is None or not _has_same_shape(node, item):
            break
        kept.append(None if old == item else item)
    removed = [i for i, old in enumerate(ours) if old is not None and i >= len(kept)]
    return ListChange(tuple(kept), tuple(wanted[len(kept) :]), tuple(removed))


def _has_same_shape(node: Node, item: Item) -> bool:
    """Whether `node` becomes `item` by new scalars alone."""
    if isinstance(item, str):
        return isinstance(node, ScalarNode)
    return isinstance(node, MappingNode) and {key_text(key) for key, _ in node.entries} == set(item)


def comments(text: str, start: int, end: int, inside: Node) -> list[str]:
    """The comments between two offsets, without their indentation.

    Args:
        text: the document.
        start: where to look from; no scalar is cut by it.
        end: where to look to.
        inside: the node whose scalars are in this stretch: a `#` in a scalar is no comment.
    """
    if "#" not in text[start:end]:
        return []
    found = []
    position = start
    for scalar in (*scalars_in(inside), None):
        gap_end = min(scalar.start, end) if scalar else end
        if position < gap_end:
            found += [match.group() for match in _COMMENT.finditer(text, position, gap_end)]
        position = max(position, scalar.end if scalar else end)
    return found


def replace_scalar(node: Node, text: str, *, in_flow: bool) -> Edit:
    """The edit that makes `text` of a scalar.

    Quotes stay. A plain scalar stays plain only while it is the same string in YAML
    1.1 and 1.2: `2001:10:20:30:40:50:1:2` is an integer to YAML 1.1.

    Args:
        node: the scalar.
        text: its new value.
        in_flow: whether it is inside braces or brackets. True is always safe: it only
            quotes more.

    Raises:
        RefusedEditError: the node is an alias, a block scalar, or not a scalar.
    """
    if not isinstance(node, ScalarNode):
        raise RefusedEditError(node, "this is not a string of its own: write the value here")
    if node.style == '"' or node.style == "'":  # noqa: PLR1714  mypy narrows only this form
        return Edit(node.start, node.end, quoted(text, node.style))
    if node.style is not None:
        raise RefusedEditError(node, "this is a block scalar: write the value in quotes instead")
    # libyaml parses ":" in flow collections by the rules of YAML 1.1, so a new plain
    # scalar there never has a colon.
    new_colon = in_flow and ":" in text and ":" not in node.text
    plain = is_plain_safe(text, in_flow=in_flow) and not new_colon
    return Edit(node.start, node.end, text if plain else quoted(text))


def edit_items(
    text: str, key: Node, sequence: SequenceNode, change: ListChange, style: Style
) -> list[Edit]:
    """The edits that make `change` of a list with items.

    Args:
        text: the document.
        key: the key of the list.
        sequence: the list, with at least one item.
        change: what is to change.
        style: of the document.

    Raises:
        RefusedEditError: an item cannot be edited where it is.
    """
    edits = [
        edit
        for node, item in zip(sequence.items, change.kept, strict=False)
        if item is not None
        for edit in _replace_item(node, item, in_flow=sequence.flow)
    ]
    style = style._replace(quote=_quote_of(sequence.items))
    if sequence.flow:
        return [*edits, *edit_flow_items(text, sequence, change, style)]
    return [*edits, *_edit_block_items(text, key, sequence, change, style)]


def _replace_item(node: Node, item: Item, *, in_flow: bool) -> list[Edit]:
    if isinstance(item, str) or not isinstance(node, MappingNode):
        return [replace_scalar(node, item, in_flow=in_flow)] if isinstance(item, str) else []
    return [
        replace_scalar(value, item[name], in_flow=in_flow or node.flow)
        for key, value in node.entries
        if (name := key_text(key)) is not None
        and not (isinstance(value, ScalarNode) and value.text == item[name])
    ]


def _quote_of(items: Sequence[Node]) -> Quote:
    """The first quotes in a list; double quotes when there are no quotes."""
    for item in items:
        nodes = [value for _, value in item.entries] if isinstance(item, MappingNode) else [item]
        for node in nodes:
            if isinstance(node, ScalarNode) and node.style:
                return "'" if node.style == "'" else '"'
    return '"'


def _edit_block_items(
    text: str, key: Node, sequence: SequenceNode, change: ListChange, style: Style
) -> list[Edit]:
    dashes = dashes_of(text, sequence)
    line_start = dashes[0] - column(text, dashes[0])
    if line_start <= key.end or text[line_start : dashes[0]].strip():
        raise shared_line(sequence)
    edits = []
    if change.added:
        # "Before all items" is behind the key: a comment there belongs to the next item.
        last = content_end(sequence.items[len(change.kept) - 1]) if change.kept else key.end
        lines = _item_lines(text, dashes, sequence, change.added, style)
        edits.append(insert_lines(text, line_end(text, last), lines, style))
    edits += [_remove_lines(text, sequence, dashes, index) for index in change.removed]
    return edits


def shared_line(node: Node) -> RefusedEditError:
    """The refusal to edit a list that begins on a line with something else."""
    return RefusedEditError(node, "does not begin on a line of its own: move it to a new line")


def insert_lines(text: str, position: int, lines: list[str], style: Style) -> Edit:
    """Insert whole lines where a line begins, or at an end without a line break."""
    if position and text[position - 1] != "\n":
        return Edit(position, position, "".join(style.newline + line for line in lines))
    return Edit(position, position, "".join(line + style.newline for line in lines))


def dashes_of(text: str, sequence: SequenceNode) -> list[int]:
    """Where the dash of each item is."""
    indent = column(text, sequence.start)
    dash = re.compile(rf"^ {{{indent}}}-(?=\s|\Z)", re.MULTILINE)
    found = [sequence.start]
    for before, item in zip(sequence.items, sequence.items[1:], strict=False):
        # The last match: a line of a comment between the two may look like a dash.
        *_, match = (None, *dash.finditer(text, content_end(before), item.start + 1))
        if match is None:
            raise shared_line(item)
        found.append(match.end() - 1)
    return found


def _item_lines(
    text: str, dashes: list[int], sequence: SequenceNode, added: tuple[Item, ...], style: Style
) -> list[str]:
    indent, sibling = column(text, dashes[0]), sequence.items[0]
    gap = text[dashes[0] + 1 : sibling.start]
    gap = gap if gap and not gap.strip(" ") else " "
    lines = []
    for item in added:
        if isinstance(sibling, MappingNode) and sibling.flow and not isinstance(item, str):
            padding = " " if text[sibling.start + 1] == " " else ""
            lines.append(f"{' ' * indent}-{gap}{flow_text(item, style, padding)}")
            continue
        for number, line in enumerate(block_lines([item], indent, style)):
            # `block_lines` writes one blank behind a dash; the author may write more.
            body = line[indent + 2 :]
            lines.append(f"{' ' * indent}{' ' if number else '-'}{gap}{body}")
    return lines


def _remove_lines(text: str, sequence: SequenceNode, dashes: list[int], index: int) -> Edit:
    """Remove an item's lines; its comments stay as lines of their own."""
    item, dash = sequence.items[index], dashes[index]
    indent = column(text, dash)
    start, end = dash - indent, line_end(text, content_end(item))
    kept = comments(text, dash, end, item)
    newline = "\r\n" if text[start:end].endswith("\r\n") else "\n"
    return Edit(start, end, "".join(f"{' ' * indent}{comment}{newline}" for comment in kept))


def edit_flow_items(
    text: str, sequence: SequenceNode, change: ListChange, style: Style
) -> list[Edit]:
    """The edits that add and remove items between brackets.

    Raises:
        RefusedEditError: a comment would be removed with the items.
    """
    items = sequence.items
    added = [flow_text(item, style) for item in change.added]
    runs = _runs(change.removed)
    edits = []
    if runs and not runs[0][0] and (added or len(change.removed) == len(items)):
        # The added items take the place of the removed ones.
        start, end = items[0].start, items[runs.pop(0)[1]].end
        _refuse_comments(text, sequence, start, end)
        edits = [Edit(start, end, separator_of(text, sequence).join(added))]
        added = []
    edits += [remove_run(text, sequence, *run) for run in runs]
    if added:
        edits.append(_add_flow_items(text, sequence, len(change.kept), added))
    return edits


def _runs(indices: tuple[int, ...]) -> list[tuple[int, int]]:
    """First and last of each run of neighbours."""
    runs: list[tuple[int, int]] = []
    for index in indices:
        if runs and runs[-1][1] == index - 1:
            runs[-1] = (runs[-1][0], index)
        else:
            runs.append((index, index))
    return runs


def _add_flow_items(text: str, sequence: SequenceNode, behind: int, added: list[str]) -> Edit:
    """Add items behind the first `behind` ones."""
    separator = separator_of(text, sequence)
    if behind:
        position = sequence.items[behind - 1].end
        return Edit(position, position, "".join(separator + item for item in added))
    position = sequence.items[0].start
    return Edit(position, position, "".join(item + separator for item in added))


def separator_of(text: str, sequence: SequenceNode) -> str:
    """A comma and the blanks that this author writes behind it."""
    first = sequence.items[0]
    lead = text[sequence.start + 1 : first.start]
    broken = "\n" in lead and not lead.strip()
    if len(sequence.items) > 1:
        between = text[first.end : sequence.items[1].start]
        if re.fullmatch(r",\s+", between):
            return between
    return "," + lead if broken else ", "


def remove_run(text: str, sequence: SequenceNode, first: int, last: int) -> Edit:
    """The edit that removes items between brackets, and one comma.

    Raises:
        RefusedEditError: a comment would be removed with the items.
    """
    start, end = sequence.items[first].start, sequence.items[last].end
    after = _COMMA_AFTER.match(text, end)
    before = _COMMA_BEFORE.search(text, sequence.start, start)
    if after and (last + 1 < len(sequence.items) or not before):
        start, end = _whole_line(text, start, after.end())
    elif before:
        start = before.start()
    elif "," in re.sub(r"#[^\r\n]*", "", text[end : sequence.end]):
        # Comments on both sides: each comma would stay, and two commas would meet.
        raise _commented(sequence)
    _refuse_comments(text, sequence, start, end)
    return Edit(start, end, "")


def _refuse_comments(text: str, sequence: SequenceNode, start: int, end: int) -> None:
    if comments(text, start, end, sequence):
        raise _commented(sequence)


def _commented(sequence: SequenceNode) -> RefusedEditError:
    return RefusedEditError(
        sequence, "has a comment among items to remove: write the list with dashes instead"
    )


def _whole_line(text: str, start: int, end: int) -> tuple[int, int]:
    """The line, when nothing else is on it."""
    begin = line_start(text, start)
    if begin and not text[begin:start].strip() and text.startswith(("\n", "\r\n"), end):
        return begin, text.index("\n", end) + 1
    return start, end
