"""The daemon's memory, processor time and wake-ups while nothing happens."""

import subprocess
import sys
import time
from pathlib import Path

from bench.home_repository import make

_SECONDS = 15


def main(directory: Path) -> None:
    """On a repository of 500 files; listening on `lo`, where no router is."""
    _, remote = make(directory, 500, 20)
    words = [sys.executable, "-m", "gitops_prefix", "run", "--repo", str(remote),
             "--clone-dir", str(directory / "clone"), "--interface", "lo", "--listen", "127.0.0.1:0"]  # fmt: skip
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        line = process.stderr.readline() if process.stderr else ""
        time.sleep(3)
        if process.poll() is not None:
            print(f"6 the daemon at rest: not measured ({line.strip()[:160]})")
            return
        before = _sample(process.pid)
        time.sleep(_SECONDS)
        after = _sample(process.pid)
        process.terminate()
        process.communicate()
    floor = _floor()
    print(
        f"6 the daemon at rest: RSS {after['VmRSS'] / 1024:.1f} MiB ({after['VmRSS'] / floor:.2f} x "
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
