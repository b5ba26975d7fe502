"""Lists of addresses that we share with their author: YAML lists, and strings with commas.

Our addresses are first, in order; foreign items keep their text and their place behind
them. An item is ours when it equals, as an address and not as text, an address of the
old or the new status. There is no other record of ownership (docs/annotations.md).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple, TypeAlias

from gitops_prefix.decide.fields import Path, dotted, nearest
from gitops_prefix.decide.prefix import Prefix, format_address
from gitops_prefix.decide.specification import MOST_HISTORY, Placed, Reference, Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.address_text import Span, address_of, entries, replace_entries
from gitops_prefix.render.binding import Binding, Bound, FieldEdit, Following, Surroundings
from gitops_prefix.render.edit import edit_list, edit_text, refuse_merged
from gitops_prefix.render.edit_items import Item, RefusedEditError, plan_change
from gitops_prefix.render.manifest import Manifest, read_reference
from gitops_prefix.render.node import (
    MappingNode,
    Node,
    SequenceNode,
    Value,
    at_path,
    key_text,
    nearest_node,
    value_at,
)

Items: TypeAlias = Callable[[Placed], tuple[Item, ...]]
"""The items of one placed part."""
PastItems: TypeAlias = Callable[[Placed, int], tuple[Item, ...]]
"""The items of one placed part of past prefix number 1, 2, ..., the newest first."""
ItemsIn: TypeAlias = Callable[[Specification, Status], Sequence[Item]]
"""Our items by a status."""
SpanOf: TypeAlias = Callable[[Value], Span | None]
"""The addresses of an item, or None when the item is not an address."""


class ListRule(NamedTuple):
    """Which items of a list are ours.

    Attributes:
        span_of: the addresses of an item.
        items_in: our items by a status.
        overlap_is_error: whether the kind breaks when a foreign item overlaps ours.
        shapes_in: further items that are ours, though no status gives them now.
    """

    span_of: SpanOf
    items_in: ItemsIn
    overlap_is_error: bool = False
    shapes_in: ItemsIn | None = None


class SharedList(NamedTuple):
    """A list field of a kind.

    Attributes:
        path: keys of the list.
        items: the items of one placed part.
        span: the addresses of an item.
        overlap_is_error: whether the kind breaks when a foreign item overlaps ours.
        past_items: the items of a past prefix in mode `simple`, where they are not `items`.
        formerly: what older versions of the kind call the list.
    """

    path: Path
    items: Items
    span: SpanOf
    overlap_is_error: bool = False
    past_items: PastItems | None = None
    formerly: tuple[str, ...] = ()

    def bind(self, manifest: Manifest, surroundings: Surroundings) -> Bound:
        """Bind the list by the annotations that all kinds have."""
        reference, problems = read_reference(manifest, surroundings.specifications)
        if reference is None:
            return Bound(problems=problems)
        rule = ListRule(
            self.span,
            partial(self._items_in, reference),
            self.overlap_is_error,
            partial(self._shapes_in, self.past_items, reference) if self.past_items else None,
        )
        edit = partial(edit_shared_list, rule)
        binding = Binding(manifest, self.path, reference.dynamic_prefix, edit)
        return Bound((binding,), (*problems, *self._misplaced(manifest)))

    def _misplaced(self, manifest: Manifest) -> Iterator[Problem]:
        """A warning for a field that is meant as the list, where the list itself is not there."""
        if value_at(manifest.content, self.path) is not None:
            return
        for above in ((), self.path[:-1]):
            mapping = at_path(manifest.root, above)
            for key, _ in mapping.entries if isinstance(mapping, MappingNode) else ():
                text = key_text(key) or ""
                where = (*above, text)
                is_meant = text in self.formerly or nearest(text, [str(self.path[-1])])
                if is_meant and where != self.path:
                    message = (
                        f"{dotted(where)}: {manifest.kind} has no such field: what follows the "
                        f"prefix is {dotted(self.path)}: remove it, or write it there"
                    )
                    yield manifest.problem(key, "unknown-field", message, Severity.WARNING)

    def _items_in(
        self, reference: Reference, specification: Specification, status: Status
    ) -> list[Item]:
        """The items of a reference in a status: current, then the history.

        Two links of one delegation have one subnet, and it is written once: Cilium and MetalLB
        refuse a pool that repeats a block.
        """
        items: list[Item] = []
        for number, part in enumerate(dict.fromkeys(reference.placed(specification, status))):
            if number and self.past_items and specification.transition.mode == "simple":
                items += self.past_items(part, number)
            else:
                items += self.items(part)
        return items

    def _shapes_in(
        self,
        past_items: PastItems,
        reference: Reference,
        specification: Specification,
        status: Status,
    ) -> list[Item]:
        """Every form of an item: by its number in the history, by the mode, by an older version."""
        shapes: list[Item] = []
        for part in reference.placed(specification, status):
            shapes += self.items(part)
            for number in range(1, MOST_HISTORY + 1):
                shapes += past_items(part, number)
        return shapes


def edit_shared_list(rule: ListRule, binding: Binding, following: Following) -> FieldEdit:
    """Make a YAML list follow its prefix.

    Raises:
        RefusedEditError: the field cannot be edited where it is.
    """
    manifest, before = binding.manifest, binding.before
    refuse_merged(manifest, binding.field_path)
    field = at_path(manifest.root, binding.field_path)
    nodes = field.items if isinstance(field, SequenceNode) else ()
    # An alias has items too, but they cannot be edited here.
    items = before if nodes and isinstance(before, list) else []
    wanted = [*rule.items_in(following.specification, following.after)]
    spans = [rule.span_of(item) for item in items]
    known = _known(rule, following, wanted, spans)
    ours = [known.get(span) if span is not None else None for span in spans]
    foreign = [
        (node, item, span)
        for node, item, span, our in zip(nodes, items, spans, ours, strict=True)
        if span is not None and our is None
    ]
    guarded = [span for span, _ in _by_span(rule.span_of, wanted)] if rule.overlap_is_error else []
    problems = tuple(_find_problems(binding, foreign, guarded, following.after))
    if ours[: len(wanted)] == wanted and not any(ours[len(wanted) :]):
        return binding.unchanged(problems)
    edits = edit_list(manifest.text, manifest.root, binding.field_path, ours, wanted)
    # An item that stays keeps the spelling of its author.
    kept = plan_change(nodes, ours, wanted).kept
    after = [
        *(item if new is None else _plain(new) for item, new in zip(items, kept, strict=False)),
        *map(_plain, wanted[len(kept) :]),
        *(item for item, our in zip(items, ours, strict=True) if our is None),
    ]
    return FieldEdit(binding, tuple(edits), before, after, problems)


def _known(
    rule: ListRule, following: Following, wanted: Sequence[Item], spans: Sequence[Span | None]
) -> dict[Span, Item]:
    """The items that are ours: by the old and the new status, or in another form of theirs."""
    known = dict(_by_span(rule.span_of, wanted))
    if following.before is not None:
        old = rule.items_in(following.specification, following.before)
        known = dict(_by_span(rule.span_of, old)) | known
    if rule.shapes_in is not None and any(_is_ipv6(span) and span not in known for span in spans):
        statuses = filter(None, (following.before, following.after))
        shapes = [rule.shapes_in(following.specification, status) for status in statuses]
        known = dict(_by_span(rule.span_of, [*chain.from_iterable(shapes)])) | known
    return known


def _plain(item: Item) -> Value:
    return item if isinstance(item, str) else {**item}


def _by_span(span_of: SpanOf, items: Sequence[Item]) -> list[tuple[Span, Item]]:
    return [(span, item) for item in items if (span := span_of(_plain(item))) is not None]


def _find_problems(
    binding: Binding,
    foreign: list[tuple[Node, Value, Span]],
    guarded: Sequence[Span],
    status: Status,
) -> Iterator[Problem]:
    """What is wrong with the foreign items.

    Args:
        binding: the list.
        foreign: items with addresses that are not ours.
        guarded: our addresses, where the kind breaks when a foreign item overlaps them.
        status: the status after.
    """
    for node, item, span in foreign:
        if any(_overlap(span, our) for our in guarded):
            message = (
                f"{binding.field}: {_written(item)} overlaps what {status.current} gives here: "
                "remove it, or move it out of the range"
            )
            yield binding.manifest.problem(node, "overlap", message)
        elif span.version == 6 and any(inside(span, prefix) for prefix in status.prefixes):
            yield will_not_follow(binding, node, _written(item))


def will_not_follow(binding: Binding, node: Node, written: str) -> Problem:
    """A warning of an address that its author has to move."""
    message = (
        f"{binding.field}: {written} lies inside a prefix that changes, and will not follow it"
    )
    return binding.manifest.problem(node, "will-not-follow", message, Severity.WARNING)


def _written(item: Value) -> str:
    """An item as its author would write it in a sentence."""
    if isinstance(item, dict):
        return ", ".join(f"{key} {value}" for key, value in item.items())
    return str(item)


def _is_ipv6(span: Span | None) -> bool:
    return span is not None and span.version == 6


def _overlap(span: Span, other: Span) -> bool:
    return span.version == other.version and span.first <= other.last and other.first <= span.last


def inside(span: Span, prefix: Prefix) -> bool:
    """Whether all addresses of a span lie in a prefix."""
    return prefix.network <= span.first and span.last <= prefix.last


class Ownership(NamedTuple):
    """Which addresses of a string are ours.

    Attributes:
        wanted: the addresses that are to be first, in this order.
        known: every address that is or was ours.
        prefixes: the prefixes that change; another address inside of one will not follow.
        added: foreign entries to write behind ours.
    """

    wanted: tuple[int, ...]
    known: frozenset[int]
    prefixes: tuple[Prefix, ...]
    added: tuple[str, ...] = ()


def edit_address_text(
    binding: Binding, ownership: Ownership, *, in_place: bool = False
) -> FieldEdit:
    """Make addresses in one string, separated by commas, follow.

    Args:
        binding: of the string.
        ownership: which of the addresses are ours.
        in_place: whether the other entries stay in their places, and not behind ours.

    Raises:
        RefusedEditError: the field cannot be edited where it is.
    """
    manifest, before = binding.manifest, binding.before
    node = at_path(manifest.root, binding.field_path)
    if before is not None and (node is None or not isinstance(before, str)):
        nearest = nearest_node(manifest.root, binding.field_path)
        message = f"{dotted(binding.field_path)} is not a string of its own: write one here"
        raise RefusedEditError(nearest, message)
    there = [(entry, address_of(entry)) for entry in entries(before)]
    ours = [address for _, address in there if address in ownership.known]
    foreign = [(entry, address) for entry, address in there if address not in ownership.known]
    problems = tuple(
        will_not_follow(binding, nearest_node(manifest.root, binding.field_path), entry)
        for entry, address in foreign
        if address is not None and any(prefix.contains(address) for prefix in ownership.prefixes)
    )
    first = tuple(address for _, address in there[: len(ownership.wanted)])
    in_order = tuple(ours) if in_place else first
    if in_order == ownership.wanted and len(ours) == len(ownership.wanted):
        return binding.unchanged(problems)
    separator = ", " if isinstance(before, str) and ", " in before else ","
    after = separator.join(
        [
            *map(format_address, ownership.wanted),
            *(entry for entry, _ in foreign),
            *ownership.added,
        ]
    )
    if in_place and isinstance(before, str) and foreign:
        wanted, known = (
            [*map(format_address, addresses)] for addresses in (ownership.wanted, ownership.known)
        )
        after = replace_entries(before, wanted, known)
    edit = edit_text(manifest.text, manifest.root, binding.field_path, after)
    return FieldEdit(binding, (edit,), before, after, problems)
