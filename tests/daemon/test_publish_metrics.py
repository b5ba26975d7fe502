"""What real git makes of real trouble, counted: where and why, how long, since when."""

import shutil
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gitops_prefix.daemon.outcome import Result
from gitops_prefix.daemon.page import render_page
from gitops_prefix.daemon.report import report
from gitops_prefix.publish.credentials import Token
from gitops_prefix.publish.failure import Reason
from gitops_prefix.publish.repository import TimeLimits
from gitops_prefix.publish.signing import SshSigning
from gitops_prefix.publish.stages import Stage
from tests.daemon.house import A, B, at_home
from tests.git_servers import TOKEN, USER, free_port, listener, new_key, ssh_server, web_server
from tests.gitrepo import example, git
from tests.parts import require


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return example("plain", tmp_path)


def hook(remote: Path, name: str, text: str) -> None:
    path = remote / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def declines(remote: Path) -> None:
    hook(remote, "pre-receive", "echo only on weekdays >&2; exit 1")


def protects(remote: Path) -> None:
    hook(remote, "update", "echo GH006: Protected branch update failed for $1. >&2; exit 1")


def has_no_room(remote: Path) -> None:
    """As on a full disk, unpacking fails at the server."""
    git(remote, "config", "receive.maxInputSize", "1")


def is_checked_out(remote: Path) -> None:
    git(remote, "config", "core.bare", "false")
    git(remote, "config", "core.worktree", str(remote.parent / "elsewhere"))
    (remote.parent / "elsewhere").mkdir()


def puts_the_branch_back(remote: Path) -> None:
    start = git(remote, "rev-parse", "main").strip()
    hook(
        remote, "post-receive", f"unset GIT_DIR; git -C {remote} update-ref refs/heads/main {start}"
    )


def loses_the_branch_after_the_push(remote: Path) -> None:
    hook(remote, "post-receive", f"unset GIT_DIR; git -C {remote} update-ref -d refs/heads/main")


@pytest.mark.parametrize(
    ("trouble", "stage", "reason"),
    [
        (declines, Stage.PUSH, Reason.HOOK),
        (protects, Stage.PUSH, Reason.PROTECTED),
        (has_no_room, Stage.PUSH, Reason.SERVER),
        (is_checked_out, Stage.PUSH, Reason.REFUSED),
        (puts_the_branch_back, Stage.CONFIRM, Reason.CONTESTED),
        (loses_the_branch_after_the_push, Stage.CONFIRM, Reason.MISSING),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_a_server_that_does_not_take_it(tmp_path, remote, trouble, stage, reason):
    """One row of failures, and a change that waits; nothing is called published."""
    trouble(remote)
    with at_home(tmp_path / "clone", remote) as home:
        home.looks()
        home.hears(A)
        assert home.failures() == {(stage, reason): 1}
        home.waits(60)
        seen = home.scrape()
        assert seen["pending_change_age_seconds",] == 60
        assert seen["publish_duration_seconds_count", "whole"] == 0


def is_gone(remote: Path) -> None:
    remote.rename(remote.parent / "away.git")


def lost_its_branch(remote: Path) -> None:
    git(remote, "branch", "-m", "main", "trunk")


@pytest.mark.parametrize("trouble", [is_gone, lost_its_branch], ids=lambda one: one.__name__)
def test_a_remote_that_has_it_no_more(tmp_path, remote, trouble):
    with at_home(tmp_path / "clone", remote) as home:
        home.looks()
        trouble(remote)
        home.looks()
        assert home.failures() == {(Stage.LOOK, Reason.MISSING): 1}
        assert home.scrape()["pending_change_age_seconds",] == 0


def test_a_repository_with_errors(tmp_path, remote):
    """A prefix that is decided and cannot be written waits, too."""
    tree = tmp_path / "tree"
    prefix = next(tree.rglob("prefix.yaml"))
    with at_home(tmp_path / "clone", remote) as home:
        home.looks()
        (tree / "again.yaml").write_text(prefix.read_text())
        git(tree, "add", ".")
        git(tree, "commit", "-qm", "a slip")
        git(tree, "push", "-q", "origin", "main")
        assert home.looks().result is Result.INVALID
        assert home.failures() == {(Stage.RENDER, Reason.INVALID): 1}
        assert home.scrape()["pending_change_age_seconds",] == 0
        home.hears(A)
        home.waits(60)
        assert home.scrape()["pending_change_age_seconds",] == 60


def test_a_clone_that_is_damaged_is_our_own_trouble(tmp_path, remote):
    clone = tmp_path / "clone"
    with at_home(clone, remote) as home:
        home.looks()
        shutil.rmtree(clone / "repository.git" / "objects")
        home.hears(A)
        assert [reason for _, reason in home.failures()] == [Reason.LOCAL]
        assert home.looks().result is Result.PUBLISHED
        assert home.scrape()["pending_change_age_seconds",] == 0


def test_a_key_for_signing_that_is_gone(tmp_path, remote):
    require("ssh")
    key = tmp_path / "signing"
    new_key(key)
    with at_home(tmp_path / "clone", remote, signing=SshSigning(key)) as home:
        home.looks()
        key.unlink()
        home.hears(A)
        assert home.failures() == {(Stage.COMMIT, Reason.SIGNING): 1}


def test_over_ssh(tmp_path, remote):
    """Keys that the server does not know, or knows and does not trust; a host that is another."""
    with ssh_server(tmp_path / "sshd") as server:
        url, credentials = server.url(remote), server.credentials
        stranger = type(credentials)(server.directory / "stranger", credentials.known_hosts)
        reader = type(credentials)(server.directory / "reader", credentials.known_hosts)
        other = tmp_path / "other_hosts"
        other.write_text(f"[127.0.0.1]:{server.port} {new_key(tmp_path / 'other')}")
        changed = type(credentials)(credentials.key, other)
        for who, expected in (
            (stranger, (Stage.LOOK, Reason.AUTHENTICATION)),
            (changed, (Stage.LOOK, Reason.IDENTITY)),
            (reader, (Stage.PUSH, Reason.AUTHENTICATION)),
        ):
            with at_home(tmp_path / expected[0] / expected[1], url, credentials=who) as home:
                home.looks()
                home.hears(A)
                assert set(home.failures()) == {expected}


def test_over_http(tmp_path, remote):
    """A wrong token, and a server that is too busy to answer."""
    with web_server(tmp_path / "httpd", tls=False) as server:
        (server.repositories / "home.git").symlink_to(remote)
        for token, path, expected in (
            ("wrong", "home.git", {(Stage.LOOK, Reason.AUTHENTICATION): 1}),
            (TOKEN, "busy/home.git", {(Stage.LOOK, Reason.SERVER): 1}),
            (TOKEN, "home.git", {}),
        ):
            credentials = Token(lambda token=token: token, USER)
            clone = tmp_path / f"{token}-{path[:4]}"
            with at_home(clone, f"{server.url}/{path}", credentials=credentials) as home:
                home.looks()
                assert home.failures() == expected


def test_a_server_that_is_not_there_or_says_nothing(tmp_path):
    # A machine that is busy needs more than a second to start git.
    patient, impatient = TimeLimits(), TimeLimits(ask=1)
    with listener() as silent:
        for url, reason, limits in (
            (f"http://127.0.0.1:{free_port()}/home.git", Reason.UNREACHABLE, patient),
            # No resolver has to be asked about an empty label.
            ("http://no..name/home.git", Reason.DNS, patient),
            (f"http://127.0.0.1:{silent.getsockname()[1]}/home.git", Reason.TIMEOUT, impatient),
        ):
            with at_home(tmp_path / reason, url, limits=limits) as home:
                home.looks()
                assert home.failures() == {(Stage.LOOK, reason): 1}


def test_every_stage_of_a_publication_is_timed(tmp_path, remote):
    """Each once, by the monotonic clock; a look at a quiet branch is a look and no more."""
    with at_home(tmp_path / "clone", remote) as home:
        home.looks()
        home.hears(A)
        counted = home.timed()
        once = dict.fromkeys(("look", "fetch", "read", "commit", "push", "confirm", "whole"), 1)
        assert counted == dict.fromkeys(Stage, 0) | once | {"render": 2}
        home.looks()
        assert home.timed() == counted | {"look": 2}


def test_an_outage_is_as_long_as_it_lasts(tmp_path, remote):
    """From the first commit that waits, through others and a clock that is set, to the end."""
    with at_home(tmp_path / "clone", remote) as home:
        home.looks()
        away = remote.rename(tmp_path / "away.git")
        home.hears(A)
        home.waits(600)
        home.hears(B)
        home.time.set_by = timedelta(days=-365)
        home.waits(600)
        assert home.scrape()["pending_change_age_seconds",] == 1201
        away.rename(remote)
        assert home.looks().result is Result.PUBLISHED
        seen = home.scrape()
        assert seen["pending_change_age_seconds",] == seen["pending_since_timestamp_seconds",] == 0
        assert seen["last_success_timestamp_seconds",] == home.time.calendar().timestamp()


def test_what_a_daemon_before_us_left_waits_since_then(tmp_path, remote):
    """An alert for ten minutes is not put off by a pod that is killed every five."""
    clone = tmp_path / "clone"
    with at_home(clone, remote) as home:
        home.looks()
        away = remote.rename(tmp_path / "away.git")
        home.hears(A)
        home.waits(120)
        home.hears(B)
        time = home.time
    with at_home(clone, remote, time) as home:
        home.passes()
        assert home.scrape()["pending_change_age_seconds",] == 121
        home.waits(60)
        assert home.scrape()["pending_change_age_seconds",] == 181
    with at_home(clone, remote) as home:
        # A clock that is behind what it once said makes nothing older.
        home.passes()
        assert home.scrape()["pending_change_age_seconds",] == 0
        away.rename(remote)
        assert home.looks().result is Result.PUBLISHED
        assert home.scrape()["pending_change_age_seconds",] == 0


def test_a_change_waits_from_its_first_second_also_while_a_pass_hangs(tmp_path, remote):
    """The remote does not answer, and the prefix changes; page, status and metrics know."""
    seen = {}
    with at_home(tmp_path / "clone", remote) as home:
        home.looks()
        home.hears(A)
        observe = home.repository.stages.observe

        @contextmanager
        def hangs(stage: Stage):
            if stage is Stage.LOOK and not seen:
                home.waits(5)
                seen["before"] = home.scrape()
                home.announces(B)
                home.waits(7)
                seen["since"] = home.scrape()
                snapshot = report("/x", "main", home.loop.progress, {}, home.time.clocks)
                seen["status"] = snapshot.document()["publication"]
                seen["page"] = render_page(snapshot).decode()
            with observe(stage):
                yield

        home.repository.stages.observe = hangs
        home.looks()
        assert seen["before"]["pending_change_age_seconds",] == 0
        assert seen["before"]["pass_age_seconds",] == 5
        assert seen["since"]["pending_change_age_seconds",] == 7
        assert seen["since"]["pass_age_seconds",] == 12
        status = seen["status"]
        assert (status["pass_seconds"], status["pass_stage"]) == (12.0, "look")
        assert status["pending_seconds"] == 7
        assert "waits since" in seen["page"]
        assert "look, for <span data-age=12>12s" in seen["page"]
        after = home.scrape()
        assert after["pending_change_age_seconds",] == after["pass_age_seconds",] == 0
