"""A house whose link says what a test wants, and its daemon in simulated time.

The daemon's own loop on a real repository: only the clocks and the ears are the test's.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gitops_prefix.daemon.clocks import Clocks
from gitops_prefix.daemon.loop import Loop, Pace
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.publication import Outcome, Publication, Result
from gitops_prefix.decide.advertisement import INFINITY
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import Status
from gitops_prefix.plan.ears import Advertised
from gitops_prefix.publish.credentials import Credentials
from gitops_prefix.publish.repository import Repository, TimeLimits
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings
from tests.decide.routers_saying import FIRST, pio, saying
from tests.gitrepo import example, git

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
A, B, C, D = (Prefix.parse(f"2001:db8:{n}::/64") for n in ("aaaa", "bbbb", "cccc", "dddd"))
LIMITS = TimeLimits(ask=60.0, fetch=60.0)
"""Nothing here takes so long, and a test that waits in vain ends."""
GIVEN_UP = 0
"""The lifetime of what a router takes back."""


@dataclass
class Time:
    """Goes when it is told to; the calendar can be set."""

    seconds: float = 0.0
    set_by: timedelta = timedelta(0)

    def monotonic(self) -> float:
        return self.seconds

    def calendar(self) -> datetime:
        return NOON + timedelta(seconds=int(self.seconds)) + self.set_by


@dataclass
class House:
    """One daemon: `hears` what its router says, and `lives` through simulated time.

    Attributes:
        outcomes: of every pass, with the simulated second at which it was made.
    """

    repository: Repository
    time: Time = field(default_factory=Time)
    interval: float = 300.0
    outcomes: list[tuple[float, Outcome]] = field(default_factory=list)
    _said: Prefix | None = None

    def __post_init__(self) -> None:
        self.loop = Loop(
            Publication(self.repository),
            Metrics(),
            pace=Pace(settle=0.0, interval=self.interval),
            clocks=Clocks(self.time.monotonic, self.time.calendar),
            on_outcome=lambda one: self.outcomes.append((self.time.seconds, one)),
        )

    @property
    def outcome(self) -> Outcome:
        return self.outcomes[-1][1]

    @property
    def is_right(self) -> bool:
        """Whether the branch is as it should be, and nothing waits."""
        right = self.outcome.result in {Result.PUBLISHED, Result.UNCHANGED}
        return right and self.repository.unpublished is None

    @property
    def results(self) -> list[Result]:
        return [outcome.result for _, outcome in self.outcomes]

    def tries(self, result: Result) -> list[float]:
        """When passes came to this."""
        return [second for second, outcome in self.outcomes if outcome.result is result]

    def hears(self, prefix: Prefix) -> None:
        """The router gives up the prefix it said before, and announces this one."""
        gone = [pio(self._said, GIVEN_UP, GIVEN_UP)] if self._said not in {None, prefix} else []
        self._said = prefix
        said = saying(pio(prefix, INFINITY, INFINITY), *gone)
        self.loop.decisions.take(Advertised(FIRST, said, self.time.seconds, False))

    def lives(self, seconds: float) -> Outcome:
        """The loop as `Loop.run` has it, but nobody waits."""
        end = self.time.seconds + seconds
        while True:
            if self.loop._has_reason():
                self.loop.run_once()
            elif (asleep := max(self.loop._seconds_to_sleep(), 0.001)) + self.time.seconds > end:
                break
            else:
                self.time.seconds += asleep
        self.time.seconds = end
        return self.outcome


@contextmanager
def house(
    clone: Path, url: object, credentials: Credentials | None = None, **options: object
) -> Iterator[House]:
    """A daemon that was just started. Leaving it is a kill: nothing is tidied up but its lock."""
    limits = options.pop("limits", LIMITS)
    repository = Repository(clone, str(url), "main", credentials=credentials, limits=limits)
    repository.open()
    try:
        yield House(repository, **options)
    finally:
        repository.close()


def remote_home(tmp_path: Path) -> Path:
    """A bare repository that holds examples/plain; its checkout is `tmp_path/tree`."""
    return example("plain", tmp_path)


def status_of(remote: Path, commit: str = "main") -> Status | None:
    """What a commit of the remote says of the one DynamicPrefix."""
    files = {"prefix.yaml": git(remote, "show", f"{commit}:prefix.yaml").encode()}
    return read_inventory(files, Settings()).dynamic_prefixes["home-ipv6"].status


def prefixes_of(remote: Path) -> tuple[Prefix, ...]:
    status = status_of(remote)
    return status.prefixes if status else ()


def subjects(remote: Path) -> list[str]:
    """Newest first, without the commit that the repository began with."""
    return git(remote, "log", "--format=%s", "main").splitlines()[:-1]


def change(before: Prefix, after: Prefix) -> str:
    """The subject of our commit."""
    return f"prefix(home-ipv6): {before} -> {after}"


def first(prefix: Prefix) -> str:
    return f"prefix(home-ipv6): {prefix}"


MANAGED_BY = {
    "network/pool.yaml": r"start: \"?(2001:db8:[0-9a-f]+):0:f000::\"?$",
    "network/cidr-group.yaml": r"- \"?(2001:db8:[0-9a-f]+):0:f000::/68\"?$",
}


def is_whole(remote: Path, commit: str = "main") -> bool:
    """Whether pool and CIDR group hold what the status of the same commit says, and no more."""
    # By its id: a push may come in between.
    commit = git(remote, "rev-parse", commit).strip()
    status = status_of(remote, commit)
    known = [str(one).partition("::")[0] for one in (status.prefixes if status else ())]
    return all(
        re.findall(pattern, git(remote, "show", f"{commit}:{path}"), re.MULTILINE) == known
        for path, pattern in MANAGED_BY.items()
    )


def somebody_pushes(tree: Path, path: str = "theirs.txt", text: str = "theirs\n") -> str:
    """A person's commit on the branch, from the checkout; its id."""
    git(tree, "fetch", "-q", "origin", "main")
    git(tree, "reset", "-q", "--hard", "FETCH_HEAD")
    (tree / path).write_text(text)
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "theirs")
    git(tree, "push", "-q", "origin", "main")
    return git(tree, "rev-parse", "HEAD").strip()


def hook(remote: Path, name: str, text: str) -> Path:
    """A hook of the server's; the test removes it, or not."""
    path = remote / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path
