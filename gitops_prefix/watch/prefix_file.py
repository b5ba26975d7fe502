"""The source of a file that another program writes: `acquisition.file`.

A file holds a prefix, or lines `PREFIX [valid [preferred]]`; docs/sources.md has the format.
It is read when it was closed after writing, or another file took its name (inotify(7)). While a
writer is at it, it counts only after two looks, POLL seconds apart, that find the same: the
writer may keep it open, or a hard link may have made it. What inotify cannot watch is looked at
every POLL seconds: a directory that is not there yet, and a path with symbolic links in it,
whose targets may be anywhere below the directory. So is a `--source-dir` that a link leads to.

Whoever may merge names the path, so nothing outside the daemon's `--source-dir` is ever opened.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.decide.advertisement import FILE, INFINITY, PrefixInformation, Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.plan.ears import Given
from gitops_prefix.watch.links import LinkState
from gitops_prefix.watch.watcher import SourceFailed

POLL = 2.0
"""Seconds between two looks at a file that inotify does not watch."""
MOST_BYTES = 4096
MOST_PREFIXES = 64

_MODIFY, _CREATE = 0x2, 0x100  # linux/inotify.h
_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _DELETE = 0x8, 0x40, 0x80, 0x200
_DELETE_SELF, _MOVE_SELF, _ONLYDIR = 0x400, 0x800, 0x1000000
_UNMOUNT, _OVERFLOW, _IGNORED = 0x2000, 0x4000, 0x8000
_BEGUN = _MODIFY | _CREATE
_ENDED = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _DELETE
_MASK = _BEGUN | _ENDED | _DELETE_SELF | _MOVE_SELF | _ONLYDIR
_DIRECTORY_GONE = _DELETE_SELF | _MOVE_SELF | _UNMOUNT | _IGNORED
_MASK_ADD = 0x20000000
_ABOVE = _DELETE_SELF | _MOVE_SELF | _ONLYDIR | _MASK_ADD
_EVENT = struct.Struct("iIII")


class Content(NamedTuple):
    """What a file holds.

    Attributes:
        written: when, in seconds of the calendar: lifetimes count from then.
        version: another one each time that the file was written.
        whole: whether its last line has an end.
    """

    prefixes: tuple[PrefixInformation, ...]
    written: float
    version: tuple[int, ...]
    whole: bool


def read_prefixes(text: str) -> tuple[PrefixInformation, ...]:
    """The prefixes in the text of a file.

    Raises:
        ValueError: with the line, and what is wrong there; one wrong line refuses the file,
            because the program that wrote it may have meant anything.
    """
    found: dict[Prefix, PrefixInformation] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            information = _read_line(words)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        if information.prefix in found:
            raise ValueError(f"line {number}: {information.prefix} is there already")
        found[information.prefix] = information
        if len(found) > MOST_PREFIXES:
            raise ValueError(f"more than {MOST_PREFIXES} prefixes")
    if not found:
        raise ValueError("it holds no prefix; to withdraw one, write it with the lifetime 0")
    return tuple(found.values())


def _read_line(words: list[str]) -> PrefixInformation:
    if len(words) > 3:
        raise ValueError("write PREFIX [valid [preferred]], with lifetimes in seconds")
    valid = _read_lifetime(words[1]) if len(words) > 1 else INFINITY
    preferred = _read_lifetime(words[2]) if len(words) > 2 else valid
    if preferred > valid:
        raise ValueError(f"the preferred lifetime {words[2]} is longer than the valid {words[1]}")
    return PrefixInformation(Prefix.parse(words[0]), True, True, valid, preferred)  # noqa: FBT003


def _read_lifetime(word: str) -> int:
    if word == "infinity":
        return INFINITY
    if not (word.isascii() and word.isdigit() and len(word) <= 10 and int(word) <= INFINITY):
        raise ValueError(f'"{word}" is not a lifetime: write seconds, or "infinity"')
    return int(word)


def read_file(path: str, source_dir: Path | None) -> Content:
    """Read a file below `source_dir`.

    Raises:
        ValueError: with the reason why it does not count.
    """
    if source_dir is None:
        raise ValueError("the daemon has no --source-dir, so it reads no file")
    try:
        descriptor = _open(path, source_dir)
        with os.fdopen(descriptor, "rb") as file:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                raise ValueError("it is not a regular file")
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is longer than {MOST_BYTES} bytes")
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        raise ValueError("it holds more than ASCII text") from None
    version = (state.st_ino, state.st_mtime_ns, state.st_size)
    return Content(read_prefixes(text), state.st_mtime, version, text.endswith("\n"))


def _open(path: str, source_dir: Path) -> int:
    """Open a file, with each of its directories, so that no link leads out meanwhile."""
    outside = ValueError(f"it is not below --source-dir {source_dir}")
    base = os.path.realpath(source_dir)
    if not Path(path).is_relative_to(source_dir.absolute()):
        raise outside
    real = os.path.realpath(path)
    if not Path(real).is_relative_to(base) or real == base:
        raise outside
    *directories, name = Path(real).relative_to(base).parts
    directory = os.open(base, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in directories:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            inner = os.open(part, flags, dir_fd=directory)
            os.close(directory)
            directory = inner
        # A pipe without a writer must not block the thread.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(name, flags, dir_fd=directory)
    finally:
        os.close(directory)


class _Inotify:
    """inotify(7), as far as the C library has it; `add` is None where it has not."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        init = getattr(self._library, "inotify_init1", None)
        self.fileno = init(os.O_NONBLOCK | os.O_CLOEXEC) if init else -1

    def add(self, directory: Path, mask: int) -> int | None:
        """Watch a directory; its number, or None where it cannot be watched."""
        if self.fileno < 0:
            return None
        number: int = self._library.inotify_add_watch(self.fileno, os.fsencode(directory), mask)
        return number if number >= 0 else None

    def remove(self, numbers: Iterable[int]) -> None:
        """Watch directories no more."""
        for number in numbers:
            self._library.inotify_rm_watch(self.fileno, number)

    def read(self) -> Iterator[tuple[int, int, str]]:
        """The number of the directory, what happened, and the name, for each event."""
        if self.fileno < 0:
            return
        with suppress(BlockingIOError):
            events = os.read(self.fileno, 65536)
            while events:
                number, mask, _, length = _EVENT.unpack_from(events)
                end = _EVENT.size + length
                yield number, mask, os.fsdecode(events[_EVENT.size : end].rstrip(b"\0"))
                events = events[end:]

    def close(self) -> None:
        """Close it; every watch ends."""
        if self.fileno >= 0:
            os.close(self.fileno)


@dataclass(slots=True)
class _Watched:
    """One file.

    Attributes:
        number: of its directory's watch; None while there is none.
        above: the numbers of the watches of the directories above: a renamed one takes it along.
        linked: whether a symbolic link leads to the directory of all files.
        ended: a writer closed it, or its name changed hands, and it was not read since.
        unfinished: a writer began, and did not close it since.
        looked: the version that was seen last, or why it does not count.
        looked_at: when that was seen first.
        given: the version that was reported last.
        refused: the reason that was reported last; empty after the file was read.
    """

    path: str
    number: int | None = None
    above: frozenset[int] = frozenset()
    linked: bool = False
    ended: bool = False
    unfinished: bool = False
    looked: tuple[int, ...] | str = ()
    looked_at: float = -inf
    given: tuple[int, ...] = ()
    refused: str = ""

    @property
    def watches(self) -> frozenset[int]:
        return self.above if self.number is None else self.above | {self.number}


class FileSource:
    """The prefixes that files hold, as `watcher.WatchedSource` has it."""

    interfaces: tuple[str, ...] = ()

    def __init__(
        self, paths: Collection[str], source_dir: Path | None, *, calendar: Callable[[], float]
    ) -> None:
        """Name the files; the first call of `ready` reads them.

        Args:
            paths: absolute.
            source_dir: no other file is read; None reads none.
            calendar: seconds since 1970, by which a file has its time of change.
        """
        self._files = [_Watched(path) for path in sorted(paths)]
        self._source_dir = source_dir and source_dir.absolute()
        self._calendar = calendar
        self._inotify = _Inotify()
        self._due = -inf

    def filenos(self) -> tuple[int, ...]:
        """The descriptor of inotify."""
        return (self._inotify.fileno,) if self._inotify.fileno >= 0 else ()

    def next_at(self) -> float:
        """When a file is looked at without an event."""
        return -inf if any(file.ended for file in self._files) else self._due

    def follow(self, _link: LinkState, _now: float) -> tuple[()]:
        """Nothing: a file is on no link."""
        return ()

    def overhear(self, event: object, now: float) -> None:
        """Nothing: a file is not asked."""

    def take(self, request: object, now: float) -> None:
        """Nothing: nobody is asked."""

    def ready(self, now: float) -> Iterator[Given | SourceFailed]:
        """Read the files that changed, and those that are looked at now."""
        self._hear()
        looks = now >= self._due
        if looks:
            self._due = inf
        for file in self._files:
            if file.ended or looks:
                ended, file.ended = file.ended, False
                # Watched before it is read, so that no change is between the two.
                self._watch(file)
                yield from self._read(file, now, ended=ended)
            polled = file.number is None or file.linked or file.unfinished
            if self._source_dir is not None and polled:
                self._due = min(self._due, now + POLL)

    def close(self) -> None:
        """Close inotify."""
        self._inotify.close()

    def _hear(self) -> None:
        """Note which files have a writer at work, and which were closed, replaced or deleted."""
        for number, mask, name in self._inotify.read():
            for file in self._files:
                if mask & _OVERFLOW:
                    file.ended, file.unfinished = True, False
                elif mask & _DIRECTORY_GONE and number in file.watches:
                    stale = file.watches
                    file.number, file.above, file.unfinished = None, frozenset(), False
                    self._end(stale)
                elif file.number != number:
                    continue
                elif name == Path(file.path).name:
                    file.ended = file.ended or bool(mask & _ENDED)
                    file.unfinished = bool(mask & _BEGUN)

    def _watch(self, file: _Watched) -> None:
        """Have inotify watch the directories, unless links may change what the path means."""
        before = file.watches
        self._add(file)
        self._end(before)

    def _end(self, stale: frozenset[int]) -> None:
        """End watches, but for those that a file still has."""
        kept = frozenset[int]().union(*(file.watches for file in self._files))
        self._inotify.remove(stale - kept)

    def _add(self, file: _Watched) -> None:
        file.number, file.above, file.linked = None, frozenset(), False
        if self._source_dir is None or not Path(file.path).is_relative_to(self._source_dir):
            return
        real = Path(os.path.realpath(self._source_dir)) / Path(file.path).relative_to(
            self._source_dir
        )
        file.linked = str(real) != file.path
        if os.path.realpath(real) == str(real):
            # From the top: whoever renames one of them meanwhile is noticed.
            *above, _ = reversed(real.parents)
            numbers = [self._inotify.add(directory, _ABOVE) for directory in above[1:]]
            file.above = frozenset(number for number in numbers if number is not None)
            if len(file.above) == len(numbers):
                file.number = self._inotify.add(real.parent, _MASK)

    def _read(self, file: _Watched, now: float, *, ended: bool) -> Iterator[Given | SourceFailed]:
        """Report what a file holds, or why it does not count, if that is new.

        What is read may be half written, and then counts when it is the same POLL seconds later: a
        writer began before the end of the reading, or the file was only looked at and its last
        line has no end.
        """
        found = self._content(file)
        self._hear()
        seen = found if isinstance(found, str) else found.version
        if seen != file.looked:
            file.looked, file.looked_at = seen, now
        half = not isinstance(found, str) and not found.whole and not ended
        if (file.unfinished or half) and now < file.looked_at + POLL:
            self._due = min(self._due, file.looked_at + POLL)
        elif isinstance(found, str):
            if found != file.refused:
                file.refused = found
                yield SourceFailed(Router(file.path, FILE), file.refused, now)
        elif found.version != file.given or file.refused:
            file.given, file.refused = found.version, ""
            age = max(0.0, self._calendar() - found.written)
            yield Given(Router(file.path, FILE), found.prefixes, now - age, now)

    def _content(self, file: _Watched) -> Content | str:
        """What a file holds, or why it does not count."""
        try:
            return read_file(file.path, self._source_dir)
        except ValueError as error:
            return str(error)
