"""What came of one object, as the child process tells it and people read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gitops_prefix.errors import Severity
from gitops_prefix.render.node import Value


class Standing(StrEnum):
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


SEVERITIES: Mapping[Standing, Severity] = {
    Standing.MISSING: Severity.WARNING,
    Standing.NOT_INSTALLED: Severity.WARNING,
    Standing.ANOTHER: Severity.WARNING,
    Standing.CONFLICT: Severity.WARNING,
    Standing.FORBIDDEN: Severity.ERROR,
    Standing.REFUSED: Severity.ERROR,
    Standing.FAILED: Severity.ERROR,
}
"""What is wrong with an object, and how much it weighs; the others are as they should be."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A managed field that the cluster holds otherwise.

    Attributes:
        before: in the cluster; None when it is not there.
        after: in the file.
    """

    field: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class Report:
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
    standing: Standing
    message: str = ""
    changes: tuple[FieldChange, ...] = ()
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


def read_report(document: Mapping[str, Any]) -> Report:
    """What `document` wrote."""
    return Report(
        document["path"],
        document["kind"],
        document["namespace"],
        document["name"],
        Standing(document["standing"]),
        document["message"],
        tuple(
            FieldChange(one["field"], one["before"], one["after"]) for one in document["changes"]
        ),
        tuple(document["owners"]),
        document["apiVersion"],
    )
