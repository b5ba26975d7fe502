"""From the bytes of an advertisement to the commit on a local bare remote.

The floor is what git itself needs for the same change: fetch, hash-object,
write-tree, commit-tree and push.
"""

import itertools
import time
from pathlib import Path

from bench.home_repository import git, make
from bench.ratio import measure, show
from gitops_prefix.cli.rehearsal import ROUTER, advertisement
from gitops_prefix.daemon.loop import Loop, Pace
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.publication import Publication, Result
from gitops_prefix.decide.advertisement import Router, RouterAdvertisement
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.publish.repository import Repository
from gitops_prefix.watch.codec import decode
from gitops_prefix.watch.watcher import Advertised


def main(directory: Path) -> None:
    """A repository of 5,000 files, 50 of them managed."""
    (directory / "ours").mkdir()
    (directory / "floor").mkdir()
    _, remote = make(directory / "ours", 5000, 50)
    tree, _ = make(directory / "floor", 5000, 50)
    repository = Repository(directory / "clone", str(remote), "main")
    repository.open()
    loop = Loop(Publication(repository), Metrics(), pace=Pace(settle=0))
    loop.run_once()
    prefixes = itertools.cycle(Prefix.parse(f"2001:db8:{n:x}::/64") for n in range(1, 60))

    def ours() -> None:
        packet = advertisement([next(prefixes)])
        decoded = decode(packet, source=ROUTER, hop_limit=255)
        if not isinstance(decoded, RouterAdvertisement):
            raise SystemExit("the advertisement was refused")
        router = Router("eth0", "fe80::1")
        loop.decisions.take(Advertised(router, decoded, time.monotonic(), repeated=False))
        if loop.run_once().result is not Result.PUBLISHED:
            raise SystemExit("nothing was published")

    numbers = itertools.count()

    def floor() -> None:
        _change_by_hand(tree, next(numbers))

    row = "3 advertisement to commit on the remote, over git alone"
    show(row, measure(ours, floor, 15), "<= 1.5 x")
    repository.close()


def _change_by_hand(tree: Path, number: int) -> None:
    """The same change of 51 files, by the plumbing commands and nothing else."""
    git(tree, "fetch", "-q", "origin", "main")
    paths = sorted((tree / "apps").glob("*/app-*.yaml"), key=lambda p: int(p.stem[4:]))[:50]
    paths.append(tree / "prefix.yaml")
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
