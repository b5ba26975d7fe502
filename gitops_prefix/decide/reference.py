"""A reference: a DynamicPrefix, or a range or subnet of it, and where that lies.

What binds a manifest to a prefix, whoever wrote it down: an annotation or a marker.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from gitops_prefix.decide.parts import PlacedRange, PlacedSubnet
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status

Placed: TypeAlias = PlacedRange | PlacedSubnet | Prefix
"""What a reference means inside one prefix."""


class Reference(NamedTuple):
    """A DynamicPrefix and a part of it; without a part, the whole prefix.

    Attributes:
        address_range: name of a range, or empty.
        subnet: name of a subnet, or empty.
    """

    dynamic_prefix: str
    address_range: str = ""
    subnet: str = ""

    def placed(self, specification: Specification, status: Status) -> tuple[Placed, ...]:
        """What this means in the current prefix, then in each past one.

        Args:
            specification: of the DynamicPrefix.
            status: any of its statuses; one that lacks the part gives nothing.
        """
        if self.address_range:
            return tuple(self._ranges(status))
        if self.subnet:
            return tuple(self._subnets(specification, status))
        return status.prefixes

    def _ranges(self, status: Status) -> Iterator[PlacedRange]:
        for placed in status.ranges:
            if placed.name != self.address_range:
                continue
            yield placed
            host_parts = placed.unplaced(status.current.length)
            for past in status.history:
                # A range may not fit a past prefix that was longer; it never stood there.
                try:
                    yield host_parts.within(past.prefix)
                except ValueError:
                    continue

    def _subnets(self, specification: Specification, status: Status) -> Iterator[PlacedSubnet]:
        for placed in status.subnets:
            if placed.name != self.subnet:
                continue
            yield placed
            base = specification.base(status.current)
            for past in status.history:
                moved = specification.base(past.prefix)
                if moved.length == base.length:
                    offset = placed.cidr.network - base.network
                    yield PlacedSubnet(
                        placed.name, Prefix(moved.network + offset, placed.cidr.length)
                    )
