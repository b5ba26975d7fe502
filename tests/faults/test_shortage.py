"""A machine that is short of descriptors: every pass ends as our own trouble, and the next may succeed."""

import subprocess
import sys

import pytest

from tests.git_servers import free_port, new_key
from tests.gitrepo import ROOT

# A daemon in simulated time, with so many descriptors free and no more.
SCRIPT = """
import os, resource, sys
from pathlib import Path
from gitops_prefix.daemon.outcome import Result
from gitops_prefix.publish.credentials import SshKey, Token
from gitops_prefix.publish.failure import Kind
from tests.faults.house import A, B, house, remote_home

directory, url, kind = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
credentials = {
    "file": None,
    "https": Token(lambda: "t0ken-of-nobody"),
    "ssh": SshKey(directory / "key", directory / "known_hosts"),
}[kind]
remote = remote_home(directory)
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
with house(directory / "clone", url or remote, credentials) as daemon:
    if kind == "file":
        daemon.lives(1)
    for free in range(14):
        taken = {int(name) for name in os.listdir("/proc/self/fd")}
        # Above the highest in use; the gaps below are filled.
        filled = []
        while (number := os.dup(0)) < max(taken):
            filled.append(number)
        os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(taken) + 1 + free, hard))
        try:
            daemon.hears(A if free % 2 else B)
            outcome = daemon.lives(400)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            for number in filled:
                os.close(number)
        if outcome.failed is not None:
            assert outcome.failed.kind is Kind.AWAY, (free, outcome.failed)
        print(free, outcome.result, outcome.failed)
    if kind == "file":
        daemon.hears(A)
        assert daemon.lives(400).result in {Result.PUBLISHED, Result.UNCHANGED}
        assert daemon.is_right
"""


@pytest.mark.parametrize("kind", ["file", "https", "ssh"])
def test_with_any_number_of_descriptors_free_a_pass_ends_as_our_own_trouble(tmp_path, kind):
    new_key(tmp_path / "key")
    (tmp_path / "known_hosts").write_text("host ssh-ed25519 AAAA\n")
    port = free_port()
    url = {"file": "", "https": f"https://localhost:{port}/x", "ssh": f"ssh://git@[::1]:{port}/x"}
    words = (sys.executable, "-c", SCRIPT, str(tmp_path), url[kind], kind)
    answer = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert answer.returncode == 0, answer.stderr + answer.stdout
    assert "Traceback" not in answer.stderr
