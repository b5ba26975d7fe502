"""Trailers of a commit message, as git reads them (git-interpret-trailers(1)). PURE.

Git reads the last paragraph. It is ours alone, so that no name of the repository, and
no template, can write a trailer there.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

PROPOSED_TO = "Proposed-To"
"""In every commit of ours that waits to be merged: the branch that it is for."""
OURS = ("Dynamic-Prefix", "Previous-Prefix", "Current-Prefix", "Prefix-Source", PROPOSED_TO)
_TRAILER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*): (\S.*)")
_LONGEST = 200
# Where git and git-am(1) take the message for over, and the patch for begun.
_END_OF_MESSAGE = re.compile(r"---(?!\S)|diff -|Index: ")


class Trailer(NamedTuple):
    """One line `key: text`."""

    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"


def parse_trailer(line: str) -> Trailer:
    """Read `Key: value`.

    Raises:
        ValueError: it is none, or it would be taken for one of ours.
    """
    found = _TRAILER.fullmatch(line)
    if found is None or not line.isprintable() or len(line) > _LONGEST:
        raise ValueError(
            f'"{one_line(line)}" is no trailer: write "Key: value" in one line, with a key of '
            'letters, digits and "-"'
        )
    if found[1].casefold() in {key.casefold() for key in OURS}:
        raise ValueError(f'"{found[1]}" is a trailer that gitops-prefix writes: choose another key')
    return Trailer(found[1], found[2].rstrip())


def with_trailers(text: str, trailers: Iterable[Trailer]) -> str:
    """A whole message: the text as git keeps it, and the trailers as its last paragraph.

    Args:
        text: subject and body. What of the trailers stands in its last paragraph
            already is not written twice.
        trailers: every one, in order.
    """
    block = [str(trailer) for trailer in trailers]
    paragraphs = _paragraphs(text)
    if len(paragraphs) > 1 and block:
        paragraphs[-1] = [line for line in paragraphs[-1] if line not in block]
    if block:
        paragraphs.append(block)
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines) + "\n"


def one_line(text: str) -> str:
    """Names and paths are the repository's: a line break in one must not begin a line."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _paragraphs(text: str) -> list[list[str]]:
    paragraphs: list[list[str]] = [[]]
    for line in text.replace("\r\n", "\n").split("\n"):
        clean = one_line(line.replace("\t", "    ")).rstrip()
        if clean:
            paragraphs[-1].append(f" {clean}" if _END_OF_MESSAGE.match(clean) else clean)
        elif paragraphs[-1]:
            paragraphs.append([])
    return [lines for lines in paragraphs if lines]
