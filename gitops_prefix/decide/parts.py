"""Ranges and subnets: the parts of a prefix, whichever prefix is current.

A range has a start and an end. A subnet is the nth network of a length, counted from the
start of a base prefix.
"""

from typing import NamedTuple

from gitops_prefix.decide.address import BITS, format_address
from gitops_prefix.decide.prefix import Prefix, exact_cidrs


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


def check_suffix(suffix: int, prefix_length: int) -> None:
    """Refuse a host part that reaches into the prefix.

    Raises:
        ValueError: a bit of `suffix` is set inside the first `prefix_length` bits.
    """
    host = suffix & host_mask(prefix_length)
    if host != suffix:
        raise ValueError(
            f'"{format_address(suffix)}" has bits set inside the /{prefix_length} prefix: '
            f"write only the host part{_instead(suffix, host, prefix_length)}"
        )


def _instead(suffix: int, host: int, prefix_length: int) -> str:
    """What was probably meant: some forget the colons that fill the prefix."""
    # "f000::" for "::f000:0:0:0": the hextets slid to the front, whole.
    whole_hextets = -(-prefix_length // 16) * 16
    meant = host or suffix >> whole_hextets
    return f', as in "{format_address(meant)}"' if meant else ""


def host_mask(prefix_length: int) -> int:
    """The bits of an address that are behind the first `prefix_length`."""
    return (1 << (BITS - prefix_length)) - 1


class PlacedSubnet(NamedTuple):
    """A subnet of one base prefix."""

    name: str
    cidr: Prefix


class Subnet(NamedTuple):
    """A subnet as the specification has it.

    Attributes:
        offset: counts subnets of `prefix_length` from the start of the base: of
            2001:db8:cafe::/48, offset 256 at /64 is 2001:db8:cafe:100::/64.
        advertise: whether BGP is to announce it.
        community: the BGP community to attach, "ASN:VALUE", or empty.
    """

    name: str
    offset: int
    prefix_length: int
    advertise: bool = False
    community: str = ""

    def within(self, base: Prefix) -> PlacedSubnet:
        """The subnet in `base`.

        Raises:
            ValueError: it is larger than the base, or beyond its end.
        """
        room = self.prefix_length - base.length
        if room < 0:
            raise ValueError(
                f"subnet {self.name} is a /{self.prefix_length}, larger than its base {base}: "
                "set delegatedPrefixLength, or a longer prefixLength"
            )
        if self.offset >= 1 << room:
            raise ValueError(
                f"subnet {self.name} at offset {self.offset} lies outside {base}, "
                f"which has offsets 0 to {(1 << room) - 1} at /{self.prefix_length}"
            )
        network = base.network + (self.offset << (BITS - self.prefix_length))
        return PlacedSubnet(self.name, Prefix(network, self.prefix_length))
