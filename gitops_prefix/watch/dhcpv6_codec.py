"""DHCPv6 messages of prefix delegation, as bytes and as values. No I/O.

`decode` takes any bytes and never raises: it returns a Dhcpv6Message, or a Malformed with the
reason. `encode` is its inverse for every message that a requesting router sends or reads.

Sources: RFC 8415 (messages and options), RFC 6603 (Prefix Exclude). Options that a requesting
router does not need are skipped (RFC 8415 16).
"""

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from gitops_prefix.decide.prefix import BITS, Prefix

CLIENT_PORT, SERVER_PORT = 546, 547
ALL_SERVERS = "ff02::1:2"
"""All_DHCP_Relay_Agents_and_Servers (RFC 8415 7.1)."""

MOST_PREFIXES = 64
"""Prefixes of one IA_PD: a delegation has one, or two while it is renumbered."""
MOST_DUID = 130
"""Octets of a DUID: two of type and at most 128 (RFC 8415 11.1)."""
_LONGEST_WORDS = 200

_HEADER = Struct("!I")
_OPTION = Struct("!HH")
_ASSOCIATION = Struct("!III")
_PREFIX = Struct("!IIB16s")

# RFC 8415 21.2, 21.3, 21.7, 21.8, 21.9, 21.13, 21.21, 21.22, 21.24; RFC 6603 4.2.
_CLIENT_ID, _SERVER_ID, _REQUESTED, _PREFERENCE, _ELAPSED = 1, 2, 6, 7, 8
_STATUS, _IA_PD, _IA_PREFIX, _MAX_SOLICIT, _EXCLUDE = 13, 25, 26, 82, 67


class MessageType(IntEnum):
    """The messages of prefix delegation (RFC 8415 7.3)."""

    SOLICIT = 1
    ADVERTISE = 2
    REQUEST = 3
    RENEW = 5
    REBIND = 6
    REPLY = 7
    RELEASE = 8


class Code(IntEnum):
    """The status codes that a delegation can have (RFC 8415 21.13)."""

    SUCCESS = 0
    UNSPEC_FAIL = 1
    NO_BINDING = 3
    NO_PREFIX_AVAIL = 6


class Malformed(NamedTuple):
    """Bytes that are no DHCPv6 message, and why: they are discarded."""

    reason: str


class ServerStatus(NamedTuple):
    """A Status Code option (RFC 8415 21.13).

    Attributes:
        code: a value of `Code`, or another one.
        words: what the server says to people; at most 200 printable characters.
    """

    code: int
    words: str = ""

    @property
    def refuses(self) -> bool:
        """Whether it is not Success."""
        return self.code != Code.SUCCESS

    def __str__(self) -> str:
        name = next((known.name for known in Code if known == self.code), f"status{self.code}")
        camel = "".join(part.capitalize() for part in name.split("_"))
        return f"{camel}: {self.words}" if self.words else camel


_SUCCESS = ServerStatus(Code.SUCCESS)


class DelegatedPrefix(NamedTuple):
    """An IA Prefix option (RFC 8415 21.22). Lifetimes in seconds; 0xffffffff never ends.

    Attributes:
        prefix: without host bits.
        excluded: the part that the server keeps for the link to us (RFC 6603).
    """

    prefix: Prefix
    preferred: int
    valid: int
    excluded: Prefix | None = None


class Association(NamedTuple):
    """An IA_PD option (RFC 8415 21.21). Times in seconds; 0 leaves them to the client.

    Attributes:
        iaid: which one it is of the client's.
        renew_after: T1.
        rebind_after: T2.
    """

    iaid: int
    renew_after: int = 0
    rebind_after: int = 0
    prefixes: tuple[DelegatedPrefix, ...] = ()
    status: ServerStatus = _SUCCESS


class Dhcpv6Message(NamedTuple):
    """One message between a requesting router and a server (RFC 8415 8).

    Attributes:
        transaction: 24 bits.
        client: the DUID of the client; empty without the option.
        server: the DUID of the server; empty without the option.
        associations: those that are valid by RFC 8415 21.21.
        preference: of the server, 0 to 255.
        elapsed: hundredths of a second since the client began; None without the option.
        max_solicit: SOL_MAX_RT (RFC 8415 21.24), in seconds; None without the option.
    """

    type: MessageType
    transaction: int
    client: bytes = b""
    server: bytes = b""
    associations: tuple[Association, ...] = ()
    status: ServerStatus = _SUCCESS
    preference: int = 0
    elapsed: int | None = None
    max_solicit: int | None = None


class _BrokenError(Exception):
    """An option that reaches beyond its place, or is too short."""


def encode(message: Dhcpv6Message) -> bytes:
    """The bytes of a message, without the UDP header.

    What a client sends asks for Prefix Exclude and SOL_MAX_RT, as RFC 8415 21.24 demands.
    """
    parts = [_HEADER.pack(message.type << 24 | message.transaction)]
    if message.client:
        parts.append(_option(_CLIENT_ID, message.client))
    if message.server:
        parts.append(_option(_SERVER_ID, message.server))
    if message.elapsed is not None:
        parts.append(_option(_ELAPSED, min(message.elapsed, 0xFFFF).to_bytes(2)))
        parts.append(_option(_REQUESTED, _OPTION.pack(_EXCLUDE, _MAX_SOLICIT)))
    if message.preference:
        parts.append(_option(_PREFERENCE, bytes([message.preference])))
    if message.max_solicit is not None:
        parts.append(_option(_MAX_SOLICIT, message.max_solicit.to_bytes(4)))
    parts.append(_written_status(message.status))
    parts.extend(_option(_IA_PD, _written_association(each)) for each in message.associations)
    return b"".join(parts)


def _option(kind: int, body: bytes) -> bytes:
    return _OPTION.pack(kind, len(body)) + body


def _written_status(status: ServerStatus) -> bytes:
    if status == _SUCCESS:
        return b""
    return _option(_STATUS, status.code.to_bytes(2) + status.words.encode())


def _written_association(association: Association) -> bytes:
    times = (association.iaid, association.renew_after, association.rebind_after)
    prefixes = (_written_prefix(delegated) for delegated in association.prefixes)
    return _ASSOCIATION.pack(*times) + b"".join(prefixes) + _written_status(association.status)


def _written_prefix(delegated: DelegatedPrefix) -> bytes:
    network, length = delegated.prefix
    body = _PREFIX.pack(delegated.preferred, delegated.valid, length, network.to_bytes(16))
    if delegated.excluded is not None:
        bits = delegated.excluded.length - length
        octets = (bits + 7) // 8
        subnet = (delegated.excluded.network - network) >> (BITS - delegated.excluded.length)
        identifier = (subnet << (8 * octets - bits)).to_bytes(octets)
        body += _option(_EXCLUDE, bytes([delegated.excluded.length]) + identifier)
    return _option(_IA_PREFIX, body)


def decode(octets: bytes) -> Dhcpv6Message | Malformed:
    """Read what stands behind the UDP header.

    An option that is there twice counts once, as it came first (RFC 8415 21: "only one instance").
    """
    if len(octets) < _HEADER.size:
        return Malformed("shorter than 4 octets")
    (header,) = _HEADER.unpack_from(octets)
    kind, transaction = header >> 24, header & 0xFFFFFF
    if kind not in MessageType.__members__.values():
        return Malformed(f"message type {kind} is not one of prefix delegation")
    try:
        return _read(MessageType(kind), transaction, octets[_HEADER.size :])
    except _BrokenError as broken:
        return Malformed(str(broken))


def _read(kind: MessageType, transaction: int, octets: bytes) -> Dhcpv6Message:
    first: dict[int, bytes] = {}
    associations: dict[int, Association] = {}
    for option, body in _options(octets):
        if option == _IA_PD:
            association = _read_association(body)
            if association is not None:
                associations.setdefault(association.iaid, association)
        else:
            first.setdefault(option, body)
    return Dhcpv6Message(
        kind,
        transaction,
        _read_duid(first.get(_CLIENT_ID)),
        _read_duid(first.get(_SERVER_ID)),
        tuple(associations.values()),
        _read_status(first.get(_STATUS)),
        _read_number(first.get(_PREFERENCE), 1) or 0,
        _read_number(first.get(_ELAPSED), 2),
        _read_number(first.get(_MAX_SOLICIT), 4),
    )


def _options(octets: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(octets):
        if at + _OPTION.size > len(octets):
            raise _BrokenError("an option has no length")
        option, length = _OPTION.unpack_from(octets, at)
        at += _OPTION.size
        if at + length > len(octets):
            raise _BrokenError(f"option {option} reaches beyond its end")
        yield option, octets[at : at + length]
        at += length


def _read_duid(body: bytes | None) -> bytes:
    if body is None:
        return b""
    if not 3 <= len(body) <= MOST_DUID:
        raise _BrokenError(f"a DUID of {len(body)} octets")
    return body


def _read_number(body: bytes | None, octets: int) -> int | None:
    if body is None:
        return None
    if len(body) != octets:
        raise _BrokenError(f"an option of {len(body)} octets instead of {octets}")
    return int.from_bytes(body)


def _read_status(body: bytes | None) -> ServerStatus:
    if body is None:
        return _SUCCESS
    if len(body) < 2:
        raise _BrokenError("a status code without a code")
    text = body[2 : 2 + 4 * _LONGEST_WORDS].decode(errors="replace")
    words = "".join(each if each.isprintable() else " " for each in text)[:_LONGEST_WORDS].strip()
    return ServerStatus(int.from_bytes(body[:2]), words)


def _read_association(body: bytes) -> Association | None:
    """An IA_PD, or None if T1 is above T2: then it is ignored (RFC 8415 21.21)."""
    if len(body) < _ASSOCIATION.size:
        raise _BrokenError("an IA_PD shorter than 12 octets")
    iaid, renew_after, rebind_after = _ASSOCIATION.unpack_from(body)
    prefixes: dict[Prefix, DelegatedPrefix] = {}
    status = None
    for option, content in _options(body[_ASSOCIATION.size :]):
        if option == _STATUS:
            status = status or _read_status(content)
        elif option == _IA_PREFIX:
            delegated = _read_prefix(content)
            if delegated is not None and len(prefixes) < MOST_PREFIXES:
                prefixes.setdefault(delegated.prefix, delegated)
    if renew_after > rebind_after > 0:
        return None
    return Association(
        iaid, renew_after, rebind_after, tuple(prefixes.values()), status or _SUCCESS
    )


def _read_prefix(body: bytes) -> DelegatedPrefix | None:
    """An IA Prefix, or None if it delegates nothing, or lives shorter than it is preferred.

    RFC 8415 21.22: a client discards a prefix whose preferred lifetime is the longer one. The
    bits behind the length do not belong to the prefix.
    """
    if len(body) < _PREFIX.size:
        raise _BrokenError("an IA Prefix shorter than 25 octets")
    preferred, valid, length, address = _PREFIX.unpack_from(body)
    excludes = [content for option, content in _options(body[_PREFIX.size :]) if option == _EXCLUDE]
    if preferred > valid or not 0 < length <= BITS:
        return None
    prefix = Prefix.enclosing(int.from_bytes(address), length)
    excluded = _read_exclude(excludes[0], prefix) if excludes else None
    return DelegatedPrefix(prefix, preferred, valid, excluded)


def _read_exclude(body: bytes, prefix: Prefix) -> Prefix | None:
    """The excluded part (RFC 6603 4.2), or None if the option names none of this prefix."""
    if not 2 <= len(body) <= 17:
        return None
    length, bits = body[0], body[0] - prefix.length
    if not 0 < bits <= 8 * (len(body) - 1) or length > BITS:
        return None
    subnet = int.from_bytes(body[1:]) >> (8 * (len(body) - 1) - bits)
    return Prefix(prefix.network | subnet << (BITS - length), length)
