"""What a pass reads, prepares and ends with; and the protocol of those who publish.

An outcome is one of a few frozen types, and none has two meanings. Every outcome has a
`result` (the label of the metric), what was `decided`, what `failed`, and the `problems`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol, TypeAlias

from gitops_prefix.decide.status import Status
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.plan.occasion import Occasion
from gitops_prefix.plan.plan import NOTHING_LEFT, Left, Plan
from gitops_prefix.publish.failure import Failed, Kind, Reason, failed_by
from gitops_prefix.publish.forge.sync import BranchProposal
from gitops_prefix.publish.refs import Refs
from gitops_prefix.publish.repository import Repository
from gitops_prefix.publish.stages import Stage
from gitops_prefix.render.binding import Change, FieldIdentity
from gitops_prefix.render.inventory import Described


class Result(StrEnum):
    """How a pass ended. The values are labels of metrics, and a promise."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    UNREACHABLE = "unreachable"
    CONTESTED = "contested"
    REFUSED = "refused"
    HELD = "held"
    REHEARSED = "rehearsed"
    INVALID = "invalid"
    FOLLOWING = "following"


_BY_REASON = {Reason.HELD: Result.HELD, Reason.INVALID: Result.INVALID}
_BY_KIND = {
    Kind.MOVED: Result.CONTESTED,
    Kind.REFUSED: Result.REFUSED,
    Kind.AWAY: Result.UNREACHABLE,
}


def result_of(failed: Failed) -> Result:
    """How a pass with this failure ended."""
    return _BY_REASON.get(failed.reason, _BY_KIND[failed.kind])


@dataclass(frozen=True, slots=True)
class Decided:
    """What a pass read and decided.

    Attributes:
        base: the commit that was read: what our commit stands on, or would.
        statuses: by DynamicPrefix, as they are written.
        described: each DynamicPrefix with its status and what is bound to it.
        problems: notes, warnings, and errors, each of which holds back a part.
        occasion: what the commit of this pass is about; empty when it made none.
        changes: the fields that this commit changes.
        proposals: what branches of ours hold at the remote, where others merge the changes.
        held: the DynamicPrefixes that an error holds back.
    """

    base: str
    statuses: Mapping[str, Status]
    described: tuple[Described, ...] = ()
    problems: tuple[Problem, ...] = ()
    occasion: Occasion = field(default_factory=Occasion)
    changes: tuple[Change, ...] = ()
    proposals: tuple[BranchProposal, ...] = ()
    held: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class UpToDate:
    """The branch holds what was decided, and nothing waits."""

    decided: Decided
    result: ClassVar[Result] = Result.UNCHANGED
    failed: ClassVar[None] = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Notes and warnings about the repository."""
        return self.decided.problems


@dataclass(frozen=True, slots=True)
class Pushed:
    """The branch holds our commit since this pass.

    Attributes:
        before: the branch's commit before ours.
    """

    decided: Decided
    commit: str
    before: str
    result: ClassVar[Result] = Result.PUBLISHED
    failed: ClassVar[None] = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Notes and warnings about the repository."""
        return self.decided.problems


@dataclass(frozen=True, slots=True)
class Proposed:
    """A branch of ours holds our commit since this pass, for others to merge."""

    decided: Decided
    commit: str
    result: ClassVar[Result] = Result.PUBLISHED
    failed: ClassVar[None] = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Notes and warnings about the repository."""
        return self.decided.problems


@dataclass(frozen=True, slots=True)
class Committed:
    """Our commit waits: it could not be pushed."""

    decided: Decided
    commit: str
    failed: Failed
    problems: tuple[Problem, ...] = ()

    @property
    def result(self) -> Result:
        """How the pass ended."""
        return result_of(self.failed)


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """Nothing waits, by the last known state of a branch that could not be looked at."""

    decided: Decided
    failed: Failed
    problems: tuple[Problem, ...] = ()

    @property
    def result(self) -> Result:
        """How the pass ended."""
        return result_of(self.failed)


@dataclass(frozen=True, slots=True)
class Stopped:
    """The pass failed before anything was decided."""

    failed: Failed
    problems: tuple[Problem, ...] = ()
    decided: ClassVar[None] = None

    @property
    def result(self) -> Result:
        """How the pass ended."""
        return result_of(self.failed)


@dataclass(frozen=True, slots=True)
class Invalid:
    """The repository has errors, and nothing else is left to write.

    Attributes:
        decided: what the branch holds of the rest; None when the errors stop everything.
    """

    failed: Failed
    problems: tuple[Problem, ...]
    decided: Decided | None = None
    result: ClassVar[Result] = Result.INVALID


@dataclass(frozen=True, slots=True)
class NotLeading:
    """There is something to publish, and we do not lead: that is left to the one that does."""

    problems: tuple[Problem, ...] = ()
    decided: ClassVar[None] = None
    failed: ClassVar[None] = None
    result: ClassVar[Result] = Result.FOLLOWING


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A dry run: there is something to publish, and nothing was committed or pushed.

    Attributes:
        failed: what would be published, as the reason why it was not.
    """

    decided: Decided
    failed: Failed
    result: ClassVar[Result] = Result.REHEARSED

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Notes and warnings about the repository."""
        return self.decided.problems


Outcome: TypeAlias = (
    UpToDate
    | Pushed
    | Proposed
    | Committed
    | Unconfirmed
    | Stopped
    | Invalid
    | NotLeading
    | Rehearsed
)

RIGHT = frozenset({Result.PUBLISHED, Result.UNCHANGED, Result.FOLLOWING})
"""Results after which nothing is left to do for this daemon."""


def waiting_commit(outcome: Outcome) -> str:
    """Our commit that waits for the remote; empty if none does."""
    return outcome.commit if isinstance(outcome, Committed) else ""


def shown_commit(outcome: Outcome) -> str:
    """Our commit of this pass, or the commit that was read; empty when nothing was read."""
    match outcome:
        case Pushed() | Proposed() | Committed():
            return outcome.commit
        case UpToDate() | Unconfirmed() | Rehearsed() | Invalid(decided=Decided()):
            return outcome.decided.base if outcome.decided else ""
        case _:
            return ""


@dataclass(frozen=True, slots=True)
class Seen:
    """The branch as it was last seen, and what our own commits hold beyond it.

    Attributes:
        refs: the references of the clone.
        base: the commit that was read.
        files: the managed files of `base`.
        left: what commits of ours decided that is not in `files`.
    """

    refs: Refs
    base: str
    files: Mapping[str, bytes]
    left: Left = NOTHING_LEFT


@dataclass(frozen=True, slots=True)
class Ready:
    """What is ready to be pushed.

    Attributes:
        commit: ours that waits, from this pass or an earlier one; empty if none does.
        made: whether this pass made it; in a dry run, whether it would make a commit.
        managed: every field that follows a DynamicPrefix.
    """

    decided: Decided
    commit: str = ""
    made: bool = False
    managed: frozenset[FieldIdentity] = frozenset()


class Publisher(Protocol):
    """Where commits go: the branch itself, or branches of ours that others merge.

    In a dry run they go nowhere.
    """

    @property
    def repository(self) -> Repository:
        """The repository whose branch is kept true."""
        ...

    def look(self) -> Stopped | None:
        """Ask the remote what is new, and fetch it; return why that failed, if it did."""
        ...

    def read(self) -> Seen | Stopped | Invalid:
        """Read the branch as it was last seen."""
        ...

    def commit(
        self, seen: Seen, planned: Plan, now: datetime
    ) -> Ready | Stopped | Invalid | NotLeading:
        """Commit a plan in the clone, if it changes anything; the remote is not asked."""
        ...

    def push(self, ready: Ready, away: Stopped | None) -> Outcome:
        """Push what waits, unless the remote was away already when the pass began."""
        ...


def stopped_by(error: Exception, stage: Stage) -> Stopped:
    """The outcome of a pass that an exception ended early."""
    return Stopped(failed_by(error, stage), getattr(error, "problems", ()))


def invalid(problems: tuple[Problem, ...], stage: Stage) -> Invalid:
    """The outcome of a pass over a repository with errors."""
    return Invalid(Failed(Reason.INVALID, "the repository has errors", stage), problems)


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether a part of the repository is held back by an error."""
    return any(problem.severity is Severity.ERROR for problem in problems)


def or_invalid(outcome: Outcome) -> Outcome:
    """A branch is not right while an error holds back a part of it."""
    if isinstance(outcome, UpToDate) and has_errors(outcome.problems):
        failed = Failed(Reason.INVALID, "the repository has errors", Stage.RENDER)
        return Invalid(failed, outcome.problems, outcome.decided)
    return outcome


def same_occasion(outcome: Outcome, before: Outcome) -> Outcome:
    """Return the outcome of another try in the same pass, with what the commit is about.

    A commit that was not made anew changes what it changed at the try before.
    """
    if not isinstance(outcome, Committed | Pushed) or not isinstance(before, Committed):
        return outcome
    if outcome.commit != before.commit:
        return outcome
    made = before.decided
    decided = replace(outcome.decided, occasion=made.occasion, changes=made.changes)
    return replace(outcome, decided=decided)


def never_seen(stage: Stage) -> Stopped:
    """The outcome of a pass before the branch was ever fetched."""
    return Stopped(Failed(Reason.UNREACHABLE, "the branch was never seen", stage))
