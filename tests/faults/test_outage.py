"""The remote is away: at the start, for an hour, in the middle of a push; or it is slow."""

from itertools import pairwise

import pytest

from gitops_prefix.daemon.outcome import Result, waiting_commit
from gitops_prefix.publish.repository import TimeLimits
from tests.faults.house import (
    A,
    B,
    C,
    change,
    first,
    house,
    is_whole,
    prefixes_of,
    somebody_pushes,
    subjects,
)
from tests.gitrepo import git

HOUR = 3600.0


def test_down_at_the_start(tmp_path, ssh):
    """With nothing cloned yet it waits, and begins when the remote comes."""
    ssh.line.down()
    with house(tmp_path / "clone", ssh.url, ssh.credentials) as ours:
        ours.hears(A)
        assert ours.lives(60).result is Result.UNREACHABLE
        ssh.line.up()
        ours.lives(30)
        # Which links to watch is in the repository: now it listens.
        ours.hears(A)
        assert ours.lives(1).result is Result.PUBLISHED
    assert prefixes_of(ssh.remote) == (A,)


def test_down_at_a_start_that_is_not_the_first(tmp_path, ssh):
    """What it knew, it knows; what it hears, it commits, and publishes later."""
    with house(tmp_path / "clone", ssh.url, ssh.credentials) as ours:
        ours.lives(1)
        ours.hears(A)
        assert ours.lives(1).result is Result.PUBLISHED
    ssh.line.down()
    with house(tmp_path / "clone", ssh.url, ssh.credentials) as ours:
        ours.lives(1)
        ours.hears(B)
        assert ours.lives(60).result is Result.UNREACHABLE
        assert waiting_commit(ours.outcome)
        ssh.line.up()
        assert ours.lives(30).result is Result.PUBLISHED
    assert subjects(ssh.remote) == [change(A, B), first(A)]


def test_down_for_an_hour(tmp_path, http):
    """Tried from each second to twice a minute, never more; half a minute after, all is there."""
    with house(tmp_path / "clone", http.url, http.credentials) as ours:
        ours.lives(1)
        ours.hears(A)
        ours.lives(1)
        http.line.down()
        ours.hears(B)
        ours.lives(HOUR / 2)
        ours.hears(C)
        ours.lives(HOUR / 2)
        waits = ours.tries(Result.UNREACHABLE)
        gaps = [later - earlier for earlier, later in pairwise(waits)]
        assert len(waits) in range(120, 200)
        assert 0.5 <= gaps[0] <= 1.0
        assert max(gaps) <= 30.0
        assert all(gap >= 15.0 for gap in gaps[-20:])
        assert ours.results.count(Result.PUBLISHED) == 1
        http.line.up()
        assert ours.lives(30).result is Result.PUBLISHED
        assert ours.lives(HOUR).result is Result.UNCHANGED
    assert prefixes_of(http.remote) == (C, B, A)
    assert subjects(http.remote) == [change(B, C), change(A, B), first(A)]


def test_after_an_outage_a_race_is_met_at_once(tmp_path, http):
    """Whoever waited long does not wait five minutes more for being second."""
    with house(tmp_path / "clone", http.url, http.credentials) as ours:
        ours.lives(1)
        http.line.down()
        ours.hears(A)
        ours.lives(HOUR / 10)
        http.line.up()
        lock = http.remote / "refs" / "heads" / "main.lock"
        lock.touch()
        end = ours.lives(30)
        assert end.result is Result.CONTESTED
        lock.unlink()
        ours.lives(30)
        assert ours.is_right


@pytest.mark.parametrize("share", [0.3, 0.7, 0.9, 0.94])
@pytest.mark.parametrize("way", ["towards", "back"])
def test_down_in_the_middle_of_a_push(tmp_path, ssh, way, share):
    """Wherever the line breaks, it is there once in the end, and it was not said before.

    The pass shares a connection, which ends with a look at the branch. Behind the answer to the
    push the line may break: it is replaced, and the push is rightly published. Where the answer
    lies depends on the padding of ssh: between 90 and 96 % of what goes towards the server.
    """
    with house(tmp_path / "clone", ssh.url, ssh.credentials) as ours:
        ours.lives(1)
        ours.hears(A)
        already = len(ssh.line.cables)
        ours.lives(1)
        length = getattr(ssh.line.cables[already], way)
        setattr(ssh.line, f"cut_{way}", int(length * share))
        ours.hears(B)
        ours.lives(0.1)
        if ours.outcome.result is Result.PUBLISHED:
            assert share >= 0.9
            assert prefixes_of(ssh.remote) == (B, A)
        else:
            assert ours.outcome.result is Result.UNREACHABLE
            assert "published" not in ours.outcome.failed.words
        ssh.line.mend()
        assert ours.lives(30).result in {Result.PUBLISHED, Result.UNCHANGED}
        assert ours.repository.unpublished is None
    assert subjects(ssh.remote) == [change(A, B), first(A)]
    assert is_whole(ssh.remote)
    git(ssh.remote, "fsck", "--strict")


def test_down_while_a_person_pushes(tmp_path, http):
    """Two of ours and one of theirs: nothing of either is lost, and ours are made anew on theirs."""
    with house(tmp_path / "clone", http.url, http.credentials) as ours:
        ours.lives(1)
        ours.hears(A)
        ours.lives(1)
        http.line.down()
        for prefix in (B, C):
            ours.hears(prefix)
            ours.lives(60)
        somebody_pushes(http.tree)
        http.line.up()
        assert ours.lives(30).result is Result.PUBLISHED
    assert prefixes_of(http.remote) == (C, B, A)
    assert subjects(http.remote) == [change(A, C), "theirs", first(A)]


def test_slow(tmp_path, http):
    """At 1 KiB a second it takes its time, and no limit of ours ends it."""
    with house(tmp_path / "clone", http.url, http.credentials) as ours:
        ours.lives(1)
        http.line.rate = 1024
        ours.hears(A)
        ours.lives(1)
        assert ours.tries(Result.PUBLISHED) == [1.0]
    assert prefixes_of(http.remote) == (A,)


def test_a_line_on_which_little_moves(tmp_path, ssh):
    """Ends in the time that was given; the commit waits."""
    with house(tmp_path / "clone", ssh.url, ssh.credentials) as ours:
        ours.lives(1)
    ssh.line.rate = 100
    limits = TimeLimits(ask=1.0, fetch=1.0, push=1.0)
    with house(tmp_path / "clone", ssh.url, ssh.credentials, limits=limits) as ours:
        # Its first pass, in which it reads what to listen for; and another.
        ours.lives(0)
        ours.hears(A)
        assert ours.lives(1).result is Result.UNREACHABLE
        assert "no answer within 1 s" in ours.outcome.failed.words
    ssh.line.mend()
    with house(tmp_path / "clone", ssh.url, ssh.credentials) as ours:
        assert ours.lives(30).result is Result.PUBLISHED
