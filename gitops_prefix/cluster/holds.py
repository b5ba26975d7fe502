"""PURE: how a reconciler is told to leave an object alone for the time being.

fluxcd.io: "Kustomization", "Controlling the apply behavior of resources"; "HelmRelease",
"Drift detection". Argo CD is told once, in its Application (docs/direct-apply.md).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gitops_prefix.cluster.api_object import Object
from gitops_prefix.cluster.ownership import our_holds


class _Hold(NamedTuple):
    label: str
    """An object that carries it is the reconciler's."""
    annotation: str
    value: str


_TABLE = (
    _Hold("kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/reconcile", "disabled"),
    _Hold("helm.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/driftDetection", "disabled"),
)
HOLDS: Mapping[str, str] = {one.annotation: one.value for one in _TABLE}
"""The annotations, with the value that holds."""


def holds_for(live: Object) -> dict[str, str]:
    """The annotations to apply beside the managed fields; one that its author set is theirs."""
    return dict(_wanted(live))


def _wanted(live: Object) -> Iterator[tuple[str, str]]:
    metadata = live["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    ours = our_holds(live, HOLDS)
    for one in _TABLE:
        if one.label in labels and (one.annotation not in annotations or one.annotation in ours):
            yield one.annotation, one.value
