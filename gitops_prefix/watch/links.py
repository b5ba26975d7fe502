"""The watched links: their indices, and whether they are up, from rtnetlink(7).

Also whether the kernel reaches a router of a link. Only forty bytes of RTM_NEWLINK and
RTM_NEWNEIGH are read, so no netlink library is needed for this.
"""

import errno
import os
import socket
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_RTM_NEWNEIGH, _RTM_GETNEIGH = 28, 30
_NLM_F_REQUEST, _NLM_F_DUMP = 1, 0x300
_RTMGRP_LINK = 1
_IFLA_IFNAME = 3
_IFF_UP, _IFF_RUNNING = 1, 0x40

_MESSAGE = struct.Struct("=IHHII")  # nlmsghdr
_LINK = struct.Struct("=BxHiII")  # ifinfomsg
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # ndmsg
_ATTRIBUTE = struct.Struct("=HH")  # rtattr
_NDA_DST = 1
# linux/neighbour.h: NUD_REACHABLE; NUD_INCOMPLETE and NUD_FAILED.
_REACHES, _FAILS = 0x02, 0x01 | 0x20
_MOST_READS = 64
"""Datagrams of one list: a table of neighbours is full at a thousand (gc_thresh3)."""


class Link(NamedTuple):
    """One link in a message of the kernel.

    Attributes:
        up: administratively up, and with a carrier.
        present: False if the link was removed.
    """

    ifindex: int
    name: str
    up: bool
    present: bool = True


class Listed(NamedTuple):
    """The end of the list of all links; the list may take several reads."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """What a watched link is now.

    Attributes:
        index: 0 while there is no link of this name.
        up: administratively up, and with a carrier.
    """

    interface: str
    index: int = 0
    up: bool = False

    @property
    def present(self) -> bool:
        """Whether there is a link of this name."""
        return bool(self.index)


class Links:
    """Follows links by name through their life: late, down, removed, made anew, renamed."""

    def __init__(self, interfaces: Collection[str]) -> None:
        # None until the first state of a link is known.
        self._states: dict[str, LinkState | None] = dict.fromkeys(interfaces)
        self._listed: set[str] = set()
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.setblocking(False)  # noqa: FBT003
        self._socket.bind((0, _RTMGRP_LINK))
        self._ask()

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._socket.fileno()

    def read(self) -> list[LinkState]:
        """The changes since the last read, in order; empty when nothing came."""
        try:
            messages = self._socket.recv(65536)
        except OSError as error:
            if error.errno in {errno.EAGAIN, errno.EINTR}:
                return []
            if error.errno != errno.ENOBUFS:
                raise
            # The kernel dropped messages: only a new list says what is there.
            self._listed.clear()
            self._ask()
            return []
        changes: list[LinkState] = []
        for message in read_links(messages):
            changes += self._follow(message) if isinstance(message, Link) else self._lose_unlisted()
        return changes

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _ask(self) -> None:
        """Ask the kernel for all links."""
        body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        length = _MESSAGE.size + len(body)
        flags = _NLM_F_REQUEST | _NLM_F_DUMP
        self._socket.send(_MESSAGE.pack(length, _RTM_GETLINK, flags, 1, 0) + body)

    def _follow(self, link: Link) -> Iterator[LinkState]:
        if link.present:
            self._listed.add(link.name)
        for name, known in self._states.items():
            removed = name != link.name or not link.present
            # Under this index: removed, or renamed to another name.
            if known is not None and known.index == link.ifindex and removed:
                yield self._remember(LinkState(name))
                break
        state = LinkState(link.name, link.ifindex, link.up)
        if link.present and link.name in self._states and state != self._states[link.name]:
            yield self._remember(state)

    def _lose_unlisted(self) -> Iterator[LinkState]:
        """At the end of a list: a link that is not on the list does not exist."""
        for name, known in self._states.items():
            if name not in self._listed and (known is None or known.present):
                yield self._remember(LinkState(name))

    def _remember(self, state: LinkState) -> LinkState:
        self._states[state.interface] = state
        return state


def read_links(messages: bytes) -> Iterator[Link | Listed]:
    """The links in a datagram of rtnetlink messages; a malformed message ends it."""
    for kind, body in _split(messages):
        if kind in {_RTM_NEWLINK, _RTM_DELLINK}:
            link = _read_link(body, kind)
            if link is not None:
                yield link
        elif kind == _NLMSG_DONE:
            yield Listed()


def _split(messages: bytes) -> Iterator[tuple[int, bytes]]:
    """Each message's type and body."""
    position = 0
    while position + _MESSAGE.size <= len(messages):
        length, kind, _, _, _ = _MESSAGE.unpack_from(messages, position)
        if length < _MESSAGE.size or position + length > len(messages):
            return
        yield kind, messages[position + _MESSAGE.size : position + length]
        position += (length + 3) & ~3


def _read_link(body: bytes, kind: int) -> Link | None:
    if len(body) < _LINK.size:
        return None
    family, _, index, flags, _ = _LINK.unpack_from(body)
    if family != socket.AF_UNSPEC:
        # A bridge reports its ports with messages of the same type.
        return None
    up = flags & _IFF_UP and flags & _IFF_RUNNING
    return Link(index, _name(body), bool(up), present=kind == _RTM_NEWLINK)


def _name(body: bytes) -> str:
    return os.fsdecode(_attribute(body, _LINK.size, _IFLA_IFNAME).rstrip(b"\0"))


def _attribute(body: bytes, position: int, wanted: int) -> bytes:
    """The first attribute of a kind, from `position` on; empty if there is none."""
    while position + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, position)
        if length < _ATTRIBUTE.size:
            break
        if kind == wanted:
            return body[position + _ATTRIBUTE.size : position + length]
        position += (length + 3) & ~3
    return b""


class Reach(StrEnum):
    """What the kernel's neighbour table says of a router (RFC 4861 7.3). Shown to users."""

    REACHED = "the kernel still reaches it, so only its advertisements have stopped"
    LOST = "the kernel does not reach it either"
    UNKNOWN = "the kernel has not tried to reach it lately"


def reach(interface: str, address: str) -> Reach:
    """What the kernel knows about a neighbour on a link; UNKNOWN if it cannot be asked."""
    try:
        index = socket.if_nametoindex(interface)
        neighbour = socket.inet_pton(socket.AF_INET6, address)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as table:
            table.settimeout(1.0)
            body = _NEIGHBOUR.pack(socket.AF_INET6, index, 0, 0, 0)
            flags = _NLM_F_REQUEST | _NLM_F_DUMP
            table.send(_MESSAGE.pack(_MESSAGE.size + len(body), _RTM_GETNEIGH, flags, 1, 0) + body)
            for _ in range(_MOST_READS):
                messages = table.recv(65536)
                for found in read_neighbours(messages):
                    if found is None:
                        return Reach.UNKNOWN
                    if (found.ifindex, found.address) == (index, neighbour):
                        return found.reach
    except OSError:
        pass
    return Reach.UNKNOWN


class Neighbour(NamedTuple):
    """One entry of the neighbour table."""

    ifindex: int
    address: bytes
    reach: Reach


def read_neighbours(messages: bytes) -> Iterator[Neighbour | None]:
    """The neighbours in a datagram; None is the end of the list. What is malformed ends it."""
    for kind, body in _split(messages):
        if kind in {_NLMSG_DONE, _NLMSG_ERROR}:
            yield None
        if kind != _RTM_NEWNEIGH or len(body) < _NEIGHBOUR.size:
            continue
        _, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
        address = _attribute(body, _NEIGHBOUR.size, _NDA_DST)
        found = Reach.REACHED if state & _REACHES else Reach.UNKNOWN
        yield Neighbour(index, address, Reach.LOST if state & _FAILS else found)
