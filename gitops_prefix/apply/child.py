"""The child process that talks to the API server, as its parent sees it.

The child imports the Kubernetes client (44 MiB), so the daemon starts the child on demand,
asks one question at a time, and ends the child when nobody asked for a while. Nothing is lost
when the child dies. `protocol` has the lines.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import IO

from gitops_prefix.apply.protocol import AnswerT, ChildQuestion, read_answer, write_question
from gitops_prefix.errors import OutsideError
from gitops_prefix.publish.scrub import scrub

_SECONDS = 60.0
"""For one answer."""
_START_SECONDS = 60.0
"""To import the client: about a second, on a machine that is not busy."""
_END_SECONDS = 1.0
"""For the child to remove its files, once nobody can ask any more."""
_IDLE_SECONDS = 60.0
_LAST_WORDS = 2000
_TRIES = 10
"""To make a directory that no other child removes before it is locked."""
_INHERITED = (
    "PATH",
    "HOME",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "SSL_CERT_FILE",
)
"""What a child gets of our environment: no token of git's, no option of ours."""
_PROXY = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
"""For the API server of a kubeconfig. A pod's own API server is behind no proxy."""


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """A kubeconfig and its context: which cluster, and who we are to it.

    Attributes:
        kubeconfig: a file; empty for the pod's own account, or what kubectl would take.
        context: of the kubeconfig; empty for its current one.
    """

    kubeconfig: str = ""
    context: str = ""

    @property
    def words(self) -> list[str]:
        """The end of a child's command line."""
        return [f"--kubeconfig={self.kubeconfig}", f"--context={self.context}"]


def child_environment(ours: Mapping[str, str], access: ClusterAccess) -> dict[str, str]:
    """The environment of a process that talks to a cluster."""
    named = access.kubeconfig or access.context or ours.get("KUBECONFIG")
    in_pod = not named and bool(ours.get("KUBERNETES_SERVICE_HOST"))
    names = _INHERITED if in_pod else (*_INHERITED, *_PROXY)
    inherited = {name: ours[name] for name in names if name in ours}
    return {**inherited, "LC_ALL": "C.UTF-8"}


class _Directory:
    """A child's TMPDIR, with the private keys that the client unpacks from a kubeconfig.

    It is removed with the child. One that a killed daemon left is removed by the next child:
    the lock in it dies with its owner.
    """

    _PREFIX = "gitops-prefix-child-"

    def __init__(self) -> None:
        """Make it, and remove what others left.

        Raises:
            OSError: it cannot be made.
        """
        self.path, self._lock = self._made()
        for left in self.path.parent.glob(f"{self._PREFIX}*"):
            with suppress(OSError):
                os.close(self._locked(left))
                shutil.rmtree(left)

    def _made(self) -> tuple[Path, int]:
        """A new directory, and its lock.

        Another child may start at this moment, and remove what has no lock yet: then the next
        directory is tried.
        """
        for _ in range(_TRIES - 1):
            path = Path(tempfile.mkdtemp(prefix=self._PREFIX))
            with suppress(FileNotFoundError, BlockingIOError):
                lock = self._locked(path)
                if _is_at(path, lock):
                    return path, lock
                os.close(lock)
        path = Path(tempfile.mkdtemp(prefix=self._PREFIX))
        return path, self._locked(path)

    @staticmethod
    def _locked(path: Path) -> int:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(lock).st_uid != os.getuid():
                raise PermissionError(path)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise
        return lock

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether a path still leads to what was opened there."""
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


class Child:
    """One process, from its start to its end: one line in, one line out."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it, in a process group of its own.

        Raises:
            OutsideError: it cannot be started.
        """
        # What the child writes beside its answers is kept, and read only when it dies.
        try:
            self._said = os.memfd_create("said")
        except OSError as error:
            raise _not_started(command, error) from error
        try:
            self._directory = _Directory()
        except OSError as error:
            os.close(self._said)
            raise _not_started(command, error) from error
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env={**environment, "TMPDIR": str(self._directory.path)},
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._said)
            self._directory.remove()
            raise _not_started(command, error) from error
        self._requests, self._answers = _pipe(self._process.stdin), _pipe(self._process.stdout)
        self._ready = False

    def runs(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def ask(self, line: bytes, seconds: float, may_ask: Callable[[], bool]) -> bytes:
        """One line in, one line out.

        Raises:
            OutsideError: it ended before it answered, or took longer than `seconds`; or it may
                not be asked any more.
        """
        self._write(b"" if self._ready else b"\n")
        if not self._ready:
            # It answers an empty line when it has imported the client.
            self._read(_START_SECONDS)
            self._ready = True
        if not may_ask():
            raise OutsideError("the lead ended")
        self._write(line)
        return self._read(seconds)

    def kill(self) -> None:
        """End it and what it started: a kubeconfig may name a program for its tokens."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self, seconds: float = 0.0) -> None:
        """End it, and release everything. It may take `seconds` to end by itself."""
        with suppress(OSError):
            self._requests.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()
        self._process.wait()
        with suppress(OSError):
            self._answers.close()
        os.close(self._said)
        self._directory.remove()

    def _write(self, line: bytes) -> None:
        # A pipe without a reader is noticed by whoever reads the answer.
        with suppress(OSError):
            self._requests.write(line)
            self._requests.flush()

    def _read(self, seconds: float) -> bytes:
        late = threading.Event()

        def end() -> None:
            late.set()
            self.kill()

        watchdog = threading.Timer(seconds, end)
        watchdog.daemon = True
        watchdog.start()
        answer = b""
        with suppress(OSError):
            answer = self._answers.readline()
        watchdog.cancel()
        if answer.endswith(b"\n"):
            return answer
        self.kill()
        if late.is_set():
            raise OutsideError(f"it took longer than {seconds:g} s to answer, and was ended")
        raise OutsideError(f"it ended before it answered: {self._last_words()}")

    def _last_words(self) -> str:
        code = self._process.wait()
        start = max(0, os.fstat(self._said).st_size - _LAST_WORDS)
        said = os.pread(self._said, _LAST_WORDS, start).decode(errors="replace")
        lines = scrub(said).strip().splitlines()
        return lines[-1] if lines else f"exit code {code}"


def _not_started(command: Sequence[str], error: OSError) -> OutsideError:
    return OutsideError(f"{command[0]} cannot be started: {error}")


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("pipes were asked for")
    return pipe


class ClusterProcess:
    """The child, started on demand. Any thread may ask; questions are answered in turn."""

    def __init__(
        self,
        access: ClusterAccess = ClusterAccess(),
        *,
        command: Sequence[str] = (sys.executable, "-P", "-m", "gitops_prefix.apply.kube_child"),
        seconds: float = _SECONDS,
        idle: float = _IDLE_SECONDS,
        may_ask: Callable[[], bool] = lambda: True,
    ) -> None:
        """Start nothing yet.

        Args:
            access: which cluster.
            command: starts the child.
            seconds: how long one answer may take.
            idle: how long the child stays when nobody asks; inf is for ever.
            may_ask: called when the child is ready, right before it gets a question. Whoever makes
                this False, and then calls `interrupt`, has ended every question of before.
        """
        self._command, self._access = [*command, *access.words], access
        self._seconds, self._idle, self._may_ask = seconds, idle, may_ask
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._timer: threading.Timer | None = None
        self._closed = False

    def prepare(self) -> None:
        """Have the child ready: importing the client takes about a second."""
        with self._lock:
            with suppress(OutsideError):
                self._running()
            self._end_when_idle()

    def ask(self, question: ChildQuestion[AnswerT]) -> AnswerT:
        """Ask the child, which is started if it does not run.

        Raises:
            InputError: no cluster can be read from the kubeconfig.
            OutsideError: the question failed, or there was no answer in time.
        """
        line = write_question(question)
        with self._lock:
            try:
                answer = self._running().ask(line, self._seconds, self._may_ask)
            except OutsideError as error:
                self._discard()
                raise OutsideError(f"what talks to the cluster: {error}") from error
            finally:
                self._end_when_idle()
        return read_answer(question, answer)

    def interrupt(self) -> None:
        """End the child, and so a question under way; the next question starts another one."""
        child = self._child
        if child is not None:
            child.kill()

    def close(self) -> None:
        """End the child, if it runs, for good; a question under way is not waited for."""
        self._closed = True
        self.interrupt()
        with self._lock:
            self._stop_timer()
            self._discard()

    @property
    def runs(self) -> bool:
        """Whether there is a child now."""
        child = self._child
        return child is not None and child.runs()

    def _running(self) -> Child:
        self._stop_timer()
        if self._closed:
            raise OutsideError("the daemon is about to end")
        if self._child is not None and not self._child.runs():
            self._discard()
        if self._child is None:
            self._child = Child(self._command, child_environment(os.environ, self._access))
        return self._child

    def _discard(self, seconds: float = 0.0) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close(seconds)

    def _end_when_idle(self) -> None:
        self._stop_timer()
        if self._child is not None and self._idle < inf:
            self._timer = threading.Timer(self._idle, self._end_idle)
            self._timer.daemon = True
            self._timer.start()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_idle(self) -> None:
        # Whoever has the lock is asking, and sets the timer anew.
        if self._lock.acquire(blocking=False):
            try:
                if self._timer is threading.current_thread():
                    self._discard(_END_SECONDS)
            finally:
                self._lock.release()
