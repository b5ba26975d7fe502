"""Adding and removing items between brackets."""

import re

from gitops_prefix.render.comments import comments
from gitops_prefix.render.dump import flow_text
from gitops_prefix.render.edit_scalar import RefusedEditError
from gitops_prefix.render.list_change import ListChange
from gitops_prefix.render.node import SequenceNode
from gitops_prefix.render.splice import Edit
from gitops_prefix.render.style import Style

_COMMA_BEHIND = re.compile(r"\s*,[ \t]*")
_COMMENT = re.compile(r"#[^\r\n]*")
_COMMA_BEFORE = re.compile(r",[ \t]*(?:\r?\n[ \t]*)?\Z")


def edit_flow_items(
    text: str, sequence: SequenceNode, change: ListChange, style: Style
) -> list[Edit]:
    """The edits that add and remove items of a flow list.

    Raises:
        RefusedEditError: a comment would go with the items.
    """
    items = sequence.items
    added = [flow_text(item, style) for item in change.added]
    runs = _runs(change.removed)
    edits = []
    if runs and not runs[0][0] and (added or len(change.removed) == len(items)):
        # What comes takes the very place of what goes.
        start, end = items[0].start, items[runs.pop(0)[1]].end
        _refuse_comments(text, sequence, start, end)
        edits = [Edit(start, end, _separator(text, sequence).join(added))]
        added = []
    edits += [_remove(text, sequence, *run) for run in runs]
    if added:
        edits.append(_add(text, sequence, len(change.kept), added))
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


def _add(text: str, sequence: SequenceNode, behind: int, added: list[str]) -> Edit:
    """Add items behind the first `behind` ones."""
    separator = _separator(text, sequence)
    if behind:
        position = sequence.items[behind - 1].end
        return Edit(position, position, "".join(separator + item for item in added))
    position = sequence.items[0].start
    return Edit(position, position, "".join(item + separator for item in added))


def _separator(text: str, sequence: SequenceNode) -> str:
    """A comma and the blanks that this author writes behind it."""
    first = sequence.items[0]
    lead = text[sequence.start + 1 : first.start]
    broken = "\n" in lead and not lead.strip()
    if len(sequence.items) > 1:
        between = text[first.end : sequence.items[1].start]
        if re.fullmatch(r",\s+", between):
            return between
    return "," + lead if broken else ", "


def _remove(text: str, sequence: SequenceNode, first: int, last: int) -> Edit:
    start, end = sequence.items[first].start, sequence.items[last].end
    behind = _COMMA_BEHIND.match(text, end)
    before = _COMMA_BEFORE.search(text, sequence.start, start)
    if behind and (last + 1 < len(sequence.items) or not before):
        start, end = _whole_line(text, start, behind.end())
    elif before:
        start = before.start()
    elif "," in _COMMENT.sub("", text[end : sequence.end]):
        # Comments on both sides: each comma would stay, and two would meet.
        raise _commented(sequence)
    _refuse_comments(text, sequence, start, end)
    return Edit(start, end, "")


def _refuse_comments(text: str, sequence: SequenceNode, start: int, end: int) -> None:
    if comments(text, start, end, sequence):
        raise _commented(sequence)


def _commented(sequence: SequenceNode) -> RefusedEditError:
    return RefusedEditError(
        sequence, "has a comment among items that go: write the list with dashes instead"
    )


def _whole_line(text: str, start: int, end: int) -> tuple[int, int]:
    """The line, when nothing else is on it."""
    line_start = text.rfind("\n", 0, start) + 1
    if line_start and not text[line_start:start].strip() and text.startswith(("\n", "\r\n"), end):
        return line_start, text.index("\n", end) + 1
    return start, end
