"""The parent's side of direct apply: a child process that imports the Kubernetes client.

It is started when it is needed, asked one thing at a time by lines of JSON, and ended
when nobody asked for a while: the daemon at rest stays small. Its death loses nothing.
"""

import json
import os
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from gitops_prefix.direct.configuration import ApplyConfiguration
from gitops_prefix.direct.report import Report, read_report
from gitops_prefix.errors import OutsideError
from gitops_prefix.publish.child import Child
from gitops_prefix.publish.cluster_access import ClusterAccess, child_environment

_SECONDS = 120.0
"""For one request: it may be about hundreds of objects."""
_IDLE_SECONDS = 60.0


class ClusterProcess:
    """The child, started on demand. Any thread may ask; they are answered in turn."""

    def __init__(
        self,
        access: ClusterAccess = ClusterAccess(),  # noqa: B008  frozen
        *,
        command: Sequence[str] = (sys.executable, "-P", "-m", "gitops_prefix.cluster"),
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
    ) -> tuple[Report, ...]:
        """Apply the managed fields of objects; cluster.apply says how.

        Raises:
            OutsideError: no cluster is named, it does not answer, or the child died.
        """
        return self._ask_about("apply", wanted, force=force, dryRun=dry_run)

    def release(self, wanted: Iterable[ApplyConfiguration], commit: str = "") -> tuple[Report, ...]:
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
    ) -> tuple[Report, ...]:
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
