"""The daemon in a flood, from the outside: what it publishes, holds in memory, and logs."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests import netns
from tests.gitrepo import ROOT, git
from tests.lab_router import LabRouter, lab_router

A, B = "2001:db8:1234::/64", "2001:db8:5678::/64"


class Figures(NamedTuple):
    """What was seen from the outside.

    Attributes:
        sent: frames of the flood.
        seconds: that it took to send them.
        before: resident KiB before the flood.
        after: resident KiB after it.
        peak: the most that was ever resident, in KiB.
        delay: seconds from the first true advertisement of B to its commit on the remote.
        lines: of the log, those of the flood.
        commits: on the branch, after all.
    """

    sent: int
    seconds: float
    before: int
    after: int
    peak: int
    delay: float
    lines: int
    commits: int


class Repeating:
    """A router that says its prefix five times a second."""

    def __init__(self, router: LabRouter) -> None:
        self._router, self._stopped = router, threading.Event()
        self.prefix = A

    @contextmanager
    def going(self) -> Iterator["Repeating"]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield self
        finally:
            self._stopped.set()
            thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(0.2):
            self._router.advertise(self.prefix)


def resident(process_id: int) -> dict[str, int]:
    """VmRSS and VmHWM in KiB."""
    lines = Path(f"/proc/{process_id}/status").read_text().splitlines()
    return {
        line.split(":")[0]: int(line.split()[1])
        for line in lines
        if line.startswith(("VmRSS", "VmHWM"))
    }


def rehearse(remote: Path, directory: Path, *, rate: int, seconds: float) -> Figures:
    """A home that renumbers from A to B while somebody floods its link."""
    words = [
        sys.executable,
        "-m",
        "gitops_prefix",
        "run",
        "--repo",
        str(remote),
        "--branch",
        "main",
    ]
    words += ["--clone-dir", str(directory / "clone"), "--listen", "127.0.0.1:8080"]
    flood = [sys.executable, "-m", "tests.flood", "lan0", str(rate), str(seconds)]

    def tip() -> str:
        return git(remote, "log", "-1", "--format=%B", "main")

    log = directory / "log"
    with (
        netns.lab() as lab,
        log.open("w") as lines,
        lab_router(lab.router) as router,
        Repeating(router).going() as home,
        lab.node.start(*words, stderr=lines) as process,
    ):
        netns.until(
            lambda: f"-> {A}" in tip() or f"Current-Prefix: {A}" in tip(), "the commit for A"
        )
        before = resident(process.pid)["VmRSS"]
        begun = len(log.read_text().splitlines())
        with lab.router.start(*flood, stdout=subprocess.PIPE, cwd=ROOT) as sender:
            sender.stdout.readline()
            time.sleep(seconds / 2)
            home.prefix, said = B, time.monotonic()
            netns.until(lambda: f"Current-Prefix: {B}" in tip(), "the commit for B")
            delay = time.monotonic() - said
            sent, took = sender.stdout.readline().split()
        sizes = resident(process.pid)
    return Figures(
        int(sent),
        float(took),
        before,
        sizes["VmRSS"],
        sizes["VmHWM"],
        delay,
        len(log.read_text().splitlines()) - begun,
        len(git(remote, "log", "--format=%H", "main").split()),
    )
