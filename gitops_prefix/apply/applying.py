"""The thread that applies directly while Git is behind, and gives back when it is not.

`daemon.fallback` says when. The loop hands over what each pass came to, and never waits
for the cluster.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from gitops_prefix.apply.fields import (
    SEVERITIES,
    ApplyConfiguration,
    ObjectId,
    ObjectReport,
    ObjectResult,
)
from gitops_prefix.apply.policy import (
    Action,
    ApplyMode,
    ApplyPolicy,
    BranchState,
    Fallback,
    Reverts,
)
from gitops_prefix.errors import GitopsPrefixError, Severity

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 30.0
"""Between two looks at what we applied, and between two tries of what failed."""
_LONGEST_HOLD = 900.0
"""How long Flux is waited for: it may follow another branch, or be suspended."""
_PATIENCE_SECONDS = 1.0
_GIVEN_BACK = {
    ObjectResult.RELEASED,
    ObjectResult.UNCHANGED,
    ObjectResult.MISSING,
    ObjectResult.NOT_INSTALLED,
    ObjectResult.ANOTHER,
    # Nothing of ours is where we may not patch.
    ObjectResult.FORBIDDEN,
}

Configurations = tuple[ApplyConfiguration, ...]


class Cluster(Protocol):
    """What applies; `child.ClusterProcess` is the real one."""

    def prepare(self) -> None: ...  # noqa: D102

    def apply(  # noqa: D102
        self, wanted: Iterable[ApplyConfiguration], *, force: bool = False, dry_run: bool = False
    ) -> tuple[ObjectReport, ...]: ...

    def release(  # noqa: D102
        self, wanted: Iterable[ApplyConfiguration], commit: str = ""
    ) -> tuple[ObjectReport, ...]: ...

    def close(self) -> None: ...  # noqa: D102


class Applying:
    """Keeps the cluster at what was decided, while Git cannot."""

    def __init__(  # noqa: PLR0913  all that it is joined to
        self,
        policy: ApplyPolicy,
        cluster: Cluster,
        clock: Callable[[], float],
        read: Callable[[str], Configurations],
        *,
        count: Callable[[ObjectReport], None] = lambda _: None,
        given_up: Callable[[ObjectReport], None] = lambda _: None,
    ) -> None:
        """Do nothing yet; `start` does.

        Args:
            policy: whether and when.
            cluster: what applies.
            clock: the monotonic one.
            read: the managed fields that a commit holds; called by `take`, in its thread.
            count: told each report.
            given_up: told those of objects that are left alone from now on.
        """
        self._cluster, self._clock, self._read, self._count = cluster, clock, read, count
        self._given_up = given_up
        self._condition = threading.Condition()
        self._state = Fallback(policy)
        self._wanted: Configurations | None = None
        self._news = False
        self._reverts = Reverts()
        self._touched: dict[ObjectId, ApplyConfiguration] = {}
        self._waits_since: float | None = None
        self._words = ""
        self._told: dict[str, tuple[ObjectResult, str]] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="applying", daemon=True)

    def start(self) -> None:
        """Begin, if there can ever be something to do."""
        if self._state.policy.mode is not ApplyMode.NEVER:
            self._thread.start()

    def stop(self) -> None:
        """End; what is in the cluster stays, and is given back by whoever comes next."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread.is_alive():
            self._cluster.close()
            self._thread.join(timeout=_PATIENCE_SECONDS)

    def take(self, git: BranchState, commit: str, began: float) -> None:
        """Take what a pass found.

        Args:
            git: what it says about the branch.
            commit: what the cluster is to hold: our commit, or the tip.
            began: when the pass began.
        """
        if self._state.policy.mode is ApplyMode.NEVER:
            return
        with self._condition:
            seen = self._state.see(git, commit, began)
            if not seen.cares:
                self._state, self._wanted = seen, None
                return
            known = self._wanted if seen.commit == self._state.commit else None
        wanted = self._read_commit(seen.commit) if known is None else known
        with self._condition:
            # Both at once: what one commit holds is never taken for another's.
            self._state = self._state.see(git, commit, began)
            self._wanted = wanted
            self._news = True
            self._condition.notify()

    @property
    def overrides(self) -> bool:
        """Whether reconcilers are overridden now."""
        return self._next() is Action.OVERRIDE

    def alive(self) -> bool:
        """Whether the thread runs, where it should."""
        return self._thread.is_alive() or self._thread.ident is None

    def _next(self) -> Action:
        return self._state.action(self._clock())

    def _read_commit(self, commit: str) -> Configurations | None:
        try:
            return self._read(commit)
        except GitopsPrefixError as error:
            log.warning("direct apply: what is to be applied cannot be read: %s", error)
            return None

    def _run(self) -> None:
        while not self._stopping:
            with self._condition:
                self._news = False
                wanted = self._wanted
                action = self._next() if wanted is not None else Action.NOTHING
                state = self._state = self._state.begin(action)
            done = self._act(action, wanted or (), state.commit)
            with self._condition:
                if done:
                    self._state = self._state.done(action, state.commit)
                self._condition.wait_for(lambda: self._news or self._stopping, self._pause(action))

    def _pause(self, action: Action) -> float | None:
        """How long to wait for news after an action; None is for ever."""
        now = self._clock()
        then = self._next() if self._wanted is not None else Action.NOTHING
        match then:
            case Action.NOTHING:
                return None
            case Action.PREPARE:
                return self._state.overrides_at - now
            case _:
                return _AGAIN_SECONDS if then is action else 0.0

    def _act(self, action: Action, wanted: Configurations, commit: str) -> bool:
        """Do it; whether it is done."""
        try:
            match action:
                case Action.PREPARE:
                    self._cluster.prepare()
                case Action.APPLY:
                    self._touched |= {one.object: one for one in wanted}
                    self._tell(self._cluster.apply(wanted))
                case Action.OVERRIDE:
                    # Another outage: Flux is waited for anew after it.
                    self._waits_since = None
                    self._override(wanted)
                case Action.RELEASE:
                    return self._release(wanted, commit)
        except GitopsPrefixError as error:
            # Who ends has ended the child, too.
            words = str(error)
            if not self._stopping and words != self._words:
                log.error("direct apply: %s", words)  # noqa: TRY400  it says all there is
            self._words = words
            return False
        self._words = ""
        return True

    def _override(self, wanted: Configurations) -> None:
        """Apply; what was put back once is only looked at before the next time."""
        reverts = self._reverts
        apply = [one for one in wanted if reverts.may_apply(one)]
        look = [one for one in wanted if not reverts.may_apply(one) and not reverts.stopped(one)]
        for some, dry_run in ((apply, False), (look, True)):
            if some:
                self._touched |= {one.object: one for one in some}
                reports = self._cluster.apply(some, force=True, dry_run=dry_run)
                self._reverts, given_up = self._reverts.learn(some, reports)
                self._tell(reports if not dry_run else ())
                for report in given_up:
                    log.error("direct apply: %s: %s", report.object, report.message)
                    self._given_up(report)

    def _release(self, wanted: Configurations, commit: str) -> bool:
        now = self._clock()
        patient = self._waits_since is None or now - self._waits_since < _LONGEST_HOLD
        # What left the repository meanwhile is given back, too.
        all_of_ours = tuple(({one.object: one for one in wanted} | self._touched).values())
        commit = commit if patient else ""
        reports = self._cluster.release(all_of_ours, commit) if all_of_ours else ()
        self._tell(reports)
        self._reverts = Reverts()
        waits = any(one.standing is ObjectResult.WAITING for one in reports)
        self._waits_since = (self._waits_since or now) if waits else None
        done = all(one.standing in _GIVEN_BACK for one in reports)
        self._touched = {} if done else self._touched
        return done

    def _tell(self, reports: Iterable[ObjectReport]) -> None:
        """Log what is new, and once what stays as it is."""
        for one in reports:
            self._count(one)
            told = (one.standing, one.message)
            # A kind that is not installed is told once, not for each object.
            what = one.message if one.standing is ObjectResult.NOT_INSTALLED else one.object
            again = self._told.get(what) == told and one.message
            self._told[what] = told
            if again or one.standing is ObjectResult.UNCHANGED:
                continue
            fields = ", ".join(change.field for change in one.changes)
            words = one.message or f"{one.standing} {fields}".strip()
            log.log(_level(one), "direct apply: %s: %s", one.object, words)


def _level(report: ObjectReport) -> int:
    severity = SEVERITIES.get(report.standing)
    if severity is Severity.ERROR:
        return logging.ERROR
    return logging.WARNING if severity is Severity.WARNING or report.message else logging.INFO
