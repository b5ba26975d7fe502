"""The inventory of a repository: its DynamicPrefixes and the fields that follow them."""

from collections.abc import Mapping
from typing import NamedTuple

from gitops_prefix.decide.status import Status, format_time, status_document
from gitops_prefix.errors import Problem
from gitops_prefix.render.binding import Binding, FieldIdentity
from gitops_prefix.render.dynamic_prefix import DynamicPrefixDocument
from gitops_prefix.render.manifest import Manifest


class Inventory(NamedTuple):
    """What `reading` found, and every problem; an error forbids any rendering.

    Attributes:
        manifests: every document that has an annotation or a marker of ours.
    """

    dynamic_prefixes: Mapping[str, DynamicPrefixDocument] = {}
    bindings: tuple[Binding, ...] = ()
    problems: tuple[Problem, ...] = ()
    manifests: tuple[Manifest, ...] = ()


class Described(NamedTuple):
    """One DynamicPrefix and its fields, as `status` and the daemon's `/status` show them.

    Attributes:
        path: the file that holds it.
        status: None while it waits for a first prefix.
        bindings: in the order of the files.
    """

    name: str
    path: str
    status: Status | None
    bindings: tuple[FieldIdentity, ...] = ()

    def document(self) -> dict[str, object]:
        """An entry of `prefixes` in the JSON of `status`."""
        status = self.status
        written = status_document(status) if status else {}
        return {
            "name": self.name,
            "path": self.path,
            "current": written.get("currentPrefix"),
            "acquired_at": written.get("acquiredAt"),
            "source": written.get("prefixSource"),
            "history": [
                {
                    "prefix": str(past.prefix),
                    "acquired_at": format_time(past.acquired_at),
                    "deprecated_at": format_time(past.deprecated_at),
                    "state": past.state,
                }
                for past in (status.history if status else ())
            ],
            "bindings": [binding._asdict() for binding in self.bindings],
            "conditions": written.get("conditions", []),
        }


def describe(
    inventory: Inventory, statuses: Mapping[str, Status] | None = None
) -> tuple[Described, ...]:
    """Every DynamicPrefix of an inventory, by name.

    Args:
        inventory: of the repository.
        statuses: the next statuses, where they differ from those in the files.
    """
    return tuple(
        Described(
            name,
            document.path,
            (statuses or {}).get(name, document.status),
            tuple(
                binding.identity for binding in inventory.bindings if binding.dynamic_prefix == name
            ),
        )
        for name, document in sorted(inventory.dynamic_prefixes.items())
    )
