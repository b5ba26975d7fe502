"""A DynamicPrefix and what is bound to it, as `status` and the daemon's `/status` show them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from gitops_prefix.decide.status import Status, format_time, status_document
from gitops_prefix.render.inventory import Inventory


@dataclass(frozen=True, slots=True)
class BoundField:
    """A managed field, without the manifest it is in."""

    path: str
    kind: str
    namespace: str
    name: str
    field: str


@dataclass(frozen=True, slots=True)
class Described:
    """One DynamicPrefix.

    Attributes:
        path: the file it is in.
        status: None while it waits for a first prefix.
        bindings: in the order of the files.
    """

    name: str
    path: str
    status: Status | None
    bindings: tuple[BoundField, ...] = ()

    def document(self) -> dict[str, object]:
        """An entry of `prefixes` in the JSON of `status` (DESIGN 7)."""
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
            "bindings": [asdict(binding) for binding in self.bindings],
            "conditions": written.get("conditions", []),
        }


def describe(
    inventory: Inventory, statuses: Mapping[str, Status] | None = None
) -> tuple[Described, ...]:
    """Every DynamicPrefix of an inventory, by name.

    Args:
        inventory: of the repository.
        statuses: those to be, where they are not what the files say.
    """
    return tuple(
        Described(
            name,
            document.path,
            (statuses or {}).get(name, document.status),
            tuple(
                BoundField(one.path, one.kind, one.namespace, one.name, one.field)
                for one in inventory.bindings
                if one.dynamic_prefix == name
            ),
        )
        for name, document in sorted(inventory.dynamic_prefixes.items())
    )
