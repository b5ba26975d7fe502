"""The child process that talks to the API server, as its parent sees it.

The child imports the Kubernetes client (44 MiB), so the daemon starts it on demand, asks one
question at a time by a line of JSON, and ends it when nobody asked for a while. Nothing is
lost when it dies.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from gitops_prefix.apply.fields import ApplyConfiguration, ObjectReport, read_report
from gitops_prefix.errors import OutsideError
from gitops_prefix.publish.scrub import scrub

_INHERITED = (
    "PATH",
    "HOME",
    "TMPDIR",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "SSL_CERT_FILE",
)
"""What a child gets of our environment: no token of git's, no option of ours."""
_PROXY = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
"""For the API server of a kubeconfig. A pod's own is behind none."""


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """A kubeconfig and its context.

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


_LAST_WORDS = 2000


class Child:
    """One process, from its start to its end."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it, in a process group of its own.

        Raises:
            OutsideError: it cannot be started.
        """
        # What it says beside its answers is kept, and read only when it dies.
        self._said = os.memfd_create("said")
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._said)
            raise OutsideError(f"{command[0]} cannot be started: {error}") from error
        self._requests, self._answers = _pipe(self._process.stdin), _pipe(self._process.stdout)

    def runs(self) -> bool:
        """Whether it is there to be asked."""
        return self._process.poll() is None

    def ask(self, line: bytes, seconds: float) -> bytes:
        """One line in, one line out.

        Raises:
            OutsideError: it ended before it answered; after `seconds` it is made to.
        """
        watchdog = threading.Timer(seconds, self.kill)
        watchdog.daemon = True
        watchdog.start()
        answer = b""
        with suppress(OSError):
            self._requests.write(line)
            self._requests.flush()
            answer = self._answers.readline()
        watchdog.cancel()
        if not answer.endswith(b"\n"):
            self.kill()
            raise OutsideError(f"it ended before it answered: {self._last_words()}")
        return answer

    def kill(self) -> None:
        """End it and what it started: a kubeconfig may name a program for its tokens."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End it, and give everything back."""
        self.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with suppress(OSError):
                pipe.close()
        os.close(self._said)

    def _last_words(self) -> str:
        code = self._process.wait()
        start = max(0, os.fstat(self._said).st_size - _LAST_WORDS)
        said = os.pread(self._said, _LAST_WORDS, start).decode(errors="replace")
        lines = scrub(said).strip().splitlines()
        return lines[-1] if lines else f"exit code {code}"


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("pipes were asked for")
    return pipe


_SECONDS = 120.0
"""For one request: it may be about hundreds of objects."""
_IDLE_SECONDS = 60.0


class ClusterProcess:
    """The child, started on demand. Any thread may ask; they are answered in turn."""

    def __init__(
        self,
        access: ClusterAccess = ClusterAccess(),
        *,
        command: Sequence[str] = (sys.executable, "-P", "-m", "gitops_prefix.apply.kube_child"),
        seconds: float = _SECONDS,
        idle: float = _IDLE_SECONDS,
    ) -> None:
        """Start nothing yet.

        Args:
            access: which cluster.
            command: starts the child.
            seconds: how long one answer may take.
            idle: how long it stays when nobody asks.
        """
        self._command, self._access = [*command, *access.words], access
        self._seconds, self._idle = seconds, idle
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._timer: threading.Timer | None = None
        self._closed = False

    def prepare(self) -> None:
        """Have it ready: importing the client takes about a second."""
        with self._lock:
            with suppress(OutsideError):
                self._running()
            self._end_when_idle()

    def apply(
        self, wanted: Iterable[ApplyConfiguration], *, force: bool = False, dry_run: bool = False
    ) -> tuple[ObjectReport, ...]:
        """Apply the managed fields of objects; cluster.apply says how.

        Raises:
            OutsideError: no cluster is named, it does not answer, or the child died.
        """
        return self._ask_about("apply", wanted, force=force, dryRun=dry_run)

    def release(
        self, wanted: Iterable[ApplyConfiguration], commit: str = ""
    ) -> tuple[ObjectReport, ...]:
        """Give back what we own of objects; every value stays.

        Args:
            wanted: the objects.
            commit: what Flux must have applied first, where it can be asked.

        Raises:
            OutsideError: as `apply` does.
        """
        return self._ask_about("release", wanted, commit=commit)

    def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for an operation of `cluster.operations`.

        Raises:
            OutsideError: it could not be done, or there was no answer in time.
        """
        request = json.dumps({"operation": operation, "arguments": arguments}).encode() + b"\n"
        with self._lock:
            try:
                line = self._running().ask(request, self._seconds)
            except OutsideError as error:
                self._discard()
                raise OutsideError(f"what talks to the cluster: {error}") from error
            finally:
                self._end_when_idle()
        return _read(line)

    def close(self) -> None:
        """End it, if it runs, for good; a request that is under way is not waited for."""
        self._closed = True
        child = self._child
        if child is not None:
            child.kill()
        with self._lock:
            self._stop_timer()
            self._discard()

    @property
    def runs(self) -> bool:
        """Whether there is a child now."""
        child = self._child
        return child is not None and child.runs()

    def _ask_about(
        self, operation: str, wanted: Iterable[ApplyConfiguration], **options: object
    ) -> tuple[ObjectReport, ...]:
        documents = [one.document() for one in wanted]
        answer = self.ask(operation, {"configurations": documents, **options})
        return tuple(map(read_report, answer["reports"]))

    def _running(self) -> Child:
        self._stop_timer()
        if self._closed:
            raise OutsideError("the daemon is about to end")
        if self._child is not None and not self._child.runs():
            self._discard()
        if self._child is None:
            self._child = Child(self._command, child_environment(os.environ, self._access))
        return self._child

    def _discard(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def _end_when_idle(self) -> None:
        self._stop_timer()
        if self._child is not None:
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
                    self._discard()
            finally:
                self._lock.release()


def _read(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
        if "error" in answer:
            raise OutsideError(answer["error"])
        answered: dict[str, Any] = answer["answer"]
    except (ValueError, KeyError, TypeError) as error:
        raise OutsideError(f"what talks to the cluster gave no answer: {line[:80]!r}") from error
    return answered
