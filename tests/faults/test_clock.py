"""The calendar is set back by a day: what was written stays in order, and nothing is written twice."""

from datetime import timedelta

import pytest

from gitops_prefix.daemon.outcome import Result
from tests.decide.routers_saying import FIRST
from tests.faults.house import (
    A,
    B,
    C,
    House,
    change,
    first,
    house,
    prefixes_of,
    remote_home,
    somebody_pushes,
    status_of,
    subjects,
)

DAY = 86400.0
STEPS = {"back a day": timedelta(days=-1), "back ten years": timedelta(days=-3650)}


def in_order(remote) -> bool:
    """No prefix ends before it began, nor begins before the one before it ended."""
    status = status_of(remote)
    times = [status.acquired_at]
    for past in status.history:
        times += [past.deprecated_at, past.acquired_at]
    return all(times) and times == sorted(times, reverse=True)


def a_day_of(ours: House) -> None:
    """A router that repeats itself every ten minutes."""
    for _ in range(int(DAY / 600)):
        ours.hears(ours.said[FIRST])
        ours.lives(600)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_clock_stepped_back(tmp_path, step):
    """Each renumbering is one commit, before the step and after; a day of quiet is none."""
    remote = remote_home(tmp_path)
    with house(tmp_path / "clone", remote, interval=DAY) as ours:
        ours.lives(1)
        ours.hears(A)
        ours.lives(3600)
        ours.hears(B)
        ours.lives(60)
        ours.time.set_by = step
        ours.lives(3600)
        assert subjects(remote) == [change(A, B), first(A)]
        ours.hears(C)
        ours.lives(60)
        assert in_order(remote)
        a_day_of(ours)
        assert ours.results.count(Result.PUBLISHED) == 3
    assert prefixes_of(remote) == (C, B, A)
    assert subjects(remote) == [change(B, C), change(A, B), first(A)]


def test_clock_stepped_back_during_an_outage(tmp_path):
    """What was decided under two calendars is made anew in the order in which it happened."""
    remote = remote_home(tmp_path)
    away = tmp_path / "away.git"
    with house(tmp_path / "clone", remote) as ours:
        ours.lives(1)
        ours.hears(A)
        ours.lives(3600)
        remote.rename(away)
        ours.hears(B)
        ours.lives(60)
        ours.time.set_by = STEPS["back a day"]
        ours.hears(C)
        ours.lives(60)
        away.rename(remote)
        somebody_pushes(tmp_path / "tree")
        ours.lives(600)
    assert prefixes_of(remote) == (C, B, A)
    assert in_order(remote)
    assert subjects(remote) == [change(A, C), "theirs", first(A)]


def test_clock_stepped_back_between_two_daemons(tmp_path):
    """One that lives yesterday follows the other all the same, and adds nothing."""
    remote = remote_home(tmp_path)
    with (
        house(tmp_path / "one", remote) as one,
        house(tmp_path / "other", remote) as other,
    ):
        other.time.set_by = STEPS["back a day"]
        for daemon in (one, other):
            daemon.lives(1)
        for prefix in (A, B, C):
            for daemon in (one, other):
                daemon.hears(prefix)
            one.lives(60)
            other.lives(60)
        for daemon in (one, other):
            daemon.lives(3600)
    assert prefixes_of(remote) == (C, B, A)
    assert subjects(remote) == [change(B, C), change(A, B), first(A)]
    assert in_order(remote)
