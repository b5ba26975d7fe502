"""Several daemons on one repository: each renumbering is one commit, whoever makes it.

Each has its clone, its loop in a thread of its own, and the real clocks; all hear the
same router, a little apart.
"""

import random
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gitops_prefix.daemon.branch import BranchPublisher
from gitops_prefix.daemon.clocks import Clocks, Wakeup, utc_now
from gitops_prefix.daemon.decisions import Decisions
from gitops_prefix.daemon.loop import Loop, Pace
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.outcome import Outcome, Result
from gitops_prefix.decide.advertisement import INFINITY
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.plan.ears import Advertised
from gitops_prefix.publish.repository import Repository
from tests.decide.routers_saying import FIRST, pio, saying
from tests.faults.house import (
    change,
    first,
    is_whole,
    prefixes_of,
    remote_home,
    somebody_pushes,
    status_of,
    subjects,
)
from tests.faults.victim import numbered
from tests.gitrepo import git
from tests.netns import until

RENUMBERINGS = 50


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

    def __init__(self, clone: Path, remote: Path, leaps: Leaps) -> None:
        self.leaps = leaps
        self.outcomes: list[Outcome] = []
        self.repository = Repository(clone, str(remote), "main")
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
def daemons(tmp_path: Path, remote: Path, many: int) -> Iterator[list[Daemon]]:
    with ExitStack() as stack:
        leaps = Leaps()
        made = [Daemon(tmp_path / f"clone{number}", remote, leaps) for number in range(many)]
        for one in made:
            stack.callback(one.repository.close)
        for one in made:
            one.thread.start()
            stack.callback(one.thread.join)
        for one in made:
            stack.callback(one.loop.stop)
            until(lambda one=one: one.outcomes, "the first pass")
        yield made


@pytest.mark.parametrize("many", [2, 5])
def test_renumbered_fifty_times(tmp_path, many):
    """As many commits as changes, in their order, though all of them race for each."""
    remote = remote_home(tmp_path)
    chance = random.Random(many)
    with daemons(tmp_path, remote, many) as house:
        before = None
        for number in range(RENUMBERINGS):
            prefix = numbered(number)
            chance.shuffle(house)
            house[0].leaps.seconds += 3600
            for one in house:
                one.hears(prefix, before)
            for one in house:
                until(lambda one=one, p=prefix: one.is_right(p), f"{prefix} everywhere", 60)
            before = prefix
        outcomes = [outcome for one in house for outcome in one.outcomes]
        assert all(one.repository.unpublished is None for one in house)
    steps = [change(numbered(n), numbered(n + 1)) for n in reversed(range(RENUMBERINGS - 1))]
    assert subjects(remote) == [*steps, first(numbered(0))]
    commits = git(remote, "log", "--format=%H", "main").split()
    assert [
        commit for commit in commits[:: RENUMBERINGS // 5] if not is_whole(remote, commit)
    ] == []
    # Nobody runs after the branch for ever: a pass for each change, and one more at most.
    assert len(outcomes) <= many * (2 * RENUMBERINGS + 5)


def test_nobody_waits_for_anybody(tmp_path):
    """Renumbered faster than they publish, while a person pushes: the last prefix wins, all else stays."""
    remote = remote_home(tmp_path)
    chance = random.Random(20261124)
    with daemons(tmp_path, remote, 5) as house:
        for number in range(10):
            for one in house:
                one.hears(numbered(number), numbered(number - 1) if number else None)
            if number % 3 == 2:
                _pushes(tmp_path / "tree", f"theirs{number}.txt")
            time.sleep(chance.uniform(0, 0.3))
        for one in house:
            until(lambda one=one: one.is_right(numbered(9)), "the last prefix everywhere", 120)
    told = subjects(remote)
    assert told.count("theirs") == 3
    ours = [subject for subject in told if subject != "theirs"]
    assert len(ours) == len(set(ours)) <= 10
    assert prefixes_of(remote)[0] == numbered(9)
    times = status_of(remote)
    assert times.acquired_at >= times.history[0].acquired_at
    assert is_whole(remote)


def _pushes(tree: Path, name: str) -> None:
    """A person, who tries again when somebody else was first."""
    for _ in range(20):
        with suppress(subprocess.CalledProcessError):
            somebody_pushes(tree, name)
            return
    raise AssertionError("a person's push never landed")
