"""CiliumCIDRGroup: `spec.externalCIDRs` (docs.cilium.io, "CIDR groups").

A range becomes the CIDRs that cover it exactly: one wider would let strangers in.
"""

from gitops_prefix.decide.address_range import PlacedRange
from gitops_prefix.decide.reference import Placed
from gitops_prefix.decide.subnet import PlacedSubnet
from gitops_prefix.render.address_span import address_span
from gitops_prefix.render.list_change import Item
from gitops_prefix.render.shared_list import SharedList
from gitops_prefix.render.target import Target


def _items(placed: Placed) -> tuple[Item, ...]:
    if isinstance(placed, PlacedRange):
        return tuple(str(cidr) for cidr in placed.cidrs)
    return (str(placed.cidr if isinstance(placed, PlacedSubnet) else placed),)


TARGET = Target(
    kind="CiliumCIDRGroup",
    group="cilium.io",
    versions=("v2", "v2alpha1"),
    fields=("spec.externalCIDRs",),
    bind=SharedList(
        path=("spec", "externalCIDRs"),
        items=_items,
        span=address_span,
    ).bind,
)
