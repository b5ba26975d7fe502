"""Whether this daemon leads, as the process says that holds the Lease.

That process is a child, since it imports `kubernetes`; it ends with us. Each renewal says
until when it holds, by the clock that both share: a child that hangs or dies ends our lead
in time, with nobody's help.
"""

import json
import logging
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from gitops_prefix.apply.child import ClusterAccess, child_environment

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 3
"""How long the child may take to give the Lease up."""
_AGAIN_SECONDS = 5.0
_SILENCE_SECONDS = 60.0
"""It says something after each try, of which one takes a few seconds at most."""


@dataclass(frozen=True, slots=True)
class Candidacy:
    """Which Lease, and how.

    Attributes:
        namespace: empty for the one that we run in.
        lease: how long the others wait for a leader that says nothing, in seconds.
        renew: how long a leader leads after its last renewal.
        retry: between two tries.
    """

    name: str = "gitops-prefix"
    namespace: str = ""
    lease: float = 15.0
    renew: float = 10.0
    retry: float = 2.0

    def command(self, cluster: ClusterAccess) -> list[str]:
        """The child's command line."""
        options = {
            "name": self.name,
            "namespace": self.namespace,
            "lease": self.lease,
            "renew": self.renew,
            "retry": self.retry,
        }
        words = [f"--{key}={text}" for key, text in options.items()]
        return [
            sys.executable,
            "-P",
            "-m",
            "gitops_prefix.apply.kube_lease",
            *words,
            *cluster.words,
        ]


class Alone:
    """Without a Lease: each daemon publishes, and a race that it loses leaves nothing to do."""

    def start(self) -> None:
        """Nothing is asked for."""

    def leads(self) -> bool:
        """Always."""
        return True

    def stop(self) -> None:
        """Nothing is given up."""


class Leadership:
    """Keeps the child running, and knows until when we lead."""

    def __init__(  # noqa: PLR0913  all that it is joined to
        self,
        command: Sequence[str],
        clock: Callable[[], float],
        on_lead: Callable[[], None],
        *,
        access: ClusterAccess = ClusterAccess(),  # noqa: B008  frozen
        again: float = _AGAIN_SECONDS,
        silence: float = _SILENCE_SECONDS,
    ) -> None:
        """Hold nothing yet; `start` does.

        Args:
            command: starts the child.
            clock: the monotonic one, which the child reads too.
            on_lead: called in a thread when we begin to lead.
            access: which cluster: what of our environment the child gets.
            again: seconds between the end of one child and the start of the next.
            silence: seconds after which a child that says nothing hangs.
        """
        self._command, self._clock, self._on_lead = command, clock, on_lead
        self._access, self._again, self._silence = access, again, silence
        self._until = -inf
        self._holder: str | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leadership", daemon=True)

    def start(self) -> None:
        """Become a candidate."""
        self._thread.start()

    def leads(self) -> bool:
        """Whether we may publish now."""
        return self._clock() < self._until

    def stop(self) -> None:
        """Give the Lease up, so that another need not wait."""
        self._stopping.set()
        self._until = -inf
        child = self._child
        if child is not None:
            child.terminate()
        if self._thread.is_alive():
            self._thread.join(timeout=_PATIENCE_SECONDS)
        if child is not None and child.poll() is None:
            child.kill()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow_child()
            except OSError as error:
                log.warning("cannot ask for the Lease: %s", error)
            self._until = -inf
            self._stopping.wait(self._again)

    def _follow_child(self) -> None:
        """Start a child, and listen until it ends."""
        with subprocess.Popen(
            self._command,
            # Its end of file is how it learns that we are gone.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # What it has to say, it says in a line of its own.
            stderr=subprocess.DEVNULL,
            env=child_environment(os.environ, self._access),
        ) as child:
            self._child = child
            if self._stopping.is_set():
                child.terminate()
            self._listen(_lines(child, self._silence))
        if not self._stopping.is_set():
            log.warning("what holds the Lease ended with exit code %s; again", child.returncode)

    def _listen(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if not isinstance(said, dict):
                continue
            if "error" in said:
                log.warning("Lease: %s", said["error"])
            elif "until" in said:
                self._take(said["until"], said.get("holder", ""))

    def _take(self, until: float | None, holder: str) -> None:
        led = self.leads()
        if not self._stopping.is_set():
            self._until = -inf if until is None else until
        leads = self.leads()
        if (leads, holder) != (led, self._holder):
            log.info("we lead" if leads else "%s leads", *([] if leads else [holder or "nobody"]))
        self._holder = holder
        if leads and not led:
            self._on_lead()


def _lines(child: subprocess.Popen[bytes], silence: float) -> Iterator[bytes]:
    """What a child says, until it ends; one that hangs is made to."""
    rest, stream = b"", child.stdout
    while stream is not None:
        ready, _, _ = select.select([stream], [], [], silence)
        if not ready:
            log.warning("what holds the Lease has said nothing for %g s", silence)
            child.kill()
            return
        said = os.read(stream.fileno(), 65536)
        if not said:
            return
        *lines, rest = (rest + said).split(b"\n")
        yield from lines
