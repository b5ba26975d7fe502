"""CiliumCIDRGroup: `spec.externalCIDRs` (docs.cilium.io, "CIDR groups").

A range becomes the CIDRs that cover it exactly: a wider CIDR would admit strangers.
"""

from gitops_prefix.decide.specification import Placed
from gitops_prefix.render.address_text import address_span, placed_cidrs
from gitops_prefix.render.binding import Target
from gitops_prefix.render.edit_items import Item
from gitops_prefix.render.shared_list import SharedList


def _items(placed: Placed) -> tuple[Item, ...]:
    return tuple(map(str, placed_cidrs(placed)))


TARGET = Target(
    kind="CiliumCIDRGroup",
    group="cilium.io",
    versions=("v2", "v2alpha1"),
    fields=("spec.externalCIDRs",),
    bind=SharedList(path=("spec", "externalCIDRs"), items=_items, span=address_span).bind,
)
