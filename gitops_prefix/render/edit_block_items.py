"""Adding and removing lines of a block list."""

import re

from gitops_prefix.render.comments import comments
from gitops_prefix.render.dump import block_lines, flow_text
from gitops_prefix.render.edit_scalar import RefusedEditError
from gitops_prefix.render.list_change import Item, ListChange
from gitops_prefix.render.node import MappingNode, Node, SequenceNode, content_end
from gitops_prefix.render.splice import Edit
from gitops_prefix.render.style import Style, column, line_end


def edit_block_items(
    text: str, key: Node, sequence: SequenceNode, change: ListChange, style: Style
) -> list[Edit]:
    """The edits that add and remove items of a block list.

    Raises:
        RefusedEditError: the list does not begin on a line of its own.
    """
    dashes = _dashes(text, sequence)
    line_start = dashes[0] - column(text, dashes[0])
    if line_start <= key.end or text[line_start : dashes[0]].strip():
        raise RefusedEditError(sequence, "does not begin on a line of its own: let it")
    edits = []
    if change.added:
        # In front of everything means behind the key: a comment there is the next item's.
        last = content_end(sequence.items[len(change.kept) - 1]) if change.kept else key.end
        lines = _item_lines(text, dashes, sequence, change.added, style)
        edits.append(insert_lines(text, line_end(text, last), lines, style))
    edits += [_remove(text, sequence, dashes, index) for index in change.removed]
    return edits


def insert_lines(text: str, position: int, lines: list[str], style: Style) -> Edit:
    """Insert whole lines where a line begins, or at an end without a line break."""
    if position and text[position - 1] != "\n":
        return Edit(position, position, "".join(style.newline + line for line in lines))
    return Edit(position, position, "".join(line + style.newline for line in lines))


def _dashes(text: str, sequence: SequenceNode) -> list[int]:
    """Where the dash of each item stands."""
    indent = column(text, sequence.start)
    dash = re.compile(rf"^ {{{indent}}}-(?=\s|\Z)", re.MULTILINE)
    found = [sequence.start]
    for before, item in zip(sequence.items, sequence.items[1:], strict=False):
        # The last match: a line of a comment between the two may look like one.
        *_, match = (None, *dash.finditer(text, content_end(before), item.start + 1))
        if match is None:
            raise RefusedEditError(item, "does not begin on a line of its own: let it")
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
            # A new item's dash is one blank wide; its author's may be wider.
            body = line[indent + 2 :]
            lines.append(f"{' ' * indent}{' ' if number else '-'}{gap}{body}")
    return lines


def _remove(text: str, sequence: SequenceNode, dashes: list[int], index: int) -> Edit:
    """Remove an item's lines; its comments stay as lines of their own."""
    item, dash = sequence.items[index], dashes[index]
    indent = column(text, dash)
    start, end = dash - indent, line_end(text, content_end(item))
    kept = comments(text, dash + 1, end, item)
    broken = "\r\n" if text[start:end].endswith("\r\n") else "\n"
    return Edit(start, end, "".join(f"{' ' * indent}{comment}{broken}" for comment in kept))
