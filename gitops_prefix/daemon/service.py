"""The daemon, put together: the loop, its ears, and what it answers to probes."""

import logging
import socket
from contextlib import suppress
from dataclasses import replace
from math import inf
from pathlib import Path

from gitops_prefix.apply.applying import Applying
from gitops_prefix.apply.child import ClusterAccess, ClusterProcess
from gitops_prefix.apply.events import ClusterNotices, NotifiedCluster
from gitops_prefix.apply.fields import ObjectReport, to_apply
from gitops_prefix.apply.lease import Alone, Candidacy, Leadership, leadership
from gitops_prefix.apply.policy import ApplyPolicy
from gitops_prefix.daemon.branch import BranchPublisher, RehearsingPublisher
from gitops_prefix.daemon.clocks import Clocks, Wakeup
from gitops_prefix.daemon.decisions import Decisions
from gitops_prefix.daemon.follow_ups import (
    Delivery,
    FollowUp,
    OffTheLoop,
    PublicationEvents,
    branch_state,
    follow_ups,
)
from gitops_prefix.daemon.listening import Listening, SourceNeeds
from gitops_prefix.daemon.logs import PassLog
from gitops_prefix.daemon.loop import Loop, Pace
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.outcome import (
    Invalid,
    Outcome,
    Publisher,
    Rehearsed,
    Result,
    UpToDate,
    has_errors,
    shown_commit,
)
from gitops_prefix.daemon.page import POLICY, render_page
from gitops_prefix.daemon.proposals import ProposalPublisher
from gitops_prefix.daemon.report import NOTHING_SHOWN, Report, Shown, Starts, Timeline, report
from gitops_prefix.daemon.server import ListedPages, Page, Pages, html_page, json_page, text_page
from gitops_prefix.daemon.webhook import Updates
from gitops_prefix.decide.advertisement import WEBHOOK
from gitops_prefix.decide.selection import SETTLED
from gitops_prefix.errors import InputError, OutsideError, Severity
from gitops_prefix.publish.branch_log import BranchLog
from gitops_prefix.publish.failure import Failed, Kind
from gitops_prefix.publish.message import Wording
from gitops_prefix.publish.repository import Repository


class Supervisor:
    """Reports to systemd, where it started us (sd_notify(3)): ready, alive, how it goes, leaving.

    Without a socket, or when nobody reads it, nothing is reported.
    """

    def __init__(self, address: str = "") -> None:
        """Name a socket.

        Args:
            address: $NOTIFY_SOCKET: a path, or a name that begins with "@"; empty without one.
        """
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def ready(self) -> None:
        """The daemon listens; whether the repository is reached is another matter."""
        self._send("READY=1")

    def alive(self) -> None:
        """The loop went round."""
        self._send("WATCHDOG=1")

    def status(self, line: str) -> None:
        """What `systemctl status` shows."""
        self._send(f"STATUS={line.replace(chr(10), ' ')}")

    def stopping(self) -> None:
        """SIGTERM was heard."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A supervisor that does not read is no reason to stop.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(message.encode(errors="replace"), socket.MSG_DONTWAIT, self._address)


log = logging.getLogger(__name__)

_END_SECONDS = 2.0
"""For a notice that is under way when the daemon ends."""
_UNFIT_AFTER = (4.0, 40.0)
"""Without the remote somebody else may lead, who publishes within a minute: after so many renewal
deadlines, and so many seconds at most."""
_UNFIT_DEAF = (1.5, 15.0)
"""Without a router, likewise; a cable that is plugged in again costs nobody the lead."""


class _Fitness:
    """Whether we can publish: the remote takes what we push, and a router is heard.

    Who leads asks at each renewal of the Lease.

    Attributes:
        most_away: seconds without the remote after which somebody else may lead.
    """

    def __init__(self, candidacy: Candidacy | None) -> None:
        self.most_away, self._most_deaf = _UNFIT_AFTER[1], _UNFIT_DEAF[1]
        if candidacy is not None:
            self.most_away, self._most_deaf = (
                min(times * candidacy.renew, seconds)
                for times, seconds in (_UNFIT_AFTER, _UNFIT_DEAF)
            )
        self._failing_since: float | None = None
        self._deaf_since: float | None = None
        self._refused = False

    def note(self, result: Result, began: float) -> None:
        """Note a pass that began then."""
        if result in {Result.UNREACHABLE, Result.REFUSED}:
            self._failing_since = self._failing_since or began
        elif result is not Result.FOLLOWING or not self._refused:
            # Who follows does not push, and so does not learn whether a push is taken again.
            self._failing_since = None
        self._refused = result is Result.REFUSED or (self._refused and result is Result.FOLLOWING)

    def is_fit(self, now: float, *, hears: bool) -> bool:
        """Whether we were deaf or away for less than the limits."""
        if hears:
            self._deaf_since = None
        elif self._deaf_since is None:
            self._deaf_since = now
        deaf, failing = self._deaf_since, self._failing_since
        heard = deaf is None or now - deaf <= self._most_deaf
        reaches = failing is None or now - failing <= self.most_away
        return heard and reaches


class Service:
    """One repository, kept true to what the links say."""

    def __init__(  # noqa: PLR0913  all that it is made of
        self,
        repository: Repository,
        *,
        pace: Pace,
        interface: str = "",
        cluster: ClusterAccess = ClusterAccess(),  # noqa: B008  frozen
        apply: ApplyPolicy = ApplyPolicy(),  # noqa: B008
        candidacy: Candidacy | None = None,
        supervisor: Supervisor = Supervisor(),  # noqa: B008  holds nothing
        wording: Wording = Wording(),  # noqa: B008  frozen
        delivery: Delivery = Delivery(),  # noqa: B008  frozen
        notices: ClusterNotices = ClusterNotices(),  # noqa: B008  frozen
        dry_run: bool = False,
        source_dir: Path | None = None,
        shown: Shown | None = None,
    ) -> None:
        """Put it together; `run` starts it.

        Args:
            repository: open when it is run.
            pace: how long things may wait.
            interface: the link in place of those that the repository names, or empty.
            cluster: which cluster, for what asks one.
            apply: whether and when managed fields are applied directly.
            candidacy: for the Lease of the daemon that publishes; None: each does.
            supervisor: the service manager that started us.
            wording: of the commits' messages.
            delivery: where commits go, and who is notified.
            notices: what the cluster is asked and shown.
            dry_run: publish nothing, and report what would be published.
            source_dir: `file` sources are read below this directory alone.
            shown: the options and remedies for the page; None: there is no page, and the
                branch's log is not read.

        Raises:
            InputError: no branches can be made of what `delivery` says.
        """
        self._repository = repository
        self._supervisor = supervisor
        self._metrics = Metrics()
        self._clocks = Clocks()
        self._reached = False
        self._starts = Starts(self._clocks.monotonic)
        self._refusal = ""
        self._rehearses = not (dry_run or delivery.push_branch)
        self._pass_log = PassLog(repository.branch, self._clocks.monotonic)
        self._fitness = _Fitness(candidacy)
        self._writing = ClusterProcess(
            cluster, may_ask=lambda: self._clocks.monotonic() < self._leadership.until
        )
        self._leadership = self._joined(candidacy, cluster)
        self._metrics.leads.set_function(self._leadership.leads)
        self._cluster = NotifiedCluster(
            notices, cluster, self._clocks.calendar, self._clocks.monotonic
        )
        wakeup = Wakeup()
        decisions = Decisions(self._metrics, self._clocks.monotonic, wakeup.nudge)
        self._shown = shown
        self._timeline = self._made_timeline()
        self._off_the_loop = self._made_follow_ups(delivery, pace, wakeup)
        self._follow_ups: tuple[FollowUp, ...] = (
            *self._off_the_loop,
            *([PublicationEvents(self._cluster.events)] if self._cluster.events else []),
        )
        leads = self._leadership.leads if candidacy else None
        duid = repository.clone.directory / "duid"
        needs = SourceNeeds(source_dir, duid, leads, takes=not dry_run)
        self._listening = Listening(
            decisions.take, self._clocks.monotonic, decisions.vouched, needs, wakeup.nudge
        )
        self.loop = Loop(
            self._made_publisher(delivery, wording, dry_run=dry_run),
            decisions,
            self._metrics,
            wakeup=wakeup,
            listening=self._listening,
            pace=pace,
            clocks=self._clocks,
            interface=interface,
            follow_ups=self._follow_ups,
        )
        self._applying = self._made_applying(apply)

    def _joined(self, candidacy: Candidacy | None, cluster: ClusterAccess) -> Leadership | Alone:
        """Who leads: the holder of a Lease, or each daemon for itself."""
        if candidacy is None:
            return Alone()
        most, fitness = candidacy.renew, self._fitness
        return leadership(
            candidacy,
            cluster,
            self._clocks.monotonic,
            self._lead,
            on_lost=self._lose,
            end_writing=self._writing.interrupt,
            turns=lambda: self.loop.turning(most, fitness.most_away),
            fit=self._fit,
        )

    def _made_publisher(self, delivery: Delivery, wording: Wording, *, dry_run: bool) -> Publisher:
        """Where commits go: nowhere, to branches of ours, or to the branch itself."""
        repository, leads = self._repository, self._leadership.leads
        branch = BranchPublisher(repository, leads, wording=wording)
        if dry_run:
            return RehearsingPublisher(branch)
        if delivery.push_branch:
            branches = repository.push_branches(delivery.push_branch)
            return ProposalPublisher(repository, branches, leads, wording=wording)
        return branch

    def _made_timeline(self) -> Timeline:
        repository = self._repository
        branch_log = BranchLog(
            repository.remote, repository.clone.directory, repository.url, repository.branch
        )
        return Timeline(branch_log.read, self._clocks.calendar)

    def _made_follow_ups(
        self, delivery: Delivery, pace: Pace, wakeup: Wakeup
    ) -> tuple[OffTheLoop, ...]:
        """What runs after each pass in a thread of its own; the timeline only for a page."""
        delivery = replace(delivery, notifiers=(*self._cluster.notifiers, *delivery.notifiers))
        failures, leads = self._metrics.publish_failures, self._leadership.leads
        followed = follow_ups(delivery, self._repository, failures, pace.interval, leads)
        timeline = () if self._shown is None else (self._timeline,)
        return tuple(
            OffTheLoop(follow_up, self._clocks.monotonic, wakeup.nudge)
            for follow_up in (*followed, *timeline)
        )

    def _made_applying(self, apply: ApplyPolicy) -> Applying:
        repository = self._repository
        applying = Applying(
            apply,
            self._writing,
            self._clocks.monotonic,
            lambda commit: to_apply(repository.managed_files(commit)),
            leads_until=lambda: self._leadership.until,
            count=self._count_applied,
            given_up=self._report_given_up,
            look=self.loop.look_now,
            kept=repository.clone.directory / "held.json",
        )
        self._metrics.overrides.set_function(lambda: applying.overrides)
        self._metrics.held.set_function(lambda: applying.held)
        return applying

    def run(self) -> None:
        """Run until `stop` is called.

        Raises:
            InputError: the remote has no such branch, and never had.
            OutsideError: the remote refuses us and always did, no raw socket, or nobody listens
                any more.
        """
        self._leadership.start()
        self._applying.start(self._repository.unpublished or "")
        for follow_up in self._off_the_loop:
            follow_up.start()
        # A remote that is away is waited for, also by whoever waits for us.
        self._supervisor.ready()
        try:
            outcome = self.loop.run_once()
            known = self._repository.tip is not None
            self._report(outcome, self._next_try_in() if known else inf)
            if not known:
                # A daemon that has seen the branch waits: what is not published is in the clone.
                _raise_if_refused(outcome)
            if self._rehearses and isinstance(outcome, UpToDate):
                self._rehearse_push()
            for passed in self.loop.turns():
                if passed is not None:
                    self._report(passed, self._next_try_in())
                if not self._listening.alive():
                    # Deaf, and nobody may ask /healthz. Whoever started us starts us again.
                    raise OutsideError("nobody listens any more, so the daemon ends")
                if self._alive():
                    # Else systemd starts us again, as the kubelet does by /healthz.
                    self._supervisor.alive()
        finally:
            self._listening.release()
            for follow_up in self._off_the_loop:
                follow_up.stop(_END_SECONDS)
            # First what writes: another daemon may lead as soon as the Lease is given up.
            self._applying.stop()
            self._leadership.stop()
            self._cluster.close()
            self._listening.stop()

    def run_once(self, patience: float) -> Outcome:
        """Publish what the links say within `patience` seconds.

        Raises:
            InputError: the repository has errors, or no such branch.
            OutsideError: it was not published; nothing is lost.
        """
        try:
            for outcome in self.loop.turns_until_decided(patience):
                self._report(outcome)
            # A small machine may take longer to start the child than a daemon has at its end.
            self._cluster.finish(lambda: self.loop.stopping)
        finally:
            self._cluster.close()
            self._listening.stop()
        self._report_unsettled()
        _raise_if_refused(outcome)
        if isinstance(outcome, Invalid):
            raise InputError(*outcome.problems)
        if outcome.failed is not None and not isinstance(outcome, Rehearsed):
            raise OutsideError(outcome.failed.words)
        if has_errors(outcome.problems):
            # The rest is published.
            raise InputError(*outcome.problems)
        failing = [
            line
            for follow_up in self._follow_ups
            if follow_up.failing()
            for line in follow_up.lines()
        ]
        if failing:
            raise OutsideError("; ".join(failing))
        return outcome

    def stop(self) -> None:
        """Leave after the pass under way. A signal handler may call it."""
        self._supervisor.stopping()
        self.loop.stop()

    @property
    def pages(self) -> Pages:
        """What the daemon answers over HTTP."""
        pages: Pages = {
            "/": lambda: html_page(render_page(self._snapshot()), POLICY),
            "/status": lambda: json_page(self._snapshot().document()),
            "/healthz": lambda: _answer(self._alive(), "alive"),
            "/readyz": lambda: _answer(self._ready(), "ready"),
            "/metrics": lambda: text_page(self._metrics.exposition().decode().rstrip("\n")),
        }
        return ListedPages(pages, self._list_of)

    def _list_of(self, name: str, part: str) -> tuple[str, ...]:
        """The networks of a part of a prefix, as the branch has it."""
        return self._snapshot().progress.list_of(name, part)

    def updates(self, credentials: Path) -> Updates:
        """What takes the prefixes that are sent over HTTP.

        Args:
            credentials: the file of users and passwords.
        """
        return Updates(
            credentials,
            lambda: self.loop.watched,
            self.loop.decisions.take,
            self._clocks.monotonic,
            self._leadership.leads,
            count=self._metrics.source_failures.labels(WEBHOOK).inc,
        )

    def _alive(self) -> bool:
        alive = self.loop.healthy() and self._listening.alive() and self._applying.alive()
        return alive and not self._starts.lost()

    def _ready(self) -> bool:
        """Whether a renumbering would be heard and published, as far as is known."""
        hears = bool(self.loop.watched) and self.loop.decisions.has_link()
        return self._reached and self._listening.alive() and hears and not self._starts.failing

    def _rehearse_push(self) -> None:
        """Find out before the first renumbering that the remote takes no push from us."""
        try:
            answer = self._repository.rehearse_push()
        except (InputError, OutsideError) as error:
            log.debug("the push was not rehearsed: %s", error)
            return
        if isinstance(answer, Failed) and answer.kind is Kind.REFUSED:
            self._refusal = f"a push would be refused: {answer.words}"
            log.warning("%s", self._refusal)

    def _lead(self) -> None:
        self._applying.lead()
        self._listening.look_who_leads()
        self.loop.look_now()

    def _lose(self) -> None:
        self._listening.look_who_leads()

    def _fit(self) -> bool:
        decisions = self.loop.decisions
        hears = decisions.has_link() and decisions.hears()
        fit = self._fitness.is_fit(self._clocks.monotonic(), hears=hears)
        return self._listening.alive() and fit

    def _count_applied(self, applied: ObjectReport) -> None:
        self._metrics.direct_applies.labels(applied.result.value).inc()
        self._cluster.report(applied)

    def _report_given_up(self, applied: ObjectReport) -> None:
        self._cluster.report(applied, given_up=True)

    def _next_try_in(self) -> float:
        return self.loop.progress.next_try_at - self._clocks.monotonic()

    def _report(self, outcome: Outcome, next_try_in: float = inf) -> None:
        """Report a pass: to direct apply, to systemd, and in the log."""
        commit = shown_commit(outcome)
        self._applying.take(branch_state(outcome), commit, self.loop.began_at)
        self._reached |= outcome.result is not Result.UNREACHABLE
        self._fitness.note(outcome.result, self.loop.began_at)
        words = outcome.failed.words if outcome.failed else commit[:12]
        self._supervisor.status(f"{outcome.result} {words}".strip())
        self._starts.note(outcome)
        if outcome.result in {Result.PUBLISHED, Result.REFUSED}:
            # The push itself has spoken.
            self._refusal = ""
        watches = bool(self.loop.watched)
        self._pass_log.report(outcome, watches=watches, next_try_in=next_try_in)

    def _report_unsettled(self) -> None:
        """Log what is undecided after `--once`: silence must not look like success."""
        for name, decision in self.loop.decisions.latest().items():
            if decision.standing not in SETTLED:
                log.warning("%s stays as it is: %s", name, decision.standing)

    def _snapshot(self) -> Report:
        return report(
            self._repository.url,
            self._repository.branch,
            self.loop.progress,
            self.loop.decisions.latest(),
            self._clocks,
            delivered=(
                *(line for each in self._follow_ups for line in each.lines()),
                *self._applying.lines(),
            ),
            refusal=self._refusal,
            lead=self._leadership.who(),
            overheard=self.loop.decisions.overheard(),
            changes=self._timeline.changes,
            shown=self._shown or NOTHING_SHOWN,
        )


def _raise_if_refused(outcome: Outcome) -> None:
    if outcome.failed is not None and outcome.result is Result.REFUSED:
        errors = [each for each in outcome.problems if each.severity is Severity.ERROR]
        if errors:
            raise InputError(*errors)
        raise OutsideError(outcome.failed.words)


def _answer(ok: bool, word: str) -> Page:  # noqa: FBT001  the one thing it says
    return text_page(word if ok else f"not {word}", ok=ok)
