"""Memory of the daemon at rest and while it publishes, and of the gits that it starts.

Each size in a process of its own, whose children are git and nothing else. Until a child
is git, Linux counts it as what it was forked from: less than ours is not seen.
"""

import resource
import subprocess
import sys
from pathlib import Path

from bench.home_repository import make

_CHANGES = 20


def main(directory: Path) -> None:
    """5,000 and 50,000 files, 50 of them managed."""
    for files in (5_000, 50_000):
        here = directory / str(files)
        here.mkdir()
        _, remote = make(here, files, 50)
        words = [sys.executable, "-m", "bench.publishing_memory", str(remote), str(here / "clone")]
        answer = subprocess.run(words, check=True, capture_output=True, text=True)
        print(f"6 memory, {files:,} files: {answer.stdout.strip()}  goal <= 45 MiB at rest")


def _measure(remote: Path, clone: Path) -> None:
    from bench.publishing import publisher  # noqa: PLC0415  the parent needs none of it

    with publisher(remote, clone) as publish:
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        rest = _resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        for _ in range(_CHANGES):
            publish()
        peak, after = _resident("VmHWM"), _resident("VmRSS")
        more = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(
        f"RSS {rest:.1f} MiB at rest, {peak:.1f} at most in {_CHANGES} changes "
        f"({peak / rest:.2f} x), {after:.1f} after them; git {children / 1024:.0f} MiB while the clone "
        f"is made, {more / 1024:.0f} at most of all"
    )


def _resident(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


if __name__ == "__main__":
    _measure(Path(sys.argv[1]), Path(sys.argv[2]))
