"""Memory and file descriptors over thousands of changes, in one process, with real git.

`python -m bench.endurance 10000` takes twenty minutes on a machine of its own; the tests
run the same fewer times (tests/daemon/test_endurance.py).
"""

import gc
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from bench.home_repository import make
from gitops_prefix.daemon.branch import BranchPublisher
from gitops_prefix.daemon.outcome import Pushed, Ready, Seen
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import PrefixSource
from gitops_prefix.decide.transition import Choice
from gitops_prefix.plan.plan import plan, read_repository
from gitops_prefix.publish.repository import Repository

_START = datetime(2026, 1, 1, tzinfo=UTC)
_EVERY = 25


class Sample(NamedTuple):
    """The process after some changes.

    Attributes:
        changes: how many were published.
        resident: RSS in KiB.
        descriptors: open files.
        clone: bytes of the clone on the disk.
    """

    changes: int
    resident: int
    descriptors: int
    clone: int


def samples(directory: Path, changes: int, every: int = _EVERY) -> Iterator[Sample]:
    """Publish one change after the other, and look at the process now and then."""
    _, remote = make(directory, 60, 10)
    repository = Repository(directory / "clone", str(remote), "main")
    repository.open()
    # The next tidying, which takes half a mebibyte for good, is seventy changes away.
    repository.clone.tidy()
    try:
        publisher = BranchPublisher(repository)
        prefixes = itertools.cycle(Prefix.parse(f"2001:db8:{n:x}::/64") for n in range(1, 500))
        for number in range(1, changes + 1):
            _publish(publisher, next(prefixes), _START + timedelta(hours=number))
            if number % every == 0:
                taken = _sample(number, directory / "clone")
                yield taken
                if number % 500 == 0:
                    print(taken, file=sys.stderr)
    finally:
        repository.close()


def _publish(publisher: BranchPublisher, prefix: Prefix, now: datetime) -> None:
    publisher.look()
    seen = publisher.read()
    if not isinstance(seen, Seen):
        raise SystemExit(f"not read: {seen}")
    inventory = read_repository(seen.files)
    choice = Choice(prefix, PrefixSource.ROUTER_ADVERTISEMENT)
    choices = dict.fromkeys(inventory.dynamic_prefixes, choice)
    ready = publisher.commit(seen, plan(inventory, choices, now, seen.left), now)
    outcome = publisher.push(ready, None) if isinstance(ready, Ready) else ready
    if not isinstance(outcome, Pushed):
        raise SystemExit(f"not published: {outcome}")


def _sample(changes: int, clone: Path) -> Sample:
    # What waits for the collector is no leak.
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    resident = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    size = sum(path.stat().st_size for path in clone.rglob("*") if path.is_file())
    return Sample(changes, resident, len([*Path("/proc/self/fd").iterdir()]), size)


def main(directory: Path, changes: int = 300) -> None:
    """The second half of the changes, over the first."""
    begin = time.monotonic()
    taken = [*samples(directory, changes)]
    seconds = time.monotonic() - begin
    first, second = taken[1 : len(taken) // 2], taken[len(taken) // 2 :]
    before, after = (statistics.median(one.resident for one in half) for half in (first, second))
    descriptors = sorted({one.descriptors for one in taken})
    print(
        f"9 {changes:,} changes in one process, {seconds / changes * 1000:.0f} ms each: RSS "
        f"{before / 1024:.1f} MiB in the first half, {after / 1024:.1f} in the second "
        f"({after / before:.3f} x), {taken[-1].resident / 1024:.1f} at the end; open files "
        f"{' to '.join(map(str, {descriptors[0]: 0, descriptors[-1]: 0}))}; the clone's history "
        f"{taken[-1].clone / changes / 1024:.1f} KiB a change  goal flat"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="gitops-prefix-bench-") as there:
        main(Path(there), int(sys.argv[1]) if sys.argv[1:] else 300)
