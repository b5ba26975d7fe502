"""Bytes to Router Advertisements (RFC 4861 4.2), and nothing else: no I/O, no state.

`decode` takes any bytes and never raises: it returns a RouterAdvertisement, or a
Rejected that says why. The contract of the option readers below: each is given the
message, with the octet at which its option stands and the option's size, all of which
is there; it either adds to `found` or returns the reason for which this one option
must be ignored. What is no reader's is kept raw (RFC 4861 4.6: "Receivers MUST
silently ignore any options they do not recognize and continue processing the message").
"""

from collections.abc import Callable
from enum import StrEnum
from struct import Struct
from typing import NamedTuple

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


class Reason(StrEnum):
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

    reason: Reason
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else str(self.reason)


class _Found(NamedTuple):
    """What the options of one packet have added so far."""

    prefixes: list[PrefixInformation]
    mtu: list[int]
    dns_servers: list[RecursiveDnsServers]
    pref64: list[Pref64]
    unknown: list[UnknownOption]
    ignored: list[IgnoredOption]


_HEADER = Struct("!4xBBHII")
_PREFIX_INFORMATION = Struct("!xxBBII4xQQ")
_ADDRESS = Struct("!QQ")
_LIFETIME = Struct("!4xI")
_NETMASKS = tuple((1 << 128) - (1 << 128 - length) for length in range(129))
_PREFERENCES = (Preference.MEDIUM, Preference.HIGH, Preference.MEDIUM, Preference.LOW)
_PREF64_LENGTHS = (96, 64, 56, 48, 40, 32)

_new = tuple.__new__
"""Builds a NamedTuple in a third of the time that its own constructor takes: half of
what an advertisement costs would be the calls of constructors."""


def decode(payload: bytes, *, source: bytes, hop_limit: int) -> RouterAdvertisement | Rejected:
    """Read and check one ICMPv6 message.

    Args:
        payload: from the ICMPv6 type on. The checksum is not looked at: a socket's
            kernel has checked it; `checksum_is_right` is for captures.
        source: the 16 octets of the IPv6 source address.
        hop_limit: as it arrived.
    """
    rejected = _check(payload, source, hop_limit)
    if rejected is not None:
        return rejected
    prefixes: list[PrefixInformation] = []
    mtu: list[int] = []
    dns_servers: list[RecursiveDnsServers] = []
    pref64: list[Pref64] = []
    unknown: list[UnknownOption] = []
    ignored: list[IgnoredOption] = []
    found = _new(_Found, (prefixes, mtu, dns_servers, pref64, unknown, ignored))
    position, end = 16, len(payload)
    while position < end:
        # Length before index: the second octet may not be there.
        if position + 2 > end:
            return Rejected(Reason.OPTION_TRUNCATED, f"at octet {position}")
        kind, units = payload[position], payload[position + 1]
        if not units:
            # "All included options have a length that is greater than zero."
            return Rejected(Reason.OPTION_LENGTH_ZERO, f"at octet {position}")
        behind = position + units * 8
        if behind > end:
            return Rejected(Reason.OPTION_TRUNCATED, f"at octet {position}")
        reason = _READERS[kind](payload, position, behind - position, found)
        if reason:
            ignored.append(IgnoredOption(kind, reason))
        position = behind
    cur_hop_limit, flags, lifetime, reachable, retrans = _HEADER.unpack_from(payload)
    return _new(
        RouterAdvertisement,
        (
            cur_hop_limit,
            flags & 0x80 != 0,
            flags & 0x40 != 0,
            # RFC 4191 2.2: "If the Router Lifetime is zero, the preference value MUST be
            # set to (00) by the sender and MUST be ignored by the receiver."
            _PREFERENCES[flags >> 3 & 3] if lifetime else Preference.MEDIUM,
            lifetime,
            reachable,
            retrans,
            tuple(prefixes),
            mtu[-1] if mtu else None,
            tuple(dns_servers),
            tuple(pref64),
            tuple(unknown),
            tuple(ignored),
        ),
    )


def _check(payload: bytes, source: bytes, hop_limit: int) -> Rejected | None:
    """The checks of RFC 4861 6.1.2 that come before the options."""
    if hop_limit != 255:
        return Rejected(Reason.HOP_LIMIT, str(hop_limit))
    # "MUST be the link-local address assigned to the interface": fe80::/10.
    if len(source) != 16 or source[0] != 0xFE or source[1] & 0xC0 != 0x80:
        return Rejected(Reason.NOT_LINK_LOCAL)
    if len(payload) < 16:
        return Rejected(Reason.TOO_SHORT, str(len(payload)))
    if payload[0] != ROUTER_ADVERTISEMENT:
        return Rejected(Reason.NOT_ADVERTISEMENT, str(payload[0]))
    if payload[1] != 0:
        return Rejected(Reason.CODE, str(payload[1]))
    return None


def _read_prefix_information(payload: bytes, at: int, size: int, found: _Found) -> str:
    """RFC 4861 4.6.2."""
    if size != 32:
        return f"Prefix Information of {size} octets, not 32"
    length, flags, valid, preferred, high, low = _PREFIX_INFORMATION.unpack_from(payload, at)
    if length > 128:
        return f"Prefix Information with prefix length {length}"
    if preferred > valid:
        # RFC 4862 5.5.3 c: "If the preferred lifetime is greater than the valid
        # lifetime, silently ignore the Prefix Information option."
        return f"Prefix Information with preferred lifetime {preferred} above valid {valid}"
    # "The bits in the prefix after the prefix length are reserved and MUST be
    # initialized to zero by the sender and ignored by the receiver."
    prefix = _new(Prefix, ((high << 64 | low) & _NETMASKS[length], length))
    on_link, autonomous = flags & 0x80 != 0, flags & 0x40 != 0
    found.prefixes.append(_new(PrefixInformation, (prefix, on_link, autonomous, valid, preferred)))
    return ""


def _read_mtu(payload: bytes, at: int, size: int, found: _Found) -> str:
    """RFC 4861 4.6.4."""
    if size != 8:
        return f"MTU of {size} octets, not 8"
    found.mtu.extend(_LIFETIME.unpack_from(payload, at))
    return ""


def _read_dns_servers(payload: bytes, at: int, size: int, found: _Found) -> str:
    """RFC 8106 5.1; by 5.3.1 the length field must be odd and at least 3."""
    if size < 24 or size % 16 != 8:
        return f"RDNSS of {size} octets, which holds no whole addresses"
    (lifetime,) = _LIFETIME.unpack_from(payload, at)
    halves = _ADDRESS.iter_unpack(payload[at + 8 : at + size])
    servers = tuple([high << 64 | low for high, low in halves])
    found.dns_servers.append(_new(RecursiveDnsServers, (lifetime, servers)))
    return ""


def _read_pref64(payload: bytes, at: int, size: int, found: _Found) -> str:
    """RFC 8781 4: 13 bits of lifetime in units of 8 seconds, 3 bits of length code."""
    if size != 16:
        return f"PREF64 of {size} octets, not 16"
    scaled = int.from_bytes(payload[at + 2 : at + 4], "big")
    code = scaled & 7
    if code >= len(_PREF64_LENGTHS):
        return f"PREF64 with reserved prefix length code {code}"
    address = int.from_bytes(payload[at + 4 : at + 16], "big") << 32
    found.pref64.append(Pref64(Prefix.enclosing(address, _PREF64_LENGTHS[code]), scaled & 0xFFF8))
    return ""


def _keep_raw(payload: bytes, at: int, size: int, found: _Found) -> str:
    found.unknown.append(_new(UnknownOption, (payload[at], payload[at + 2 : at + size])))
    return ""


_KNOWN: dict[int, Callable[[bytes, int, int, _Found], str]] = {
    3: _read_prefix_information,
    5: _read_mtu,
    25: _read_dns_servers,
    38: _read_pref64,
}
_READERS = tuple(_KNOWN.get(kind, _keep_raw) for kind in range(256))


def checksum_is_right(payload: bytes, *, source: bytes, destination: bytes) -> bool:
    """Whether an ICMPv6 message has its checksum (RFC 4443 2.3, RFC 8200 8.1).

    Args:
        payload: from the ICMPv6 type on.
        source: 16 octets.
        destination: 16 octets.
    """
    pseudo_header = (
        source + destination + len(payload).to_bytes(4, "big") + bytes([0, 0, 0, ICMPV6])
    )
    octets = pseudo_header + payload
    octets += b"\0" * (len(octets) % 2)
    total = sum(int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF
