"""The source of Router Advertisements: hears routers, and solicits them.

Each packet becomes one event: advertised, advertised again, or dropped. Routers are
solicited when a link comes up (RFC 7559), and on request.
"""

import socket
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from math import inf, isinf
from typing import NamedTuple

from gitops_prefix.decide.advertisement import Router, RouterAdvertisement
from gitops_prefix.decide.announcement import ANSWER
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.routers import MOST_ROUTERS
from gitops_prefix.plan.ears import Advertised
from gitops_prefix.watch.codec import ROUTER_ADVERTISEMENT, Rejected, RejectReason, decode
from gitops_prefix.watch.learnt import SwitchedOff, read_settings, switched_off
from gitops_prefix.watch.links import LinkState
from gitops_prefix.watch.raw_socket import ALL_ROUTERS, Packet, RouterAdvertisementSocket

_TYPE_AND_CODE = bytes([ROUTER_ADVERTISEMENT, 0])

BATCH = 256
"""Packets read before the links, and the clock, are looked at again."""
FLOOD = 4 * BATCH
"""Packets in a row, without the socket ever running empty: more than any honest link has."""
RESPITE = 1.0
"""Seconds for which the kernel drops the packets of routers that nobody vouches for."""

FIRST_DELAY = 1.0
"""MAX_RTR_SOLICITATION_DELAY (RFC 4861 10): hosts must not all solicit in one instant."""
PAUSE = 4.0
"""RTR_SOLICITATION_INTERVAL (RFC 4861 10): the least time between two solicitations."""
INITIAL = 4.0
"""IRT (RFC 7559 2)."""
LONGEST = 3600.0
"""MRT (RFC 7559 2)."""

Chance = Callable[[], float]
"""A number from 0 to 1."""


class Dropped(NamedTuple):
    """A packet was received that is no valid Router Advertisement.

    Attributes:
        router: who sent it.
        rejected: why it is not valid.
    """

    router: Router
    rejected: Rejected
    at: float


class ChangedPrefixes:
    """Notices when a router changed the prefixes that hosts are to use.

    A router that got another delegation says so on its links first.
    """

    def __init__(self) -> None:
        self._preferred: dict[Router, frozenset[Prefix]] = {}

    def note(self, event: Advertised) -> bool:
        """Whether the router preferred other prefixes before; not when it is heard first.

        An advertisement without a prefix says nothing (RFC 4861 6.3.4).
        """
        preferred = frozenset(
            information.prefix
            for information in event.advertisement.prefixes
            if information.preferred_lifetime
        )
        before = self._preferred.get(event.router)
        if not event.advertisement.prefixes or preferred == before:
            return False
        if before is None and len(self._preferred) >= MOST_ROUTERS:
            return False
        self._preferred[event.router] = preferred
        return before is not None


class Flooded(NamedTuple):
    """More came than can be read: for RESPITE seconds only vouched routers are heard."""

    at: float


class Solicit(NamedTuple):
    """The request to solicit on a link (RFC 4861 6.3.7).

    Attributes:
        router: the link-local address of the one router to ask; empty is all routers.
    """

    interface: str
    router: str = ""


class Solicited(NamedTuple):
    """A requested solicitation was sent: after `AnswersRead`, silence means something.

    Attributes:
        refused: why it could not be sent; empty if it was.
    """

    interface: str
    router: str
    at: float
    refused: str = ""


class AnswersRead(NamedTuple):
    """The time for the answers to a solicitation is over, and all that came was read.

    A machine that stood still finds the answer in the socket, however late it looks.

    Attributes:
        asked_at: when the solicitation was sent, as `Solicited` has it.
    """

    interface: str
    asked_at: float
    at: float


class _Unread(NamedTuple):
    """A solicitation whose answers are still to be read; `until` when, from the next turn on."""

    asked_at: float
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Solicitation:
    """When to solicit on a link without a default router: RFC 7559's back-off.

    A lost solicitation or a router that still boots must not leave a host without an
    answer, and a link without a router must not be asked for ever at the same pace.

    Attributes:
        at: when to solicit next; inf when there is no need.
        pause: seconds between the last solicitation and the next.
        refused: solicitations in a row that could not be sent.
    """

    at: float = inf
    pause: float = 0.0
    refused: int = 0

    def start(self, now: float, chance: Chance) -> "Solicitation":
        """Solicit soon: the link just came up."""
        return Solicitation(now + FIRST_DELAY * chance())

    def asked(self, now: float, chance: Chance) -> "Solicitation":
        """After a solicitation: RT = 2*RTprev + RAND*RTprev (RFC 8415 15), at most MRT."""
        spread = 0.2 * chance() - 0.1
        pause = INITIAL * (1 + spread) if not self.pause else self.pause * (2 + spread)
        if pause > LONGEST:
            pause = LONGEST * (1 + spread)
        return Solicitation(now + pause, pause)

    def unsent(self, now: float) -> "Solicitation":
        """After a solicitation that could not be sent: most often for want of an address.

        The kernel looks for a duplicate for a second or two after a link came up, and routers
        are given 5 s to be heard (decide.selection.GRACE).
        """
        wait = min(FIRST_DELAY * 2 ** min(self.refused, 20), LONGEST)
        return replace(self, at=now + wait, refused=self.refused + 1)

    def answered(self) -> "Solicitation":
        """A router answered: no more solicitations."""
        return Solicitation()


class Requested:
    """The solicitations of a link that were requested: each router at most every PAUSE seconds."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._sent: dict[str, float] = {}

    @property
    def at(self) -> float:
        """When the next one is due; inf if none is waiting."""
        return min(self._due.values(), default=inf)

    def add(self, router: str, now: float, delay: float) -> None:
        """Solicit `router` after `delay`; a request that waits already is not doubled."""
        if router not in self._due and len(self._due) < MOST_ROUTERS:
            self._due[router] = max(now + delay, self._sent.get(router, -inf) + PAUSE)

    def sent(self, router: str, now: float) -> bool:
        """A solicitation goes to `router`; whether a request waited for it."""
        self._sent = {known: at for known, at in self._sent.items() if now < at + PAUSE}
        self._sent[router] = now
        return self._due.pop(router, None) is not None

    def due(self, now: float) -> list[str]:
        """The routers to solicit now."""
        return [router for router, at in self._due.items() if at <= now]

    def answered(self, router: str) -> None:
        """`router` was heard: a solicitation to it alone is not needed any more."""
        self._due.pop(router, None)


class _Last(NamedTuple):
    """What a router sent last: a repetition need not be decoded again.

    Attributes:
        body: the message behind its checksum, which depends on the destination.
    """

    body: bytes
    router: Router
    advertisement: RouterAdvertisement


class Hearing:
    """Packets to events; remembers what each router of a link sent last."""

    def __init__(self, interface: str) -> None:
        self._interface = interface
        self._heard: dict[bytes, _Last] = {}

    def __len__(self) -> int:
        """The number of routers that are remembered; at most MOST_ROUTERS."""
        return len(self._heard)

    def forget(self) -> None:
        """The link went down: the next advertisement of every router is news."""
        self._heard.clear()

    def hear(self, packet: Packet, now: float) -> Advertised | Dropped:
        """What a packet that came at `now` says."""
        last = self._heard.get(packet.source)
        if last is not None and _repeats(packet, last):
            return Advertised(last.router, last.advertisement, now, repeated=True)
        if packet.fragmented:
            heard: RouterAdvertisement | Rejected = Rejected(RejectReason.FRAGMENT)
        else:
            heard = decode(packet.payload, source=packet.source, hop_limit=packet.hop_limit)
        router = Router(self._interface, socket.inet_ntop(socket.AF_INET6, packet.source))
        if isinstance(heard, Rejected):
            return Dropped(router, heard, now)
        self._remember(packet.source, _Last(packet.payload[4:], router, heard))
        return Advertised(router, heard, now, repeated=False)

    def _remember(self, source: bytes, last: _Last) -> None:
        self._heard.pop(source, None)
        if len(self._heard) >= MOST_ROUTERS:
            del self._heard[next(iter(self._heard))]
        self._heard[source] = last


def _repeats(packet: Packet, last: _Last) -> bool:
    """Whether a packet says what its router said last, as validly."""
    return (
        packet.payload[4:] == last.body
        and packet.payload[:2] == _TYPE_AND_CODE
        and packet.hop_limit == 255
        and not packet.fragmented
    )


@dataclass(slots=True)
class _Ear:
    """One link: its index while there is one, who was heard, and when to solicit.

    Attributes:
        off: whether IPv6 was switched off on the link when it was looked at.
        unread: the solicitations whose answers are waited for.
        stale: whether what waits in the socket may be from before the link went down.
    """

    hearing: Hearing
    index: int = 0
    off: bool = False
    backoff: Solicitation = field(default_factory=Solicitation)
    requested: Requested = field(default_factory=Requested)
    unread: tuple[_Unread, ...] = ()
    stale: bool = False

    @property
    def at(self) -> float:
        if self.stale:
            return -inf
        unread = [-inf if waiting.until is None else waiting.until for waiting in self.unread]
        return min(self.backoff.at, self.requested.at, *unread) if self.index else inf

    def wait_for_answers(self, now: float) -> None:
        """Begin to wait: what was sent in the last turn was sent before `now`."""
        self.unread = tuple(
            waiting if waiting.until is not None else waiting._replace(until=now + ANSWER)
            for waiting in self.unread
        )

    def read_answers(self, interface: str, now: float) -> Iterator[AnswersRead]:
        """The socket is empty: what came by `now` was read."""
        over = [
            waiting for waiting in self.unread if waiting.until is not None and waiting.until <= now
        ]
        self.unread = tuple(waiting for waiting in self.unread if waiting not in over)
        for waiting in over:
            yield AnswersRead(interface, waiting.asked_at, now)


class AdvertisementSource:
    """Router Advertisements on links, as `watcher.WatchedSource` has it."""

    def __init__(
        self,
        interfaces: Collection[str],
        *,
        chance: Chance,
        vouched: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """Open the raw socket.

        Args:
            interfaces: the links.
            chance: a number from 0 to 1.
            vouched: the addresses of routers that must be heard in a flood, too.

        Raises:
            OutsideError: no permission for the raw socket.
        """
        self._chance, self._vouched = chance, vouched
        self._ears = {name: _Ear(Hearing(name)) for name in interfaces}
        self._by_index: dict[int, _Ear] = {}
        self._in_a_row = 0
        self._respite_until = inf
        self._packets = RouterAdvertisementSocket()

    @property
    def interfaces(self) -> Collection[str]:
        """The links that are listened on."""
        return self._ears.keys()

    def filenos(self) -> tuple[int, ...]:
        """The raw socket."""
        return (self._packets.fileno(),)

    def next_at(self) -> float:
        """When to solicit next, or to hear everybody again."""
        return min([self._respite_until, *(ear.at for ear in self._ears.values())])

    def follow(self, link: LinkState, now: float) -> tuple[SwitchedOff, ...]:
        """Join or leave the group of a link, and solicit when it came up."""
        ear = self._ears.get(link.interface)
        if ear is None:
            return ()
        self._by_index.pop(ear.index, None)
        if link.up:
            # What came before a link went down may still wait in the socket. Nobody may take
            # it for what a router says now: on a link that is down, no router can take it back.
            # What comes before the kernel reports a carrier is lost; it is asked for then.
            self._by_index[link.index] = ear
        else:
            ear.stale = True
        if ear.index != link.index:
            if ear.index:
                self._packets.leave(ear.index)
            if link.index:
                self._packets.join(link.index)
            ear.index = link.index
        ear.hearing.forget()
        ear.requested, ear.unread = Requested(), ()
        backoff = Solicitation()
        ear.backoff = backoff.start(now, self._chance) if link.up else backoff
        return _look(ear, link.interface, now) if link.up else ()

    def overhear(self, event: object, now: float) -> None:
        """Nothing: this source heard it itself."""

    def take(self, request: object, now: float) -> None:
        """Solicit soon, unless the link is down."""
        if not isinstance(request, Solicit):
            return
        ear = self._ears.get(request.interface)
        if ear is not None and ear.index in self._by_index:
            ear.requested.add(request.router, now, FIRST_DELAY * self._chance())

    def ready(
        self, now: float
    ) -> Iterator["Advertised | Dropped | Flooded | Solicited | AnswersRead | SwitchedOff"]:
        """Read a batch of packets, and send the solicitations that are due."""
        for ear in self._ears.values():
            ear.wait_for_answers(now)
        yield from self._hear(now)
        if not self._in_a_row:
            for name, ear in self._ears.items():
                yield from ear.read_answers(name, now)
        yield from self._solicit(now)
        if self._respite_until <= now:
            self._packets.hear_all()
            self._in_a_row, self._respite_until = 0, inf

    def close(self) -> None:
        """Close the raw socket."""
        self._packets.close()

    def _hear(self, now: float) -> Iterator[Advertised | Dropped | Flooded | SwitchedOff]:
        # A bounded batch, so that link changes are heard in the middle of a flood.
        for _ in range(BATCH):
            packet = self._packets.receive()
            if packet is None:
                self._in_a_row = 0
                self._freshen()
                return
            ear = self._by_index.get(packet.interface_index)
            if ear is not None and not ear.stale:
                event = ear.hearing.hear(packet, now)
                if isinstance(event, Advertised):
                    _note_answer(ear, event)
                    if ear.off:
                        yield from _look(ear, event.router.interface, now)
                yield event
        self._in_a_row += BATCH
        if self._in_a_row >= FLOOD:
            # No socket holds as much.
            self._freshen()
        if self._in_a_row >= FLOOD and isinf(self._respite_until):
            yield from self._resist(now)

    def _freshen(self) -> None:
        """What comes from now on was sent after the links changed."""
        for ear in self._ears.values():
            ear.stale = False

    def _resist(self, now: float) -> Iterator[Flooded]:
        """Leave a flood to the kernel, so that the routers that count are heard in it.

        Without vouched routers any sender may be the router, so every sender is heard.
        """
        vouched = sorted(socket.inet_pton(socket.AF_INET6, text) for text in self._vouched())
        if vouched:
            self._packets.hear_only(vouched)
            self._respite_until = now + RESPITE
            yield Flooded(now)

    def _solicit(self, now: float) -> Iterator[Solicited | SwitchedOff]:
        for name, ear in self._ears.items():
            if ear.at > now:
                continue
            routers = set(ear.requested.due(now))
            if ear.backoff.at <= now:
                yield from _look(ear, name, now)
                routers.add("")
            for router in sorted(routers):
                requested = ear.requested.sent(router, now)
                refused = self._send(ear.index, router or ALL_ROUTERS)
                if not router and ear.backoff.at <= now:
                    backoff = ear.backoff
                    chance = self._chance
                    ear.backoff = backoff.unsent(now) if refused else backoff.asked(now, chance)
                if requested:
                    ear.unread += () if refused else (_Unread(now),)
                    yield Solicited(name, router, now, refused)

    def _send(self, index: int, router: str) -> str:
        """Why a solicitation could not be sent: no address yet, or a firewall; empty if it was."""
        try:
            self._packets.solicit(index, router)
        except OSError as error:
            return error.strerror or str(error)
        return ""


def _look(ear: _Ear, interface: str, now: float) -> tuple[SwitchedOff, ...]:
    """Report IPv6 that is switched off on a link, and that it is on again, once each."""
    reason = switched_off(interface, read_settings(interface))
    if bool(reason) is ear.off:
        return ()
    ear.off = bool(reason)
    return (SwitchedOff(interface, reason, now),)


def _note_answer(ear: _Ear, event: Advertised) -> None:
    ear.requested.answered(event.router.address)
    if event.advertisement.router_lifetime:
        # RFC 4861 6.3.7: the answer is an "advertisement with a non-zero Router Lifetime".
        # A router for its ULA alone must not stop us asking for the ISP's.
        ear.backoff = ear.backoff.answered()
