"""The kernel's own word on prefixes and addresses, by rtnetlink, through pyroute2.

Needs no capability: any process may listen. What is imported here costs the daemon
8 MiB, so only `kernel_watcher` imports it, and only where a DynamicPrefix asks for it.
"""

import errno
import struct
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address
from socket import AF_INET6, MSG_DONTWAIT
from typing import Any, NamedTuple

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
from gitops_prefix.watch.learnt import KernelAddress, KernelNotice

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
    """All addresses were told: the kernel's answer to `ask` may take several reads."""


class AddressesMissed(NamedTuple):
    """The kernel had more to tell than fits; all addresses are asked for again."""


class SettingsChanged(NamedTuple):
    """A setting of a link changed, `forwarding` for one."""


class Refused(NamedTuple):
    """A question that came while the last one was being answered (EBUSY)."""


Told = KernelAddress | KernelNotice | AddressesListed | AddressesMissed | SettingsChanged


class KernelSocket:
    """Tells every IPv6 address when asked, and every change and announced prefix."""

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

    def read(self) -> list[Told]:
        """What was told since the last read, in order; waits when there is nothing."""
        try:
            messages = self._socket.recv(65536)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self._drain()
            self.ask()
            return [AddressesMissed()]
        return [one for one in map(self._follow, read_notices(messages)) if one is not None]

    def _drain(self) -> None:
        """What was told before the loss says of no address whether it is there still."""
        for _ in range(_MOST_STALE):
            try:
                self._socket.recv(65536, MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise

    def _follow(self, told: Told | Refused) -> Told | None:
        """A question that was refused is asked again after the answer that is under way."""
        if isinstance(told, Refused):
            self._again = True
            return None
        if isinstance(told, AddressesListed) and self._again:
            self._again = False
            self.ask()
            return None
        return told

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


class _Notices(MarshalRtnl):  # type: ignore[misc]
    """The messages that count."""

    msg_map = {RTM_NEWADDR: ifaddrmsg, RTM_DELADDR: ifaddrmsg, RTM_NEWPREFIX: prefixmsg}  # noqa: RUF012


_NOTICES = _Notices()
_MALFORMED = (NetlinkDecodeError, struct.error, TypeError, KeyError, ValueError, OverflowError)
"""What pyroute2 raises at bytes that no kernel sends (tests/watch/test_kernel.py)."""


def read_notices(messages: bytes) -> Iterator[Told | Refused]:
    """The notices in a datagram of rtnetlink messages; what is malformed is passed over."""
    try:
        for message in _NOTICES.parse(messages):
            kind = message["header"].get("type")
            told = _read(kind, message)
            if told is not None:
                yield told
    except _MALFORMED:
        return


def _read(kind: int | None, message: Any) -> Told | Refused | None:
    if kind in {RTM_NEWADDR, RTM_DELADDR}:
        return _read_address(message, present=kind == RTM_NEWADDR)
    if kind == RTM_NEWPREFIX:
        return _read_prefix(message)
    if kind == NLMSG_DONE:
        return AddressesListed()
    if kind == NLMSG_ERROR:
        return Refused()
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
    told = KernelAddress(
        message["index"],
        address,
        message["prefixlen"],
        # The header holds eight bits only.
        message.get_attr("IFA_FLAGS") or message["flags"],
        present=present,
    )
    cache = message.get_attr("IFA_CACHEINFO")
    if cache is None:
        return told
    return told._replace(
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
