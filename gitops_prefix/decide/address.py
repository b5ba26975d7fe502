"""IPv6 addresses as 128-bit integers, read and written in one form (RFC 5952).

An address is a plain `int` inside `decide`: arithmetic on it is the point. Text
is for the borders.
"""

import ipaddress

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


def format_address(address: int) -> str:
    """The one text of `address` that RFC 5952 section 4 allows."""
    if address >> 32 == _MAPPED:
        # RFC 5952 5: an IPv4-mapped address has the mixed form. Python writes it since 3.13.
        return f"::ffff:{ipaddress.IPv4Address(address & 0xFFFF_FFFF)}"
    return str(ipaddress.IPv6Address(address))
