"""The simulated router's port to a link: packets out as they are, solicitations in."""

import errno
import socket
import struct

from gitops_prefix.errors import OutsideError
from gitops_prefix.watch.raw_socket import ALL_ROUTERS, NO_PERMISSION

_IPV6 = 0x86DD
_ALL_NODES_FRAME = bytes.fromhex("333300000001")
"""33:33 and the last octets of ff02::1 (RFC 2464 7)."""
_ROUTER_SOLICITATION = 133
_ICMPV6_FILTER = 1
_ETHERNET = 1
_INT = struct.Struct("@i")


class Port:
    """Two sockets: one that sends whatever source we say, one that hears solicitations."""

    def __init__(self, interface: str) -> None:
        """Open them.

        Raises:
            OutsideError: no permission, or the link has gone or is down.
        """
        self._interface = interface
        try:
            # The kernel writes the link's own header.
            self._out = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
            self._in = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        except PermissionError as error:
            raise OutsideError(NO_PERMISSION) from error
        try:
            self._index = socket.if_nametoindex(interface)
            self._out.bind((interface, 0))
            self._listen()
        except OSError as error:
            self.close()
            raise OutsideError(f"cannot use {interface}: {error.strerror}") from error

    def _listen(self) -> None:
        blocked = [0xFFFFFFFF] * 8
        blocked[_ROUTER_SOLICITATION >> 5] &= ~(1 << (_ROUTER_SOLICITATION & 31))
        self._in.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface.encode())
        self._in.setsockopt(socket.IPPROTO_ICMPV6, _ICMPV6_FILTER, struct.pack("@8I", *blocked))
        self._in.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        group = struct.pack("@16sI", socket.inet_pton(socket.AF_INET6, ALL_ROUTERS), self._index)
        self._in.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        self._in.setblocking(False)  # noqa: FBT003

    def fileno(self) -> int:
        """The descriptor that is readable when somebody asks."""
        return self._in.fileno()

    @property
    def hardware_address(self) -> bytes:
        """The 6 octets of an Ethernet link; empty on others."""
        _, _, _, kind, address = self._out.getsockname()
        return bytes(address) if kind == _ETHERNET else b""

    def send(self, packet: bytes) -> None:
        """Send an IPv6 packet to all nodes.

        Raises:
            OutsideError: the link is down or gone.
        """
        try:
            self._out.sendto(packet, (self._interface, _IPV6, 0, 0, _ALL_NODES_FRAME))
        except OSError as error:
            raise OutsideError(f"cannot send on {self._interface}: {error.strerror}") from error

    def solicitations(self) -> int:
        """How many valid ones (RFC 4861 6.1.1) came since the last call."""
        valid = 0
        while True:
            try:
                payload, ancillary, _, _ = self._in.recvmsg(2048, socket.CMSG_SPACE(_INT.size))
            except OSError as error:
                if error.errno in {errno.EAGAIN, errno.EINTR, errno.ENETDOWN}:
                    return valid
                raise
            hop_limit = next((_INT.unpack(content)[0] for _, _, content in ancillary), 0)
            valid += hop_limit == 255 and len(payload) >= 8 and payload[1] == 0

    def close(self) -> None:
        """Give the sockets back."""
        self._out.close()
        self._in.close()
