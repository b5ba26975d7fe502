"""What a kind says about itself; `shared_list` does the work for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from gitops_prefix.render.binding import Placed
from gitops_prefix.render.list_change import Item
from gitops_prefix.render.node import Value


class Span(NamedTuple):
    """Addresses that an item of a list stands for, both ends included."""

    version: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Target:
    """A kind whose list field is shared between us and its author.

    Attributes:
        group: API group, as in `cilium.io`.
        versions: served versions, the preferred one first.
        path: keys of the list.
        items: what one placed part comes to.
        span: what an item of the list stands for, or None when it is no address.
        overlap_is_error: whether the kind breaks when a foreign item overlaps ours.
    """

    kind: str
    group: str
    versions: tuple[str, ...]
    path: tuple[str, ...]
    items: Callable[[Placed], tuple[Item, ...]]
    span: Callable[[Value], Span | None]
    overlap_is_error: bool = False
