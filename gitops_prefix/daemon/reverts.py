"""PURE: what somebody put back after we applied it; twice, and it is left to them (DESIGN 6)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gitops_prefix.direct.configuration import ApplyConfiguration, Identity
from gitops_prefix.direct.report import Report, Standing

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

    applied: Mapping[Identity, object] = field(default_factory=dict)
    counts: Mapping[Identity, int] = field(default_factory=dict)

    def may_apply(self, wanted: ApplyConfiguration) -> bool:
        """Whether it may be applied, again or for the first time."""
        again = self.applied.get(wanted.object) == wanted.body
        return self.counts.get(wanted.object, 0) < (MOST - 1 if again else MOST)

    def stopped(self, wanted: ApplyConfiguration) -> bool:
        """Whether it is left to whoever puts it back."""
        return self.counts.get(wanted.object, 0) >= MOST

    def learn(
        self, wanted: Iterable[ApplyConfiguration], reports: Iterable[Report]
    ) -> tuple["Reverts", tuple[Report, ...]]:
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
            if report.standing not in {Standing.APPLIED, Standing.WOULD_CHANGE}:
                continue
            if applied.get(key) == one.body:
                counts[key] = counts.get(key, 0) + 1
                if counts[key] == MOST:
                    given_up.append(replace(report, message=_advice(report)))
            if report.standing is Standing.APPLIED:
                applied[key] = one.body
        return Reverts(applied, counts), tuple(given_up)


def _advice(report: Report) -> str:
    owners = ", ".join(report.owners) or "somebody"
    fields = ", ".join(change.field for change in report.changes)
    said = f"{owners} put {fields} back {MOST} times; it is left alone now"
    for name, advice in _ADVICE.items():
        if any(one.startswith(name) for one in report.owners):
            return f"{said}: {advice} (docs/direct-apply.md)"
    return f"{said} (docs/direct-apply.md)"
