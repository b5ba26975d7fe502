"""The last changes of a branch that gitops-prefix made, as the branch's own log has them.

The clone is one commit deep. The log is fetched apart from it, without trees and contents:
a few hundred bytes a commit, and nothing of it can disturb a publication.
"""

import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.errors import shown
from gitops_prefix.plan.occasion import Occasion
from gitops_prefix.publish.clone import Clone
from gitops_prefix.publish.credentials import local_path
from gitops_prefix.publish.git import Git
from gitops_prefix.publish.message import own_trailers
from gitops_prefix.publish.remote import Leave, Remote
from gitops_prefix.publish.running import Limits

MOST_CHANGES = 20
"""Changes that are kept."""
_DEPTHS = (50, 1000)
"""Commits that are searched: the second only at a server that leaves trees out."""
_LOG = "refs/heads/log"
_LIMITS = Limits(30.0)
_FORMAT = "%H%x00%ct%x00%s%x00%(trailers:only,unfold)%x01"


class PrefixMove(NamedTuple):
    """What the trailers of a commit say of one DynamicPrefix.

    Attributes:
        before: empty for its first prefix.
    """

    name: str
    before: str
    after: str


class LoggedChange(NamedTuple):
    """One commit of gitops-prefix.

    Attributes:
        at: when it was made.
        subject: the first line of its message.
    """

    commit: str
    at: datetime
    subject: str
    moves: tuple[PrefixMove, ...]


def moves_of(occasion: Occasion) -> tuple[PrefixMove, ...]:
    """What `parse_moves` reads from the message about this occasion."""
    return tuple(parse_moves(str(trailer) for trailer in own_trailers(occasion)))


def parse_moves(lines: Iterable[str]) -> Iterator[PrefixMove]:
    """Read our trailers: a group for each DynamicPrefix."""
    move: PrefixMove | None = None
    for line in lines:
        key, _, text = line.partition(": ")
        if key == "Dynamic-Prefix":
            if move is not None:
                yield move
            move = PrefixMove(text, "", "")
        elif move is not None and key == "Previous-Prefix":
            move = move._replace(before=text)
        elif move is not None and key == "Current-Prefix":
            move = move._replace(after=text)
    if move is not None:
        yield move


class BranchLog:
    """Reads the log of one branch; an own clone holds its commits, and nothing else."""

    def __init__(self, remote: Remote, directory: Path, url: str, branch: str) -> None:
        """Name a branch; nothing is read yet.

        Args:
            remote: the branch's remote.
            directory: the directory of the daemon's clone.
            url: of the remote. The log of a path on this machine is read where it is.
            branch: its name.
        """
        self._here = local_path(url)
        self._branch = branch
        self._clone = Clone(directory / "log", serves="")
        self._remote = remote.within(self._clone)
        self._fresh = False

    def read(self, tip: str) -> tuple[LoggedChange, ...]:
        """Return the last changes up to `tip`, newest first.

        Raises:
            GitopsPrefixError: the remote or our own disk failed.
        """
        if self._here is not None:
            path = self._here.absolute()
            return _changes(Git(path, environment={"GIT_CEILING_DIRECTORIES": "/"}), tip)
        git = self._opened(tip)
        found: tuple[LoggedChange, ...] = ()
        for depth in _DEPTHS:
            self._remote.fetch(depth=depth, into=_LOG, leave=Leave.TREES)
            found = _changes(git, _LOG)
            if len(found) >= MOST_CHANGES or _holds_trees(git):
                break
        return found

    def _opened(self, tip: str) -> Git:
        if not self._fresh:
            shutil.rmtree(self._clone.directory, ignore_errors=True)
            self._clone.path.mkdir(parents=True)
            form = "sha256" if len(tip) == 64 else "sha1"
            self._clone.git().run(
                "init", "--quiet", "--bare", "--template=", f"--object-format={form}"
            )
            self._fresh = True
        return self._clone.git()


def _holds_trees(git: Git) -> bool:
    """Whether the server ignored the filter: a deeper fetch would bring every file."""
    return git.ask("cat-file", "-e", f"{_LOG}^{{tree}}").status == 0


def _changes(git: Git, tip: str) -> tuple[LoggedChange, ...]:
    options = (f"--max-count={MOST_CHANGES}", "--grep=^Dynamic-Prefix: ", f"--format={_FORMAT}")
    answer = git.run("log", "--no-show-signature", *options, tip, "--", limits=_LIMITS)
    records = answer.stdout.decode(errors="replace").split("\x01")
    return tuple(filter(None, (_change(record.lstrip("\n")) for record in records)))


def _change(record: str) -> LoggedChange | None:
    commit, _, rest = record.partition("\0")
    seconds, _, rest = rest.partition("\0")
    subject, _, trailers = rest.partition("\0")
    moves = tuple(parse_moves(trailers.splitlines()))
    if not moves or not seconds.isdecimal():
        return None
    try:
        at = datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        # Whoever commits writes any date, and Python ends at the year 9999.
        return None
    return LoggedChange(commit, at, shown(subject), moves)
