"""CiliumLoadBalancerIPPool: `spec.blocks` (docs.cilium.io, "LoadBalancer IPAM").

LB-IPAM allocates from the range that it has known longest, whatever the order of the
blocks. It recognizes a range by its ends. So in mode `simple` past block number i is
written i addresses shorter: at each change every range is new to LB-IPAM, and the order
of the list counts. Existing Services keep their addresses, and new ones get the current
prefix. In mode `ha` Services pin their addresses, and blocks stay whole.
"""

from gitops_prefix.decide.prefix import PlacedRange, format_address
from gitops_prefix.decide.specification import Placed
from gitops_prefix.errors import Severity
from gitops_prefix.render.address_text import (
    Span,
    address_span,
    placed_cidrs,
    placed_ends,
    range_span,
)
from gitops_prefix.render.binding import Pool, Target
from gitops_prefix.render.edit_items import Item
from gitops_prefix.render.node import Value
from gitops_prefix.render.shared_list import SharedList

_BLOCKS = ("spec", "blocks")


def _items(placed: Placed) -> tuple[Item, ...]:
    if isinstance(placed, PlacedRange):
        return ({"start": format_address(placed.start), "stop": format_address(placed.end)},)
    return ({"cidr": str(placed_cidrs(placed)[0])},)


def _past_items(placed: Placed, number: int) -> tuple[Item, ...]:
    first, last = placed_ends(placed)
    if last - first < number:
        return _items(placed)
    return ({"start": format_address(first), "stop": format_address(last - number)},)


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
        path=_BLOCKS,
        items=_items,
        span=_span,
        # Cilium disables a pool whose blocks overlap.
        overlap_is_error=True,
        past_items=_past_items,
        formerly=("cidrs",),  # until Cilium 1.15
    ).bind,
    # LB-IPAM stops using the newer one of two pools that overlap, also of disabled ones.
    pool=Pool(_BLOCKS, _span, Severity.WARNING),
)
