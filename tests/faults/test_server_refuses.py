"""The server will not have it until somebody acts: its words are shown, the commit waits.

Asked again at the usual look at the branch, and not more often.
"""

from pathlib import Path

import pytest

from gitops_prefix.daemon.outcome import Result, waiting_commit
from gitops_prefix.errors import Severity
from tests.faults.house import (
    A,
    B,
    C,
    House,
    change,
    first,
    hook,
    house,
    is_whole,
    prefixes_of,
    somebody_pushes,
    subjects,
)
from tests.git_servers import READ_ONLY, TOKEN
from tests.gitrepo import git

INTERVAL = 100.0
"""Shorter than the usual one: each look at the branch in it takes a connection."""
GH006 = "remote: error: GH006: Protected branch update failed for refs/heads/main."


@pytest.fixture(params=["http", "ssh"])
def forge(request):
    return request.getfixturevalue(request.param)


def refuses(ours: House, remote: Path, words: str) -> None:
    """B and then C are refused for three intervals; nothing is lost, and little is asked."""
    already = len(ours.outcomes)
    ours.hears(B)
    ours.lives(ours.interval)
    ours.hears(C)
    ours.lives(ours.interval * 2)
    later = [outcome for _, outcome in ours.outcomes[already:]]
    assert {outcome.result for outcome in later} == {Result.REFUSED}
    assert words in ours.outcome.failed.words
    assert ours.repository.unpublished == waiting_commit(ours.outcome)
    assert len(later) <= 2 + 3 + 1
    assert prefixes_of(remote) == (A,)


def comes_right(ours: House, remote: Path) -> None:
    """Somebody has acted: within one look at the branch, all of it is there, once."""
    ours.lives(ours.interval)
    assert ours.is_right
    assert prefixes_of(remote) == (C, B, A)
    assert subjects(remote) == [change(B, C), change(A, B), first(A)]
    assert is_whole(remote)


def published(ours: House) -> House:
    ours.lives(1)
    ours.hears(A)
    assert ours.lives(1).result is Result.PUBLISHED
    return ours


HOOKS = {
    "a hook": ("pre-receive", "echo 'not on Sundays, please' >&2; exit 1", "not on Sundays, please"),
    "a protected branch": ("update", f"echo '{GH006[8:]}' >&2; exit 1", GH006),
}  # fmt: skip


@pytest.mark.parametrize(("name", "text", "words"), HOOKS.values(), ids=HOOKS)
def test_declined(tmp_path, forge, name, text, words):
    with house(tmp_path / "clone", forge.url, forge.credentials, interval=INTERVAL) as ours:
        published(ours)
        declines = hook(forge.remote, name, text)
        refuses(ours, forge.remote, words)
        declines.unlink()
        comes_right(ours, forge.remote)


def test_a_branch_that_moves_under_a_refusal_is_pushed_to_at_once(tmp_path, http):
    """Until then nothing is pushed before the interval: the branch alone is asked for."""
    pushes = tmp_path / "pushes"
    with house(tmp_path / "clone", http.url, http.credentials) as ours:
        published(ours)
        declines = hook(http.remote, "pre-receive", f"echo . >> {pushes}; exit 1")
        ours.hears(B)
        assert ours.lives(ours.interval / 3).result is Result.REFUSED
        assert pushes.read_text().count(".") == 1
        declines.unlink()
        ours.lives(ours.interval / 3)
        assert not ours.is_right
        somebody_pushes(http.tree)
        ours.lives(31)
        assert ours.is_right
    assert prefixes_of(http.remote) == (B, A)


def test_a_token_that_may_only_read(tmp_path, http):
    """Another one is put in its file while we run; no restart."""
    with house(tmp_path / "clone", http.url, http.credentials, interval=INTERVAL) as ours:
        published(ours)
        (tmp_path / "token").write_text(READ_ONLY)
        object.__setattr__(http.credentials, "username", "reader")
        refuses(ours, http.remote, "403")
        object.__setattr__(http.credentials, "username", "robot")
        (tmp_path / "token").write_text(TOKEN)
        comes_right(ours, http.remote)


def test_a_token_that_expired(tmp_path, http, caplog):
    """It is not shown, and the one that takes its place is read."""
    with house(tmp_path / "clone", http.url, http.credentials, interval=INTERVAL) as ours:
        published(ours)
        (tmp_path / "token").write_text("expired-t0ken")
        refuses(ours, http.remote, "Authentication failed")
        (tmp_path / "token").write_text(TOKEN)
        comes_right(ours, http.remote)
    assert "t0ken" not in caplog.text + "".join(
        outcome.failed.words for _, outcome in ours.outcomes if outcome.failed
    )


def test_a_key_that_may_only_read(tmp_path, ssh, sshd):
    with house(tmp_path / "clone", ssh.url, ssh.credentials, interval=INTERVAL) as ours:
        published(ours)
        ssh.credentials.key.write_bytes((sshd.directory / "reader").read_bytes())
        refuses(ours, ssh.remote, "marked as read only")
        ssh.credentials.key.write_bytes((sshd.directory / "deploy").read_bytes())
        comes_right(ours, ssh.remote)


def test_another_host_key(tmp_path, ssh, sshd):
    """Somebody in the middle, or a new machine: a person looks, and mends known_hosts."""
    with house(tmp_path / "clone", ssh.url, ssh.credentials, interval=INTERVAL) as ours:
        published(ours)
        known = ssh.credentials.known_hosts
        right = known.read_text()
        stranger = (sshd.directory / "stranger.pub").read_text()
        known.write_text(f"{right.split()[0]} {stranger}")
        refuses(ours, ssh.remote, "Host key verification failed")
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in ours.outcome.failed.words
        known.write_text(right)
        comes_right(ours, ssh.remote)


def test_an_error_in_the_repository_is_refused_by_us(tmp_path, http):
    """A person's slip stops the rendering, and nothing else; mended, all is published."""
    with house(tmp_path / "clone", http.url, http.credentials) as ours:
        published(ours)
        text = git(http.remote, "show", "main:prefix.yaml")
        somebody_pushes(http.tree, "prefix.yaml", text.replace("::f000:0:0:0", "nonsense"))
        ours.lives(ours.interval)
        ours.hears(B)
        assert ours.lives(ours.interval).result is Result.INVALID
        assert next(one.severity for one in ours.outcome.problems) is Severity.ERROR
        somebody_pushes(http.tree, "prefix.yaml", text)
        ours.lives(ours.interval + 1)
        assert ours.is_right
    assert prefixes_of(http.remote) == (B, A)
