"""The inventory of a repository: its DynamicPrefixes and the fields that follow them."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gitops_prefix.decide.status import Status, format_time, status_document
from gitops_prefix.errors import Place, Problem, Severity
from gitops_prefix.render.binding import Binding, FieldIdentity
from gitops_prefix.render.dynamic_prefix import DynamicPrefixDocument
from gitops_prefix.render.manifest import Manifest

NOT_YAML = "not-yaml"
"""The code of a document that does not parse: nothing of it is rendered anyway."""


class DocumentSpot(NamedTuple):
    """One document of a repository: its file, and its number there."""

    path: str
    number: int


class Inventory(NamedTuple):
    """What `reading` found, and every problem.

    Attributes:
        manifests: every document that has an annotation or a marker of ours.
        held: the documents that an error holds back; all others go on.
        stopped: whether nothing may be rendered, because two DynamicPrefixes have one name, or
            because the settings cannot be read.
    """

    dynamic_prefixes: Mapping[str, DynamicPrefixDocument] = {}
    bindings: tuple[Binding, ...] = ()
    problems: tuple[Problem, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    held: frozenset[DocumentSpot] = frozenset()
    stopped: bool = False


def documents_in_error(
    manifests: Iterable[Manifest], problems: Iterable[Problem]
) -> set[DocumentSpot]:
    """The documents with errors; all of the file when the place of an error is in no document."""
    places = [
        problem.place
        for problem in problems
        if problem.severity is Severity.ERROR
        and problem.place is not None
        and problem.code != NOT_YAML
    ]
    paths = {place.path for place in places}
    by_path: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        if manifest.path in paths:
            by_path.setdefault(manifest.path, []).append(manifest)
    found: set[DocumentSpot] = set()
    for place in places:
        beside = by_path.get(place.path, [])
        around = [manifest for manifest in beside if _stands_in(place, manifest)]
        found.update(spot_of(manifest) for manifest in around or beside)
    return found


def spot_of(manifest: Manifest) -> DocumentSpot:
    """Which document of the repository."""
    return DocumentSpot(manifest.path, manifest.span.number)


def _stands_in(place: Place, manifest: Manifest) -> bool:
    # An empty value at the end of a document has its place on the line of the next `---`.
    source, span = manifest.source, manifest.span
    return source.place(span.start).line <= place.line <= source.place(span.end).line


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
