"""From the bytes of an advertisement to the commit on a local bare remote, in percentiles.

The floor is what git itself needs for the same change: fetch, hash-object,
write-tree, commit-tree and push. Both take turns, so that what the machine does meanwhile
hits both.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.home_repository import git, make
from bench.ratio import seconds
from gitops_prefix.cli.demo import ROUTER, advertisement
from gitops_prefix.daemon.branch import BranchPublisher
from gitops_prefix.daemon.clocks import Wakeup
from gitops_prefix.daemon.decisions import Decisions
from gitops_prefix.daemon.loop import Loop
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.outcome import Result
from gitops_prefix.decide.advertisement import Router, RouterAdvertisement
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.plan.ears import Advertised
from gitops_prefix.publish.credentials import Credentials
from gitops_prefix.publish.git import Answer, Git
from gitops_prefix.publish.repository import Repository
from gitops_prefix.watch.codec import decode

_CHANGES = 200
_MANAGED = 50


class _Round(NamedTuple):
    """Seconds of one change: ours, of that in git's processes, how many these were, and by hand."""

    ours: float
    in_git: float
    calls: float
    floor: float


def main(directory: Path) -> None:
    """5,000 and 50,000 files, 50 of them managed; 200 changes of each."""
    for files in (5_000, 50_000):
        _show(files, [*_rounds(directory / str(files), files)])


def _show(files: int, rounds: list[_Round]) -> None:
    ours, floor = (_percentiles([one[at] for one in rounds]) for at in (0, 3))
    figures = ", ".join(
        f"{name} {a / b:.2f} x ({a * 1e3:.0f} ms against {b * 1e3:.0f})"
        for name, a, b in zip(("p50", "p90", "p99"), ours, floor, strict=True)
    )
    share = statistics.median(one.in_git / one.ours for one in rounds)
    calls = statistics.median(one.calls for one in rounds)
    print(
        f"3 advertisement to commit on the remote, {files:,} files, over git alone: {figures}; "
        f"{share:.0%} of it in git's {calls:.0f} processes  goal p50 <= 1.5 x"
    )


def _percentiles(numbers: list[float]) -> tuple[float, float, float]:
    cuts = statistics.quantiles(numbers, n=100)
    return cuts[49], cuts[89], cuts[98]


def _rounds(directory: Path, files: int) -> Iterator[_Round]:
    (directory / "ours").mkdir(parents=True)
    (directory / "floor").mkdir()
    _, remote = make(directory / "ours", files, _MANAGED)
    tree, _ = make(directory / "floor", files, _MANAGED)
    paths = sorted((tree / "apps").glob("*/app-*.yaml"), key=lambda path: int(path.stem[4:]))
    paths = [*paths[:_MANAGED], tree / "prefix.yaml"]
    with publisher(remote, directory / "clone") as publish, _timed() as calls:
        for number in range(_CHANGES + 1):
            calls.clear()
            ours = seconds(publish)
            in_git, many = sum(calls), len(calls)
            by_hand = seconds(lambda: change_by_hand(tree, paths, number))  # noqa: B023  called here
            if number:
                yield _Round(ours, in_git, many, by_hand)


@contextmanager
def publisher(
    remote: object, clone: Path, credentials: Credentials | None = None
) -> Iterator[Callable[[], None]]:
    """Something that renumbers each time it is called, and publishes that."""
    repository = Repository(clone, str(remote), "main", credentials=credentials)
    repository.open()
    metrics, wakeup = Metrics(), Wakeup()
    decisions = Decisions(metrics, time.monotonic, wakeup.nudge)
    loop = Loop(BranchPublisher(repository), decisions, metrics, wakeup=wakeup)
    loop.run_once()
    prefixes = itertools.cycle(Prefix.parse(f"2001:db8:{n:x}::/64") for n in range(1, 300))

    def publish() -> None:
        decoded = decode(advertisement([next(prefixes)]), source=ROUTER, hop_limit=255)
        if not isinstance(decoded, RouterAdvertisement):
            raise SystemExit("the advertisement was refused")
        router = Router("eth0", "fe80::1")
        decisions.take(Advertised(router, decoded, time.monotonic(), repeated=False))
        if loop.run_once().result is not Result.PUBLISHED:
            raise SystemExit("nothing was published")

    try:
        yield publish
    finally:
        repository.close()


@contextmanager
def _timed() -> Iterator[list[float]]:
    """The seconds of each process of git's that we start."""
    calls: list[float] = []
    ask = Git.ask

    def timed(self: Git, *arguments: str, **options: object) -> Answer:
        began = time.perf_counter()
        try:
            return ask(self, *arguments, **options)
        finally:
            calls.append(time.perf_counter() - began)

    Git.ask = timed
    try:
        yield calls
    finally:
        Git.ask = ask


def change_by_hand(tree: Path, paths: list[Path], number: int) -> None:
    """The same change of 51 files, by the plumbing commands and nothing else."""
    git(tree, "fetch", "-q", "origin", "main")
    for path in paths:
        path.write_text(f"{path.read_text().partition('# ')[0]}# {number}\n")
    names = "\n".join(str(path) for path in paths)
    blobs = git(tree, "hash-object", "-w", "--stdin-paths", stdin=names.encode()).split()
    entries = "".join(
        f"100644 {blob}\t{path.relative_to(tree)}\n"
        for blob, path in zip(blobs, paths, strict=True)
    )
    git(tree, "update-index", "--index-info", stdin=entries.encode())
    root = git(tree, "write-tree").strip()
    commit = git(tree, "commit-tree", root, "-p", "origin/main", "-m", "change").strip()
    git(tree, "push", "-q", "origin", f"{commit}:refs/heads/main")
