"""Router Advertisements as bytes, written out: what the tables of the tests are made of."""

from gitops_prefix.decide.advertisement import (
    Preference,
    PrefixInformation,
    RouterAdvertisement,
)
from gitops_prefix.decide.prefix import Prefix

LINK_LOCAL = bytes.fromhex("fe80 0000 0000 0000 0000 0000 0000 0001")

#         type code checksum  cur-hop-limit flags lifetime  reachable   retrans
HEADER = "86   00   beef      40            00    0708      00000000    00000000"

PIO = "03 04 40 c0 00015180 00003840 00000000 2001 0db8 1234 0000 0000 0000 0000 0000"
MTU = "05 01 0000 000005dc"
RDNSS = "19 03 0000 00000e10 2001 0db8 1234 0000 0000 0000 0000 0053"
PREF64 = "26 02 0708 0064ff9b 00000000 00000000"
ROUTE = "18 02 40 08 00000e10 2001 0db8 00ff 0000"
LINK_LAYER = "01 01 0200 0000 0001"
STRANGE = "fd 01 0102 0304 0506"

A = PrefixInformation(Prefix.parse("2001:db8:1234::/64"), True, True, 86400, 14400)


def advertisement(**fields: object) -> RouterAdvertisement:
    """What HEADER alone says, but for `fields`."""
    plain = RouterAdvertisement(64, False, False, Preference.MEDIUM, 1800, 0, 0, ())
    return plain._replace(**fields)


def message(*parts: str) -> bytes:
    """The bytes that hex `parts` write."""
    return bytes.fromhex("".join(parts))
