"""Captures instead of a link: pcap and pcapng files, read with scapy (the `lab` extra).

scapy is GPL-2.0-only and heavy. It is imported when a capture is opened and never in
the daemon's process. It only reads the file's frames: the headers before the message
are read here, and the message itself by our codec.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

from gitops_prefix.errors import InputError, Problem
from gitops_prefix.watch.codec import ICMPV6, ROUTER_ADVERTISEMENT

_HEADERS = {0, 43, 60}
"""Extension headers that may stand before the message (RFC 8200 4): options, routing."""
_FRAGMENT = 44
_IPV6 = b"\x86\xdd"
_TOO_LATE = 253402300800.0
_VLAN = {b"\x81\x00", b"\x88\xa8"}


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


def read_capture(path: Path) -> Iterator[CapturedPacket]:
    """The Router Advertisements of a capture, in its order, right or wrong.

    Raises:
        InputError: the lab extra is missing, or the file is no capture, or ends early.
            What stands before the damage was told.
    """
    scapy = _scapy()
    with path.open("rb") as file, _Complaints() as complaints:
        reader = _open(path, file, scapy)
        while (read := _next_frame(path, reader, complaints)) is not None:
            frame, about = read
            link_type = about.linktype if hasattr(about, "linktype") else reader.linktype
            packet = _ipv6_packet(frame, link_type)
            if packet is not None:
                at = _seconds(about, reader)
                if at >= _TOO_LATE:
                    raise _damaged(path, "a packet of after the year 9999")
                message = _message(packet, at, _label(about) or path.name)
                if message is not None:
                    yield message


class _Complaints(logging.Handler):
    """What scapy's readers log of a damaged file, before they take it for its end."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []
        self._logger = logging.getLogger("scapy.runtime")

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())

    def __enter__(self) -> Self:
        self._kept = self._logger.handlers[:], self._logger.filters[:], self._logger.propagate
        # Its own filter would swallow what it has said before.
        self._logger.handlers, self._logger.filters = [self], []
        self._logger.propagate = False
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.handlers, self._logger.filters, self._logger.propagate = self._kept


def _scapy() -> Any:
    try:
        import scapy.utils  # noqa: PLC0415  see above
    except ImportError as error:
        message = 'reading a capture needs scapy: pip install "gitops-prefix[lab]"'
        raise InputError(Problem("lab-missing", message)) from error
    return scapy


def _open(path: Path, file: BinaryIO, scapy: Any) -> Any:
    try:
        return scapy.utils.RawPcapReader(file)
    except Exception as error:
        # scapy's readers raise whatever a damaged file makes them.
        raise _damaged(path, error) from error


def _next_frame(path: Path, reader: Any, complaints: _Complaints) -> tuple[bytes, Any] | None:
    """The next frame and what the file says about it, or None at the end."""
    complaints.heard.clear()
    start = reader.f.tell()
    try:
        frame, about = next(reader)
    except StopIteration as end:
        # pcap: what is left is less than a header. pcapng: told, or in the EOFError.
        rest = reader.f.tell() - start if hasattr(reader, "snaplen") else 0
        broken = end.__context__.args if end.__context__ else ()
        if rest or broken or complaints.heard:
            why = [*complaints.heard, *broken, "it ends in the middle of a header"][0]
            raise _damaged(path, why) from end
        return None
    except Exception as error:
        raise _damaged(path, error) from error
    if getattr(about, "caplen", 0) > len(frame):
        raise _damaged(path, f"it ends in the middle of a packet of {about.caplen} octets")
    return frame, about


def _damaged(path: Path, why: object) -> InputError:
    message = f"{path} is no capture that can be read to its end (pcap or pcapng): {why}"
    return InputError(Problem("invalid-capture", message))


def _label(about: Any) -> str:
    """The link's name in a pcapng, fit for a terminal whoever wrote it."""
    name: bytes = getattr(about, "ifname", None) or b""
    text = name.decode(errors="backslashreplace")
    return text if text.isprintable() else ascii(text)[1:-1]


def _seconds(about: Any, reader: Any) -> float:
    """When a frame was captured: pcap and pcapng count differently."""
    if hasattr(about, "tshigh"):
        # A Simple Packet Block has no time.
        ticks = (about.tshigh << 32) | about.tslow if about.tshigh is not None else 0
        return ticks / float(about.tsresol)
    return float(about.sec + about.usec / (1e9 if reader.nano else 1e6))


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
    return CapturedPacket(
        at, interface, payload, packet[8:24], packet[24:40], packet[7], fragmented
    )
