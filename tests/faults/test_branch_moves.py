"""The branch is somebody else's, too: it moves, is rewritten, put back, removed, and comes back."""

from itertools import pairwise

import pytest

from gitops_prefix.daemon.outcome import Result
from tests.faults.house import (
    A,
    B,
    C,
    D,
    change,
    first,
    hook,
    house,
    is_whole,
    prefixes_of,
    somebody_pushes,
    subjects,
)
from tests.gitrepo import git

POOL = "network/pool.yaml"


@pytest.fixture
def ours(tmp_path, http):
    """A daemon that published A, then B, and saw nobody else's commits."""
    with house(tmp_path / "clone", http.url, http.credentials) as daemon:
        daemon.lives(1)
        for prefix in (A, B):
            daemon.hears(prefix)
            assert daemon.lives(1).result is Result.PUBLISHED
        yield daemon


def rewrites(forge, *words: str) -> None:
    """A person changes the branch by force."""
    git(forge.tree, "fetch", "-q", "origin", "main")
    git(forge.tree, "reset", "-q", "--hard", "FETCH_HEAD")
    git(forge.tree, *words)
    git(forge.tree, "push", "-qf", "origin", "HEAD:main")


def test_moved_by_a_person_who_edits_the_same_pool(ours, http):
    """What they changed beside our fields stays, what they changed in them is rendered again."""
    pool = git(http.remote, "show", f"main:{POOL}")
    theirs = pool.replace("  name: home", "  name: home\n  labels: {theirs: yes}")
    theirs = "".join(line for line in theirs.splitlines(keepends=True) if ":aaaa:" not in line)
    somebody_pushes(http.tree, POOL, theirs)
    ours.hears(C)
    assert ours.lives(1).result is Result.PUBLISHED
    after = git(http.remote, "show", f"main:{POOL}")
    assert "labels: {theirs: yes}" in after
    assert "192.168.42.0/24  # ours since 2021" in after
    assert is_whole(http.remote)
    assert prefixes_of(http.remote) == (C, B, A)
    assert subjects(http.remote)[:2] == [change(B, C), "theirs"]


def test_moved_by_another_daemon_with_the_same_news(ours, http, tmp_path):
    """The loser of the race drops its commit, and finds nothing left to change."""
    with house(tmp_path / "other", http.url, http.credentials) as other:
        other.lives(1)
        other.hears(C)
        # It does not know yet who else is on the link, and gives them a few seconds.
        assert other.lives(30).result is Result.PUBLISHED
        ours.hears(C)
        assert ours.lives(0.1).result is Result.UNCHANGED
    assert ours.repository.unpublished is None
    assert subjects(http.remote) == [change(B, C), change(A, B), first(A)]


def test_moved_at_every_look(ours, http):
    """Somebody pushes each time we do: it is tried again and again, at most 30 s later."""
    on_top = f"""unset GIT_DIR GIT_QUARANTINE_PATH
tip=$(git -C {http.remote} rev-parse main)
new=$(git -C {http.remote} -c user.name=t -c user.email=t@t commit-tree -m busy -p $tip $tip^{{tree}})
git -C {http.remote} update-ref refs/heads/main $new"""
    busy = hook(http.remote, "pre-receive", on_top)
    ours.hears(C)
    ours.lives(70)
    tries = ours.tries(Result.CONTESTED)
    assert len(tries) > 5
    assert max(after - at for at, after in pairwise(tries)) <= 31
    assert ours.results.count(Result.PUBLISHED) == 2
    busy.unlink()
    ours.lives(31)
    assert ours.is_right
    assert prefixes_of(http.remote) == (C, B, A)
    assert subjects(http.remote).count(change(B, C)) == 1


def test_force_pushed_to_another_history(ours, http):
    """It is followed; our change is there once more if it is needed, and once only."""
    rewrites(http, "commit", "-q", "--amend", "-m", "rewritten")
    assert ours.lives(300).result is Result.UNCHANGED
    ours.hears(C)
    assert ours.lives(1).result is Result.PUBLISHED
    assert subjects(http.remote) == [change(B, C), "rewritten", first(A)]


def test_put_back_before_our_commit(ours, http):
    """A person takes our change back, and the link still says so: it is made again."""
    rewrites(http, "reset", "-q", "--hard", "HEAD~1")
    ours.lives(300)
    assert ours.is_right
    assert prefixes_of(http.remote) == (B, A)
    assert subjects(http.remote) == [change(A, B), first(A)]


def test_what_was_put_back_under_a_commit_that_waits_stays_away(ours, http):
    """Our commit stands on theirs, which they take away: a push would bring it back."""
    somebody_pushes(http.tree, "slip.txt", "a slip\n")
    closed = hook(http.remote, "pre-receive", "echo closed >&2; exit 1")
    ours.hears(C)
    # The branch has moved meanwhile, and is fetched with its history.
    assert ours.lives(1).result is Result.REFUSED
    ours.lives(300)
    closed.unlink()
    rewrites(http, "reset", "-q", "--hard", "HEAD~1")
    ours.lives(300)
    assert ours.is_right
    assert subjects(http.remote) == [change(B, C), change(A, B), first(A)]
    assert "slip.txt" not in git(http.remote, "ls-tree", "--name-only", "main")


def test_history_cut_to_one_commit(ours, http):
    """An orphan branch in place of ours: what the files say counts."""
    tree = git(http.remote, "rev-parse", "main^{tree}").strip()
    fresh = git(http.remote, "commit-tree", "-m", "fresh", tree).strip()
    git(http.remote, "update-ref", "refs/heads/main", fresh)
    ours.hears(C)
    ours.lives(300)
    assert ours.is_right
    assert subjects(http.remote) == [change(B, C)]
    assert prefixes_of(http.remote) == (C, B, A)


def test_deleted_and_coming_back(ours, http):
    """Nobody makes it anew but its owner; what was decided meanwhile waits for it."""
    tip = git(http.remote, "rev-parse", "main").strip()
    git(http.remote, "update-ref", "-d", "refs/heads/main")
    ours.hears(C)
    assert ours.lives(1).result is Result.REFUSED
    ours.hears(D)
    ours.lives(900)
    assert ours.outcome.result is Result.REFUSED
    assert 'no branch "main"' in ours.outcome.failed.words
    assert git(http.remote, "for-each-ref") == ""
    git(http.remote, "update-ref", "refs/heads/main", tip)
    ours.lives(300)
    assert ours.is_right
    assert prefixes_of(http.remote) == (D, C, B)
    assert subjects(http.remote) == [change(C, D), change(B, C), change(A, B), first(A)]


def test_gone_since_we_looked(ours, http):
    """A pass that did not look first must not make it, nor say that it published."""
    tip = git(http.remote, "rev-parse", "main").strip()
    # Where another branch has the same history, a server would take ours.
    git(http.remote, "branch", "-m", "main", "renamed")
    ours.hears(C)
    ours.lives(1)
    assert git(http.remote, "branch", "--format=%(refname:short)").split() == ["renamed"]
    assert ours.outcome.result is Result.REFUSED
    assert 'no branch "main"' in ours.outcome.failed.words
    git(http.remote, "update-ref", "refs/heads/main", tip)
    ours.lives(300)
    assert ours.is_right
    assert prefixes_of(http.remote) == (C, B, A)


def test_put_back_since_we_looked(ours, http):
    """Our commit would be no more than a fast-forward, and bring back what was taken away."""
    git(http.remote, "update-ref", "refs/heads/main", "main^")
    ours.hears(C)
    ours.lives(1)
    assert ours.is_right
    assert subjects(http.remote) == [change(A, C), first(A)]
    assert prefixes_of(http.remote) == (C, B, A), "B was in use, whoever took its commit away"


def test_deleted_while_we_were_not_there(ours, http, tmp_path):
    """A start that finds no branch, though it knew one, waits for it too."""
    tip = git(http.remote, "rev-parse", "main").strip()
    ours.repository.close()
    git(http.remote, "update-ref", "-d", "refs/heads/main")
    with house(tmp_path / "clone", http.url, http.credentials) as again:
        assert again.lives(1).result is Result.REFUSED
        again.hears(C)
        again.lives(1)
        git(http.remote, "update-ref", "refs/heads/main", tip)
        again.lives(600)
        assert again.is_right
    assert prefixes_of(http.remote) == (C, B, A)
