"""A reference: a DynamicPrefix, or a range or subnet of it, and where that lies.

What binds a manifest to a prefix, whoever wrote it down: an annotation or a marker.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from gitops_prefix.decide.prefix import PlacedRange, PlacedSubnet, Prefix, host_mask
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
            return tuple(self._ranges(specification, status))
        if self.subnet:
            return tuple(self.subnets(specification, status))
        return status.prefixes

    def _ranges(self, specification: Specification, status: Status) -> Iterator[PlacedRange]:
        for placed in status.ranges:
            if placed.name != self.address_range:
                continue
            yield placed
            first, *past_networks = networks_of(placed, specification, status)
            host_parts = placed.unplaced(first.length)
            for network in past_networks:
                # A range may not fit a past prefix that was longer; it never stood there.
                try:
                    yield host_parts.within(network)
                except ValueError:
                    continue

    def subnets(self, specification: Specification, status: Status) -> Iterator[PlacedSubnet]:
        """The subnet in the current prefix, then in each past one."""
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


def places_in(specification: Specification, prefix: Prefix, part: Prefix) -> tuple[str, ...]:
    """The subnets and ranges that reach into a part of a prefix, as words for people.

    Args:
        specification: whose subnets and ranges.
        prefix: that would be current. What does not fit it has no place in it.
        part: of that prefix.
    """
    first, last = part.network, part.network | host_mask(part.length)
    base = specification.base(prefix)
    found = []
    for subnet in specification.subnets:
        with suppress(ValueError):
            placed = subnet.within(base)
            if placed.cidr.overlaps(part):
                found.append(f"subnet {subnet.name} ({placed.cidr})")
    for named in specification.ranges:
        with suppress(ValueError):
            network = named.subnet.within(base).cidr if named.subnet else prefix
            placed_range = named.within(network)
            if placed_range.start <= last and first <= placed_range.end:
                found.append(f"range {named.name}")
    return tuple(found)


def networks_of(
    placed: PlacedRange, specification: Specification, status: Status
) -> tuple[Prefix, ...]:
    """What the host parts of a range are added to: now, then in each past prefix.

    A range that names a subnet lies in that subnet of the delegation, once the status has it.
    """
    for named in specification.ranges:
        if named.name == placed.name and named.subnet:
            reference = Reference(specification.name, subnet=named.subnet.name)
            subnets = [each.cidr for each in reference.subnets(specification, status)]
            if subnets and subnets[0].contains(placed.start):
                return tuple(subnets)
    return status.prefixes
