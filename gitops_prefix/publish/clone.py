"""The bare clone: its directory, the lock that makes it ours, and how it heals.

Only a commit that is not pushed yet is worth saving; it is kept as long as it can be read.

One process owns the directory, by a lock that ends with the process. Every git that the
owner starts inherits a second lock. When the owner alone is killed (for its memory, say),
git goes on writing; the next owner waits for that git before it cleans up.
"""

import fcntl
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.git import Git
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.managed_files import has_every_tree, missing_from

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
# What git needs to see a repository, beside directories (gitrepository-layout(5)).
_FILES = {
    "HEAD": b"ref: refs/heads/main\n",
    "config": b"[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n",
}
_WAITING = ("refs/gitops-prefix/unpublished", "refs/gitops-prefix/proposed")
"""What of ours waits for the branch, and what for branches of ours."""
# The tip first: what waits stands on it, and needs little more.
_REFERENCES = ("for-each-ref", "--sort=-refname", "--format=%(objectname) %(refname)", "refs")
_MOST_PACKS = 50
"""As many as git itself lets be (gc.autoPackLimit)."""
# Contents may be missing, and for want of a URL nothing is ever fetched.
_PROMISED = ("-c", "remote.origin.promisor=true")


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


class Clone:
    """A bare repository in `directory/repository.git`, locked while this lives."""

    def __init__(self, directory: Path, *, serves: str) -> None:
        """Name a directory; `open` touches it.

        Args:
            directory: it holds nothing else.
            serves: the remote and branch; what was cloned of another one is let go.
        """
        self.directory = directory.absolute()
        self.path = self.directory / "repository.git"
        self._aside = self.directory / "aside.git"
        self._owner = Owner(self.directory, serves.encode(errors="surrogateescape"))

    def git(self, loan: Loan | None = None) -> Git:
        """Git in this repository, and in no other that happens to be around it."""
        variables = {"GIT_DIR": str(self.path)}
        return Git(self.path, environment=variables, loan=loan, keeps=self._owner.kept_by_git)

    def is_there(self) -> bool:
        """Whether an earlier process made it, as far as we may see."""
        with suppress(OSError):
            return self.path.is_dir() or self._aside.is_dir()
        return False

    def open(self) -> None:
        """Take the directory, and mend what a crash left behind.

        Raises:
            InputError: it holds something else, or another process has it.
            OutsideError: it cannot be made.
        """
        with self._reporting():
            self.directory.mkdir(parents=True, exist_ok=True)
            self._owner.take()
            if self._owner.served_another():
                # Decisions for one branch are none for another.
                shutil.rmtree(self.path, ignore_errors=True)
                shutil.rmtree(self._aside, ignore_errors=True)
            self._owner.note()
            if self._aside.exists() and not self.path.exists():
                self._aside.rename(self.path)
            self._sweep()
            self._make()
            self._salvage()
        if not self._is_whole(self.git(), "--connectivity-only"):
            self._remake()

    def close(self) -> None:
        """Let another process have it."""
        self._owner.release()

    def heal(self) -> bool:
        """Look closely after a failure, and make the clone anew if it is damaged.

        Returns:
            Whether it was.

        Raises:
            OutsideError: it cannot be made.
        """
        with self._reporting():
            self._sweep()
            # fsck may pass over a config that other commands stumble on.
            self._make()
        if self._is_whole(self.git()):
            return False
        self._remake()
        return True

    def tidy(self) -> None:
        """Keep what references reach, in one pack, when fetches and commits left many.

        Git's gc never lets go of what came from a remote that left something out.
        """
        if len(list(self.path.glob("objects/pack/*.pack"))) < _MOST_PACKS:
            return
        # What goes wrong here is met again, and mended, by whoever needs the clone next.
        with suppress(OSError, OutsideError):
            before = self._holdings()
            self._set_aside()
            copied = False
            try:
                self._make()
                self._take_over()
                copied = self._holdings() == before
            finally:
                if not copied:
                    shutil.rmtree(self.path, ignore_errors=True)
                    self._aside.rename(self.path)
                shutil.rmtree(self._aside, ignore_errors=True)

    def _make(self) -> None:
        """An empty repository, or the one that is here with HEAD and config as they should be."""
        self.path.mkdir(parents=True, exist_ok=True)
        for name, content in _FILES.items():
            if not (self.path / name).exists() or (self.path / name).read_bytes() != content:
                # Never without one: on a full disk, the old one stays.
                new = self.path / f"{name}.lock"
                new.write_bytes(content)
                new.replace(self.path / name)
        if not all((self.path / name).is_dir() for name in ("objects", "refs")):
            self.git().run("init", "--quiet", "--bare", "--template=", "--initial-branch=main")

    def _remake(self) -> None:
        with self._reporting():
            waited = self._names_unpublished()
            if self.path.exists():
                self._set_aside()
            self._make()
            self._salvage()
            if waited and not self._names_unpublished():
                log.error(
                    "a commit that waited for its remote could not be read from the damaged "
                    "clone: the current prefix is decided anew, the history may lack one"
                )

    def _set_aside(self) -> None:
        shutil.rmtree(self._aside, ignore_errors=True)
        self.path.rename(self._aside)

    def _salvage(self) -> None:
        """Take over what can still be read of a clone that is damaged, or was being tidied."""
        if not self._aside.exists():
            return
        if self._is_whole(self._set_aside_git()):
            # It was being tidied: a copy is not worth more, and needs room on the disk.
            shutil.rmtree(self.path, ignore_errors=True)
            self._aside.rename(self.path)
            return
        self._take_over()
        if not self._is_whole(self.git()):
            shutil.rmtree(self.path)
            self._make()
        shutil.rmtree(self._aside, ignore_errors=True)

    def _take_over(self) -> None:
        """Copy what references of the clone that is set aside reach, as far as it is there."""
        aside = self._set_aside_git()
        taken = ""
        for line in aside.ask(*_REFERENCES).lines():
            commit, _, name = line.partition(" ")
            if f"^{commit}\n" in taken:
                # Two references to one commit: an empty pack would be one more.
                self.git().ask("update-ref", name, commit)
                continue
            # Missing contents are no damage; `_is_whole` sees to the rest.
            options = ("--quiet", "--revs", "--missing=allow-any")
            target = str(self.path / "objects" / "pack" / "pack")
            wanted = f"{commit}\n{taken}".encode()
            packed = aside.ask("pack-objects", *options, target, stdin=wanted)
            if packed.status == 0:
                Path(f"{target}-{packed.word()}.promisor").touch()
                self.git().ask("update-ref", name, commit)
                taken += f"^{commit}\n"
        self._take_over_shallow()

    def _take_over_shallow(self) -> None:
        """Where history ends, of what was taken over (gitrepository-layout(5), shallow)."""
        try:
            ends = (self._aside / "shallow").read_bytes()
        except FileNotFoundError:
            return
        known = self.git().ask("cat-file", "--batch-check", stdin=ends).lines()
        here = [line.partition(" ")[0] for line in known if " commit " in line]
        (self.path / "shallow").write_text("".join(f"{commit}\n" for commit in here))

    def _holdings(self) -> tuple[object, ...]:
        """The references, and what is missing of what they reach."""
        git = self.git()
        return git.run(*_REFERENCES).stdout, missing_from(git)

    def _names_unpublished(self) -> bool:
        """Whether a commit of ours is named, be it readable or not."""
        loose = [self.path / name for name in _WAITING]
        if any(one.is_file() for name in loose for one in (name, *name.rglob("*"))):
            return True
        packed = self.path / "packed-refs"
        text = packed.read_bytes() if packed.is_file() else b""
        return any(f" {name}".encode() in text for name in _WAITING)

    def _set_aside_git(self) -> Git:
        variables = {"GIT_DIR": str(self._aside)}
        return Git(self._aside, environment=variables, keeps=self._owner.kept_by_git)

    @staticmethod
    def _is_whole(git: Git, *options: str) -> bool:
        answer = git.ask(*_PROMISED, "fsck", *options, "--no-dangling", "--no-progress")
        # A time that is over, or a kernel that ended git, says nothing about the clone.
        return answer.status < 0 or (answer.status == 0 and has_every_tree(git))

    def _sweep(self) -> None:
        """Remove locks and half-written packs: whoever wrote them is dead, for git runs once."""
        for pattern in ("*.lock", "tmp_*", ".tmp-*", "fast_import_crash_*"):
            for left in self.path.rglob(pattern):
                left.unlink(missing_ok=True)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise OutsideError(f"--clone-dir {self.directory}: {self._stranger(error)}") from error
        except OSError as error:
            raise OutsideError(
                f"--clone-dir {self.directory}: {error.strerror or error}"
            ) from error

    def _stranger(self, error: PermissionError) -> str:
        """Whose it is, and whose it should be."""
        place = Path(os.fsdecode(error.filename)) if error.filename else self.directory
        while not os.access(place.parent, os.X_OK):
            place = place.parent
        place = place if place.exists() else place.parent
        return (
            f"{error.strerror}: {place} belongs to uid {place.stat().st_uid}, and we are uid "
            f"{os.geteuid()}: chown it, or name another directory"
        )
