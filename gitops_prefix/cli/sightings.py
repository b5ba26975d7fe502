"""Where `observe` sees Router Advertisements: on a link, or in a capture."""

import contextlib
import queue
import random
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path

import click

from gitops_prefix.decide.address import format_address
from gitops_prefix.decide.advertisement import Router, RouterAdvertisement
from gitops_prefix.errors import OutsideError
from gitops_prefix.watch.codec import Reason, Rejected, checksum_is_right, decode
from gitops_prefix.watch.pcap import CapturedPacket, read_capture
from gitops_prefix.watch.watcher import Advertised, Dropped, Event, Watcher


@dataclass(frozen=True, slots=True)
class Sighting:
    """One packet: an advertisement, or why it is none.

    Attributes:
        at: seconds, on the clock of the link or the capture.
        when: the same moment by the calendar.
    """

    at: float
    when: datetime
    router: Router
    advertisement: RouterAdvertisement | None
    reason: str = ""


def from_capture(path: Path) -> Generator[Sighting, None, None]:
    """What a capture holds, in its order.

    Raises:
        InputError: it cannot be read to its end, or scapy is missing.
    """
    for packet in read_capture(path):
        decoded = _decode(packet)
        router = Router(packet.interface, format_address(int.from_bytes(packet.source, "big")))
        when = datetime.fromtimestamp(packet.at, UTC)
        if isinstance(decoded, Rejected):
            yield Sighting(packet.at, when, router, None, str(decoded))
        else:
            yield Sighting(packet.at, when, router, decoded)


def _decode(packet: CapturedPacket) -> RouterAdvertisement | Rejected:
    """What the kernel checks on a link, then what the codec does."""
    if packet.fragmented:
        return Rejected(Reason.FRAGMENT)
    source, destination = packet.source, packet.destination
    if not checksum_is_right(packet.payload, source=source, destination=destination):
        return Rejected(Reason.CHECKSUM)
    return decode(packet.payload, source=source, hop_limit=packet.hop_limit)


def from_link(interface: str, seconds: float | None) -> Generator[Sighting, None, None]:
    """What comes on a link, for so many seconds or for ever; a missing link is waited for.

    Raises:
        OutsideError: no permission for the raw socket, or it broke.
    """
    events: queue.SimpleQueue[Event | Exception] = queue.SimpleQueue()
    watcher = Watcher([interface], events.put, clock=time.monotonic, chance=random.random)
    thread = threading.Thread(target=_watch, args=(watcher, events), name="watch", daemon=True)
    thread.start()
    until = time.monotonic() + seconds if seconds else inf
    try:
        while (left := until - time.monotonic()) > 0:
            # Not for ever: a wait without an end would not hear Ctrl-C everywhere.
            with contextlib.suppress(queue.Empty):
                sighting = _sighting(events.get(timeout=min(left, 3600.0)))
                if sighting is not None:
                    yield sighting
    finally:
        watcher.stop()
        thread.join(timeout=2)


def _watch(watcher: Watcher, events: queue.SimpleQueue[Event | Exception]) -> None:
    """The thread: what ends it is told too, for nobody else would hear of it."""
    try:
        watcher.run()
    except Exception as error:  # noqa: BLE001  raised again by who reads the events
        events.put(error)


def _sighting(event: Event | Exception) -> Sighting | None:
    """What an event shows; a link that changes is only told."""
    now = datetime.now(UTC)
    match event:
        case Exception():
            raise OutsideError(f"cannot listen any more: {event}") from event
        case Advertised():
            return Sighting(event.at, now, event.router, event.advertisement)
        case Dropped():
            reason = f"{event.reason}: {event.detail}" if event.detail else str(event.reason)
            return Sighting(event.at, now, Router(event.interface, event.source), None, reason)
    if not event.present:
        click.echo(f"{event.interface} does not exist yet; waiting for it", err=True)
    elif not event.up:
        click.echo(f"{event.interface} is down; waiting for it", err=True)
    return None
