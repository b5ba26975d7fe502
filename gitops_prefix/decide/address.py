"""IPv6 addresses as 128-bit integers, read and written in one form (RFC 5952).

An address is a plain `int` inside `decide`: arithmetic on it is the point. Text
is for the borders.
"""

import netaddr

BITS = 128
LIMIT = 1 << BITS


def parse_address(text: str) -> int:
    """The address that `text` writes, in any form of RFC 4291 2.2.

    Raises:
        ValueError: `text` is no IPv6 address (IPv4 and zone identifiers are not).
    """
    try:
        return int(netaddr.IPAddress(text, version=6, flags=netaddr.INET_PTON))
    except (netaddr.AddrFormatError, ValueError, TypeError) as error:
        raise ValueError(f"{text!r} is not an IPv6 address") from error


def format_address(address: int) -> str:
    """The one text of `address` that RFC 5952 section 4 allows."""
    if address >> 16 and not address >> 32:
        # inet_ntop writes ::240.0.0.0 here; to us it is a host part, not an IPv4
        # address (RFC 5952 5 wants the mixed form for known prefixes only).
        return f"::{address >> 16:x}:{address & 0xFFFF:x}"
    return str(netaddr.IPAddress(address, version=6))
