"""One git process while it runs: its pipes, its limits, its connections, and its group's end."""

import os
import resource
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic  # noqa: TID251  how long git runs, and no date
from typing import NamedTuple

from gitops_prefix.decide.prefix import Prefix, format_address

LOCAL_SECONDS = 60.0
"""For git on our own disk."""
MOST_WORDS = 64 * 1024
"""Bytes of standard error; a server may write there without end."""
_MOST_ANSWER = 4 * 1024 * 1024
MOST_MEMORY = 256 * 1024 * 1024
"""For what a server sends: git allocates as much as the head of a pack announces."""
_CHUNK = 64 * 1024
_TICK = 1.0
_CONNECTED = {"01", "02"}
"""ESTABLISHED and SYN_SENT (include/net/tcp_states.h)."""
_LAST_WORDS_SECONDS = 1.0
_LATER, _PREPARES = 5.0, 120.0


Stop = Callable[[int], str]
"""Why git in a process group must end now, or an empty string; asked once a second."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a git process group is ended.

    Attributes:
        seconds: after this time.
        silence: after this time without a sign of life of git; None: never.
        answer: after this many bytes of standard output; None: never, for git on our own disk.
        patient_after: bytes after which silence counts no more: git has sent its pack, and the
            hooks of the server run. None: silence always counts.
        stop: another reason to end it.
        memory: bytes that git, and each program that it starts, may allocate; None: any number.
    """

    seconds: float = LOCAL_SECONDS
    silence: float | None = None
    answer: int | None = None
    patient_after: int | None = None
    stop: Stop | None = None
    memory: int | None = None

    @property
    def quiet(self) -> float:
        """Seconds for which libcurl may wait for a byte: a push as long as its hooks may run.

        `silence` is noticed sooner, and does not count while hooks run.
        """
        if self.patient_after is not None:
            return self.seconds
        # A server may prepare the first fetch for long; git then sends a byte every five seconds.
        return min(self.seconds, _PREPARES) if self.silence is None else self.silence + _LATER


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long the remote may take, in seconds.

    ssh and http notice a dead line sooner; these limits end everything else. The last one is
    in bytes.

    Attributes:
        ask: for ls-remote.
        push: for a push of a few kilobytes, with the hooks of the server.
        fetch: for a fetch, over a slow line.
        silence: for a call in which nothing arrives. In the first fetch the server may need
            longer to prepare everything, and after a push its hooks may.
        pack: of what one fetch brings. Files above 5 MiB are left out where the server can do so.
    """

    ask: float = 60.0
    push: float = 120.0
    fetch: float = 600.0
    silence: float = 30.0
    pack: int = 1024**3


LOCAL = Limits()
_UNDER_WAY: set[int] = set()
"""The process groups of git that run now."""
_ENDING: set[int] = set()
"""Those in which a child of ours had not ended when we looked last."""


def remote_limits(
    seconds: float,
    *,
    silence: float | None = None,
    patient_after: int | None = None,
    stop: Stop | None = None,
) -> Limits:
    """The limits of a call to a remote: a server cannot fill our memory."""
    return Limits(seconds, silence, _MOST_ANSWER, patient_after, stop, MOST_MEMORY)


class Ended(NamedTuple):
    """How git ended.

    Attributes:
        early: the limit that was reached; empty if git ended by itself.
    """

    stdout: bytes
    stderr: str
    early: str


@dataclass(slots=True)
class Talk:
    """Reads and writes the pipes of git, until git ends or a limit is reached."""

    process: "subprocess.Popen[bytes]"
    stdin: bytes
    limits: Limits
    written: int = 0
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)

    def run(self) -> Ended:
        """Run until git ended, or until a limit is reached."""
        _UNDER_WAY.add(self.process.pid)
        try:
            return self._run()
        finally:
            _UNDER_WAY.discard(self.process.pid)

    def _run(self) -> Ended:
        if self.limits.memory is not None:
            # It may have ended already.
            with suppress(OSError):
                most = (self.limits.memory, self.limits.memory)
                resource.prlimit(self.process.pid, resource.RLIMIT_DATA, most)
        early = self._talk(monotonic() + self.limits.seconds)
        return Ended(bytes(self.stdout), self.stderr.decode(errors="replace"), early)

    def _talk(self, end: float) -> str:
        life = _Life(self.process.pid, self.limits)
        with selectors.DefaultSelector() as waiting:
            self._register(waiting)
            while waiting.get_map():
                left = end - monotonic()
                if left <= 0:
                    return self._late()
                for key, _ in waiting.select(min(left, life.tick)):
                    self._move(waiting, key.fd)
                if over := self._too_much() or life.over(monotonic()):
                    return over
        try:
            self.process.wait(max(0.0, end - monotonic()))
        except subprocess.TimeoutExpired:
            return self._late()
        return ""

    def _late(self) -> str:
        return f"no answer within {self.limits.seconds:g} s"

    def _register(self, waiting: selectors.BaseSelector) -> None:
        pipes = self.process
        assert pipes.stdin and pipes.stdout and pipes.stderr  # noqa: PT018, S101  PIPE gives all
        for stream in (pipes.stdin, pipes.stdout, pipes.stderr):
            os.set_blocking(stream.fileno(), False)
        waiting.register(pipes.stdout, selectors.EVENT_READ)
        waiting.register(pipes.stderr, selectors.EVENT_READ)
        if self.stdin:
            waiting.register(pipes.stdin, selectors.EVENT_WRITE)
        else:
            pipes.stdin.close()

    def _move(self, waiting: selectors.BaseSelector, descriptor: int) -> None:
        """Write to or read from one pipe."""
        stream = waiting.get_map()[descriptor].fileobj
        if stream is self.process.stdin:
            finished = self._write(descriptor)
        else:
            chunk = os.read(descriptor, _CHUNK)
            target = self.stdout if stream is self.process.stdout else self.stderr
            target += chunk
            finished = not chunk
        if finished:
            waiting.unregister(stream)
            with suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]

    def _write(self, descriptor: int) -> bool:
        """Write a chunk; return whether git has read everything, or reads no more."""
        try:
            self.written += os.write(descriptor, self.stdin[self.written : self.written + _CHUNK])
        except BrokenPipeError:
            return True
        return self.written == len(self.stdin)

    def _too_much(self) -> str:
        most = self.limits.answer
        if most is None:
            # git reports each object of a damaged clone; the first lines are enough.
            del self.stderr[MOST_WORDS:]
            return ""
        if len(self.stdout) > most or len(self.stderr) > MOST_WORDS:
            return f"the server sends more than {most} bytes, or {MOST_WORDS} bytes of words"
        return ""


class _Life:
    """Watches git's process group for signs of life.

    A server may hold a connection open and send nothing, while ssh still exchanges
    keepalives. Only the bytes and the CPU time of git itself count, not those of ssh and of
    the remote helpers.
    """

    def __init__(self, group: int, limits: Limits) -> None:
        """Watch a process group, as far as there are limits."""
        self._group = group
        self._limits = limits
        self._since = self._looked = monotonic()
        self._work = -1
        self.tick = LOCAL_SECONDS if limits.stop is None else _TICK
        if limits.silence is not None:
            self.tick = min(_TICK, limits.silence / 4)

    def over(self, now: float) -> str:
        """Why git must be ended, or an empty string."""
        if now - self._looked < self.tick:
            return ""
        self._looked = now
        if self._limits.stop is not None and (words := self._limits.stop(self._group)):
            return words
        silence = self._limits.silence
        if silence is None:
            return ""
        work, written = _work_of(self._group)
        patient_after = self._limits.patient_after
        if work != self._work or (patient_after is not None and written > patient_after):
            self._work, self._since = work, now
        if now - self._since < silence:
            return ""
        return f"no answer within {silence:g} s (not a byte came)"


def _work_of(group: int) -> tuple[int, int]:
    """What git in this process group has done, and the bytes of it that git has written (proc(5)).

    The first number grows while git reads, writes or computes.
    """
    work = sent = 0
    for entry, name, stat in _processes():
        is_git = name.startswith("git") and not name.startswith("git-remote")
        if not is_git or int(stat[2]) != group:
            continue
        with suppress(OSError, ValueError):
            lines = (entry / "io").read_text().splitlines()[:2]
            read, written = (int(line.partition(":")[2]) for line in lines)
            work += int(stat[11]) + int(stat[12]) + read + written
            sent += written
    return work, sent


def _processes() -> Iterator[tuple[Path, str, list[str]]]:
    """Each process: its directory, its name, and the fields of `stat` behind the name (proc(5))."""
    entries: list[Path] = []
    with suppress(OSError):
        # No descriptor may be left to read it.
        entries = list(Path("/proc").iterdir())
    for entry in entries:
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            head, _, tail = (entry / "stat").read_text(errors="replace").rpartition(")")
            yield entry, head.partition("(")[2], tail.split()


def local_addresses(groups: Collection[int]) -> frozenset[int]:
    """The IPv6 addresses of ours over which process groups are connected by TCP (proc_net(5))."""
    sockets: set[str] = set()
    for entry, _, stat in _processes():
        if int(stat[2]) not in groups:
            continue
        with suppress(OSError):
            for descriptor in (entry / "fd").iterdir():
                with suppress(OSError):
                    sockets.add(str(descriptor.readlink()))
    addresses = set()
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]:
            words = line.split()
            if f"socket:[{words[9]}]" in sockets and words[3] in _CONNECTED:
                # Four words of 32 bits, each in the order of this machine.
                raw = bytes.fromhex(words[1].partition(":")[0])
                order = (raw[at : at + 4] for at in range(0, 16, 4))
                parts = [int.from_bytes(part, sys.byteorder) for part in order]
                addresses.add(sum(part << 32 * (3 - at) for at, part in enumerate(parts)))
    return frozenset(addresses)


def replaced_under(
    prefixes: Callable[[], Mapping[str, Prefix | None]], line: Callable[[], int]
) -> Stop:
    """Return what ends a call that runs over an address whose prefix is replaced from now on.

    Nothing comes back to such an address, and git would wait for it.

    Args:
        prefixes: returns the prefixes as the links have them, by name.
        line: returns the process group of a connection that several calls share; 0: none.
    """
    before = prefixes()

    def stop(group: int) -> str:
        now = prefixes()
        new = [prefix for prefix in now.values() if prefix]
        gone = [
            prefix
            for name, prefix in before.items()
            if prefix and now.get(name) and not any(other.covers(prefix) for other in new)
        ]
        for address in local_addresses({group, line()} - {0}) if gone else ():
            for prefix in gone:
                if prefix.contains(address):
                    where = format_address(address)
                    return f"the connection ran over {where}, and {prefix} was replaced"
        return ""

    return stop


def larger_than(most: int, repository: Path, other: Stop | None) -> Stop:
    """Return what ends a fetch of a pack of more than `most` bytes, or for another reason."""

    def stop(group: int) -> str:
        size = 0
        for path in repository.glob("objects/pack/tmp_pack_*"):
            with suppress(OSError):
                size += path.stat().st_size
        if size > most:
            return f"the server sends a pack of more than {most} bytes"
        return other(group) if other is not None else ""

    return stop


def end_all() -> None:
    """Kill every git that runs: we leave without waiting for it."""
    for group in tuple(_UNDER_WAY):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill git and what it started: ssh, a remote helper."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_WORDS_SECONDS)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            # A process that left the group may still hold the pipes; nobody reads them.
            with suppress(OSError):
                stream.close()
    reap_group(process.pid, _LAST_WORDS_SECONDS)


def reap_group(group: int, seconds: float = 0.0) -> None:
    """Reap the children of git that are now ours: in a container we are PID 1.

    One that ends later, on a machine that is busy, is reaped after a later git.
    """
    _reap_late()
    end = monotonic() + seconds
    # ECHILD: the group holds no child of ours.
    with suppress(ChildProcessError):
        while True:
            reaped, _ = os.waitpid(-group, os.WNOHANG)
            if not reaped:
                if monotonic() >= end:
                    _ENDING.add(group)
                    return
                threading.Event().wait(_LAST_WORDS_SECONDS / 100)


def _reap_late() -> None:
    """Reap the dead of earlier groups. The leader of a group is left to whoever started it."""
    known = frozenset(_ENDING)
    if not known:
        return
    there = set()
    for entry, _, stat in _processes():
        parent, group = int(stat[1]), int(stat[2])
        if group not in known or parent != os.getpid() or entry.name == stat[2]:
            continue
        if stat[0] == "Z":
            with suppress(OSError):
                os.waitpid(int(entry.name), os.WNOHANG)
        else:
            there.add(group)
    _ENDING.difference_update(known - there)


def reap_orphans(name: str) -> None:
    """Reap dead processes of this name that became our children: in a container we are PID 1."""
    for entry, found, stat in _processes():
        if found == name and stat[0] == "Z" and int(stat[1]) == os.getpid():
            with suppress(OSError):
                os.waitpid(int(entry.name), os.WNOHANG)
