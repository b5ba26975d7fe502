"""What waits on a branch of ours to be merged, as a forge's request shows it. PURE."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gitops_prefix.plan.occasion import Changed, StatusChange


@dataclass(frozen=True, slots=True)
class Proposal:
    """A branch of ours, and what is on it.

    Attributes:
        commit: ours; empty when nothing is left to propose.
        title: the commit's subject.
        body: the rest of its message.
        decision: stands for what is decided: who said no to it need not be asked again.
    """

    branch: str
    commit: str = ""
    title: str = ""
    body: str = ""
    decision: str = ""


def proposal(branch: str, commit: str, message: str, decision: str) -> Proposal:
    """The proposal that a commit is."""
    title, _, body = message.strip("\n").partition("\n")
    return Proposal(branch, commit, title, body.strip("\n"), decision)


def decision_of(transitions: Sequence[StatusChange], changes: Iterable[Changed]) -> str:
    """A word that is the same while the same is decided, whatever the files look like."""
    lines = [_line(one) for one in sorted(transitions, key=lambda one: one.name)]
    if not lines:
        lines = [f"{one.path} {one.kind} {one.namespace} {one.name} {one.field}" for one in changes]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _line(one: StatusChange) -> str:
    before = "" if one.previous is None else str(one.previous.current)
    if one.moved:
        return f"{one.name} {before} {one.current.current}"
    held = " ".join(map(str, one.current.prefixes))
    return f"{one.name} {held} {one.current.dns_target}"
