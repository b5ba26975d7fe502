"""The commit message: what changed, for people and in trailers for machines. PURE."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gitops_prefix.plan.occasion import Changed, Occasion, StatusChange
from gitops_prefix.publish.trailers import Trailer, one_line
from gitops_prefix.render.field_name import field_name

_MOST_LINES = 1000
"""Fields that a message lists; beyond them it says how many there are."""


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
