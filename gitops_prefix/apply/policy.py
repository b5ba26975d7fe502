"""PURE: when the daemon applies directly, when it releases, and which objects are still to be done.

`Fallback` is a state machine over what each pass found and the time. `Round` is the list of
objects of one action. `Reverts` counts what others put back after we applied it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from math import inf

from gitops_prefix.apply.fields import ApplyConfiguration, ObjectId, ObjectReport, ObjectResult
from gitops_prefix.apply.ownership import Reconciled


class ApplyMode(StrEnum):
    """What `--apply` takes."""

    NEVER = "never"
    FALLBACK = "fallback"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class ApplyPolicy:
    """Whether and when.

    Attributes:
        after: how long Git must be away before reconcilers are overridden, in seconds.
        asked: what is asked to reconcile after a push; it says where Argo CD's Applications are.
    """

    mode: ApplyMode = ApplyMode.NEVER
    after: float = 60.0
    asked: tuple[Reconciled, ...] = ()


class BranchState(Enum):
    """What the last pass says about the branch."""

    RIGHT = "it holds what was decided"
    PUBLISHED = "it does since this pass"
    AWAY = "our commit waits for a remote that cannot be reached"
    REFUSED = "the remote was reached, and did not take our commit"
    UNKNOWN = "it could not be read, or is not ours to write"


class Action(Enum):
    """What to do now."""

    NOTHING = "nothing"
    PREPARE = "have the child ready"
    APPLY = "apply, and leave alone what a reconciler claims"
    OVERRIDE = "apply, and hold the reconcilers"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Fallback:
    """What is remembered.

    Attributes:
        policy: as configured.
        away_since: since when our commit waits for the remote; None when it does not.
        owing: whether something of ours may be held in the cluster. It may at the start (the
            daemon before us may have been killed), when we gain the lead, and after a
            publication (another daemon may have applied, and be gone).
        commit: what is to be in the cluster, as Git names it.
        applied: the commit that was last applied without overriding anybody.
        term: how often we gained the lead: what was found before counts no more.
    """

    policy: ApplyPolicy
    git: BranchState = BranchState.UNKNOWN
    away_since: float | None = None
    owing: bool = True
    commit: str = ""
    applied: str = ""
    term: int = 0

    def see(self, git: BranchState, commit: str, now: float) -> "Fallback":
        """The state after a pass.

        Args:
            git: what the pass says about the branch.
            commit: what the cluster is to hold: our commit, or the tip.
            now: when the pass began.
        """
        if git is BranchState.UNKNOWN:
            # A person may break the repository while our commit waits: it is not published.
            return replace(self, git=git)
        since = None
        if git is BranchState.AWAY:
            since = now if self.away_since is None else self.away_since
        owing = self.owing or git is BranchState.PUBLISHED
        return replace(self, git=git, away_since=since, commit=commit, owing=owing)

    def lead(self) -> "Fallback":
        """The state after we gained the lead: whoever led before may have left something held."""
        return replace(self, owing=True, applied="", term=self.term + 1)

    def action(self, now: float) -> Action:
        """What to do now."""
        mode, git = self.policy.mode, self.git
        if mode is ApplyMode.NEVER or git is BranchState.UNKNOWN:
            return Action.NOTHING
        if git is BranchState.AWAY and now >= self.overrides_at:
            return Action.OVERRIDE
        if mode is ApplyMode.ALWAYS and self.applied != self.commit:
            return Action.APPLY
        if git is BranchState.AWAY:
            return Action.PREPARE
        # A remote that refuses has spoken: nobody is overridden. What is held stays so, since
        # its reconciler would put the old prefix back.
        if git is BranchState.REFUSED:
            return Action.NOTHING
        return Action.RELEASE if self.owing else Action.NOTHING

    def begin(self, action: Action) -> "Fallback":
        """The state before an action: one that fails half-way has touched something."""
        return replace(self, owing=True) if action in {Action.APPLY, Action.OVERRIDE} else self

    def done(self, action: Action, commit: str) -> "Fallback":
        """The state after an action that succeeded, for what `commit` holds."""
        match action:
            case Action.APPLY:
                return replace(self, applied=commit)
            case Action.RELEASE:
                # A later commit was published meanwhile, and may be what others hold.
                return replace(self, owing=self.owing and commit != self.commit)
            case _:
                return self

    @property
    def cares(self) -> bool:
        """Whether anything is to be done, now or later."""
        return self.action(inf) is not Action.NOTHING

    @property
    def overrides_at(self) -> float:
        """When reconcilers are overridden, if nothing else happens; inf is never."""
        if self.away_since is None or self.policy.mode is ApplyMode.NEVER:
            return inf
        return self.away_since + self.policy.after


_FIRST_SECONDS, _LAST_SECONDS = 1.0, 30.0
"""Between two tries of an object: doubled after each."""
_SCOUT_SECONDS = 2.0
"""Between two looks of one object at what its reconciler has."""
_RETRIED = {
    ObjectResult.FAILED,
    ObjectResult.FORBIDDEN,
    ObjectResult.NOT_LEADING,
    ObjectResult.WAITING,
}


@dataclass(frozen=True, slots=True)
class Round:
    """The objects of one action that are not done yet.

    Attributes:
        due: when each object is tried next, by the monotonic clock.
        tries: how often each failed.
        waiting: what each waits for; of those that wait for the same, one looks.
        term: in which it began (`Fallback.term`).
    """

    action: Action
    commit: str
    due: Mapping[ObjectId, float] = field(default_factory=dict)
    tries: Mapping[ObjectId, int] = field(default_factory=dict)
    waiting: Mapping[ObjectId, str] = field(default_factory=dict)
    term: int = 0

    @property
    def next_at(self) -> float:
        """When the next object is due; inf when all are done."""
        return min(self.due.values(), default=inf)

    def is_of(self, action: Action, state: Fallback) -> bool:
        """Whether it is of this action, and of the commit and term of a state."""
        return (self.action, self.commit, self.term) == (action, state.commit, state.term)

    def batch(self, now: float, most: int) -> tuple[ObjectId, ...]:
        """The objects to ask about now: those that failed least, and no others with them.

        One that hangs would keep back the reports on the others of its question.
        """
        due = [key for key, at in self.due.items() if at <= now]
        fewest = min((self.tries.get(key, 0) for key in due), default=0)
        return tuple(key for key in due if self.tries.get(key, 0) == fewest)[:most]

    def skip(self, key: ObjectId) -> "Round":
        """The round without an object."""
        return replace(self, due={other: at for other, at in self.due.items() if other != key})

    def learn(self, key: ObjectId, report: ObjectReport, now: float) -> "Round":
        """The round after one report."""
        due, tries, waiting = dict(self.due), dict(self.tries), dict(self.waiting)
        before = waiting.pop(key, None)
        waits = report.waits_for if report.result is ObjectResult.WAITING else None
        if before not in {None, waits}:
            # What it waited for has come: the others need not wait either.
            due |= {other: now for other, what in waiting.items() if what == before}
        if waits is not None:
            # One of those that wait for the same looks for them all: whoever is due soonest.
            soon = now + _SCOUT_SECONDS
            scouted = any(
                what == waits and due.get(other, inf) <= soon for other, what in waiting.items()
            )
            due[key] = now + _LAST_SECONDS if scouted else soon
            waiting[key] = waits
            return replace(self, due=due, waiting=waiting)
        if report.result not in _RETRIED:
            due.pop(key, None)
            return replace(self, due=due, waiting=waiting)
        tries[key] = tries.get(key, 0) + 1
        delay = min(_LAST_SECONDS, _FIRST_SECONDS * 2.0 ** (tries[key] - 1))
        if report.result is ObjectResult.FORBIDDEN:
            delay = _LAST_SECONDS
        due[key] = now + max(delay, report.retry_after)
        return replace(self, due=due, tries=tries, waiting=waiting)


MOST_REVERTS = 2
"""Reverts after which an object is left alone."""

_ADVICE = {
    "argocd": (
        "in its Application, ignoreDifferences needs managedFieldsManagers: [gitops-prefix] for "
        "this kind, and syncOptions needs RespectIgnoreDifferences=true and ServerSideApply=true"
    ),
    "kustomize-controller": (
        "it does not obey kustomize.toolkit.fluxcd.io/reconcile: disabled here: suspend its "
        "Kustomization while Git is away"
    ),
    "helm-controller": (
        "it does not obey helm.toolkit.fluxcd.io/driftDetection: disabled here: suspend its "
        "HelmRelease while Git is away"
    ),
}


@dataclass(frozen=True, slots=True)
class Reverts:
    """What we applied, and how often others put it back.

    Attributes:
        applied: the values, by object.
        counts: how often each was put back.
    """

    applied: Mapping[ObjectId, object] = field(default_factory=dict)
    counts: Mapping[ObjectId, int] = field(default_factory=dict)

    def may_apply(self, wanted: ApplyConfiguration) -> bool:
        """Whether the object may be applied, again or for the first time."""
        again = self.applied.get(wanted.object) == wanted.body
        return self.counts.get(wanted.object, 0) < (MOST_REVERTS - 1 if again else MOST_REVERTS)

    def stopped(self, wanted: ApplyConfiguration) -> bool:
        """Whether the object is left to whoever puts it back."""
        return self.counts.get(wanted.object, 0) >= MOST_REVERTS

    def learn(
        self, wanted: Iterable[ApplyConfiguration], reports: Iterable[ObjectReport]
    ) -> tuple["Reverts", tuple[ObjectReport, ...]]:
        """Count the objects that others put back, after an apply or its dry run.

        Args:
            wanted: what was asked for, in the order of the reports.
            reports: what came of each object.

        Returns:
            What is known now, and the reports of objects that are left alone from now on.
        """
        applied, counts = dict(self.applied), dict(self.counts)
        given_up = []
        for configuration, report in zip(wanted, reports, strict=True):
            key = configuration.object
            if report.result not in {ObjectResult.APPLIED, ObjectResult.WOULD_CHANGE}:
                continue
            if applied.get(key) == configuration.body:
                counts[key] = counts.get(key, 0) + 1
                if counts[key] == MOST_REVERTS:
                    given_up.append(replace(report, message=_advice(report)))
            if report.result is ObjectResult.APPLIED:
                applied[key] = configuration.body
        return Reverts(applied, counts), tuple(given_up)


def _advice(report: ObjectReport) -> str:
    owners = ", ".join(report.owners) or "somebody"
    fields = ", ".join(change.field for change in report.changes)
    said = f"{owners} put {fields} back {MOST_REVERTS} times; it is left alone now"
    for name, advice in _ADVICE.items():
        if any(owner.startswith(name) for owner in report.owners):
            return f"{said}: {advice} (docs/direct-apply.md)"
    return f"{said} (docs/direct-apply.md)"
