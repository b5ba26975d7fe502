"""A house whose link says what a test wants, and its daemon in simulated time.

The daemon's own loop on a real repository: only the clocks and the ears are the test's.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import Status
from gitops_prefix.publish.credentials import Credentials
from gitops_prefix.publish.repository import Repository, TimeLimits
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings
from tests.daemon.house import NOON, A, B, C, D, Time
from tests.daemon.house import House as DaemonsHouse
from tests.gitrepo import example, git
from tests.netns import replace_program

__all__ = ["NOON", "A", "B", "C", "D", "Time"]

LIMITS = TimeLimits(ask=60.0, fetch=60.0)
"""Nothing here takes so long, and a test that waits in vain ends."""


class House(DaemonsHouse):
    """As the daemon's, but a router only speaks, and `lives` makes the passes."""

    def hears(self, prefix: Prefix) -> None:
        self.announces(prefix)


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
    return replace_program(path, f"#!/bin/sh\n{text}\n")
