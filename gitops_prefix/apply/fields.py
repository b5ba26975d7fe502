"""PURE: what direct apply sends: the managed fields of each object, and what came of each.

kubernetes.io, "Server-Side Apply": a manager sends the fields that it has an opinion about.
The values are read from the files that the commit holds. The daemon and its child process
exchange these values; `protocol` says how.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from typing import Any

from gitops_prefix.decide.fields import Path
from gitops_prefix.errors import Severity
from gitops_prefix.render.binding import Binding
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.manifest import NAME, Manifest
from gitops_prefix.render.node import Value, value_at
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import SETTINGS_FILE, read_settings

LOCAL_CONFIG = "config.kubernetes.io/local-config"
_NOT_IN_A_CLUSTER = "kustomize.config.k8s.io"

# What becomes part of a URL: never a slash, a dot alone, or a percent sign.
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_API_VERSION = re.compile(r"([a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?/)?v[0-9]+((alpha|beta)[0-9]+)?")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")


@dataclass(frozen=True, slots=True)
class ManagedField:
    """One managed field.

    Attributes:
        path: keys, and indices where it stands in a list.
        value: what it is to be.
    """

    path: Path
    value: Value

    @property
    def applied(self) -> tuple[str, ...]:
        """The keys to what is sent: the field, or the outermost list that it stands in.

        A list without keys of its own is atomic: it is applied whole, or not at all.
        """
        return tuple(str(step) for step in takewhile(lambda one: isinstance(one, str), self.path))


ObjectId = tuple[str, str, str, str]
"""Which object: apiVersion, kind, namespace, name."""


@dataclass(frozen=True, slots=True)
class ApplyConfiguration:
    """The managed fields of one object.

    Attributes:
        file: where the object stands, for people.
        namespace: empty when the file names none.
        follows: the DynamicPrefix that the object's own annotation names; empty when
            markers alone bind it.
        body: the applied fields as the object holds them, and nothing else.
    """

    file: str
    api_version: str
    kind: str
    namespace: str
    name: str
    follows: str
    fields: tuple[ManagedField, ...]
    body: Mapping[str, Value]

    @property
    def object(self) -> ObjectId:
        """Which object it is of."""
        return self.api_version, self.kind, self.namespace, self.name

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "file": self.file,
            "apiVersion": self.api_version,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "follows": self.follows,
            "fields": [{"path": list(one.path), "value": one.value} for one in self.fields],
            "body": self.body,
        }


def read_configuration(document: Mapping[str, Any]) -> ApplyConfiguration:
    """What `document` wrote."""
    fields = (ManagedField(tuple(one["path"]), one["value"]) for one in document["fields"])
    return ApplyConfiguration(
        document["file"],
        document["apiVersion"],
        document["kind"],
        document["namespace"],
        document["name"],
        document["follows"],
        tuple(fields),
        document["body"],
    )


def apply_configurations(inventory: Inventory) -> tuple[ApplyConfiguration, ...]:
    """What to apply so that the cluster holds what the files do.

    Left out are a DynamicPrefix's status, which lives in Git; what waits for a first
    prefix; documents that are no object of a cluster (Helm values, a kustomization,
    what kustomize keeps local); and objects that are not there yet.

    Args:
        inventory: of rendered files, without errors.

    Returns:
        One for each document, in the order of the files.
    """
    decided = {name for name, one in inventory.dynamic_prefixes.items() if one.status is not None}
    bound: dict[tuple[str, int], list[Binding]] = {}
    for binding in inventory.bindings:
        if binding.dynamic_prefix in decided and _is_object(binding.manifest):
            bound.setdefault((binding.path, binding.manifest.span.number), []).append(binding)
    made = (_configuration(one[0].manifest, one) for one in bound.values())
    return tuple(one for one in made if one.fields)


def to_apply(files: Mapping[str, bytes]) -> tuple[ApplyConfiguration, ...]:
    """What direct apply sends, so that a cluster holds what the files of a commit do.

    Raises:
        InputError: the settings cannot be read.
    """
    return apply_configurations(read_inventory(files, read_settings(files.get(SETTINGS_FILE))))


def _is_object(manifest: Manifest) -> bool:
    namespace = manifest.namespace
    return (
        bool(_API_VERSION.fullmatch(manifest.api_version))
        and bool(_KIND.fullmatch(manifest.kind))
        and bool(_NAME.fullmatch(manifest.name))
        and (not namespace or bool(_LABEL.fullmatch(namespace)))
        and manifest.group != _NOT_IN_A_CLUSTER
        and manifest.annotations.get(LOCAL_CONFIG) != "true"
    )


def _configuration(manifest: Manifest, bindings: Iterable[Binding]) -> ApplyConfiguration:
    fields = tuple(_fields(manifest, bindings))
    body: dict[str, Any] = {}
    for keys in dict.fromkeys(one.applied for one in fields):
        _put(body, keys, value_at(manifest.content, keys))
    return ApplyConfiguration(
        manifest.path,
        manifest.api_version,
        manifest.kind,
        manifest.namespace,
        manifest.name,
        str(manifest.annotations.get(NAME) or ""),
        fields,
        body,
    )


def _fields(manifest: Manifest, bindings: Iterable[Binding]) -> Iterator[ManagedField]:
    for binding in bindings:
        for path in binding.fields_in_cluster:
            value = value_at(manifest.content, path)
            if value is not None:
                yield ManagedField(path, value)


def _put(body: dict[str, Any], keys: tuple[str, ...], value: Value) -> None:
    for key in keys[:-1]:
        body = body.setdefault(key, {})
    body[keys[-1]] = value


class ObjectResult(StrEnum):
    """What came of an object."""

    APPLIED = "applied"
    WOULD_CHANGE = "would-change"
    """As a dry run says it."""
    UNCHANGED = "unchanged"
    RELEASED = "released"
    WAITING = "waiting"
    """It is given back when the reconciler has the commit."""
    MISSING = "missing"
    NOT_INSTALLED = "not-installed"
    ANOTHER = "another"
    """It has the name, and is not the one that the file means."""
    CONFLICT = "conflict"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"
    """By us: more than the managed fields would change."""
    FAILED = "failed"


SEVERITIES: Mapping[ObjectResult, Severity] = {
    ObjectResult.MISSING: Severity.WARNING,
    ObjectResult.NOT_INSTALLED: Severity.WARNING,
    ObjectResult.ANOTHER: Severity.WARNING,
    ObjectResult.CONFLICT: Severity.WARNING,
    ObjectResult.FORBIDDEN: Severity.ERROR,
    ObjectResult.REFUSED: Severity.ERROR,
    ObjectResult.FAILED: Severity.ERROR,
}
"""What is wrong with an object, and how much it weighs; the others are as they should be."""


@dataclass(frozen=True, slots=True)
class LiveChange:
    """A managed field that the cluster holds otherwise.

    Attributes:
        before: in the cluster; None when it is not there.
        after: in the file.
    """

    field: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class ObjectReport:
    """What came of one object.

    Attributes:
        message: for people, when there is something to say.
        changes: the managed fields that the cluster held otherwise.
        owners: who owned them, so far as anybody did.
    """

    file: str
    kind: str
    namespace: str
    name: str
    standing: ObjectResult
    message: str = ""
    changes: tuple[LiveChange, ...] = ()
    owners: tuple[str, ...] = ()
    api_version: str = ""

    @property
    def object(self) -> str:
        """As people name it: `Service media/plex`."""
        owner = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {owner}"

    def document(self) -> dict[str, Any]:
        """As JSON, for the pipe and for `apply --output json` alike."""
        return {
            "path": self.file,
            "apiVersion": self.api_version,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "standing": self.standing.value,
            "message": self.message,
            "changes": [
                {"field": one.field, "before": one.before, "after": one.after}
                for one in self.changes
            ],
            "owners": list(self.owners),
        }


def read_report(document: Mapping[str, Any]) -> ObjectReport:
    """What `document` wrote."""
    return ObjectReport(
        document["path"],
        document["kind"],
        document["namespace"],
        document["name"],
        ObjectResult(document["standing"]),
        document["message"],
        tuple(LiveChange(one["field"], one["before"], one["after"]) for one in document["changes"]),
        tuple(document["owners"]),
        document["apiVersion"],
    )
