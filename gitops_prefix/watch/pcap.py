"""Captures instead of a link: the Router Advertisements in pcap and pcapng files.

The file's frames, the headers before the message, and nothing else are read here; the
message is read by the codec. A file whose end is damaged yields what stands before it.

pcap: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-05.html
pcapng: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html
"""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gitops_prefix.errors import InputError, Problem
from gitops_prefix.watch.codec import ICMPV6, ROUTER_ADVERTISEMENT

_HEADERS = {0, 43, 60}
"""Extension headers that may stand before the message (RFC 8200 4): options, routing."""
_FRAGMENT = 44
_IPV6 = b"\x86\xdd"
_VLAN = {b"\x81\x00", b"\x88\xa8"}
_TOO_LATE = 253402300800.0
"""The year 10000, which no calendar of Python's has."""
_LARGEST = 1 << 24
"""Octets of a packet or block: a damaged length must not make us read a whole disk."""

_PCAP_MAGICS = {
    bytes.fromhex("a1b2c3d4"): (">", 1e6),
    bytes.fromhex("d4c3b2a1"): ("<", 1e6),
    bytes.fromhex("a1b23c4d"): (">", 1e9),
    bytes.fromhex("4d3cb2a1"): ("<", 1e9),
}
_SECTION = 0x0A0D0D0A
"""It reads the same in either byte order."""
_SECTION_ORDERS = {bytes.fromhex("1a2b3c4d"): ">", bytes.fromhex("4d3c2b1a"): "<"}
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 1, 2, 3, 6
_NAME, _RESOLUTION, _OFFSET = 2, 9, 14


class CapturedPacket(NamedTuple):
    """One ICMPv6 message of a capture.

    Attributes:
        at: seconds since the epoch, as captured.
        interface: the link that the capture names, or the file's name.
        payload: from the ICMPv6 type on.
        source: 16 octets.
        destination: 16 octets.
        hop_limit: as it arrived.
        fragmented: whether a fragment header stood before it.
    """

    at: float
    interface: str
    payload: bytes
    source: bytes
    destination: bytes
    hop_limit: int
    fragmented: bool


class _Frame(NamedTuple):
    """One frame of a file.

    Attributes:
        interface: the name of its link; empty if the file has none.
    """

    octets: bytes
    link_type: int
    at: float
    interface: str = ""


class _Interface(NamedTuple):
    """What a pcapng says about a link: its frames count time in `ticks` a second."""

    link_type: int
    longest: int
    name: str = ""
    ticks: int = 10**6
    offset: int = 0

    def seconds(self, high: int, low: int) -> float:
        return (high << 32 | low) / self.ticks + self.offset


class _DamagedError(Exception):
    """The file ends early, or is no capture."""


def read_capture(path: Path) -> Iterator[CapturedPacket]:
    """The Router Advertisements of a capture, in its order, right or wrong.

    Raises:
        InputError: the file is no capture, or ends early; what stands before the damage
            was yielded.
    """
    try:
        with path.open("rb") as file:
            for frame in _frames(file):
                packet = _ipv6_packet(frame.octets, frame.link_type)
                found = _message(packet, frame.at, frame.interface or path.name) if packet else None
                if found is not None:
                    yield found
    except _DamagedError as error:
        message = f"{path} is no capture that can be read to its end (pcap or pcapng): {error}"
        raise InputError(Problem("invalid-capture", message)) from error


def _frames(file: BinaryIO) -> Iterator[_Frame]:
    magic = file.read(4)
    if magic == _SECTION.to_bytes(4):
        return _pcapng(file)
    if magic in _PCAP_MAGICS:
        return _pcap(file, *_PCAP_MAGICS[magic])
    raise _DamagedError("it begins with neither of the two's magic numbers")


def _read(file: BinaryIO, size: int, what: str) -> bytes:
    if size > _LARGEST:
        raise _DamagedError(f"{what} of {size} octets")
    octets = file.read(size)
    if len(octets) < size:
        raise _DamagedError(f"it ends in the middle of {what} of {size} octets")
    return octets


def _pcap(file: BinaryIO, order: str, ticks: float) -> Iterator[_Frame]:
    header = struct.Struct(f"{order}IIII")
    (link_type,) = struct.unpack_from(f"{order}I", _read(file, 20, "a file header"), 16)
    while head := file.read(header.size):
        if len(head) < header.size:
            raise _DamagedError("it ends in the middle of a header")
        seconds, fraction, size, _ = header.unpack(head)
        octets = _read(file, size, "a packet")
        # The upper bits say how long the checksum behind each frame is.
        yield _Frame(octets, link_type & 0xFFFF, seconds + fraction / ticks)


def _pcapng(file: BinaryIO) -> Iterator[_Frame]:
    order, interfaces = _section(file), list[_Interface]()
    while head := file.read(4):
        if len(head) < 4:
            raise _DamagedError("it ends in the middle of a header")
        (kind,) = struct.unpack(f"{order}I", head)
        if kind == _SECTION:
            order, interfaces = _section(file), []
            continue
        (size,) = struct.unpack(f"{order}I", _read(file, 4, "a block"))
        body = _block(file, order, size, 8)
        try:
            if kind == _INTERFACE:
                interfaces.append(_interface(body, order))
            elif kind in {_PACKET, _OLD_PACKET, _SIMPLE_PACKET}:
                yield _packet(kind, body, order, interfaces)
        except (struct.error, IndexError) as error:
            raise _DamagedError(f"a block of type {kind} that makes no sense") from error


def _section(file: BinaryIO) -> str:
    """The byte order of a section, of which the block type is read already."""
    size, magic = _read(file, 4, "a section header"), _read(file, 4, "a section header")
    if magic not in _SECTION_ORDERS:
        raise _DamagedError("a section header without its magic number")
    order = _SECTION_ORDERS[magic]
    _block(file, order, struct.unpack(f"{order}I", size)[0], 12)
    return order


def _block(file: BinaryIO, order: str, size: int, behind: int) -> bytes:
    """The rest of a block of `size` octets, `behind` of which are read; its length ends it."""
    if size < behind + 4 or size % 4:
        raise _DamagedError(f"a block of {size} octets")
    rest = _read(file, size - behind, "a block")
    if rest[-4:] != struct.pack(f"{order}I", size):
        raise _DamagedError("a block with two different lengths")
    return rest[:-4]


def _interface(body: bytes, order: str) -> _Interface:
    link_type, longest = struct.unpack_from(f"{order}HxxI", body)
    made = _Interface(link_type, longest)
    at = 8
    while at + 4 <= len(body):
        kind, size = struct.unpack_from(f"{order}HH", body, at)
        value = body[at + 4 : at + 4 + size]
        if kind == _NAME:
            made = made._replace(name=_printable(value))
        elif kind == _RESOLUTION and value:
            ticks = 1 << (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
            made = made._replace(ticks=ticks)
        elif kind == _OFFSET and size == 8:
            made = made._replace(offset=struct.unpack(f"{order}q", value)[0])
        at += 4 + (size + 3 & ~3)
    return made


def _printable(name: bytes) -> str:
    """A link's name, fit for a terminal whoever wrote it."""
    text = name.rstrip(b"\0").decode(errors="backslashreplace")
    return text if text.isprintable() else ascii(text)[1:-1]


def _packet(kind: int, body: bytes, order: str, interfaces: list[_Interface]) -> _Frame:
    if kind == _SIMPLE_PACKET:
        # It is of the first interface, and has no time.
        interface = interfaces[0]
        (size,) = struct.unpack_from(f"{order}I", body)
        size = min(size, interface.longest or size)
        head, at = 4, 0.0
    else:
        number = f"{order}I" if kind == _PACKET else f"{order}Hxx"
        (index,) = struct.unpack_from(number, body)
        interface = interfaces[index]
        high, low, size = struct.unpack_from(f"{order}III", body, 4)
        head, at = 20, interface.seconds(high, low)
    octets = body[head : head + size]
    if len(octets) < size:
        raise _DamagedError(f"it ends in the middle of a packet of {size} octets")
    return _Frame(octets, interface.link_type, at, interface.name)


def _behind_ethertype(position: int, size: int = 2) -> Callable[[bytes], bytes | None]:
    """A reader for frames that have an Ethertype, and the packet `size` octets later."""

    def read(frame: bytes) -> bytes | None:
        at, behind = position, size
        while frame[at : at + 2] in _VLAN:
            at, behind = at + behind + 2, 2
        return frame[at + behind :] if frame[at : at + 2] == _IPV6 else None

    return read


_LINK_TYPES: dict[int, Callable[[bytes], bytes | None]] = {
    1: _behind_ethertype(12),  # Ethernet
    113: _behind_ethertype(14),  # Linux cooked, as of `tcpdump -i any`
    276: _behind_ethertype(0, 20),  # Linux cooked 2
    0: lambda frame: frame[4:],  # BSD loopback
    108: lambda frame: frame[4:],  # OpenBSD loopback
    12: lambda frame: frame,  # raw IP, as some systems number it
    14: lambda frame: frame,
    101: lambda frame: frame,  # raw IP
    229: lambda frame: frame,  # raw IPv6
}
"""https://www.tcpdump.org/linktypes.html; a link without IPv6 has nothing for us."""


def _ipv6_packet(frame: bytes, link_type: int) -> bytes | None:
    read = _LINK_TYPES.get(link_type)
    packet = read(frame) if read else None
    # Length before index: 40 octets of header (RFC 8200 3).
    return packet if packet and len(packet) >= 40 and packet[0] >> 4 == 6 else None


def _message(packet: bytes, at: float, interface: str) -> CapturedPacket | None:
    """The Router Advertisement in an IPv6 packet, behind its extension headers."""
    end = 40 + int.from_bytes(packet[4:6], "big")
    header, position, fragmented = packet[6], 40, False
    while header in _HEADERS or header == _FRAGMENT:
        if position + 8 > len(packet):
            return None
        if header == _FRAGMENT and int.from_bytes(packet[position + 2 : position + 4], "big") >> 3:
            # Not the first fragment: the message's head is elsewhere.
            return None
        fragmented |= header == _FRAGMENT
        size = 8 if header == _FRAGMENT else 8 * (packet[position + 1] + 1)
        header, position = packet[position], position + size
    payload = packet[position:end]
    if header != ICMPV6 or payload[:1] != bytes([ROUTER_ADVERTISEMENT]):
        return None
    if not 0 <= at < _TOO_LATE:
        raise _DamagedError("an advertisement of before 1970 or after the year 9999")
    return CapturedPacket(
        at, interface, payload, packet[8:24], packet[24:40], packet[7], fragmented
    )
