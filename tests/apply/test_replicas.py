"""Two daemons on one repository and one API server: each change is one commit."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.branch import bare_repository
from tests.dynamic_prefix import dynamic_prefix
from tests.gitrepo import git
from tests.netns import until

PREFIX = dynamic_prefix('static: {prefix: "2001:db8:%d::/64"}')
LEASE = ["--leader-elect", "--lease-duration=6s", "--renew-deadline=4s", "--retry-period=0.2s"]


class Daemon:
    """`run` in a process of its own, whose commits have its name."""

    def __init__(
        self, name: str, directory: Path, remote: Path, *options: str, stderr: int | None = None
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        words = [sys.executable, "-m", "gitops_prefix", "run", f"--repo={remote}"]
        words += [f"--clone-dir={directory / name}", f"--author-name={name}", "--interval=1s"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*words, *options], stderr=log if stderr is None else stderr, cwd=directory
            )

    def says(self, words: str) -> bool:
        return words in self.log.read_text()


@contextmanager
def running(name: str, *words: object, **streams: int) -> Iterator[Daemon]:
    daemon = Daemon(name, *words, **streams)
    try:
        yield daemon
    finally:
        daemon.process.kill()
        daemon.process.wait()


@contextmanager
def daemons(directory: Path, remote: Path, *options: str) -> Iterator[tuple[Daemon, Daemon]]:
    with ExitStack() as stack:
        start = stack.enter_context
        one = start(running("one", directory, remote, *options))
        yield one, start(running("two", directory, remote, *options))


def renumber(directory: Path, remote: Path, number: int) -> None:
    """A person writes another static prefix."""
    tree = directory / "person"
    if not tree.exists():
        git(directory, "clone", "-q", str(remote), str(tree))
    git(tree, "pull", "-q", "--rebase")
    path = tree / "prefix.yaml"
    head, _, status = path.read_text().partition("status:")
    old = head.split('prefix: "')[1].split('"')[0]
    path.write_text(
        head.replace(old, f"2001:db8:{number}::/64") + (f"status:{status}" if status else "")
    )
    git(
        tree, "-c", "user.name=person", "-c", "user.email=p@localhost", "commit", "-qam", "renumber"
    )
    push = ["git", "-C", tree, "push", "-q"]
    while "rejected" in subprocess.run(push, check=False, capture_output=True, text=True).stderr:
        # A daemon was quicker. It changes the status, which no line of ours is beside.
        git(tree, "pull", "-q", "--rebase")


PATIENCE = 3.0
"""Seconds that a daemon takes for its Lease at its end; then it leaves all the same."""


def authors(remote: Path) -> list[str]:
    """Of the commits, newest first."""
    return git(remote, "log", "--format=%an", "main").splitlines()


@pytest.fixture
def remote(tmp_path):
    return bare_repository(tmp_path, {"prefix.yaml": (PREFIX % 1).encode()})


def test_the_leader_publishes_and_the_other_takes_over_when_it_is_killed(
    cluster, namespace, tmp_path, remote
):
    options = [
        *LEASE,
        f"--lease-namespace={namespace}",
        f"--kubeconfig={cluster.kubeconfig('admin')}",
    ]
    with daemons(tmp_path, remote, *options) as both:
        until(lambda: any(one.says("we lead") for one in both), "a leader")
        leader, follower = sorted(both, key=lambda one: not one.says("we lead"))
        until(lambda: authors(remote)[0] == leader.name, "the leader's commit")
        renumber(tmp_path, remote, 2)
        until(lambda: follower.says("we do not lead"), "the follower that waits")
        until(lambda: authors(remote)[0] == leader.name, "the second commit")
        leader.process.kill()
        renumber(tmp_path, remote, 3)
        until(lambda: authors(remote)[0] == follower.name, "the follower's commit")
        assert authors(remote)[:5] == [follower.name, "person", leader.name, "person", leader.name]
        began = time.monotonic()
        follower.process.send_signal(signal.SIGTERM)
        assert follower.process.wait(120) == 0
        took = time.monotonic() - began
    # Killed by SIGKILL, the first gave nothing up; the second did, if the server was in time.
    holder = cluster.get("lease", "gitops-prefix", namespace)["spec"]["holderIdentity"]
    assert holder == "" or took >= PATIENCE
    assert "2001:db8:3::/64" in git(remote, "show", "main:prefix.yaml")


def test_a_leader_that_is_stopped_loses_the_lead(cluster, namespace, tmp_path, remote):
    """SIGSTOP of the daemon alone: its child could still renew, and is not asked to."""
    options = [
        *LEASE,
        f"--lease-namespace={namespace}",
        f"--kubeconfig={cluster.kubeconfig('admin')}",
    ]
    with daemons(tmp_path, remote, *options) as both:
        until(lambda: any(one.says("we lead") for one in both), "a leader")
        leader, follower = sorted(both, key=lambda daemon: not daemon.says("we lead"))
        until(lambda: authors(remote)[0] == leader.name, "the leader's commit")
        leader.process.send_signal(signal.SIGSTOP)
        renumber(tmp_path, remote, 2)
        until(lambda: authors(remote)[0] == follower.name, "the follower's commit")
        renumber(tmp_path, remote, 3)
        until(lambda: authors(remote)[0] == follower.name, "the next one")
        leader.process.send_signal(signal.SIGCONT)
        until(lambda: leader.says("leads"), "that it learns of it")
        assert authors(remote).count(leader.name) == 1


def test_who_cannot_reach_the_api_server_publishes_nothing(tmp_path, remote):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("{}")
    with daemons(tmp_path, remote, *LEASE, f"--kubeconfig={kubeconfig}") as both:
        for daemon in both:
            until(lambda one=daemon: one.says("we do not lead"), "the wait")
            until(lambda one=daemon: one.says("Lease: "), "the reason")
        assert len(authors(remote)) == 1


def test_without_a_lease_they_converge(tmp_path, remote):
    """Both see each change; one commit each, whoever was first."""
    with daemons(tmp_path, remote):
        until(lambda: len(authors(remote)) == 2, "the first commit")
        for number in range(2, 6):
            renumber(tmp_path, remote, number)
            until(lambda n=number: len(authors(remote)) == 2 * n, "the next commit")
    assert authors(remote).count("person") == 4
    status = git(remote, "show", "main:prefix.yaml").partition("status:")[2]
    assert 'currentPrefix: "2001:db8:5::/64"' in status
    assert status.count('prefix: "2001:db8:4::/64"') == status.count('"2001:db8:3::/64"') == 1


def test_a_leader_whose_loop_hangs_loses_the_lead(cluster, namespace, tmp_path, remote):
    """Nobody reads its log, so it waits for ever in a write; its other threads go on."""
    options = [
        *LEASE,
        f"--lease-namespace={namespace}",
        f"--kubeconfig={cluster.kubeconfig('admin')}",
    ]
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with ExitStack() as stack:
        stack.callback(os.close, reader)
        leader = stack.enter_context(
            running("one", tmp_path, remote, *options, "--verbose", stderr=writer)
        )
        os.close(writer)
        said = b""
        while b"we lead" not in said:
            chunk = os.read(reader, 512)
            assert chunk, said
            said += chunk
        follower = stack.enter_context(running("two", tmp_path, remote, *options))
        until(lambda: follower.says("leads"), "the follower")
        renumber(tmp_path, remote, 2)
        until(lambda: follower.says("we lead"), "the follower's lead")
        renumber(tmp_path, remote, 3)
        until(lambda: authors(remote)[0] == follower.name, "the follower's commit")
        assert leader.process.poll() is None


def test_a_leader_that_alone_does_not_reach_the_remote_gives_the_lead_up(
    cluster, namespace, tmp_path, remote
):
    options = [
        *LEASE,
        f"--lease-namespace={namespace}",
        f"--kubeconfig={cluster.kubeconfig('admin')}",
    ]
    way = tmp_path / "way.git"
    way.symlink_to(remote)
    with running("one", tmp_path, way, *options) as leader:
        until(lambda: authors(remote)[0] == leader.name, "the leader's commit")
        with running("two", tmp_path, remote, *options) as follower:
            until(lambda: follower.says("leads"), "the follower")
            way.unlink()
            renumber(tmp_path, remote, 2)
            until(lambda: authors(remote)[0] == follower.name, "the follower's commit")
            assert leader.says("we give the lead up: we cannot publish now")
            # Who cannot publish does not ask for the lead again.
            renumber(tmp_path, remote, 3)
            until(lambda: authors(remote)[0] == follower.name, "the next commit")
        # Nobody else is left: it leads again, and says that it cannot work.
        until(lambda: unfit(cluster, namespace), "the lead of who cannot work")
        with running("three", tmp_path, remote, *options) as third:
            renumber(tmp_path, remote, 4)
            until(lambda: authors(remote)[0] == third.name, "the third's commit")


def unfit(cluster, namespace: str) -> bool:
    lease = cluster.get("lease", "gitops-prefix", namespace)
    annotations = lease["metadata"].get("annotations", {})
    return bool(lease["spec"]["holderIdentity"]) and "gitops-prefix.io/unfit" in annotations
