"""What scapy reads in a message, and what must hold of whatever our codec reads in it."""

from ipaddress import IPv6Address

from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPREF64,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
)

from gitops_prefix.decide.advertisement import (
    Pref64,
    Preference,
    PrefixInformation,
    RecursiveDnsServers,
    RouterAdvertisement,
)
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.codec import Rejected, RejectReason, decode
from tests.watch.advertisements import LINK_LOCAL

PREFERENCES = [Preference.MEDIUM, Preference.HIGH, Preference.MEDIUM, Preference.LOW]
PREF64_LENGTHS = [96, 64, 56, 48, 40, 32]


def read(payload: bytes) -> RouterAdvertisement | Rejected:
    """The message, as from a router on the link."""
    return decode(payload, source=LINK_LOCAL, hop_limit=255)


def option_ends(payload: bytes) -> list[int]:
    """Where each option ends, by the length fields alone, as long as they make sense."""
    ends = [16]
    while ends[-1] + 1 < len(payload) and payload[ends[-1] + 1]:
        ends.append(ends[-1] + 8 * payload[ends[-1] + 1])
    return ends


def check_soundness(payload: bytes) -> RouterAdvertisement | Rejected:
    """Read a message of type 134 and code 0; what is accepted is whole, and each option is there once."""
    outcome = read(payload)
    ends = option_ends(payload)
    if isinstance(outcome, Rejected):
        broken = ends[-1] != len(payload)
        assert outcome.reason is RejectReason.TOO_SHORT if len(payload) < 16 else broken, outcome
        return outcome
    assert ends[-1] == len(payload)
    for information in outcome.prefixes:
        assert information.prefix == Prefix.enclosing(*information.prefix)
        assert information.preferred_lifetime <= information.valid_lifetime
    told = sum(len(outcome[at]) for at in (7, 9, 10, 11, 12))
    mtus = len(ends) - 1 - told
    assert mtus == 0 if outcome.mtu is None else mtus >= 1
    return outcome


def theirs(payload: bytes) -> list:
    """The header and the options as scapy has them."""
    layers = [ICMPv6ND_RA(payload)]
    while getattr(layers[-1].payload, "len", None):
        layers.append(layers[-1].payload)
    return layers


def check_agreement(payload: bytes, ours: RouterAdvertisement) -> bool:
    """Hold every field against scapy's; False when scapy is no judge of this message."""
    header, *options = theirs(payload)
    starts = option_ends(payload)[:-1]
    if ours.ignored or [(option.type, option.len) for option in options] != [
        tuple(payload[start : start + 2]) for start in starts
    ]:
        # scapy knows no option that is to be ignored, and loses its way behind one whose
        # length its class does not expect (a link-layer address of 16 octets).
        return False
    lifetime = header.routerlifetime
    assert ours[:7] == (
        header.chlim,
        bool(header.M),
        bool(header.O),
        PREFERENCES[header.prf] if lifetime else Preference.MEDIUM,
        lifetime,
        header.reachabletime,
        header.retranstimer,
    )
    # scapy names bits 5 to 7 "reserved" together.
    assert ours.snac_router == bool(header.res & 0x02)
    by_class: dict[type, list] = {}
    for option in options:
        by_class.setdefault(type(option), []).append(option)
    prefixes = by_class.get(ICMPv6NDOptPrefixInfo, [])
    servers = by_class.get(ICMPv6NDOptRDNSS, [])
    pref64 = by_class.get(ICMPv6NDOptPREF64, [])
    mtus = by_class.get(ICMPv6NDOptMTU, [])
    assert ours.prefixes == tuple(
        PrefixInformation(
            Prefix.enclosing(int(IPv6Address(option.prefix)), option.prefixlen),
            bool(option.L),
            bool(option.A),
            option.validlifetime,
            option.preferredlifetime,
            bool(option.R),
            bool(option.res1 & 0x10),
        )
        for option in prefixes
    )
    assert ours.dns_servers == tuple(
        RecursiveDnsServers(option.lifetime, tuple(int(IPv6Address(text)) for text in option.dns))
        for option in servers
    )
    assert ours.pref64 == tuple(
        Pref64(
            Prefix.enclosing(int(IPv6Address(option.prefix)), PREF64_LENGTHS[option.plc]),
            option.scaledlifetime * 8,
        )
        for option in pref64
    )
    assert ours.mtu == (mtus[-1].mtu if mtus else None)
    known = len(prefixes) + len(servers) + len(pref64) + len(mtus)
    assert len(options) == known + len(ours.unknown)
    return True
