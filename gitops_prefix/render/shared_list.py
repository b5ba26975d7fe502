"""A list that we share with its author: which items are ours, and what is in their way.

An item is ours when it equals, as an address and not as text, what the old or the
new status renders. That is all the ownership record there is (DESIGN 4).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.reference import Placed, Reference
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.address_span import Span
from gitops_prefix.render.binding import Binding, FieldEdit, Following
from gitops_prefix.render.edit_field import edit_list
from gitops_prefix.render.list_change import Item
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.merged import refuse_merged
from gitops_prefix.render.node import Node, SequenceNode, Value, at_path, nearest_node
from gitops_prefix.render.plain_value import value_at
from gitops_prefix.render.reference import read_reference
from gitops_prefix.render.style import style_of
from gitops_prefix.render.target import Bound, Surroundings

Items: TypeAlias = Callable[[Placed], tuple[Item, ...]]
"""What one placed part comes to."""
ItemsIn: TypeAlias = Callable[[Specification, Status], Sequence[Item]]
"""What is ours in a status."""


@dataclass(frozen=True, slots=True)
class ListField:
    """A list of addresses that we share with its author.

    Attributes:
        path: keys and indices of the list.
        span: what an item of the list stands for, or None when it is no address.
        overlap_is_error: whether the kind breaks when a foreign item overlaps ours.
    """

    path: Path
    span: Callable[[Value], Span | None]
    overlap_is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedList(ListField):
    """A list field of a kind.

    Attributes:
        items: what one placed part comes to.
    """

    items: Items

    def bind(self, manifest: Manifest, surroundings: Surroundings) -> Bound:
        """Bind the list by the annotations that all kinds have in common."""
        reference, problems = read_reference(manifest, surroundings.specifications)
        if reference is None:
            return Bound(problems=problems)
        place = manifest.place(nearest_node(manifest.root, self.path))
        edit = partial(edit_shared_list, manifest, self, partial(self.items_in, reference))
        binding = Binding(manifest, self.path, reference.dynamic_prefix, place, edit)
        return Bound((binding,), problems)

    def items_in(
        self, reference: Reference, specification: Specification, status: Status
    ) -> list[Item]:
        """What a reference comes to in a status: current, then the history."""
        placed = reference.placed(specification, status)
        return [item for one in placed for item in self.items(one)]


def edit_shared_list(
    manifest: Manifest, target: ListField, items_in: ItemsIn, following: Following
) -> FieldEdit:
    """Make a list follow its prefix.

    Args:
        manifest: where the list is, or will be.
        target: the list.
        items_in: what is ours in a status.
        following: what the list follows.

    Raises:
        RefusedEditError: the field stands where it cannot be edited.
    """
    field = at_path(manifest.root, target.path)
    before = value_at(manifest.content, target.path)
    refuse_merged(manifest, target.path)
    nodes = field.items if isinstance(field, SequenceNode) else ()
    # Behind an alias there are items, too, but none that could be edited here.
    items = before if nodes and isinstance(before, list) else []
    wanted = [*items_in(following.specification, following.after)]
    known = dict(_by_span(target, wanted))
    if following.before is not None:
        old = items_in(following.specification, following.before)
        known = dict(_by_span(target, old)) | known
    spans = [target.span(item) for item in items]
    ours = [known.get(span) if span is not None else None for span in spans]
    foreign = [
        (node, item, span)
        for node, item, span, our in zip(nodes, items, spans, ours, strict=True)
        if span is not None and our is None
    ]
    problems = tuple(_find_problems(manifest, target, foreign, wanted, following.after))
    after = [*wanted, *(item for item, our in zip(items, ours, strict=True) if our is None)]
    if _stands(ours, wanted):
        return FieldEdit((), before, before, problems)
    edits = edit_list(
        manifest.text,
        manifest.root,
        target.path,
        ours,
        wanted,
        style_of(manifest.text, manifest.root),
    )
    return FieldEdit(tuple(edits), before, after, problems)


def _by_span(target: ListField, items: Sequence[Item]) -> Iterator[tuple[Span, Item]]:
    for item in items:
        span = target.span(item)
        if span is not None:
            yield span, item


def _stands(ours: list[Item | None], wanted: list[Item]) -> bool:
    """Whether ours are in front, in order, and nowhere else."""
    behind = ours[len(wanted) :]
    return ours[: len(wanted)] == wanted and all(item is None for item in behind)


def _find_problems(
    manifest: Manifest,
    target: ListField,
    foreign: list[tuple[Node, Value, Span]],
    wanted: list[Item],
    status: Status,
) -> Iterator[Problem]:
    ours = [span for span, _ in _by_span(target, wanted)]
    for node, item, span in foreign:
        written = _written(item)
        if target.overlap_is_error and any(_overlap(span, one) for one in ours):
            yield Problem(
                "overlap",
                f"{dotted(target.path)}: {written} overlaps what {status.current} gives here: "
                "remove it, or move it out of the range",
                manifest.place(node),
            )
        elif span.version == 6 and any(_inside(span, one) for one in status.prefixes):
            yield Problem(
                "will-not-follow",
                f"{dotted(target.path)}: {written} lies inside a prefix that changes, and will not "
                "follow it",
                manifest.place(node),
                Severity.WARNING,
            )


def _written(item: Value) -> str:
    """An item as its author would say it."""
    if isinstance(item, dict):
        return ", ".join(f"{key} {value}" for key, value in item.items())
    return str(item)


def _overlap(one: Span, other: Span) -> bool:
    return one.version == other.version and one.first <= other.last and other.first <= one.last


def _inside(span: Span, prefix: Prefix) -> bool:
    return prefix.network <= span.first and span.last <= prefix.last
