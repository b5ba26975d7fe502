"""git, asked by argument lists in a scrubbed environment, and ended at its limits.

GitPython starts the process; its keyword-to-option mapping, its object database and its
persistent processes stay unused: its advisories and leaks are there.
"""

import logging
import os
import selectors
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic  # noqa: TID251  how long git runs, and no date
from typing import NamedTuple

from gitops_prefix.errors import OutsideError
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.scrub import scrub

log = logging.getLogger(__name__)


def search_path() -> str:
    """PATH without what is not absolute: a git where we happen to be started is not ours."""
    words = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(word for word in words if Path(word).is_absolute())


# ssh-keygen and gpg are looked for as git is. GitPython would run git when it is imported,
# with our whole environment: it is given none to run.
os.environ["PATH"] = search_path()
os.environ["GIT_PYTHON_REFRESH"] = "quiet"
os.environ["GIT_PYTHON_GIT_EXECUTABLE"] = "/nonexistent/git"

import git  # noqa: E402  see above

LOCAL_SECONDS = 60.0
"""For what git does on the disk alone."""
MOST_WORDS = 64 * 1024
"""Bytes of standard error; a server may write there without end."""
_MOST_ANSWER = 4 * 1024 * 1024
_MOST_SHOWN = 500
_CHUNK = 64 * 1024
_TICK = 1.0
_LAST_WORDS_SECONDS = 1.0

_ENVIRONMENT = {
    # A .netrc of whoever started us is no credential of ours.
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    # What a clone leaves out is asked for at once (remote.py), never blob by blob.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_INHERITED = (
    "PATH",
    "TMPDIR",
    "SSL_CERT_FILE",
    "GIT_SSL_CAINFO",
)
_SETTINGS = {
    # After a power cut, a commit that waits for its remote is there: its pack and its
    # reference are on the disk before git ends. Loose objects would be synced one by one.
    "core.fsync": "committed,-loose-object,reference",
    "fastimport.unpackLimit": "1",
    "core.hooksPath": "/dev/null",
    "gc.auto": "0",
    # A line on which nothing moves is dead; ssh is told the same in credentials.py.
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "30",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "protocol.file.allow": "always",
    "protocol.http.allow": "always",
    "protocol.https.allow": "always",
    "protocol.ssh.allow": "always",
    "safe.directory": "*",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call of git may take; then its process group is ended.

    Attributes:
        seconds: until git has ended.
        silence: seconds without a sign of life of git; None: `seconds` alone count.
        answer: bytes of standard output; None: git reads our own disk, at any length.
    """

    seconds: float = LOCAL_SECONDS
    silence: float | None = None
    answer: int | None = None


def remote_limits(seconds: float, *, silence: float | None = None) -> Limits:
    """The limits of a call that goes to a remote: what a server sends is bounded."""
    return Limits(seconds, silence, _MOST_ANSWER)


class Answer(NamedTuple):
    """What git said."""

    status: int
    stdout: bytes
    stderr: str

    def lines(self) -> list[str]:
        """Standard output as lines."""
        text = self.stdout.decode(errors="surrogateescape")
        return [line for line in text.split("\n") if line]

    def word(self) -> str:
        """Standard output, when it is one word."""
        return self.stdout.decode().strip()


class GitFailedError(OutsideError):
    """git said no, or did not answer in time.

    Attributes:
        answer: what it said; the status is negative when it did not come to an answer.
    """

    def __init__(self, what: str, answer: Answer) -> None:
        words = answer.stderr.strip() or f"exit status {answer.status}"
        super().__init__(f"git {what}: {words}")
        self.answer = answer


class Git:
    """git in one directory."""

    def __init__(
        self,
        directory: Path,
        *,
        environment: Mapping[str, str] | None = None,
        loan: Loan | None = None,
        keeps: Callable[[], tuple[int, ...]] = tuple,
    ) -> None:
        """Name a directory, which may not exist yet.

        Args:
            directory: where git runs; it is never looked for further up.
            environment: added to the scrubbed one.
            loan: what a call that needs credentials is lent.
            keeps: descriptors that stay open while git runs, also when we are gone.
        """
        search = search_path()
        program = shutil.which("git", path=search)
        if program is None:
            raise OutsideError("git is not on PATH: install it")
        directory = directory.resolve()
        # A directory that is damaged must not lead git to a repository around it.
        ceiling = {"GIT_CEILING_DIRECTORIES": str(directory.parent)}
        self._variables = {**_ENVIRONMENT, "PATH": search, **ceiling, **(environment or {})}
        self._env = shutil.which("env", path=search) or "/usr/bin/env"
        self._descriptors: tuple[int, ...] = ()
        self._keeps = keeps
        if loan is not None:
            self._variables |= loan.environment
            self._descriptors = loan.descriptors
        # GitPython leaves out a directory that is gone, and git would work in ours.
        self._command = [program, "-C", str(directory)]
        for name, text in _SETTINGS.items():
            self._command += ["-c", f"{name}={text}"]

    def ask(
        self,
        *arguments: str,
        stdin: bytes = b"",
        limits: Limits = Limits(),
        settings: Sequence[str] = (),
    ) -> Answer:
        """Run git, whatever it answers; status -1: it was ended at a limit, or never ran.

        Args:
            arguments: a command of git's, and its words.
            stdin: what it reads.
            limits: when it is ended.
            settings: `-c NAME=TEXT`, in front of the command.
        """
        began = monotonic()
        answer = self._ask(arguments, stdin, limits, settings)
        if log.isEnabledFor(logging.DEBUG):
            took = monotonic() - began
            log.debug("git %s: exit %d in %.3f s", _shown(arguments), answer.status, took)
        return answer

    def _ask(
        self, arguments: Sequence[str], stdin: bytes, limits: Limits, settings: Sequence[str]
    ) -> Answer:
        # GitPython only adds to the environment, and ours must not reach git. What is
        # added stays out of the command line, which every user of the machine can read.
        foreign = os.environ.keys() - set(_INHERITED) - self._variables.keys()
        unset = [word for name in sorted(foreign) for word in ("-u", name)]
        # A token that we were started with is not in the environment of `env`, either.
        blank = dict.fromkeys(foreign, "")
        try:
            wrapper = git.Git().execute(
                [self._env, *unset, *self._command, *settings, *arguments],
                istream=subprocess.PIPE,
                as_process=True,
                env={**blank, **self._variables},
                pass_fds=(*self._descriptors, *self._keeps()),
                start_new_session=True,
            )
        except (OSError, git.GitCommandNotFound) as error:
            # No memory, no process left, a line too long: git had no say.
            return Answer(-1, b"", f"git cannot be started: {error}")
        process = wrapper.proc
        assert process is not None  # noqa: S101  it has just begun
        try:
            ended = _Talk(process, stdin, limits).run()
        except BaseException:
            _end_group(process)
            raise
        if ended.early:
            _end_group(process)
            return Answer(-1, b"", ended.early)
        _reap_group(process.pid)
        return Answer(process.returncode, ended.stdout, scrub(ended.stderr))

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        limits: Limits = Limits(),
        settings: Sequence[str] = (),
    ) -> Answer:
        """Run git.

        Raises:
            GitFailedError: it did not answer with status 0.
        """
        answer = self.ask(*arguments, stdin=stdin, limits=limits, settings=settings)
        if answer.status != 0:
            raise GitFailedError(arguments[0], answer)
        return answer


class _Ended(NamedTuple):
    """How git ended.

    Attributes:
        early: the limit at which it is to be ended; empty when git ended by itself.
    """

    stdout: bytes
    stderr: str
    early: str


@dataclass(slots=True)
class _Talk:
    """What git reads and writes, until it ends or a limit is reached."""

    process: "subprocess.Popen[bytes]"
    stdin: bytes
    limits: Limits
    written: int = 0
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)

    def run(self) -> _Ended:
        """Talk with git until it ended, or until the reason why it must be ended is known."""
        early = self._talk(monotonic() + self.limits.seconds)
        return _Ended(bytes(self.stdout), self.stderr.decode(errors="replace"), early)

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
        """Write or read what one pipe takes or gives."""
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
        """Whether git has read all, or reads no more."""
        try:
            self.written += os.write(descriptor, self.stdin[self.written : self.written + _CHUNK])
        except BrokenPipeError:
            return True
        return self.written == len(self.stdin)

    def _too_much(self) -> str:
        most = self.limits.answer
        if most is None:
            # On our own disk git may complain of each object of a damaged clone.
            del self.stderr[MOST_WORDS:]
            return ""
        if len(self.stdout) > most or len(self.stderr) > MOST_WORDS:
            return f"the server sends more than {most} bytes, or {MOST_WORDS} bytes of words"
        return ""


class _Life:
    """Whether anything moves in git's process group.

    A server may hold a connection open and send nothing; ssh then still exchanges keepalives.
    So the bytes and the CPU time of git itself count, without those of its transports.
    """

    def __init__(self, group: int, silence: float | None) -> None:
        """Watch a group; without a limit nothing is watched."""
        self._group = group
        self._silence = silence
        self._since = self._looked = monotonic()
        self._work = -1
        self.tick = LOCAL_SECONDS if silence is None else min(_TICK, silence / 4)

    def over(self, now: float) -> str:
        """That nothing moved for too long, or an empty string."""
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


def _shown(arguments: Sequence[str]) -> str:
    """The command for a log: no secret, no userinfo, and not without end."""
    rest = list(arguments)
    while rest[:1] == ["-c"]:
        # Settings that a call names are the same each time.
        del rest[:2]
    text = " ".join(scrub(" ".join(rest)).split())
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """End git and what it started: ssh, a remote helper."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_WORDS_SECONDS)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            # What left the group may still hold the pipes; nobody reads them.
            with suppress(OSError):
                stream.close()
    _reap_group(process.pid, _LAST_WORDS_SECONDS)


def _reap_group(group: int, seconds: float = 0.0) -> None:
    """Reap what git started and left to us, who are its init in a container."""
    end = monotonic() + seconds
    # No child of ours is left in the group, or none of ours ever was: ECHILD.
    with suppress(ChildProcessError):
        while True:
            reaped, _ = os.waitpid(-group, os.WNOHANG)
            if not reaped:
                if monotonic() >= end:
                    return
                threading.Event().wait(_LAST_WORDS_SECONDS / 100)
