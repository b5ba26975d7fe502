"""Where `observe` sees Router Advertisements: on a link, or in a capture."""

import queue
import random
import threading
import time
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.decide.address import format_address
from gitops_prefix.decide.advertisement import Router, RouterAdvertisement
from gitops_prefix.errors import OutsideError
from gitops_prefix.plan.ears import Advertised, LinkChanged
from gitops_prefix.watch.advertisements import AdvertisementSource
from gitops_prefix.watch.codec import Rejected, RejectReason, checksum_is_right, decode
from gitops_prefix.watch.pcap import CapturedPacket, read_capture
from gitops_prefix.watch.watcher import Dropped, Event, Watcher

MOST_WAITING = 10_000
"""Events that wait to be shown; beyond them the kernel drops, and memory stays flat."""


class Sighting(NamedTuple):
    """One packet of a link or a capture, and when it came by the calendar."""

    when: datetime
    event: Advertised | Dropped

    @property
    def at(self) -> float:
        """Seconds, on the clock of the link or the capture."""
        return self.event.at

    @property
    def router(self) -> Router:
        """Who sent it."""
        return self.event.router

    @property
    def advertisement(self) -> RouterAdvertisement | None:
        """What was advertised, if it is valid."""
        return self.event.advertisement if isinstance(self.event, Advertised) else None

    @property
    def reason(self) -> str:
        """Why it was dropped; empty if it was not."""
        return str(self.event.rejected) if isinstance(self.event, Dropped) else ""


Seen = Sighting | LinkChanged | None
"""What a link shows; None is time that passed, or a wish to be drawn anew."""
Events = queue.SimpleQueue[Event | Exception | None]


def from_capture(path: Path) -> Generator[Sighting, None, None]:
    """What a capture holds, in its order.

    Raises:
        InputError: it cannot be read to its end.
    """
    for packet in read_capture(path):
        router = Router(packet.interface, format_address(int.from_bytes(packet.source, "big")))
        yield Sighting(datetime.fromtimestamp(packet.at, UTC), _event(router, packet))


def _event(router: Router, packet: CapturedPacket) -> Advertised | Dropped:
    """What the kernel checks on a link, then what the codec does."""
    source, destination = packet.source, packet.destination
    heard: RouterAdvertisement | Rejected
    if packet.fragmented:
        heard = Rejected(RejectReason.FRAGMENT)
    elif not checksum_is_right(packet.payload, source=source, destination=destination):
        heard = Rejected(RejectReason.CHECKSUM)
    else:
        heard = decode(packet.payload, source=source, hop_limit=packet.hop_limit)
    if isinstance(heard, Rejected):
        return Dropped(router, heard, packet.at)
    return Advertised(router, heard, packet.at, repeated=False)


def from_link(
    interfaces: Sequence[str], seconds: float | None, events: Events, beat: float = 3600.0
) -> Generator[Seen, None, None]:
    """What comes on links, for so many seconds or for ever; a missing link is waited for.

    Args:
        interfaces: their names.
        seconds: how long; None is for ever.
        events: through which the watcher tells; a None put into it is handed on.
        beat: seconds of silence after which None is told.

    Raises:
        OutsideError: no permission for the raw socket, or it broke.
    """
    room = threading.Semaphore(MOST_WAITING)

    def sink(event: Event | Exception) -> None:
        room.acquire()
        events.put(event)

    source = AdvertisementSource(interfaces, chance=random.random)
    watcher = Watcher([source], sink, clock=time.monotonic)
    thread = threading.Thread(target=_watch, args=(watcher, sink), name="watch", daemon=True)
    thread.start()
    until = time.monotonic() + seconds if seconds else inf
    try:
        while (left := until - time.monotonic()) > 0:
            try:
                event = events.get(timeout=min(left, beat))
            except queue.Empty:
                event = None
            if event is not None:
                room.release()
            yield _seen(event)
    finally:
        watcher.stop()
        room.release(MOST_WAITING)
        thread.join(timeout=2)


def _watch(watcher: Watcher, sink: Callable[[Event | Exception], None]) -> None:
    """The thread: what ends it is told too, for nobody else would hear of it."""
    try:
        watcher.run()
    except Exception as error:  # noqa: BLE001  raised again by who reads the events
        sink(error)


def _seen(event: Event | Exception | None) -> Seen:
    match event:
        case Exception():
            raise OutsideError(f"cannot listen any more: {event}") from event
        case Advertised() | Dropped():
            return Sighting(datetime.now(UTC), event)
        case LinkChanged():
            return event
        case _:
            # What only a daemon causes: floods with vouched routers, requests, the kernel.
            return None
