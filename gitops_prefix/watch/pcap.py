"""Captures instead of a link: pcap and pcapng files, read with scapy (the `lab` extra).

scapy is GPL-2.0-only and heavy. It is imported when a capture is opened and never in
the daemon's process; it only opens the file and the frames: the message itself goes
through our codec.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gitops_prefix.errors import InputError, Problem

_ICMPV6 = 58
_HEADERS = {0, 43, 60}
"""Extension headers that may stand before the message (RFC 8200 4): options, routing."""
_FRAGMENT = 44


class CapturedPacket(NamedTuple):
    """One ICMPv6 message of a capture.

    Attributes:
        at: seconds since the epoch, as captured.
        payload: from the ICMPv6 type on.
        source: 16 octets.
        destination: 16 octets.
        fragmented: whether a fragment header stood before it.
    """

    at: float
    payload: bytes
    source: bytes
    destination: bytes
    hop_limit: int
    fragmented: bool


def read_capture(path: Path) -> Iterator[CapturedPacket]:
    """The Router Advertisements of a capture, in its order, right or wrong.

    Raises:
        InputError: the lab extra is missing, or the file is no capture.
    """
    reader = _open(path)
    with reader:
        while True:
            try:
                frame, captured = next(reader)
            except (EOFError, StopIteration):
                return
            except Exception as error:
                # scapy's readers raise whatever a damaged file makes them.
                raise _damaged(path, error) from error
            packet = _ipv6_packet(frame)
            read = _read(packet, _seconds(captured)) if packet else None
            if read is not None:
                yield read


def _open(path: Path) -> Any:
    try:
        from scapy.error import Scapy_Exception  # noqa: PLC0415  see above
        from scapy.utils import RawPcapReader  # noqa: PLC0415
    except ImportError as error:
        message = 'reading a capture needs scapy: pip install "gitops-prefix[lab]"'
        raise InputError(Problem("lab-missing", message)) from error
    try:
        return RawPcapReader(str(path))
    except (Scapy_Exception, OSError, EOFError, ValueError) as error:
        raise _damaged(path, error) from error


def _seconds(captured: Any) -> float:
    """When a frame was captured: pcap and pcapng count differently."""
    if hasattr(captured, "tshigh"):
        ticks = (captured.tshigh << 32) | captured.tslow if captured.tshigh is not None else 0
        return float(ticks / (captured.tsresol or 1_000_000))
    return float(captured.sec + captured.usec / 1_000_000)


def _damaged(path: Path, error: Exception) -> InputError:
    message = f"{path} is no capture that can be read (pcap or pcapng): {error}"
    return InputError(Problem("invalid-capture", message))


def _ipv6_packet(frame: bytes) -> bytes | None:
    """The IPv6 packet in a frame, whatever the link: Ethernet with VLANs, cooked, or raw."""
    if frame[:1] and frame[0] >> 4 == 6 and len(frame) >= 40:
        length = int.from_bytes(frame[4:6], "big")
        if length + 40 <= len(frame):
            return frame
    for offset in (12, 14, 16, 20):
        position = offset
        while frame[position : position + 2] in {b"\x81\x00", b"\x88\xa8"}:
            position += 4
        if frame[position : position + 2] == b"\x86\xdd":
            return frame[position + 2 :]
    return None


def _read(packet: bytes, at: float) -> CapturedPacket | None:
    if len(packet) < 40:
        return None
    end = 40 + int.from_bytes(packet[4:6], "big")
    header, position, fragmented = packet[6], 40, False
    while header in _HEADERS or header == _FRAGMENT:
        if position + 8 > len(packet):
            return None
        fragmented |= header == _FRAGMENT
        following = packet[position]
        position += 8 if header == _FRAGMENT else 8 * (packet[position + 1] + 1)
        header = following
    payload = packet[position:end]
    if header != _ICMPV6 or payload[:1] != b"\x86":
        return None
    return CapturedPacket(at, payload, packet[8:24], packet[24:40], packet[7], fragmented)
