"""What follows a pass: it may fail, is retried, and never undoes the pass.

The contract of the family: `run` receives the outcome of a pass, takes a few seconds at
most, and raises nothing. What failed is due again at `due_at`; the loop then makes a pass
that may have nothing else to do.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from prometheus_client import Counter

from gitops_prefix.apply.events import ObjectEvents
from gitops_prefix.apply.policy import BranchState
from gitops_prefix.daemon.clocks import Backoff
from gitops_prefix.daemon.outcome import (
    Committed,
    Decided,
    Invalid,
    Outcome,
    Proposed,
    Pushed,
    Result,
    UpToDate,
)
from gitops_prefix.errors import GitopsPrefixError, shown
from gitops_prefix.publish.failure import Kind, Reason, read_failure
from gitops_prefix.publish.forge.sync import BranchProposal, Report, RequestStep, Synced
from gitops_prefix.publish.http import Failure, Refused, Unreachable
from gitops_prefix.publish.message import subject
from gitops_prefix.publish.notify import Notice, Notifier
from gitops_prefix.publish.repository import Repository
from gitops_prefix.publish.stages import Stage, Stages

log = logging.getLogger(__name__)

_MOST_TRIES = 5
"""Tries for one notice. After that the receivers find the commit themselves: they poll."""
_WORDS = {
    RequestStep.OPEN: "opened",
    RequestStep.UPDATE: "updated",
    RequestStep.KEEP: "is there",
    RequestStep.CLOSE: "closed, for nothing is left to propose",
    RequestStep.RESPECT: "was closed by a person, and is not opened again for the same",
    RequestStep.NOTHING: "none, for nothing is left to propose",
}


class FollowUp(Protocol):
    """Something to do after a pass."""

    @property
    def due_at(self) -> float:
        """When to run again, by the monotonic clock; inf is after the next pass."""
        ...

    def run(self, outcome: Outcome, now: float) -> None:
        """Do what the outcome asks for, and what is due by the monotonic clock."""
        ...

    def lines(self) -> tuple[str, ...]:
        """What a person should see, on the page and after `--once`."""
        ...

    def failing(self) -> bool:
        """Whether something failed that matters to whoever waits for `--once`."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where commits go, and who is notified.

    Attributes:
        push_branch: the branches of ours that commits go to; empty is the branch itself.
        sync: makes a forge show what is on such a branch; None leaves that to people.
        notifiers: notified of each push to the branch itself.
    """

    push_branch: str = ""
    sync: Callable[[BranchProposal], Report] | None = None
    notifiers: Sequence[Notifier] = ()


def follow_ups(
    delivery: Delivery,
    repository: Repository,
    failures: Counter,
    interval: float,
    leads: Callable[[], bool],
) -> tuple[FollowUp, ...]:
    """What the daemon that leads does after each pass.

    Args:
        delivery: what the options say.
        repository: what is published.
        failures: counts failures by stage and reason.
        interval: seconds for which a forge that refuses is left alone.
        leads: whether this daemon publishes.
    """
    found: list[FollowUp] = []
    # Of their own: what they do is not the stage of a publication that fails meanwhile.
    stages = Stages(lambda stage: repository.stages.observe(stage))  # noqa: PLW0108  set later
    if delivery.sync is not None:
        found.append(
            PullRequests(delivery.sync, stages=stages, failures=failures, interval=interval)
        )
    if delivery.notifiers:

        def notice(pushed: Pushed) -> Notice:
            before, after = pushed.before, pushed.commit
            paths = repository.changed_paths(before, after)
            words = subject(pushed.decided.occasion)
            return Notice(repository.url, repository.branch, before, after, paths, words)

        found.append(Notices(delivery.notifiers, notice, stages=stages, failures=failures))
    return tuple(_WhileLeading(follow_up, leads) for follow_up in found)


class _WhileLeading:
    """A follow-up that only the daemon that leads runs."""

    def __init__(self, follow_up: FollowUp, leads: Callable[[], bool]) -> None:
        self._follow_up = follow_up
        self._leads = leads
        self.lines = follow_up.lines
        self.failing = follow_up.failing

    @property
    def due_at(self) -> float:
        return self._follow_up.due_at if self._leads() else inf

    def run(self, outcome: Outcome, now: float) -> None:
        if self._leads():
            self._follow_up.run(outcome, now)


class OffTheLoop:
    """Runs a follow-up in a thread of its own, so that no publication waits for it.

    Before `start` the follow-up runs where it is called: who publishes once waits for it.
    """

    def __init__(
        self, follow_up: FollowUp, clock: Callable[[], float], wake: Callable[[], None]
    ) -> None:
        """Run nothing yet.

        Args:
            follow_up: what runs.
            clock: the monotonic one.
            wake: has the loop look again at what is due.
        """
        self._follow_up, self._clock, self._wake = follow_up, clock, wake
        self._condition = threading.Condition()
        self._outcomes: list[Outcome] = []
        self._busy = self._stopping = False
        self._thread = threading.Thread(target=self._run, name="follow-up", daemon=True)
        self.lines = follow_up.lines
        self.failing = follow_up.failing

    def start(self) -> None:
        """Begin to run in a thread."""
        self._thread.start()

    @property
    def due_at(self) -> float:
        """When the follow-up is to run again; inf while it runs."""
        with self._condition:
            return inf if self._busy else self._follow_up.due_at

    def run(self, outcome: Outcome, now: float) -> None:
        """Have it run for this outcome, after those that wait."""
        if self._thread.ident is None:
            self._follow_up.run(outcome, now)
            return
        with self._condition:
            self._outcomes.append(outcome)
            self._busy = True
            self._condition.notify_all()

    def settle(self, seconds: float) -> bool:
        """Wait until nothing runs or waits; return whether that happened within `seconds`."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._busy, seconds)

    def stop(self, seconds: float) -> None:
        """End, after what runs or waits, but within `seconds`."""
        self.settle(seconds)
        with self._condition:
            self._stopping = True
            self._condition.notify_all()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._outcomes or self._stopping)
                if self._stopping:
                    return
                outcome = self._outcomes.pop(0)
            try:
                self._follow_up.run(outcome, self._clock())
            except GitopsPrefixError as error:
                log.warning("what follows a pass failed: %s", error)
            except Exception as error:  # noqa: BLE001  without this thread nothing follows any more
                words = shown(f"{type(error).__name__}: {error}")
                log.error("what follows a pass failed unexpectedly: %s", words)  # noqa: TRY400  a line
            with self._condition:
                self._busy = bool(self._outcomes)
                self._condition.notify_all()
            self._wake()


@dataclass(slots=True)
class _Receiver:
    """A notifier, and the notice that it did not deliver yet."""

    notifier: Notifier
    notice: Notice | None = None
    tries: int = 0
    due_at: float = inf
    words: str = ""
    backoff: Backoff = field(default_factory=Backoff)


class Notices:
    """Notifies those who reconcile of each push: a few tries, for they poll too."""

    def __init__(
        self,
        notifiers: Sequence[Notifier],
        notice: Callable[[Pushed], Notice],
        *,
        stages: Stages,
        failures: Counter,
    ) -> None:
        """Notify nobody before the first push.

        Args:
            notifiers: whom to notify, in this order.
            notice: makes the notice of a push.
            stages: times each try.
            failures: counts failures by stage and reason.
        """
        self._receivers = [_Receiver(notifier) for notifier in notifiers]
        self._notice = notice
        self._stages = stages
        self._failures = failures

    @property
    def due_at(self) -> float:
        """When the first failed notice is tried again."""
        return min((receiver.due_at for receiver in self._receivers), default=inf)

    def run(self, outcome: Outcome, now: float) -> None:
        """Notify of a push, and try again what failed before."""
        if self._receivers and isinstance(outcome, Pushed):
            notice = self._notice(outcome)
            for receiver in self._receivers:
                # The new notice supersedes one that was not delivered.
                receiver.notice, receiver.tries, receiver.due_at = notice, 0, now
                receiver.backoff.succeed()
        for receiver in self._receivers:
            if receiver.notice is not None and receiver.due_at <= now:
                self._notify(receiver, receiver.notice, now)

    def _notify(self, receiver: _Receiver, notice: Notice, now: float) -> None:
        name = receiver.notifier.name
        with self._stages.enter(Stage.NOTIFY):
            failure = receiver.notifier.notify(notice)
        receiver.tries += 1
        if failure is None:
            receiver.notice, receiver.due_at = None, inf
            receiver.words = f"notified of {notice.after[:12]}"
            log.info("asked %s to reconcile %s", name, notice.after[:12])
            return
        refused = isinstance(failure, Refused)
        _count(self._failures, Stage.NOTIFY, failure)
        receiver.words = failure.words
        if receiver.tries == 1:
            log.warning("%s was not notified: %s; what was pushed stays", name, failure.words)
        else:
            log.debug("%s failed again: %s", name, failure.words)
        receiver.due_at = now + max(receiver.backoff.fail(), _wait_asked_for(failure))
        if receiver.tries >= _MOST_TRIES or refused:
            # The next push starts anew; until then the receiver's own poll finds the commit.
            receiver.notice, receiver.due_at = None, inf

    def lines(self) -> tuple[str, ...]:
        """A line for each receiver that was notified, or should have been."""
        return tuple(
            f"{receiver.notifier.name}: {receiver.words}"
            for receiver in self._receivers
            if receiver.words
        )

    def failing(self) -> bool:
        """Never: the receivers find the commit themselves."""
        return False


@dataclass(slots=True)
class _Branch:
    """A branch of ours, and how the last try to show it in the forge ended."""

    proposal: BranchProposal
    report: Report | None = None
    due_at: float = -inf
    backoff: Backoff = field(default_factory=Backoff)


class PullRequests:
    """Makes a forge show what our branches hold."""

    def __init__(
        self,
        sync: Callable[[BranchProposal], Report],
        *,
        stages: Stages,
        failures: Counter,
        interval: float,
    ) -> None:
        """Ask nothing before the first pass.

        Args:
            sync: makes the forge show one proposal.
            stages: times each try.
            failures: counts failures by stage and reason.
            interval: seconds for which a forge that refuses is left alone.
        """
        self._sync = sync
        self._stages = stages
        self._failures = failures
        self._interval = interval
        self._branches: dict[str, _Branch] = {}

    @property
    def due_at(self) -> float:
        """When the first failed proposal is tried again."""
        return min((branch.due_at for branch in self._branches.values()), default=inf)

    def run(self, outcome: Outcome, now: float) -> None:
        """Show each proposal that the forge does not show yet."""
        if outcome.decided is not None:
            # A pass that could not read the repository leaves the known proposals as they are.
            self._take(outcome.decided.proposals)
        # The fewest failures first: a proposal that always fails keeps no other from its turn.
        for branch in sorted(self._branches.values(), key=lambda branch: branch.backoff.failures):
            if branch.due_at > now:
                continue
            self._show(branch, now)
            if isinstance(branch.report, Unreachable):
                # A forge that is away for one branch is away for the others too.
                self._postpone(branch.due_at)
                return

    def _take(self, proposals: Sequence[BranchProposal]) -> None:
        known = self._branches
        self._branches = {
            proposal.branch: known[proposal.branch]
            if proposal.branch in known and known[proposal.branch].proposal == proposal
            else _Branch(proposal)
            for proposal in proposals
        }

    def _show(self, branch: _Branch, now: float) -> None:
        with self._stages.enter(Stage.REQUEST):
            report = self._sync(branch.proposal)
        before, branch.report = branch.report, report
        if isinstance(report, Synced):
            branch.due_at = inf
            if report.step is not RequestStep.NOTHING:
                log.info("%s", _line(branch))
            return
        interval = self._interval if isinstance(report, Refused) else 0.0
        branch.due_at = now + max(branch.backoff.fail(), _wait_asked_for(report), interval)
        _count(self._failures, Stage.REQUEST, report)
        if before is None or isinstance(before, Synced) or before.words != report.words:
            log.warning("%s; what was pushed stays, and it is tried again", _line(branch))

    def _postpone(self, until: float) -> None:
        for branch in self._branches.values():
            branch.due_at = max(branch.due_at, until)

    def lines(self) -> tuple[str, ...]:
        """A line for each branch."""
        return tuple(_line(branch) for _, branch in sorted(self._branches.items()))

    def failing(self) -> bool:
        """Whether a forge does not show what was pushed."""
        return any(branch.due_at != inf for branch in self._branches.values())


class PublicationEvents:
    """Makes Events on the objects that a publication moved."""

    def __init__(self, events: ObjectEvents) -> None:
        self._events = events

    @property
    def due_at(self) -> float:
        """Only after a pass."""
        return inf

    def run(self, outcome: Outcome, now: float) -> None:
        """Make the Events of what is on the branch now; remember what waits."""
        del now
        if outcome.decided is not None:
            self._events.remember(
                outcome.decided.changes, tuple(outcome.decided.occasion.transitions)
            )
        if isinstance(outcome, Pushed | Proposed):
            self._events.publish(outcome.commit)
        elif isinstance(outcome, UpToDate):
            self._events.forget()

    def lines(self) -> tuple[str, ...]:
        """Nothing on the page: the Events are in the cluster."""
        return ()

    def failing(self) -> bool:
        """Never: nobody waits for Events."""
        return False


def branch_state(outcome: Outcome) -> BranchState:
    """What a pass says about the branch, for direct apply."""
    match outcome:
        case Committed(failed=failed) if outcome.result is not Result.HELD:
            # A remote that refuses, or keeps moving, was reached: it is not away.
            return BranchState.AWAY if failed.kind is Kind.AWAY else BranchState.REFUSED
        case Pushed():
            return BranchState.PUBLISHED
        case UpToDate(decided=decided) | Invalid(decided=Decided() as decided) if not any(
            each.commit for each in decided.proposals
        ):
            # What an error holds back is on the branch as it is.
            return BranchState.RIGHT
        case _:
            # What waits to be merged is not behind, and not right either.
            return BranchState.UNKNOWN


def _count(failures: Counter, stage: Stage, failure: Failure) -> None:
    general = Reason.REFUSED if isinstance(failure, Refused) else Reason.UNREACHABLE
    reason = read_failure(stage, failure.words, otherwise=general).reason
    failures.labels(stage.value, reason.value).inc()


def _wait_asked_for(failure: Failure) -> float:
    """Seconds that the server asked us to wait."""
    return 0.0 if isinstance(failure, Refused) else failure.retry_after


def _line(branch: _Branch) -> str:
    where = f"the request for {branch.proposal.branch}"
    if branch.report is None:
        return f"{where}: not asked yet"
    if not isinstance(branch.report, Synced):
        return f"{where}: {branch.report.words}"
    words = "merged" if branch.report.merged else _WORDS[branch.report.step]
    url = branch.report.request.url if branch.report.request else ""
    return f"{where}: {words} {url}".rstrip()
