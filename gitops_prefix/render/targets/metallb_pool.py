"""MetalLB IPAddressPool: `spec.addresses` (metallb.io, "Usage", "Configuration")."""

from gitops_prefix.decide.prefix import PlacedRange
from gitops_prefix.decide.specification import Placed
from gitops_prefix.errors import Severity
from gitops_prefix.render.address_text import dashed_span, placed_cidrs, range_text
from gitops_prefix.render.binding import Pool, Target
from gitops_prefix.render.edit_items import Item
from gitops_prefix.render.shared_list import SharedList

_ADDRESSES = ("spec", "addresses")


def _items(placed: Placed) -> tuple[Item, ...]:
    if isinstance(placed, PlacedRange):
        return (range_text(placed),)
    return (str(placed_cidrs(placed)[0]),)


TARGET = Target(
    kind="IPAddressPool",
    group="metallb.io",
    versions=("v1beta1",),
    fields=("spec.addresses",),
    bind=SharedList(
        path=_ADDRESSES,
        items=_items,
        # MetalLB also accepts blanks around the dash.
        span=dashed_span,
        # MetalLB's webhook refuses a pool whose entries overlap.
        overlap_is_error=True,
    ).bind,
    # MetalLB keeps its old configuration, all of it, while pools overlap or one is empty.
    pool=Pool(_ADDRESSES, dashed_span, Severity.ERROR, needs_an_entry=True),
)
