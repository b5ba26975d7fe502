"""Which files of a repository are read: a byte search, and patterns of paths to skip.

The patterns have gitignore's syntax (gitignore(5), wildmatch.c) and are an automaton
without backtracking: any pattern costs one step a byte of the path. As a regular
expression, ten stars in one pattern take five minutes for a path of forty characters.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from gitops_prefix.errors import InputError, Place, Problem

MARKER = "$dynamicprefix"
NEEDLES = (b"dynamic-prefix.io/", MARKER.encode())
"""Every managed file has one of them: an annotation, an apiVersion, or a marker."""
NEAR_MISS = r"dynamic[-_.]?prefix(?:es)?(?:-operator)?(?:\.[a-z]{2,8})?(?:/|~1)"
"""The domain of our annotations, and what a slip of the pen makes of it; in any case.

`~1` is the slash of a key in a JSON pointer (RFC 6901 section 3)."""
NEAR_MARKER = re.compile(
    r"\{[ \t]*[\"']?(?!(?-i:\$dynamicprefix)\b)"
    r"(\$dynamic[-_.]?prefix|(?<=[\"'])dynamic[-_.]?prefix(?=[\"'][ \t]*:[ \t]*[\"'][a-z0-9.-]+:))"
    r"[\"']?[ \t]*:",
    re.IGNORECASE,
)
"""What begins as a marker does, but for the spelling of its key.

Without the dollar a mapping may mean anything, unless its value is a marker's."""
_NEAR_MISS = re.compile(
    rf"{NEAR_MISS}|kind: *[\"']?dynamicprefix|{NEAR_MARKER.pattern}", re.IGNORECASE
)
_NEAR_MARKER_BYTES = re.compile(NEAR_MARKER.pattern.encode(), re.IGNORECASE)
_NEAR_MISS_BYTES = re.compile(_NEAR_MISS.pattern.encode(), re.IGNORECASE)
_IN_JSON = re.compile(
    rb'"dynamic-prefix\.io/[a-z-]+"\s*:\s*"|"apiVersion"\s*:\s*"dynamic-prefix\.io/v'
)
_LIKE_OURS = ("ynamic", "YNAMIC")
"""A part of every near miss: a search for it costs a hundredth of the pattern's."""
_HOLDERS = (
    b"IPPool",
    b"AddressPool",
    b"CIDRGroup",
    b"/ips",
    b"-ips",
    b"IPs",
    b"/target",
    b"_PREFIX",
)
"""Part of each kind, annotation or variable in which we write addresses."""
IGNORE_FILE = ".gitops-prefixignore"
MOST_BYTES = 5 * 1024 * 1024
"""No longer file is read."""
TOO_LONG = "it is longer than 5 MiB: split it"
IGNORED = f"{IGNORE_FILE} or --exclude names it"
AS_JSON = (
    "has annotations of ours, and no JSON is read for them, so it stays as it is: rename the file "
    "to .yaml, of which JSON is a part, or write a marker into a YAML file"
)
NESTED = (
    "has a managed field, and is in another Git repository inside of this one, such as a "
    "submodule, so it stays as it is: let a run of that repository write it, or move the file here"
)
NOT_CHECKED_OUT = (
    "is a Git submodule without its files, which are another repository's: let a run of that "
    "repository write them"
)
WHOLE_REASONS = frozenset({AS_JSON, NESTED, NOT_CHECKED_OUT})
"""What is said of a file that is not read, as a whole sentence behind its place."""
_MOST_IGNORE_BYTES = 64 * 1024
_BINARY_BYTES = 8000
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")
YAML = (".yaml", ".yml")
_BINARY = (
    *(".png", ".jpg", ".jpeg", ".gif", ".webp", ".ico", ".pdf", ".ttf", ".woff", ".woff2"),
    *(".zip", ".gz", ".tgz", ".tar", ".mp4"),
)
"""Formats without comments: their contents are not searched."""
_SLASH = ord("/")
_ALL = frozenset(range(256))
_IN_SEGMENT = _ALL - {_SLASH}
_POSIX = {
    b"alnum": rb"[A-Za-z0-9]",
    b"alpha": rb"[A-Za-z]",
    b"blank": rb"[ \t]",
    b"cntrl": rb"[\0-\x1f\x7f]",
    b"digit": rb"[0-9]",
    b"graph": rb"[!-~]",
    b"lower": rb"[a-z]",
    b"print": rb"[ -~]",
    b"punct": rb"[!-/:-@\[-`{-~]",
    b"space": rb"[ \t-\r]",
    b"upper": rb"[A-Z]",
    b"xdigit": rb"[0-9A-Fa-f]",
}


class SkippedFile(NamedTuple):
    """A file that is not read, though it holds a marker or the settings name it.

    Attributes:
        reason: why, as a sentence has it behind "the file".
    """

    path: str
    reason: str


class PlainList(NamedTuple):
    """A file with the networks of a range, a subnet or a prefix, one a line.

    Attributes:
        path: of the file.
        part: name of the range or subnet; empty for the whole prefix.
        place: of the path, in the settings.
    """

    path: str
    dynamic_prefix: str
    part: str
    place: Place

    @property
    def pattern(self) -> str:
        """The path as gitignore(5) would write it."""
        return "/" + re.sub(r"([*?[\\! ])", r"\\\1", self.path)


class RepositoryFiles(dict[str, bytes]):
    """Contents by path, and what is not read.

    Attributes:
        skipped: the files that are not read, though they are named or hold a marker.
        below: the only directory that is read; empty for all.
        links: symbolic links to YAML files or directories that are not among the files.
    """

    def __init__(
        self,
        files: Mapping[str, bytes] = {},
        skipped: Iterable[SkippedFile] = (),
        below: str = "",
        links: Iterable[str] = (),
    ) -> None:
        """Keep them."""
        super().__init__(files)
        self.skipped = tuple(skipped)
        self.below = "" if below == "." else below
        self.links = tuple(links)

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> "RepositoryFiles":
        """The files themselves, or others that are all there is."""
        return files if isinstance(files, RepositoryFiles) else cls(files)

    def updated(self, files: Mapping[str, bytes]) -> "RepositoryFiles":
        """The same with other contents for some files."""
        return RepositoryFiles({**self, **files}, self.skipped, self.below)

    def leaves_out(self, path: str) -> bool:
        """Whether a file is outside of the directory that is read."""
        return bool(self.below) and not path.startswith(f"{self.below}/")


def is_yaml(path: str) -> bool:
    """Whether a file is read by the rules of YAML; any other is a text."""
    return path.lower().endswith(YAML)


def unsearched() -> tuple[str, ...]:
    """How the names end that are not searched."""
    return _BINARY


def may_be_marked(path: str) -> bool:
    """Whether the byte search has to read a file."""
    return not path.endswith(_BINARY)


def looks_managed(content: bytes, path: str) -> bool:
    """Whether a file may hold something managed, or nearly; no other file is parsed."""
    if MARKER.encode() in content:
        return True
    yaml = is_yaml(path)
    if yaml and (NEEDLES[0] in content or is_wide(content)):
        return True
    near = _NEAR_MISS_BYTES if yaml else _NEAR_MARKER_BYTES
    return any(like.encode() in content for like in _LIKE_OURS) and near.search(content) is not None


def is_annotated_json(content: bytes, path: str) -> bool:
    """Whether a file is a manifest in JSON that means us."""
    return (
        path.lower().endswith(".json")
        and NEEDLES[0] in content
        and MARKER.encode() not in content
        and _IN_JSON.search(content) is not None
    )


def is_wide(content: bytes) -> bool:
    """Whether a file of ours is UTF-16, as PowerShell's `>` writes it, with its mark or without."""
    if b"\0" not in content[:2] and content[:2] not in _WIDE_MARKS:
        return False
    # One byte less is in either order of the bytes.
    return any(needle.decode().encode("utf-16-le")[:-1] in content for needle in NEEDLES)


def is_binary(content: bytes) -> bool:
    """Whether git takes a file for binary (buffer_is_binary of its xdiff-interface.c)."""
    return b"\0" in content[:_BINARY_BYTES]


def may_hold_addresses(content: bytes) -> bool:
    """Whether a file may hold addresses that were managed once."""
    return any(holder in content for holder in _HOLDERS)


def text_looks_managed(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]`, one document of a file, may hold a managed field."""
    if any(text.find(needle.decode(), start, end) >= 0 for needle in NEEDLES):
        return True
    like = any(text.find(like, start, end) >= 0 for like in _LIKE_OURS)
    return like and _NEAR_MISS.search(text, start, end) is not None


def is_gits_own(name: str) -> bool:
    """Whether some file system takes a name for git's own (is_ntfs_dotgit, is_hfs_dotgit of git).

    Git refuses to make files in `.git`, but a tree may name them, and `.` and `..` too.
    """
    # HFS+ ignores characters that do not print.
    name = name if name.isprintable() else "".join(filter(str.isprintable, name))
    return name.casefold().rstrip(" .") in {"", ".git", "git~1"}


def misspelt_marker(key: str) -> str:
    """What to say of a key that is nearly a marker's."""
    return f'gitops-prefix reads no "{key}": write {{"{MARKER}": ...}}'


class _Step(NamedTuple):
    """One state of the automaton.

    Attributes:
        takes: bytes that lead to the next state.
        stays: bytes that lead back to this state.
        skips: how many states may be skipped without a byte.
    """

    takes: frozenset[int] = frozenset()
    stays: frozenset[int] = frozenset()
    skips: tuple[int, ...] = ()


_STAR = _Step(stays=_IN_SEGMENT, skips=(1,))
_REST = _Step(stays=_ALL, skips=(1,))
# "**/": no directory, or any bytes up to a slash.
_DIRECTORIES = (_Step(skips=(1, 2)), _Step(takes=frozenset({_SLASH}), stays=_ALL))


class _NoPatternError(Exception):
    """The pattern matches nothing, as git decides."""


class _Pattern(NamedTuple):
    """One line of an ignore file.

    Attributes:
        ignores: false behind an exclamation mark.
        directories: whether the pattern matches directories only.
        anywhere: whether the pattern matches the last part of a path.
    """

    ignores: bool
    directories: bool
    anywhere: bool
    steps: list[_Step]


class IgnoredPaths:
    """The patterns of one or more ignore files; the last pattern that matches a path counts.

    All patterns are one automaton, whose states are the bits of an integer. A later pattern
    has higher bits, and the highest bit that is reached counts.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        """Read patterns; a line without a pattern matches nothing."""
        self._steps: list[_Step] = []
        begins: list[int] = []
        anywhere: list[int] = []
        ends, for_files, ignoring = [], [], []
        for pattern in _patterns(lines):
            first, last = len(self._steps), len(self._steps) + len(pattern.steps)
            self._steps += [*pattern.steps, _Step()]
            (anywhere if pattern.anywhere else begins).append(first)
            ends.append(last)
            for_files += [] if pattern.directories else [last]
            ignoring += [last] if pattern.ignores else []
        self._skips = [
            self._bits(n for n, step in enumerate(self._steps) if k in step.skips) for k in (1, 2)
        ]
        self._anywhere = self._skip(self._bits(anywhere))
        self._begins = self._skip(self._bits(begins)) | self._anywhere
        self._ends, self._for_files = self._bits(ends), self._bits(for_files)
        self._ignoring = self._bits(ignoring)
        self._moves: dict[int, tuple[int, int]] = {}

    @property
    def has_any(self) -> bool:
        """Whether there is a pattern."""
        return bool(self._steps)

    def match_file(self, path: str) -> bool:
        """Whether a file is ignored, itself or with a directory above it."""
        if not self._steps:
            return False
        states = self._begins
        for byte in path.encode(errors="surrogateescape"):
            if byte == _SLASH and self._ignores(states & self._ends):
                return True
            takes, stays = self._move(byte)
            states = self._skip((states & takes) << 1 | states & stays)
            if byte == _SLASH:
                states |= self._anywhere
        return self._ignores(states & self._for_files)

    def _ignores(self, reached: int) -> bool:
        return reached > 0 and bool(self._ignoring >> reached.bit_length() - 1 & 1)

    def _move(self, byte: int) -> tuple[int, int]:
        """The states that a byte leaves, and the states that a byte stays in."""
        if byte not in self._moves:
            takes = self._bits(n for n, step in enumerate(self._steps) if byte in step.takes)
            stays = self._bits(n for n, step in enumerate(self._steps) if byte in step.stays)
            self._moves[byte] = takes, stays
        return self._moves[byte]

    def _skip(self, states: int) -> int:
        """Add all states that are reached without a byte; at most three follow each other."""
        by_one, by_two = self._skips
        for _ in range(3):
            states |= (states & by_one) << 1 | (states & by_two) << 2
        return states

    def _bits(self, numbers: Iterable[int]) -> int:
        octets = bytearray(len(self._steps) // 8 + 1)
        for number in numbers:
            octets[number // 8] |= 1 << number % 8
        return int.from_bytes(octets, "little")


def ignore_lines(content: bytes | None) -> list[str]:
    """The lines of an ignore file, if there is one.

    Raises:
        InputError: the file is too long; each pattern is compared with each managed file.
    """
    if content is None:
        return []
    if len(content) > _MOST_IGNORE_BYTES:
        message = (
            f"is longer than {_MOST_IGNORE_BYTES // 1024} KiB: name directories instead of files"
        )
        raise InputError(Problem("ignore-file-too-long", message, Place(IGNORE_FILE)))
    text = content.decode(errors="replace").removeprefix("\ufeff")
    return [line.removesuffix("\r") for line in text.split("\n")]


def _patterns(lines: Iterable[str]) -> Iterator[_Pattern]:
    for line in lines:
        text = re.sub(r"(?<!\\) +$", "", line)
        if not text or text.startswith("#"):
            continue
        ignores = not text.startswith("!")
        raw = text.removeprefix("!").encode(errors="surrogateescape")
        directories = raw.endswith(b"/")
        raw = raw.removesuffix(b"/")
        anywhere = b"/" not in raw
        raw = raw.removeprefix(b"/")
        if raw:
            try:
                yield _Pattern(ignores, directories, anywhere, _steps(raw, anywhere=anywhere))
            except _NoPatternError:
                continue


def _steps(pattern: bytes, *, anywhere: bool) -> list[_Step]:
    steps: list[_Step] = []
    position = 0
    while position < len(pattern):
        byte = pattern[position : position + 1]
        if byte == b"*":
            position = _stars(pattern, position, steps)
            if anywhere:
                steps[-1] = _STAR
        elif byte == b"[":
            position = _class(pattern, position + 1, steps)
        elif byte == b"?":
            steps.append(_Step(takes=_IN_SEGMENT))
            position += 1
        else:
            position += byte == b"\\"
            if position == len(pattern):
                raise _NoPatternError
            steps.append(_Step(takes=frozenset({pattern[position]})))
            position += 1
    return steps


def _stars(pattern: bytes, start: int, steps: list[_Step]) -> int:
    """One star or more; two stars between slashes match directories."""
    end = start
    while pattern[end : end + 1] == b"*":
        end += 1
    alone = pattern[start - 1 : start] in {b"", b"/"} and pattern[end : end + 1] in {b"", b"/"}
    if end - start == 1 or not alone:
        steps.append(_STAR)
    elif end == len(pattern):
        steps.append(_REST)
    else:
        end += 1
        if tuple(steps[-2:]) != _DIRECTORIES:
            steps.extend(_DIRECTORIES)
    return end


def _class(pattern: bytes, start: int, steps: list[_Step]) -> int:
    """`[a-z]` and the like; a slash is never a member."""
    position = start
    negated = pattern[position : position + 1] in {b"!", b"^"}
    position += negated
    members: set[int] = set()
    first = True
    while first or pattern[position : position + 1] != b"]":
        first = False
        position = _member(pattern, position, members)
    taken = _ALL - members if negated else members
    steps.append(_Step(takes=frozenset(taken) - {_SLASH}))
    return position + 1


def _member(pattern: bytes, position: int, members: set[int]) -> int:
    if pattern.startswith(b"[:", position):
        name, closed, _ = pattern[position + 2 :].partition(b":]")
        if closed and name in _POSIX:
            members.update(byte for byte in range(256) if re.match(_POSIX[name], bytes([byte])))
            return position + len(name) + 4
        if closed and b"]" not in name:
            raise _NoPatternError
    low, position = _character(pattern, position)
    if pattern[position : position + 1] != b"-" or pattern[position + 1 : position + 2] == b"]":
        members.add(low)
        return position
    high, position = _character(pattern, position + 1)
    members.update(range(low, high + 1))
    return position


def _character(pattern: Sequence[int], position: int) -> tuple[int, int]:
    if position < len(pattern) and pattern[position] == ord("\\"):
        position += 1
    if position >= len(pattern):
        raise _NoPatternError
    return pattern[position], position + 1
