"""Telling those who reconcile that the branch has our commit: a few tries, for they poll, too."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

from prometheus_client import Counter

from gitops_prefix.daemon.backoff import Backoff
from gitops_prefix.daemon.publication import Outcome, Result
from gitops_prefix.publish.failure import Reason, read_failure
from gitops_prefix.publish.http import Refused
from gitops_prefix.publish.notify import Notice, Notifier
from gitops_prefix.publish.stages import Stage, Stages

log = logging.getLogger(__name__)

_MOST_TRIES = 5
"""Then they find it themselves: they poll."""


@dataclass(slots=True)
class _Told:
    """What one of them was told."""

    notifier: Notifier
    notice: Notice | None = None
    tries: int = 0
    due_at: float = inf
    words: str = ""
    backoff: Backoff = field(default_factory=Backoff)


class Notices:
    """Tells each notifier of each push. A `FollowUp`."""

    def __init__(
        self,
        notifiers: Sequence[Notifier],
        notice: Callable[[Outcome], Notice | None],
        *,
        stages: Stages,
        failures: Counter,
    ) -> None:
        """Nobody is told anything before the first push.

        Args:
            notifiers: whom to tell, in this order.
            notice: what is to be told of a pass that published something.
            stages: told how long it takes.
            failures: counts what failed, by stage and reason.
        """
        self._told = [_Told(one) for one in notifiers]
        self._notice = notice
        self._stages = stages
        self._failures = failures

    @property
    def due_at(self) -> float:
        """When the first that failed is tried again."""
        return min((one.due_at for one in self._told), default=inf)

    def run(self, outcome: Outcome, now: float) -> None:
        """Tell of a push, and tell again those who could not be told before."""
        if self._told and outcome.result is Result.PUBLISHED:
            notice = self._notice(outcome)
            for one in self._told if notice else ():
                # What they were not told yet is in this one.
                one.notice, one.tries, one.due_at = notice, 0, now
                one.backoff.succeed()
        for one in self._told:
            if one.notice is not None and one.due_at <= now:
                self._tell(one, one.notice, now)

    def _tell(self, one: _Told, notice: Notice, now: float) -> None:
        with self._stages.enter(Stage.NOTIFY):
            failure = one.notifier.notify(notice)
        one.tries += 1
        if failure is None:
            one.notice, one.due_at = None, inf
            one.words = f"told of {notice.after[:12]}"
            log.info("asked %s to reconcile %s", one.notifier.name, notice.after[:12])
            return
        refused = isinstance(failure, Refused)
        general = Reason.REFUSED if refused else Reason.UNREACHABLE
        reason = read_failure(Stage.NOTIFY, failure.words, otherwise=general).reason
        self._failures.labels(Stage.NOTIFY.value, reason.value).inc()
        one.words = failure.words
        if one.tries == 1:
            log.warning(
                "%s was not told: %s; what was pushed stays", one.notifier.name, failure.words
            )
        waits = 0.0 if isinstance(failure, Refused) else failure.retry_after
        one.due_at = now + max(one.backoff.fail(), waits)
        if one.tries >= _MOST_TRIES or refused:
            # The next push tells it again; until then their own poll does.
            one.notice, one.due_at = None, inf

    def lines(self) -> tuple[str, ...]:
        """One for each that was told something, or should have been."""
        return tuple(f"{one.notifier.name}: {one.words}" for one in self._told if one.words)

    def failing(self) -> bool:
        """Never: they find it themselves."""
        return False
