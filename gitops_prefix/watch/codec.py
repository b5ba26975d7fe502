"""Bytes to Router Advertisements (RFC 4861 4.2), and back. No I/O.

`decode` takes any bytes and never raises: it returns a RouterAdvertisement, or a
Rejected with the reason. `encode` is its inverse: `decode(encode(x)) == x` for every
advertisement without ignored options.

The contract of the option readers: a reader gets one whole option, from its type to its
end, and returns its value. An option that must be ignored is returned as an
IgnoredOption, with the reason. An option that no reader knows is kept raw (RFC 4861 4.6:
"Receivers MUST silently ignore any options they do not recognize and continue
processing the message").

A flood brings thousands of advertisements a second, so `decode` is written for speed:
flags come from tables, `decode` reads a valid Prefix Information itself, and every other
option, which routers repeat byte for byte, is read once and remembered.
"""

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from struct import Struct
from typing import NamedTuple, TypeAlias

from gitops_prefix.decide.advertisement import (
    IgnoredOption,
    Pref64,
    Preference,
    PrefixInformation,
    RecursiveDnsServers,
    RouterAdvertisement,
    UnknownOption,
)
from gitops_prefix.decide.prefix import Prefix

ROUTER_ADVERTISEMENT = 134
ICMPV6 = 58
ALL_NODES = bytes.fromhex("ff02000000000000 0000000000000001")


class RejectReason(StrEnum):
    """Why a packet is no valid Router Advertisement (RFC 4861 6.1.2)."""

    HOP_LIMIT = "hop limit is not 255: it was routed, or forged from afar"
    NOT_LINK_LOCAL = "source is not link-local"
    NOT_ADVERTISEMENT = "ICMPv6 type is not 134"
    CODE = "ICMPv6 code is not 0"
    TOO_SHORT = "shorter than 16 octets"
    OPTION_LENGTH_ZERO = "an option of length zero"
    OPTION_TRUNCATED = "an option reaches beyond the packet"
    CHECKSUM = "ICMPv6 checksum is wrong"
    FRAGMENT = "sent in fragments (RFC 6980)"


class Rejected(NamedTuple):
    """A packet that must be silently discarded, and why."""

    reason: RejectReason
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else str(self.reason)


Option: TypeAlias = int | RecursiveDnsServers | Pref64 | UnknownOption | IgnoredOption
"""What an option says; an MTU is a plain number."""

_HEADER = Struct("!HxxBBHII")
_WRITTEN_HEADER = Struct("!BBHBBHII")
_PREFIX_INFORMATION = Struct("!BBBBIIxxxxQQ")
_MTU = _DNS_SERVERS = Struct("!BBxxI")
_PREF64 = Struct("!BBHIQ")
_ADDRESS = Struct("!QQ")
_IPV6 = Struct("!IHBB16s16s")

_PREFIX_SIZE = 32
_TYPE_AND_CODE = ROUTER_ADVERTISEMENT << 8
_LOW_64 = (1 << 64) - 1
_NETMASKS = tuple((1 << 128) - (1 << 128 - length) for length in range(129))
_PREF64_LENGTHS = (96, 64, 56, 48, 40, 32)

# RFC 4191 2.1: two bits of two's complement; the reserved 10 counts as 00.
_PREFERENCES = (Preference.MEDIUM, Preference.HIGH, Preference.MEDIUM, Preference.LOW)
_PREFERENCE_BITS = {Preference.MEDIUM: 0x00, Preference.HIGH: 0x08, Preference.LOW: 0x18}
# M, O (RFC 4861 4.2), Prf (RFC 4191), bit 6 (draft-ietf-6man-snac-router-ra-flag).
_HEADER_FLAGS = tuple(
    (bool(octet & 0x80), bool(octet & 0x40), _PREFERENCES[octet >> 3 & 3], bool(octet & 0x02))
    for octet in range(256)
)
# RFC 4191 2.2: "If the Router Lifetime is zero, the preference value MUST be set to (00)
# by the sender and MUST be ignored by the receiver."
_FLAGS_WITHOUT_LIFETIME = tuple(
    (managed, other, Preference.MEDIUM, snac_router)
    for managed, other, _, snac_router in _HEADER_FLAGS
)
# L, A (RFC 4861 4.6.2), R (RFC 6275 7.2), P (RFC 9762).
_PREFIX_FLAGS = tuple(
    (bool(octet & 0x80), bool(octet & 0x40), bool(octet & 0x20), bool(octet & 0x10))
    for octet in range(256)
)

_new = tuple.__new__
"""Builds a NamedTuple in a third of the time that its own constructor takes."""


class _Prefixes(dict[int, Prefix]):
    """Each /64 that was read, by the upper half of its address; bounded."""

    MOST = 256

    def __missing__(self, upper: int) -> Prefix:
        if len(self) >= self.MOST:
            self.clear()
        prefix = self[upper] = Prefix(upper << 64, 64)
        return prefix


_PREFIXES = _Prefixes()


def decode(payload: bytes, *, source: bytes, hop_limit: int) -> RouterAdvertisement | Rejected:
    """Read and check one ICMPv6 message.

    Args:
        payload: from the ICMPv6 type on. The checksum is not looked at: a socket's
            kernel has checked it; `checksum_is_right` is for captures.
        source: the 16 octets of the IPv6 source address.
        hop_limit: as it arrived.
    """
    end = len(payload)
    # fe80::/10, and a length of whole options, each of which is a multiple of 8 octets.
    linked = b"\xfe\x80" <= source < b"\xfe\xc0" and len(source) == 16
    if hop_limit != 255 or not linked or end < 16 or end & 7:
        return _rejected(payload, source, hop_limit)
    kind, cur_hop_limit, bits, lifetime, reachable, retrans = _HEADER.unpack_from(payload)
    if kind != _TYPE_AND_CODE:
        return _rejected(payload, source, hop_limit)
    prefixes: tuple[PrefixInformation, ...] = ()
    found: list[tuple[Option, ...]] = [(), (), (), (), ()]
    at = 16
    while at < end:
        behind = at + (payload[at + 1] << 3)
        if not at < behind <= end:
            return _rejected(payload, source, hop_limit)
        if payload[at] == 3 and behind - at == _PREFIX_SIZE:
            _, _, length, flags, valid, preferred, high, low = _PREFIX_INFORMATION.unpack_from(
                payload, at
            )
            if preferred <= valid and length <= 128:
                # "The bits in the prefix after the prefix length are reserved and MUST be
                # initialized to zero by the sender and ignored by the receiver."
                prefix = (
                    _PREFIXES[high]
                    if length == 64
                    else _new(Prefix, ((high << 64 | low) & _NETMASKS[length], length))
                )
                on_link, autonomous, router, delegation = _PREFIX_FLAGS[flags]
                whole = (prefix, on_link, autonomous, valid, preferred, router, delegation, None)
                prefixes += (_new(PrefixInformation, whole),)
                at = behind
                continue
        place, value = _read_option(payload[at:behind])
        found[place] += (value,)
        at = behind
    managed, other, preference, snac_router = (
        _HEADER_FLAGS[bits] if lifetime else _FLAGS_WITHOUT_LIFETIME[bits]
    )
    mtus, dns_servers, pref64, unknown, ignored = found
    return _new(
        RouterAdvertisement,
        (
            cur_hop_limit,
            managed,
            other,
            preference,
            lifetime,
            reachable,
            retrans,
            prefixes,
            mtus[-1] if mtus else None,
            dns_servers,
            pref64,
            unknown,
            ignored,
            snac_router,
        ),
    )


def _rejected(payload: bytes, source: bytes, hop_limit: int) -> Rejected:
    """Why a message is not valid: the checks of RFC 4861 6.1.2, in its order."""
    if hop_limit != 255:
        return Rejected(RejectReason.HOP_LIMIT, str(hop_limit))
    # "MUST be the link-local address assigned to the interface": fe80::/10.
    if len(source) != 16 or source[0] != 0xFE or source[1] & 0xC0 != 0x80:
        return Rejected(RejectReason.NOT_LINK_LOCAL)
    if len(payload) < 16:
        return Rejected(RejectReason.TOO_SHORT, str(len(payload)))
    if payload[0] != ROUTER_ADVERTISEMENT:
        return Rejected(RejectReason.NOT_ADVERTISEMENT, str(payload[0]))
    if payload[1] != 0:
        return Rejected(RejectReason.CODE, str(payload[1]))
    at = 16
    # Length before index: the second octet may not be there.
    while at + 2 <= len(payload) and payload[at + 1] and at + payload[at + 1] * 8 <= len(payload):
        at += payload[at + 1] * 8
    # "All included options have a length that is greater than zero."
    zero = payload[at + 1 : at + 2] == b"\0"
    reason = RejectReason.OPTION_LENGTH_ZERO if zero else RejectReason.OPTION_TRUNCATED
    return Rejected(reason, f"at octet {at}")


@lru_cache(maxsize=256)
def _read_option(option: bytes) -> tuple[int, Option]:
    """What an option says, and in which of the five lists of `decode` it belongs."""
    place, read = _READERS.get(option[0], (3, _keep_raw))
    value = read(option)
    return (4 if isinstance(value, IgnoredOption) else place), value


def _refuse_prefix(option: bytes) -> IgnoredOption:
    """RFC 4861 4.6.2; `decode` reads what is valid."""
    if len(option) != _PREFIX_SIZE:
        return IgnoredOption(3, f"Prefix Information of {len(option)} octets, not {_PREFIX_SIZE}")
    _, _, length, _, valid, preferred, _, _ = _PREFIX_INFORMATION.unpack(option)
    if length > 128:
        return IgnoredOption(3, f"Prefix Information with prefix length {length}")
    # RFC 4862 5.5.3 c: "If the preferred lifetime is greater than the valid lifetime,
    # silently ignore the Prefix Information option."
    lifetimes = f"preferred lifetime {preferred} above valid {valid}"
    return IgnoredOption(3, f"Prefix Information with {lifetimes}")


def _read_mtu(option: bytes) -> int | IgnoredOption:
    """RFC 4861 4.6.4."""
    if len(option) != _MTU.size:
        return IgnoredOption(5, f"MTU of {len(option)} octets, not 8")
    mtu: int = _MTU.unpack(option)[2]
    return mtu


def _read_dns_servers(option: bytes) -> RecursiveDnsServers | IgnoredOption:
    """RFC 8106 5.1; by 5.3.1 the length field must be odd and at least 3."""
    size = len(option)
    if size < 24 or size % 16 != 8:
        return IgnoredOption(25, f"RDNSS of {size} octets, which holds no whole addresses")
    _, _, lifetime = _DNS_SERVERS.unpack_from(option)
    servers = tuple([high << 64 | low for high, low in _ADDRESS.iter_unpack(option[8:])])
    return RecursiveDnsServers(lifetime, servers)


def _read_pref64(option: bytes) -> Pref64 | IgnoredOption:
    """RFC 8781 4: 13 bits of lifetime in units of 8 seconds, 3 bits of length code."""
    if len(option) != _PREF64.size:
        return IgnoredOption(38, f"PREF64 of {len(option)} octets, not 16")
    _, _, scaled, high, low = _PREF64.unpack(option)
    code = scaled & 7
    if code >= len(_PREF64_LENGTHS):
        return IgnoredOption(38, f"PREF64 with reserved prefix length code {code}")
    prefix = Prefix.enclosing(high << 96 | low << 32, _PREF64_LENGTHS[code])
    return Pref64(prefix, scaled & 0xFFF8)


def _keep_raw(option: bytes) -> UnknownOption:
    return UnknownOption(option[0], option[2:])


_READERS: dict[int, tuple[int, Callable[[bytes], Option]]] = {
    3: (4, _refuse_prefix),
    5: (0, _read_mtu),
    25: (1, _read_dns_servers),
    38: (2, _read_pref64),
}


def encode(advertisement: RouterAdvertisement) -> bytes:
    """The ICMPv6 message that says this, with a checksum of 0; `in_ipv6` fills it in.

    Ignored options are left out.
    """
    lifetime = advertisement.router_lifetime
    flags = (
        advertisement.managed << 7
        | advertisement.other << 6
        | (_PREFERENCE_BITS[advertisement.preference] if lifetime else 0)
        | advertisement.snac_router << 1
    )
    header = _WRITTEN_HEADER.pack(
        ROUTER_ADVERTISEMENT,
        0,
        0,
        advertisement.hop_limit,
        flags,
        lifetime,
        advertisement.reachable_time,
        advertisement.retrans_timer,
    )
    options = [_write_prefix(information) for information in advertisement.prefixes]
    if advertisement.mtu is not None:
        options.append(_MTU.pack(5, 1, advertisement.mtu))
    options += [_write_dns_servers(announced) for announced in advertisement.dns_servers]
    options += [_write_pref64(announced) for announced in advertisement.pref64]
    options += [
        bytes([option.type, (len(option.body) + 2) // 8]) + option.body
        for option in advertisement.unknown
    ]
    return header + b"".join(options)


def _write_prefix(information: PrefixInformation) -> bytes:
    flags = (
        information.on_link << 7
        | information.autonomous << 6
        | information.router_address << 5
        | information.pd_preferred << 4
    )
    prefix = information.prefix
    return _PREFIX_INFORMATION.pack(
        3,
        _PREFIX_SIZE // 8,
        prefix.length,
        flags,
        information.valid_lifetime,
        information.preferred_lifetime,
        prefix.network >> 64,
        prefix.network & _LOW_64,
    )


def _write_dns_servers(announced: RecursiveDnsServers) -> bytes:
    head = _DNS_SERVERS.pack(25, 1 + 2 * len(announced.servers), announced.lifetime)
    return head + b"".join(server.to_bytes(16, "big") for server in announced.servers)


def _write_pref64(announced: Pref64) -> bytes:
    code = _PREF64_LENGTHS.index(announced.prefix.length)
    network = announced.prefix.network >> 32
    return _PREF64.pack(38, 2, announced.lifetime | code, network >> 64, network & _LOW_64)


def in_ipv6(message: bytes, *, source: bytes, destination: bytes = ALL_NODES) -> bytes:
    """The IPv6 packet of an ICMPv6 message, with its checksum and hop limit 255 (RFC 8200 3)."""
    header = _IPV6.pack(6 << 28, len(message), ICMPV6, 255, source, destination)
    checksum = ~_sum(message, source, destination) & 0xFFFF
    return header + message[:2] + checksum.to_bytes(2, "big") + message[4:]


def checksum_is_right(payload: bytes, *, source: bytes, destination: bytes) -> bool:
    """Whether an ICMPv6 message has its checksum (RFC 4443 2.3).

    Args:
        payload: from the ICMPv6 type on.
        source: 16 octets.
        destination: 16 octets.
    """
    return _sum(payload, source, destination) == 0xFFFF


def _sum(payload: bytes, source: bytes, destination: bytes) -> int:
    """The one's complement sum over a message and its pseudo-header (RFC 8200 8.1)."""
    octets = source + destination + len(payload).to_bytes(4, "big") + bytes([0, 0, 0, ICMPV6])
    octets += payload
    octets += b"\0" * (len(octets) % 2)
    total = sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total
