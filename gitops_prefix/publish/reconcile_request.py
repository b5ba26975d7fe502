"""A notifier (`publish.notify`) that asks in the cluster: first choice (DESIGN 6).

What came in from outside, a webhook, may be what just broke.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gitops_prefix.direct.reconcile_request import Reconciled
from gitops_prefix.errors import GitopsPrefixError
from gitops_prefix.publish.http import Failure, Refused, Unreachable

Ask = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Asks the process that talks to the cluster: an operation, and its arguments.

Raises:
    OutsideError: no answer.
"""


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
