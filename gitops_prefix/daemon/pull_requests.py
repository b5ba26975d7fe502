"""Pull requests that show what our branches hold, after each pass that changed one."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

from prometheus_client import Counter

from gitops_prefix.daemon.backoff import Backoff
from gitops_prefix.daemon.publication import Outcome
from gitops_prefix.publish.failure import Reason, read_failure
from gitops_prefix.publish.forge.sync import Proposal, Report, RequestStep, Synced
from gitops_prefix.publish.http import Refused, Unreachable
from gitops_prefix.publish.stages import Stage, Stages

log = logging.getLogger(__name__)

_WORDS = {
    RequestStep.OPEN: "opened",
    RequestStep.UPDATE: "updated",
    RequestStep.KEEP: "is there",
    RequestStep.CLOSE: "closed, for nothing is left to propose",
    RequestStep.RESPECT: "was closed by a person, and is not opened again for the same",
    RequestStep.NOTHING: "none, for nothing is left to propose",
}


@dataclass(slots=True)
class _Branch:
    """What a branch's request came to last."""

    proposal: Proposal
    report: Report | None = None
    due_at: float = -inf
    backoff: Backoff = field(default_factory=Backoff)


class PullRequests:
    """Keeps a forge to what our branches hold. A `FollowUp`."""

    def __init__(
        self,
        sync: Callable[[Proposal], Report],
        *,
        stages: Stages,
        failures: Counter,
        interval: float,
    ) -> None:
        """Nothing is asked before the first pass.

        Args:
            sync: brings the forge to one proposal.
            stages: told how long it takes.
            failures: counts what failed, by stage and reason.
            interval: how long a forge that refuses is left alone, in seconds.
        """
        self._sync = sync
        self._stages = stages
        self._failures = failures
        self._interval = interval
        self._branches: dict[str, _Branch] = {}

    @property
    def due_at(self) -> float:
        """When the first that failed is tried again."""
        return min((one.due_at for one in self._branches.values()), default=inf)

    def run(self, outcome: Outcome, now: float) -> None:
        """Show each proposal that the forge was not yet brought to."""
        if outcome.statuses is not None:
            # Of a pass that read nothing, nothing is known: what was pushed before stays.
            self._take(outcome.proposals)
        # Who failed less comes first: one that always fails keeps no other from its turn.
        for one in sorted(self._branches.values(), key=lambda one: one.backoff.failures):
            if one.due_at > now:
                continue
            self._show(one, now)
            if isinstance(one.report, Unreachable):
                # A forge that is away is away for the others, too.
                self._postpone(one.due_at)
                return

    def _take(self, proposals: Sequence[Proposal]) -> None:
        known = self._branches
        self._branches = {
            one.branch: known[one.branch]
            if one.branch in known and known[one.branch].proposal == one
            else _Branch(one)
            for one in proposals
        }

    def _show(self, one: _Branch, now: float) -> None:
        with self._stages.enter(Stage.REQUEST):
            report = self._sync(one.proposal)
        before, one.report = one.report, report
        if isinstance(report, Synced):
            one.due_at = inf
            if report.step is not RequestStep.NOTHING:
                log.info("%s", _line(one))
            return
        refused = isinstance(report, Refused)
        waits = 0.0 if isinstance(report, Refused) else report.retry_after
        one.due_at = now + max(one.backoff.fail(), waits, self._interval if refused else 0.0)
        general = Reason.REFUSED if refused else Reason.UNREACHABLE
        reason = read_failure(Stage.REQUEST, report.words, otherwise=general).reason
        self._failures.labels(Stage.REQUEST.value, reason.value).inc()
        if before is None or isinstance(before, Synced) or before.words != report.words:
            log.warning("%s; what was pushed stays, and it is tried again", _line(one))

    def _postpone(self, until: float) -> None:
        for one in self._branches.values():
            one.due_at = max(one.due_at, until)

    def lines(self) -> tuple[str, ...]:
        """One for each branch."""
        return tuple(_line(one) for _, one in sorted(self._branches.items()))

    def failing(self) -> bool:
        """Whether a forge does not show what was pushed."""
        return any(one.due_at != inf for one in self._branches.values())


def _line(one: _Branch) -> str:
    where = f"the request for {one.proposal.branch}"
    if one.report is None:
        return f"{where}: not asked yet"
    if not isinstance(one.report, Synced):
        return f"{where}: {one.report.words}"
    words = "merged" if one.report.merged else _WORDS[one.report.step]
    url = one.report.request.url if one.report.request else ""
    return f"{where}: {words} {url}".rstrip()
