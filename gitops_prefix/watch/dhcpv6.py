"""The source `acquisition.dhcpv6pd`: the sockets and the clock of `dhcpv6_exchange`.

Each DynamicPrefix has a lease of its own.

Port 546 is never bound: of several sockets on it the last one gets every reply, so that the
host's own client would get none. A raw socket sends from port 546, and a packet socket on each
link reads what arrives there, beside the host's client; the transaction id distinguishes them.
"""

import errno
import hashlib
import os
import secrets
import select
import socket
import struct
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address
from math import inf
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.decide.advertisement import DHCPV6_PD, PrefixInformation, Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Delegation
from gitops_prefix.errors import OutsideError
from gitops_prefix.plan.ears import Advertised, Given
from gitops_prefix.watch.advertisements import ChangedPrefixes
from gitops_prefix.watch.dhcpv6_codec import (
    ALL_SERVERS,
    CLIENT_PORT,
    MOST_DUID,
    SERVER_PORT,
    DelegatedPrefix,
    Dhcpv6Message,
    Malformed,
    decode,
    encode,
)
from gitops_prefix.watch.dhcpv6_exchange import (
    DelegationWish,
    Exchange,
    ExchangeState,
    Letter,
    Turn,
    TurnTime,
    began,
    confirmed,
    due,
    ended,
    heard,
    hurried,
)
from gitops_prefix.watch.learnt import read_settings, switched_off
from gitops_prefix.watch.links import LinkState
from gitops_prefix.watch.raw_socket import (
    AUXDATA,
    ETH_P_IPV6,
    PACKET_AUXDATA,
    SOL_PACKET,
    attach,
    bpf,
)
from gitops_prefix.watch.watcher import LeadChanged, LeaseNotice, Release, SourceFailed

TAP_AFTER = 2.0
"""Seconds after which a socket that could not be opened on a link is tried again."""
DUID_AFTER = 60.0
"""Seconds after which a DUID that could not be read or written is tried again."""
HOPED_FOR = 60
"""Seconds for which the prefix of the repository counts after a start, before a server answered."""
_MOST_UNSENT = 3
"""Messages of a state for which a link may have no address, as in duplicate address detection."""
NO_PERMISSION = "no permission to open a raw UDP socket: give it the capability NET_RAW"

_MOST_PACKETS = 64
_MOST_BYTES = 65535
_UDP = struct.Struct("!HHHH")
_IPV6_HEADER = 40
_UDP_PROTOCOL = 17
_PSEUDO_HEADER = struct.Struct("!16s16sIxxxB")
# linux/if_packet.h: the checksum is still to be computed, or the hardware has checked it.
_CHECKSUM_NOT_READY, _CHECKSUM_VALID = 0x08, 0x80
_HOST = 0  # PACKET_HOST
_REPLIES_ALONE = bpf(
    (0x30, 0, 0, 6),  # ldb [next header]
    (0x15, 0, 3, _UDP_PROTOCOL),
    (0x20, 0, 0, 40),  # ld [the two ports]
    (0x15, 0, 1, SERVER_PORT << 16 | CLIENT_PORT),
    (0x06, 0, 0, _MOST_BYTES),
    (0x06, 0, 0, 0),
)
_NOTHING = bpf((0x06, 0, 0, 0))


class Datagram(NamedTuple):
    """What arrived at port 546 of a link."""

    payload: bytes
    source: str


class DelegationSource:
    """The prefixes that servers delegate, as `watcher.WatchedSource` has it."""

    def __init__(  # noqa: PLR0913  what it needs of the daemon
        self,
        delegations: Iterable[Delegation],
        *,
        identity: Path | None,
        hoped: Callable[[str], Prefix | None],
        speaks: Callable[[], bool] | None,
        leased: set[str],
        chance: Callable[[], float],
        takes: bool = True,
    ) -> None:
        """Name the delegations; the first call of `ready` asks for them.

        Args:
            delegations: one for each DynamicPrefix.
            identity: the file of the DUID; it is made when it is not there.
            hoped: the prefix that the repository says was delegated to a DynamicPrefix.
            speaks: whether this daemon is the one that asks; None: it always is.
            leased: the DynamicPrefixes of which a delegation was reported and not withdrawn. It
                outlives this source, which is made anew when the links change.
            chance: 0 up to 1, for the jitter of RFC 8415 15.
            takes: whether what a server offers is requested, and not only reported.

        Raises:
            OutsideError: no permission for the raw socket.
        """
        self._leases = [_Leasing(each, DelegationWish(0, b"", 0)) for each in delegations]
        self.interfaces = frozenset(each.asked.interface for each in self._leases)
        self._identity, self._hoped = identity, hoped
        self._speaks, self._leased = speaks, leased
        self._chance, self._takes = chance, takes
        self._sender = _sender()
        self._taps: dict[str, _Tap] = {}
        self._changes = ChangedPrefixes()

    def filenos(self) -> Collection[int]:
        """One packet socket for each link that is up."""
        return [tap.fileno() for tap in self._taps.values()]

    def next_at(self) -> float:
        """When a message is due. Who does not lead waits for `LeadChanged`."""
        return min((leasing.next_at for leasing in self._leases), default=inf)

    def follow(self, link: LinkState, now: float) -> Iterator["_Event"]:
        """Open a socket on a link that came up, and confirm its leases (RFC 8415 18.2.12)."""
        if link.interface not in self.interfaces:
            return
        tap = self._taps.pop(link.interface, None)
        if tap is not None:
            tap.close()
        for leasing in self._on(link.interface):
            leasing.index = link.index if link.up else 0
            leasing.next_at = now if link.up else inf
        if not link.up:
            return
        for leasing in self._on(link.interface):
            if leasing.exchange is not None:
                turn = confirmed(leasing.exchange, self._moment(now))
                yield from self._carry_out(leasing, turn, now)

    def ready(self, now: float) -> Iterator["_Event"]:
        """Read replies, and send what is due."""
        for interface, tap in self._taps.items():
            for datagram in tap.read():
                yield from self._read(interface, datagram, now)
        for leasing in self._leases:
            if leasing.next_at <= now and leasing.index:
                yield from self._speak(leasing, now)

    def overhear(self, event: Advertised, now: float) -> None:
        """Ask at once when a router changed its prefixes."""
        if not self._changes.note(event):
            return
        for leasing in self._on(event.router.interface):
            if leasing.exchange is not None and leasing.index:
                leasing.exchange = hurried(leasing.exchange, now).exchange
                leasing.next_at = leasing.exchange.due_at

    def take(self, request: object, now: float) -> None:
        """Begin or end to ask with the lead; release what is to be released before the end."""
        if isinstance(request, LeadChanged):
            for leasing in self._leases:
                leasing.next_at = now if leasing.index else inf
        if isinstance(request, Release):
            self._release(now)

    def _release(self, now: float) -> None:
        """Release the leases whose DynamicPrefix asks for that."""
        for leasing in self._leases:
            if leasing.asked.release_on_stop and leasing.exchange is not None:
                message = ended(leasing.exchange, leasing.wish, self._moment(now))
                if message is not None and self._may_speak():
                    self._send(leasing, message)
                leasing.exchange, leasing.next_at = None, inf

    def close(self) -> None:
        """Close every socket."""
        self._sender.close()
        for tap in self._taps.values():
            tap.close()

    def _on(self, interface: str) -> Iterator["_Leasing"]:
        return (leasing for leasing in self._leases if leasing.asked.interface == interface)

    def _moment(self, now: float) -> TurnTime:
        return TurnTime(now, self._chance(), secrets.randbelow(1 << 24))

    def _speak(self, leasing: "_Leasing", now: float) -> Iterator["_Event"]:
        """Begin, or go on, if this daemon is the one that asks."""
        if not self._may_speak():
            leasing.exchange, leasing.next_at = None, inf
            if leasing.asked.name in self._leased:
                # Another daemon has the lease now, and may have been given another prefix.
                self._leased.discard(leasing.asked.name)
                yield Given(leasing.router, (), now, now)
            return
        interface = leasing.asked.interface
        if interface not in self._taps:
            try:
                self._taps[interface] = _Tap(interface)
            except OSError as error:
                yield leasing.failed(f"cannot read packets: {error.strerror or error}", now)
                leasing.next_at = now + TAP_AFTER
                return
        if leasing.exchange is None:
            yield from self._begin(leasing, now)
            return
        turn = due(leasing.exchange, leasing.wish, self._moment(now))
        yield from self._carry_out(leasing, turn, now)

    def _may_speak(self) -> bool:
        return self._speaks is None or self._speaks()

    def _begin(self, leasing: "_Leasing", now: float) -> Iterator["_Event"]:
        try:
            duid = read_duid(leasing.asked.duid, self._identity)
        except ValueError as error:
            yield leasing.failed(str(error), now)
            leasing.next_at = now + DUID_AFTER
            return
        asked = leasing.asked
        leasing.wish = DelegationWish(iaid_of(asked.name), duid, asked.length, asked.servers)
        hoped = self._hoped(asked.name)
        if hoped is not None and asked.name not in self._leased:
            # A lower source waits until the server had time to answer.
            information = _information(DelegatedPrefix(hoped, HOPED_FOR, HOPED_FOR))
            yield Given(leasing.router, (information,), now, now)
        turn = began([hoped] if hoped else [], self._moment(now), takes=self._takes)
        yield from self._carry_out(leasing, turn, now)

    def _read(self, interface: str, datagram: Datagram, now: float) -> Iterator["_Event"]:
        for leasing in self._on(interface):
            exchange = leasing.exchange
            if exchange is None or not exchange.sent:
                continue
            # What has another transaction id is for the host's own client.
            if datagram.payload[1:4] != exchange.transaction.to_bytes(3):
                continue
            message = decode(datagram.payload)
            if isinstance(message, Malformed):
                reason = f"dropped a message of {datagram.source}: {message.reason}"
                yield leasing.failed(reason, now)
                continue
            letter = Letter(message, datagram.source)
            turn = heard(exchange, leasing.wish, letter, self._moment(now))
            yield from self._carry_out(leasing, turn, now)

    def _carry_out(self, leasing: "_Leasing", turn: Turn, now: float) -> Iterator["_Event"]:
        """Send, and report what is new."""
        leasing.exchange = turn.exchange
        leasing.next_at = turn.exchange.due_at
        complaint = turn.complaint
        if turn.send is not None:
            complaint = self._send(leasing, turn.send) or complaint
        if complaint and complaint != leasing.complaint:
            yield leasing.failed(complaint, now)
        if turn.delegated is not None:
            leasing.complaint = ""
            prefixes = tuple(_information(each) for each in turn.delegated)
            self._leased.add(leasing.asked.name)
            yield Given(leasing.router, prefixes, now, now)
        if leasing.shown is not turn.exchange.state or turn.delegated is not None:
            leasing.shown = turn.exchange.state
            yield leasing.notice(now)

    def _send(self, leasing: "_Leasing", message: Dhcpv6Message) -> str:
        """Send to all servers of the link; the words of what went wrong, or nothing."""
        try:
            _send_to_all(self._sender, message, leasing.index)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return ""
            if error.errno in {errno.EADDRNOTAVAIL, errno.ENETUNREACH}:
                return leasing.without_address()
            return f"cannot send: {error.strerror or error}"
        return ""


@dataclass(slots=True)
class _Leasing:
    """One delegation.

    Attributes:
        index: of its link; 0 while the link is down.
        exchange: None while nobody is asked.
        next_at: when something is due.
        complaint: what was reported last; empty after a Reply counted.
        shown: the state that was reported last.
    """

    asked: Delegation
    wish: DelegationWish
    index: int = 0
    exchange: Exchange | None = None
    next_at: float = inf
    complaint: str = field(default="")
    shown: ExchangeState | None = None

    @property
    def router(self) -> Router:
        """As what the prefixes are kept."""
        return Router(self.asked.name, DHCPV6_PD)

    def failed(self, reason: str, now: float) -> SourceFailed:
        """Report what is wrong, and remember that it was reported."""
        self.complaint = reason
        return SourceFailed(self.router, reason, now)

    def without_address(self) -> str:
        """What is wrong when the link has no address to send from; nothing while that is usual."""
        if self.exchange is None or self.exchange.sent <= _MOST_UNSENT:
            return ""
        link = self.asked.interface
        return (
            f"cannot send: {link} has no link-local address: see `ip -6 address show dev {link}`; "
            f"`sysctl net.ipv6.conf.{link.replace('.', '/')}.disable_ipv6` must be 0"
        )

    def notice(self, now: float) -> LeaseNotice:
        """The lease as it is."""
        exchange = self.exchange
        assert exchange is not None  # noqa: S101  there is one wherever a notice is made
        return LeaseNotice(
            self.asked.name,
            self.asked.interface,
            self.asked.length,
            str(exchange.state),
            self.wish.duid.hex(":"),
            exchange.server.hex(":"),
            tuple((each.delegated.prefix, each.valid_until) for each in exchange.lease),
            tuple(filter(None, (each.delegated.excluded for each in exchange.lease))),
            exchange.renew_at,
            exchange.rebind_at,
            now,
            exchange.takes,
        )


_Event = Given | SourceFailed | LeaseNotice


class ServerAnswer(NamedTuple):
    """An Advertise: which server could delegate what."""

    message: Dhcpv6Message
    source: str

    @property
    def prefixes(self) -> tuple[DelegatedPrefix, ...]:
        """What it would delegate."""
        associations = self.message.associations
        return tuple(
            each for association in associations for each in association.prefixes if each.valid
        )

    @property
    def refusal(self) -> str:
        """Why it delegates nothing; empty if it does."""
        if self.prefixes:
            return ""
        said = [self.message.status, *(each.status for each in self.message.associations)]
        return next((str(status) for status in said if status.refuses), "it offers no prefix")


def ask_servers(
    interface: str, length: int, seconds: float, *, clock: Callable[[], float]
) -> Iterator[ServerAnswer]:
    """Solicit on a link, and yield what each server offers; nothing is taken from it.

    Args:
        interface: the link.
        length: the hint for the length of the prefix.
        seconds: for which answers are waited for; the question is repeated each second.
        clock: seconds that only go forward.

    Raises:
        OutsideError: no permission, no such link, or IPv6 is off there.
    """
    off = switched_off(interface, read_settings(interface))
    if off:
        raise OutsideError(off)
    wish = DelegationWish(secrets.randbelow(1 << 32), b"\0\4" + secrets.token_bytes(16), length)
    exchange = began([], TurnTime(0.0, 0.0, 0)).exchange
    sender = _sender()
    try:
        with closing(sender), closing(_Tap(interface)) as tap:
            index = socket.if_nametoindex(interface)
            end, seen = clock() + seconds, set[bytes]()
            while (now := clock()) < end:
                asked = due(replace(exchange, due_at=0.0, sent=0), wish, _lot(now))
                exchange = asked.exchange
                assert asked.send is not None  # noqa: S101  it was due
                with suppress(OSError):
                    _send_to_all(sender, asked.send, index)
                select.select([tap], [], [], min(1.0, end - now))
                for datagram in tap.read():
                    message = decode(datagram.payload)
                    if not isinstance(message, Dhcpv6Message) or message.client != wish.duid:
                        continue
                    if message.server not in seen:
                        seen.add(message.server)
                        yield ServerAnswer(message, datagram.source)
    except OSError as error:
        raise OutsideError(f"cannot ask on {interface}: {error.strerror or error}") from error


def _lot(now: float) -> TurnTime:
    return TurnTime(now, 0.5, secrets.randbelow(1 << 24))


def iaid_of(name: str) -> int:
    """The IAID of a DynamicPrefix: the same on every node, and after every restart.

    The index of a link, which others use, is another one after a restart.
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])


def read_duid(given: str, identity: Path | None) -> bytes:
    """The DUID of the specification, else the one of the file, which is made once.

    It is a DUID-UUID (RFC 6355), since neither a clock nor a network card has to be right.

    Raises:
        ValueError: there is none, with the remedy.
    """
    if given:
        return bytes.fromhex(given.replace(":", ""))
    if identity is None:
        raise ValueError("there is no place for a DUID: set `duid` in spec.acquisition.dhcpv6pd")
    try:
        if not identity.exists():
            _write_duid(identity)
        duid = bytes.fromhex(identity.read_text(encoding="ascii").strip().replace(":", ""))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        message = f"no DUID in {identity}: {reason}; mend it, or set `duid` in the DynamicPrefix"
        raise ValueError(message) from error
    if not 3 <= len(duid) <= MOST_DUID:
        raise ValueError(f"no DUID in {identity}: it has {len(duid)} octets; delete the file")
    return duid


def _write_duid(identity: Path) -> None:
    duid = b"\0\4" + secrets.token_bytes(16)
    identity.parent.mkdir(parents=True, exist_ok=True)
    new = identity.with_name(f"{identity.name}.{os.getpid()}")
    new.write_text(f"{duid.hex(':')}\n", encoding="ascii")
    # Two daemons that start at once have one DUID: whoever comes second finds it.
    with suppress(FileExistsError):
        os.link(new, identity)
    new.unlink()


def _information(delegated: DelegatedPrefix) -> PrefixInformation:
    return PrefixInformation(
        delegated.prefix,
        on_link=True,
        autonomous=True,
        valid_lifetime=delegated.valid,
        preferred_lifetime=delegated.preferred,
        excluded=delegated.excluded,
    )


def _send_to_all(sender: socket.socket, message: Dhcpv6Message, index: int) -> None:
    octets = encode(message)
    header = _UDP.pack(CLIENT_PORT, SERVER_PORT, _UDP.size + len(octets), 0)
    sender.sendto(header + octets, (ALL_SERVERS, 0, 0, index))


def _sender() -> socket.socket:
    """A raw socket that only sends; the kernel computes the checksum (RFC 3542 3.1)."""
    try:
        sender = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_UDP)
    except PermissionError as error:
        raise OutsideError(NO_PERMISSION) from error
    except OSError as error:
        raise OutsideError(f"cannot open a raw UDP socket: {error.strerror}") from error
    attach(sender, _NOTHING)
    sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_CHECKSUM, 6)
    sender.setblocking(False)  # noqa: FBT003
    return sender


class _Tap:
    """Reads what servers send to port 546 of one link (packet(7))."""

    def __init__(self, interface: str) -> None:
        """Open it.

        Raises:
            OSError: the link is gone.
        """
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        try:
            attach(self._socket, _REPLIES_ALONE)
            self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self._socket.setblocking(False)  # noqa: FBT003
            self._socket.bind((interface, ETH_P_IPV6))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """The descriptor, for a selector."""
        return self._socket.fileno()

    def read(self) -> Iterator[Datagram]:
        """The next datagrams, at most a bounded batch."""
        for _ in range(_MOST_PACKETS):
            try:
                packet, ancillary, _, address = self._socket.recvmsg(
                    _MOST_BYTES, socket.CMSG_SPACE(AUXDATA.size)
                )
            except OSError as error:
                if error.errno in {errno.EAGAIN, errno.ENETDOWN, errno.EINTR}:
                    return
                raise
            statuses = [AUXDATA.unpack(content)[0] for *_, content in ancillary]
            trusted = any(each & (_CHECKSUM_NOT_READY | _CHECKSUM_VALID) for each in statuses)
            datagram = read_packet(packet, checked=trusted)
            if datagram is not None and address[2] == _HOST:
                yield datagram

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def read_packet(packet: bytes, *, checked: bool) -> Datagram | None:
    """The datagram of an IPv6 packet without extension headers; None for any other.

    Args:
        packet: from the IPv6 header on.
        checked: whether the UDP checksum is known to be right, or is not there yet: a packet
            that never left this machine has none.
    """
    if len(packet) < _IPV6_HEADER + _UDP.size or packet[6] != _UDP_PROTOCOL:
        return None
    source, destination = packet[8:24], packet[24:40]
    _, _, length, checksum = _UDP.unpack_from(packet, _IPV6_HEADER)
    datagram = packet[_IPV6_HEADER : _IPV6_HEADER + length]
    if len(datagram) != length or length < _UDP.size:
        return None
    pseudo = _PSEUDO_HEADER.pack(source, destination, length, _UDP_PROTOCOL)
    # RFC 8200 8.1: UDP over IPv6 has a checksum.
    if not checked and (not checksum or _sum(pseudo + datagram) != 0xFFFF):
        return None
    return Datagram(datagram[_UDP.size :], str(IPv6Address(source)))


def _sum(octets: bytes) -> int:
    """The ones' complement sum (RFC 1071); 0xffff over a datagram with its right checksum."""
    octets += b"\0" * (len(octets) % 2)
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total
