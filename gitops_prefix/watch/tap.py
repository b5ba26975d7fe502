"""What reaches a link before this host's firewall, bridge or VLANs had their say.

A packet socket (packet(7)) that keeps the first few Router Advertisements. It is
looked at only when the raw socket heard none, to tell the reason.
"""

import contextlib
import ctypes
import socket
import struct
from collections import Counter

_ETH_P_ALL = 3
_SO_ATTACH_FILTER = 26
_PACKET_AUXDATA = 8
_AUXDATA = struct.Struct("@IIIHHHH")
_VLAN_VALID = 0x10
_SOL_PACKET = 263
_OUTGOING = 4
# Classic BPF (linux/filter.h): IPv6, next header ICMPv6, type 134; keep 64 octets.
_FILTER = (
    (0x28, 0, 0, 0xFFFFF000),  # ldh [ethertype]
    (0x15, 0, 5, 0x86DD),
    (0x30, 0, 0, 6),  # ldb [next header]
    (0x15, 0, 3, 58),
    (0x30, 0, 0, 40),  # ldb [ICMPv6 type]
    (0x15, 0, 1, 134),
    (0x06, 0, 0, 64),
    (0x06, 0, 0, 0),
)


class Tap:
    """Open from now on; without the permission, or the link, it hears nothing."""

    def __init__(self, interface: str) -> None:
        self._socket: socket.socket | None = None
        with contextlib.suppress(OSError, UnicodeError), contextlib.ExitStack() as stack:
            # Protocol 0 until all is set: no packet of before.
            tap = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0))
            code = b"".join(struct.pack("=HBBI", *line) for line in _FILTER)
            buffer = ctypes.create_string_buffer(code)
            program = struct.pack("@HP", len(_FILTER), ctypes.addressof(buffer))
            tap.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
            tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
            tap.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            tap.setblocking(False)  # noqa: FBT003
            tap.bind((interface, _ETH_P_ALL))
            stack.pop_all()
            self._socket = tap

    def heard(self) -> Counter[int]:
        """How many came, by VLAN; 0 is none. A flood is counted only at its beginning."""
        found: Counter[int] = Counter()
        while self._socket is not None:
            try:
                _, ancillary, _, address = self._socket.recvmsg(
                    64, socket.CMSG_SPACE(_AUXDATA.size)
                )
            except OSError:
                return found
            if address[2] == _OUTGOING:
                continue
            vlan = 0
            for _, _, content in ancillary:
                status, *_, tag, _ = _AUXDATA.unpack(content)
                vlan = tag & 0xFFF if status & _VLAN_VALID else 0
            found[vlan] += 1
        return found

    def close(self) -> None:
        """Hear no more."""
        if self._socket is not None:
            self._socket.close()
