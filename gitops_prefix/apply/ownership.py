"""PURE: who owns a field of a live object, which reconciler claims the object, how to hold it.

kubernetes.io, "Server-Side Apply": in `metadata.managedFields`, `f:NAME` is a field, `k:{…}`
and `v:…` are items of a list with keys, `.` is the field itself.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gitops_prefix.decide.fields import Path, dotted, nearest
from gitops_prefix.render.node import Value

Object = dict[str, Any]
"""An object as the API server writes it in JSON."""

FIELD_MANAGER = "gitops-prefix"
"""Our name. Never one that begins with `kubectl`: Flux takes over the fields of those."""

NOBODY = frozenset({"kubectl-client-side-apply", "before-first-apply"})
"""What `kubectl apply` leaves, and what existed before anybody applied: no claim on a field."""

RECONCILERS = frozenset(
    {
        # Flux
        "kustomize-controller",
        "helm-controller",
        "flux",
        "flux-client-side-apply",
        # Argo CD
        "argocd-controller",
        "argocd-application-controller",
    }
)
"""They put Git's value back by themselves; any other manager's field is somebody's wish."""

_Fields = Mapping[str, Any]


class _Kind(NamedTuple):
    api_version: str
    kind: str
    plural: str


_KINDS: Mapping[str, _Kind] = {
    "gitrepository": _Kind("source.toolkit.fluxcd.io/v1", "GitRepository", "gitrepositories"),
    "kustomization": _Kind("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "kustomizations"),
    "application": _Kind("argoproj.io/v1alpha1", "Application", "applications"),
}
KINDS = tuple(_KINDS)
"""What a reconcile request may name."""

_NAMESPACED_NAME = re.compile(
    r"([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)/([a-z0-9](?:[-.a-z0-9]*[a-z0-9])?)"
)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """An object that a reconciler watches, and that can ask it to look now.

    Flux: `reconcile.fluxcd.io/requestedAt`, a time, as `flux reconcile` writes it. Argo CD:
    `argocd.argoproj.io/refresh: normal`, which Argo CD removes when it has looked.
    """

    api_version: str
    kind: str
    plural: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    def annotation(self, now: datetime) -> tuple[str, str]:
        """What asks for a look: key and value. A time that was there before asks for nothing."""
        if self.kind == "Application":
            return "argocd.argoproj.io/refresh", "normal"
        return "reconcile.fluxcd.io/requestedAt", f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def pause_of(live: Object) -> str:
    """Why what a reconciler is asked to look at is not applied by itself; empty when it is.

    argo-cd.readthedocs.io, "Automated Sync Policy"; fluxcd.io, "Suspend".
    """
    spec = live.get("spec") or {}
    if live.get("kind") == "Application":
        automated = (spec.get("syncPolicy") or {}).get("automated")
        waits = automated is None or automated.get("enabled") is False
        return "it has no automated sync, so a commit waits for a person" if waits else ""
    return "it is suspended, so a commit waits for a person" if spec.get("suspend") else ""


def parse_reconciled(text: str) -> Reconciled:
    """Read `KIND:NAMESPACE/NAME`.

    Raises:
        ValueError: the text has another form; the message says how to write it.
    """
    word, _, rest = text.partition(":")
    kind = _KINDS.get(word.lower())
    found = _NAMESPACED_NAME.fullmatch(rest)
    if kind is None or found is None:
        raise ValueError(
            f'"{text}" is not KIND:NAMESPACE/NAME: write "gitrepository:flux-system/flux-system", '
            f"for example (kinds: {', '.join(KINDS)})"
            + (nearest(word.lower(), KINDS) if kind is None else "")
        )
    return Reconciled(*kind, found[1], found[2])


class ReconcilerClaim(NamedTuple):
    """The reconciler that an object's label or annotation names.

    Attributes:
        managers: the names under which the reconciler applies.
        hold: the annotation that keeps the reconciler away, and its value; None where the
            reconciler is configured for it once (Argo CD, docs/direct-apply.md).
        reconciled: what shows which commit the reconciler has; None when nothing does.
    """

    managers: tuple[str, ...]
    hold: tuple[str, str] | None
    reconciled: Reconciled | None


# fluxcd.io: "Kustomization", "Controlling the apply behavior of resources"; "HelmRelease",
# "Drift detection".
_KUSTOMIZE, _HELM = "kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"
_TRACKING_ID = "argocd.argoproj.io/tracking-id"
ARGOCD_NAMESPACE = "argocd"
HOLDS: Mapping[str, str] = {
    f"{_KUSTOMIZE}/reconcile": "disabled",
    f"{_HELM}/driftDetection": "disabled",
}
"""The annotations that hold a reconciler, with the value that does."""


def claim_of(live: Object) -> ReconcilerClaim | None:
    """The reconciler that claims an object by a label or an annotation; None when none does."""
    metadata = live["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    name, namespace = labels.get(f"{_KUSTOMIZE}/name"), labels.get(f"{_KUSTOMIZE}/namespace")
    if name:
        reconciled = Reconciled(*_KINDS["kustomization"], namespace, name) if namespace else None
        hold = f"{_KUSTOMIZE}/reconcile"
        return ReconcilerClaim(("kustomize-controller",), (hold, HOLDS[hold]), reconciled)
    if labels.get(f"{_HELM}/name"):
        hold = f"{_HELM}/driftDetection"
        return ReconcilerClaim(("helm-controller",), (hold, HOLDS[hold]), None)
    application, colon, _ = str(annotations.get(_TRACKING_ID) or "").partition(":")
    if colon and application:
        # "Applications in any namespace": NAMESPACE_NAME. A name has no underscore.
        namespace, _, name = application.rpartition("_")
        reconciled = Reconciled(*_KINDS["application"], namespace or ARGOCD_NAMESPACE, name)
        return ReconcilerClaim(
            ("argocd-controller", "argocd-application-controller"), None, reconciled
        )
    return None


def inventory_id(live: Object) -> str:
    """How Flux's inventories name an object: fluxcd.io, "Kustomization", "Inventory"."""
    metadata = live["metadata"]
    group = live["apiVersion"].rpartition("/")[0]
    name = metadata["name"].replace(":", "__")
    return f"{metadata.get('namespace', '')}_{name}_{group}_{live['kind']}"


def holds_for(live: Object) -> dict[str, str]:
    """The annotations to apply beside the managed fields; one that its author set is kept."""
    claim = claim_of(live)
    if claim is None or claim.hold is None:
        return {}
    key, value = claim.hold
    annotations = live["metadata"].get("annotations") or {}
    return {key: value} if key not in annotations or key in our_holds(live) else {}


def our_holds(live: Object) -> list[str]:
    """The annotations that hold a reconciler, where we set them."""
    ours = our_fields(live)
    annotations = live["metadata"].get("annotations") or {}
    return [
        key
        for key, value in HOLDS.items()
        if annotations.get(key) == value and ("metadata", "annotations", key) in ours
    ]


def our_entries(live: Object) -> list[int]:
    """Where our entries stand in `metadata.managedFields`."""
    entries = enumerate(_entries(live))
    return [index for index, entry in entries if entry.get("manager") == FIELD_MANAGER]


def our_fields(live: Object) -> set[tuple[str, ...]]:
    """The paths of every field that we own; for an item of a list, the outermost list."""
    entries = _entries(live)
    return {
        path
        for index in our_entries(live)
        for path in _leaves(entries[index].get("fieldsV1") or {})
    }


def owners(live: Object, path: Sequence[str]) -> list[str]:
    """The managers that own a field, or any part of the field."""
    return sorted(
        {
            str(entry.get("manager"))
            for entry in _entries(live)
            if _owns(entry.get("fieldsV1") or {}, path)
        }
    )


def release_patch(live: Object) -> list[dict[str, Any]]:
    """A JSON patch that releases what is ours: no value changes, and our holds go.

    Our entry is merged into the reconciler's, so that the reconciler owns the field again and
    removes it when Git does. Applying without the field would delete the field where nobody
    else owns it. Where no reconciler has an entry, ours is removed and the value stays.

    Returns:
        An empty list when nothing is ours.
    """
    indices = our_entries(live)
    if not indices:
        return []
    entries = _entries(live)
    version = live["metadata"]["resourceVersion"]
    patch: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version}
    ]
    for key in our_holds(live):
        pointer = key.replace("~", "~0").replace("/", "~1")
        patch.append({"op": "remove", "path": f"/metadata/annotations/{pointer}"})
    if len(indices) == len(entries):
        # An empty list is ignored by the server; this says that nobody owns anything.
        return [*patch, {"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    heir = _heir(live)
    if heir is not None:
        merged = _merged(entries[heir], [entries[index] for index in indices])
        pointer = f"/metadata/managedFields/{heir}/fieldsV1"
        patch.append({"op": "replace", "path": pointer, "value": merged})
    removed = (f"/metadata/managedFields/{index}" for index in reversed(indices))
    return [*patch, *({"op": "remove", "path": pointer} for pointer in removed)]


def differences(before: Value, after: Value, managed: Collection[Path]) -> list[str]:
    """The paths that differ, dotted, without managed fields and what the server counts."""
    return list(_differences(before, after, {*managed, *_THE_SERVERS_OWN}, ()))


_THE_SERVERS_OWN: tuple[Path, ...] = (
    ("metadata", "managedFields"),
    ("metadata", "resourceVersion"),
    ("metadata", "generation"),
)


def _differences(
    before: Value, after: Value, allowed: Collection[Path], path: Path
) -> Iterator[str]:
    if path in allowed or before == after:
        return
    # A mapping that does not exist has no entries.
    old = {} if before is None and isinstance(after, dict) else before
    new = {} if after is None and isinstance(before, dict) else after
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _differences(old.get(key), new.get(key), allowed, (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (item, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(item, other, allowed, (*path, index))
    else:
        yield dotted(path)


def _entries(live: Object) -> list[Any]:
    return live["metadata"].get("managedFields") or []


def _heir(live: Object) -> int | None:
    """The reconciler's entry that takes ours over: of the claim, else of any reconciler."""
    claim, entries = claim_of(live), _entries(live)
    ours = entries[our_entries(live)[0]].get("apiVersion")
    names: Iterable[str] = claim.managers if claim is not None else RECONCILERS
    fit = [
        (entry.get("operation") != "Apply", index)
        for index, entry in enumerate(entries)
        if entry.get("manager") in names
        and not entry.get("subresource")
        # The same field may have another path in another version.
        and entry.get("apiVersion") == ours
    ]
    return min(fit)[1] if fit else None


def _merged(heir: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = deepcopy(dict(heir.get("fieldsV1") or {}))
    for entry in entries:
        fields = deepcopy(dict(entry.get("fieldsV1") or {}))
        annotations = (fields.get("f:metadata") or {}).get("f:annotations") or {}
        for key in HOLDS:
            annotations.pop(f"f:{key}", None)
        _merge(merged, fields)
    return merged


def _merge(into: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for key, below in fields.items():
        _merge(into.setdefault(key, {}), below)


def _leaves(fields: _Fields, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, below in fields.items():
        if key == ".":
            continue
        if not key.startswith("f:"):
            yield path
            continue
        step = (*path, key.removeprefix("f:"))
        if any(name != "." for name in below):
            yield from _leaves(below, step)
        else:
            yield step


def _owns(fields: _Fields, path: Sequence[str]) -> bool:
    for key in path:
        below = fields.get(f"f:{key}")
        if below is None:
            return False
        if not below:
            # A leaf: the field itself, or an atomic mapping around it.
            return True
        fields = below
    return True
