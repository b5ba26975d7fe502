"""A commit as one stream for `git fast-import`: no index, no work tree. PURE."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

_CRUD = "".join(map(chr, range(33))) + ".,:;<>\"\\'"
"""What git leaves out at both ends of a name, in commits that it signs (its ident.c)."""


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
