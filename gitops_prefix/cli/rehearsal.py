"""Router Advertisements as bytes, for the demo: a router that nobody has to own.

They need no socket, and go through the same codec as everybody's.
"""

from collections.abc import Iterable

from gitops_prefix.decide.advertisement import Preference, PrefixInformation, RouterAdvertisement
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.codec import encode

ROUTER = bytes.fromhex("fe800000000000000000000000000001")
"""fe80::1, the link-local source of the rehearsed router."""


def advertisement(
    prefixes: Iterable[Prefix],
    *,
    valid_lifetime: int = 86400,
    preferred_lifetime: int = 14400,
    deprecated: Iterable[Prefix] = (),
) -> bytes:
    """The ICMPv6 message of a router that announces `prefixes`, on-link and autonomous.

    `deprecated` are announced, too, with a preferred lifetime of 0.

    Lifetimes are seconds. The checksum is 0: in the daemon the kernel has checked it before
    the codec sees the message.
    """
    announced = tuple(
        PrefixInformation(prefix, True, True, valid_lifetime, preferred_lifetime)  # noqa: FBT003
        for prefix in prefixes
    ) + tuple(
        PrefixInformation(prefix, True, True, valid_lifetime, 0)  # noqa: FBT003
        for prefix in deprecated
    )
    said = RouterAdvertisement(
        hop_limit=64,
        managed=False,
        other=False,
        preference=Preference.MEDIUM,
        router_lifetime=1800,
        reachable_time=0,
        retrans_timer=0,
        prefixes=announced,
    )
    return encode(said)
