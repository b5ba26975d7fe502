"""What the daemon knows at a moment: one value that `/metrics`, `/status` and the page show.

The loop replaces the progress after each pass; other threads read it.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf, isinf
from types import MappingProxyType
from typing import NamedTuple

from gitops_prefix import version
from gitops_prefix.daemon.clocks import Clocks, Moment
from gitops_prefix.daemon.decisions import SILENCE, Overheard
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.outcome import RIGHT, Outcome, Pushed, shown_commit
from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.policy import source_of
from gitops_prefix.decide.routers import RouterState
from gitops_prefix.decide.selection import Decision
from gitops_prefix.decide.status import format_time
from gitops_prefix.errors import GitopsPrefixError
from gitops_prefix.publish.branch_log import MOST_CHANGES, LoggedChange, moves_of
from gitops_prefix.publish.forge.known import commit_page
from gitops_prefix.publish.message import subject
from gitops_prefix.publish.scrub import scrub
from gitops_prefix.publish.stages import Stage
from gitops_prefix.render.inventory import Described
from gitops_prefix.watch.watcher import LeaseNotice

log = logging.getLogger(__name__)

VERSION = version()
_LOST_AFTER_SECONDS = 600.0
"""Without a process or memory for git; then only a new process of ours may help."""


class Starts:
    """Whether git can be started on this machine."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Git can be started, as far as is known."""
        self._clock = clock
        self._since: float | None = None

    def note(self, outcome: Outcome) -> None:
        """Note a pass."""
        failed = outcome.failed
        if failed is None or not failed.could_not_start:
            self._since = None
        elif self._since is None:
            self._since = self._clock()

    @property
    def failing(self) -> bool:
        """Whether the last pass could not start git."""
        return self._since is not None

    def lost(self) -> bool:
        """Whether git could not be started for ten minutes."""
        since = self._since
        return since is not None and self._clock() - since >= _LOST_AFTER_SECONDS


class UnderWay(NamedTuple):
    """A pass that has not ended yet, and the stage it is at."""

    began: Moment
    stage: Stage


@dataclass(frozen=True, slots=True)
class Progress:
    """How publishing goes.

    Attributes:
        outcome: of the last pass.
        pending_since: when the oldest unpublished change was made; None if nothing waits.
        succeeded: when a pass last found or made the branch right.
        failures: passes in a row that failed.
        next_try_at: by the monotonic clock; inf if nothing is retried.
        described: every DynamicPrefix, as it was last read.
        under_way: the pass that runs now; None between passes.
    """

    outcome: Outcome | None = None
    pending_since: Moment | None = None
    succeeded: Moment | None = None
    failures: int = 0
    next_try_at: float = inf
    described: tuple[Described, ...] = ()
    under_way: UnderWay | None = None

    def list_of(self, name: str, part: str) -> tuple[str, ...]:
        """The networks of a range or a subnet, current and past; empty when there are none."""
        for described in self.described:
            if described.name == name:
                return described.lists.get(part, ())
        return ()

    def after(
        self, outcome: Outcome, now: Moment, *, waiting: Moment | None, next_try_at: float
    ) -> "Progress":
        """The progress after one more pass.

        Args:
            outcome: of that pass.
            now: when the pass ended.
            waiting: since when a change waits, after a failure; None if nothing waits. An
                earlier start is kept.
            next_try_at: by the monotonic clock.
        """
        described = (outcome.decided and outcome.decided.described) or self.described
        if outcome.result in RIGHT:
            return Progress(outcome, succeeded=now, described=described)
        since = (self.pending_since or waiting) if waiting else None
        failures = self.failures + 1
        return Progress(outcome, since, self.succeeded, failures, next_try_at, described)


def show_progress(metrics: Metrics, clocks: Clocks, latest: Callable[[], Progress]) -> None:
    """Let the metrics compute ages when they are read, also while nothing happens."""

    def date(moment: Moment | None) -> float:
        return clocks.date(moment).timestamp() if moment else 0.0

    def age() -> float:
        since = latest().pending_since
        return clocks.age(since) if since else 0.0

    def pass_age() -> float:
        under_way = latest().under_way
        return clocks.age(under_way.began) if under_way else 0.0

    metrics.pending_age.set_function(age)
    metrics.pass_age.set_function(pass_age)
    metrics.pending_since.set_function(lambda: date(latest().pending_since))
    metrics.last_success.set_function(lambda: date(latest().succeeded))


class Timeline:
    """The last changes of the branch: a follow-up, which reads its log when a pass finds it moved.

    A change of our own is known without reading. No request for the page reads anything.

    Attributes:
        changes: newest first.
        due_at: never by itself.
    """

    def __init__(
        self, read: Callable[[str], tuple[LoggedChange, ...]], calendar: Callable[[], datetime]
    ) -> None:
        """Read nothing yet.

        Args:
            read: returns the changes of a branch up to a commit.
            calendar: the time of day.
        """
        self._read, self._calendar = read, calendar
        self._tip, self._calm = "", False
        self.changes: tuple[LoggedChange, ...] = ()
        self.due_at = inf

    def run(self, outcome: Outcome, now: float) -> None:
        """Take over what a pass published or found."""
        del now
        right = outcome.result in RIGHT
        tip = shown_commit(outcome) if right else ""
        if tip and tip != self._tip:
            self._follow(outcome, tip)
        self._calm = right

    def _follow(self, outcome: Outcome, tip: str) -> None:
        if isinstance(outcome, Pushed) and self._calm and outcome.before == self._tip:
            occasion = outcome.decided.occasion
            moment = self._calendar().astimezone(UTC)
            change = LoggedChange(tip, moment, subject(occasion), moves_of(occasion))
            self.changes = (change, *self.changes)[:MOST_CHANGES]
        else:
            try:
                self.changes = self._read(tip)
            except (GitopsPrefixError, OSError) as error:
                # The page shows what was known; the next pass reads again.
                log.debug("the log of the branch was not read: %s", error)
                return
        self._tip = tip

    def lines(self) -> tuple[str, ...]:
        """Nothing: the page has a place of its own for them."""
        return ()

    def failing(self) -> bool:
        """Never: nobody waits for it."""
        return False


class Setting(NamedTuple):
    """One option of `run` as the page shows it; no value is a secret."""

    section: str
    name: str
    value: str


class Shown(NamedTuple):
    """What the page shows beside what happens.

    Attributes:
        settings: the options of `run`.
        remedies: what to do about a problem, by its code.
    """

    settings: tuple[Setting, ...] = ()
    remedies: Mapping[str, str] = MappingProxyType({})


NOTHING_SHOWN = Shown()


@dataclass(frozen=True, slots=True)
class Report:
    """A snapshot.

    Attributes:
        repository: its URL, without what stands before an @.
        pending_since: since when a change waits to be published.
        pending_seconds: how long that is.
        last_success: when the branch was last found or made right.
        next_try_in: seconds; None when nothing is to be tried again.
        pass_seconds: how long the pass under way has been running; None between passes.
        decisions: what the link says, by name.
        delivered: what became of pull requests and notices, as lines.
        refusal: why a push would be refused, as a rehearsal found; empty if it would not.
        lead: who leads; empty without a Lease.
        overheard: what the links say.
        changes: the last changes of the branch, newest first.
        shown: the options of `run`, and the remedies of problems.
        made_at: when the snapshot was made.
    """

    repository: str
    branch: str
    progress: Progress = field(default_factory=Progress)
    pending_since: datetime | None = None
    pending_seconds: float | None = None
    last_success: datetime | None = None
    next_try_in: float | None = None
    pass_seconds: float | None = None
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    delivered: tuple[str, ...] = ()
    refusal: str = ""
    lead: str = ""
    overheard: Overheard = SILENCE
    changes: tuple[LoggedChange, ...] = ()
    shown: Shown = NOTHING_SHOWN
    made_at: datetime | None = None

    @property
    def outcome(self) -> Outcome | None:
        """The outcome of the last pass; None before the first has ended."""
        return self.progress.outcome

    @property
    def pass_stage(self) -> str | None:
        """The stage of the pass under way; None between passes."""
        under_way = self.progress.under_way
        return under_way.stage.value if under_way else None

    @property
    def commit(self) -> str:
        """Ours that waits, or the one that the branch is at; empty before it was seen."""
        return shown_commit(self.outcome) if self.outcome else ""

    def document(self) -> dict[str, object]:
        """The answer of `/status`, which docs/monitoring.md promises."""
        held = self.held
        return {
            "prefixes": [
                described.document()
                | _live(self.decisions.get(described.name))
                | {"held_back": described.name in held}
                for described in self.progress.described
            ],
            "publication": self._publication(),
            "version": VERSION,
            "links": [
                {"name": link.name, "present": link.present, "up": link.up}
                for link in self.overheard.links
            ],
            "routers": [
                _router(router, state, self.overheard.at)
                for router, state in sorted(
                    self.overheard.routers.items(), key=lambda each: each[0]
                )
            ],
            "leases": [_lease(lease, self.overheard.at) for lease in self.overheard.leases],
            "changes": [
                {
                    "commit": change.commit,
                    "url": commit_page(self.repository, change.commit) or None,
                    "time": format_time(change.at),
                    "subject": change.subject,
                    "prefixes": [move._asdict() for move in change.moves],
                }
                for change in self.changes
            ],
        }

    @property
    def held(self) -> frozenset[str]:
        """The DynamicPrefixes that an error holds back."""
        decided = self.outcome.decided if self.outcome else None
        return decided.held if decided else frozenset()

    def _publication(self) -> dict[str, object]:
        outcome = self.outcome
        failed = outcome.failed if outcome else None
        return {
            "result": outcome.result.value if outcome else None,
            "words": failed.words if failed else "",
            "stage": failed.stage.value if failed else None,
            "reason": failed.reason.value if failed else None,
            "repository": self.repository,
            "branch": self.branch,
            "commit": self.commit or None,
            "pending_since": format_time(self.pending_since),
            "pending_seconds": self.pending_seconds,
            "last_success": format_time(self.last_success),
            "failures": self.progress.failures,
            "next_try_in_seconds": self.next_try_in,
            "pass_seconds": self.pass_seconds,
            "pass_stage": self.pass_stage,
            "delivered": list(self.delivered),
            "problems": [problem.document() for problem in outcome.problems] if outcome else [],
        }


def report(  # noqa: PLR0913  all that there is to know
    repository: str,
    branch: str,
    progress: Progress,
    decisions: Mapping[str, Decision],
    clocks: Clocks,
    *,
    delivered: Iterable[str] = (),
    refusal: str = "",
    lead: str = "",
    overheard: Overheard = SILENCE,
    changes: tuple[LoggedChange, ...] = (),
    shown: Shown = NOTHING_SHOWN,
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
        pass_seconds=round(clocks.age(progress.under_way.began), 1) if progress.under_way else None,
        decisions=decisions,
        delivered=(*filter(None, (refusal,)), *delivered),
        refusal=refusal,
        lead=lead,
        overheard=overheard,
        changes=changes,
        shown=shown,
        made_at=clocks.calendar(),
    )


def _live(decision: Decision | None) -> dict[str, object]:
    """What the link says now, which Git does not."""
    return {
        "standing": str(decision.standing) if decision else None,
        "announced": [
            {
                "prefix": str(candidate.prefix),
                "router": candidate.router.address,
                "interface": candidate.router.interface,
                "source": str(source_of(candidate.router)),
                "verdict": str(candidate.verdict),
            }
            for candidate in (decision.candidates if decision else ())
        ],
    }


def _lease(lease: LeaseNotice, now: float) -> dict[str, object]:
    """A delegation by DHCPv6; seconds from now, None is never."""
    return {
        "name": lease.name,
        "interface": lease.interface,
        "state": lease.state,
        "duid": lease.duid,
        "server": lease.server or None,
        "prefixes": [
            {"prefix": str(prefix), "valid_seconds": _seconds(until - now)}
            for prefix, until in lease.prefixes
        ],
        "renew_seconds": _seconds(lease.renew_at - now),
        "rebind_seconds": _seconds(lease.rebind_at - now),
    }


def _seconds(seconds: float) -> int | None:
    return None if isinf(seconds) else max(0, round(seconds))


def _router(router: Router, state: RouterState, now: float) -> dict[str, object]:
    """What one router said, with what is left of its lifetimes; null is for ever."""
    return {
        "address": router.address,
        "interface": router.interface,
        "source": str(source_of(router)),
        "heard_seconds_ago": round(now - state.heard_at, 1),
        "router_lifetime_seconds": _left(max(state.default_until, now), now),
        "preference": state.preference.name.lower(),
        "prefixes": [
            {
                "prefix": str(prefix),
                "valid_seconds": _left(announcement.valid_until, now),
                "preferred_seconds": _left(announcement.preferred_until, now),
            }
            for prefix, announcement in sorted(state.announcements.items())
        ],
    }


def _left(until: float, now: float) -> float | None:
    return None if isinf(until) else round(max(0.0, until - now), 1)
