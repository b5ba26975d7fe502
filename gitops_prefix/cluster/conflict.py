"""PURE: who owns what we want to apply, and whose fields may be taken over.

The server answers 409 with one cause for each field of another manager (kubernetes.io,
"Server-Side Apply", "Conflicts").
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

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
