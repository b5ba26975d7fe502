"""What publishing came to so far: the last outcome, and since when something waits.

A value that the loop replaces after each pass; `/metrics`, `/status` and the page
read it from other threads, at the moment they are asked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from gitops_prefix.daemon.clocks import Clocks, Moment
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.publication import Outcome, Result
from gitops_prefix.render.inventory import Described

RIGHT = frozenset({Result.PUBLISHED, Result.UNCHANGED, Result.FOLLOWING})
"""Nothing is left to do, for us."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What publishing came to.

    Attributes:
        outcome: of the last pass.
        pending_since: since when a change is not on the branch; None when none waits.
        succeeded: when a pass last found or made the branch right.
        failures: passes in a row that failed.
        next_try_at: by the monotonic clock; inf when nothing is to be tried again.
        described: every DynamicPrefix, as it was last read.
    """

    outcome: Outcome | None = None
    pending_since: Moment | None = None
    succeeded: Moment | None = None
    failures: int = 0
    next_try_at: float = inf
    described: tuple[Described, ...] = ()

    def after(
        self, outcome: Outcome, now: Moment, *, waiting: Moment | None, next_try_at: float
    ) -> "Progress":
        """The progress after one more pass.

        Args:
            outcome: what it came to.
            now: when it ended.
            waiting: since when a change waits, if it failed and one does; what waited
                before, waits since then.
            next_try_at: by the monotonic clock.
        """
        described = outcome.described or self.described
        if outcome.result in RIGHT:
            return Progress(outcome, succeeded=now, described=described)
        since = (self.pending_since or waiting) if waiting else None
        failures = self.failures + 1
        return Progress(outcome, since, self.succeeded, failures, next_try_at, described)


def show_progress(metrics: Metrics, clocks: Clocks, latest: Callable[[], Progress]) -> None:
    """Let the metrics tell it as it is when they are read, also while nothing happens."""

    def date(moment: Moment | None) -> float:
        return clocks.date(moment).timestamp() if moment else 0.0

    def age() -> float:
        since = latest().pending_since
        return clocks.age(since) if since else 0.0

    metrics.pending_age.set_function(age)
    metrics.pending_since.set_function(lambda: date(latest().pending_since))
    metrics.last_success.set_function(lambda: date(latest().succeeded))
