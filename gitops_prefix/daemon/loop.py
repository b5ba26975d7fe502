"""The daemon's loop: level-triggered, one pass at a time.

The loop sleeps until a link says something new, until time alone changes something, or
until the branch is due for a look. The cause does not matter to the pass: it looks at
everything, and the latest observation counts.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from math import inf
from typing import NamedTuple

from gitops_prefix.daemon.clocks import Clocks, Moment, Schedule, Stopwatch, Wakeup
from gitops_prefix.daemon.decisions import Decisions
from gitops_prefix.daemon.follow_ups import FollowUp
from gitops_prefix.daemon.listening import Listening, interfaces_of
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.outcome import (
    RIGHT,
    Decided,
    Invalid,
    NotLeading,
    Outcome,
    Publisher,
    Ready,
    Result,
    Seen,
    Stopped,
    UpToDate,
    has_errors,
    invalid,
    or_invalid,
    same_occasion,
    shown_commit,
    waiting_commit,
)
from gitops_prefix.daemon.report import Progress, UnderWay, show_progress
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import SETTLED, Decision
from gitops_prefix.decide.transition import NOTHING_OBSERVED, Choice, due
from gitops_prefix.plan.ears import Watched
from gitops_prefix.plan.occasion import Occasion
from gitops_prefix.plan.plan import plan, read_repository, watch, would_change
from gitops_prefix.publish.failure import Failed, Reason
from gitops_prefix.publish.refs import Refs
from gitops_prefix.publish.stages import Stage
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.watch.watcher import AnswersRead, Solicit, Solicited

log = logging.getLogger(__name__)

_AT_ONCE = 4
"""More tries in a pass when the branch moved: a bot that pushes several times a second leaves
a gap, and the first try after it moved is the likeliest to hit it."""
_MOST_CONTESTS = 10
"""Passes in a row that try so: then something moves the branch whenever we push."""

_OF_THE_REMOTE = frozenset({Stage.LOOK, Stage.FETCH, Stage.PUSH, Stage.CONFIRM})
_LONGEST_PASS = 660.0
"""Seconds without the pushes: a branch's first fetch over a slow line may take 600
(publish.running.TimeLimits)."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things may wait, in seconds.

    Attributes:
        settle: changes within this time are one commit.
        interval: how often the branch is looked at when nothing else happens.
        push: how long a push may take, with the hooks of the server.
        sleep: how long the loop may sleep, when a supervisor waits for a sign of life.
    """

    settle: float = 0.2
    interval: float = 300.0
    push: float = 120.0
    sleep: float = inf


class Why(NamedTuple):
    """Why a pass is made; false when there is no reason for one.

    Attributes:
        called: somebody asked for a look at the branch.
        due: the branch is due for a look, or a try that failed is due again.
        news: the links, or time, decided what the branch does not say.
        follow_up: a follow-up of an earlier pass is due.
    """

    called: bool = False
    due: bool = False
    news: bool = False
    follow_up: bool = False

    def __bool__(self) -> bool:
        """Whether there is a reason."""
        return any(self)

    def __str__(self) -> str:
        """The reasons by name, for the log."""
        return ", ".join(name for name, given in self._asdict().items() if given) or "none"


class _Right(NamedTuple):
    """What the last pass found or made right: while the references stay, nothing is read."""

    refs: Refs
    decided: Decided


class Loop:
    """Makes passes until `stop` is called."""

    def __init__(  # noqa: PLR0913  all that it is joined to
        self,
        publisher: Publisher,
        decisions: Decisions,
        metrics: Metrics,
        *,
        wakeup: Wakeup,
        listening: Listening | None = None,
        pace: Pace = Pace(),
        clocks: Clocks = Clocks(),  # noqa: B008  frozen
        interface: str = "",
        follow_ups: Sequence[FollowUp] = (),
    ) -> None:
        """Make a loop; `turns` runs it.

        Args:
            publisher: where commits go.
            decisions: what was heard and decided.
            metrics: where passes are counted.
            wakeup: what the loop waits with; news on a link ends the wait.
            listening: follows the links that the repository names; None listens to nothing.
            pace: how long things may wait.
            clocks: what time it is.
            interface: the link in place of those that the repository names, or empty.
            follow_ups: run after each pass, in this order.
        """
        self._publisher = publisher
        self._repository = publisher.repository
        self._metrics = metrics
        self._pace = pace
        self._clocks = clocks
        self._wakeup = wakeup
        self._listening = listening
        self.decisions = decisions
        self._interface = interface
        self._follow_ups = follow_ups
        self._schedule = Schedule(pace.interval)
        self._stopping = False
        self._called = False
        self._right: _Right | None = None
        self._watched: dict[str, Watched] = {}
        # Of these, what the repository cannot show now: an error is in their place.
        self._unreadable: dict[str, Watched] = {}
        self._shown: dict[str, str] = {}
        # The choices of a pass that decided nothing: it would fail again until they change.
        self._tried: dict[str, Prefix | None] | None = None
        # What the pass under way goes by: the links may decide anew before its end.
        self._trying: dict[str, Prefix | None] = {}
        # What was decided for each DynamicPrefix that an error holds back.
        self._held: dict[str, Prefix | None] = {}
        self._progress = Progress()
        self._pass_began: Moment | None = None
        self._asleep = False
        self.alive_at = self.began_at = self._moved_at = clocks.monotonic()
        self._repository.stages.observe = Stopwatch(
            metrics.publish_seconds, clocks.monotonic, self._move
        )
        self._repository.remote.prefixes = lambda: _prefixes(_choices(decisions.latest()))
        show_progress(metrics, clocks, lambda: self.progress)

    def stop(self) -> None:
        """Leave after the pass under way. A signal handler may call this."""
        self._stopping = True
        self._wakeup.nudge()

    @property
    def stopping(self) -> bool:
        """Whether it was stopped."""
        return self._stopping

    def look_now(self) -> None:
        """Look at the branch again, whatever was decided before.

        Any thread may call this, and a signal handler, which must not take a lock.
        """
        self._called = True
        self._wakeup.nudge()

    def turns(self) -> Iterator[Outcome | None]:
        """Make passes until `stop` is called.

        Yields:
            After each turn: the outcome of its pass, or None if there was no reason for one.
        """
        while not self._stopping:
            why = self.why()
            outcome = self._pass(why, settle=True) if why else None
            if outcome is None and self._clocks.monotonic() >= self._schedule.peek_at:
                self._peek()
            self._solicit()
            if outcome is None:
                seconds = min(self.seconds_to_sleep(), self._pace.sleep)
                log.debug("no pass: nothing is due, and nothing is new; asleep for %.1f s", seconds)
                self._wait(seconds)
            self._move()
            self.alive_at = self._clocks.monotonic()
            yield outcome

    def run_once(self) -> Outcome:
        """Make one pass now, without waiting for the end of a burst."""
        return self._pass(self.why(), settle=False)

    def turns_until_decided(self, patience: float) -> Iterator[Outcome]:
        """Make a pass, and another once the links had `patience` seconds to speak.

        * Read the branch, which says what to listen to.
        * Listen until every decision has settled.
        * Publish; while the branch moves, again.

        Yields:
            The outcome of each pass.
        """
        until = self._clocks.monotonic() + patience
        outcome = self.run_once()
        yield outcome
        if outcome.decided is not None:
            self._listen_until(until)
            if self.why():
                self._settle()
                outcome = self.run_once()
                yield outcome
        while outcome.result is Result.CONTESTED and self._has_until(until):
            self._wakeup.wait(min(until, self._schedule.retry_at) - self._clocks.monotonic())
            outcome = self.run_once()
            yield outcome

    def why(self) -> Why:
        """The reasons for a pass now; without one, neither git nor YAML is touched."""
        now = self._clocks.monotonic()
        return Why(
            self._called,
            now >= self._schedule.due_at,
            self._has_news(),
            now >= self._follow_up_at(),
        )

    def seconds_to_sleep(self) -> float:
        """How long nothing but news can be a reason for a pass."""
        now = self._clocks.monotonic()
        calendar = self._clocks.calendar()
        moments = [self._schedule.due_at, self._schedule.peek_at, self._follow_up_at()]
        moments.append(self.decisions.look_again_at())
        decided = self.decisions.latest()
        for name, watched in self._watched.items() if self._tried is None else ():
            if watched.status is None or name in self._held:
                continue
            choice = decided[name].choice if name in decided else NOTHING_OBSERVED
            moment = due(watched.specification, watched.status, choice)
            if moment is not None:
                moments.append(now + max(1.0, (moment - calendar).total_seconds()))
        return max(0.0, min(moments) - now)

    @property
    def watched(self) -> Mapping[str, Watched]:
        """What the repository last said."""
        return self._watched

    @property
    def progress(self) -> Progress:
        """How publishing goes, also while a pass runs. Any thread may ask."""
        progress, began = self._progress, self._pass_began
        if began is None:
            return progress
        under_way = UnderWay(began, self._repository.stages.last)
        since = progress.pending_since
        follows = progress.outcome is not None and progress.outcome.result is Result.FOLLOWING
        if since is None and not follows:
            since = self._news_since()
        return replace(progress, under_way=under_way, pending_since=since)

    def _news_since(self) -> Moment | None:
        """Since when the links say what the branch does not, as far as a pass has not ended."""
        watched, decided = self._watched, _choices(self.decisions.latest())
        choices = {name: decided.get(name, NOTHING_OBSERVED) for name in watched}
        now = self._clocks.now()
        if not would_change(watched, choices, now.calendar):
            return None
        succeeded = self._progress.succeeded
        ended = succeeded.monotonic if succeeded else self.began_at
        since = min(now.monotonic, max(ended, self.decisions.changed_at))
        return Moment(since, now.calendar - timedelta(seconds=now.monotonic - since))

    def healthy(self) -> bool:
        """Whether the loop is alive: it wakes for the branch at the latest."""
        longest = 2 * self._pace.interval + _LONGEST_PASS + 2 * self._pace.push
        return self._clocks.monotonic() - self.alive_at < longest

    def turning(self, most: float, most_remote: float) -> bool:
        """Whether the loop sleeps, or went on within these seconds. Any thread may ask.

        Args:
            most: between two stages of a pass.
            most_remote: while the remote is waited for: git has a limit of its own.
        """
        waits = self._pass_began is not None and self._repository.stages.last in _OF_THE_REMOTE
        limit = max(most, most_remote) if waits else most
        return self._asleep or self._clocks.monotonic() - self._moved_at < limit

    def _move(self) -> None:
        self._moved_at = self._clocks.monotonic()

    def _wait(self, seconds: float) -> None:
        self._asleep = True
        self._wakeup.wait(seconds)
        self._move()
        self._asleep = False

    def _pass(self, why: Why, *, settle: bool) -> Outcome:
        """One pass, what it means for the next, and what follows it."""
        self._pass_began = self._clocks.now()
        now = self.began_at = self._pass_began.monotonic
        self._trying = _prefixes(_choices(self.decisions.latest()))
        if why.called:
            # Only the call that this pass is made for: another may have come since `why`.
            self._called = False
        log.debug("pass: %s", why)
        with self._repository.connected():
            outcome = self._attempt(why, settle=settle)
            contests = self._schedule.contests.failures
            at_once = _AT_ONCE if contests < _MOST_CONTESTS else 1
            while outcome.result is Result.CONTESTED and at_once and not self._stopping:
                log.debug("pass: the branch moved")
                again = self._attempt(why._replace(due=True), settle=False)
                outcome = same_occasion(again, outcome)
                at_once -= 1
        self._plan_next(outcome, looked=why.called or why.due)
        self._count(outcome, self._clocks.monotonic() - now)
        for follow_up in self._follow_ups:
            follow_up.run(outcome, self._clocks.monotonic())
        return outcome

    def _peek(self) -> None:
        """Ask whether the branch moved since the remote refused us; then it is tried at once."""
        before = self._repository.refs
        self._pass_began = self._clocks.now()
        try:
            with self._repository.connected():
                failed = self._publisher.look()
            if failed is not None:
                log.debug("the branch was not looked at: %s", failed.failed.words)
        except OSError as error:
            log.debug("the branch was not looked at: this machine: %s", error)
        self._pass_began = None
        if self._repository.refs != before:
            log.debug("the branch moved: what was refused is tried again")
            self._schedule.moved()
        else:
            self._schedule.peek_again(self._clocks.monotonic())

    def _attempt(self, why: Why, *, settle: bool) -> Outcome:
        """One try, which a shortage of this machine ends as any other trouble of its own."""
        try:
            return self._try(why, settle=settle)
        except OSError as error:
            stage = self._repository.stages.last
            return Stopped(Failed(Reason.LOCAL, f"this machine: {error}", stage))

    def _try(self, why: Why, *, settle: bool) -> Outcome:
        """Look, read, listen, decide, plan, publish.

        * Look at the branch, when that is due. While it is away, its last state counts.
        * If the last pass found the branch right, and no reference and no decision is new,
          read nothing.
        * Listen on the links that the repository names.
        * Plan and commit what was decided, push it.
        """
        away = None
        if why.called or why.due or self._repository.tip is None:
            away = self._publisher.look()
        if away is not None and self._repository.tip is None:
            return away
        right, self._right = self._right, None
        quiet = not (why.called or why.news) and away is None
        if quiet and right is not None and right.refs == self._repository.refs:
            self._right = right
            log.debug("pass: nothing is new on the branch or the links")
            return UpToDate(right.decided)
        seen = self._publisher.read()
        if not isinstance(seen, Seen):
            return seen
        inventory = read_repository(seen.files)
        log.debug(
            "pass: read %d managed files of %s: %d DynamicPrefixes, %d fields that follow one",
            len(seen.files),
            seen.base[:12],
            len(inventory.dynamic_prefixes),
            len(inventory.bindings),
        )
        if inventory.stopped:
            return invalid(inventory.problems, Stage.RENDER)
        readable = watch(inventory, seen.left)
        self._unreadable = {
            name: each
            for name, each in self._watched.items()
            if name not in readable and has_errors(inventory.problems)
        }
        # A slip in a DynamicPrefix does not make us deaf: once it is mended, what was heard counts.
        self._listen(self._unreadable | readable)
        ready = self._prepare(seen, inventory, settle=settle)
        if not isinstance(ready, Ready):
            return ready
        outcome = or_invalid(self._publisher.push(ready, away))
        is_right = outcome.result in {Result.PUBLISHED, Result.UNCHANGED}
        # A push that came on top of ours was fetched with it, and is still to be read.
        known = self._repository.refs.tip in {seen.base, shown_commit(outcome)}
        if is_right and known and not has_errors(outcome.problems):
            self._right = _Right(self._repository.refs, _without_occasion(ready, outcome))
        return outcome

    def _listen(self, watched: Mapping[str, Watched]) -> None:
        """Listen on the links that the repository names.

        Raises:
            CannotListenError: no permission for the raw socket.
        """
        self._watched = {name: each.on(self._interface) for name, each in watched.items()}
        if self._listening is not None:
            self._listening.follow(self._watched)

    def _solicit(self) -> None:
        """Have the watcher send the solicitations that are due.

        On a link without a raw socket of ours the kernel solicits by itself.
        """
        ours = interfaces_of(self._watched)
        for interface in self.decisions.solicitations():
            if self._listening is not None and interface in ours:
                self._listening.request(Solicit(interface))
            else:
                now = self._clocks.monotonic()
                self.decisions.take(Solicited(interface, "", now))
                self.decisions.take(AnswersRead(interface, now, now))

    def _prepare(
        self, seen: Seen, inventory: Inventory, *, settle: bool
    ) -> Ready | Stopped | Invalid | NotLeading:
        """Decide, plan and commit; while a burst settles, and again if it changes the decision."""
        choices = self._decide()
        ready = self._commit(seen, inventory, choices)
        if isinstance(ready, Ready) and ready.made and ready.commit:
            log.debug("pass: committed %s, for %d fields", ready.commit, len(ready.decided.changes))
        if not settle or not isinstance(ready, Ready) or not ready.made:
            return ready
        if self.decisions.final() and self._is_latest(choices):
            log.debug("pass: the router replaced its prefix; nothing is waited for")
            return ready
        self._settle()
        if self._is_latest(choices):
            return ready
        log.debug("pass: another decision within the burst; the commit is made anew")
        self._repository.restore(seen.refs)
        return self._commit(seen, inventory, self._decide())

    def _is_latest(self, choices: Mapping[str, Choice]) -> bool:
        """Whether nothing else was decided since."""
        return _prefixes(choices) == _prefixes(_choices(self.decisions.latest()))

    def _decide(self) -> dict[str, Choice]:
        self.decisions.follow(self._watched)
        choices = _choices(self.decisions.decide())
        self._trying = _prefixes(choices)
        return choices

    def _commit(
        self, seen: Seen, inventory: Inventory, choices: Mapping[str, Choice]
    ) -> Ready | Stopped | Invalid | NotLeading:
        now = self._clocks.calendar()
        with self._repository.stages.enter(Stage.RENDER):
            planned = plan(inventory, choices, now, seen.left)
        return self._publisher.commit(seen, planned, now)

    def _settle(self) -> None:
        """Wait for the end of a burst; a stop ends the wait."""
        until = self._clocks.monotonic() + self._pace.settle
        while not self._stopping and (left := until - self._clocks.monotonic()) > 0:
            self._wait(left)

    def _listen_until(self, until: float) -> None:
        """Wait until every decision has settled."""
        while self._has_until(until):
            decided = self.decisions.decide().values()
            if all(decision.standing in SETTLED for decision in decided):
                return
            self._solicit()
            moment = min(until, self.decisions.look_again_at())
            self._wakeup.wait(moment - self._clocks.monotonic())

    def _has_until(self, until: float) -> bool:
        return not self._stopping and self._clocks.monotonic() < until

    def _follow_up_at(self) -> float:
        return min((follow_up.due_at for follow_up in self._follow_ups), default=inf)

    def _has_news(self) -> bool:
        """Whether the links, or time, decided something that the branch does not say."""
        choices = _choices(self.decisions.decide())
        if self._tried is not None:
            return self._tried != _prefixes(choices)
        # What an error holds back is tried again when the links or the branch say something new.
        prefixes = _prefixes(choices)
        watched = {
            name: each
            for name, each in self._watched.items()
            if name not in self._held or self._held[name] != prefixes.get(name)
        }
        return would_change(watched, choices, self._clocks.calendar())

    def _plan_next(self, outcome: Outcome, *, looked: bool) -> None:
        self._schedule.note(outcome, self.began_at, self._clocks.monotonic(), looked=looked)
        self._remember(outcome)
        log.debug("pass: %s; the next try in %.1f s", outcome.result, self.seconds_to_sleep())

    def _remember(self, outcome: Outcome) -> None:
        """Take over what was decided; without that, note what was tried."""
        if outcome.decided is None:
            self._tried = self._trying
            return
        self._tried = None
        statuses = outcome.decided.statuses
        held = (*outcome.decided.held, *self._unreadable)
        self._held = {name: self._trying.get(name) for name in held}
        self._watched = {
            name: Watched(watched.specification, statuses.get(name, watched.status))
            for name, watched in self._watched.items()
        }
        self.decisions.follow(self._watched)

    def _count(self, outcome: Outcome, seconds: float) -> None:
        metrics = self._metrics
        metrics.reconciliations.labels(outcome.result.value).inc()
        now = self._clocks.now()
        self._progress = self._progress.after(
            outcome,
            now,
            waiting=None if outcome.result in RIGHT else self._waiting_since(outcome, now),
            next_try_at=self._schedule.due_at,
        )
        self._pass_began = None
        if outcome.result is Result.PUBLISHED:
            metrics.publish_seconds.labels(Stage.WHOLE.value).observe(seconds)
        if outcome.failed is not None:
            metrics.publish_failures.labels(outcome.failed.stage, outcome.failed.reason).inc()
        if outcome.decided is None:
            return
        for name, status in outcome.decided.statuses.items():
            self._show_current(name, str(status.current))
        for change in outcome.decided.occasion.transitions:
            if change.moved:
                metrics.changes.labels(change.name).inc()

    def _waiting_since(self, outcome: Outcome, now: Moment) -> Moment | None:
        """Since when a change waits, also a change of a daemon before us; None: none does."""
        if waiting_commit(outcome):
            made = self._repository.waiting_since() or now.calendar
            age = max(timedelta(0), now.calendar - made)
            return Moment(now.monotonic - age.total_seconds(), now.calendar - age)
        choices = _choices(self.decisions.decide())
        return now if would_change(self._watched, choices, self._clocks.calendar()) else None

    def _show_current(self, name: str, prefix: str) -> None:
        shown = self._shown.get(name)
        if shown not in {None, prefix}:
            self._metrics.current.remove(name, shown)
        self._shown[name] = prefix
        self._metrics.current.labels(name, prefix).set(1)


def _choices(decisions: Mapping[str, Decision]) -> dict[str, Choice]:
    return {name: decision.choice for name, decision in decisions.items()}


def _prefixes(choices: Mapping[str, Choice]) -> dict[str, Prefix | None]:
    return {name: choice.prefix for name, choice in choices.items()}


def _without_occasion(ready: Ready, outcome: Outcome) -> Decided:
    """What a quiet pass has to say of the same state: it makes no commit."""
    decided = outcome.decided or ready.decided
    base = ready.commit if ready.made else decided.base
    return replace(decided, base=base, occasion=Occasion(), changes=())
