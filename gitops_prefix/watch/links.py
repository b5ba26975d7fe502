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

NLMSG_ERROR, NLMSG_DONE = 2, 3
_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_RTM_NEWNEIGH, _RTM_GETNEIGH = 28, 30
_NLM_F_REQUEST, _NLM_F_DUMP, NLM_F_DUMP_INTR = 1, 0x300, 0x10
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


_MOST_NAMED = 12
"""Links in a message: a node of a cluster has one for each pod."""


def list_links() -> str:
    """Return the names of the links there are, for a message that one is not among them."""
    names = [name for _, name in socket.if_nameindex()]
    more = ["..."] if len(names) > _MOST_NAMED else []
    return ", ".join([*names[:_MOST_NAMED], *more]) or "none"


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
    """The end of the list of all links; the list may take several reads.

    Attributes:
        consistent: whether no link came or went meanwhile; else the list may lack any link.
    """

    consistent: bool = True


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
        self._socket = subscribed(_RTMGRP_LINK)
        self._ask()

    def fileno(self) -> int:
        """The descriptor, for a selector; it may be another one after each `read`."""
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
            # The kernel dropped messages: only a new list says what is there. It goes on to drop
            # them, without another word, until this socket was read empty; and a list that is
            # under way refuses the next. A new socket has neither trouble.
            self.close()
            self._socket = subscribed(_RTMGRP_LINK)
            self._ask()
            return []
        changes: list[LinkState] = []
        for message in read_links(messages):
            if isinstance(message, Link):
                changes += self._follow(message)
            elif message.consistent:
                changes += self._lose_unlisted()
            else:
                self._ask()
        return changes

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _ask(self) -> None:
        """Ask the kernel for all links."""
        self._listed.clear()
        body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        self._socket.send(list_question(_RTM_GETLINK, body))

    def _follow(self, link: Link) -> Iterator[LinkState]:
        if link.present:
            self._listed.add(link.name)
        for name, known in self._states.items():
            if known is None or not known.present:
                continue
            same = known.index == link.ifindex
            # It was removed; or was renamed, or another link has its name by now.
            if same is not (name == link.name) if link.present else same:
                yield self._remember(LinkState(name))
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


def subscribed(groups: int) -> socket.socket:
    """A socket that the kernel sends every change of these groups to; it never blocks."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    made.setblocking(False)  # noqa: FBT003
    made.bind((0, groups))
    return made


def list_question(kind: int, body: bytes) -> bytes:
    """The message that asks for a whole table of the kernel."""
    flags = _NLM_F_REQUEST | _NLM_F_DUMP
    return _MESSAGE.pack(_MESSAGE.size + len(body), kind, flags, 1, 0) + body


def read_links(messages: bytes) -> Iterator[Link | Listed]:
    """The links in a datagram of rtnetlink messages; a malformed message ends it."""
    for kind, flags, body in split_messages(messages):
        if kind in {_RTM_NEWLINK, _RTM_DELLINK}:
            link = _read_link(body, kind)
            if link is not None:
                yield link
        elif kind == NLMSG_DONE:
            yield Listed(consistent=not flags & NLM_F_DUMP_INTR)


def split_messages(messages: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Each message's type, flags and body."""
    position = 0
    while position + _MESSAGE.size <= len(messages):
        length, kind, flags, _, _ = _MESSAGE.unpack_from(messages, position)
        if length < _MESSAGE.size or position + length > len(messages):
            return
        yield kind, flags, messages[position + _MESSAGE.size : position + length]
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
    return os.fsdecode(attribute(body, _LINK.size, _IFLA_IFNAME).rstrip(b"\0"))


def attribute(body: bytes, position: int, wanted: int) -> bytes:
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
            table.send(list_question(_RTM_GETNEIGH, body))
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
    for kind, _, body in split_messages(messages):
        if kind in {NLMSG_DONE, NLMSG_ERROR}:
            yield None
        if kind != _RTM_NEWNEIGH or len(body) < _NEIGHBOUR.size:
            continue
        _, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
        address = attribute(body, _NEIGHBOUR.size, _NDA_DST)
        found = Reach.REACHED if state & _REACHES else Reach.UNKNOWN
        yield Neighbour(index, address, Reach.LOST if state & _FAILS else found)
