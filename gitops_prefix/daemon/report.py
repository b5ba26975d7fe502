"""What the daemon knows at a moment: one value that the page and `/status` both show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isinf

from gitops_prefix.daemon.clocks import Clocks
from gitops_prefix.daemon.progress import Progress
from gitops_prefix.daemon.publication import Outcome, Result
from gitops_prefix.decide.selection import Decision
from gitops_prefix.decide.status import format_time
from gitops_prefix.publish.scrub import scrub


@dataclass(frozen=True, slots=True)
class Report:
    """A snapshot.

    Attributes:
        repository: its URL, without what stands before an @.
        pending_since: since when a change waits to be published.
        pending_seconds: how long that is.
        last_success: when the branch was last found or made right.
        next_try_in: seconds; None when nothing is to be tried again.
        decisions: what the link says, by name.
        delivered: what became of pull requests and notices, as lines.
    """

    repository: str
    branch: str
    progress: Progress = field(default_factory=Progress)
    pending_since: datetime | None = None
    pending_seconds: float | None = None
    last_success: datetime | None = None
    next_try_in: float | None = None
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    delivered: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome | None:
        """What the last pass came to; None before the first has ended."""
        return self.progress.outcome

    @property
    def commit(self) -> str:
        """Ours that waits, or the one that the branch is at; empty before it was seen."""
        return (self.outcome.commit or self.outcome.base) if self.outcome else ""

    def document(self) -> dict[str, object]:
        """The answer of `/status`, which docs/monitoring.md promises."""
        return {
            "prefixes": [
                one.document() | _live(self.decisions.get(one.name))
                for one in self.progress.described
            ],
            "publication": self._publication(),
        }

    def _publication(self) -> dict[str, object]:
        outcome = self.outcome or Outcome(Result.UNCHANGED)
        failure = outcome.failure
        return {
            "result": outcome.result.value if self.outcome else None,
            "words": outcome.words,
            "stage": failure.stage.value if failure else None,
            "reason": failure.reason.value if failure else None,
            "repository": self.repository,
            "branch": self.branch,
            "commit": self.commit or None,
            "pending_since": format_time(self.pending_since),
            "pending_seconds": self.pending_seconds,
            "last_success": format_time(self.last_success),
            "failures": self.progress.failures,
            "next_try_in_seconds": self.next_try_in,
            "delivered": list(self.delivered),
            "problems": [problem.document() for problem in outcome.problems],
        }


def report(  # noqa: PLR0913  all that there is to know
    repository: str,
    branch: str,
    progress: Progress,
    decisions: Mapping[str, Decision],
    clocks: Clocks,
    *,
    delivered: tuple[str, ...] = (),
) -> Report:
    """What is known now."""
    since, succeeded = progress.pending_since, progress.succeeded
    wait = progress.next_try_at - clocks.monotonic()
    return Report(
        scrub(repository),
        branch,
        progress,
        pending_since=clocks.date(since) if since else None,
        pending_seconds=round(clocks.age(since), 1) if since else None,
        last_success=clocks.date(succeeded) if succeeded else None,
        next_try_in=None if isinf(wait) else round(max(0.0, wait), 1),
        decisions=decisions,
        delivered=delivered,
    )


def _live(decision: Decision | None) -> dict[str, object]:
    """What the link says now, which Git does not."""
    return {
        "standing": str(decision.standing) if decision else None,
        "announced": [
            {
                "prefix": str(one.prefix),
                "router": one.router.address,
                "interface": one.router.interface,
                "verdict": str(one.verdict),
            }
            for one in (decision.candidates if decision else ())
        ],
    }
