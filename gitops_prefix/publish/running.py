"""One git process while it runs: its pipes, its limits, and the end of its process group."""

import os
import selectors
import signal
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic  # noqa: TID251  how long git runs, and no date
from typing import NamedTuple

LOCAL_SECONDS = 60.0
"""For git on our own disk."""
MOST_WORDS = 64 * 1024
"""Bytes of standard error; a server may write there without end."""
_MOST_ANSWER = 4 * 1024 * 1024
_CHUNK = 64 * 1024
_TICK = 1.0
_LAST_WORDS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """When a git process group is ended.

    Attributes:
        seconds: after this time.
        silence: after this time without a sign of life of git; None: never.
        answer: after this many bytes of standard output; None: never, for git on our own disk.
    """

    seconds: float = LOCAL_SECONDS
    silence: float | None = None
    answer: int | None = None


LOCAL = Limits()


def remote_limits(seconds: float, *, silence: float | None = None) -> Limits:
    """The limits of a call to a remote: a server cannot fill our memory."""
    return Limits(seconds, silence, _MOST_ANSWER)


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
        early = self._talk(monotonic() + self.limits.seconds)
        return Ended(bytes(self.stdout), self.stderr.decode(errors="replace"), early)

    def _talk(self, end: float) -> str:
        life = _Life(self.process.pid, self.limits.silence)
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

    def __init__(self, group: int, silence: float | None) -> None:
        """Watch a process group, if there is a limit."""
        self._group = group
        self._silence = silence
        self._since = self._looked = monotonic()
        self._work = -1
        self.tick = LOCAL_SECONDS if silence is None else min(_TICK, silence / 4)

    def over(self, now: float) -> str:
        """Why git must be ended, or an empty string."""
        if self._silence is None or now - self._looked < self.tick:
            return ""
        self._looked = now
        work = _work_of(self._group)
        if work != self._work:
            self._work, self._since = work, now
        if now - self._since < self._silence:
            return ""
        return f"no answer within {self._silence:g} s (not a byte came)"


def _work_of(group: int) -> int:
    """A number that grows while git in this process group reads, writes or computes (proc(5))."""
    work = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, ValueError):
            head, _, tail = (entry / "stat").read_text(errors="replace").rpartition(")")
            words, name = tail.split(), head.partition("(")[2]
            is_git = name.startswith("git") and not name.startswith("git-remote")
            if not is_git or int(words[2]) != group:
                continue
            work += int(words[11]) + int(words[12])
            lines = (entry / "io").read_text().splitlines()[:2]
            work += sum(int(line.partition(":")[2]) for line in lines)
    return work


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
    """Reap the children of git that are now ours: in a container we are PID 1."""
    end = monotonic() + seconds
    # ECHILD: the group holds no child of ours.
    with suppress(ChildProcessError):
        while True:
            reaped, _ = os.waitpid(-group, os.WNOHANG)
            if not reaped:
                if monotonic() >= end:
                    return
                threading.Event().wait(_LAST_WORDS_SECONDS / 100)


def reap_orphans(name: str) -> None:
    """Reap dead processes of this name that became our children: in a container we are PID 1."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, ValueError):
            head, _, tail = (entry / "stat").read_text(errors="replace").rpartition(")")
            state, parent = tail.split()[:2]
            if head.partition("(")[2] == name and state == "Z" and int(parent) == os.getpid():
                os.waitpid(int(entry.name), os.WNOHANG)
