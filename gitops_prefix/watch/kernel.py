"""The source of what the kernel has: its prefixes and addresses, by rtnetlink.

It needs no capability: any process may listen. It is the kernel that solicits routers.
pyroute2 costs the daemon 8 MiB, so this module is imported only where a DynamicPrefix
asks for this source.
"""

import errno
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv6Address
from math import inf
from socket import AF_INET6, MSG_DONTWAIT
from typing import Any, NamedTuple, TypeAlias

from pyroute2 import IPRSocket
from pyroute2.netlink import NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, nla, nlmsg
from pyroute2.netlink.exceptions import NetlinkDecodeError
from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_GETADDR,
    RTM_NEWADDR,
    RTM_NEWPREFIX,
    RTMGRP_IPV6_IFADDR,
    RTMGRP_IPV6_PREFIX,
)
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

from gitops_prefix.decide.advertisement import PrefixInformation
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.plan.ears import Accepted
from gitops_prefix.watch.learnt import (
    Deaf,
    KernelAddress,
    KernelNotice,
    Learnt,
    deafness,
    read_settings,
)
from gitops_prefix.watch.links import LinkState

_RTM_NEWNETCONF = 80  # linux/rtnetlink.h
_RTMGRP_IPV6_NETCONF = 1 << 24
# IF_PREFIX_* of linux/if_addr.h; later kernels hand on the option's own octet (seen in 6.18).
_ON_LINK, _AUTONOMOUS = 0x01 | 0x80, 0x02 | 0x40

_MOST_STALE = 4096
"""Datagrams passed over after a loss: in a flood that goes on, the socket never runs empty."""


class prefixmsg(nlmsg):  # type: ignore[misc]  # noqa: N801  the C structure's name
    """struct prefixmsg, of linux/rtnetlink.h, which pyroute2 does not know."""

    prefix = "PREFIX_"
    fields = (
        ("family", "B"),
        ("__pad1", "B"),
        ("__pad2", "H"),
        ("ifindex", "i"),
        ("type", "B"),
        ("prefix_len", "B"),
        ("flags", "B"),
        ("__pad3", "B"),
    )
    nla_map = (
        ("PREFIX_UNSPEC", "none"),
        ("PREFIX_ADDRESS", "ip6addr"),
        ("PREFIX_CACHEINFO", "cacheinfo"),
    )

    class cacheinfo(nla):  # type: ignore[misc]  # noqa: N801
        """struct prefix_cacheinfo: seconds, as they were advertised."""

        fields = (("preferred_time", "I"), ("valid_time", "I"))


class AddressesListed(NamedTuple):
    """The end of the list of all addresses; the list may take several reads."""


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
        self._socket = IPRSocket()
        self._socket.bind(groups=RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_PREFIX | _RTMGRP_IPV6_NETCONF)

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        descriptor: int = self._socket.fileno()
        return descriptor

    def ask(self) -> None:
        """Ask the kernel for all addresses; the answers come through `read`."""
        question = ifaddrmsg()
        question["family"] = AF_INET6
        self._socket.put(question, RTM_GETADDR, msg_flags=NLM_F_REQUEST | NLM_F_DUMP)

    def read(self) -> list[Notice]:
        """The notices since the last read, in order; empty when nothing came."""
        try:
            messages = self._socket.recv(65536, MSG_DONTWAIT)
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

    def _drain(self) -> None:
        """Drop the notices of before the loss: their addresses may be gone."""
        for _ in range(_MOST_STALE):
            try:
                self._socket.recv(65536, MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise

    def _follow(self, notice: Notice | KernelBusy) -> Notice | None:
        """After a refused question the list is asked for again when the current one ends."""
        if isinstance(notice, KernelBusy):
            self._again = True
            return None
        if isinstance(notice, AddressesListed) and self._again:
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
        """Never: the kernel reports every change."""
        return inf

    def overhear(self, event: object, now: float) -> None:
        """Nothing: the kernel heard it itself."""

    def take(self, request: object, now: float) -> None:
        """Nothing: the kernel solicits by itself."""

    def follow(self, link: LinkState, now: float) -> Iterator[Accepted | Deaf]:
        """What a link had is out of date; a link that is up is asked for anew."""
        interface = self._interfaces.get(link.interface)
        if interface is None:
            return
        self._by_index.pop(interface.index, None)
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


class _Notices(MarshalRtnl):  # type: ignore[misc]
    """The messages that count."""

    msg_map = {RTM_NEWADDR: ifaddrmsg, RTM_DELADDR: ifaddrmsg, RTM_NEWPREFIX: prefixmsg}  # noqa: RUF012


_NOTICES = _Notices()
_MALFORMED = (NetlinkDecodeError, struct.error, TypeError, KeyError, ValueError, OverflowError)
"""What pyroute2 raises at bytes that no kernel sends (tests/watch/test_kernel.py)."""


def read_notices(messages: bytes) -> Iterator[Notice | KernelBusy]:
    """The notices in a datagram of rtnetlink messages; a malformed message is skipped."""
    try:
        for message in _NOTICES.parse(messages):
            kind = message["header"].get("type")
            notice = _read(kind, message)
            if notice is not None:
                yield notice
    except _MALFORMED:
        return


def _read(kind: int | None, message: Any) -> Notice | KernelBusy | None:
    if kind in {RTM_NEWADDR, RTM_DELADDR}:
        return _read_address(message, present=kind == RTM_NEWADDR)
    if kind == RTM_NEWPREFIX:
        return _read_prefix(message)
    if kind == NLMSG_DONE:
        return AddressesListed()
    if kind == NLMSG_ERROR:
        return KernelBusy()
    return SettingsChanged() if kind == _RTM_NEWNETCONF else None


def _number(text: object) -> int | None:
    try:
        return int(IPv6Address(str(text)))
    except AddressValueError:
        return None


def _read_address(message: Any, *, present: bool) -> KernelAddress | None:
    # On a point-to-point link IFA_ADDRESS is the other side's.
    address = _number(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS"))
    if message["family"] != AF_INET6 or address is None or message["prefixlen"] > 128:
        return None
    found = KernelAddress(
        message["index"],
        address,
        message["prefixlen"],
        # The header holds eight bits only.
        message.get_attr("IFA_FLAGS") or message["flags"],
        present=present,
        protocol=message.get_attr("IFA_PROTO") or 0,
    )
    cache = message.get_attr("IFA_CACHEINFO")
    if cache is None:
        return found
    return found._replace(
        valid_for=cache["ifa_valid"],
        preferred_for=cache["ifa_preferred"],
        created=cache["cstamp"],
        updated=cache["tstamp"],
    )


def _read_prefix(message: Any) -> KernelNotice | None:
    address = _number(message.get_attr("PREFIX_ADDRESS"))
    cache = message.get_attr("PREFIX_CACHEINFO")
    if address is None or cache is None or message["prefix_len"] > 128:
        return None
    information = PrefixInformation(
        Prefix.enclosing(address, message["prefix_len"]),
        on_link=bool(message["flags"] & _ON_LINK),
        autonomous=bool(message["flags"] & _AUTONOMOUS),
        valid_lifetime=cache["valid_time"],
        preferred_lifetime=cache["preferred_time"],
    )
    return KernelNotice(message["ifindex"], information)
