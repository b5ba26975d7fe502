"""The commit message: what changed, for people and in trailers for machines. PURE."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.status import Status
from gitops_prefix.publish.trailers import Trailer, one_line
from gitops_prefix.render.field_name import NamedField, field_name

_MOST_LINES = 1000
"""Fields that a message lists; beyond them it says how many there are."""


class Changed(NamedField, Protocol):
    """A managed field that changed."""

    @property
    def path(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Transition:
    """One DynamicPrefix, before and after the commit.

    Attributes:
        router: whose advertisement decided, when one is known.
    """

    name: str
    previous: Status | None
    current: Status
    router: Router | None = None

    @property
    def moved(self) -> bool:
        """Whether another prefix is current than before."""
        return self.previous is None or self.previous.current != self.current.current


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a commit is about.

    Attributes:
        transitions: every DynamicPrefix whose status changed.
        changes: every managed field that changed.
        standing: the DynamicPrefixes, when the status of none changed.
        by_hand: those of the changes that undo somebody's edit of a managed field.
        first: those of the changes that were never rendered before.
    """

    transitions: Sequence[Transition]
    changes: Sequence[Changed]
    standing: Sequence[Transition] = ()
    by_hand: Sequence[Changed] = ()
    first: Sequence[Changed] = ()

    @property
    def named(self) -> tuple[Transition, ...]:
        """The DynamicPrefixes that it is about, by their names in one line each."""
        named = (replace(one, name=one_line(one.name)) for one in self.transitions or self.standing)
        return tuple(sorted(named, key=lambda one: one.name))


def subject(occasion: Occasion) -> str:
    """The first line."""
    transitions = occasion.named if occasion.transitions else ()
    if not transitions:
        return "prefix: render anew"
    names = ", ".join(one.name for one in transitions)
    moved = sum(one.moved for one in transitions)
    if len(transitions) == 1:
        return f"prefix({names}): {_what(transitions[0])}"
    return f"prefix({names}): {moved} prefixes change" if moved else f"prefix({names}): expire"


def body(occasion: Occasion) -> str:
    """Each DynamicPrefix, when there are several, and each field; what was edited by hand apart."""
    transitions = occasion.named if len(occasion.transitions) > 1 else ()
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
    return tuple(trailer for one in occasion.named for trailer in _trailers(one))


def change_line(change: Changed) -> str:
    """A field in one line."""
    return one_line(f"{change.path}: {field_name(change)}")


def _listed(changes: Sequence[Changed], title: str = "") -> list[str]:
    lines = [change_line(change) for change in changes[:_MOST_LINES]]
    if len(changes) > len(lines):
        lines.append(f"and {len(changes) - len(lines)} more")
    return [title, *lines] if title and lines else lines


def _what(one: Transition) -> str:
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


def _trailers(one: Transition) -> Iterator[Trailer]:
    yield Trailer("Dynamic-Prefix", one.name)
    if one.previous is not None:
        yield Trailer("Previous-Prefix", str(one.previous.current))
    yield Trailer("Current-Prefix", str(one.current.current))
    yield Trailer("Prefix-Source", str(one.current.source))
