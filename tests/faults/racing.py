"""Daemons in threads, on the real clocks: each has its clone and its loop, and hears what a test says."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gitops_prefix.daemon.branch import BranchPublisher
from gitops_prefix.daemon.clocks import Clocks, Wakeup, utc_now
from gitops_prefix.daemon.decisions import Decisions
from gitops_prefix.daemon.loop import Loop, Pace
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.outcome import Outcome, Result
from gitops_prefix.decide.advertisement import INFINITY
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.plan.ears import Advertised
from gitops_prefix.publish.credentials import Credentials
from gitops_prefix.publish.repository import Repository
from tests.decide.routers_saying import FIRST, pio, saying
from tests.netns import until


@dataclass
class Leaps:
    """The real clocks, which leap: a prefix that changes fifty times in a minute is held."""

    seconds: float = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.seconds

    def calendar(self) -> datetime:
        return utc_now() + timedelta(seconds=self.seconds)


class Daemon:
    """A loop in a thread."""

    def __init__(
        self, clone: Path, url: str, leaps: Leaps, credentials: Credentials | None = None
    ) -> None:
        self.leaps = leaps
        self.outcomes: list[Outcome] = []
        self.repository = Repository(clone, url, "main", credentials=credentials)
        self.repository.open()
        metrics, wakeup = Metrics(), Wakeup()
        self.decisions = Decisions(metrics, leaps.monotonic, wakeup.nudge)
        self.loop = Loop(
            BranchPublisher(self.repository),
            self.decisions,
            metrics,
            wakeup=wakeup,
            pace=Pace(settle=0.0, interval=1e6),
            clocks=Clocks(leaps.monotonic, leaps.calendar),
        )
        self.thread = threading.Thread(target=self.lives)

    def lives(self) -> None:
        for outcome in self.loop.turns():
            if outcome is not None:
                self.outcomes.append(outcome)

    def hears(self, prefix: Prefix, before: Prefix | None) -> None:
        gone = [pio(before, 0, 0)] if before else []
        said = saying(pio(prefix, INFINITY, INFINITY), *gone)
        self.decisions.take(Advertised(FIRST, said, self.leaps.monotonic(), False))

    def is_right(self, prefix: Prefix) -> bool:
        """Whether its last pass found, or made, the branch say so."""
        outcome = self.outcomes[-1] if self.outcomes else None
        right = outcome and outcome.result in {Result.PUBLISHED, Result.UNCHANGED}
        status = outcome.decided.statuses.get("home-ipv6") if right else None
        return status is not None and status.current == prefix


@contextmanager
def daemons(
    tmp_path: Path, url: object, many: int, credentials: Credentials | None = None
) -> Iterator[list[Daemon]]:
    with ExitStack() as stack:
        leaps = Leaps()
        made = [
            Daemon(tmp_path / f"clone{each}", str(url), leaps, credentials) for each in range(many)
        ]
        for one in made:
            stack.callback(one.repository.close)
        for one in made:
            one.thread.start()
            stack.callback(one.thread.join)
        for one in made:
            stack.callback(one.loop.stop)
            until(lambda one=one: one.outcomes, "the first pass")
        yield made
