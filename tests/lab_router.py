"""A router made of scapy: sends what no honest router would, and sees who asks."""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6ND_RS, ICMPv6NDOptPrefixInfo, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from tests.netns import Namespace

SOURCE = "fe80::dead:1"


def says(
    *prefixes: str, lifetime: int = 1800, valid: int = 86400, preferred: int = 14400
) -> Packet:
    """An ICMPv6 message that advertises prefixes such as `2001:db8:1::/64`."""
    message = ICMPv6ND_RA(routerlifetime=lifetime, prf=0)
    for prefix in prefixes:
        network, _, length = prefix.partition("/")
        message /= ICMPv6NDOptPrefixInfo(
            prefix=network, prefixlen=int(length), validlifetime=valid, preferredlifetime=preferred
        )
    return message


def header(source: str = SOURCE, destination: str = "ff02::1", hop_limit: int = 255) -> IPv6:
    return IPv6(src=source, dst=destination, hlim=hop_limit)


class LabRouter:
    """On the link of a namespace."""

    def __init__(self, frames: socket.socket) -> None:
        self._frames = frames

    def send(self, *packets: Packet) -> None:
        """Send IPv6 packets as they are, right or wrong."""
        for packet in packets:
            self._frames.send(
                bytes(Ether(src="02:00:00:00:de:ad", dst="33:33:00:00:00:01") / packet)
            )

    def advertise(self, *prefixes: str, **fields: int) -> None:
        self.send(header() / says(*prefixes, **fields))

    def solicited(self, seconds: float = 60.0) -> IPv6:
        """The next Router Solicitation on the link."""
        while select.select([self._frames], [], [], seconds)[0]:
            packet = Ether(self._frames.recv(65535))
            if ICMPv6ND_RS in packet:
                return packet[IPv6]
        raise AssertionError(f"nobody asked within {seconds:g} s")


@contextmanager
def lab_router(namespace: Namespace) -> Iterator[LabRouter]:
    with namespace.inside():
        frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86DD))
        frames.bind((namespace.link, 0x86DD))
    with frames:
        yield LabRouter(frames)
