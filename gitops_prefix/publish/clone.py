"""The bare clone's directory, which heals by itself.

Nothing in it is dear but one commit that waits for its remote; that is kept as long
as it can be read.
"""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gitops_prefix.errors import OutsideError
from gitops_prefix.publish.git import Git
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.missing_blobs import has_every_tree, missing_from
from gitops_prefix.publish.owner import Owner

log = logging.getLogger(__name__)

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
