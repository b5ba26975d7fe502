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
from gitops_prefix.publish.signing import Signers, Signing
from gitops_prefix.publish.stages import Stage

_CRUD = "".join(map(chr, range(33))) + ".,:;<>\"\\'"
"""Characters that git strips from both ends of a name in signed commits (ident.c)."""
_PLAIN_FILE = "100644"
_UNSIGNED = "refs/gitops-prefix/unsigned"
"""Points at a commit that is not signed yet; it is never pushed."""
_LEFT_AS_IT_IS = (
    ", and nothing is built on it (--require-signed-parent): look at it, and put a signed commit "
    "on the branch"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """An author or a committer."""

    name: str = "gitops-prefix"
    email: str = "gitops-prefix@localhost"

    def __str__(self) -> str:
        # git ends a name at "<" or at a line break.
        clean = {ord(character): None for character in "<>\n\r\0"}
        return f"{self.name.translate(clean)} <{self.email.translate(clean)}>"

    def wrote(self, signature: str) -> bool:
        """Whether `NAME <ADDRESS>` in a commit is this identity, whichever command wrote it."""
        return _bare(signature) == _bare(str(self))

    def variables(self, role: str, moment: datetime | None) -> Mapping[str, str]:
        """The variables for git-commit-tree(1); `role` is AUTHOR or COMMITTER, None is now."""
        date = {f"GIT_{role}_DATE": f"@{_raw(moment)}"} if moment is not None else {}
        return {f"GIT_{role}_NAME": self.name, f"GIT_{role}_EMAIL": self.email, **date}


def fast_import_stream(  # noqa: PLR0913, PLR0917  a commit has these parts
    reference: str,
    base: str,
    files: Mapping[str, tuple[str, bytes]],
    message: str,
    people: tuple[Identity, Identity],
    moment: datetime,
    onto: tuple[str, str] | None = None,
) -> bytes:
    """The stream (git-fast-import(1)); git answers with the commit's id.

    Args:
        reference: the reference that will point at the commit.
        base: the parent.
        files: mode and content by path.
        message: the whole message.
        people: author and committer.
        moment: the date of both, written in UTC.
        onto: another reference to set, and its commit.
    """
    author, committer = (f"{person} {_raw(moment)}".encode() for person in people)
    head = b"commit %s\nmark :1\nauthor %s\ncommitter %s\n" % (
        reference.encode(),
        author,
        committer,
    )
    also = b"reset %s\nfrom %s\n\n" % (onto[0].encode(), onto[1].encode()) if onto else b""
    return also + head + b"".join(_commands(base, files, message))


def _bare(signature: str) -> tuple[str, str]:
    """Name and address without the characters that git strips."""
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
    """A path in double quotes, escaped as git does."""
    raw = path.encode(errors="surrogateescape")
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def _raw(moment: datetime) -> str:
    return f"{int(moment.astimezone(UTC).timestamp())} +0000"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A commit to make.

    Attributes:
        base: the parent.
        files: new contents by path; each file keeps its mode.
        message: the whole message.
        moment: author's and committer's date.
    """

    base: str
    files: Mapping[str, bytes]
    message: str
    moment: datetime


class CommitMaker:
    """Makes commits in one clone, with one author, one committer and one key."""

    def __init__(
        self,
        clone: Clone,
        people: tuple[Identity, Identity],
        signing: Signing | None,
        signers: Signers | None,
        *,
        heal: Callable[[], bool],
    ) -> None:
        """Nothing is made yet.

        Args:
            clone: where commits are made.
            people: author and committer.
            signing: the key, if commits are signed.
            signers: on whose commits ours may be made; None for anybody's.
            heal: called after a failure; returns whether the clone was damaged.
        """
        self._clone = clone
        self._git = clone.git()
        self._author, self._committer = people
        self._signing = signing
        self._signers = signers
        # Commits that verify, and those of ours that were made on one of these.
        self._verified: frozenset[str] = frozenset()
        self._heal = heal
        # The last commit of ours, and the modes in it that are known.
        self._last = ""
        self._modes: dict[str, str] = {}

    def make(
        self, wanted: Wanted, reference: str, *, parent: str, onto: tuple[str, str] | None
    ) -> str:
        """Make a commit, set a reference to it, and return its id.

        Args:
            wanted: the commit.
            parent: what is below all unpublished commits of ours.
            reference: the reference that will point at the commit.
            onto: another reference to set, and its commit.

        Raises:
            FailedError: the commit cannot be signed, or its parent is not.
            GitFailedError: git failed for another reason.
        """
        if fault := self.fault_of(parent):
            raise FailedError(Failed(Reason.UNVERIFIED, fault, Stage.COMMIT))
        modes = self._modes_of(wanted)
        if self._signing is None:
            commit = self._import(wanted, modes, reference, onto)
        else:
            unsigned = self._import(wanted, modes, _UNSIGNED, None)
            commit = self._sign(self._signing, wanted, unsigned)
            also = "update {} {}\n".format(*onto) if onto else ""
            moves = f"update {reference} {commit}\n{also}delete {_UNSIGNED}\n"
            self._git.run("update-ref", "--stdin", stdin=moves.encode())
        self._last, self._modes = commit, modes
        if self._signing is not None:
            self._verified = frozenset({parent, commit})
        return commit

    def fault_of(self, commit: str) -> str:
        """Why no commit of ours may be made on a commit; empty when it may."""
        if self._signers is None or commit in self._verified:
            return ""
        try:
            with self._signers.lend() as loan:
                answer = self._clone.git(loan).ask("verify-commit", commit)
        except (InputError, OutsideError) as error:
            return f"the signature of {commit[:12]} cannot be verified: {error}"
        if answer.status == 0:
            self._verified = frozenset({commit})
            return ""
        said = " ".join(answer.stderr.split())[:500]
        return (
            f"{commit[:12]} is not signed by a key in {self._signers.file}"
            f"{f' ({said})' if said else ''}{_LEFT_AS_IT_IS}"
        )

    def _modes_of(self, wanted: Wanted) -> dict[str, str]:
        """The modes of the files; git is not asked about a commit that we made with these files."""
        if wanted.base == self._last and wanted.files.keys() <= self._modes.keys():
            return self._modes
        found = read_modes(self._git, wanted.base, wanted.files)
        return {path: found.get(path, _PLAIN_FILE) for path in wanted.files}

    def try_signing(self) -> None:
        """Sign an empty commit, so that an unusable key is reported at the start.

        Raises:
            InputError: the key cannot sign.
        """
        if self._signing is None:
            return
        try:
            tree = self._git.run("mktree").word()
            # Always the same commit, except where the file of the signers may limit the time.
            moment = datetime.fromtimestamp(0, UTC) if self._signers is None else None
            tried = self._signed(self._signing, ("-S", tree), "a try\n", moment)
        except OutsideError as error:
            message = f"--signing-key does not sign: {error}"
            raise InputError(Problem("invalid-signing-key", message)) from error
        if fault := self.fault_of(tried):
            message = (
                "the public half of --signing-key has to be in the file of "
                "--require-signed-parent, or nothing is built on our own commits: a try "
                f"{fault.removesuffix(_LEFT_AS_IT_IS)}"
            )
            raise InputError(Problem("invalid-signers", message))

    def _import(
        self,
        wanted: Wanted,
        modes: Mapping[str, str],
        reference: str,
        onto: tuple[str, str] | None,
    ) -> str:
        stream = fast_import_stream(
            reference,
            wanted.base,
            {path: (modes[path], text) for path, text in wanted.files.items()},
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
        """Make the same commit with a signature; no reference points at it yet."""
        words = ("-S", "-p", wanted.base, f"{unsigned}^{{tree}}")
        try:
            return self._signed(signing, words, wanted.message, wanted.moment)
        except (InputError, OutsideError) as error:
            if isinstance(error, GitFailedError) and self._heal():
                raise
            message = f"the commit cannot be signed: {error}"
            raise FailedError(Failed(Reason.SIGNING, message, Stage.COMMIT)) from error

    def _signed(
        self, signing: Signing, words: tuple[str, ...], message: str, moment: datetime | None
    ) -> str:
        with signing.lend() as loan:
            loan.variables |= self._author.variables("AUTHOR", moment)
            loan.variables |= self._committer.variables("COMMITTER", moment)
            git = self._clone.git(loan)
            # This is the only loose object; it must be on the disk, too.
            fsync = ("-c", "core.fsync=committed,reference")
            answer = git.run("commit-tree", *words, settings=fsync, stdin=message.encode())
        return answer.word()
