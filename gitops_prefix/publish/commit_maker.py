"""Makes our commits in the clone: one stream for `git fast-import`, then a signature.

There is no index and no work tree. Once there is a key, an unsigned commit never stands
where it could be pushed from.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.clone import Clone
from gitops_prefix.publish.failure import Failed, FailedError, Reason
from gitops_prefix.publish.git import GitFailedError
from gitops_prefix.publish.managed_files import read_modes
from gitops_prefix.publish.signing import Signing
from gitops_prefix.publish.stages import Stage

_CRUD = "".join(map(chr, range(33))) + ".,:;<>\"\\'"
"""What git leaves out at both ends of a name, in commits that it signs (its ident.c)."""
_UNSIGNED = "refs/gitops-prefix/unsigned"
"""Where a commit stands whose signature is still being made: never to be pushed."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who made a commit: its author, or its committer."""

    name: str = "gitops-prefix"
    email: str = "gitops-prefix@localhost"

    def __str__(self) -> str:
        # git ends a name at "<", and a line where it breaks.
        clean = {ord(character): None for character in "<>\n\r\0"}
        return f"{self.name.translate(clean)} <{self.email.translate(clean)}>"

    def wrote(self, signature: str) -> bool:
        """Whether `NAME <ADDRESS>` in a commit is this one, by fast-import or by commit-tree."""
        return _bare(signature) == _bare(str(self))

    def variables(self, role: str, moment: datetime) -> Mapping[str, str]:
        """The same for git-commit-tree(1); `role` is AUTHOR or COMMITTER."""
        return {
            f"GIT_{role}_NAME": self.name,
            f"GIT_{role}_EMAIL": self.email,
            f"GIT_{role}_DATE": f"@{_raw(moment)}",
        }


def fast_import_stream(  # noqa: PLR0913, PLR0917  a commit is its parts
    reference: str,
    base: str,
    files: Mapping[str, tuple[str, bytes]],
    message: str,
    people: tuple[Identity, Identity],
    moment: datetime,
    onto: tuple[str, str] | None = None,
) -> bytes:
    """The stream (git-fast-import(1)); its answer is the id of the commit.

    Args:
        reference: what will point at the commit.
        base: its parent.
        files: mode and content by path.
        message: the whole message.
        people: author and committer.
        moment: of both; written in UTC.
        onto: another reference that is set, and to which commit.
    """
    author, committer = (f"{one} {_raw(moment)}".encode() for one in people)
    head = b"commit %s\nmark :1\nauthor %s\ncommitter %s\n" % (
        reference.encode(),
        author,
        committer,
    )
    also = b"reset %s\nfrom %s\n\n" % (onto[0].encode(), onto[1].encode()) if onto else b""
    return also + head + b"".join(_commands(base, files, message))


def _bare(signature: str) -> tuple[str, str]:
    """Name and address, as far as every way to write them agrees."""
    name, _, email = signature.removesuffix(">").rpartition(" <")
    return name.strip(_CRUD), email.strip(_CRUD)


def _commands(base: str, files: Mapping[str, tuple[str, bytes]], message: str) -> Iterator[bytes]:
    yield _counted(message.encode())
    yield f"from {base}\n".encode()
    for path, (mode, content) in sorted(files.items()):
        yield b"M %s inline %s\n" % (mode.encode(), _quote(path))
        yield _counted(content)
    yield b"\nget-mark :1\ndone\n"


def _counted(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _quote(path: str) -> bytes:
    """A path in double quotes, as git escapes them."""
    raw = path.encode(errors="surrogateescape")
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def _raw(moment: datetime) -> str:
    return f"{int(moment.astimezone(UTC).timestamp())} +0000"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A commit that is to be.

    Attributes:
        base: its parent.
        files: new contents; each keeps its mode.
        message: the whole message.
        moment: author's and committer's date.
    """

    base: str
    files: Mapping[str, bytes]
    message: str
    moment: datetime


class CommitMaker:
    """Makes commits in one clone, by the same people and with the same key."""

    def __init__(
        self,
        clone: Clone,
        people: tuple[Identity, Identity],
        signing: Signing | None,
        *,
        heal: Callable[[], bool],
    ) -> None:
        """Make none yet.

        Args:
            clone: where they are made.
            people: author and committer.
            signing: the key, if they are signed.
            heal: looks after a failure whether it was the clone's, and tells.
        """
        self._clone = clone
        self._git = clone.git()
        self._author, self._committer = people
        self._signing = signing
        self._heal = heal

    def make(self, wanted: Wanted, reference: str, *, onto: tuple[str, str] | None) -> str:
        """Make one, and let a reference point at it.

        Args:
            wanted: what it is to hold.
            reference: what will point at it.
            onto: another reference that is set with it, and to which commit.

        Returns:
            Its id.

        Raises:
            FailedError: it cannot be signed until something changes.
            GitFailedError: git failed otherwise.
        """
        if self._signing is None:
            return self._import(wanted, reference, onto)
        unsigned = self._import(wanted, _UNSIGNED, None)
        commit = self._sign(self._signing, wanted, unsigned)
        also = "update {} {}\n".format(*onto) if onto else ""
        moves = f"update {reference} {commit}\n{also}delete {_UNSIGNED}\n"
        self._git.run("update-ref", "--stdin", stdin=moves.encode())
        return commit

    def try_signing(self) -> None:
        """Sign nothing, so that a key that does not do is known before it is needed.

        Raises:
            InputError: it does not.
        """
        if self._signing is None:
            return
        try:
            tree = self._git.run("mktree").word()
            self._signed(self._signing, ("-S", tree), "a try\n", datetime.fromtimestamp(0, UTC))
        except OutsideError as error:
            message = f"--signing-key does not sign: {error}"
            raise InputError(Problem("invalid-signing-key", message)) from error

    def _import(self, wanted: Wanted, reference: str, onto: tuple[str, str] | None) -> str:
        modes = read_modes(self._git, wanted.base, wanted.files)
        stream = fast_import_stream(
            reference,
            wanted.base,
            {path: (modes.get(path, "100644"), text) for path, text in wanted.files.items()},
            wanted.message,
            (self._author, self._committer),
            wanted.moment,
            onto=onto,
        )
        answer = self._git.run(
            "fast-import", "--quiet", "--force", "--date-format=raw", stdin=stream
        )
        return answer.word()

    def _sign(self, signing: Signing, wanted: Wanted, unsigned: str) -> str:
        """The same commit once more, with a signature; nothing refers to it yet."""
        words = ("-S", "-p", wanted.base, f"{unsigned}^{{tree}}")
        try:
            return self._signed(signing, words, wanted.message, wanted.moment)
        except (InputError, OutsideError) as error:
            if isinstance(error, GitFailedError) and self._heal():
                raise
            message = f"the commit cannot be signed: {error}"
            raise FailedError(Failed(Reason.SIGNING, message, Stage.COMMIT)) from error

    def _signed(
        self, signing: Signing, words: tuple[str, ...], message: str, moment: datetime
    ) -> str:
        with signing.lend() as loan:
            loan.variables |= self._author.variables("AUTHOR", moment)
            loan.variables |= self._committer.variables("COMMITTER", moment)
            git = self._clone.git(loan)
            # It is the one object that is written loose, and it must be on the disk, too.
            fsync = ("-c", "core.fsync=committed,reference")
            answer = git.run("commit-tree", *words, settings=fsync, stdin=message.encode())
        return answer.word()
