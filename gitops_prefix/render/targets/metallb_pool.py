"""MetalLB IPAddressPool: `spec.addresses` (metallb.io, "Usage", "Configuration")."""

from gitops_prefix.decide.address import format_address
from gitops_prefix.decide.address_range import PlacedRange
from gitops_prefix.decide.reference import Placed
from gitops_prefix.decide.subnet import PlacedSubnet
from gitops_prefix.render.address_span import Span, address_span, range_span
from gitops_prefix.render.list_change import Item
from gitops_prefix.render.node import Value
from gitops_prefix.render.shared_list import SharedList
from gitops_prefix.render.target import Target


def _items(placed: Placed) -> tuple[Item, ...]:
    if isinstance(placed, PlacedRange):
        return (f"{format_address(placed.start)}-{format_address(placed.end)}",)
    return (str(placed.cidr if isinstance(placed, PlacedSubnet) else placed),)


def _span(entry: Value) -> Span | None:
    if not isinstance(entry, str):
        return None
    start, dash, end = (part.strip() for part in entry.partition("-"))
    # MetalLB, too, takes blanks around the dash.
    return range_span(start, end) if dash else address_span(start)


TARGET = Target(
    kind="IPAddressPool",
    group="metallb.io",
    versions=("v1beta1",),
    fields=("spec.addresses",),
    bind=SharedList(
        path=("spec", "addresses"),
        items=_items,
        span=_span,
        # MetalLB's webhook refuses a pool whose entries overlap.
        overlap_is_error=True,
    ).bind,
)
