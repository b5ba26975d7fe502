"""The server cannot, for now: its disk is full, a lock was left, it forgets what it took."""

from itertools import pairwise

import pytest

from gitops_prefix.daemon.outcome import Result
from tests.faults.conftest import fill
from tests.faults.house import (
    A,
    B,
    change,
    first,
    hook,
    house,
    is_whole,
    subjects,
)
from tests.gitrepo import git

MINUTE = 60.0


@pytest.fixture
def ours(tmp_path, http):
    """A daemon that published A."""
    with house(tmp_path / "clone", http.url, http.credentials) as daemon:
        daemon.lives(1)
        daemon.hears(A)
        assert daemon.lives(1).result is Result.PUBLISHED
        yield daemon


@pytest.mark.parametrize(
    ("room", "reason", "words"),
    [(0, "unreachable", "hung up"), (8192, "server", "No space left on device")],
)
def test_full_disk(tmp_path, small_disk, http, httpd, room, reason, words):
    """It is a wait and no refusal; the branch is whole before and after."""
    remote = small_disk / "remote.git"
    git(tmp_path, "clone", "-q", "--bare", str(http.remote), str(remote))
    (httpd.repositories / f"{tmp_path.name}-small.git").symlink_to(remote)
    url = http.url.replace(".git", "-small.git")
    with house(tmp_path / "clone", url, http.credentials) as ours:
        ours.lives(1)
        ours.hears(A)
        ours.lives(1)
        filler = fill(small_disk, but=room)
        ours.hears(B)
        assert ours.lives(5 * MINUTE).result is Result.UNREACHABLE
        assert words in ours.outcome.failed.words
        assert ours.outcome.failed.reason == reason
        assert len(ours.tries(Result.UNREACHABLE)) > 8
        assert is_whole(remote)
        filler.unlink()
        ours.lives(MINUTE / 2)
        assert ours.is_right
    assert subjects(remote) == [change(A, B), first(A)]
    git(remote, "fsck", "--strict")


def test_a_ref_lock_that_was_left(ours, http):
    """Whoever left it is gone; somebody removes it, and the next try lands."""
    lock = http.remote / "refs" / "heads" / "main.lock"
    lock.touch()
    ours.hears(B)
    assert ours.lives(MINUTE / 2).result is Result.CONTESTED
    assert "main.lock" in ours.outcome.failed.words
    assert 4 <= len(ours.tries(Result.CONTESTED)) <= 8
    lock.unlink()
    ours.lives(MINUTE / 2)
    assert ours.is_right
    assert subjects(http.remote) == [change(A, B), first(A)]


def test_a_ref_lock_that_is_held_for_a_moment(ours, http):
    """Two pushes at once, the other one slow: ours waits a second."""
    lock = http.remote / "refs" / "heads" / "main.lock"
    lock.touch()
    hook(
        http.remote,
        "pre-receive",
        f"test -e {http.remote}/again && rm -f {lock}; touch {http.remote}/again",
    )
    ours.hears(B)
    ours.lives(3)
    assert ours.is_right
    assert subjects(http.remote) == [change(A, B), first(A)]


def test_accepted_and_not_moved(ours, http):
    """Git says ok and the branch stays: it is never called published; passes are 15 s to 30 s apart in the end."""
    start = git(http.remote, "rev-parse", "main").strip()
    back = f"unset GIT_DIR; git -C {http.remote} update-ref refs/heads/main {start}"
    forgets = hook(http.remote, "post-receive", back)
    ours.hears(B)
    ours.lives(2 * MINUTE)
    assert ours.results.count(Result.PUBLISHED) == 1
    assert ours.outcome.result is Result.CONTESTED
    assert f"the branch shows {start[:12]} after the push" in ours.outcome.failed.words
    gaps = [later - earlier for earlier, later in pairwise(ours.tries(Result.CONTESTED))]
    assert max(gaps) <= 30.0
    assert all(gap >= 15.0 for gap in gaps[-2:])
    assert ours.repository.unpublished is not None
    forgets.unlink()
    ours.lives(30)
    assert ours.is_right
    assert subjects(http.remote) == [change(A, B), first(A)]


def test_accepted_and_the_branch_is_gone(ours, http):
    """A hook takes it away after each push: refused, in words that say so."""
    hook(
        http.remote,
        "post-receive",
        f"unset GIT_DIR; git -C {http.remote} update-ref -d refs/heads/main",
    )
    ours.hears(B)
    assert ours.lives(1).result is Result.REFUSED
    assert 'no branch "main"' in ours.outcome.failed.words


TROUBLE = {
    "a rate limit": "remote: You have exceeded a secondary rate limit.",
    "maintenance": "GitLab: The repository is temporarily read-only. Please try again later.",
}


@pytest.mark.parametrize("words", TROUBLE.values(), ids=TROUBLE)
def test_not_now(ours, http, words):
    """The forge is there, and asks for patience: a wait of seconds, no refusal of minutes."""
    busy = hook(http.remote, "pre-receive", f"echo '{words}' >&2; exit 1")
    ours.hears(B)
    assert ours.lives(MINUTE).result is Result.UNREACHABLE
    assert words.removeprefix("remote: ") in ours.outcome.failed.words
    busy.unlink()
    ours.lives(MINUTE / 2)
    assert ours.is_right
    assert subjects(http.remote) == [change(A, B), first(A)]
