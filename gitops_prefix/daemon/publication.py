"""A pass against the branch: look, plan, commit, push; and again when it moved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from gitops_prefix.daemon.listening import CannotListenError
from gitops_prefix.decide.choice import Choice
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.plan.ears import Watched
from gitops_prefix.plan.occasion import Changed, Occasion, StatusChange, occasion, transitions
from gitops_prefix.plan.plan import Left, plan, read_repository, watch
from gitops_prefix.publish.failure import Failed, Kind, Published, Reason, failed_by
from gitops_prefix.publish.forge.sync import Proposal
from gitops_prefix.publish.message import Wording
from gitops_prefix.publish.repository import Repository
from gitops_prefix.publish.stages import Stage
from gitops_prefix.render.binding import Change, FieldIdentity
from gitops_prefix.render.drift import Drift, find_drift, managed_fields
from gitops_prefix.render.inventory import Described
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings

Observe = Callable[[Mapping[str, Watched]], Mapping[str, Choice]]
"""Takes what the repository says, and returns what was decided."""

_AT_ONCE = 2
"""Tries within one pass; a branch that moves faster is met again after a wait."""


class Result(StrEnum):
    """What a pass came to."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    UNREACHABLE = "unreachable"
    CONTESTED = "contested"
    REFUSED = "refused"
    HELD = "held"
    INVALID = "invalid"
    FOLLOWING = "following"
    """There is something to publish, and another daemon leads."""


_BY_REASON = {Reason.HELD: Result.HELD, Reason.INVALID: Result.INVALID}
_BY_KIND = {
    Kind.MOVED: Result.CONTESTED,
    Kind.REFUSED: Result.REFUSED,
    Kind.AWAY: Result.UNREACHABLE,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass came to, and what the repository says now.

    Attributes:
        words: for people: what failed, or nothing.
        failure: what failed, where and why.
        commit: ours, when there is one.
        base: what it stands on, or would.
        statuses: by name, as our last commit has them; None when nothing was read.
        problems: errors first; any of them stops a rendering.
        described: as `statuses`, with what is bound to each; empty when nothing was read.
        by_hand: of the changes those that undo somebody's edit of a managed field.
        before: the branch's commit before ours, when it was published.
        proposals: what branches of ours hold at the remote, where changes are merged by others.
    """

    result: Result
    words: str = ""
    failure: Failed | None = None
    commit: str = ""
    base: str = ""
    statuses: Mapping[str, Status] | None = None
    transitions: tuple[StatusChange, ...] = ()
    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    described: tuple[Described, ...] = ()
    by_hand: tuple[Changed, ...] = ()
    before: str = ""
    proposals: tuple[Proposal, ...] = ()


def outcome_of(failed: Failed, problems: tuple[Problem, ...] = ()) -> Outcome:
    """A pass that failed."""
    result = _BY_REASON.get(failed.reason, _BY_KIND[failed.kind])
    return Outcome(result, failed.words, failed, problems=problems)


class Publication:
    """Makes the branch hold what was decided."""

    def __init__(
        self,
        repository: Repository,
        may_publish: Callable[[], bool] = lambda: True,
        *,
        wording: Wording = Wording(),  # noqa: B008  frozen
    ) -> None:
        """Make none yet.

        Args:
            repository: whose branch it is.
            may_publish: asked before each commit, and again before each push.
            wording: of the commits' messages.
        """
        self.repository = repository
        self._may_publish = may_publish
        self._wording = wording
        # What followed a prefix when the files were last right.
        self._known: frozenset[FieldIdentity] | None = None
        self._left = ""
        self._right: Outcome | None = None
        # What our commit decided that is not on the branch yet: a clone may be lost.
        self._waiting: Mapping[str, Status] = {}

    def run(self, observe: Observe, now: datetime, *, look: bool, news: bool = True) -> Outcome:
        """One pass.

        * Look at the branch, when asked to; while it is away, its last state counts.
        * Found right before, and neither the tip nor a decision is new: no YAML is read.
        * Plan on our own unpublished commit, or on the tip with what that commit knew.
        * Commit when something changes; push what is not on the branch.
        * If the branch moved meanwhile, do it again on the new tip.

        Args:
            observe: what the link says.
            now: by the calendar.
            look: whether to ask the remote first.
            news: whether the link, or time, may have decided something new.
        """
        right, self._right = self._right, None
        here = self._here()
        away: Outcome | None = None
        for _ in range(_AT_ONCE):
            if look or self.repository.tip is None:
                away = self._look()
            if away is not None and self.repository.tip is None:
                return away
            if right is not None and not news and away is None and self._here() == here:
                self._right = right
                return right
            outcome = self._publish(observe, now, away)
            if outcome.result in {Result.PUBLISHED, Result.UNCHANGED}:
                right_now = replace(outcome, result=Result.UNCHANGED, transitions=())
                self._right = replace(right_now, changes=(), by_hand=())
            if outcome.result is not Result.CONTESTED:
                return outcome
            look = True
        return outcome

    def _here(self) -> object:
        """What was last seen of the remote: while it is the same, so is what we read."""
        return self.repository.tip

    def _ask(self) -> None:
        self.repository.fetch()

    def _look(self) -> Outcome | None:
        """Ask the remote where the branch is; what went wrong, if it did."""
        try:
            self._ask()
        except InputError as error:
            return outcome_of(failed_by(error, self.repository.stages.last), error.problems)
        except OutsideError as error:
            return outcome_of(failed_by(error, self.repository.stages.last))
        return None

    def _publish(self, observe: Observe, now: datetime, away: Outcome | None) -> Outcome:
        try:
            outcome = self._commit(observe, now)
        except CannotListenError:
            # Nothing that a look at the branch will mend.
            raise
        except OutsideError as error:
            return outcome_of(failed_by(error, self.repository.stages.last))
        except InputError as error:
            return self._invalid(error.problems)
        if outcome.result is Result.INVALID:
            return outcome
        if away is not None:
            return self._hold_back(outcome, away)
        if outcome.result is Result.FOLLOWING:
            return outcome
        return self._push(outcome)

    def _hold_back(self, outcome: Outcome, away: Outcome) -> Outcome:
        """Our commit waits for the remote; where another leads, that one publishes the same."""
        if outcome.commit and not self._may_publish():
            return replace(outcome, result=Result.FOLLOWING, statuses=None, commit="")
        problems = (*away.problems, *outcome.problems)
        failed = replace(outcome, result=away.result, words=away.words, failure=away.failure)
        return replace(failed, problems=problems)

    def _push(self, outcome: Outcome) -> Outcome:
        """Push what is not on the branch."""
        if self.repository.unpublished is None:
            return outcome
        if not self._may_publish():
            return replace(outcome, result=Result.FOLLOWING, statuses=None, commit="")
        before = self.repository.tip or ""
        try:
            report = self.repository.push()
        except OutsideError as error:
            report = failed_by(error, self.repository.stages.last)
        if isinstance(report, Published):
            self._waiting = {}
            return replace(outcome, result=Result.PUBLISHED, before=before)
        failed = outcome_of(report)
        return replace(outcome, result=failed.result, words=failed.words, failure=failed.failure)

    def _invalid(self, problems: tuple[Problem, ...]) -> Outcome:
        failed = Failed(Reason.INVALID, "the repository has errors", self.repository.stages.last)
        return outcome_of(failed, problems)

    def _never_seen(self) -> Outcome:
        stage = self.repository.stages.last
        return outcome_of(Failed(Reason.UNREACHABLE, "the branch was never seen", stage))

    def _commit(self, observe: Observe, now: datetime) -> Outcome:
        """Plan, and commit if there is anything to write."""
        repository = self.repository
        base = repository.base
        if base is None:
            return self._never_seen()
        leftover = repository.unpublished if repository.stale else None
        left = Left(self._statuses(leftover) if leftover else self._waiting)
        inventory = read_repository(repository.managed_files(base))
        choices = observe(watch(inventory, left))
        with repository.stages.enter(Stage.RENDER):
            planned = plan(inventory, choices, now, left)
        if planned.invalid:
            return self._invalid(planned.problems)
        rendering = planned.rendering
        commit = ""
        problems = planned.problems
        about = Occasion()
        if rendering.files and not self._may_publish():
            return Outcome(Result.FOLLOWING, problems=planned.problems)
        if rendering.files:
            # What we left ourselves was edited by nobody.
            drift = Drift() if base == self._left else find_drift(inventory, self._known)
            about = occasion(planned, drift)
            message = self._wording.write(about)
            problems = (*problems, *filter(None, (message.problem,)))
            commit = repository.commit(base, rendering.files, message.text, now)
        elif leftover:
            repository.drop()
        self._known = managed_fields(inventory)
        self._left = commit or base
        waits = commit or repository.unpublished or ""
        self._waiting = planned.statuses if waits else {}
        return Outcome(
            Result.UNCHANGED,
            commit=waits,
            base=base,
            statuses=planned.statuses,
            transitions=transitions(planned) if commit else (),
            changes=rendering.changes,
            problems=problems,
            described=planned.described,
            by_hand=tuple(about.by_hand),
        )

    def _statuses(self, commit: str) -> dict[str, Status]:
        """What a commit of ours had decided."""
        inventory = read_inventory(self.repository.managed_files(commit), Settings())
        return {
            name: document.status
            for name, document in inventory.dynamic_prefixes.items()
            if document.status is not None
        }
