"""Time for the daemon: its clocks, how long to wait, how to wait, and how long a stage takes."""

import contextlib
import os
import random
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf, isinf
from typing import NamedTuple

from prometheus_client import Histogram

from gitops_prefix.daemon.outcome import Outcome, Result
from gitops_prefix.publish.stages import Stage

_DRIFT = timedelta(seconds=2)
"""The calendar comes in whole seconds and is slewed; more than this is a step."""
FIRST = 1.0
FACTOR = 1.5
LONGEST = 30.0


def utc_now() -> datetime:
    """The calendar's time, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


class Moment(NamedTuple):
    """A moment by both clocks."""

    monotonic: float
    calendar: datetime


@dataclass(frozen=True, slots=True)
class Clocks:
    """The two clocks: one that only goes forward, in seconds, and the calendar."""

    monotonic: Callable[[], float] = time.monotonic
    calendar: Callable[[], datetime] = utc_now

    def now(self) -> Moment:
        """The moment it is."""
        return Moment(self.monotonic(), self.calendar())

    def age(self, moment: Moment) -> float:
        """Seconds since then; setting the calendar does not change it."""
        return self.monotonic() - moment.monotonic

    def date(self, moment: Moment) -> datetime:
        """When that was, by the calendar as it is set now."""
        when = self.calendar() - timedelta(seconds=self.age(moment))
        return moment.calendar if abs(when - moment.calendar) <= _DRIFT else when


@dataclass(slots=True)
class Backoff:
    """Waits that grow from 1 s by 1.5 to 30 s, each with jitter.

    Attributes:
        chance: a number from 0 to 1, drawn for each wait: two daemons that lost the
            same race must not meet again.
    """

    chance: Callable[[], float] = random.random
    failures: int = 0

    def succeed(self) -> None:
        """Start again from the shortest wait."""
        self.failures = 0

    def fail(self) -> float:
        """Note a failure.

        Returns:
            Seconds to wait: between half of the step and the whole.
        """
        step = min(LONGEST, FIRST * FACTOR ** min(self.failures, 20))
        self.failures += 1
        return step * (0.5 + self.chance() / 2)


_REACHES = frozenset({Stage.LOOK, Stage.FETCH})
"""Stages that fail when the branch cannot be looked at."""


@dataclass(slots=True)
class Schedule:
    """When the branch is looked at, and when a pass that failed is tried again.

    Attributes:
        interval: seconds between two looks when nothing else happens.
        look_at: when the branch is due for a look.
        retry_at: when a pass that failed is due again; inf: none failed.
        peek_at: when to ask whether the branch moved under a refusal; inf: nothing is refused.
        contests: passes in a row that lost a race.
    """

    interval: float
    look_at: float = -inf
    retry_at: float = inf
    peek_at: float = inf
    contests: Backoff = field(default_factory=Backoff)
    _away: Backoff = field(default_factory=Backoff)

    @property
    def due_at(self) -> float:
        """When the next pass is due, whatever the links say."""
        return min(self.look_at, self.retry_at)

    def note(self, outcome: Outcome, began: float, now: float, *, looked: bool) -> None:
        """Plan what follows a pass.

        Args:
            outcome: of the pass.
            began: when it began.
            now: when it ended.
            looked: whether it looked at the branch.
        """
        if looked:
            self.look_at = now + self.interval
        self.peek_at = inf
        match outcome.result:
            case Result.UNREACHABLE:
                # A host that hangs has taken its time: when it recovers, half a minute is enough.
                self.retry_at = max(now + FIRST / 2, began + self._away.fail())
            # Counted apart: after a long outage, a race is met again within a second.
            case Result.CONTESTED:
                self.retry_at = now + self.contests.fail()
            case Result.REFUSED | Result.HELD | Result.REHEARSED | Result.INVALID:
                # Permanent until something changes: the branch, a token, a hook.
                self.retry_at = now + max(self._away.fail(), self.interval)
                if waits_for_branch(outcome):
                    self.peek_again(now)
            case _:
                self._away.succeed()
                self.contests.succeed()
                self.retry_at = inf

    def peek_again(self, now: float) -> None:
        """Ask again, as often as a remote that is away is asked."""
        self.peek_at = now + LONGEST

    def moved(self) -> None:
        """The branch moved under a refusal: what was refused may be taken now."""
        self.retry_at, self.peek_at = -inf, inf


def waits_for_branch(outcome: Outcome) -> bool:
    """Whether the remote is reached and refuses, so that a commit of a person may help."""
    failed = outcome.failed
    refused = outcome.result is Result.REFUSED
    return refused and failed is not None and failed.stage not in _REACHES


class Wakeup:
    """Waiting for a deadline or a nudge, whichever comes first.

    A pipe, because a signal handler may nudge too, and must not take a lock.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def nudge(self) -> None:
        """End the wait that is under way, or the next one."""
        # A full pipe is a nudge already.
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"!")

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` (inf is for ever).

        Returns:
            Whether somebody nudged.
        """
        timeout = None if isinf(seconds) else max(0.0, seconds)
        ready, _, _ = select.select([self._reader], [], [], timeout)
        if ready:
            os.read(self._reader, 4096)
        return bool(ready)

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self._reader)
        os.close(self._writer)


class Stopwatch:
    """Observes stages (`publish.stages.Observe`) into a histogram with the label `stage`."""

    def __init__(
        self,
        histogram: Histogram,
        clock: Callable[[], float],
        moves: Callable[[], None] = lambda: None,
    ) -> None:
        """Observe nothing yet.

        Args:
            histogram: takes the seconds.
            clock: the monotonic one.
            moves: called at the begin and the end of each stage.
        """
        self._histogram, self._clock, self._moves = histogram, clock, moves
        for stage in Stage:
            # A row that begins at 0 is seen to rise by the first observation.
            histogram.labels(stage.value)

    @contextmanager
    def __call__(self, stage: Stage) -> Iterator[None]:
        """Time one stage; a failure took its time, too."""
        begin = self._clock()
        self._moves()
        try:
            yield
        finally:
            self._moves()
            self._histogram.labels(stage.value).observe(self._clock() - begin)
