"""The text of one file: where its YAML documents begin and end, and edits by position.

Only a line that begins with `---` or `...` ends a document, even inside of a scalar
(YAML 1.2, 9.1.2). So a document without a managed field needs no parser.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate, count
from operator import add
from typing import NamedTuple

from gitops_prefix.errors import Place

_MARKER = re.compile(r"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
_CONTENT = re.compile(r"^[ \t]*[^\s#%]", re.MULTILINE)
_BOM = "\ufeff"
_FEW = 4
"""Places that are counted out, each in less than a quarter of the time that a table takes."""


class DocumentSpan(NamedTuple):
    """One document: its number from 0, and where its text is in the file."""

    number: int
    start: int
    end: int


class Source:
    """A file's text without its byte order mark."""

    __slots__ = ("_asked", "_breaks", "bom", "path", "text")

    def __init__(self, path: str, text: str, *, bom: bool = False) -> None:
        """Keep a text.

        Args:
            path: from the repository's root, with forward slashes.
            text: of the file, without a byte order mark.
            bom: whether the file has one.
        """
        self.path = path
        self.text = text
        self.bom = bom
        self._breaks: list[int] | None = None
        self._asked = 0

    @classmethod
    def decode(cls, path: str, content: bytes, *, errors: str = "strict") -> "Source":
        """The text of a file.

        Args:
            path: of the file.
            content: its bytes.
            errors: `surrogateescape` keeps bytes that are not UTF-8 as they are.

        Raises:
            UnicodeDecodeError: the content is not UTF-8.
        """
        text = content.decode(errors=errors)
        return cls(path, text.removeprefix(_BOM), bom=text.startswith(_BOM))

    def encode(self, text: str) -> bytes:
        """The bytes of this file with another text."""
        return (_BOM + text if self.bom else text).encode(errors="surrogateescape")

    def place(self, offset: int) -> Place:
        """Line and column of an offset, as editors count."""
        self._asked += 1
        if self._asked <= _FEW:
            line = self.text.count("\n", 0, offset) + 1
            return Place(self.path, line, column(self.text, offset) + 1)
        if self._breaks is None:
            # Found once: a file of ten thousand documents needs as many places.
            lengths = accumulate(map(len, self.text.split("\n")))
            self._breaks = [*map(add, lengths, count())]
        line = bisect_left(self._breaks, offset)
        start = self._breaks[line - 1] + 1 if line else 0
        return Place(self.path, line + 1, offset - start + 1)

    def documents(self) -> Iterator[DocumentSpan]:
        """The documents in order; comments before the first `---` are no document."""
        start, explicit, number = 0, False, 0
        for marker in _MARKER.finditer(self.text):
            begins = marker.group() == "---"
            if explicit or _CONTENT.search(self.text, start, marker.start()):
                yield DocumentSpan(number, start, marker.start())
                number += 1
                start = marker.start() if begins else marker.end()
            elif not begins:
                start = marker.end()
            # Else the text before belongs to this document: its directives (%YAML 1.2).
            explicit = begins
        if explicit or _CONTENT.search(self.text, start):
            yield DocumentSpan(number, start, len(self.text))


class Edit(NamedTuple):
    """Replace `start` to `end` by `text`. Offsets count characters."""

    start: int
    end: int
    text: str

    def shifted(self, offset: int) -> "Edit":
        """The same edit in a text that this one is a part of."""
        return Edit(self.start + offset, self.end + offset, self.text)


def splice(text: str, edits: Iterable[Edit]) -> str:
    """The text with every edit made; two edits at one position keep their order.

    An edit that ends a line comes before an edit that begins one: at the end of a file
    without a line break, both are at the same position.

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


def newline_of(text: str) -> str:
    """The line break that ends the first line."""
    first_break = text.find("\n")
    return "\r\n" if first_break > 0 and text[first_break - 1] == "\r" else "\n"


def column(text: str, offset: int) -> int:
    """The column of an offset, from 0."""
    return offset - line_start(text, offset)


def line_start(text: str, offset: int) -> int:
    """Where the line of an offset begins."""
    return text.rfind("\n", 0, offset) + 1


def line_end(text: str, offset: int) -> int:
    """Where the line after `offset` begins; `offset` itself when it begins a line."""
    if offset and text[offset - 1] == "\n":
        return offset
    newline = text.find("\n", offset)
    return len(text) if newline < 0 else newline + 1
