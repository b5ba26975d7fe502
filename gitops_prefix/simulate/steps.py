"""What a walk comes to: steps, each with all that is to be told of it. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.candidate import Verdict
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import Standing
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import Problem
from gitops_prefix.render.node import Value
from gitops_prefix.render.rendering import Change
from gitops_prefix.simulate.scenario import Event, Scenario

Announced = Mapping[tuple[Prefix, Router], Verdict]
"""Every announced prefix of every router, with its verdict."""


@dataclass(frozen=True, slots=True)
class Look:
    """One DynamicPrefix at one step.

    Attributes:
        standing: how firm its prefix is; None where prefixes are given, not watched.
        verdicts: of what is announced.
    """

    before: Status | None
    after: Status | None
    standing: Standing | None
    verdicts: Announced


@dataclass(frozen=True, slots=True)
class Step:
    """A moment at which something happened or changed.

    Attributes:
        at: seconds from the start.
        events: what came from outside; empty when time alone changed something.
        looks: by name of the DynamicPrefix.
        changes: what a commit would change; empty is no commit.
        commit: number of the commit from 1, or 0.
        waiting: commits that are not pushed yet.
        pushed: commits that this step pushes.
        problems: found newly at this step; an error keeps everything as it was.
        repeated: advertisements since the step before that changed nothing.
        again: whether a router repeated itself at this very moment.
    """

    at: float
    when: datetime
    events: tuple[Event, ...]
    looks: Mapping[str, Look]
    changes: tuple[Change, ...] = ()
    commit: int = 0
    waiting: int = 0
    pushed: int = 0
    problems: tuple[Problem, ...] = ()
    repeated: int = 0
    again: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """A managed field, and what it holds."""

    path: str
    document: int
    kind: str
    namespace: str
    name: str
    field: str
    value: Value


@dataclass(frozen=True, slots=True)
class Walk:
    """A whole simulation.

    Attributes:
        specifications: by name.
        files: every managed file as it would be at the end.
        held: what each managed field then holds.
        end: seconds from the start.
        repeated: advertisements behind the last step that changed nothing.
    """

    scenario: Scenario
    specifications: Mapping[str, Specification]
    steps: tuple[Step, ...]
    files: Mapping[str, bytes]
    held: tuple[Held, ...]
    end: float
    repeated: int = 0

    @property
    def commits(self) -> int:
        """How many commits it took."""
        return sum(1 for step in self.steps if step.commit)

    @property
    def refused(self) -> bool:
        """Whether an error kept a step from being published."""
        return any(
            problem.severity is problem.severity.ERROR
            for step in self.steps
            for problem in step.problems
        )
