"""The raw ICMPv6 socket: packets in, solicitations out (RFC 3542, RFC 4861); and the tap.

One raw socket serves every link. ICMP6_FILTER passes only type 134, and
IPV6_MULTICAST_ALL=0 drops multicast from links that were not joined. It works with
`accept_ra=0` and `forwarding=1` too: a raw socket hears what the host ignores.
"""

import contextlib
import ctypes
import errno
import socket
import struct
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from gitops_prefix.errors import OutsideError
from gitops_prefix.watch.codec import ROUTER_ADVERTISEMENT

ALL_NODES = "ff02::1"
ALL_ROUTERS = "ff02::2"
ROUTER_SOLICITATION = struct.pack("!BBHI", 133, 0, 0, 0)
"""RFC 4861 4.1, without a link-layer address; the kernel fills in the checksum."""

# linux/icmpv6.h and linux/in6.h; Python names none of them.
_ICMPV6_FILTER = 1
_IPV6_MULTICAST_ALL = 29
_IPV6_RECVFRAGSIZE = 77
_IPV6_FRAGSIZE = 77

# linux/socket.h and linux/filter.h.
_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
_NETWORK_HEADER = 0xFFF00000
"""SKF_NET_OFF: offsets from here on count from the IPv6 header."""
_SOURCE_AT = 8
_INSTRUCTION = struct.Struct("@HBBI")


def bpf(*instructions: tuple[int, int, int, int]) -> bytes:
    """A classic BPF program, as `attach` takes it (linux/filter.h)."""
    return b"".join(_INSTRUCTION.pack(*line) for line in instructions)


def attach(attached: socket.socket, program: bytes) -> None:
    """Give a classic BPF program to a socket."""
    buffer = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _INSTRUCTION.size
    filter_of = struct.pack("@HP", count, ctypes.addressof(buffer))
    attached.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_of)


# linux/if_packet.h.
_ETH_P_ALL = 3
ETH_P_IPV6 = 0x86DD
SOL_PACKET = 263
PACKET_AUXDATA = 8
AUXDATA = struct.Struct("@IIIHHHH")
_VLAN_VALID = 0x10
_OUTGOING = 4
# Classic BPF: IPv6, next header ICMPv6, type 134; keep 64 octets.
_ADVERTISEMENTS_ALONE = bpf(
    (0x28, 0, 0, 0xFFFFF000),  # ldh [ethertype]
    (0x15, 0, 5, 0x86DD),
    (0x30, 0, 0, 6),  # ldb [next header]
    (0x15, 0, 3, 58),
    (0x30, 0, 0, 40),  # ldb [ICMPv6 type]
    (0x15, 0, 1, ROUTER_ADVERTISEMENT),
    (0x06, 0, 0, 64),
    (0x06, 0, 0, 0),
)

_INT = struct.Struct("@i")
_PACKET_INFO = struct.Struct("@16sI")
_MOST_BYTES = 65535
_ANCILLARY_BYTES = (
    socket.CMSG_SPACE(_INT.size)
    + socket.CMSG_SPACE(_PACKET_INFO.size)
    + socket.CMSG_SPACE(_INT.size)
)

# One line, as every message: it goes to a log, too.
NO_PERMISSION = (
    "no permission to open a raw ICMPv6 socket: give it the capability NET_RAW, in Kubernetes by "
    "`securityContext: {capabilities: {drop: [ALL], add: [NET_RAW]}}`, in Docker by "
    "`--cap-add NET_RAW`, on a host under systemd by AmbientCapabilities=CAP_NET_RAW, or be root, "
    'as in `sudo "$(command -v gitops-prefix)" ...`'
)


class Packet(NamedTuple):
    """One ICMPv6 message as it arrived.

    Attributes:
        payload: from the ICMPv6 type on; its checksum is right.
        source: 16 octets.
        hop_limit: as it arrived.
        interface_index: of the link it arrived on.
        fragmented: whether it came in fragments.
    """

    payload: bytes
    source: bytes
    hop_limit: int
    interface_index: int
    fragmented: bool = False


class RouterAdvertisementSocket:
    """Hears Router Advertisements on the links that it joined."""

    def __init__(self) -> None:
        """Open it.

        Raises:
            OutsideError: no permission, or no IPv6 here.
        """
        try:
            self._socket = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        except PermissionError as error:
            raise OutsideError(NO_PERMISSION) from error
        except OSError as error:
            raise OutsideError(f"cannot open a raw ICMPv6 socket: {error.strerror}") from error
        self._set(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, _only(ROUTER_ADVERTISEMENT))
        self._set(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
        self._set(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        self._set(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        self._set(socket.IPPROTO_IPV6, _IPV6_RECVFRAGSIZE, 1)
        # RFC 4861 6.1.1: a solicitation whose hop limit is not 255 is discarded.
        self._set(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        self._set(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
        self._socket.setblocking(False)  # noqa: FBT003

    def _set(self, level: int, name: int, setting: int | bytes) -> None:
        self._socket.setsockopt(level, name, setting)

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._socket.fileno()

    def join(self, interface_index: int) -> None:
        """Join the all-nodes group on a link; joining twice is as good as once.

        The kernel is in it on every link that has IPv6 (RFC 4291 2.8), and hands us what
        it gets: a link that cannot be joined yet, for want of IPv6, is heard all the same.
        """
        with contextlib.suppress(OSError):
            self._set(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, _membership(interface_index))

    def leave(self, interface_index: int) -> None:
        """Leave the group on a link that is gone, or is not ours any more.

        The kernel keeps a membership of a link that was removed, and counts it against
        net.core.optmem_max: a few hundred of them, and no link could be joined any more.
        """
        with contextlib.suppress(OSError):
            self._set(socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, _membership(interface_index))

    def solicit(self, interface_index: int, router: str = ALL_ROUTERS) -> None:
        """Ask the routers of a link to advertise now (RFC 4861 6.3.7).

        Raises:
            OSError: the link is gone, or has no address yet.
        """
        self._socket.sendto(ROUTER_SOLICITATION, (router, 0, 0, interface_index))

    def receive(self) -> Packet | None:
        """The next packet; None when nothing waits."""
        received = self._receive()
        if received is None:
            return None
        payload, ancillary, _, address = received
        hop_limit, interface_index, fragmented = 0, 0, False
        for level, kind, content in ancillary:
            if level != socket.IPPROTO_IPV6:
                continue
            if kind == socket.IPV6_HOPLIMIT:
                (hop_limit,) = _INT.unpack(content)
            elif kind == socket.IPV6_PKTINFO:
                _, interface_index = _PACKET_INFO.unpack(content)
            elif kind == _IPV6_FRAGSIZE:
                fragmented = True
        source = socket.inet_pton(socket.AF_INET6, address[0].partition("%")[0])
        return Packet(payload, source, hop_limit, interface_index, fragmented)

    def _receive(self) -> tuple[bytes, list[tuple[int, int, bytes]], int, tuple[str, ...]] | None:
        """What recvmsg(2) has next; None when nothing waits."""
        # A link that went down leaves its error on the socket; packets may wait behind it.
        for _ in range(_MOST_ERRORS):
            try:
                return self._socket.recvmsg(_MOST_BYTES, _ANCILLARY_BYTES)
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno not in _PASSING:
                    raise
        return None

    def hear_only(self, sources: Iterable[bytes]) -> None:
        """Have the kernel drop every packet from another source than these (16 octets each)."""
        attach(self._socket, _program(sources))

    def hear_all(self) -> None:
        """Hear every router again."""
        self._set(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)

    def close(self) -> None:
        """Leave every group."""
        self._socket.close()


class Tap:
    """Sees advertisements before this host's firewall, bridge or VLANs drop them.

    A packet socket (packet(7)) that keeps the first few, from when it is opened. It is read
    only when the raw socket heard nothing, to find the reason. Without the permission, or the
    link, it sees nothing.
    """

    def __init__(self, interface: str) -> None:
        self._socket: socket.socket | None = None
        with contextlib.suppress(OSError, UnicodeError), contextlib.ExitStack() as stack:
            # Protocol 0 until all is set: no packet of before.
            tap = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0))
            attach(tap, _ADVERTISEMENTS_ALONE)
            tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
            tap.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            tap.setblocking(False)  # noqa: FBT003
            tap.bind((interface, _ETH_P_ALL))
            stack.pop_all()
            self._socket = tap

    def heard(self) -> Counter[int]:
        """How many came, by VLAN; 0 is untagged. A flood is counted only at its beginning."""
        found: Counter[int] = Counter()
        while self._socket is not None:
            try:
                _, ancillary, _, address = self._socket.recvmsg(64, socket.CMSG_SPACE(AUXDATA.size))
            except OSError:
                return found
            if address[2] == _OUTGOING:
                continue
            vlan = 0
            for _, _, content in ancillary:
                status, *_, tag, _ = AUXDATA.unpack(content)
                vlan = tag & 0xFFF if status & _VLAN_VALID else 0
            found[vlan] += 1
        return found

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()


def _program(sources: Iterable[bytes]) -> bytes:
    """A classic BPF program that passes packets from these sources (16 octets each)."""
    load, equal, answer = 0x20, 0x15, 0x06
    program = b""
    for source in sources:
        # The word that differs most comes first; a mismatch jumps behind this source.
        for behind, word in zip((7, 5, 3, 1), (3, 2, 1, 0), strict=True):
            (expected,) = struct.unpack_from("!I", source, 4 * word)
            program += _INSTRUCTION.pack(load, 0, 0, _NETWORK_HEADER + _SOURCE_AT + 4 * word)
            program += _INSTRUCTION.pack(equal, 0, behind, expected)
        program += _INSTRUCTION.pack(answer, 0, 0, 0xFFFFFFFF)
    return program + _INSTRUCTION.pack(answer, 0, 0, 0)


_PASSING = {errno.EINTR, errno.ENETDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH}
_MOST_ERRORS = 16
"""Errors in a row; each is reported once."""


def _membership(interface_index: int) -> bytes:
    """A struct ipv6_mreq for the all-nodes group (RFC 3493 5.2)."""
    return _PACKET_INFO.pack(socket.inet_pton(socket.AF_INET6, ALL_NODES), interface_index)


def _only(kind: int) -> bytes:
    """An ICMP6_FILTER that passes one type (RFC 3542 3.2): a set bit blocks."""
    words = [0xFFFFFFFF] * 8
    words[kind >> 5] &= ~(1 << (kind & 31))
    return struct.pack("@8I", *words)
