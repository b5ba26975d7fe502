"""The daemon's loop: level-triggered, one pass at a time.

It sleeps until the link says something new, a moment comes at which time alone
changes something, or the branch is to be looked at. What woke it does not matter:
a pass looks at all there is, and the latest observation wins.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import inf

from gitops_prefix.daemon.backoff import Backoff
from gitops_prefix.daemon.clocks import Clocks, Moment
from gitops_prefix.daemon.decisions import Decisions
from gitops_prefix.daemon.follow_up import FollowUp
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.progress import RIGHT, Progress, show_progress
from gitops_prefix.daemon.publication import Outcome, Publication, Result
from gitops_prefix.daemon.stopwatch import Stopwatch
from gitops_prefix.daemon.wakeup import Wakeup
from gitops_prefix.decide.choice import NOTHING_OBSERVED, Choice
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import SETTLED, Decision
from gitops_prefix.decide.transition import due
from gitops_prefix.plan.ears import Watched
from gitops_prefix.plan.plan import would_change
from gitops_prefix.publish.stages import Stage

_MOST_CONTESTS = 10
"""Waits in a row for a branch that keeps moving; then for the next look at it."""

_LONGEST_PASS = 900.0
"""Seconds: a branch's first fetch over a slow line may take 600 (publish.remote.TimeLimits)."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things may wait, in seconds.

    Attributes:
        settle: changes within this time are one commit.
        interval: how often the branch is looked at when nothing else happens.
    """

    settle: float = 0.2
    interval: float = 300.0


class Loop:
    """Runs passes until it is told to stop."""

    def __init__(  # noqa: PLR0913  all that it is joined to
        self,
        publication: Publication,
        metrics: Metrics,
        *,
        pace: Pace = Pace(),
        clocks: Clocks = Clocks(),  # noqa: B008  frozen
        on_read: Callable[[Mapping[str, Watched]], None] = lambda _: None,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
        on_turn: Callable[[], None] = lambda: None,
        interface: str = "",
        follow_ups: Sequence[FollowUp] = (),
    ) -> None:
        """Make a loop; `run` starts it.

        Args:
            publication: what a pass does.
            metrics: where it is counted.
            pace: how long things may wait.
            clocks: what time it is.
            on_read: told what the repository says, each time it was read: the links
                to watch may have changed.
            on_outcome: told what each pass came to.
            on_turn: called each time the loop went round: it is alive.
            interface: the link that stands for those the repository names, or empty.
            follow_ups: done after each pass, in this order.
        """
        self._publication = publication
        self._metrics = metrics
        self._pace = pace
        self._clocks = clocks
        self._on_read = on_read
        self._on_outcome = on_outcome
        self._on_turn = on_turn
        self._interface = interface
        self._follow_ups = follow_ups
        self._wakeup = Wakeup()
        self._backoff, self._contests = Backoff(), Backoff()
        self._stopping = False
        self._called = threading.Event()
        self._look_at = -inf
        self._retry_at = inf
        self._watched: dict[str, Watched] = {}
        self._shown: dict[str, str] = {}
        self._tried: dict[str, Prefix | None] | None = None
        self.decisions = Decisions(metrics, clocks.monotonic, self._wakeup.nudge)
        self.progress = Progress()
        self.alive_at = self.began_at = clocks.monotonic()
        publication.repository.stages.observe = Stopwatch(metrics.publish_seconds, clocks.monotonic)
        show_progress(metrics, clocks, lambda: self.progress)

    def stop(self) -> None:
        """Leave after the pass under way. A signal handler may call it."""
        self._stopping = True
        self._wakeup.nudge()

    def look_now(self) -> None:
        """Look at the branch again, whatever was decided before. Any thread may call it."""
        self._called.set()
        self._wakeup.nudge()

    def run(self) -> None:
        """Run passes until `stop` is called."""
        while not self._stopping:
            if self._has_reason():
                self.run_once()
            elif self._wakeup.wait(self._seconds_to_sleep()):
                self._settle()
            self.alive_at = self._clocks.monotonic()
            self._on_turn()

    def run_until_decided(self, patience: float) -> Outcome:
        """A pass, and another once the links had `patience` seconds to speak.

        * Read the branch, which says what to listen to.
        * Listen until every decision has settled.
        * Publish; while the branch moves, again.
        """
        until = self._clocks.monotonic() + patience
        outcome = self.run_once()
        if outcome.statuses is not None:
            self._listen(until)
            if self._has_reason():
                self._settle()
                outcome = self.run_once()
        while outcome.result is Result.CONTESTED and self._has_until(until):
            self._wakeup.wait(min(until, self._retry_at) - self._clocks.monotonic())
            outcome = self.run_once()
        return outcome

    def _listen(self, until: float) -> None:
        while self._has_until(until):
            decided = self.decisions.decide().values()
            if all(one.standing in SETTLED for one in decided):
                return
            moment = min(until, self.decisions.look_again_at())
            self._wakeup.wait(moment - self._clocks.monotonic())

    def _has_until(self, until: float) -> bool:
        return not self._stopping and self._clocks.monotonic() < until

    def run_once(self) -> Outcome:
        """One pass, and what it means for the next."""
        now = self.began_at = self._clocks.monotonic()
        called = self._called.is_set()
        self._called.clear()
        look = called or now >= min(self._look_at, self._retry_at)
        outcome = self._publication.run(
            self._observe, self._clocks.calendar(), look=look, news=called or self._has_news()
        )
        self._plan_next(outcome, looked=look)
        self._count(outcome, self._clocks.monotonic() - now)
        self._on_outcome(outcome)
        for one in self._follow_ups:
            one.run(outcome, self._clocks.monotonic())
        return outcome

    @property
    def watched(self) -> Mapping[str, Watched]:
        """What the repository last said."""
        return self._watched

    def healthy(self) -> bool:
        """Whether the loop is alive: it wakes for the branch at the latest."""
        longest = 2 * self._pace.interval + _LONGEST_PASS
        return self._clocks.monotonic() - self.alive_at < longest

    def _observe(self, watched: Mapping[str, Watched]) -> Mapping[str, Choice]:
        """Hand over what the repository says, and ask what the link says."""
        self._watched = {name: one.on(self._interface) for name, one in watched.items()}
        self.decisions.follow(self._watched)
        self._on_read(self._watched)
        return {name: decision.choice for name, decision in self.decisions.decide().items()}

    def _settle(self) -> None:
        """Let a burst come to its end; a stop ends the wait."""
        until = self._clocks.monotonic() + self._pace.settle
        while not self._stopping and (left := until - self._clocks.monotonic()) > 0:
            self._wakeup.wait(left)

    def _has_reason(self) -> bool:
        """Whether a pass could change anything now: else no Git, and no YAML."""
        now = self._clocks.monotonic()
        due_now = now >= min(self._look_at, self._retry_at, self._follow_up_at())
        return due_now or self._called.is_set() or self._has_news()

    def _follow_up_at(self) -> float:
        return min((one.due_at for one in self._follow_ups), default=inf)

    def _has_news(self) -> bool:
        """Whether the link, or time, decided something that the branch does not say."""
        decided = self.decisions.decide()
        if self._tried is not None:
            # That pass came to nothing, and would again until something else is decided.
            return self._tried != {name: one.choice.prefix for name, one in decided.items()}
        return self._differs(decided)

    def _differs(self, decided: Mapping[str, Decision]) -> bool:
        """Whether a decision is not what the branch, or our commit, says."""
        choices = {name: decision.choice for name, decision in decided.items()}
        return would_change(self._watched, choices, self._clocks.calendar())

    def _seconds_to_sleep(self) -> float:
        now = self._clocks.monotonic()
        calendar = self._clocks.calendar()
        moments = [self._look_at, self._retry_at, self._follow_up_at()]
        moments.append(self.decisions.look_again_at())
        decided = self.decisions.latest()
        for name, watched in self._watched.items() if self._tried is None else ():
            if watched.status is None:
                continue
            choice = decided[name].choice if name in decided else NOTHING_OBSERVED
            moment = due(watched.specification, watched.status, choice)
            if moment is not None:
                moments.append(now + max(1.0, (moment - calendar).total_seconds()))
        return max(0.0, min(moments) - now)

    def _plan_next(self, outcome: Outcome, *, looked: bool) -> None:
        now = self._clocks.monotonic()
        if looked:
            self._look_at = now + self._pace.interval
        match outcome.result:
            case Result.UNREACHABLE:
                self._retry_at = now + self._backoff.fail()
            # Counted apart: after a long outage, a race is met again within a second.
            case Result.CONTESTED if self._contests.failures < _MOST_CONTESTS:
                self._retry_at = now + self._contests.fail()
            case Result.CONTESTED | Result.REFUSED | Result.HELD | Result.INVALID:
                # Permanent until something changes: the branch, a token, a hook.
                self._retry_at = now + max(self._backoff.fail(), self._pace.interval)
            case _:
                self._backoff.succeed()
                self._contests.succeed()
                self._retry_at = inf
        self._remember(outcome)

    def _remember(self, outcome: Outcome) -> None:
        """Take over what our last commit says; without one, what was tried in vain."""
        if outcome.statuses is None:
            decided = self.decisions.decide()
            self._tried = {name: one.choice.prefix for name, one in decided.items()}
            return
        self._tried = None
        self._watched = {
            name: Watched(watched.specification, outcome.statuses.get(name, watched.status))
            for name, watched in self._watched.items()
        }
        self.decisions.follow(self._watched)

    def _count(self, outcome: Outcome, seconds: float) -> None:
        metrics = self._metrics
        metrics.reconciliations.labels(outcome.result.value).inc()
        now = self._clocks.now()
        self.progress = self.progress.after(
            outcome,
            now,
            waiting=None if outcome.result in RIGHT else self._waiting_since(outcome, now),
            next_try_at=min(self._look_at, self._retry_at),
        )
        if outcome.result is Result.PUBLISHED:
            metrics.publish_seconds.labels(Stage.WHOLE.value).observe(seconds)
        if outcome.failure is not None:
            metrics.publish_failures.labels(outcome.failure.stage, outcome.failure.reason).inc()
        for name, status in (outcome.statuses or {}).items():
            self._show_current(name, str(status.current))
        for transition in outcome.transitions:
            if transition.moved:
                metrics.changes.labels(transition.name).inc()

    def _waiting_since(self, outcome: Outcome, now: Moment) -> Moment | None:
        """Since when a change waits, also one that a daemon before us left; None: none does."""
        if outcome.commit:
            made = self._publication.repository.waiting_since() or now.calendar
            age = max(timedelta(0), now.calendar - made)
            return Moment(now.monotonic - age.total_seconds(), now.calendar - age)
        return now if self._differs(self.decisions.decide()) else None

    def _show_current(self, name: str, prefix: str) -> None:
        shown = self._shown.get(name)
        if shown not in {None, prefix}:
            self._metrics.current.remove(name, shown)
        self._shown[name] = prefix
        self._metrics.current.labels(name, prefix).set(1)
