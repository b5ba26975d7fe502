"""From a Router Advertisement on the wire to the commit on a local bare remote.

The daemon runs as anybody runs it, with default settings (`--settle` included), in a network
namespace of its own; the router at the other end of the veth pair renumbers by flash: its
next advertisement has another prefix. The floor is what git itself needs for the same change
(fetch, hash-object, write-tree, commit-tree and push). Both take turns, so that what the
machine does meanwhile hits both.
"""

import argparse
import itertools
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench.home_repository import make
from bench.publishing import change_by_hand
from bench.ratio import seconds
from gitops_prefix.cli.demo import ROUTER, advertisement
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.lab.router import Port
from gitops_prefix.watch.codec import in_ipv6
from tests import netns
from tests.gitrepo import ROOT

FILES, MANAGED, CHANGES = 5_000, 50, 100
_REST = 0.7
"""Seconds after each change: routers do not renumber twice in one settle."""


def main(directory: Path, changes: int = CHANGES) -> None:
    """100 changes, and as many by hand."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        print("3 on the wire: not measured (needs root and iproute2)")
        return
    rounds = [*_rounds(directory, changes)]
    ours, floor = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratios = sorted(a / b for a, b in rounds)
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(
        f"3 advertisement on the wire to commit on the remote, {FILES:,} files, default settings: "
        f"{ours / floor:.2f} x ({ours * 1e3:.0f} ms against {floor * 1e3:.0f}; of pairs: median "
        f"{middle:.2f}, quartiles {low:.2f} to {high:.2f}; {changes} changes)  goal <= 1.2 x"
    )


def _rounds(directory: Path, changes: int) -> Iterator[tuple[float, float]]:
    """Seconds of each change: ours, and by hand."""
    (directory / "ours").mkdir(parents=True)
    (directory / "floor").mkdir()
    _, remote = make(directory / "ours", FILES, MANAGED)
    tree, _ = make(directory / "floor", FILES, MANAGED)
    paths = sorted((tree / "apps").glob("*/app-*.yaml"), key=lambda path: int(path.stem[4:]))
    paths = [*paths[:MANAGED], tree / "prefix.yaml"]
    with renumbering(remote, directory / "clone") as renumber:
        for number in range(changes + 1):
            ours = renumber()
            by_hand = seconds(lambda: change_by_hand(tree, paths, number))  # noqa: B023  called here
            # The first has to find the router.
            if number:
                yield ours, by_hand


@contextmanager
def renumbering(remote: Path, clone: Path) -> Iterator[Callable[[], float]]:
    """A running daemon, and a call that renumbers it: seconds until the commit is there."""
    words = [sys.executable, "-m", "gitops_prefix", "run", "--repo", str(remote)]
    words += ["--branch", "main", "--clone-dir", str(clone)]
    prefixes = (Prefix.parse(f"2001:db8:{number:x}::/64") for number in itertools.count(1))
    log = clone.with_suffix(".log")
    with netns.lab() as lab, log.open("w") as file:
        with lab.router.inside():
            port = Port(lab.router.link)
        with closing(port), lab.node.start(*words, stderr=file, cwd=ROOT):
            netns.until(lambda: "is up" in log.read_text(), "a daemon that listens", 60)

            def renumber() -> float:
                packet = in_ipv6(advertisement([next(prefixes)]), source=ROUTER)
                before = tip(remote)
                began = time.perf_counter()
                port.send(packet)
                while tip(remote) == before:
                    if time.perf_counter() - began > 30:
                        raise SystemExit(f"no commit within 30 s:\n{log.read_text()}")
                    time.sleep(0.0005)
                took = time.perf_counter() - began
                time.sleep(_REST)
                return took

            yield renumber


def tip(remote: Path) -> bytes:
    """The commit of the branch, read without a process; empty while it is packed."""
    try:
        return (remote / "refs" / "heads" / "main").read_bytes()
    except OSError:
        return b""


def alone(main: Callable[[Path, int], None], changes: int) -> None:
    """Measure one row, as a program of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--changes", type=int, default=changes)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gitops-prefix-bench-") as scratch:
        main(Path(scratch), chosen.changes)


if __name__ == "__main__":
    alone(main, CHANGES)
