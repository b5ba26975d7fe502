"""`render --check` as the repository grows ten times, the managed files being the same.

Both grow by what it takes to look into every file; we may not grow faster than `git grep`.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.home_repository import write
from bench.ratio import Ratio, seconds, show

_ROUNDS = 10
_SMALL, _LARGE = 5_000, 50_000


class _Times(NamedTuple):
    """Seconds of one round: each program, over the small and the large repository."""

    ours: float
    ours_large: float
    grep: float
    grep_large: float


def main(directory: Path) -> None:
    """Ten rounds, each of all four, so that what the machine does meanwhile hits all."""
    small, large = directory / "small", directory / "large"
    for tree, files in ((small, _SMALL), (large, _LARGE)):
        write(tree, files, 50)
        prefix = ["--prefix", "home-ipv6=2001:db8:1234::/64"]
        _run(sys.executable, "-m", "gitops_prefix", "render", str(tree), *prefix)
    calls = [*map(_ours, (small, large)), *map(_grep, (small, large))]
    for call in calls:
        call()
    rounds = [_Times(*map(seconds, calls)) for _ in range(_ROUNDS)]
    ratios = [(one.ours_large / one.ours) / (one.grep_large / one.grep) for one in rounds]
    low, median, high = statistics.quantiles(ratios, n=4)
    ours, ours_large, grep, grep_large = (
        statistics.median(one) for one in zip(*rounds, strict=True)
    )
    show(
        "5 growth from 5,000 to 50,000 files, over git grep's",
        Ratio(ours_large, grep_large, median, low, high),
        "<= 1 x",
    )
    # Our start-up flatters the ratio; what one more file costs does not.
    print(
        f"  render --check {ours_large / ours:.1f} x, {_each(ours, ours_large)} a file more; "
        f"git grep {grep_large / grep:.1f} x, {_each(grep, grep_large)} a file more"
    )


def _each(small: float, large: float) -> str:
    return f"{(large - small) / (_LARGE - _SMALL) * 1e6:.1f} us"


def _ours(tree: Path) -> Callable[[], None]:
    return lambda: _run(sys.executable, "-m", "gitops_prefix", "render", str(tree), "--check")


def _grep(tree: Path) -> Callable[[], None]:
    return lambda: _run("git", "-C", str(tree), "grep", "-l", "-F", "dynamic-prefix.io/")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
