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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.git import Git
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.managed_files import has_every_tree, missing_from

log = logging.getLogger(__name__)

_OWNER = "gitops-prefix.lock"
_AT_WORK = "git-at-work.lock"
_ORPHANS_SECONDS = 60
"""How long to wait for git of an earlier process; a call to a remote may take as long."""
_FORK_SECONDS = 2
"""A process that is killed while it starts git leaves a child that holds the lock for a moment."""
_TICKS = 10
_SHA256_DIGITS = 64
# A new volume holds "lost+found".
_OURS_TO_TAKE = frozenset({"lost+found"})
# The files of a bare repository, beside its directories (gitrepository-layout(5)).
_HEAD = b"ref: refs/heads/main\n"
_CONFIG = b"[core]\n\trepositoryformatversion = %d\n\tfilemode = true\n\tbare = true\n"
_WAITING = ("refs/gitops-prefix/unpublished", "refs/gitops-prefix/proposed")
"""Our commits that wait for the branch, and for branches of ours."""
# The tip first: unpublished commits stand on it and need little more.
_REFERENCES = ("for-each-ref", "--sort=-refname", "--format=%(objectname) %(refname)", "refs")
_MOST_PACKS = 50
"""The limit of git's own gc (gc.autoPackLimit)."""
# Contents may be missing; without a URL git fetches nothing.
_PROMISED = ("-c", "remote.origin.promisor=true")


class ObjectFormat(StrEnum):
    """How a repository names its objects (git-init(1), --object-format)."""

    SHA1 = "sha1"
    SHA256 = "sha256"

    @property
    def files(self) -> Mapping[str, bytes]:
        """HEAD and config of a clone in this format."""
        if self is ObjectFormat.SHA1:
            return {"HEAD": _HEAD, "config": _CONFIG % 0}
        return {"HEAD": _HEAD, "config": _CONFIG % 1 + b"[extensions]\n\tobjectformat = sha256\n"}


def is_taken(directory: Path) -> bool:
    """Whether a directory holds something else than a clone of ours.

    Raises:
        OSError: it cannot be listed.
    """
    names = {path.name for path in directory.iterdir()} - _OURS_TO_TAKE
    return bool(names) and _OWNER not in names


class Owner:
    """The lock on one directory."""

    def __init__(self, directory: Path, serves: bytes) -> None:
        """Nothing is locked yet.

        Args:
            directory: holds the lock files; it must exist when `take` is called.
            serves: what the directory is used for; written into the lock file.
        """
        self._directory = directory
        self._serves = serves
        self._lock: int | None = None
        self._at_work: int | None = None

    def take(self) -> None:
        """Lock the directory, and wait for git of an earlier process.

        Raises:
            InputError: the directory holds something else, or another process uses it.
            OSError: the directory cannot be written.
        """
        if is_taken(self._directory):
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
            log.warning("git of an earlier process still runs in %s", self._directory)

    def release(self) -> None:
        """Release the directory to other processes."""
        for descriptor in (self._lock, self._at_work):
            if descriptor is not None:
                os.close(descriptor)
        self._lock = self._at_work = None

    def served_another(self) -> bool:
        """Whether the directory was used for another remote or branch before."""
        served = b"" if self._lock is None else os.pread(self._lock, 65536, 0)
        return served not in {b"", self._serves}

    def note(self) -> None:
        """Write what the directory is used for into the lock file."""
        if self._lock is not None and os.pread(self._lock, 65536, 0) != self._serves:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, self._serves, 0)

    def kept_by_git(self) -> tuple[int, ...]:
        """The descriptor of the second lock, which each git inherits."""
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
    """A bare repository in `directory/repository.git`, locked while it is open."""

    def __init__(self, directory: Path, *, serves: str) -> None:
        """Name a directory; `open` touches it.

        Args:
            directory: it holds nothing else.
            serves: the remote and branch; a clone of another one is deleted.
        """
        self.directory = directory.absolute()
        self.path = self.directory / "repository.git"
        self._aside = self.directory / "aside.git"
        self._format = ObjectFormat.SHA1
        self._owner = Owner(self.directory, serves.encode(errors="surrogateescape"))

    def git(self, loan: Loan | None = None) -> Git:
        """Return git in this repository, and never in a repository around it."""
        variables = {"GIT_DIR": str(self.path)}
        return Git(self.path, environment=variables, loan=loan, keeps=self._owner.kept_by_git)

    def is_there(self) -> bool:
        """Whether a clone exists, as far as we may read."""
        with suppress(OSError):
            return self.path.is_dir() or self._aside.is_dir()
        return False

    def open(self) -> None:
        """Lock the directory, and repair what a crash left behind.

        Raises:
            InputError: the directory holds something else, or another process uses it.
            OutsideError: the clone cannot be made.
        """
        with self._reporting():
            self.directory.mkdir(parents=True, exist_ok=True)
            self._owner.take()
            if self._owner.served_another():
                # Decisions for one branch mean nothing for another.
                shutil.rmtree(self.path, ignore_errors=True)
                shutil.rmtree(self._aside, ignore_errors=True)
            self._owner.note()
            if self._aside.exists() and not self.path.exists():
                self._aside.rename(self.path)
            self._format = self._found_format()
            self._sweep()
            self._make()
            self._salvage()
        if not self._is_whole(self.git(), "--connectivity-only"):
            self._remake()

    def close(self) -> None:
        """Release the directory to other processes."""
        self._owner.release()

    def adopt_format(self, commit: str) -> bool:
        """Use the object format of the remote, known by the length of a commit's id.

        Returns:
            Whether the clone had another format, and was made anew.

        Raises:
            OutsideError: the clone cannot be made.
        """
        wanted = ObjectFormat.SHA256 if len(commit) == _SHA256_DIGITS else ObjectFormat.SHA1
        if wanted is self._format:
            return False
        self._format = wanted
        with self._reporting():
            shutil.rmtree(self.path, ignore_errors=True)
            shutil.rmtree(self._aside, ignore_errors=True)
            self._make()
        return True

    def _found_format(self) -> ObjectFormat:
        with suppress(OSError):
            config = (self.path / "config").read_bytes()
            return next(
                (form for form in ObjectFormat if form.files["config"] == config), ObjectFormat.SHA1
            )
        return ObjectFormat.SHA1

    def heal(self) -> bool:
        """Check every object, and make the clone anew if it is damaged.

        Returns:
            Whether it was damaged.

        Raises:
            OutsideError: the clone cannot be made.
        """
        with self._reporting():
            self._sweep()
            # fsck accepts a broken config on which other commands fail.
            self._make()
        if self._is_whole(self.git()):
            return False
        self._remake()
        return True

    def tidy(self) -> None:
        """Copy everything reachable into one pack, when there are many packs.

        git gc keeps every object of a partial clone for ever.
        """
        if len(list(self.path.glob("objects/pack/*.pack"))) < _MOST_PACKS:
            return
        # A failure here shows again, and is repaired, when the clone is needed next.
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
        """Make an empty repository, or restore HEAD and config of the existing one."""
        self.path.mkdir(parents=True, exist_ok=True)
        for name, content in self._format.files.items():
            if not (self.path / name).exists() or (self.path / name).read_bytes() != content:
                # Replaced in one step: on a full disk, the old file stays.
                new = self.path / f"{name}.lock"
                new.write_bytes(content)
                new.replace(self.path / name)
        if not all((self.path / name).is_dir() for name in ("objects", "refs")):
            form = f"--object-format={self._format}"
            self.git().run(
                "init", "--quiet", "--bare", "--template=", "--initial-branch=main", form
            )

    def _remake(self) -> None:
        with self._reporting():
            waited = self._names_unpublished()
            if self.path.exists():
                self._set_aside()
            self._make()
            self._salvage()
            if waited and not self._names_unpublished():
                log.error(
                    "an unpublished commit could not be read from the damaged clone: the current "
                    "prefix is decided anew, and the history may lack one"
                )

    def _set_aside(self) -> None:
        shutil.rmtree(self._aside, ignore_errors=True)
        self.path.rename(self._aside)

    def _salvage(self) -> None:
        """Copy what can be read from a clone that is damaged, or that was being tidied."""
        if not self._aside.exists():
            return
        if self._is_whole(self._set_aside_git()):
            # It was being tidied and is whole: no copy is needed.
            shutil.rmtree(self.path, ignore_errors=True)
            self._aside.rename(self.path)
            return
        self._take_over()
        if not self._is_whole(self.git()):
            shutil.rmtree(self.path)
            self._make()
        shutil.rmtree(self._aside, ignore_errors=True)

    def _take_over(self) -> None:
        """Copy everything that is reachable in the clone set aside, as far as it exists."""
        aside = self._set_aside_git()
        taken = ""
        for line in aside.ask(*_REFERENCES).lines():
            commit, _, name = line.partition(" ")
            if f"^{commit}\n" in taken:
                # A second reference to a commit needs no pack of its own.
                self.git().ask("update-ref", name, commit)
                continue
            # Missing contents are no damage; `_is_whole` checks the rest.
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
        """Copy where the history ends (gitrepository-layout(5), shallow)."""
        try:
            ends = (self._aside / "shallow").read_bytes()
        except FileNotFoundError:
            return
        known = self.git().ask("cat-file", "--batch-check", stdin=ends).lines()
        here = [line.partition(" ")[0] for line in known if " commit " in line]
        (self.path / "shallow").write_text("".join(f"{commit}\n" for commit in here))

    def _holdings(self) -> tuple[object, ...]:
        """The references, and the reachable objects that are missing."""
        git = self.git()
        return git.run(*_REFERENCES).stdout, missing_from(git)

    def _names_unpublished(self) -> bool:
        """Whether a reference to an unpublished commit exists, readable or not."""
        loose = [self.path / name for name in _WAITING]
        if any(path.is_file() for name in loose for path in (name, *name.rglob("*"))):
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
        # A timeout, or a signal that ended git, says nothing about the clone.
        return answer.status < 0 or (answer.status == 0 and has_every_tree(git))

    def _sweep(self) -> None:
        """Remove locks and half-written packs; their writers are dead, for no other git runs."""
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
        """The owner of the path, and our user."""
        place = Path(os.fsdecode(error.filename)) if error.filename else self.directory
        while not os.access(place.parent, os.X_OK):
            place = place.parent
        place = place if place.exists() else place.parent
        return (
            f"{error.strerror}: {place} belongs to uid {place.stat().st_uid}, and we are uid "
            f"{os.geteuid()}: chown it, or name another directory"
        )
