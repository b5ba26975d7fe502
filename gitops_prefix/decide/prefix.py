"""The IPv6 prefix: a network and its length, frozen and comparable.

ipaddress.IPv6Network takes a hundred times as long to build, so the codec and the
decision use this pair; `ipaddress` reads and writes the text.
"""

from typing import NamedTuple, Self

from gitops_prefix.decide.address import BITS, format_address, parse_address


class Prefix(NamedTuple):
    """An IPv6 prefix. Sorts by network, then length: "numerically lowest" is `min`.

    Attributes:
        network: its first address; no host bit is set.
        length: 0 to 128 bits.
    """

    network: int
    length: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read CIDR notation (RFC 4291 2.3).

        Raises:
            ValueError: no address, no length, a length out of range, or host bits set.
        """
        address_text, slash, length_text = text.partition("/")
        address = parse_address(address_text)
        if not slash:
            raise ValueError(f'{text!r} is not a prefix: write its length too, as in "{text}/64"')
        if not (length_text.isascii() and length_text.isdigit()) or int(length_text) > BITS:
            raise ValueError(f"{text!r} is not a prefix: its length must be 0 to 128")
        prefix = cls.enclosing(address, int(length_text))
        if prefix.network != address:
            raise ValueError(f'{text!r} has bits set beyond its length: did you mean "{prefix}"?')
        return prefix

    @classmethod
    def enclosing(cls, address: int, length: int) -> Self:
        """The prefix of `length` bits that `address` is in."""
        host_bits = BITS - length
        return cls(address >> host_bits << host_bits, length)

    def __str__(self) -> str:
        return f"{format_address(self.network)}/{self.length}"

    @property
    def last(self) -> int:
        """The highest address in the prefix."""
        return self.network | (1 << (BITS - self.length)) - 1

    def contains(self, address: int) -> bool:
        """Whether `address` is in the prefix."""
        return self.network <= address <= self.last

    def covers(self, other: "Prefix") -> bool:
        """Whether `other` lies inside this prefix, or is it."""
        return self.length <= other.length and self.contains(other.network)

    def overlaps(self, other: "Prefix") -> bool:
        """Whether an address is in both: then one covers the other."""
        return self.covers(other) or other.covers(self)

    def supernet(self, length: int) -> "Prefix":
        """The enclosing prefix of `length` bits.

        Raises:
            ValueError: `length` is longer than this prefix.
        """
        if length > self.length:
            raise ValueError(f"{self} has no supernet of /{length}")
        return Prefix.enclosing(self.network, length)


GLOBAL_UNICAST = Prefix.parse("2000::/3")  # IANA's allocations; RFC 4291 2.5.4
LINK_LOCAL = Prefix.parse("fe80::/10")  # RFC 4291 2.5.6
MULTICAST = Prefix.parse("ff00::/8")  # RFC 4291 2.7

USUAL_LENGTH = 64
"""What a link's prefix almost always is (RFC 4291 2.5.1); assumed until one is known."""


def exact_cidrs(first: int, last: int) -> tuple[Prefix, ...]:
    """The fewest prefixes that cover `first` to `last` and nothing else, ascending."""
    found = []
    while first <= last:
        aligned = (first & -first).bit_length() - 1 if first else BITS
        bits = min(aligned, (last - first + 1).bit_length() - 1)
        found.append(Prefix(first, BITS - bits))
        first += 1 << bits
    return tuple(found)
