"""Stand-ins for Flux and Argo CD, which cannot run here: what they send to the API server, and when.

Not their code. Flux: fluxcd/pkg `ssa/manager_apply.go` (skip what the object in the cluster, or
the one in Git, is annotated with; else server-side apply with force). Argo CD: its manual,
"Diffing Customization" and "Sync Options" (compare without what is ignored; apply what differs,
or everything; with RespectIgnoreDifferences the ignored fields as the cluster has them). The
API server and its field ownership are real.
"""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from gitops_prefix.apply.ownership import owners
from gitops_prefix.render.node import value_at
from tests.apiserver import ApiServer

FLUX, ARGOCD = "kustomize-controller", "argocd-controller"
SSA = "kustomize.toolkit.fluxcd.io/ssa"
RECONCILE = "kustomize.toolkit.fluxcd.io/reconcile"
LABEL = "kustomize.toolkit.fluxcd.io/name"


@dataclass
class Flux:
    """A Kustomization that is reconciled when the test says so."""

    cluster: ApiServer
    suspended: bool = False

    def reconcile(self, kind: str, manifest: Mapping, namespace: str = "") -> None:
        """Apply one object of the repository."""
        desired = deepcopy(dict(manifest))
        desired["metadata"].setdefault("labels", {})[LABEL] = "network"
        live = find(self.cluster, kind, desired["metadata"]["name"], namespace)
        if self.suspended or self.skips(desired, live):
            return
        self.cluster.apply(desired, manager=FLUX, force=True)

    @staticmethod
    def skips(desired: Mapping, live: Mapping | None) -> bool:
        for one in filter(None, (desired, live)):
            annotations = one["metadata"].get("annotations") or {}
            if annotations.get(RECONCILE) == "disabled" or annotations.get(SSA) == "Ignore":
                return True
        annotations = desired["metadata"].get("annotations") or {}
        return live is not None and annotations.get(SSA) == "IfNotPresent"


@dataclass
class ArgoCD:
    """An Application with self-heal, that is reconciled when the test says so.

    Attributes:
        spec: of the Application.
    """

    cluster: ApiServer
    spec: Mapping = field(default_factory=dict)

    @property
    def options(self) -> list[str]:
        return self.spec.get("syncPolicy", {}).get("syncOptions", [])

    def reconcile(self, kind: str, manifest: Mapping, namespace: str = "") -> None:
        """Self-heal: sync when something differs that is not ignored."""
        live = find(self.cluster, kind, manifest["metadata"]["name"], namespace)
        if live is None or self.differs(manifest, live):
            self.sync(kind, manifest, namespace)

    def sync(self, kind: str, manifest: Mapping, namespace: str = "") -> None:
        """Apply it, whether it differs or not: a person pressed the button, or a hook ran."""
        live = find(self.cluster, kind, manifest["metadata"]["name"], namespace)
        desired = self.respected(manifest, live)
        if "ServerSideApply=true" in self.options:
            self.cluster.apply(desired, manager=ARGOCD, force=True)
        else:
            words = ["apply", f"--field-manager={ARGOCD}", "-f", "-"]
            self.cluster.kubectl(*words, stdin=json.dumps(desired))

    def respected(self, manifest: Mapping, live: Mapping | None) -> dict:
        """What it sends: with RespectIgnoreDifferences the ignored fields as the cluster has them."""
        desired = deepcopy(dict(manifest))
        if live is not None and "RespectIgnoreDifferences=true" in self.options:
            for path in self._ignored(desired, live):
                _put(desired, path, value_at(live, path))
        return desired

    def differs(self, desired: Mapping, live: Mapping) -> bool:
        """Whether a field differs that is not ignored."""
        ignored = set(self._ignored(desired, live))
        return any(
            value_at(live, path) != value for path, value in leaves(desired) if path not in ignored
        )

    def _ignored(self, desired: Mapping, live: Mapping) -> Iterator[tuple[str, ...]]:
        rules = [
            rule
            for rule in self.spec.get("ignoreDifferences", [])
            if rule.get("group") in {"*", desired["apiVersion"].rpartition("/")[0]}
            and rule.get("kind") in {"*", desired["kind"]}
        ]
        for path, _ in leaves(desired):
            pointer = "/" + "/".join(one.replace("/", "~1") for one in path)
            for rule in rules:
                trusted = set(rule.get("managedFieldsManagers", []))
                if pointer in rule.get("jsonPointers", []) or trusted & set(owners(live, path)):
                    yield path
                    break


def leaves(value: Mapping, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each field that is no mapping: a list counts as one."""
    for key, below in value.items():
        if isinstance(below, Mapping) and below:
            yield from leaves(below, (*path, key))
        else:
            yield (*path, key), below


def find(cluster: ApiServer, kind: str, name: str, namespace: str) -> dict | None:
    words = ["get", kind, name, *(["-n", namespace] if namespace else [])]
    there = cluster.ask(*words).returncode == 0
    return cluster.get(kind, name, namespace) if there else None


def _put(document: dict, path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value
