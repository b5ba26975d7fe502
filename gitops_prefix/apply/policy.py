"""PURE: when the daemon applies directly, when it releases, and when it gives up on an object.

`Fallback` is a state machine over what each pass found and the time. `Reverts` counts what
others put back after we applied it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from math import inf

from gitops_prefix.apply.fields import ApplyConfiguration, ObjectId, ObjectReport, ObjectResult


class ApplyMode(StrEnum):
    """What `--apply` takes."""

    NEVER = "never"
    FALLBACK = "fallback"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class ApplyPolicy:
    """Whether and when.

    Attributes:
        after: how long Git must be behind before reconcilers are overridden, in seconds.
    """

    mode: ApplyMode = ApplyMode.NEVER
    after: float = 60.0


class BranchState(Enum):
    """What the last pass says about the branch."""

    RIGHT = "it holds what was decided"
    PUBLISHED = "it does since this pass"
    BEHIND = "our commit waits"
    UNKNOWN = "it could not be read, or is not ours to write"


class Action(Enum):
    """What to do now."""

    NOTHING = "nothing"
    PREPARE = "have the child ready"
    APPLY = "apply, and leave alone what a reconciler owns"
    OVERRIDE = "apply, and hold the reconcilers"
    RELEASE = "give back"


@dataclass(frozen=True, slots=True)
class Fallback:
    """What is remembered.

    Attributes:
        policy: as configured.
        behind_since: since when our commit waits; None when none does.
        owing: whether something of ours may be in the cluster. At the start it may: the
            daemon before us may have been killed. After a publication, too: another
            daemon may have applied, and be gone.
        commit: what is to be in the cluster, as Git names it.
        applied: what was last applied without overriding anybody.
    """

    policy: ApplyPolicy
    git: BranchState = BranchState.UNKNOWN
    behind_since: float | None = None
    owing: bool = True
    commit: str = ""
    applied: str = ""

    def see(self, git: BranchState, commit: str, now: float) -> "Fallback":
        """After a pass.

        Args:
            git: what it says about the branch.
            commit: what it stands for: ours, or the tip.
            now: when the pass began.
        """
        if git is BranchState.UNKNOWN:
            # A person may break the repository while our commit waits: it is not published.
            return replace(self, git=git)
        since = None
        if git is BranchState.BEHIND:
            since = now if self.behind_since is None else self.behind_since
        owing = self.owing or git is BranchState.PUBLISHED
        return replace(self, git=git, behind_since=since, commit=commit, owing=owing)

    def action(self, now: float) -> Action:
        """What to do now."""
        if self.policy.mode is ApplyMode.NEVER or self.git is BranchState.UNKNOWN:
            return Action.NOTHING
        if self.git is BranchState.BEHIND and now >= self.overrides_at:
            return Action.OVERRIDE
        if self.policy.mode is ApplyMode.ALWAYS and self.applied != self.commit:
            return Action.APPLY
        if self.git is BranchState.BEHIND:
            return Action.PREPARE
        return Action.RELEASE if self.owing else Action.NOTHING

    def begin(self, action: Action) -> "Fallback":
        """Before an action: an apply that fails half-way has touched something all the same."""
        return replace(self, owing=True) if action in {Action.APPLY, Action.OVERRIDE} else self

    def done(self, action: Action, commit: str) -> "Fallback":
        """After an action that succeeded, for what `commit` holds."""
        match action:
            case Action.APPLY:
                return replace(self, applied=commit)
            case Action.RELEASE:
                return replace(self, owing=False)
            case _:
                return self

    @property
    def cares(self) -> bool:
        """Whether anything is to be done, now or later."""
        return self.action(inf) is not Action.NOTHING

    @property
    def overrides_at(self) -> float:
        """When reconcilers are overridden, if nothing else happens; inf is never."""
        if self.behind_since is None or self.policy.mode is ApplyMode.NEVER:
            return inf
        return self.behind_since + self.policy.after


MOST = 2
"""Reverts after which we stop."""

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
    """What we applied, and how often it was put back.

    Attributes:
        applied: the values, by object.
        counts: how often each was put back.
    """

    applied: Mapping[ObjectId, object] = field(default_factory=dict)
    counts: Mapping[ObjectId, int] = field(default_factory=dict)

    def may_apply(self, wanted: ApplyConfiguration) -> bool:
        """Whether it may be applied, again or for the first time."""
        again = self.applied.get(wanted.object) == wanted.body
        return self.counts.get(wanted.object, 0) < (MOST - 1 if again else MOST)

    def stopped(self, wanted: ApplyConfiguration) -> bool:
        """Whether it is left to whoever puts it back."""
        return self.counts.get(wanted.object, 0) >= MOST

    def learn(
        self, wanted: Iterable[ApplyConfiguration], reports: Iterable[ObjectReport]
    ) -> tuple["Reverts", tuple[ObjectReport, ...]]:
        """After an apply, or a dry run of one.

        Args:
            wanted: what was asked for, in the order of the reports.
            reports: what came of each.

        Returns:
            What is known now, and the reports of those that were put back once too often.
        """
        applied, counts = dict(self.applied), dict(self.counts)
        given_up = []
        for one, report in zip(wanted, reports, strict=True):
            key = one.object
            if report.standing not in {ObjectResult.APPLIED, ObjectResult.WOULD_CHANGE}:
                continue
            if applied.get(key) == one.body:
                counts[key] = counts.get(key, 0) + 1
                if counts[key] == MOST:
                    given_up.append(replace(report, message=_advice(report)))
            if report.standing is ObjectResult.APPLIED:
                applied[key] = one.body
        return Reverts(applied, counts), tuple(given_up)


def _advice(report: ObjectReport) -> str:
    owners = ", ".join(report.owners) or "somebody"
    fields = ", ".join(change.field for change in report.changes)
    said = f"{owners} put {fields} back {MOST} times; it is left alone now"
    for name, advice in _ADVICE.items():
        if any(one.startswith(name) for one in report.owners):
            return f"{said}: {advice} (docs/direct-apply.md)"
    return f"{said} (docs/direct-apply.md)"
