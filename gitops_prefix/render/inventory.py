"""The inventory of a repository: its DynamicPrefixes and the fields that follow them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Reference, Specification
from gitops_prefix.decide.status import Status, format_time, status_document
from gitops_prefix.decide.transition import imagine
from gitops_prefix.errors import Place, Problem, Severity
from gitops_prefix.render.address_text import (
    Span,
    dashed_span,
    entries,
    hextets_span,
    placed_cidrs,
    range_span,
)
from gitops_prefix.render.binding import Binding, FieldEdit, FieldIdentity, Following, Pool
from gitops_prefix.render.dynamic_prefix import DynamicPrefixDocument
from gitops_prefix.render.edit_items import RefusedEditError
from gitops_prefix.render.load_balancers import FilledPool
from gitops_prefix.render.manifest import NAME, PARENT_POOL, Manifest
from gitops_prefix.render.node import Value, value_at
from gitops_prefix.render.settings import Settings

_GLOBAL = Prefix.parse("2000::/3")
"""What is assigned for global addresses (IANA, "IPv6 Global Unicast")."""
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
        pools: those of them that give addresses away, and how.
        held: the documents that an error holds back; all others go on.
        stopped: whether nothing may be rendered, because two DynamicPrefixes have one name, or
            because the settings cannot be read.
        settings: of the repository.
    """

    dynamic_prefixes: Mapping[str, DynamicPrefixDocument] = {}
    bindings: tuple[Binding, ...] = ()
    problems: tuple[Problem, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    held: frozenset[DocumentSpot] = frozenset()
    stopped: bool = False
    pools: Mapping[DocumentSpot, Pool] = {}
    settings: Settings = Settings()


def fill_pools(
    inventory: Inventory, statuses: Mapping[str, Status], edits: Iterable[FieldEdit]
) -> Iterator[FilledPool]:
    """Each pool with what it gives away after the edits.

    Before its first prefix a DynamicPrefix has an imagined one, so that a problem is known
    before it hurts.
    """
    edited = {(spot_of(edit.binding.manifest), edit.binding.field_path): edit for edit in edits}
    imagined = {
        name: Following(document.specification, None, status)
        for number, (name, document) in enumerate(inventory.dynamic_prefixes.items())
        if name not in statuses and (status := imagine(document.specification, number))
    }
    bindings: dict[DocumentSpot, list[Binding]] = {}
    for binding in inventory.bindings:
        bindings.setdefault(spot_of(binding.manifest), []).append(binding)
    for manifest in inventory.manifests:
        spot = spot_of(manifest)
        if spot not in inventory.pools:
            continue
        content, prefixes, waits_for = manifest.content, set(), ""
        for binding in bindings.get(spot, ()):
            name = binding.dynamic_prefix
            edit = edited.get((spot, binding.field_path)) or _try(binding, imagined.get(name))
            if edit is not None and binding.parts is None:
                content = _replaced(content, binding.field_path, edit.wanted)
            if name in statuses:
                prefixes.add(statuses[name].current)
            else:
                waits_for = name
                prefixes |= {imagined[name].after.current} if name in imagined else set()
        rule = inventory.pools[spot]
        whole = frozenset(Span(6, prefix.network, prefix.last) for prefix in prefixes)
        yield FilledPool(manifest, rule, tuple(_spans(content, rule)), whole, waits_for)


def _try(binding: Binding, following: Following | None) -> FieldEdit | None:
    """The edit in an imagined prefix; None when it cannot be known."""
    if following is None or binding.claim is not None:
        return None
    try:
        return binding.edit(binding, following)
    except RefusedEditError:
        return None


def _replaced(content: Value, path: Path, new: Value) -> Value:
    """The content with another value at a path."""
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(content, list):
        return [
            _replaced(item, rest, new) if index == head else item
            for index, item in enumerate(content)
        ]
    mapping = content if isinstance(content, dict) else {}
    return {**mapping, head: _replaced(mapping.get(head), rest, new)}


def _spans(content: Value, rule: Pool) -> Iterator[Span]:
    held = value_at(content, rule.path)
    for entry in held if isinstance(held, list) else [held]:
        span = rule.span_of(entry)
        if span is not None:
            yield span


def words_of(documents: Iterable[DynamicPrefixDocument]) -> tuple[str, ...]:
    """What each address of the prefixes begins with, as we write it.

    These are the groups before the first one that is zero: a run of zeros may be written `::`.
    """
    words = []
    for prefix in _bases(documents):
        groups = [f"{prefix.network >> shift & 0xFFFF:x}" for shift in range(112, -1, -16)]
        groups = groups[: prefix.length // 16]
        first_zero = groups.index("0") if "0" in groups else len(groups)
        words += [f"{':'.join(groups[:first_zero])}:"]
    return tuple(dict.fromkeys(words))


def _bases(documents: Iterable[DynamicPrefixDocument]) -> list[Prefix]:
    """The current and the past prefixes, or those that they are a part of."""
    return [
        document.specification.base(prefix)
        for document in documents
        if document.status is not None
        for prefix in document.status.prefixes
    ]


def find_left_over(
    documents: Mapping[str, DynamicPrefixDocument],
    bindings: Iterable[Binding],
    fields: Iterable[tuple[Manifest, Path]],
    *,
    complete: bool,
) -> Iterator[Problem]:
    """A warning for each field that has addresses of a prefix, and that nothing moves any more.

    Its annotation was removed, or its DynamicPrefix is gone. What a DynamicPrefix that is gone
    left behind is not known, so that every global address counts.

    Args:
        documents: the DynamicPrefixes by name.
        bindings: the fields that follow.
        fields: those that may hold addresses of ours.
        complete: whether every DynamicPrefix could be read.
    """
    bases = _bases(documents.values())
    followed: dict[DocumentSpot, list[Path]] = {}
    for binding in bindings:
        followed.setdefault(spot_of(binding.manifest), []).append(binding.field_path)
    for manifest, path in fields:
        # Annotations that are not the object's own name their DynamicPrefix beside the field.
        beside = value_at(manifest.content, path[:-1])
        own = beside if isinstance(beside, dict) and NAME in beside else manifest.annotations
        name = own.get(NAME)
        gone = isinstance(name, str) and name not in documents
        if PARENT_POOL in manifest.annotations or (name is not None and not (gone and complete)):
            continue
        others = followed.get(spot_of(manifest), ())
        if any(path[: len(other)] == other[: len(path)] for other in others):
            continue
        inside = [*bases, _GLOBAL] if gone else bases
        left = [
            text
            for text, span in _entries(value_at(manifest.content, path))
            if span.version == 6
            and any(base.network <= span.first and span.last <= base.last for base in inside)
        ]
        if left:
            why = f"DynamicPrefix {name} is gone" if gone else f"nothing here has {NAME}"
            message = (
                f"{dotted(path)} still has {', '.join(left)}, and {why}, so nothing moves that any "
                "more: annotate the object again, or remove the entries"
            )
            yield manifest.field_problem(path, "left-over", message, Severity.WARNING)


def _entries(value: Value) -> Iterator[tuple[str, Span]]:
    """The entries of a list, or of a text with commas, that are addresses."""
    if isinstance(value, list):
        for item in value:
            yield from _entries(item)
    elif isinstance(value, dict):
        span = range_span(value.get("start"), value.get("stop", value.get("start")))
        if span is not None:
            yield f"{value['start']}-{value.get('stop', value['start'])}", span
        else:
            yield from _entries(value.get("cidr"))
    else:
        for entry in entries(value):
            span = dashed_span(entry) or hextets_span(entry)
            if span is not None:
                yield entry, span


def documents_in_error(
    manifests: Iterable[Manifest], problems: Iterable[Problem]
) -> set[DocumentSpot]:
    """The documents with errors; all of the file when the place of an error is in no document.

    An error of one field alone leaves the field as it is, and holds back nothing else.
    """
    places = [
        problem.place
        for problem in problems
        if problem.severity is Severity.ERROR
        and not problem.alone
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
        lists: the networks of each range and subnet, current, then past.
    """

    name: str
    path: str
    status: Status | None
    bindings: tuple[FieldIdentity, ...] = ()
    lists: Mapping[str, tuple[str, ...]] = {}

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
            _lists(document.specification, (statuses or {}).get(name, document.status)),
        )
        for name, document in sorted(inventory.dynamic_prefixes.items())
    )


def _lists(specification: Specification, status: Status | None) -> dict[str, tuple[str, ...]]:
    """The networks of each part of a prefix; without a prefix there is no list."""
    if status is None:
        return {}
    name = specification.name
    parts = {part.name: Reference(name, address_range=part.name) for part in specification.ranges}
    parts |= {part.name: Reference(name, subnet=part.name) for part in specification.subnets}
    return {
        part: tuple(
            str(network)
            for placed in reference.placed(specification, status)
            for network in placed_cidrs(placed)
        )
        for part, reference in parts.items()
    }
