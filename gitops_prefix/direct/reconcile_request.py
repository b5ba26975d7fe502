"""Asking a reconciler of the cluster to look now: whom, and by which annotation.

Flux: `reconcile.fluxcd.io/requestedAt`, a time, as `flux reconcile` writes it. Argo CD:
`argocd.argoproj.io/refresh: normal`, which it removes when it has looked.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gitops_prefix.decide.fields import nearest

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
