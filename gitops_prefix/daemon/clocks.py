"""The two clocks of the daemon, and moments that stay right when one is set."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_DRIFT = timedelta(seconds=2)
"""The calendar comes in whole seconds and is slewed; more than this is a step."""


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
