"""`run --once`, as a timer starts it: over real ssh, one reconcile, and an exit code that says how it went."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import netns
from tests.git_servers import SshServer, free_port, listener, ssh_server
from tests.gitrepo import example, git
from tests.netns import until
from tests.parts import require
from tests.static_source import A, B, fixed

PROGRAM = [sys.executable, "-m", "gitops_prefix"]


@dataclass(frozen=True)
class Timer:
    """What a timer starts, again and again, with the same clone."""

    directory: Path
    server: SshServer
    remote: Path

    def words(self, *options: str, url: str = "") -> list[str]:
        words = [*PROGRAM, "run", "--once", "--repo", url or self.server.url(self.remote)]
        words += ["--clone-dir", str(self.directory / "clone")]
        words += ["--ssh-key", str(self.server.credentials.key)]
        words += ["--known-hosts", str(self.server.credentials.known_hosts)]
        return [*words, *options]

    def fires(self, *options: str, url: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(*options, url=url), check=False, capture_output=True, text=True, timeout=120
        )

    def subjects(self) -> list[str]:
        return git(self.remote, "log", "--format=%s", "main").splitlines()


@pytest.fixture
def timer(tmp_path: Path) -> Iterator[Timer]:
    """examples/plain, whose prefix is static: A."""
    remote = example("plain", tmp_path)
    fixed(tmp_path / "tree", A)
    with ssh_server(tmp_path / "sshd") as server:
        yield Timer(tmp_path, server, remote)


def test_published_is_0_and_so_is_nothing_to_do(timer):
    for _ in range(2):
        answer = timer.fires()
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout == ""
    assert timer.subjects()[0] == f"prefix(home-ipv6): {A}"
    assert len(timer.subjects()) == 3


def test_what_a_hook_declined_waits_for_the_next_time(timer):
    """3, in the server's own words; the commit is kept, and the same one is pushed later."""
    hook = timer.remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho only on weekdays >&2\nexit 1\n")
    hook.chmod(0o755)
    answer = timer.fires()
    assert answer.returncode == 3
    assert "only on weekdays" in answer.stderr
    assert "Traceback" not in answer.stderr
    clone = timer.directory / "clone" / "repository.git"
    waiting = git(clone, "rev-parse", "refs/gitops-prefix/unpublished").strip()
    hook.unlink()
    assert timer.fires().returncode == 0
    assert git(timer.remote, "rev-parse", "main").strip() == waiting


@pytest.mark.parametrize(("once", "code"), [(True, 3), (False, 0)], ids=["once", "daemon"])
def test_a_host_that_hangs_is_left_when_sigterm_comes(timer, once, code):
    """What is not published is no success for a timer; a daemon that was told to leave, leaves."""
    with listener() as hanging:
        words = timer.words(url=f"http://127.0.0.1:{hanging.getsockname()[1]}/home.git")
        words = [word for word in words if once or word != "--once"]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = hanging.accept()
            with connection:
                process.send_signal(signal.SIGTERM)
                # Sooner than git gives up, which ends with another code.
                _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (code, "")


def test_a_remote_that_is_away_is_3(timer):
    url = f"ssh://nobody@127.0.0.1:{free_port()}/home.git"
    answer = timer.fires(url=url)
    assert answer.returncode == 3
    assert "Connection refused" in answer.stderr


def test_a_key_that_is_not_known_is_3_and_one_that_is_not_there_is_2(timer, tmp_path):
    stranger = str(timer.server.directory / "stranger")
    assert timer.fires("--ssh-key", stranger).returncode == 3
    absent = str(tmp_path / "absent")
    missing = timer.fires("--ssh-key", absent)
    assert missing.returncode == 2
    assert f"--ssh-key {absent}" in missing.stderr


def test_errors_in_the_repository_are_2_and_the_rest_is_published(timer):
    """What is wrong is held back alone."""
    pool = timer.directory / "tree" / "network" / "pool.yaml"
    pool.write_text(pool.read_text().replace("range: loadbalancers", "range: nope"))
    git(timer.directory / "tree", "commit", "-qam", "a slip")
    git(timer.directory / "tree", "push", "-q", "origin", "main")
    answer = timer.fires()
    assert answer.returncode == 2
    assert "network/pool.yaml:" in answer.stderr
    assert timer.subjects()[:2] == ["prefix(home-ipv6): 2001:db8:1234::/64", "a slip"]
    git(timer.directory / "tree", "pull", "-q", "origin", "main")
    assert "2001:db8" not in pool.read_text()


def test_a_branch_that_is_not_there_is_2(timer):
    answer = timer.fires("--branch", "man")
    assert answer.returncode == 2
    assert "it has: main" in answer.stderr


def test_a_clone_that_a_daemon_has_is_2(timer):
    """A timer beside a daemon wants a directory of its own."""
    words = [word for word in timer.words() if word != "--once"]
    log = timer.directory / "log"
    with log.open("w") as stderr, subprocess.Popen(words, stderr=stderr) as daemon:
        try:
            until(lambda: "published" in log.read_text(), "the daemon")
            answer = timer.fires()
        finally:
            daemon.terminate()
    assert answer.returncode == 2
    assert "in use by another gitops-prefix" in answer.stderr


def test_a_race_is_met_within_the_time_that_it_has(timer):
    """A branch that is put back behind us three times is not left to the next start."""
    start = git(timer.remote, "rev-parse", "main").strip()
    count = timer.directory / "count"
    hook = timer.remote / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"#!/bin/sh\nunset GIT_DIR\necho x >> {count}\ntest $(wc -l < {count}) -gt 3 ||"
        f" git -C {timer.remote} update-ref refs/heads/main {start}\n"
    )
    hook.chmod(0o755)
    answer = timer.fires("--wait", "120s")
    assert answer.returncode == 0, answer.stderr
    assert len(count.read_text().split()) == 4
    assert len(timer.subjects()) == 3


def test_a_race_that_does_not_end_is_3(timer):
    hook = timer.remote / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    start = git(timer.remote, "rev-parse", "main").strip()
    back = f"git -C {timer.remote} update-ref refs/heads/main {start}"
    hook.write_text(f"#!/bin/sh\nunset GIT_DIR\n{back}\n")
    hook.chmod(0o755)
    answer = timer.fires("--wait", "1s")
    assert answer.returncode == 3
    assert "the branch shows" in answer.stderr


def test_silence_is_0_changes_nothing_and_is_told(tmp_path):
    """A link without a router, before any prefix and after one: the last one stays."""
    require("netns", "ssh")
    remote = example("plain", tmp_path)
    with netns.lab() as lab:
        timer = Timer(tmp_path, None, remote)
        words = [*PROGRAM, "run", "--once", "--wait", "1s", "--repo", str(remote)]
        words += ["--interface", "eth0", "--clone-dir", str(tmp_path / "clone")]

        def fires() -> subprocess.CompletedProcess[str]:
            command = lab.node.command(*words)
            return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)

        answer = fires()
        assert answer.returncode == 0, answer.stderr
        assert "home-ipv6 stays as it is: no prefix yet" in answer.stderr
        assert timer.subjects() == ["start"]
        with netns.Radvd(lab, tmp_path).advertising(B):
            words[words.index("1s")] = "100s"
            assert fires().returncode == 0
        assert timer.subjects() == [f"prefix(home-ipv6): {B}", "start"]
        words[words.index("100s")] = "1s"
        answer = fires()
        assert answer.returncode == 0, answer.stderr
        assert "home-ipv6 stays as it is: no longer announced" in answer.stderr
        assert len(timer.subjects()) == 2
