"""PURE: who owns a field of a live object, and how a reconciler is held or asked to look.

kubernetes.io, "Server-Side Apply": in `metadata.managedFields`, `f:NAME` is a field, `k:{…}`
and `v:…` are items of a list with keys, `.` is the field itself.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gitops_prefix.decide.fields import Path, dotted, nearest
from gitops_prefix.render.node import Value

Object = dict[str, Any]
"""An object as the API server writes it in JSON."""

FIELD_MANAGER = "gitops-prefix"
"""Our name. Never one that begins with `kubectl`: Flux takes over the fields of those."""

_Fields = Mapping[str, Any]


def our_entries(live: Object) -> list[int]:
    """Where our entries stand in `metadata.managedFields`."""
    entries = enumerate(_entries(live))
    return [index for index, one in entries if one.get("manager") == FIELD_MANAGER]


def our_fields(live: Object) -> set[tuple[str, ...]]:
    """The paths of every field that we own; of an item of a list that of the outermost list."""
    entries = _entries(live)
    return {
        path
        for index in our_entries(live)
        for path in _leaves(entries[index].get("fieldsV1") or {})
    }


def owners(live: Object, path: Sequence[str]) -> list[str]:
    """The managers that own a field, or any part of it."""
    return sorted(
        {
            str(one.get("manager"))
            for one in _entries(live)
            if _owns(one.get("fieldsV1") or {}, path)
        }
    )


def release_patch(live: Object, holds: Mapping[str, str]) -> list[dict[str, Any]]:
    """A JSON patch that gives back what is ours, and no value but our holds goes.

    Applying without a field would delete it where nobody else owns it; so the entry is
    removed, and the value stays for whoever applies it next.

    Args:
        live: the object.
        holds: annotations by which reconcilers are held, with their value.

    Returns:
        Nothing when nothing is ours.
    """
    indices = our_entries(live)
    if not indices:
        return []
    metadata = live["metadata"]
    version = metadata["resourceVersion"]
    patch: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version}
    ]
    for key in our_holds(live, holds):
        pointer = key.replace("~", "~0").replace("/", "~1")
        patch.append({"op": "remove", "path": f"/metadata/annotations/{pointer}"})
    if len(indices) == len(_entries(live)):
        # An empty list says nothing to the server; this says that nobody owns anything.
        return [*patch, {"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    removed = (f"/metadata/managedFields/{index}" for index in reversed(indices))
    return [*patch, *({"op": "remove", "path": pointer} for pointer in removed)]


def our_holds(live: Object, holds: Mapping[str, str]) -> list[str]:
    """The annotations that hold a reconciler, where we set them."""
    ours = our_fields(live)
    annotations = live["metadata"].get("annotations") or {}
    return [
        key
        for key, value in holds.items()
        if annotations.get(key) == value and ("metadata", "annotations", key) in ours
    ]


def _entries(live: Object) -> list[Any]:
    return live["metadata"].get("managedFields") or []


def _leaves(fields: _Fields, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, below in fields.items():
        if key == ".":
            continue
        if not key.startswith("f:"):
            yield path
            continue
        step = (*path, key.removeprefix("f:"))
        if any(one != "." for one in below):
            yield from _leaves(below, step)
        else:
            yield step


def _owns(fields: _Fields, path: Sequence[str]) -> bool:
    for key in path:
        below = fields.get(f"f:{key}")
        if below is None:
            return False
        fields = below
    return True


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
        # what both make of `kubectl apply`, and what was there before anybody applied
        "kubectl-client-side-apply",
        "before-first-apply",
    }
)
"""They put Git's value back by themselves; anybody else's field is somebody's wish."""

_MANAGER = re.compile(r'conflict with "([^"]*)"')


class Conflict(NamedTuple):
    """One field of another manager.

    Attributes:
        field: as the server writes it: `.spec.blocks`.
    """

    manager: str
    field: str

    @property
    def of_a_reconciler(self) -> bool:
        """Whether it may be taken over while Git is away."""
        return self.manager in RECONCILERS


def read_conflicts(causes: Iterable[Mapping[str, str]]) -> tuple[Conflict, ...]:
    """The conflicts among the causes of a Status; none when it was refused for something else."""
    return tuple(
        Conflict(found[1], cause.get("field", ""))
        for cause in causes
        if cause.get("reason") == "FieldManagerConflict"
        and (found := _MANAGER.search(cause.get("message", "")))
    )


def is_about(conflict: Conflict, path: Iterable[str]) -> bool:
    """Whether a conflict is about a field, something in it, or what it stands in."""
    field = "".join(f".{key}" for key in path)
    other = conflict.field
    return (
        other == field
        or other.startswith((f"{field}.", f"{field}["))
        or field.startswith(f"{other}.")
    )


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


_THE_SERVERS_OWN: tuple[Path, ...] = (
    ("metadata", "managedFields"),
    ("metadata", "resourceVersion"),
    ("metadata", "generation"),
)


def differences(before: Value, after: Value, managed: Collection[Path]) -> list[str]:
    """The paths that differ, dotted, but for managed fields and what the server counts."""
    return list(_differences(before, after, {*managed, *_THE_SERVERS_OWN}, ()))


def _differences(
    before: Value, after: Value, allowed: Collection[Path], path: Path
) -> Iterator[str]:
    if path in allowed or before == after:
        return
    # A mapping that is not there is one without entries.
    old = {} if before is None and isinstance(after, dict) else before
    new = {} if after is None and isinstance(before, dict) else after
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _differences(old.get(key), new.get(key), allowed, (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, other, allowed, (*path, index))
    else:
        yield dotted(path)


_NAMESPACED_NAME = re.compile(
    r"([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)/([a-z0-9](?:[-.a-z0-9]*[a-z0-9])?)"
)


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
"""What a request may be for."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """An object that a reconciler watches."""

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

    def request(self, now: datetime) -> dict[str, Any]:
        """As JSON, for the process that talks to the cluster."""
        key, value = self.annotation(now)
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "plural": self.plural,
            "namespace": self.namespace,
            "name": self.name,
            "annotations": {key: value},
        }


def parse_reconciled(text: str) -> Reconciled:
    """`KIND:NAMESPACE/NAME`.

    Raises:
        ValueError: it is not that, with how to write it.
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
