"""The daemon as PID 1, as in a container without an init, with a limit of processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.branch import MANAGED, bare_repository
from tests.git_servers import ssh_server
from tests.gitrepo import ROOT, git
from tests.netns import until

UNSHARE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")
HUNG = 6
PROCESSES = 14
"""Git, its helper, ssh and a shell take six; a zombie of each hung call would fill it."""

# Fetches from a host that hangs, until it is repaired; then publishes.
DAEMON = """
import os, sys
from pathlib import Path
from gitops_prefix.publish.credentials import SshKey
from gitops_prefix.publish.failure import FailedError, Published
from gitops_prefix.publish.repository import Repository, TimeLimits
from tests.branch import MANAGED, commit_ours

clone, url, key, known_hosts, shared, hung = sys.argv[1:]
assert os.getpid() == 1

def processes():
    return sorted(path.name for path in Path("/proc").glob("[0-9]*"))

def descriptors():
    return sorted(os.listdir("/proc/self/fd"))

def limits(seconds):
    return TimeLimits(ask=seconds, fetch=60, push=60)

def opened(seconds):
    found = Repository(
        Path(clone), url, "main",
        credentials=SshKey(Path(key), Path(known_hosts)), limits=limits(seconds),
    )
    found.open()
    return found

repository = opened(1.0)
before = None
for number in range(int(hung)):
    try:
        if shared == "shared":
            with repository.connected():
                repository.fetch()
        else:
            repository.fetch()
    except FailedError as error:
        assert "no answer within" in str(error), str(error)
    else:
        raise AssertionError("it did not hang")
    if number == 0:
        before = processes(), descriptors()
assert (processes(), descriptors()) == before, (before, processes(), descriptors())
repository.close()
print("hung", flush=True)
sys.stdin.readline()
repository = opened(60)
with repository.connected():
    repository.fetch()
    commit = commit_ours(repository, {"a.yaml": MANAGED + b"new\\n"})
    assert repository.push() == Published(commit)
assert processes() == before[0], processes()
print(commit, flush=True)
"""


@contextmanager
def few_processes() -> Iterator[Path]:
    """A cgroup that may hold so many processes: of version 2, or of version 1."""
    unified, own = Path("/sys/fs/cgroup/cgroup.controllers"), Path("/sys/fs/cgroup/pids")
    if unified.exists() and "pids" in unified.read_text().split():
        own = unified.parent
    group = own / f"gitops-prefix-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup with a limit of processes can be made: {error}")
    try:
        (group / "pids.max").write_text(str(PROCESSES))
        yield group
    finally:
        until(lambda: not (group / "cgroup.procs").read_text(), "the cgroup is empty")
        group.rmdir()


@pytest.mark.parametrize("shared", ["shared", "single"])
def test_a_host_that_hangs_for_long_fills_nothing_and_is_published_to_when_it_is_repaired(
    tmp_path, shared
):
    if subprocess.run((*UNSHARE, "true"), capture_output=True, check=False).returncode:
        pytest.skip("no PID namespace can be made")
    remote = bare_repository(tmp_path, {"a.yaml": MANAGED})
    with ssh_server(tmp_path / "sshd") as server, few_processes() as group:
        directory = server.directory
        allowed = (directory / "authorized_keys").read_text()
        (directory / "authorized_keys").write_text(f'command="sleep 3600" {allowed}')
        words = [str(tmp_path / "clone"), server.url(remote)]
        words += [str(directory / "deploy"), str(directory / "known_hosts"), shared, str(HUNG)]
        enter = f'echo $$ > {group / "cgroup.procs"}; exec "$@"'
        with subprocess.Popen(
            ("sh", "-c", enter, "sh", *UNSHARE, sys.executable, "-c", DAEMON, *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as daemon:
            assert daemon.stdout.readline() == "hung\n"
            (directory / "authorized_keys").write_text(allowed)
            daemon.stdin.write("\n")
            daemon.stdin.flush()
            commit = daemon.stdout.readline().strip()
        assert daemon.returncode == 0
    assert git(remote, "rev-parse", "main").strip() == commit


def child_of(parent: int) -> int:
    """The one process that another one started."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                return int(path.parent.name)
    raise AssertionError("it has no child")


@pytest.mark.parametrize(("words", "code"), [(["run"], 0), (["run", "--once"], 3)])
def test_sigterm_before_the_program_is_read_ends_it(tmp_path, words, code):
    """The kernel keeps from PID 1 each signal that has no handler, and imports take a second."""
    if subprocess.run((*UNSHARE, "true"), capture_output=True, check=False).returncode:
        pytest.skip("no PID namespace can be made")
    begun = tmp_path / "begun"
    (tmp_path / "click.py").write_text(
        f"import pathlib, threading\npathlib.Path({str(begun)!r}).touch()\nthreading.Event().wait()\n"
    )
    command = (*UNSHARE, sys.executable, "-m", "gitops_prefix", *words, "--repo", str(tmp_path))
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path) as outside:
        try:
            until(begun.exists, "the first import")
            os.kill(child_of(outside.pid), signal.SIGTERM)
            assert outside.wait(60) == code
        finally:
            outside.kill()
