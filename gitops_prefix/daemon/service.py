"""The daemon, put together: the loop, its ears, and what it answers to probes."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from gitops_prefix.apply.applying import Applying
from gitops_prefix.apply.child import ClusterAccess, ClusterProcess
from gitops_prefix.apply.events import Telling, ToldCluster
from gitops_prefix.apply.fields import ObjectReport, to_apply
from gitops_prefix.apply.lease import Alone, Candidacy, Leadership
from gitops_prefix.apply.policy import ApplyPolicy
from gitops_prefix.daemon.clocks import Clocks
from gitops_prefix.daemon.delivery import Delivery, follow_ups
from gitops_prefix.daemon.in_cluster import PublicationEvents, git_of
from gitops_prefix.daemon.listening import Listening
from gitops_prefix.daemon.logs import OncePerMinute
from gitops_prefix.daemon.loop import Loop, Pace
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.page import render_page
from gitops_prefix.daemon.proposals import Proposals
from gitops_prefix.daemon.publication import Outcome, Publication, Result
from gitops_prefix.daemon.report import Report, report
from gitops_prefix.daemon.server import Page, Pages, html_page, json_page, text_page
from gitops_prefix.daemon.supervisor import Supervisor
from gitops_prefix.decide.selection import SETTLED
from gitops_prefix.errors import InputError, OutsideError, Severity
from gitops_prefix.plan.ears import Watched
from gitops_prefix.publish.message import Wording, change_line
from gitops_prefix.publish.repository import Repository

log = logging.getLogger(__name__)


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
        supervisor: Supervisor = Supervisor(),  # noqa: B008  it is told, and holds nothing
        wording: Wording = Wording(),  # noqa: B008  frozen
        delivery: Delivery = Delivery(),  # noqa: B008  frozen
        telling: Telling = Telling(),  # noqa: B008  frozen
    ) -> None:
        """Put it together; `run` starts it.

        Args:
            repository: open when it is run.
            pace: how long things may wait.
            interface: the link that stands for those the repository names, or empty.
            cluster: for what talks to one.
            apply: whether and when managed fields are applied directly.
            candidacy: for the Lease of the daemon that publishes; None: each does.
            supervisor: who started us and wants to know.
            wording: of the commits' messages.
            delivery: where commits go, and who is told.
            telling: what the cluster is told.

        Raises:
            InputError: no branches can be made of what `delivery` says.
        """
        self._repository = repository
        self._supervisor = supervisor
        self._metrics = Metrics()
        self._reached = False
        self._once = OncePerMinute()
        self._clocks = Clocks()
        self._leadership: Leadership | Alone = Alone()
        if candidacy is not None:
            command = candidacy.command(cluster)
            clock = self._clocks.monotonic
            self._leadership = Leadership(command, clock, self._lead, access=cluster)
        self._metrics.leads.set_function(self._leadership.leads)
        leads = self._leadership.leads
        publication = Publication(repository, leads, wording=wording)
        if delivery.push_branch:
            branches = repository.push_branches(delivery.push_branch)
            publication = Proposals(repository, branches, leads, wording=wording)
        self._told = ToldCluster(telling, cluster, self._clocks.calendar)
        delivery = replace(delivery, notifiers=(*self._told.notifiers, *delivery.notifiers))
        self._follow_ups = (
            *follow_ups(delivery, repository, self._metrics.publish_failures, pace.interval, leads),
            *([PublicationEvents(self._told.events)] if self._told.events else []),
        )
        self.loop = Loop(
            publication,
            self._metrics,
            pace=pace,
            clocks=self._clocks,
            on_read=self._follow,
            on_outcome=self._tell,
            on_turn=supervisor.alive,
            interface=interface,
            follow_ups=self._follow_ups,
        )
        self._applying = Applying(
            apply,
            ClusterProcess(cluster),
            self._clocks.monotonic,
            lambda commit: to_apply(repository.managed_files(commit)),
            count=self._count_applied,
            given_up=self._tell_given_up,
        )
        self._metrics.overrides.set_function(lambda: self._applying.overrides)
        self._listening = Listening(
            self.loop.decisions.take, self._clocks.monotonic, self.loop.decisions.vouched
        )

    def run(self) -> None:
        """Run until `loop.stop` is called.

        Raises:
            InputError: the remote has no such branch, and never had.
            OutsideError: the remote refuses us and always did, or no raw socket.
        """
        self._leadership.start()
        self._applying.start()
        # A remote that is away is waited for, also by whoever waits for us.
        self._supervisor.ready()
        try:
            outcome = self.loop.run_once()
            if self._repository.tip is None:
                # Who was let in once waits: what was not published yet is in the clone.
                _raise_for(outcome)
            self.loop.run()
        finally:
            self._leadership.stop()
            self._applying.stop()
            self._told.close()
            self._listening.stop()

    def run_once(self, patience: float) -> Outcome:
        """Take what the links say within `patience` seconds, and publish it.

        Raises:
            InputError: the repository has errors, or no such branch.
            OutsideError: it was not published; nothing is lost.
        """
        try:
            outcome = self.loop.run_until_decided(patience)
        finally:
            self._told.close()
            self._listening.stop()
        self._tell_unsettled()
        _raise_for(outcome)
        if outcome.result is Result.INVALID:
            raise InputError(*outcome.problems)
        if outcome.result in {Result.UNREACHABLE, Result.CONTESTED, Result.HELD}:
            raise OutsideError(outcome.words)
        failing = [line for one in self._follow_ups if one.failing() for line in one.lines()]
        if failing:
            raise OutsideError("; ".join(failing))
        return outcome

    def stop(self) -> None:
        """Leave after the pass under way. A signal handler may call it."""
        self._supervisor.stopping()
        self.loop.stop()

    @property
    def pages(self) -> Pages:
        """What it answers over HTTP (DESIGN 8)."""
        return {
            "/": lambda: html_page(render_page(self._report())),
            "/status": lambda: json_page(self._report().document()),
            "/healthz": lambda: _answer(self._alive(), "alive"),
            "/readyz": lambda: _answer(self._reached and self._listening.alive(), "ready"),
            "/metrics": lambda: text_page(self._metrics.exposition().decode().rstrip("\n")),
        }

    def _alive(self) -> bool:
        return self.loop.healthy() and self._listening.alive() and self._applying.alive()

    def _lead(self) -> None:
        self.loop.look_now()

    def _count_applied(self, applied: ObjectReport) -> None:
        self._metrics.direct_applies.labels(applied.standing.value).inc()
        self._told.tell_report(applied)

    def _tell_given_up(self, applied: ObjectReport) -> None:
        self._told.tell_report(applied, given_up=True)

    def _follow(self, watched: Mapping[str, Watched]) -> None:
        self._listening.follow(watched)
        now = self._clocks.monotonic()
        if not watched and self._once.admit("nothing to follow", now) is not None:
            log.warning(
                'no DynamicPrefix is on "%s" where it is searched (--path, --exclude), so nothing '
                "is followed: `gitops-prefix init` writes one",
                self._repository.branch,
            )

    def _tell(self, outcome: Outcome) -> None:
        commit = outcome.commit or outcome.base
        self._applying.take(git_of(outcome), commit, self.loop.began_at)
        self._reached |= outcome.result is not Result.UNREACHABLE
        self._supervisor.status(f"{outcome.result} {outcome.words or outcome.commit[:12]}".strip())
        for problem in outcome.problems:
            if self._once.admit(str(problem), self._clocks.monotonic()) is not None:
                level = logging.ERROR if outcome.result is Result.INVALID else logging.WARNING
                log.log(level, "%s [%s]", problem, problem.code)
        for one in outcome.transitions:
            before = str(one.previous.current) if one.previous else "none"
            log.info("%s: %s -> %s", one.name, before, one.current.current)
        for line in map(change_line, outcome.by_hand):
            if self._once.admit(f"by hand {line}", self._clocks.monotonic()) is not None:
                log.warning("edited by hand, and rendered again: %s", line)
        if outcome.result is Result.PUBLISHED:
            log.info("published %s: %d fields", outcome.commit[:12], len(outcome.changes))
        elif outcome.result is Result.FOLLOWING:
            log.info("we do not lead: who does publishes this")
        elif outcome.result is not Result.UNCHANGED:
            waits = "; our commit is kept" if outcome.commit else ""
            # Refused means that a person must act.
            level = logging.ERROR if outcome.result is Result.REFUSED else logging.WARNING
            log.log(level, "%s: %s%s", outcome.result, outcome.words, waits)

    def _tell_unsettled(self) -> None:
        """Whoever runs it once reads the last lines: silence must not look like success."""
        for name, decision in self.loop.decisions.latest().items():
            if decision.standing not in SETTLED:
                log.warning("%s stays as it is: %s", name, decision.standing)

    def _report(self) -> Report:
        return report(
            self._repository.url,
            self._repository.branch,
            self.loop.progress,
            self.loop.decisions.latest(),
            self._clocks,
            delivered=tuple(line for one in self._follow_ups for line in one.lines()),
        )


def _raise_for(outcome: Outcome) -> None:
    if outcome.result is Result.REFUSED:
        errors = [one for one in outcome.problems if one.severity is Severity.ERROR]
        if errors:
            raise InputError(*errors)
        raise OutsideError(outcome.words)


def _answer(ok: bool, word: str) -> Page:  # noqa: FBT001  the one thing it says
    return text_page(word if ok else f"not {word}", ok=ok)
