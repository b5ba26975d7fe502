"""systemd's side of sd_notify(3), as a socket: what it receives, and when."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitops_prefix.daemon.service import Supervisor
from tests.gitrepo import example
from tests.static_source import A, fixed


@contextmanager
def systemd(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        listening.settimeout(120)
        yield listening


@pytest.mark.parametrize("name", ["{directory}/notify", "@gitops-prefix-{process}"])
def test_it_is_told_at_a_path_or_an_abstract_name(tmp_path, name):
    address = name.format(directory=tmp_path, process=os.getpid())
    with systemd(address) as listening:
        supervisor = Supervisor(address)
        supervisor.ready()
        supervisor.status("two\nlines")
        assert listening.recv(4096) == b"READY=1"
        assert listening.recv(4096) == b"STATUS=two lines"


@pytest.mark.parametrize("address", ["", "/nonexistent/notify", "@nobody-listens-here"])
def test_nobody_who_listens_is_no_error(address):
    Supervisor(address).ready()


def test_a_supervisor_that_reads_no_more_holds_nobody_up(tmp_path):
    """The queue is full, and what does not fit is not said."""
    with systemd(str(tmp_path / "notify")):
        supervisor = Supervisor(str(tmp_path / "notify"))
        for _ in range(2000):
            supervisor.alive()


def test_the_daemon_says_that_it_is_ready_how_it_goes_that_it_lives_and_that_it_leaves(
    tmp_path: Path,
):
    remote = example("plain", tmp_path)
    fixed(tmp_path / "tree", A)
    words = [sys.executable, "-m", "gitops_prefix", "run", "--repo", str(remote)]
    words += ["--clone-dir", str(tmp_path / "clone"), "--interval", "1h"]
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
    # A daemon that has nothing to do must say that it lives, more often than it looks.
    environment["WATCHDOG_USEC"] = "1000000"
    with (
        systemd(str(tmp_path / "notify")) as listening,
        subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL) as daemon,
    ):
        try:
            assert listening.recv(4096) == b"READY=1"
            assert listening.recv(4096).startswith(b"STATUS=published ")
            for _ in range(3):
                while listening.recv(4096) != b"WATCHDOG=1":
                    pass
            daemon.send_signal(signal.SIGTERM)
            while listening.recv(4096) != b"STOPPING=1":
                pass
            assert daemon.wait(timeout=120) == 0
        finally:
            daemon.kill()
