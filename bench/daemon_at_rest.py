"""The daemon's memory, processor time and wake-ups while nothing happens."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bench.home_repository import make
from bench.replying import lease_out
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.dhcpv6_codec import DelegatedPrefix
from tests import netns
from tests.dhcp_servers import Forger, reply_to
from tests.gitrepo import ROOT

_SECONDS = 15
_RUN = [sys.executable, "-m", "gitops_prefix", "run"]


def main(directory: Path) -> None:
    """On a repository of 500 files; listening on `lo`, where no router is, and with a lease."""
    _, remote = make(directory, 500, 20)
    words = [*_RUN, "--repo", str(remote), "--clone-dir", str(directory / "clone")]
    words += ["--interface", "lo", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        line = process.stderr.readline() if process.stderr else ""
        time.sleep(3)
        if process.poll() is not None:
            print(f"6 the daemon at rest: not measured ({line.strip()[:160]})")
            return
        _show("the daemon at rest", process.pid)
        process.terminate()
        process.communicate()
    if os.geteuid() == 0 and shutil.which("ip") is not None:
        _leased(directory)


def _leased(directory: Path) -> None:
    """The same with a DHCPv6 lease, after its commit."""
    (directory / "leased").mkdir()
    tree, remote = make(directory / "leased", 500, 20)
    lease_out(tree)
    words = [*_RUN, "--repo", str(remote), "--clone-dir", str(directory / "leased" / "clone")]
    log = directory / "leased.log"
    lease = DelegatedPrefix(Prefix.parse("2001:db8:1::/64"), 3000, 4000)
    with (
        netns.lab() as lab,
        log.open("w") as file,
        Forger(lab).answering(lambda message: [reply_to(message, lease)]),
        lab.node.start(*words, "--listen", "127.0.0.1:0", stderr=file, cwd=ROOT) as process,
    ):
        netns.until(lambda: "published" in log.read_text(), "the lease", 60)
        time.sleep(3)
        _show("the daemon at rest with a lease", process.pid)


def _show(row: str, process_id: int) -> None:
    before = _sample(process_id)
    time.sleep(_SECONDS)
    after = _sample(process_id)
    floor = _floor()
    print(
        f"6 {row}: RSS {after['VmRSS'] / 1024:.1f} MiB ({after['VmRSS'] / floor:.2f} x "
        f"python's own {floor / 1024:.1f}), {(after['ticks'] - before['ticks']) / _SECONDS:.2f} % CPU, "
        f"{after['switches'] - before['switches']} wake-ups in {_SECONDS} s  "
        "goal <= 45 MiB, <= 0.1 %, none but timers"
    )


def _sample(process_id: int) -> dict[str, int]:
    """VmRSS in KiB, processor time in hundredths of a second, and voluntary switches."""
    root = Path(f"/proc/{process_id}")
    fields = (root / "stat").read_text().rpartition(")")[2].split()
    lines = (line.partition(":") for line in (root / "status").read_text().splitlines())
    status = {name: text.split()[0] for name, _, text in lines if text.split()}
    return {
        "VmRSS": int(status["VmRSS"]),
        "ticks": int(fields[11]) + int(fields[12]),
        "switches": sum(
            int(line.split()[1])
            for task in root.glob("task/*/status")
            for line in task.read_text().splitlines()
            if line.startswith("voluntary_ctxt_switches")
        ),
    }


def _floor() -> int:
    program = "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('VmRSS')][0])"
    return int(
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
    )
