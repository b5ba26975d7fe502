"""What the cluster is told of a publication: to look now, and what moved which object."""

import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gitops_prefix.daemon.follow_up import FollowUp
from gitops_prefix.daemon.object_events import ObjectEvents
from gitops_prefix.direct.event import event_of_report
from gitops_prefix.direct.reconcile_request import Reconciled
from gitops_prefix.direct.report import Report
from gitops_prefix.publish.apply import ClusterProcess
from gitops_prefix.publish.cluster_access import ClusterAccess
from gitops_prefix.publish.reconcile_request import ReconcileRequest

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

    @property
    def follow_ups(self) -> tuple[FollowUp, ...]:
        """What is to be done after each pass, beside what the notifiers do."""
        return (self.events,) if self.events else ()

    def tell_report(self, report: Report, *, given_up: bool = False) -> None:
        """What direct apply did to an object; in its thread."""
        event = event_of_report(report, given_up=given_up) if self.events else None
        if self.events and event:
            self.events.tell([event])

    def close(self) -> None:
        """End the child, if there is one."""
        self._process.close()
