"""The simulated router: what it announces when, its port to a link, and its work.

`default_routes` says whether people live on the link: a rehearsal there would renumber them.
"""

import errno
import select
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from pathlib import Path

from gitops_prefix.decide.advertisement import (
    INFINITY,
    SOURCE_LINK_LAYER_ADDRESS,
    PrefixInformation,
    RouterAdvertisement,
    UnknownOption,
)
from gitops_prefix.decide.fields import parse_duration
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.errors import OutsideError
from gitops_prefix.watch.codec import encode, in_ipv6
from gitops_prefix.watch.raw_socket import ALL_ROUTERS, NO_PERMISSION


class Leaving(StrEnum):
    """How a prefix goes when the next step does not have it."""

    LEFT_OUT = "left-out"
    """It is not mentioned any more: a router that restarted has forgotten it (RFC 8978)."""
    DEPRECATED = "deprecated"
    """Preferred lifetime 0: not for new connections (RFC 4862 5.5.4)."""
    WITHDRAWN = "withdrawn"
    """Valid lifetime 0: gone (RFC 4861 4.6.2)."""


Prefixes = tuple[PrefixInformation, ...]

VALID, PREFERRED = 86400, 14400
"""Seconds; radvd's defaults, as most home routers have them."""
NONE = "none"
"""A step without any prefix: a router that lost its uplink."""


@dataclass(frozen=True, slots=True)
class LabStep:
    """What is advertised from a moment on.

    Attributes:
        at: seconds since the router began.
    """

    at: float
    advertisement: RouterAdvertisement


def schedule(
    advertisement: RouterAdvertisement,
    steps: Sequence[Prefixes],
    pauses: Sequence[float],
    leaving: Leaving,
) -> tuple[LabStep, ...]:
    """The steps of a rehearsal, in order.

    Args:
        advertisement: all that stays the same.
        steps: the prefixes of each step.
        pauses: seconds from each step to the next: one fewer than steps.
        leaving: how what a step no longer has goes.
    """
    made: list[LabStep] = []
    before: Prefixes = ()
    at = 0.0
    for number, prefixes in enumerate(steps):
        at += pauses[number - 1] if number else 0.0
        before = prefixes + _going(before, prefixes, leaving)
        made.append(LabStep(at, advertisement._replace(prefixes=before)))
    return tuple(made)


def _going(before: Prefixes, now: Prefixes, leaving: Leaving) -> Prefixes:
    """What is still to be said of the prefixes that go, and of those that went."""
    if leaving is Leaving.LEFT_OUT:
        return ()
    kept = {information.prefix for information in now}
    return tuple(
        information._replace(
            preferred_lifetime=0,
            valid_lifetime=0 if leaving is Leaving.WITHDRAWN else information.valid_lifetime,
        )
        for information in before
        if information.prefix not in kept
    )


def parse_step(text: str) -> Prefixes:
    """Prefixes joined by `+`, each with what is unusual about it; or `none`.

    Raises:
        ValueError: a prefix, a lifetime or a word that cannot be read.
    """
    if text == NONE:
        return ()
    prefixes = tuple(_parse_prefix(part) for part in text.split("+"))
    if len({said.prefix for said in prefixes}) < len(prefixes):
        raise ValueError(f'"{text}" has a prefix twice')
    return prefixes


def _parse_prefix(text: str) -> PrefixInformation:
    prefix, *words = text.split(",")
    information = PrefixInformation(Prefix.parse(prefix), True, True, VALID, -1)  # noqa: FBT003
    for word in words:
        name, _, setting = word.partition("=")
        change = _WORDS.get(name)
        if change is None:
            raise ValueError(
                f'"{word}" is not known: after a prefix stand valid=24h, preferred=4h, '
                "on-link=no or autonomous=no"
            )
        information = change(information, setting)
    if information.preferred_lifetime < 0:
        least = min(PREFERRED, information.valid_lifetime)
        information = information._replace(preferred_lifetime=least)
    if information.preferred_lifetime > information.valid_lifetime:
        raise ValueError(
            f'"{text}" is preferred for longer than it is valid: hosts ignore that '
            "(RFC 4862 5.5.3 c)"
        )
    return information


def parse_lifetime(text: str) -> int:
    """Seconds of 32 bits, or `infinity`.

    Raises:
        ValueError: no duration.
    """
    if text == "infinity":
        return INFINITY
    # A century, the longest duration, fits 32 bits.
    return int(parse_duration(text).total_seconds())


def _flag(text: str) -> bool:
    if text not in {"yes", "no"}:
        raise ValueError(f'"{text}" is neither "yes" nor "no"')
    return text == "yes"


_WORDS: dict[str, Callable[[PrefixInformation, str], PrefixInformation]] = {
    "valid": lambda said, text: said._replace(valid_lifetime=parse_lifetime(text)),
    "preferred": lambda said, text: said._replace(preferred_lifetime=parse_lifetime(text)),
    "on-link": lambda said, text: said._replace(on_link=_flag(text)),
    "autonomous": lambda said, text: said._replace(autonomous=_flag(text)),
}


_IPV6 = 0x86DD
_ALL_NODES_FRAME = bytes.fromhex("333300000001")
"""33:33 and the last octets of ff02::1 (RFC 2464 7)."""
_ROUTER_SOLICITATION = 133
_ICMPV6_FILTER = 1
_ETHERNET = 1
_INT = struct.Struct("@i")
_SYSFS = Path("/sys/class/net")
_REJECT = 0x200
"""RTF_REJECT: the kernel's own "no route", which every host has (linux/route.h)."""
_WIDEST = {4: 1, 6: 3}
"""Routes this short are default routes by another name: VPNs split 0.0.0.0/0 in two."""


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


def default_routes(
    interface: str, proc: Path = Path("/proc/net"), sysfs: Path = _SYSFS
) -> list[str]:
    """Where default routes show that the link is in use, such as `IPv4 on br0`.

    A default route counts on the link, or on another that shares its frames: the bridge that
    the link is a port of, a macvlan on top of it or below it. A VLAN is another link.
    """
    links = same_frames(interface, sysfs)
    routes = [*_ipv4(_lines(proc / "route")[1:]), *_ipv6(_lines(proc / "ipv6_route"))]
    return sorted({f"{family} on {link}" for family, link in routes if link in links})


def same_frames(interface: str, sysfs: Path = _SYSFS) -> set[str]:
    """The link itself, and every other that sends and hears the same frames."""
    found: set[str] = set()
    waiting = [interface]
    while waiting:
        link = waiting.pop()
        if link not in found:
            found.add(link)
            waiting += _neighbours(sysfs, link)
    return found


def _neighbours(sysfs: Path, link: str) -> Iterator[str]:
    upper = [path.name.removeprefix("upper_") for path in (sysfs / link).glob("upper_*")]
    lower = [path.name.removeprefix("lower_") for path in (sysfs / link).glob("lower_*")]
    yield from (name for name in upper if not _is_vlan(sysfs, name))
    if not _is_vlan(sysfs, link):
        yield from lower


def _is_vlan(sysfs: Path, link: str) -> bool:
    return "DEVTYPE=vlan" in _lines(sysfs / link / "uevent")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        # No IPv4, no IPv6, or no such link.
        return []


def _ipv4(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, _, _, flags, _, _, _, mask, *_ = line.split()
        (network_mask,) = struct.unpack("<I", bytes.fromhex(mask))
        if not int(flags, 16) & _REJECT and network_mask.bit_count() <= _WIDEST[4]:
            yield "IPv4", name


def _ipv6(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        destination, length, _, _, _, _, _, _, flags, name = line.split()
        global_too = bytes.fromhex(destination)[0] in {0, 0x20, 0x80}
        if int(length, 16) <= _WIDEST[6] and global_too and not int(flags, 16) & _REJECT:
            yield "IPv6", name


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often, and until when.

    Attributes:
        interval: seconds between unsolicited advertisements; 0 is as fast as can be.
        count: advertisements after which it leaves; 0 is no limit.
        seconds: for which it stays; inf is for ever.
    """

    interval: float
    count: int = 0
    seconds: float = inf


@dataclass(slots=True)
class LabRouter:
    """One router on one link.

    Attributes:
        report: is called with each step as it begins.
        sent: advertisements so far, the last farewell not counted.
        answered: solicitations that were answered so far.
        step: what it says now.
    """

    port: Port
    source: bytes
    steps: Sequence[LabStep]
    rhythm: Rhythm
    clock: Callable[[], float]
    report: Callable[[LabStep], None]
    sent: int = 0
    answered: int = 0
    step: LabStep | None = None

    def run(self) -> None:
        """Advertise until count or time is over; KeyboardInterrupt is another way out.

        Raises:
            OutsideError: the link is down or gone.
        """
        began = due = self.clock()
        until = began + self.rhythm.seconds
        waiting = list(self.steps)
        packet = b""
        while (now := self.clock()) < until:
            if waiting and now >= began + waiting[0].at:
                self.step = waiting.pop(0)
                self.report(self.step)
                packet = self._packet(self.step.advertisement)
                # A change is advertised at once (RFC 4861 6.2.4).
                due = now
            asked = self.port.solicitations()
            self.answered += asked
            if asked or now >= due:
                self.port.send(packet)
                self.sent += 1
                due = now + self.rhythm.interval
                if self.sent == self.rhythm.count:
                    return
            next_step = began + waiting[0].at if waiting else inf
            self._wait(min(due, next_step, until))

    def leave(self) -> None:
        """Advertise that this is no default router any more (RFC 4861 6.2.5)."""
        if self.step is not None:
            farewell = self.step.advertisement._replace(router_lifetime=0)
            self.port.send(self._packet(farewell))

    def _packet(self, advertisement: RouterAdvertisement) -> bytes:
        address = self.port.hardware_address
        if address:
            option = UnknownOption(SOURCE_LINK_LAYER_ADDRESS, address)
            advertisement = advertisement._replace(unknown=(option,))
        return in_ipv6(encode(advertisement), source=self.source)

    def _wait(self, moment: float) -> None:
        pause = moment - self.clock()
        if pause > 0:
            # Not for ever: a wait without an end would not hear Ctrl-C everywhere.
            select.select([self.port], [], [], min(pause, 3600.0))
