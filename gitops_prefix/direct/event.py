"""What is told in Events of the objects (events.k8s.io/v1), for `kubectl events --for`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from gitops_prefix.direct.report import Report, Standing
from gitops_prefix.render.rendering import Change

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
class Event:
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


def events_of_publication(changes: Iterable[Change], note: str) -> tuple[Event, ...]:
    """One for each object that a commit moved, as far as the cluster can know it."""
    objects = dict.fromkeys(_regarding(changes))
    return tuple(Event(one, "PrefixChanged", "Publish", note) for one in [*objects][:MOST_EVENTS])


def event_of_report(report: Report, *, given_up: bool = False) -> Event | None:
    """What direct apply did to an object, if it did anything.

    Args:
        report: what came of it.
        given_up: whether it was put back once too often.
    """
    regarding = next(_regarding([report]), None)
    if regarding is None:
        return None
    if given_up:
        return Event(regarding, "Reverted", "Apply", report.message, warning=True)
    fields = ", ".join(one.field for one in report.changes)
    if report.standing is Standing.APPLIED:
        note = f"{fields} applied directly, while Git is away"
        return Event(regarding, "AppliedDirectly", "Apply", note)
    if report.standing is Standing.RELEASED:
        return Event(regarding, "Released", "Release", "Git says the same: given back")
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


def documents(events: Sequence[Event], now: datetime, instance: str) -> list[dict[str, Any]]:
    """As JSON, for the process that talks to the cluster."""
    return [one.document(now, instance) for one in events]
