"""Where commits go, and what follows a push: put together from what the options say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from prometheus_client import Counter

from gitops_prefix.daemon.follow_up import FollowUp
from gitops_prefix.daemon.notices import Notices
from gitops_prefix.daemon.publication import Outcome
from gitops_prefix.daemon.pull_requests import PullRequests
from gitops_prefix.publish.forge.sync import Proposal, Report
from gitops_prefix.publish.notify import Notice, Notifier
from gitops_prefix.publish.repository import Repository


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where commits go, and who is told.

    Attributes:
        push_branch: the branches of ours that they go to; empty is the branch itself.
        sync: brings a forge to what is on one; None leaves requests to people.
        notifiers: told of each push to the branch itself.
    """

    push_branch: str = ""
    sync: Callable[[Proposal], Report] | None = None
    notifiers: Sequence[Notifier] = ()


class _WhileLeading:
    """A follow-up of the daemon that leads; the others leave it alone."""

    def __init__(self, follow_up: FollowUp, leads: Callable[[], bool]) -> None:
        self._follow_up = follow_up
        self._leads = leads
        self.lines = follow_up.lines
        self.failing = follow_up.failing

    @property
    def due_at(self) -> float:
        return self._follow_up.due_at if self._leads() else inf

    def run(self, outcome: Outcome, now: float) -> None:
        if self._leads():
            self._follow_up.run(outcome, now)


def follow_ups(
    delivery: Delivery,
    repository: Repository,
    failures: Counter,
    interval: float,
    leads: Callable[[], bool],
) -> tuple[FollowUp, ...]:
    """What is to be done after each pass, by the daemon that leads.

    Args:
        delivery: what the options say.
        repository: what is published.
        failures: counts what failed, by stage and reason.
        interval: how long a forge that refuses is left alone, in seconds.
        leads: whether this daemon publishes.
    """
    found: list[FollowUp] = []
    if delivery.sync is not None:
        found.append(
            PullRequests(
                delivery.sync, stages=repository.stages, failures=failures, interval=interval
            )
        )
    if delivery.notifiers:

        def notice(outcome: Outcome) -> Notice | None:
            before, after = outcome.before, outcome.commit
            paths = repository.changed_paths(before, after)
            return Notice(repository.url, repository.branch, before, after, paths)

        found.append(
            Notices(delivery.notifiers, notice, stages=repository.stages, failures=failures)
        )
    return tuple(_WhileLeading(one, leads) for one in found)
