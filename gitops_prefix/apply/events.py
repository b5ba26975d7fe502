"""What the cluster is asked and shown after a publication: reconcile requests and Events.

Events (events.k8s.io/v1) are for people who look at an object and not at Git
(`kubectl events --for`). A thread makes them, so that no publication waits for the API
server; an Event that cannot be made is reported once in the log, and lost.
"""

import logging
import platform
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from gitops_prefix.apply.child import ClusterAccess, ClusterProcess
from gitops_prefix.apply.fields import ObjectReport, ObjectResult
from gitops_prefix.apply.ownership import Reconciled
from gitops_prefix.apply.protocol import Acknowledged, Annotate, ChildQuestion, MakeEvents
from gitops_prefix.errors import GitopsPrefixError
from gitops_prefix.plan.occasion import StatusChange
from gitops_prefix.publish.http import Failure, Refused, Unreachable
from gitops_prefix.render.binding import Change

log = logging.getLogger(__name__)

Ask = Callable[[ChildQuestion[Acknowledged]], Acknowledged]
"""Asks the process that talks to the cluster.

Raises:
    InputError, OutsideError: there is no answer.
"""

_CLUSTER_WIDE = frozenset(
    {"CiliumLoadBalancerIPPool", "CiliumCIDRGroup", "CiliumBGPAdvertisement", "IPPool"}
)
_CONTROLLER = "gitops-prefix"
_MOST_BYTES = 1024
"""Of a note; events.k8s.io."""
MOST_EVENTS = 50
"""Of one publication: an Event is for those who look at an object, not a record of thousands."""
_MOST_WAITING = 1000
_A_QUESTION = 10
_SECONDS = 30.0
"""For one question."""
_END_SECONDS = 3.0
"""For what waits, when the daemon ends."""
_TURN = 0.2
"""How often whoever finishes looks whether it must hurry."""

# client-go's EventCorrelator: an object has 25 Events at once, and then one in five minutes;
# what is the same as before within ten minutes is not repeated.
_BURST, _REFILL_SECONDS, _SAME_SECONDS = 25.0, 300.0, 600.0


@dataclass(frozen=True, slots=True)
class Regarding:
    """The object that something happened to.

    Attributes:
        namespace: empty for an object of the whole cluster.
    """

    api_version: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """Something that happened to an object.

    Attributes:
        reason: in camel case, for machines.
        action: what we did.
        note: for people.
        warning: whether somebody should look.
    """

    regarding: Regarding
    reason: str
    action: str
    note: str
    warning: bool = False

    def document(self, now: datetime, instance: str) -> dict[str, Any]:
        """The API object; it lives in `default` when its object has no namespace, as kubectl looks.

        Args:
            now: by the calendar.
            instance: which daemon this is.
        """
        regarding = self.regarding
        namespace = regarding.namespace or "default"
        named = {
            "apiVersion": regarding.api_version,
            "kind": regarding.kind,
            "name": regarding.name,
        }
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"generateName": f"{regarding.name[:200]}-", "namespace": namespace},
            "eventTime": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "reportingController": _CONTROLLER,
            "reportingInstance": instance[:128],
            "type": "Warning" if self.warning else "Normal",
            "reason": self.reason,
            "action": self.action,
            # The server counts bytes.
            "note": self.note.encode()[:_MOST_BYTES].decode(errors="ignore"),
            "regarding": named | ({"namespace": namespace} if regarding.namespace else {}),
        }


def events_of_publication(changes: Iterable[Change], note: str) -> tuple[ObjectEvent, ...]:
    """One Event for each object that a commit moved, as far as the cluster can have the object."""
    objects = [*dict.fromkeys(_regarding(changes))]
    return tuple(
        ObjectEvent(regarding, "PrefixChanged", "Publish", note)
        for regarding in objects[:MOST_EVENTS]
    )


def event_of_report(report: ObjectReport, *, given_up: bool = False) -> ObjectEvent | None:
    """What direct apply did to an object, if it did anything.

    Args:
        report: what came of the object.
        given_up: whether the object was put back once too often.
    """
    regarding = next(_regarding([report]), None)
    if regarding is None:
        return None
    if given_up:
        return ObjectEvent(regarding, "Reverted", "Apply", report.message, warning=True)
    fields = ", ".join(change.field for change in report.changes)
    match report.result:
        case ObjectResult.APPLIED:
            return ObjectEvent(regarding, "AppliedDirectly", "Apply", f"{fields} applied directly")
        case ObjectResult.RELEASED:
            return ObjectEvent(regarding, "Released", "Release", "Git says the same: released")
        case ObjectResult.LEFT:
            return ObjectEvent(regarding, "Left", "Release", report.message, warning=True)
        case _:
            return None


class _Named(Protocol):
    """What a change and a report have in common."""

    @property
    def api_version(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...


def _regarding(objects: Iterable[_Named]) -> Iterator[Regarding]:
    for named in objects:
        # Where kustomize adds a namespace later, nobody knows it here.
        placed = bool(named.namespace) or named.kind in _CLUSTER_WIDE
        if named.api_version and named.name and placed:
            yield Regarding(named.api_version, named.kind, named.namespace, named.name)


@dataclass(frozen=True, slots=True)
class EventLimits:
    """Which Events are made: none twice, and not too many of one object.

    Attributes:
        made: when each was made last.
        tokens: how many Events an object may have at once, and since when.
    """

    made: Mapping[ObjectEvent, float] = field(default_factory=dict)
    tokens: Mapping[Regarding, tuple[float, float]] = field(default_factory=dict)

    def admit(self, event: ObjectEvent, now: float) -> tuple["EventLimits", bool]:
        """Whether an Event is made now; and the limits then."""
        made = {known: at for known, at in self.made.items() if now - at < _SAME_SECONDS}
        left, since = self.tokens.get(event.regarding, (_BURST, now))
        left = min(_BURST, left + (now - since) / _REFILL_SECONDS)
        if event in made or left < 1:
            return replace(self, made=made), False
        tokens = {
            regarding: (count, at)
            for regarding, (count, at) in self.tokens.items()
            if count + (now - at) / _REFILL_SECONDS < _BURST
        }
        tokens[event.regarding] = (left - 1, now)
        return EventLimits({**made, event: now}, tokens), True


class ObjectEvents:
    """Makes Events in a thread of its own; whoever has something to say adds it, and goes on."""

    def __init__(
        self,
        ask: Ask,
        calendar: Callable[[], datetime],
        clock: Callable[[], float],
        instance: str,
    ) -> None:
        """Nothing is made yet.

        Args:
            ask: the process that talks to the cluster.
            calendar: what time it is.
            clock: the monotonic one.
            instance: which daemon this is.
        """
        self._ask, self._calendar, self._clock, self._instance = ask, calendar, clock, instance
        # A commit that lost its race is made again, and says the same once more.
        self._changes: dict[Change, None] = {}
        self._moves: dict[str, None] = {}
        self._limits = EventLimits()
        self._condition = threading.Condition()
        self._waiting: list[Mapping[str, Any]] = []
        self._busy = False
        self._stopping = False
        self._words = ""
        self._thread: threading.Thread | None = None

    def remember(self, changes: Iterable[Change], transitions: Iterable[StatusChange]) -> None:
        """Keep what a pass changed, until `publish` or `forget`."""
        # The values do not matter here, and lists cannot be keys.
        bare = (change._replace(before=None, after=None) for change in changes)
        self._changes |= dict.fromkeys(bare)
        self._moves |= dict.fromkeys(_moves(transitions))

    def publish(self, commit: str) -> None:
        """Make an Event on each object that was remembered: the branch holds `commit`."""
        note = ", ".join([*self._moves, f"published as {commit[:12]}"])
        self.add(events_of_publication(self._changes, note))
        self.forget()

    def forget(self) -> None:
        """Drop what was remembered: nothing of it waits any more."""
        self._changes, self._moves = {}, {}

    def add(self, events: Sequence[ObjectEvent]) -> None:
        """Have Events made. It does not wait; any thread may call it."""
        with self._condition:
            for event in events:
                self._limits, admitted = self._limits.admit(event, self._clock())
                if admitted and len(self._waiting) < _MOST_WAITING:
                    self._waiting.append(event.document(self._calendar(), self._instance))
            if self._waiting and self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def drain(self, seconds: float) -> bool:
        """Wait until no Event waits; return whether that happened within `seconds`."""
        with self._condition:
            return self._condition.wait_for(lambda: not (self._waiting or self._busy), seconds)

    def stop(self) -> None:
        """Make no further Events."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._busy = False
                self._condition.notify_all()
                self._condition.wait_for(lambda: self._waiting or self._stopping)
                if self._stopping:
                    return
                events, self._waiting = self._waiting[:_A_QUESTION], self._waiting[_A_QUESTION:]
                self._busy = True
            self._make(events)

    def _make(self, events: Sequence[Mapping[str, Any]]) -> None:
        try:
            words = self._ask(MakeEvents(tuple(events))).refused
        except GitopsPrefixError as error:
            words = str(error)
        except Exception as error:  # noqa: BLE001  without this thread there is no Event any more
            words = f"unexpectedly: {type(error).__name__}: {error}"
        if words and words != self._words and not self._stopping:
            log.warning("Events are not made: %s", words)
        self._words = words


def _moves(transitions: Iterable[StatusChange]) -> list[str]:
    return [
        f"{moved.name}: {moved.previous.current if moved.previous else 'none'}"
        f" -> {moved.current.current}"
        for moved in transitions
        if moved.moved
    ]


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """A notifier (`publish.notify`) that annotates one object after each push.

    It asks inside the cluster. A webhook comes from outside, which may be what just broke.

    Attributes:
        ask: the process that talks to the cluster.
        calendar: what time it is.
    """

    reconciled: Reconciled
    ask: Ask
    calendar: Callable[[], datetime]

    @property
    def name(self) -> str:
        """For logs."""
        return str(self.reconciled)

    def notify(self, notice: object) -> Failure | None:
        """Ask for a look, whatever was pushed."""
        del notice
        key, value = self.reconciled.annotation(self.calendar())
        try:
            answer = self.ask(Annotate(self.reconciled, {key: value}))
        except GitopsPrefixError as error:
            return Unreachable(str(error))
        if answer.remark:
            log.warning("%s: %s", self.reconciled, answer.remark)
        if answer.refused:
            return Refused(answer.refused)
        return Unreachable(answer.unreachable) if answer.unreachable else None


@dataclass(frozen=True, slots=True)
class ClusterNotices:
    """What the cluster is asked and shown, as configured.

    Attributes:
        request_reconcile: whose reconcilers are asked to look after a push, in this order.
        events: whether Events say on the objects what happened to them.
    """

    request_reconcile: tuple[Reconciled, ...] = ()
    events: bool = False


class NotifiedCluster:
    """The notifiers and the Events of one cluster, by child processes that run when needed."""

    def __init__(
        self,
        notices: ClusterNotices,
        access: ClusterAccess,
        calendar: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        """Start nothing yet.

        Args:
            notices: what is configured.
            access: which cluster.
            calendar: what time it is.
            clock: the monotonic one.
        """
        self._process = ClusterProcess(access, seconds=_SECONDS)
        ask = self._process.ask
        self.notifiers = tuple(
            ReconcileRequest(reconciled, ask, calendar) for reconciled in notices.request_reconcile
        )
        self.events = (
            ObjectEvents(ask, calendar, clock, platform.node()) if notices.events else None
        )

    def report(self, report: ObjectReport, *, given_up: bool = False) -> None:
        """Make an Event of what direct apply did to an object."""
        event = event_of_report(report, given_up=given_up) if self.events else None
        if self.events and event:
            self.events.add([event])

    def finish(self, hurry: Callable[[], bool]) -> None:
        """Wait for the Events that wait, but no longer than one question may take.

        Args:
            hurry: whether to wait no longer.
        """
        if self.events:
            for _ in range(int(_SECONDS / _TURN)):
                if hurry() or self.events.drain(_TURN):
                    return

    def close(self) -> None:
        """End the child. What waits has a few seconds."""
        if self.events:
            self.events.drain(_END_SECONDS)
            self.events.stop()
        self._process.close()
