"""What happens to a list that we share with its author."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gitops_prefix.render.node import MappingNode, Node, ScalarNode, key_text

Item: TypeAlias = str | Mapping[str, str]
"""An item as we write it."""


@dataclass(frozen=True, slots=True)
class ListChange:
    """What happens to the items of a list.

    Attributes:
        kept: for each of the first items, what it is to say; None leaves it as it is.
        added: new items, placed right behind the kept ones.
        removed: indices of the items that go.
    """

    kept: tuple[Item | None, ...]
    added: tuple[Item, ...]
    removed: tuple[int, ...]


def plan_change(
    nodes: Sequence[Node], ours: Sequence[Item | None], wanted: Sequence[Item]
) -> ListChange:
    """Ours in front and in order, everybody else's behind, untouched.

    The items in front that are ours already are used again, one by one, so that their
    quotes and comments stay; what is more is added behind them, what is less goes.

    Args:
        nodes: the items there are.
        ours: for each of them, which of our items it says, or None for a foreign one.
        wanted: the items that are to be ours; at least one.
    """
    kept: list[Item | None] = []
    for node, says, item in zip(nodes, ours, wanted, strict=False):
        if says is None or not same_shape(node, item):
            break
        kept.append(None if says == item else item)
    removed = [i for i, says in enumerate(ours) if says is not None and i >= len(kept)]
    return ListChange(tuple(kept), tuple(wanted[len(kept) :]), tuple(removed))


def same_shape(node: Node, item: Item) -> bool:
    """Whether `node` can say `item` by replacing scalars alone."""
    if isinstance(item, str):
        return isinstance(node, ScalarNode)
    return isinstance(node, MappingNode) and {key_text(key) for key, _ in node.entries} == set(item)
