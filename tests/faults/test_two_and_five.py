"""Several daemons on one repository: each renumbering is one commit, whoever makes it.

Each has its clone, its loop in a thread of its own, and the real clocks; all hear the
same router, a little apart.
"""

import os
import random
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

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
from tests.faults.racing import daemons
from tests.faults.victim import numbered
from tests.gitrepo import git
from tests.netns import until

AT_ONCE = 0.02
"""Seconds. Who hears of a change so much later may look at the branch in between, and undo it once."""
# `make soak` renumbers oftener.
RENUMBERINGS = 100 if os.environ.get("SOAK") else 15


@pytest.mark.parametrize("many", [2, 5])
def test_renumbered_again_and_again(tmp_path, many):
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
                until(lambda one=one, p=prefix: one.is_right(p), f"{prefix} everywhere")
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
    chance, apart = random.Random(20261124), 0.0
    with daemons(tmp_path, remote, 5) as house:
        for number in range(10):
            began = time.monotonic()
            for one in house:
                one.hears(numbered(number), numbered(number - 1) if number else None)
            apart = max(apart, time.monotonic() - began)
            if number % 3 == 2:
                _pushes(tmp_path / "tree", f"theirs{number}.txt")
            time.sleep(chance.uniform(0, 0.3))
        for one in house:
            until(lambda one=one: one.is_right(numbered(9)), "the last prefix everywhere", 120)
    told = subjects(remote)
    assert told.count("theirs") == 3
    ours = [subject for subject in told if subject != "theirs"]
    # Who hears late may undo a change once.
    assert len(ours) <= (10 if apart < AT_ONCE else 20)
    if apart < AT_ONCE:
        assert len(ours) == len(set(ours))
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
