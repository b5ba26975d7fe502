"""The daemon in a flood of 50,000 made-up advertisements a second, for ten seconds."""

import os
import shutil
from pathlib import Path

from bench.home_repository import PREFIX, git, make
from tests.flooding import rehearse

_POLICY = ("interface: eth0\n", "interface: eth0\n    prefixFilter: {within: ['2001:db8::/32']}\n")


def main(directory: Path) -> None:
    """Needs root and network namespaces; a true renumbering comes in the middle of it."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        print("8 a flood: not measured (needs root and iproute2)")
        return
    tree, remote = make(directory, 500, 20)
    (tree / "prefix.yaml").write_text(PREFIX.replace(*_POLICY))
    git(tree, "commit", "-qam", "a policy")
    git(tree, "push", "-q", "origin", "main")
    figures = rehearse(remote, directory, rate=50_000, seconds=10)
    print(
        f"8 a flood of {figures.sent / figures.seconds:,.0f} advertisements a second, "
        f"{figures.seconds:.0f} s: RSS {figures.before / 1024:.1f} MiB before, "
        f"{figures.after / 1024:.1f} after, {figures.peak / 1024:.1f} at most "
        f"({figures.after / figures.before:.2f} x); a true renumbering in it published in "
        f"{figures.delay:.2f} s; {figures.lines} log lines  goal flat, <= 2 s, bounded"
    )
