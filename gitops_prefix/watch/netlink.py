"""Which links there are, from the kernel (rtnetlink(7)): names, indices, up or down.

Forty bytes of RTM_NEWLINK are all that is read, so this is no use of a netlink
library; `kernel` has more to ask.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

_NLMSG_DONE = 3
_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_NLM_F_REQUEST, _NLM_F_DUMP = 1, 0x300
_RTMGRP_LINK = 1
_IFLA_IFNAME = 3
_IFF_UP, _IFF_RUNNING = 1, 0x40

_MESSAGE = struct.Struct("=IHHII")  # nlmsghdr
_LINK = struct.Struct("=BxHiII")  # ifinfomsg
_ATTRIBUTE = struct.Struct("=HH")  # rtattr


class Link(NamedTuple):
    """One link as the kernel just told.

    Attributes:
        up: administratively up and with a carrier.
        present: False when it was removed.
    """

    ifindex: int
    name: str
    up: bool
    present: bool = True


class Listed(NamedTuple):
    """All links were told: the kernel's answer to `ask` may take several reads."""


class Missed(NamedTuple):
    """The kernel had more to tell than fits; all links are asked for again."""


Told = Link | Listed | Missed


class LinkSocket:
    """Tells every link at first, and every change of one afterwards."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.setblocking(False)  # noqa: FBT003
        self._socket.bind((0, _RTMGRP_LINK))
        self.ask()

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._socket.fileno()

    def ask(self) -> None:
        """Ask the kernel for all links; the answers come through `read`."""
        body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        length = _MESSAGE.size + len(body)
        flags = _NLM_F_REQUEST | _NLM_F_DUMP
        self._socket.send(_MESSAGE.pack(length, _RTM_GETLINK, flags, 1, 0) + body)

    def read(self) -> list[Told]:
        """What was told since the last read, in order."""
        try:
            messages = self._socket.recv(65536)
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                self.ask()
                return [Missed()]
            if error.errno in {errno.EAGAIN, errno.EINTR}:
                return []
            raise
        return list(read_links(messages))

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


def read_links(messages: bytes) -> Iterator[Told]:
    """The links in a datagram of rtnetlink messages; what is malformed ends it."""
    position = 0
    while position + _MESSAGE.size <= len(messages):
        length, kind, _, _, _ = _MESSAGE.unpack_from(messages, position)
        if length < _MESSAGE.size or position + length > len(messages):
            return
        if kind in {_RTM_NEWLINK, _RTM_DELLINK}:
            link = _read_link(messages[position + _MESSAGE.size : position + length], kind)
            if link is not None:
                yield link
        elif kind == _NLMSG_DONE:
            yield Listed()
        position += (length + 3) & ~3


def _read_link(body: bytes, kind: int) -> Link | None:
    if len(body) < _LINK.size:
        return None
    family, _, index, flags, _ = _LINK.unpack_from(body)
    if family != socket.AF_UNSPEC:
        # A bridge tells of its ports with messages of the same type.
        return None
    up = flags & _IFF_UP and flags & _IFF_RUNNING
    return Link(index, _name(body), bool(up), present=kind == _RTM_NEWLINK)


def _name(body: bytes) -> str:
    position = _LINK.size
    while position + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, position)
        if length < _ATTRIBUTE.size:
            break
        if kind == _IFLA_IFNAME:
            value = body[position + _ATTRIBUTE.size : position + length]
            return os.fsdecode(value.rstrip(b"\0"))
        position += (length + 3) & ~3
    return ""
