"""The real process: what it logs and shows, and an outage with a SIGKILL and a start in between."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import netns
from tests.faults.conftest import Forge
from tests.faults.house import (
    change,
    first,
    hook,
    is_whole,
    prefixes_of,
    remote_home,
    somebody_pushes,
    subjects,
)
from tests.git_servers import SshServer, free_port, ssh_server, start_here
from tests.gitrepo import git
from tests.netns import replace_program, until, whole_lines
from tests.parts import require
from tests.sourced import Sourced
from tests.static_source import fixed

A, B, C = (f"2001:db8:{n}::/64" for n in ("aaaa", "bbbb", "cccc"))
WORDS = "only on weekdays, says the Gitea of the house"


def command(url: str, clone: Path, key: Path, known_hosts: Path) -> list[str]:
    words = [sys.executable, "-m", "gitops_prefix", "run", "--repo", url]
    words += ["--clone-dir", str(clone), "--interval", "1s"]
    return [*words, "--ssh-key", str(key), "--known-hosts", str(known_hosts)]


@dataclass
class Running:
    """A daemon with its log and its pages."""

    log: Path
    port: int

    def page(self, path: str) -> str:
        address = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(address, timeout=120) as answer:
            return answer.read().decode()

    def answers(self) -> bool:
        with suppress(urllib.error.URLError):
            return bool(self.page("/healthz"))
        return False

    @property
    def publishing(self) -> dict:
        return json.loads(self.page("/status"))["publication"]

    def logged(self, words: str) -> list[dict]:
        lines = [json.loads(line) for line in whole_lines(self.log)]
        return [line for line in lines if words in line["message"]]


@contextmanager
def running(forge: Forge, tmp_path: Path) -> Iterator[Running]:
    daemon = Running(tmp_path / "log", free_port())
    key = forge.credentials
    words = command(forge.url, tmp_path / "clone", key.key, key.known_hosts)
    words += ["--listen", f"127.0.0.1:{daemon.port}"]
    with daemon.log.open("w") as log, start_here(*words, stderr=log, cwd=tmp_path) as process:
        until(daemon.answers, "its pages")
        yield daemon
        assert process.poll() is None, daemon.log.read_text()
    assert process.returncode == 0, "SIGTERM is exit code 0"


def test_the_words_of_a_hook_reach_the_log_the_page_and_the_status(tmp_path, ssh):
    """And when it lets us in, all three say so."""
    fixed(ssh.tree, A)
    declines = hook(ssh.remote, "pre-receive", f"echo '{WORDS}' >&2; exit 1")
    with running(ssh, tmp_path) as daemon:
        until(lambda: daemon.logged(WORDS), "the words in the log")
        assert daemon.logged(WORDS)[0]["level"] == "error"
        assert WORDS in daemon.page("/")
        status = daemon.publishing
        assert (status["result"], status["reason"]) == ("refused", "hook")
        assert WORDS in status["words"]
        declines.unlink()
        until(lambda: daemon.publishing["result"] in {"published", "unchanged"}, "the push")
        assert WORDS not in daemon.page("/")
        assert daemon.publishing["pending_since"] is None
        until(lambda: daemon.logged("published"), "the log of it")


def test_down_at_the_start_of_the_process(tmp_path, ssh):
    """It stays, answers to probes that it is alive and not ready, and begins when it can."""
    fixed(ssh.tree, A)
    ssh.line.down()
    with running(ssh, tmp_path) as daemon:
        until(lambda: daemon.logged("Connection refused"), "a first try")
        assert daemon.page("/healthz") == "alive\n"
        with pytest.raises(urllib.error.HTTPError, match="503"):
            daemon.page("/readyz")
        ssh.line.up()
        until(lambda: daemon.logged("published"), "the commit")
        assert daemon.page("/readyz") == "ready\n"


def test_another_host_key_is_refused_loudly(tmp_path, ssh, sshd):
    """At a start with nothing cloned: exit code 3. While it runs: an error in the log, and no end."""
    fixed(ssh.tree, A)
    known = ssh.credentials.known_hosts
    right = known.read_text()
    wrong = f"{right.split()[0]} {(sshd.directory / 'stranger.pub').read_text()}"
    known.write_text(wrong)
    words = command(ssh.url, tmp_path / "clone", ssh.credentials.key, known)
    answer = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert answer.returncode == 3
    assert "Host key verification failed" in answer.stderr
    known.write_text(right)
    with running(ssh, tmp_path) as daemon:
        until(lambda: daemon.logged("published"), "the commit")
        known.write_text(wrong)
        until(lambda: daemon.logged("Host key verification failed"), "the refusal")
        assert daemon.logged("Host key verification failed")[0]["level"] == "error"
        known.write_text(right)
        until(lambda: daemon.publishing["result"] == "unchanged", "the next look")
        known.write_text(wrong)
        until(lambda: daemon.publishing["result"] == "refused", "the next refusal")
    with running(ssh, tmp_path) as daemon:
        # Who was let in once waits, though it is the first look of this process.
        until(lambda: daemon.publishing["result"] == "refused", "the refusal")
        known.write_text(right)
        until(lambda: daemon.publishing["result"] == "unchanged", "the next look")


def waits(clone: Path) -> str:
    """The subject of the commit that waits in a clone, or nothing."""
    words = ["log", "-1", "--format=%s", "refs/gitops-prefix/unpublished"]
    store = ["git", "-C", str(clone / "repository.git")]
    return subprocess.run([*store, *words], capture_output=True, text=True, check=False).stdout


def test_an_outage_a_kill_and_a_start(tmp_path):
    """A, then B and C while the remote is away: current C, history B, A, and nothing twice."""
    require("netns", "radvd", "ssh")
    remote, clone = remote_home(tmp_path), tmp_path / "clone"
    with (
        netns.lab() as lab,
        ssh_server(tmp_path / "ssh", port=2222, start=lab.node.start) as server,
        (tmp_path / "log").open("w") as log,
        netns.Radvd(lab, tmp_path).advertising(A) as radvd,
    ):
        words = _with_keys(server, server.url(remote), clone)
        with lab.node.start(*words, stderr=log, cwd=tmp_path) as process:
            until(lambda: "published" in (tmp_path / "log").read_text(), "the commit for A")
            _remote(lab, "down")
            radvd.advertise(B)
            until(lambda: B in waits(clone), "our commit for B")
            os.killpg(process.pid, signal.SIGKILL)
        with lab.node.start(*words, stderr=log, cwd=tmp_path) as process:
            radvd.advertise(C)
            until(lambda: f"-> {C}" in waits(clone), "our commit for C")
            assert len(subjects(remote)) == 1
            _remote(lab, "up")
            until(lambda: len(subjects(remote)) > 1, "the commits")
            until(lambda: not waits(clone), "the look that finds them")
            # As long as it likes: routers repeat themselves, and the branch is looked at.
            until(lambda: (tmp_path / "log").read_text().count("published") >= 2, "the log")
        assert process.returncode == 0
    assert [str(one) for one in prefixes_of(remote)] == [C, B, A]
    assert subjects(remote) == [change(B, C), change(A, B), first(A)]
    assert is_whole(remote)


def _with_keys(server: SshServer, url: str, clone: Path) -> list[str]:
    return command(url, clone, server.credentials.key, server.credentials.known_hosts)


def _remote(lab: netns.Lab, state: str) -> None:
    """The server is on the node's own loopback: while that is down, nothing answers, nor says no."""
    lab.node.run("ip", "link", "set", "lo", state)


def test_a_name_that_is_not_resolved(tmp_path):
    """A wait, with the reason; and the next try after the name is known lands."""
    require("netns", "ssh")
    remote = remote_home(tmp_path)
    fixed(tmp_path / "tree", A)
    with netns.lab() as lab:
        etc = Path("/etc/netns") / lab.node.name
        etc.mkdir(parents=True)
        try:
            (etc / "hosts").write_text("127.0.0.1 localhost\n")
            (etc / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
            with ssh_server(tmp_path / "ssh", port=2222, start=lab.node.start) as server:
                known = server.credentials.known_hosts
                known.write_text(known.read_text().replace("127.0.0.1", "forge.invalid"))
                url = server.url(remote).replace("127.0.0.1", "forge.invalid")
                words = _with_keys(server, url, tmp_path / "clone")
                log = tmp_path / "log"
                with log.open("w") as file, lab.node.start(*words, stderr=file, cwd=tmp_path):
                    said = "Could not resolve hostname forge.invalid"
                    until(lambda: said in log.read_text(), "the reason")
                    with (etc / "hosts").open("a") as hosts:
                        hosts.write("127.0.0.1 forge.invalid\n")
                    until(lambda: len(subjects(remote)) == 2, "the commit")
        finally:
            for path in (*etc.iterdir(), etc):
                path.rmdir() if path.is_dir() else path.unlink()
    assert '"level": "warning"' in log.read_text()
    assert git(remote, "log", "-1", "--format=%s", "main").strip() == first(A)


@pytest.mark.parametrize(("limit", "code"), [("10s", 3), ("5m", 0)])
def test_a_hook_slower_than_the_push_timeout(tmp_path, limit, code):
    """With a limit that is long enough the same hook lets the change in."""
    remote = remote_home(tmp_path)
    fixed(tmp_path / "tree", A)
    hook(remote, "pre-receive", "sleep 12")
    words = [sys.executable, "-m", "gitops_prefix", "run", "--once", "--repo", str(remote)]
    words += ["--clone-dir", str(tmp_path / "clone"), "--push-timeout", limit]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=360)
    assert ended.returncode == code, ended.stderr
    assert ("no answer within 10 s" in ended.stderr) == (code == 3)


def is_ready(daemon: Running) -> bool:
    try:
        return daemon.page("/readyz") == "ready\n"
    except urllib.error.HTTPError:
        return False


def test_a_key_that_may_only_read_is_known_before_the_first_change(tmp_path, ssh, sshd):
    """A rehearsal at the start reports it; once the key may write, the change is published."""
    fixed(ssh.tree, A)
    with running(ssh, tmp_path) as daemon:
        until(lambda: daemon.logged("published"), "the commit")
    ssh.credentials.key.write_bytes((sshd.directory / "reader").read_bytes())
    with running(ssh, tmp_path) as daemon:
        until(lambda: daemon.logged("a push would be refused"), "the warning")
        assert daemon.publishing["result"] == "unchanged"
        [line] = daemon.publishing["delivered"]
        assert "marked as read only" in line
        assert "a push would be refused" in daemon.page("/")
        ssh.credentials.key.write_bytes((sshd.directory / "deploy").read_bytes())
        git(ssh.tree, "fetch", "-q", "origin", "main")
        git(ssh.tree, "reset", "-q", "--hard", "FETCH_HEAD")
        text = (ssh.tree / "prefix.yaml").read_text()
        somebody_pushes(
            ssh.tree, "prefix.yaml", text.replace(f'prefix: "{A}"', f'prefix: "{B}"', 1)
        )
        until(lambda: daemon.logged(f"{A} -> {B}"), "the change")
        assert daemon.publishing["delivered"] == []


def test_nothing_to_listen_to(tmp_path, ssh):
    """No DynamicPrefix is on the branch: alive, and not ready until there is one."""
    git(ssh.tree, "rm", "-qr", "prefix.yaml", "network")
    git(ssh.tree, "commit", "-qm", "nothing")
    git(ssh.tree, "push", "-q", "origin", "main")
    with running(ssh, tmp_path) as daemon:
        until(lambda: daemon.logged("no DynamicPrefix is on"), "the warning")
        assert not is_ready(daemon)
        assert daemon.page("/healthz") == "alive\n"
        git(ssh.tree, "revert", "--no-edit", "HEAD")
        fixed(ssh.tree, A)
        until(lambda: is_ready(daemon), "a probe that is ready")


def test_a_hangup_has_it_look_at_the_branch_now(tmp_path):
    """Whoever pushed a change, or mended a refusal, need not wait for the interval."""
    remote = remote_home(tmp_path)
    fixed(tmp_path / "tree", A)
    words = [sys.executable, "-m", "gitops_prefix", "run", "--repo", str(remote)]
    words += ["--clone-dir", str(tmp_path / "clone"), "--interval", "24h"]
    log = tmp_path / "log"
    with log.open("w") as stderr, start_here(*words, stderr=stderr, cwd=tmp_path) as process:
        until(lambda: "published" in log.read_text(), "the commit")
        git(tmp_path / "tree", "pull", "-q", "origin", "main")
        text = (tmp_path / "tree" / "prefix.yaml").read_text()
        text = text.replace(f'prefix: "{A}"', f'prefix: "{B}"', 1)
        somebody_pushes(tmp_path / "tree", "prefix.yaml", text)
        process.send_signal(signal.SIGHUP)
        until(lambda: change(A, B) in subjects(remote), "the change")
        assert process.poll() is None


def test_git_that_cannot_be_started(tmp_path):
    """Not ready at once; when git can be started again, the daemon goes on."""
    remote = remote_home(tmp_path)
    fixed(tmp_path / "tree", A)
    programs = tmp_path / "bin"
    programs.mkdir()
    ours = programs / "git"
    right = f'#!/bin/sh\nexec {shutil.which("git")} "$@"\n'
    replace_program(ours, right)
    daemon = Running(tmp_path / "log", free_port())
    words = [sys.executable, "-m", "gitops_prefix", "run", "--repo", str(remote)]
    words += ["--clone-dir", str(tmp_path / "clone"), "--interval", "2s"]
    words += ["--listen", f"127.0.0.1:{daemon.port}"]
    with (
        daemon.log.open("w") as log,
        start_here(
            *words,
            stderr=log,
            cwd=tmp_path,
            env={"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(Path.cwd())},
        ) as process,
    ):
        until(lambda: daemon.answers() and is_ready(daemon), "a daemon that is ready")
        # A program that is just being started cannot be written to; another takes its place.
        replace_program(ours, "#!/nonexistent/interpreter\n")
        until(lambda: daemon.logged("git cannot be started"), "the failure")
        until(lambda: not is_ready(daemon), "a probe that is not ready")
        assert daemon.page("/healthz") == "alive\n"
        replace_program(ours, right)
        until(lambda: daemon.logged("no longer unreachable"), "the recovery")
        assert is_ready(daemon)
        assert process.poll() is None, daemon.log.read_text()


def test_probes_are_answered_while_git_of_a_killed_daemon_is_waited_for(tmp_path, ssh):
    """It may take a minute, and the kubelet would not wait so long."""
    fixed(ssh.tree, A)
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "gitops-prefix.lock").touch()
    with (clone / "git-at-work.lock").open("w") as left:
        fcntl.flock(left, fcntl.LOCK_EX)
        with running(ssh, tmp_path) as daemon:
            assert first(A) not in subjects(ssh.remote)
            fcntl.flock(left, fcntl.LOCK_UN)
            until(lambda: first(A) in subjects(ssh.remote), "the commit")
            assert daemon.answers()


DEAF = """
import sys
from gitops_prefix.watch.prefix_file import FileSource

ready = FileSource.ready

def break_off(self, now):
    for event in ready(self, now):
        if "infinity" in open(event[0].interface).read():
            raise RuntimeError("odd")
        yield event

FileSource.ready = break_off
from gitops_prefix.__main__ import main
main()
"""


def test_a_daemon_that_cannot_listen_any_more_ends(tmp_path):
    """Where nobody asks /healthz, it would stay, and be deaf."""
    source = tmp_path / "source" / "prefix"
    source.parent.mkdir()
    source.write_text(f"{A}\n")
    house = Sourced(tmp_path, f"file:\n  path: {source}\n")
    words = house.command("--interval=1h", f"--source-dir={source.parent}")[3:]
    with (
        house.log.open("w") as stderr,
        subprocess.Popen([sys.executable, "-c", DEAF, *words], stderr=stderr) as daemon,
    ):
        try:
            house.published(A)
            source.write_text(f"{B} infinity\n")
            assert daemon.wait(timeout=120) == 3
        finally:
            daemon.kill()
    log = house.log.read_text()
    assert "cannot listen any more: RuntimeError: odd" in log
    assert "error: nobody listens any more, so the daemon ends" in log
