"""What a commit names and the clone does not hold: it is fetched without file contents first.

Asked without a promisor remote (git.py turns lazy fetching off, too): git answers from
the disk and never fetches one blob after another.
"""

from collections.abc import Iterator
from typing import NamedTuple

from gitops_prefix.publish.git import Git
from gitops_prefix.publish.managed_files import Scope

_MISSING = ("rev-list", "--quiet", "--objects", "--missing=print")


class MissingBlobs(NamedTuple):
    """Blobs that are not here.

    Attributes:
        wanted: those that the byte search reads, by id.
        others: how many there are that nobody reads.
    """

    wanted: tuple[str, ...] = ()
    others: int = 0


def find_missing_blobs(git: Git, commit: str, scope: Scope) -> MissingBlobs:
    """The blobs of a commit's tree that are not here.

    Raises:
        GitFailedError: its trees are not all here, either.
    """
    missing = _missing(git, "--no-walk", commit)
    if not missing:
        return MissingBlobs()
    wanted = {blob for path, blob in _blobs(git, commit) if scope.searches(path)} & missing
    return MissingBlobs(tuple(sorted(wanted)), len(missing) - len(wanted))


def has_every_tree(git: Git) -> bool:
    """Whether all commits and trees that references reach are here; blobs may be missing."""
    answer = git.ask(*_MISSING, "--filter=blob:none", "--all")
    # A time that is over says nothing.
    return answer.status < 0 or (answer.status == 0 and not answer.stdout)


def missing_from(git: Git) -> frozenset[str]:
    """Every object that references reach and that is not here.

    Raises:
        GitFailedError: a commit cannot be read.
    """
    return _missing(git, "--all")


def _missing(git: Git, *what: str) -> frozenset[str]:
    # With --quiet git prints what is missing and nothing else.
    return frozenset(line.removeprefix("?") for line in git.run(*_MISSING, *what).lines())


def _blobs(git: Git, commit: str) -> Iterator[tuple[str, str]]:
    """Path and id of each file; symbolic links and submodules are none."""
    listed = git.run("ls-tree", "-r", "-z", "--full-tree", commit).stdout
    for entry in listed.split(b"\0"):
        if entry.startswith(b"100"):
            described, _, path = entry.partition(b"\t")
            yield path.decode(errors="surrogateescape"), described.rpartition(b" ")[2].decode()
