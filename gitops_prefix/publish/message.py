"""The commit message: what changed, for people and in trailers for machines. PURE.

Git reads trailers from the last paragraph (git-interpret-trailers(1)). That paragraph is
ours alone: no name in the repository, and no template, can write a trailer.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from gitops_prefix.plan.occasion import Changed, Occasion, StatusChange
from gitops_prefix.render.field_name import field_name

PROPOSED_TO = "Proposed-To"
"""In every commit of ours that waits to be merged: the branch that it is for."""
OURS = ("Dynamic-Prefix", "Previous-Prefix", "Current-Prefix", "Prefix-Source", PROPOSED_TO)
_TRAILER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*): (\S.*)")
_LONGEST = 200
# Where git and git-am(1) take the message for over, and the patch for begun.
_END_OF_MESSAGE = re.compile(r"---(?!\S)|diff -|Index: ")
_MOST_LINES = 1000
"""Fields that a message lists; beyond them it says how many there are."""


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


def named(occasion: Occasion) -> tuple[StatusChange, ...]:
    """The DynamicPrefixes that an occasion is about, sorted, each name in one line."""
    found = occasion.transitions or occasion.standing
    renamed = (replace(change, name=one_line(change.name)) for change in found)
    return tuple(sorted(renamed, key=lambda change: change.name))


def subject(occasion: Occasion) -> str:
    """The first line."""
    transitions = named(occasion) if occasion.transitions else ()
    if not transitions:
        return "prefix: render anew"
    names = ", ".join(one.name for one in transitions)
    moved = sum(one.moved for one in transitions)
    if len(transitions) == 1:
        return f"prefix({names}): {_what(transitions[0])}"
    return f"prefix({names}): {moved} prefixes change" if moved else f"prefix({names}): expire"


def body(occasion: Occasion) -> str:
    """Each DynamicPrefix, when there are several, and each field; what was edited by hand apart."""
    transitions = named(occasion) if len(occasion.transitions) > 1 else ()
    apart = {*map(change_line, occasion.by_hand), *map(change_line, occasion.first)}
    plain = [change for change in occasion.changes if change_line(change) not in apart]
    paragraphs = (
        [f"{one.name}: {_what(one)}" for one in transitions],
        _listed(plain),
        _listed(occasion.first, "Rendered for the first time:"),
        _listed(occasion.by_hand, "Edited by hand, and rendered again:"),
    )
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)


def own_trailers(occasion: Occasion) -> tuple[Trailer, ...]:
    """Those of every message, a group for each DynamicPrefix."""
    return tuple(trailer for one in named(occasion) for trailer in _trailers(one))


def change_line(change: Changed) -> str:
    """A field in one line."""
    return one_line(f"{change.path}: {field_name(change)}")


def _listed(changes: Sequence[Changed], title: str = "") -> list[str]:
    lines = [change_line(change) for change in changes[:_MOST_LINES]]
    if len(changes) > len(lines):
        lines.append(f"and {len(changes) - len(lines)} more")
    return [title, *lines] if title and lines else lines


def _what(one: StatusChange) -> str:
    if one.previous is None:
        return str(one.current.current)
    if one.moved:
        return f"{one.previous.current} -> {one.current.current}"
    gone = [str(p) for p in one.previous.prefixes if p not in one.current.prefixes]
    if gone:
        return f"{', '.join(gone)} leaves the history"
    if one.previous.dns_target != one.current.dns_target:
        return f"DNS moves to {one.current.dns_target}"
    return "render anew"


def _trailers(one: StatusChange) -> Iterator[Trailer]:
    yield Trailer("Dynamic-Prefix", one.name)
    if one.previous is not None:
        yield Trailer("Previous-Prefix", str(one.previous.current))
    yield Trailer("Current-Prefix", str(one.current.current))
    yield Trailer("Prefix-Source", str(one.current.source))
