"""CiliumLoadBalancerIPPool: `spec.blocks` (docs.cilium.io, "LoadBalancer IPAM")."""

from gitops_prefix.decide.address import format_address
from gitops_prefix.decide.address_range import PlacedRange
from gitops_prefix.decide.reference import Placed
from gitops_prefix.render.address_text import Span, address_span, placed_cidrs, range_span
from gitops_prefix.render.binding import Target
from gitops_prefix.render.edit_items import Item
from gitops_prefix.render.node import Value
from gitops_prefix.render.shared_list import SharedList


def _items(placed: Placed) -> tuple[Item, ...]:
    if isinstance(placed, PlacedRange):
        return ({"start": format_address(placed.start), "stop": format_address(placed.end)},)
    return ({"cidr": str(placed_cidrs(placed)[0])},)


def _span(block: Value) -> Span | None:
    if not isinstance(block, dict):
        return None
    if "cidr" in block:
        return address_span(block["cidr"])
    # A block without a stop is its start alone.
    return range_span(block.get("start"), block.get("stop", block.get("start")))


TARGET = Target(
    kind="CiliumLoadBalancerIPPool",
    group="cilium.io",
    versions=("v2", "v2alpha1"),
    fields=("spec.blocks",),
    bind=SharedList(
        path=("spec", "blocks"),
        items=_items,
        span=_span,
        # Cilium disables a pool whose blocks overlap.
        overlap_is_error=True,
    ).bind,
)
