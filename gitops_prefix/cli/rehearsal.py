"""Router Advertisements as bytes, for the demo: a router that nobody has to own.

The lab extra's router (scapy) is the one for real links; this needs no library and
no socket, and its bytes go through the same codec as everybody's.
"""

import struct
from collections.abc import Iterable

from gitops_prefix.decide.prefix import Prefix

ROUTER = bytes.fromhex("fe800000000000000000000000000001")
"""fe80::1, the link-local source of the rehearsed router."""


def advertisement(
    prefixes: Iterable[Prefix], *, valid_lifetime: int = 86400, preferred_lifetime: int = 14400
) -> bytes:
    """The ICMPv6 message of a router that announces `prefixes` (RFC 4861 4.2, 4.6.2).

    On-link and autonomous flags are set; the checksum is 0, since a kernel would
    have checked it before anybody sees the packet. Lifetimes in seconds.
    """
    header = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    return header + b"".join(
        struct.pack(
            "!BBBBIII16s",
            3,
            4,
            prefix.length,
            0xC0,
            valid_lifetime,
            preferred_lifetime,
            0,
            prefix.network.to_bytes(16, "big"),
        )
        for prefix in prefixes
    )
