"""Paths to pass over, by patterns in gitignore's syntax (gitignore(5), wildmatch.c). PURE.

Patterns are an automaton without backtracking: whatever they are, a path costs one step
a byte. As a regular expression, thirty stars in a line take longer than anybody lives.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gitops_prefix.errors import InputError, Place, Problem

IGNORE_FILE = ".gitops-prefixignore"
MOST_BYTES = 64 * 1024
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


class _Step(NamedTuple):
    """One state of the automaton.

    Attributes:
        takes: bytes that lead to the next one.
        stays: bytes that lead back to it.
        skips: how many states it may pass over without a byte.
    """

    takes: frozenset[int] = frozenset()
    stays: frozenset[int] = frozenset()
    skips: tuple[int, ...] = ()


_STAR = _Step(stays=_IN_SEGMENT, skips=(1,))
_REST = _Step(stays=_ALL, skips=(1,))
# "**/": no directory at all, or any bytes up to a slash.
_DIRECTORIES = (_Step(skips=(1, 2)), _Step(takes=frozenset({_SLASH}), stays=_ALL))


class _NoPatternError(Exception):
    """Matches nothing, as with git."""


class _Pattern(NamedTuple):
    """One line of an ignore file.

    Attributes:
        ignores: false behind an exclamation mark.
        directories: whether it is about directories alone.
        anywhere: whether it is about the last part of a path.
    """

    ignores: bool
    directories: bool
    anywhere: bool
    steps: list[_Step]


class IgnoredPaths:
    """The patterns of one or more ignore files; the last one that is about a path counts.

    All of them are one automaton, whose states are the bits of an integer: those of a later
    pattern stand higher, and the highest that is reached counts.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        """Read patterns; a line that is none matches nothing."""
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
            self._bits(n for n, one in enumerate(self._steps) if k in one.skips) for k in (1, 2)
        ]
        self._anywhere = self._skip(self._bits(anywhere))
        self._begins = self._skip(self._bits(begins)) | self._anywhere
        self._ends, self._for_files = self._bits(ends), self._bits(for_files)
        self._ignoring = self._bits(ignoring)
        self._moves: dict[int, tuple[int, int]] = {}

    def match_file(self, path: str) -> bool:
        """Whether a file is to be passed over, itself or with a directory above it."""
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
        """The states that a byte leads out of, and those it stays in."""
        if byte not in self._moves:
            takes = self._bits(n for n, step in enumerate(self._steps) if byte in step.takes)
            stays = self._bits(n for n, step in enumerate(self._steps) if byte in step.stays)
            self._moves[byte] = takes, stays
        return self._moves[byte]

    def _skip(self, states: int) -> int:
        """With all states that are reached without a byte; these are three in a row at most."""
        one, two = self._skips
        for _ in range(3):
            states |= (states & one) << 1 | (states & two) << 2
        return states

    def _bits(self, numbers: Iterable[int]) -> int:
        octets = bytearray(len(self._steps) // 8 + 1)
        for number in numbers:
            octets[number // 8] |= 1 << number % 8
        return int.from_bytes(octets, "little")


def ignore_lines(content: bytes | None) -> list[str]:
    """The lines of an ignore file, if there is one.

    Raises:
        InputError: it is longer than anybody's; each pattern is asked about each managed file.
    """
    if content is None:
        return []
    if len(content) > MOST_BYTES:
        message = f"is longer than {MOST_BYTES // 1024} KiB: name directories instead of files"
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
    """One star or more: two of them between slashes stand for directories."""
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
    """`[a-z]` and the like; it never stands for a slash."""
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
            members.update(one for one in range(256) if re.match(_POSIX[name], bytes([one])))
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
