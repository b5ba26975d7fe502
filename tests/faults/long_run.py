"""Thousands of changes in one process over ssh, and whether anything grows.

`python -m tests.faults.long_run CHANGES FILES SECONDS`, by default 20,000 changes of a repository
with 5,000 files, in any time. Every change of the process is a pass of the daemon's own loop, over a
real sshd, as PID 1 where a PID namespace can be made. Each sample is printed, and at the end a
straight line through each curve.
"""

import gc
import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import linear_regression, median
from typing import NamedTuple

from bench.home_repository import make
from gitops_prefix.daemon.outcome import Result
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.publish.credentials import SshKey
from gitops_prefix.publish.repository import Repository
from tests.daemon.house import House
from tests.git_servers import ssh_server
from tests.gitrepo import ROOT

UNSHARE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")
SAMPLES = 100
MANAGED = 10
MOST_RETRIES = 50
DEFAULTS = ("20000", "5000", "inf")


class Sample(NamedTuple):
    """The process after some changes.

    Attributes:
        changes: how many were published.
        resident: RSS in KiB.
        descriptors: open files.
        zombies: dead children that nobody has waited for.
        clone: KiB of the clone on the disk.
        latency: of the last changes, in milliseconds; the median.
    """

    changes: int
    resident: float
    descriptors: float
    zombies: float
    clone: float
    latency: float


def samples(directory: Path, url: str, key: SshKey, changes: int, seconds: float) -> list[Sample]:
    """Publish one change after the other, and look at the process now and then."""
    taken, latencies, again = [], [], 0
    every = max(1, changes // SAMPLES)
    end = time.monotonic() + seconds
    repository = Repository(directory / "clone", url, "main", credentials=key)
    repository.open()
    with closing(repository):
        daemon = House(repository, given=True)
        for number in range(1, changes + 1):
            began = time.monotonic()
            prefix = Prefix.parse(f"2001:db8:{1 + number % 60000:x}::/64")
            outcome = daemon.hears(prefix, look=number % 10 == 0)
            latencies.append(1000 * (time.monotonic() - began))
            while outcome.result is Result.UNREACHABLE and again < MOST_RETRIES:
                # On a machine with too much to do our own git may be silent for half a minute.
                again += 1
                print(f"change {number} is tried again: {outcome.failed.words}", flush=True)
                outcome = daemon.looks()
            if number > 1 and outcome.result is not Result.PUBLISHED:
                raise SystemExit(f"change {number} was not published: {outcome.failed}")
            daemon.outcomes.clear()
            daemon.waits(3600)
            if number % every == 0:
                taken.append(_sample(number, directory / "clone", median(latencies)))
                print(*(f"{value:.0f}" for value in taken[-1]), flush=True)
                latencies.clear()
            if time.monotonic() > end and len(taken) > 2:
                break
    return taken


def _sample(changes: int, clone: Path, latency: float) -> Sample:
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    resident = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    states = [
        path.read_text().rpartition(")")[2].split()[:2]
        for path in Path("/proc").glob("[0-9]*/stat")
        if path.exists()
    ]
    zombies = states.count(["Z", str(os.getpid())])
    size = sum(path.stat().st_size for path in clone.rglob("*") if path.is_file()) / 1024
    return Sample(
        changes, resident, len([*Path("/proc/self/fd").iterdir()]), zombies, size, latency
    )


def fits(taken: list[Sample]) -> list[str]:
    """A line of text for each curve: the straight line, and its growth over the whole run."""
    # The first samples are imports, caches and the first history.
    settled = taken[len(taken) // 5 :]
    numbers = [sample.changes for sample in settled]
    told = []
    for name in Sample._fields[1:]:
        values = [getattr(sample, name) for sample in settled]
        slope, intercept = linear_regression(numbers, values)
        growth = slope * (numbers[-1] - numbers[0])
        share = growth / intercept if intercept else 0.0
        told.append(
            f"{name:<12} {values[0]:10.1f} .. {values[-1]:10.1f}   fit {slope * 1000:+8.2f} a "
            f"thousand changes, {share:+.1%} over the run"
        )
    return told


def main() -> None:
    """In a PID namespace: the whole run. Outside of one: make one, with a server beside it."""
    if os.environ.get("LONG_RUN"):
        changes, seconds, directory, url, key, known_hosts = sys.argv[1:]
        login = SshKey(Path(key), Path(known_hosts))
        taken = samples(Path(directory), url, login, int(changes), float(seconds))
        print(f"{taken[-1].changes} changes, as process {os.getpid()}")
        print("\n".join(fits(taken)))
        return
    changes, files, seconds = (*sys.argv[1:], *DEFAULTS[len(sys.argv) - 1 :])
    alone = subprocess.run((*UNSHARE, "true"), capture_output=True, check=False).returncode == 0
    with tempfile.TemporaryDirectory(prefix="long-run-") as there:
        directory = Path(there)
        _, remote = make(directory, int(files), MANAGED)
        with ssh_server(directory / "sshd") as server:
            words = [changes, seconds, there, server.url(remote)]
            words += [str(server.directory / "deploy"), str(server.directory / "known_hosts")]
            command = [*(UNSHARE if alone else ()), sys.executable, "-m", "tests.faults.long_run"]
            environment = {**os.environ, "LONG_RUN": "1"}
            subprocess.run([*command, *words], cwd=ROOT, env=environment, check=True)


if __name__ == "__main__":
    main()
