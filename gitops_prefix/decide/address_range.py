"""Address ranges: a start and an end within whatever prefix is current."""

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
