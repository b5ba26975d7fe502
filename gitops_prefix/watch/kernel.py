"""The source of what the kernel has: its prefixes and addresses, by rtnetlink.

It needs no capability: any process may listen. It is the kernel that solicits routers.
Two structures of linux/if_addr.h and linux/rtnetlink.h are read, so no netlink library is
needed for this.
"""

import errno
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import inf
from select import POLLIN, poll
from socket import AF_INET6, SO_RCVBUF, SOL_SOCKET
from struct import Struct
from typing import NamedTuple, TypeAlias

from gitops_prefix.decide.advertisement import PrefixInformation
from gitops_prefix.decide.prefix import BITS, Prefix
from gitops_prefix.plan.ears import Accepted
from gitops_prefix.watch.learnt import (
    Deaf,
    KernelAddress,
    KernelNotice,
    Learnt,
    deafness,
    read_settings,
)
from gitops_prefix.watch.links import (
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    LinkState,
    attribute,
    list_question,
    split_messages,
    subscribed,
)

_RTM_NEWADDR, _RTM_DELADDR, _RTM_GETADDR = 20, 21, 22
_RTM_NEWPREFIX, _RTM_NEWNETCONF = 52, 80
# RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_PREFIX, and the group of RTNLGRP_IPV6_NETCONF.
_GROUPS = 0x100 | 0x20000 | 1 << 24
_ADDRESS = Struct("=BBBxI")  # ifaddrmsg: family, prefixlen, flags, index
_CACHE = Struct("=IIII")  # ifa_cacheinfo: preferred, valid, created, updated
_PREFIX = Struct("=4xixBBx")  # prefixmsg: ifindex, prefix_len, flags
_LIFETIMES = Struct("=II")  # prefix_cacheinfo: preferred, valid
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO, _IFA_FLAGS, _IFA_PROTO = 1, 2, 6, 8, 11
_PREFIX_ADDRESS, _PREFIX_CACHEINFO = 1, 2
_OCTETS = 16
# IF_PREFIX_* of linux/if_addr.h; later kernels hand on the option's own octet (seen in 6.18).
_ON_LINK, _AUTONOMOUS = 0x01 | 0x80, 0x02 | 0x40

_BUFFER = 1 << 20
"""Octets of notices that may wait; the kernel gives less where `rmem_max` is lower."""
_MOST_STALE = 4096
"""Datagrams passed over after a loss: in a flood that goes on, the socket never runs empty."""


class AddressesListed(NamedTuple):
    """The end of the list of all addresses; the list may take several reads."""


class AddressesTorn(NamedTuple):
    """The end of a list during which addresses came or went: one that is there may lack."""


class AddressesMissed(NamedTuple):
    """The kernel dropped messages; all addresses are asked for again."""


class SettingsChanged(NamedTuple):
    """A setting of a link changed, `forwarding` for one."""


class KernelBusy(NamedTuple):
    """A question came while the kernel still answered the last one (EBUSY)."""


Notice: TypeAlias = (
    KernelAddress | KernelNotice | AddressesListed | AddressesMissed | SettingsChanged
)


class KernelSocket:
    """Reads every IPv6 address after a question, and every change and announced prefix."""

    def __init__(self) -> None:
        self._again = False
        self._socket = subscribed(_GROUPS)
        self._socket.setsockopt(SOL_SOCKET, SO_RCVBUF, _BUFFER)

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._socket.fileno()

    def ask(self) -> None:
        """Ask the kernel for all addresses; the answers come through `read`."""
        self._socket.send(list_question(_RTM_GETADDR, _ADDRESS.pack(AF_INET6, 0, 0, 0)))

    def read(self) -> list[Notice]:
        """The notices since the last read, in order; empty when nothing came."""
        try:
            messages = self._socket.recv(65536)
        except BlockingIOError:
            return []
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self._drain()
            self.ask()
            return [AddressesMissed()]
        notices = map(self._follow, read_notices(messages))
        return [notice for notice in notices if notice is not None]

    def read_all(self) -> Iterator[Notice]:
        """Every notice that waits now."""
        waiting = poll()
        waiting.register(self._socket, POLLIN)
        for _ in range(_MOST_STALE):
            if not waiting.poll(0):
                return
            yield from self.read()

    def _drain(self) -> None:
        """Drop the notices of before the loss: their addresses may be gone."""
        for _ in range(_MOST_STALE):
            try:
                self._socket.recv(65536)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise

    def _follow(self, notice: Notice | AddressesTorn | KernelBusy) -> Notice | None:
        """After a torn list, or a refused question, the list is asked for again at its end."""
        if isinstance(notice, KernelBusy):
            self._again = True
            return None
        if isinstance(notice, AddressesTorn) or (
            isinstance(notice, AddressesListed) and self._again
        ):
            self._again = False
            self.ask()
            return None
        return notice

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


@dataclass(slots=True)
class _Interface:
    """One link: its index while there is one, and what the kernel learnt there.

    Attributes:
        listed: whether all its addresses are known: until then, no client seems to be there.
        deaf: the last reason that was reported; None before the first.
    """

    name: str
    index: int = 0
    up: bool = False
    listed: bool = False
    deaf: str | None = None
    learnt: Learnt = field(default_factory=Learnt)
    changed: bool = False


class KernelSource:
    """The prefixes that the kernel has on links, as `watcher.WatchedSource` has it."""

    def __init__(self, interfaces: Collection[str]) -> None:
        """Open the socket."""
        self._interfaces = {name: _Interface(name) for name in interfaces}
        self._by_index: dict[int, _Interface] = {}
        self._socket = KernelSocket()

    @property
    def interfaces(self) -> Collection[str]:
        """The links that are looked at."""
        return self._interfaces.keys()

    def filenos(self) -> tuple[int, ...]:
        """The netlink socket."""
        return (self._socket.fileno(),)

    def next_at(self) -> float:
        """At once where a change is still to be reported: the kernel reports every change."""
        return -inf if any(each.changed for each in self._interfaces.values()) else inf

    def overhear(self, event: object, now: float) -> None:
        """Nothing: the kernel heard it itself."""

    def take(self, request: object, now: float) -> None:
        """Nothing: the kernel solicits by itself."""

    def follow(self, link: LinkState, now: float) -> Iterator[Accepted | Deaf]:
        """What a link had is out of date; a link that is up is asked for anew."""
        interface = self._interfaces.get(link.interface)
        if interface is None:
            return
        # What was noticed before the link changed may still wait in the socket: nobody may take
        # it for what the kernel has now. The other links' notices are as good as ever.
        self._by_index.pop(interface.index, None)
        for notice in self._socket.read_all():
            yield from self._learn(notice, now)
        if link.index:
            self._by_index[link.index] = interface
        interface.index, interface.up, interface.listed = link.index, link.up, False
        interface.learnt.clear()
        yield Accepted(interface.name, (), now)
        if link.up:
            self._socket.ask()

    def ready(self, now: float) -> Iterator[Accepted | Deaf]:
        """Read notices; report each link whose prefixes changed once."""
        for notice in self._socket.read():
            yield from self._learn(notice, now)
        for interface in self._interfaces.values():
            if interface.changed:
                interface.changed = False
                yield Accepted(interface.name, interface.learnt.prefixes(now), now)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _learn(self, notice: Notice, now: float) -> Iterator[Deaf]:
        match notice:
            case KernelAddress() | KernelNotice():
                interface = self._by_index.get(notice.ifindex)
                if interface is not None and interface.up:
                    yield from _learn_on(interface, notice, now)
            case AddressesMissed():
                for interface in self._interfaces.values():
                    interface.learnt.list_anew()
                    interface.listed = False
            case AddressesListed():
                for interface in self._interfaces.values():
                    interface.learnt.listed()
                    interface.listed = interface.changed = True
                    yield from _look(interface, now)
            case SettingsChanged():
                for interface in self._by_index.values():
                    yield from _look(interface, now)


def _learn_on(
    interface: _Interface, notice: KernelAddress | KernelNotice, now: float
) -> Iterator[Deaf]:
    interface.changed = True
    if isinstance(notice, KernelNotice):
        interface.learnt.notice(notice.information, now)
    else:
        interface.learnt.take(notice, now)
    yield from _look(interface, now)


def _look(interface: _Interface, now: float) -> Iterator[Deaf]:
    """Report whether the kernel takes any prefix, at first and when that changes."""
    if not (interface.up and interface.listed):
        return
    learnt = interface.learnt
    settings = read_settings(interface.name)
    reason = deafness(interface.name, settings, learnt.count, has_client=learnt.has_client)
    if reason != interface.deaf:
        interface.deaf = reason
        yield Deaf(interface.name, reason, now)


def read_notices(messages: bytes) -> Iterator[Notice | AddressesTorn | KernelBusy]:
    """The notices in a datagram of rtnetlink messages; a malformed message is skipped."""
    for kind, flags, body in split_messages(messages):
        notice = _read(kind, flags, body)
        if notice is not None:
            yield notice


def _read(kind: int, flags: int, body: bytes) -> Notice | AddressesTorn | KernelBusy | None:
    if kind in {_RTM_NEWADDR, _RTM_DELADDR}:
        return _read_address(body, present=kind == _RTM_NEWADDR)
    if kind == _RTM_NEWPREFIX:
        return _read_prefix(body)
    if kind == NLMSG_DONE:
        return AddressesTorn() if flags & NLM_F_DUMP_INTR else AddressesListed()
    if kind == NLMSG_ERROR:
        return KernelBusy()
    return SettingsChanged() if kind == _RTM_NEWNETCONF else None


def _read_address(body: bytes, *, present: bool) -> KernelAddress | None:
    if len(body) < _ADDRESS.size:
        return None
    family, length, flags, index = _ADDRESS.unpack_from(body)
    find = partial(attribute, body, _ADDRESS.size)
    # On a point-to-point link IFA_ADDRESS is the other side's.
    address = find(_IFA_LOCAL) or find(_IFA_ADDRESS)
    if family != AF_INET6 or len(address) != _OCTETS or length > BITS:
        return None
    found = KernelAddress(
        index,
        int.from_bytes(address, "big"),
        length,
        # The header holds eight bits only.
        int.from_bytes(find(_IFA_FLAGS), sys.byteorder) or flags,
        present=present,
        protocol=int.from_bytes(find(_IFA_PROTO), sys.byteorder),
    )
    cache = find(_IFA_CACHEINFO)
    if len(cache) < _CACHE.size:
        return found
    preferred, valid, created, updated = _CACHE.unpack_from(cache)
    return found._replace(
        valid_for=valid, preferred_for=preferred, created=created, updated=updated
    )


def _read_prefix(body: bytes) -> KernelNotice | None:
    if len(body) < _PREFIX.size:
        return None
    index, length, flags = _PREFIX.unpack_from(body)
    address = attribute(body, _PREFIX.size, _PREFIX_ADDRESS)
    lifetimes = attribute(body, _PREFIX.size, _PREFIX_CACHEINFO)
    if len(address) != _OCTETS or len(lifetimes) < _LIFETIMES.size or length > BITS:
        return None
    preferred, valid = _LIFETIMES.unpack_from(lifetimes)
    information = PrefixInformation(
        Prefix.enclosing(int.from_bytes(address, "big"), length),
        on_link=bool(flags & _ON_LINK),
        autonomous=bool(flags & _AUTONOMOUS),
        valid_lifetime=valid,
        preferred_lifetime=preferred,
    )
    return KernelNotice(index, information)
