"""Whose a clone's directory is: one process owns it, by a lock that dies with it.

A second lock is inherited by every git that the owner starts. When the owner alone is
killed, as for its memory, git goes on; the next owner would read what it writes, and
sweep away what it has half written. So that one lets it end first.
"""

import fcntl
import logging
import os
import threading
from pathlib import Path

from gitops_prefix.errors import InputError, Problem

log = logging.getLogger(__name__)

_OWNER = "gitops-prefix.lock"
_AT_WORK = "git-at-work.lock"
_ORPHANS_SECONDS = 60
"""For git that outlived its process: as long as a remote may take (remote.TimeLimits)."""
_FORK_SECONDS = 2
"""For a process that was killed while it started git: until its child has become that, the
child holds all that it had."""
_TICKS = 10
# A file system of its own, as volumes are, begins with a "lost+found".
_OURS_TO_TAKE = frozenset({"lost+found"})


class Owner:
    """The owner of one directory."""

    def __init__(self, directory: Path, serves: bytes) -> None:
        """Own nothing yet.

        Args:
            directory: holds the locks; it is there when it is taken.
            serves: what it is used for; kept in the lock's file.
        """
        self._directory = directory
        self._serves = serves
        self._lock: int | None = None
        self._at_work: int | None = None

    def take(self) -> None:
        """Own the directory, once no other process and no git of one does.

        Raises:
            InputError: it holds something else, or another process has it.
            OSError: it cannot be written.
        """
        names = {path.name for path in self._directory.iterdir()} - _OURS_TO_TAKE
        if names and _OWNER not in names:
            message = f"--clone-dir {self._directory} holds something else: name an empty directory"
            raise InputError(Problem("clone-dir-taken", message))
        self._lock = self._open(_OWNER)
        if not _locked_within(_FORK_SECONDS, self._lock):
            self.release()
            message = (
                f"--clone-dir {self._directory} is in use by another gitops-prefix: stop it, or "
                "name another directory"
            )
            raise InputError(Problem("clone-dir-locked", message))
        self._at_work = self._open(_AT_WORK)
        if not _locked_within(_ORPHANS_SECONDS, self._at_work):
            log.warning("git of an earlier process is still at work in %s", self._directory)

    def release(self) -> None:
        """Let another process have it."""
        for descriptor in (self._lock, self._at_work):
            if descriptor is not None:
                os.close(descriptor)
        self._lock = self._at_work = None

    def served_another(self) -> bool:
        """Whether the directory was used for something else before."""
        served = b"" if self._lock is None else os.pread(self._lock, 65536, 0)
        return served not in {b"", self._serves}

    def note(self) -> None:
        """Write down what it is used for."""
        if self._lock is not None and os.pread(self._lock, 65536, 0) != self._serves:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, self._serves, 0)

    def kept_by_git(self) -> tuple[int, ...]:
        """The descriptor that each git inherits, which is the lock that an owner waits for."""
        return () if self._at_work is None else (self._at_work,)

    def _open(self, name: str) -> int:
        return os.open(self._directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _locked_within(seconds: int, descriptor: int) -> bool:
    for _ in range(seconds * _TICKS):
        if _locked(descriptor):
            return True
        threading.Event().wait(1 / _TICKS)
    return False


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
