"""IPv6 addresses, prefixes and their parts: 128-bit integers, and a network with its length.

An address is a plain `int` inside `decide`: arithmetic on it is the point. Text is for the
borders, and is written in one form (RFC 5952). ipaddress.IPv6Network takes a hundred times as
long to build as the pair, so the codec and the decision use the pair; `ipaddress` reads and
writes the text. A part of a prefix is a range, which has a start and an end, or a subnet, which is
the nth network of a length, counted from the start of a base prefix.
"""

import ipaddress
from functools import lru_cache
from typing import NamedTuple, Self

BITS = 128
LIMIT = 1 << BITS
_MAPPED = 0xFFFF


def parse_address(text: str) -> int:
    """The address that `text` writes, in any form of RFC 4291 2.2.

    Raises:
        ValueError: `text` is no IPv6 address (IPv4 and zone identifiers are not).
    """
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IPv6 address") from error
    if address.scope_id is not None:
        raise ValueError(f"{text!r} is not an IPv6 address")
    return int(address)


@lru_cache(maxsize=1024)
def format_address(address: int) -> str:
    """The one text of `address` that RFC 5952 section 4 allows."""
    if address >> 32 == _MAPPED:
        # RFC 5952 5: an IPv4-mapped address has the mixed form. Python writes it since 3.13.
        return f"::ffff:{ipaddress.IPv4Address(address & 0xFFFF_FFFF)}"
    return str(ipaddress.IPv6Address(address))


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
LOOPBACK = Prefix.parse("::1/128")  # RFC 4291 2.5.3
NOT_UNICAST = (LINK_LOCAL, MULTICAST, LOOPBACK)

USUAL_LENGTH = 64
"""What a link's prefix almost always is (RFC 4291 2.5.1); assumed until one is known."""
SHORTEST_LENGTH = 16
"""No network has more addresses: "In no case shall an ISP receive more than a /16 initial
allocation" (ARIN NRPM 6.5.2.1 b). A shorter prefix is a mistake, or a forgery that would make all
of the Internet ours."""


def why_never(prefix: Prefix) -> str:
    """Why no network has a prefix, whoever says it; empty for a prefix that one may have."""
    if prefix.overlaps(LINK_LOCAL) or prefix.overlaps(MULTICAST):
        return "is link-local or multicast, and never a prefix for addresses"
    if prefix.length < SHORTEST_LENGTH:
        return f"is shorter than /{SHORTEST_LENGTH}, and no network has that many addresses"
    if prefix.overlaps(LOOPBACK):
        return "holds the loopback address, and is never a prefix for addresses"
    return ""


def is_usable(prefix: Prefix, *, on_link: bool, autonomous: bool) -> bool:
    """Whether any host can use a prefix that is announced with these flags.

    RFC 4862 5.5.3 d: "If the sum of the prefix length and interface identifier length
    does not equal 128 bits, the Prefix Information option MUST be ignored." So without
    the on-link flag nothing is left of a prefix that is no /64.
    """
    if prefix.length < SHORTEST_LENGTH:
        return False
    return on_link or (autonomous and prefix.length == USUAL_LENGTH)


@lru_cache(maxsize=1024)
def is_global(prefix: Prefix) -> bool:
    """Whether a prefix is global; two kinds of prefix never replace each other by absence."""
    return GLOBAL_UNICAST.covers(prefix)


def exact_cidrs(first: int, last: int) -> tuple[Prefix, ...]:
    """The fewest prefixes that cover `first` to `last` and nothing else, ascending."""
    found = []
    while first <= last:
        aligned = (first & -first).bit_length() - 1 if first else BITS
        bits = min(aligned, (last - first + 1).bit_length() - 1)
        found.append(Prefix(first, BITS - bits))
        first += 1 << bits
    return tuple(found)


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
    """A range as the specification has it: two host parts, both ends included.

    Attributes:
        subnet: the host parts are of this subnet; None: of the prefix itself.
    """

    name: str
    start: int
    end: int
    subnet: "Subnet | None" = None

    def within(self, prefix: Prefix) -> PlacedRange:
        """The range in `prefix`, which is the range's subnet if it has one.

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
