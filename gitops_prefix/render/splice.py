"""Edits of a text by position, applied from the end backwards."""

from collections.abc import Iterable
from typing import NamedTuple


class Edit(NamedTuple):
    """Replace `start` to `end` by `text`. Offsets in characters."""

    start: int
    end: int
    text: str

    def shifted(self, offset: int) -> "Edit":
        """The same edit in a text that this one is a part of."""
        return Edit(self.start + offset, self.end + offset, self.text)


def splice(text: str, edits: Iterable[Edit]) -> str:
    """The text with every edit made; two at one position keep their order.

    But what ends a line comes before what begins one: at the end of a file without a
    line break, both stand at one position.

    Raises:
        ValueError: two edits overlap, which is a mistake of their author.
    """
    parts: list[str] = []
    done = 0
    for edit in sorted(edits, key=_position):
        if edit.start < done:
            raise ValueError(f"overlapping edits at {edit.start}")
        parts += (text[done : edit.start], edit.text)
        done = edit.end
    return "".join((*parts, text[done:]))


def _position(edit: Edit) -> tuple[int, int, bool]:
    return edit.start, edit.end, edit.text.startswith(("\n", "\r\n"))
