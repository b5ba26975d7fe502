"""The thread that applies directly while Git is away, and releases when it is not.

`policy` says when. The loop hands over what each pass found, and never waits for the cluster.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Protocol

from gitops_prefix.apply.fields import (
    SEVERITIES,
    ApplyConfiguration,
    Configurations,
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
    Round,
)
from gitops_prefix.apply.protocol import (
    AT_ONCE,
    FIRST_SECONDS,
    OBJECT_SECONDS,
    ApplyObjects,
    ChildQuestion,
    ReleaseObjects,
    Reports,
    Wish,
    from_document,
)
from gitops_prefix.errors import GitopsPrefixError, Severity

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 30.0
"""Between two looks at what we applied, and the longest between two tries of the API server."""
_LONGEST_HOLD = 900.0
"""How long a reconciler is waited for: it may follow another branch, or be suspended."""
_ASK_SECONDS = 15.0
"""Between two requests that Argo CD look."""
_PATIENCE_SECONDS = 1.0
_NOT_THERE = {ObjectResult.MISSING, ObjectResult.NOT_INSTALLED, ObjectResult.ANOTHER}
"""Nothing of ours is held there: a release has nothing to report."""
_IN_COMMON = {ObjectResult.NOT_INSTALLED, ObjectResult.WAITING}
"""A kind that is missing, or a reconciler that is waited for, concerns many objects."""


class Cluster(Protocol):
    """What applies; `child.ClusterProcess` is the real one."""

    def prepare(self) -> None: ...  # noqa: D102

    def ask(self, question: ChildQuestion[Reports]) -> Reports: ...  # noqa: D102

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
        leads_until: Callable[[], float] = lambda: inf,
        count: Callable[[ObjectReport], None] = lambda _: None,
        given_up: Callable[[ObjectReport], None] = lambda _: None,
        look: Callable[[], None] = lambda: None,
        again: float = _AGAIN_SECONDS,
        kept: Path | None = None,
    ) -> None:
        """Do nothing yet; `start` does.

        Args:
            policy: whether and when.
            cluster: what applies.
            clock: the monotonic one.
            read: the managed fields that a commit holds; called by `take`, in its thread.
            leads_until: when our lead ends, by the same clock; nothing is written after that.
            count: receives each report.
            given_up: receives those of objects that are left alone from now on.
            look: called while a reconciler is waited for: it may have a commit that is later.
            again: seconds between two looks at what we applied.
            kept: where the names of what is held are kept for the daemon after us.
        """
        self._cluster, self._clock, self._read, self._count = cluster, clock, read, count
        self._leads_until, self._given_up, self._again = leads_until, given_up, again
        self._look, self._look_at = look, inf
        self._condition = threading.Condition()
        self._state = Fallback(policy)
        self._wanted: Mapping[ObjectId, ApplyConfiguration] | None = None
        self._vanished: dict[ObjectId, ApplyConfiguration] = {}
        self._news = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="applying", daemon=True)
        # What follows belongs to the thread.
        self._round = Round(Action.NOTHING, "")
        self._again_at = inf
        self._failures = 0
        self._reverts = Reverts()
        self._kept = _KeptNames(kept)
        self._touched: dict[ObjectId, ApplyConfiguration] = {}
        self._held: dict[ObjectId, str] = {}
        self._waits_since: float | None = None
        self._asked_at = -inf
        self._words = ""
        self._logged: dict[str, tuple[ObjectResult, str]] = {}

    def start(self, unpublished: str = "") -> None:
        """Begin, if need be; the daemon before us may have applied the `unpublished` commit."""
        if self._state.policy.mode is not ApplyMode.NEVER:
            waited = (self._read_commit(unpublished) if unpublished else None) or {}
            self._touched = {**self._kept.read(), **waited}
            self._thread.start()

    def stop(self) -> None:
        """End; what is held in the cluster stays so, and is released by whoever comes next."""
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
                self._state, self._wanted, self._news = seen, None, True
                self._condition.notify()
                return
            known = self._wanted if seen.commit == self._state.commit else None
        wanted = self._read_commit(seen.commit) if known is None else known
        with self._condition:
            # Both at once: what one commit holds is never taken for another's.
            self._state = self._state.see(git, commit, began)
            if wanted is not None:
                # Perhaps held by a leader before us, while its file left the repository.
                before = (self._wanted or {}).items()
                self._vanished |= {key: each for key, each in before if not _among(key, wanted)}
            self._wanted = wanted
            self._news = True
            self._condition.notify()

    def lead(self) -> None:
        """We gained the lead: with the next pass, look for what others left held."""
        with self._condition:
            self._state = self._state.lead()

    @property
    def overrides(self) -> bool:
        """Whether reconcilers are overridden now."""
        return self._state.action(self._clock()) is Action.OVERRIDE

    @property
    def held(self) -> int:
        """How many objects keep their reconciler away for us, as far as we know."""
        return len(self._held)

    @property
    def owing(self) -> bool:
        """Whether something of ours may still be held."""
        return self._state.owing

    def lines(self) -> tuple[str, ...]:
        """What is held, for the page."""
        names = [*self._held.values()]
        if not names:
            return ()
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return (f"direct apply: {len(names)} held: {', '.join(names[:5])}{more}",)

    def alive(self) -> bool:
        """Whether the thread runs, where it should."""
        return self._thread.is_alive() or self._thread.ident is None

    def _read_commit(self, commit: str) -> Mapping[ObjectId, ApplyConfiguration] | None:
        try:
            configurations = self._read(commit)
        except GitopsPrefixError as error:
            log.warning("direct apply: what is to be applied cannot be read: %s", error)
            return None
        return {configuration.object: configuration for configuration in configurations}

    def _run(self) -> None:
        while not self._stopping:
            with self._condition:
                self._news = False
                wanted = self._wanted
                self._touched = self._vanished | self._touched
                self._vanished = {}
                now = self._clock()
                action = self._state.action(now) if wanted is not None else Action.NOTHING
                state = self._state = self._state.begin(action)
            try:
                pause = self._step(state, action, wanted or {}, now)
            except Exception as error:  # noqa: BLE001  without this thread what is held stays held
                pause = self._fail(f"unexpectedly: {type(error).__name__}: {error}")
            with self._condition:
                if self._done(action, state):
                    self._state = self._state.done(action, state.commit)
                    pause = 0.0 if action in {Action.APPLY, Action.RELEASE} else pause
                self._condition.wait_for(
                    lambda: self._news or self._stopping, None if pause == inf else pause
                )

    def _done(self, action: Action, state: Fallback) -> bool:
        """Whether the round of this action has no object left.

        Who gained the lead meanwhile begins anew: another may have led in between, and hold
        what was released before.
        """
        ours = self._round.is_of(action, state) and state.term == self._state.term
        return ours and action is not Action.NOTHING and not self._round.due

    def _step(
        self,
        state: Fallback,
        action: Action,
        wanted: Mapping[ObjectId, ApplyConfiguration],
        now: float,
    ) -> float:
        """Do a part of an action; and how long to wait for news after it."""
        if action is Action.NOTHING:
            self._round = Round(action, state.commit, term=state.term)
            if now >= self._leads_until():
                # Whoever leads looks after them, and counts them.
                self._held.clear()
            return inf
        if action is Action.PREPARE:
            self._cluster.prepare()
            self._round = Round(action, state.commit, term=state.term)
            return max(0.0, state.overrides_at - self._clock())
        self._begin_round(action, state, wanted, now)
        keys = self._round.batch(now, AT_ONCE)
        if keys and now >= self._leads_until():
            return 1.0
        if keys:
            try:
                self._work(action, state, keys, wanted, now)
            except GitopsPrefixError as error:
                return self._fail(str(error))
            self._failures, self._words = 0, ""
        now = self._clock()
        if not self._round.due and self._again_at == inf:
            self._again_at = now + self._again
        return max(0.0, min(self._round.next_at, self._again_at) - now)

    def _fail(self, words: str) -> float:
        """Report once that the API server could not be asked; and how long to wait."""
        # Whoever ends, or gives the lead up, has ended the child, too.
        ended = self._stopping or self._clock() >= self._leads_until()
        if not ended and words != self._words:
            log.error("direct apply: %s", words)
        self._words = words
        self._failures += 1
        return min(self._again, 2.0 ** min(self._failures - 1, 5))

    def _begin_round(
        self,
        action: Action,
        state: Fallback,
        wanted: Mapping[ObjectId, ApplyConfiguration],
        now: float,
    ) -> None:
        if self._round.is_of(action, state) and now < self._again_at:
            return
        if state.commit != self._round.commit:
            # Each names its commit: they would be kept for ever, one for each.
            self._logged = {
                what: said
                for what, said in self._logged.items()
                if said[0] is not ObjectResult.WAITING
            }
        keys = [*wanted]
        if action is Action.RELEASE:
            # What left the repository while it was held is released, too.
            keys += [key for key in self._touched if not _among(key, wanted)]
        elif action is Action.OVERRIDE:
            # Another outage: the reconcilers are waited for anew after it.
            self._waits_since = None
        self._round = Round(action, state.commit, dict.fromkeys(keys, now), term=state.term)
        self._again_at = inf
        if not keys and action is Action.RELEASE:
            self._touched = {}

    def _work(
        self,
        action: Action,
        state: Fallback,
        keys: Iterable[ObjectId],
        wanted: Mapping[ObjectId, ApplyConfiguration],
        now: float,
    ) -> None:
        """Ask about some objects of the round.

        Raises:
            GitopsPrefixError: the API server could not be asked.
        """
        present = [wanted[key] for key in keys if key in wanted]
        match action:
            case Action.APPLY:
                wish = Wish(others=True)
                self._apply(present, wish)
            case Action.OVERRIDE:
                self._override(present, always=state.policy.mode is ApplyMode.ALWAYS)
            case _:
                left = [self._touched[key] for key in keys if key not in wanted]
                self._release(present, state, now, left=False)
                self._release(left, state, now, left=True)

    def _apply(self, wanted: list[ApplyConfiguration], wish: Wish) -> tuple[ObjectReport, ...]:
        if not wanted:
            return ()
        if not wish.dry_run:
            self._touched |= {configuration.object: configuration for configuration in wanted}
            # Before it is done: we may be killed in between.
            self._kept.write(self._touched.values())
        seconds = self._seconds(wanted)
        question = ApplyObjects(tuple(wanted), wish, self._leads_until(), seconds)
        reports = self._cluster.ask(question).reports
        self._learn(wanted, reports, quiet=wish.dry_run)
        return reports

    def _override(self, wanted: list[ApplyConfiguration], *, always: bool) -> None:
        """Apply; what was put back once is only looked at before the next time."""
        reverts = self._reverts
        stopped = [each for each in wanted if reverts.stopped(each)]
        apply = [each for each in wanted if reverts.may_apply(each)]
        look = [each for each in wanted if each not in apply and each not in stopped]
        for configuration in stopped:
            self._round = self._round.skip(configuration.object)
        for some, dry_run in ((apply, False), (look, True)):
            reports = self._apply(some, Wish(force=True, others=always, dry_run=dry_run))
            self._reverts, given_up = self._reverts.learn(some, reports)
            for report in given_up:
                log.error("direct apply: %s: %s", report.title, report.message)
                self._given_up(report)

    def _release(
        self, wanted: list[ApplyConfiguration], state: Fallback, now: float, *, left: bool
    ) -> None:
        if not wanted:
            return
        since = self._waits_since
        patient = since is None or now - since < _LONGEST_HOLD
        question = ReleaseObjects(
            tuple(wanted),
            commit=state.commit if patient else "",
            ask=now - self._asked_at >= _ASK_SECONDS,
            asked=state.policy.asked,
            left=left,
            keep=state.policy.mode is ApplyMode.ALWAYS,
            until=self._leads_until(),
            seconds=self._seconds(wanted),
        )
        reports = self._cluster.ask(question).reports
        self._asked_at = now if question.ask else self._asked_at
        self._reverts = Reverts()
        self._learn(wanted, reports)
        if any(report.result is ObjectResult.WAITING for report in reports):
            self._waits_since = now if since is None else since
            self._look_at = min(self._look_at, now + self._again)
            if now >= self._look_at:
                self._look_at = inf
                self._look()
        elif not self._round.due:
            self._waits_since = None

    def _seconds(self, wanted: Iterable[ApplyConfiguration]) -> float:
        """What each object of a question may take; a batch is of objects that failed as often."""
        again = any(self._round.tries.get(each.object) for each in wanted)
        return OBJECT_SECONDS if again else FIRST_SECONDS

    def _learn(
        self,
        wanted: Iterable[ApplyConfiguration],
        reports: Iterable[ObjectReport],
        *,
        quiet: bool = False,
    ) -> None:
        now = self._clock()
        for configuration, report in zip(wanted, reports, strict=True):
            key = configuration.object
            self._round = self._round.learn(key, report, now)
            if report.held:
                self._held[key] = report.title
            elif report.held is False:
                self._held.pop(key, None)
                if self._round.action is Action.RELEASE:
                    self._touched.pop(key, None)
            if not quiet:
                self._count(report)
                self._log(report)
        self._kept.write(self._touched.values())

    def _log(self, report: ObjectReport) -> None:
        """Log what is new, and only once what stays as it is."""
        said = (report.result, report.message)
        # What many objects have in common is reported once, not for each of them.
        what = report.message if report.result in _IN_COMMON else report.title
        again = self._logged.get(what) == said and report.message
        self._logged[what] = said
        if again or report.result is ObjectResult.UNCHANGED:
            return
        if self._round.action is Action.RELEASE and report.result in _NOT_THERE:
            return
        fields = ", ".join(change.field for change in report.changes)
        words = report.message or f"{report.result} {fields}".strip()
        log.log(_level(report), "direct apply: %s: %s", report.title, words)


class _KeptNames:
    """The names of what is held, in a file: a daemon that is restarted releases that, too.

    Git says what else may be held. It does not when a file left the repository meanwhile.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._written = "[]"

    def read(self) -> dict[ObjectId, ApplyConfiguration]:
        """What the daemon before us held; nothing when the file cannot be read."""
        found: Configurations = ()
        with suppress(OSError, ValueError, TypeError, LookupError):
            if self._path is not None:
                self._written = self._path.read_text(encoding="utf-8")
                found = from_document(Configurations, json.loads(self._written))
        return {configuration.object: configuration for configuration in found}

    def write(self, held: Iterable[ApplyConfiguration]) -> None:
        """Keep the names, and no value; a disk that is full keeps the old ones."""
        texts = (_named(each.file, each.object, each.follows) for each in held)
        text = f"[{', '.join(texts)}]"
        if self._path is None or text == self._written:
            return
        with suppress(OSError):
            new = self._path.with_suffix(".new")
            new.write_text(text, encoding="utf-8")
            new.replace(self._path)
            self._written = text


@lru_cache(4096)
def _named(file: str, key: ObjectId, follows: str) -> str:
    """An object as it is kept; each write names all of them again."""
    return json.dumps(asdict(ApplyConfiguration(file, *key, follows, (), {})))


def _among(key: ObjectId, wanted: Mapping[ObjectId, ApplyConfiguration]) -> bool:
    """Whether an object is wanted, perhaps in another version of its group."""
    version, *named = key
    group = version.rpartition("/")[0]
    return any((other.rpartition("/")[0], *rest) == (group, *named) for other, *rest in wanted)


def _level(report: ObjectReport) -> int:
    severity = SEVERITIES.get(report.result)
    if severity is Severity.ERROR:
        return logging.ERROR
    return logging.WARNING if severity is Severity.WARNING or report.message else logging.INFO
