"""What the cluster is asked and shown after a publication: reconcile requests and Events.

Events (events.k8s.io/v1) are for who looks at an object and not at Git
(`kubectl events --for`). An Event that cannot be made is reported once in the log, and lost.
"""

import logging
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from gitops_prefix.apply.child import ClusterAccess, ClusterProcess
from gitops_prefix.apply.fields import ObjectReport, ObjectResult
from gitops_prefix.apply.ownership import Reconciled
from gitops_prefix.errors import GitopsPrefixError
from gitops_prefix.plan.occasion import StatusChange
from gitops_prefix.publish.http import Failure, Refused, Unreachable
from gitops_prefix.render.binding import Change

Ask = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Asks the process that talks to the cluster: an operation, and its arguments.

Raises:
    OutsideError: no answer.
"""

_CLUSTER_WIDE = frozenset(
    {"CiliumLoadBalancerIPPool", "CiliumCIDRGroup", "CiliumBGPAdvertisement", "IPPool"}
)
_CONTROLLER = "gitops-prefix"
_MOST_WORDS = 1024
"""Of a note; events.k8s.io."""
MOST_EVENTS = 50
"""Of one publication: an Event is for those who look at an object, and no record of a thousand."""


@dataclass(frozen=True, slots=True)
class Regarding:
    """The object that something happened to.

    Attributes:
        namespace: empty for one of the whole cluster.
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
        """The API object. One of the whole cluster is told in `default`, as by everybody.

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
            "note": self.note[:_MOST_WORDS],
            "regarding": named | ({"namespace": namespace} if regarding.namespace else {}),
        }


def events_of_publication(changes: Iterable[Change], note: str) -> tuple[ObjectEvent, ...]:
    """One for each object that a commit moved, as far as the cluster can know it."""
    objects = dict.fromkeys(_regarding(changes))
    return tuple(
        ObjectEvent(one, "PrefixChanged", "Publish", note) for one in [*objects][:MOST_EVENTS]
    )


def event_of_report(report: ObjectReport, *, given_up: bool = False) -> ObjectEvent | None:
    """What direct apply did to an object, if it did anything.

    Args:
        report: what came of it.
        given_up: whether it was put back once too often.
    """
    regarding = next(_regarding([report]), None)
    if regarding is None:
        return None
    if given_up:
        return ObjectEvent(regarding, "Reverted", "Apply", report.message, warning=True)
    fields = ", ".join(one.field for one in report.changes)
    if report.standing is ObjectResult.APPLIED:
        note = f"{fields} applied directly, while Git is away"
        return ObjectEvent(regarding, "AppliedDirectly", "Apply", note)
    if report.standing is ObjectResult.RELEASED:
        return ObjectEvent(regarding, "Released", "Release", "Git says the same: given back")
    return None


class _Object(Protocol):
    """What a change and a report have in common."""

    @property
    def api_version(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...


def _regarding(objects: Iterable[_Object]) -> Iterator[Regarding]:
    for one in objects:
        # Where kustomize adds a namespace later, nobody knows it here.
        placed = bool(one.namespace) or one.kind in _CLUSTER_WIDE
        if one.api_version and one.name and placed:
            yield Regarding(one.api_version, one.kind, one.namespace, one.name)


def documents(events: Sequence[ObjectEvent], now: datetime, instance: str) -> list[dict[str, Any]]:
    """As JSON, for the process that talks to the cluster."""
    return [one.document(now, instance) for one in events]


log = logging.getLogger(__name__)


class ObjectEvents:
    """Tells of each publication once it is on the branch; `tell` takes what others have to say."""

    def __init__(self, ask: Ask, calendar: Callable[[], datetime], instance: str) -> None:
        """Nothing is told yet.

        Args:
            ask: the process that talks to the cluster.
            calendar: what time it is.
            instance: which daemon this is.
        """
        self._ask, self._calendar, self._instance = ask, calendar, instance
        # A commit that lost its race is made anew, and says the same once more.
        self._changes: dict[Change, None] = {}
        self._moves: dict[str, None] = {}
        self._words = ""

    def remember(self, changes: Iterable[Change], transitions: Iterable[StatusChange]) -> None:
        """Keep what a pass changed, until `publish` or `forget`."""
        # The values are no matter here, and lists cannot be keys.
        bare = (change._replace(before=None, after=None) for change in changes)
        self._changes |= dict.fromkeys(bare)
        self._moves |= dict.fromkeys(_moves(transitions))

    def publish(self, commit: str) -> None:
        """Make an Event on each object that was remembered: the branch holds `commit`."""
        note = ", ".join([*self._moves, f"published as {commit[:12]}"])
        self.tell(events_of_publication(self._changes, note))
        self.forget()

    def forget(self) -> None:
        """Drop what was remembered: nothing of it waits any more."""
        self._changes, self._moves = {}, {}

    def tell(self, events: Sequence[ObjectEvent]) -> None:
        """Make Events; takes a few seconds at most."""
        if not events:
            return
        told = documents(events, self._calendar(), self._instance)
        try:
            words = str(self._ask("events", {"events": told}).get("refused", ""))
        except GitopsPrefixError as error:
            words = str(error)
        if words and words != self._words:
            log.warning("Events are not told: %s", words)
        self._words = words


def _moves(transitions: Iterable[StatusChange]) -> list[str]:
    return [
        f"{one.name}: {one.previous.current if one.previous else 'none'} -> {one.current.current}"
        for one in transitions
        if one.moved
    ]


_SECONDS = 10.0
"""For one request: the loop waits for it."""


@dataclass(frozen=True, slots=True)
class Telling:
    """As configured.

    Attributes:
        request_reconcile: who is asked to look after a push, in this order.
        events: whether Events say on the objects what happened to them.
    """

    request_reconcile: tuple[Reconciled, ...] = ()
    events: bool = False


class ToldCluster:
    """The cluster that is told, by a child process that is there when it is needed."""

    def __init__(
        self, telling: Telling, cluster: ClusterAccess, calendar: Callable[[], datetime]
    ) -> None:
        """Start nothing yet.

        Args:
            telling: what is told.
            cluster: which.
            calendar: what time it is.
        """
        self._process = ClusterProcess(cluster, seconds=_SECONDS)
        self.notifiers = tuple(
            ReconcileRequest(one, self._process.ask, calendar) for one in telling.request_reconcile
        )
        instance = platform.node()
        self.events = (
            ObjectEvents(self._process.ask, calendar, instance) if telling.events else None
        )

    def tell_report(self, report: ObjectReport, *, given_up: bool = False) -> None:
        """What direct apply did to an object; in its thread."""
        event = event_of_report(report, given_up=given_up) if self.events else None
        if self.events and event:
            self.events.tell([event])

    def close(self) -> None:
        """End the child, if there is one."""
        self._process.close()


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """Annotates one object after each push.

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
        try:
            answer = self.ask("annotate", self.reconciled.request(self.calendar()))
        except GitopsPrefixError as error:
            return Unreachable(str(error))
        if "refused" in answer:
            return Refused(answer["refused"])
        return Unreachable(answer["unreachable"]) if "unreachable" in answer else None
