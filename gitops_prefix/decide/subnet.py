"""Subnets: the nth network of a length, counted from the start of a base prefix."""

from typing import NamedTuple

from gitops_prefix.decide.address import BITS
from gitops_prefix.decide.prefix import Prefix


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
