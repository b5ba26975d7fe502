"""The commit message: what changed, for people and in trailers for machines. PURE."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gitops_prefix.decide.status import Status
from gitops_prefix.render.field_name import NamedField, field_name


class Changed(NamedField, Protocol):
    """A managed field that changed."""

    @property
    def path(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Transition:
    """One DynamicPrefix, before and after the commit."""

    name: str
    previous: Status | None
    current: Status

    @property
    def moved(self) -> bool:
        """Whether another prefix is current than before."""
        return self.previous is None or self.previous.current != self.current.current


def commit_message(transitions: Sequence[Transition], changes: Iterable[Changed]) -> str:
    """Subject, body and trailers of one commit.

    Args:
        transitions: every DynamicPrefix whose status changed.
        changes: every managed field that changed.
    """
    transitions = sorted(
        (replace(one, name=_one_line(one.name)) for one in transitions), key=lambda one: one.name
    )
    lines = [_subject(transitions), ""]
    if len(transitions) > 1:
        lines += [*(f"{one.name}: {_what(one)}" for one in transitions), ""]
    lines += [_line(change) for change in changes]
    if transitions:
        lines.append("")
    for one in transitions:
        lines += _trailers(one)
    return "\n".join(lines).rstrip("\n") + "\n"


def _subject(transitions: Sequence[Transition]) -> str:
    if not transitions:
        return "prefix: render anew"
    names = ", ".join(one.name for one in transitions)
    moved = sum(one.moved for one in transitions)
    if len(transitions) == 1:
        return f"prefix({names}): {_what(transitions[0])}"
    return f"prefix({names}): {moved} prefixes change" if moved else f"prefix({names}): expire"


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


def _line(change: Changed) -> str:
    return _one_line(f"{change.path}: {field_name(change)}")


def _one_line(text: str) -> str:
    # Names and paths are the repository's: a line break in one must not make a trailer.
    return "".join(c if c.isprintable() else "?" for c in text)


def _trailers(one: Transition) -> list[str]:
    lines = [f"Dynamic-Prefix: {one.name}"]
    if one.previous is not None:
        lines.append(f"Previous-Prefix: {one.previous.current}")
    lines.append(f"Current-Prefix: {one.current.current}")
    lines.append(f"Prefix-Source: {one.current.source}")
    return lines
