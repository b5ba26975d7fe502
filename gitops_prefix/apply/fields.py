"""PURE: what direct apply sends: the managed fields of each object; and what came of each object.

kubernetes.io, "Server-Side Apply": a manager sends the fields that it has an opinion about.
The values are read from the files that the commit holds.
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
from gitops_prefix.render.manifest import LOCAL_CONFIG, NAME, Manifest
from gitops_prefix.render.node import Value, value_at
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import SETTINGS_FILE, read_settings

_NOT_IN_A_CLUSTER = "kustomize.config.k8s.io"

# These become parts of a URL: never a slash, a single dot, or a percent sign.
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_API_VERSION = re.compile(r"([a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?/)?v[0-9]+((alpha|beta)[0-9]+)?")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")


@dataclass(frozen=True, slots=True)
class ManagedField:
    """One managed field.

    Attributes:
        path: keys, and indices where the field stands in a list.
        value: what the field is to hold.
    """

    path: Path
    value: Value

    @property
    def applied(self) -> tuple[str, ...]:
        """The keys to what is sent: the field, or the outermost list around it.

        A list without keys of its own is atomic: it is applied whole, or not at all.
        """
        return tuple(str(step) for step in takewhile(lambda step: isinstance(step, str), self.path))


ObjectId = tuple[str, str, str, str]
"""Which object: apiVersion, kind, namespace, name."""


@dataclass(frozen=True, slots=True)
class ApplyConfiguration:
    """The managed fields of one object.

    Attributes:
        file: where the object stands, for people.
        namespace: empty when the file names none.
        follows: the DynamicPrefix that the object's own annotation names; empty when
            only markers bind the object.
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
        """Which object these fields are of."""
        return self.api_version, self.kind, self.namespace, self.name


Configurations = tuple[ApplyConfiguration, ...]


class ObjectResult(StrEnum):
    """What came of one object."""

    APPLIED = "applied"
    WOULD_CHANGE = "would-change"
    """A dry run says so."""
    UNCHANGED = "unchanged"
    RELEASED = "released"
    WAITING = "waiting"
    """The object is released when its reconciler has the commit."""
    LEFT = "left"
    """The object was released, and its file is gone from the repository."""
    MISSING = "missing"
    NOT_INSTALLED = "not-installed"
    ANOTHER = "another"
    """The object has the name, but is not the one that the file means."""
    CONFLICT = "conflict"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"
    """We refused: more than the managed fields would change."""
    NOT_LEADING = "not-leading"
    """Our lead ended before the write; nothing was written."""
    FAILED = "failed"


SEVERITIES: Mapping[ObjectResult, Severity] = {
    ObjectResult.MISSING: Severity.WARNING,
    ObjectResult.NOT_INSTALLED: Severity.WARNING,
    ObjectResult.ANOTHER: Severity.WARNING,
    ObjectResult.CONFLICT: Severity.WARNING,
    ObjectResult.NOT_LEADING: Severity.NOTE,
    ObjectResult.LEFT: Severity.ERROR,
    ObjectResult.FORBIDDEN: Severity.ERROR,
    ObjectResult.REFUSED: Severity.ERROR,
    ObjectResult.FAILED: Severity.ERROR,
}
"""How much a result weighs when something is wrong; the other results are as they should be."""


@dataclass(frozen=True, slots=True)
class LiveChange:
    """A managed field that the cluster holds otherwise.

    Attributes:
        before: in the cluster; None when the field does not exist there.
        after: in the file.
    """

    field: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class ObjectReport:
    """What came of one object.

    Attributes:
        message: for people; empty when there is nothing to add.
        changes: the managed fields that the cluster held otherwise.
        owners: the managers that owned these fields.
        held: whether the object now keeps its reconciler away for us; None when unknown.
        waits_for: what a WAITING object waits for.
        retry_after: seconds that the API server asked us to wait; 0 when it did not.
    """

    file: str
    kind: str
    namespace: str
    name: str
    result: ObjectResult
    message: str = ""
    changes: tuple[LiveChange, ...] = ()
    owners: tuple[str, ...] = ()
    api_version: str = ""
    held: bool | None = None
    waits_for: str = ""
    retry_after: float = 0.0

    @property
    def object(self) -> ObjectId:
        """Which object this is about."""
        return self.api_version, self.kind, self.namespace, self.name

    @property
    def title(self) -> str:
        """The object as people name it: `Service media/plex`."""
        owner = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {owner}"


def report_on(
    wanted: ApplyConfiguration,
    result: ObjectResult,
    message: str = "",
    changes: tuple[LiveChange, ...] = (),
    owners: Iterable[str] = (),
) -> ObjectReport:
    """The report on an object that was asked for."""
    return ObjectReport(
        wanted.file,
        wanted.kind,
        wanted.namespace,
        wanted.name,
        result,
        message,
        changes,
        tuple(owners),
        wanted.api_version,
    )


def apply_configurations(inventory: Inventory) -> Configurations:
    """What to apply so that the cluster holds what the files hold.

    Left out: a DynamicPrefix's status, which lives in Git; what waits for a first prefix;
    documents that are no object of a cluster (Helm values, a kustomization, what kustomize
    keeps local); and fields that have no value yet.

    Args:
        inventory: of rendered files, without errors.

    Returns:
        One configuration for each document, in the order of the files.
    """
    decided = {
        name for name, document in inventory.dynamic_prefixes.items() if document.status is not None
    }
    bound: dict[tuple[str, int], list[Binding]] = {}
    for binding in inventory.bindings:
        if binding.dynamic_prefix in decided and _is_object(binding.manifest):
            bound.setdefault((binding.path, binding.manifest.span.number), []).append(binding)
    made = (_configuration(bindings[0].manifest, bindings) for bindings in bound.values())
    return tuple(configuration for configuration in made if configuration.fields)


def to_apply(files: Mapping[str, bytes]) -> Configurations:
    """What direct apply sends, so that a cluster holds what the files of a commit hold.

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
    for keys in dict.fromkeys(field.applied for field in fields):
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
