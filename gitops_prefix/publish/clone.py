"""The bare clone's directory: one process owns it, and it heals by itself."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.git import Git

_OWNER = "gitops-prefix.lock"


class Clone:
    """A bare repository in `directory/repository.git`, locked while this lives."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "repository.git"
        self.private = Path()
        self._lock: int | None = None

    def open(self) -> None:
        """Take the directory, and mend what a crash left behind.

        Raises:
            InputError: it holds something else, or another process has it.
            OutsideError: it cannot be made.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._refuse_foreign()
            self._take_lock()
            # Not in the clone: a secret must not stay on a volume when we are killed.
            self.private = Path(tempfile.mkdtemp(prefix="gitops-prefix-"))
        except OSError as error:
            raise OutsideError(
                f"--clone-dir {self.directory}: {error.strerror or error}"
            ) from error
        self._remove_stale_locks()
        if not self._is_whole():
            self.remake()

    def close(self) -> None:
        """Let another process have it."""
        if self.private != Path():
            shutil.rmtree(self.private, ignore_errors=True)
            self.private = Path()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def remake(self) -> None:
        """Start from nothing: all that is here is also on the branch, or was lost before."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir()
        Git(self.path).run("init", "--quiet", "--bare", "--template=", "--initial-branch=main", ".")

    def _refuse_foreign(self) -> None:
        if not (self.directory / _OWNER).exists() and any(self.directory.iterdir()):
            message = f"--clone-dir {self.directory} holds something else: name an empty directory"
            raise InputError(Problem("clone-dir-taken", message))

    def _take_lock(self) -> None:
        self._lock = os.open(self.directory / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            message = (
                f"--clone-dir {self.directory} is in use by another gitops-prefix: stop it, or "
                "name another directory"
            )
            raise InputError(Problem("clone-dir-locked", message)) from error

    def _remove_stale_locks(self) -> None:
        """Nobody else runs git here, so a lock file is a dead process's."""
        for lock in self.path.rglob("*.lock"):
            lock.unlink(missing_ok=True)

    def _is_whole(self) -> bool:
        if not (self.path / "HEAD").is_file():
            return False
        git = Git(self.path)
        found = git.ask("rev-parse", "--is-bare-repository")
        if found.status != 0 or found.word() != "true":
            return False
        return git.ask("fsck", "--connectivity-only", "--no-dangling", "--no-progress").status == 0
