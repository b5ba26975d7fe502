"""Address ranges: a start and an end within whatever prefix is current."""

from typing import NamedTuple

from gitops_prefix.decide.prefix import Prefix, exact_cidrs
from gitops_prefix.decide.suffix import check_suffix, host_mask


class PlacedRange(NamedTuple):
    """A range inside one prefix: whole addresses, both ends included."""

    name: str
    start: int
    end: int

    @property
    def cidrs(self) -> tuple[Prefix, ...]:
        """The fewest CIDRs that cover the range and nothing else, ascending."""
        return exact_cidrs(self.start, self.end)

    def unplaced(self, prefix_length: int) -> "AddressRange":
        """The host parts of this range, for prefixes of `prefix_length` bits."""
        mask = host_mask(prefix_length)
        return AddressRange(self.name, self.start & mask, self.end & mask)


class AddressRange(NamedTuple):
    """A range as the specification has it: two host parts, both ends included."""

    name: str
    start: int
    end: int

    def within(self, prefix: Prefix) -> PlacedRange:
        """The range in `prefix`.

        Raises:
            ValueError: an end reaches into the prefix.
        """
        check_suffix(self.start, prefix.length)
        check_suffix(self.end, prefix.length)
        return PlacedRange(self.name, prefix.network | self.start, prefix.network | self.end)
