"""The text of one file, and where its YAML documents begin and end.

Only a line that begins with `---` or `...` ends a document, whatever it is inside
of (YAML 1.2, 9.1.2), so the documents that hold nothing managed need no parser.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from gitops_prefix.errors import Place

_MARKER = re.compile(r"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
_CONTENT = re.compile(r"^[ \t]*[^\s#%]", re.MULTILINE)
_BOM = "\ufeff"


class DocumentSpan(NamedTuple):
    """One document: its number from 0, and where its text stands in the file."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text without its byte order mark.

    Attributes:
        path: from the repository's root, with forward slashes.
    """

    path: str
    text: str
    bom: bool = False
    _breaks: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def decode(cls, path: str, content: bytes) -> "Source":
        """The text of a file.

        Raises:
            UnicodeDecodeError: it is not UTF-8.
        """
        text = content.decode()
        return cls(path, text.removeprefix(_BOM), text.startswith(_BOM))

    def encode(self, text: str) -> bytes:
        """The bytes of this file with another text."""
        return (_BOM + text if self.bom else text).encode()

    def place(self, offset: int) -> Place:
        """Line and column of an offset, as editors count."""
        if not self._breaks:
            # Found once: a file of ten thousand documents is asked for as many places.
            self._breaks.extend(one.start() for one in re.finditer("\n", self.text))
        line = bisect_left(self._breaks, offset)
        line_start = self._breaks[line - 1] + 1 if line else 0
        return Place(self.path, line + 1, offset - line_start + 1)

    def documents(self) -> Iterator[DocumentSpan]:
        """The documents in order; comments alone before the first `---` are none."""
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
