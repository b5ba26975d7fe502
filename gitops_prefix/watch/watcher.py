"""Watches links in a thread of its own and tells what it sees as events.

It owns its sockets' life: a link may be absent at the start, go down, come back
with another index or be renamed; the group is joined and routers are asked again.
At rest it sleeps in one select, with no wake-up but a solicitation's.
"""

import contextlib
import selectors
import socket
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from math import inf, isinf
from typing import NamedTuple

from gitops_prefix.plan.ears import Advertised, LinkChanged
from gitops_prefix.watch.hearing import Dropped, Hearing
from gitops_prefix.watch.link import Packet, RouterAdvertisementSocket
from gitops_prefix.watch.netlink import Link, LinkSocket, Listed, Missed
from gitops_prefix.watch.solicitation import Chance, Solicitation

__all__ = ["Advertised", "Dropped", "Event", "Flooded", "LinkChanged", "Watcher"]


class Flooded(NamedTuple):
    """More came than can be read: for RESPITE seconds only vouched routers are heard."""

    at: float


Event = Advertised | Dropped | LinkChanged | Flooded

BATCH = 256
"""Packets read before the links, and the clock, are looked at again."""
FLOOD = 4 * BATCH
"""Packets in a row, without the socket ever running empty: more than any honest link has."""
RESPITE = 1.0
"""Seconds for which the kernel drops what no vouched router sent."""


@dataclass(slots=True)
class _Watch:
    """One watched link."""

    name: str
    index: int = 0
    up: bool = False
    told: bool = False
    solicitation: Solicitation = field(default_factory=Solicitation)
    hearing: Hearing = field(init=False)

    def __post_init__(self) -> None:
        self.hearing = Hearing(self.name)


class Watcher:
    """Watches the named links until it is stopped.

    `sink` is called in the watcher's thread and must not block for long: while it
    does, the kernel's buffer holds a few hundred packets, and drops the rest.
    """

    def __init__(
        self,
        interfaces: Iterable[str],
        sink: Callable[[Event], None],
        *,
        clock: Callable[[], float],
        chance: Chance,
        vouched: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """Open the sockets.

        Args:
            interfaces: the links.
            sink: told every event.
            clock: seconds, that only go forward.
            chance: a number from 0 to 1.
            vouched: the addresses of routers that must be heard in a flood, too.

        Raises:
            OutsideError: no permission for the raw socket.
        """
        self._sink, self._clock, self._chance = sink, clock, chance
        self._watches = {name: _Watch(name) for name in interfaces}
        self._by_index: dict[int, _Watch] = {}
        self._listed: set[str] = set()
        self._vouched = vouched
        self._in_a_row = 0
        self._respite_until = inf
        self._packets = RouterAdvertisementSocket()
        self._links = LinkSocket()
        self._stop_reader, self._stop_writer = socket.socketpair()

    def run(self) -> None:
        """Watch until `stop`; then close everything.

        Raises:
            OSError: a socket broke.
        """
        with contextlib.closing(self), selectors.DefaultSelector() as selector:
            selector.register(self._links, selectors.EVENT_READ, self._read_links)
            selector.register(self._packets, selectors.EVENT_READ, self._read_packets)
            selector.register(self._stop_reader, selectors.EVENT_READ, None)
            while True:
                ready = selector.select(self._timeout())
                for key, _ in ready:
                    if key.data is None:
                        return
                    key.data()
                self._solicit()
                self._relent()

    def stop(self) -> None:
        """Make `run` return, from any thread."""
        # It may have ended by itself.
        with contextlib.suppress(OSError):
            self._stop_writer.send(b"!")

    def close(self) -> None:
        """Give the sockets back; `run` does so itself."""
        self._packets.close()
        self._links.close()
        self._stop_reader.close()
        self._stop_writer.close()

    def _timeout(self) -> float | None:
        moments = (watch.solicitation.at for watch in self._watches.values())
        at = min((self._respite_until, *moments))
        return None if isinf(at) else max(0.0, at - self._clock())

    def _read_links(self) -> None:
        for told in self._links.read():
            match told:
                case Link():
                    self._listed.add(told.name)
                    self._follow(told)
                case Missed():
                    self._listed.clear()
                case Listed():
                    self._lose_unlisted()

    def _lose_unlisted(self) -> None:
        """After a whole list: what is not on it does not exist, or no longer."""
        for watch in self._watches.values():
            if watch.name not in self._listed and (watch.index or not watch.told):
                self._lose(watch)

    def _lose(self, watch: _Watch) -> None:
        self._release(watch)
        watch.up = False
        watch.hearing.forget()
        watch.solicitation = watch.solicitation.answered()
        self._tell(watch, present=False)

    def _release(self, watch: _Watch) -> None:
        """Let go of the index that a link had."""
        if watch.index:
            self._by_index.pop(watch.index, None)
            self._packets.leave(watch.index)
        watch.index = 0

    def _follow(self, link: Link) -> None:
        """Take in what became of a link: it may be ours now, or no longer."""
        known = self._by_index.get(link.ifindex)
        if known is not None and (known.name != link.name or not link.present):
            # Removed, or renamed away.
            self._lose(known)
        watch = self._watches.get(link.name)
        if watch is None or not link.present:
            return
        came = watch.index != link.ifindex
        if came:
            self._release(watch)
            watch.index = link.ifindex
            self._by_index[link.ifindex] = watch
            self._packets.join(link.ifindex)
        if came or watch.up != link.up:
            watch.up = link.up
            watch.hearing.forget()
            fresh = Solicitation()
            watch.solicitation = fresh.start(self._clock(), self._chance) if link.up else fresh
            self._tell(watch, present=True)

    def _tell(self, watch: _Watch, *, present: bool) -> None:
        watch.told = True
        self._sink(LinkChanged(watch.name, watch.up, present, self._clock()))

    def _read_packets(self) -> None:
        # A bounded batch, so that link changes are heard in the middle of a flood.
        for _ in range(BATCH):
            packet = self._packets.receive()
            if packet is None:
                self._in_a_row = 0
                return
            watch = self._by_index.get(packet.interface_index)
            if watch is not None:
                self._take(watch, packet)
        self._in_a_row += BATCH
        if self._in_a_row >= FLOOD and isinf(self._respite_until):
            self._resist()

    def _resist(self) -> None:
        """Leave a flood to the kernel, so that the routers that count are heard in it.

        With nobody to vouch for, anybody may be the router: then we do what we can.
        """
        sources = sorted(socket.inet_pton(socket.AF_INET6, one) for one in self._vouched())
        if sources:
            self._packets.hear_only(sources)
            self._respite_until = self._clock() + RESPITE
            self._sink(Flooded(self._clock()))

    def _relent(self) -> None:
        if self._respite_until <= self._clock():
            self._packets.hear_all()
            self._in_a_row, self._respite_until = 0, inf

    def _take(self, watch: _Watch, packet: Packet) -> None:
        event = watch.hearing.hear(packet, self._clock())
        if isinstance(event, Advertised) and event.advertisement.router_lifetime:
            # RFC 4861 6.3.7: the answer is an "advertisement with a non-zero Router
            # Lifetime". A router for its ULA alone must not stop us asking for the ISP's.
            watch.solicitation = watch.solicitation.answered()
        self._sink(event)

    def _solicit(self) -> None:
        now = self._clock()
        for watch in self._watches.values():
            if watch.solicitation.at <= now and watch.index:
                # Without an address yet (DAD) it fails; the back-off asks again.
                with contextlib.suppress(OSError):
                    self._packets.solicit(watch.index)
                watch.solicitation = watch.solicitation.asked(now, self._chance)
