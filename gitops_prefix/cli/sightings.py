"""What `observe` sees on a link or in a capture, what would be decided, and why nothing came."""

import fcntl
import queue
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.decide.advertisement import Router, RouterAdvertisement
from gitops_prefix.decide.announcement import ANSWER
from gitops_prefix.decide.candidate import judge
from gitops_prefix.decide.policy import Verdict
from gitops_prefix.decide.prefix import format_address
from gitops_prefix.decide.routers import observe
from gitops_prefix.decide.selection import Decision
from gitops_prefix.decide.specification import Specification
from gitops_prefix.errors import OutsideError
from gitops_prefix.plan.ears import Advertised, Ears, LinkChanged, Watched
from gitops_prefix.watch.advertisements import AdvertisementSource
from gitops_prefix.watch.codec import Rejected, RejectReason, checksum_is_right, decode
from gitops_prefix.watch.pcap import CapturedPacket, read_capture
from gitops_prefix.watch.watcher import (
    AnswersRead,
    Dropped,
    Event,
    Solicit,
    Solicited,
    Watcher,
)

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


Seen = Sighting | LinkChanged | Solicited | AnswersRead | None
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
    interfaces: Sequence[str],
    seconds: float | None,
    events: Events,
    observation: "Observation | None" = None,
    beat: float = 3600.0,
) -> Generator[Seen, None, None]:
    """What comes on links, for so many seconds or for ever; a missing link is waited for.

    Args:
        interfaces: their names.
        seconds: how long; None is for ever.
        events: the queue of the watcher; a None that is put into it is yielded.
        observation: where what is seen goes. When it wants to look again, None is yielded, and
            it may ask routers.
        beat: seconds of silence after which None is yielded.

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
    until = inf if seconds is None else time.monotonic() + seconds
    observation = observation or Observation(Specification)
    observation.ask = lambda interface: watcher.request(Solicit(interface))
    try:
        while (left := until - time.monotonic()) > 0:
            due = max(0.0, observation.look_again_at - time.monotonic())
            try:
                event = events.get(timeout=min(left, beat, due))
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
    """The thread: an error that ends it is an event, too, or nobody would see it."""
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
        case LinkChanged() | Solicited() | AnswersRead():
            return event
        case _:
            # What only a daemon causes: floods with vouched routers, requests, the kernel.
            return None


@dataclass(slots=True)
class Observation:
    """Every link, and what was seen on it.

    Attributes:
        policy: the specification for a link.
        ears: follow one DynamicPrefix for each link, named after the link.
        said: the newest advertisement of each router that is remembered.
        links: whether each link is up; None when it does not exist, or is not known yet.
        dropped: packets that are not valid advertisements, by reason.
        refused: announced prefixes that are not candidates, by verdict.
        accepted: valid advertisements.
        ask: solicits the routers of a link, which a `Solicited` reports; None where nobody can
            be asked, as in a capture: silence then counts as if they had been.
        asked_at: when the routers of each link were to be asked last.
    """

    policy: Callable[[str], Specification]
    ears: Ears = field(default_factory=Ears)
    said: dict[Router, RouterAdvertisement] = field(default_factory=dict)
    links: dict[str, bool | None] = field(default_factory=dict)
    dropped: Counter[RejectReason] = field(default_factory=Counter)
    refused: Counter[Verdict] = field(default_factory=Counter)
    accepted: int = 0
    ask: Callable[[str], None] | None = None
    asked_at: dict[str, float] = field(default_factory=dict)

    @property
    def look_again_at(self) -> float:
        """When time alone may change what is decided."""
        return self.ears.look_again_at

    @property
    def interfaces(self) -> set[str]:
        """Every link that is known."""
        return self.ears.watched.keys() | self.links.keys()

    def decide(self, interface: str, now: float) -> Decision:
        """The decision for one link at `now`."""
        self.look(now)
        return self.ears.decisions[interface]

    def look(self, now: float) -> None:
        """Decide at `now`, and ask the routers that are in doubt."""
        self.ears = self.ears.decide(now).written()
        for link in self.ears.solicit:
            if self.ask is None:
                self.ears = self.ears.asked(link, now)
            elif now >= self.asked_at.get(link, -inf) + ANSWER:
                self.asked_at[link] = now
                self.ask(link)

    def take(self, seen: Seen) -> Decision | None:
        """Take in what was seen; return what is decided after a packet."""
        if isinstance(seen, LinkChanged):
            self.links[seen.interface] = seen.up if seen.present else None
            # What its routers said before a link went down is out of date.
            self.ears = self.ears.hear(seen)
            self._forget()
        if isinstance(seen, Solicited):
            sent = not seen.refused
            self.ears = self.ears.asked(seen.interface, seen.at, sent=sent, read=False)
        if isinstance(seen, AnswersRead):
            self.ears = self.ears.heard_out(seen.interface, seen.asked_at)
        if not isinstance(seen, Sighting):
            self.look(time.monotonic())
            return None
        interface = seen.router.interface
        if interface not in self.ears.watched:
            watched = Watched(self.policy(interface), None)
            self.ears = self.ears.follow({**self.ears.watched, interface: watched})
        if isinstance(seen.event, Dropped):
            self.dropped[seen.event.rejected.reason] += 1
            return self.decide(interface, seen.at)
        self.accepted += 1
        advertisement = seen.event.advertisement
        # Every advertisement counts as news: `observe` shows each, the repeated ones, too.
        self._hear(seen.event._replace(repeated=False))
        decision = self.decide(interface, seen.at)
        if seen.router not in self.ears.routers:
            # In a flood of routers there is no room for one that cannot count: it is only shown.
            alone = observe({}, seen.router, advertisement, seen.at)
            shown = judge(alone, self.policy(interface).acquisition, seen.at)
            decision = replace(decision, candidates=(*decision.candidates, *shown))
        announced = {information.prefix for information in advertisement.prefixes}
        for candidate in decision.candidates:
            if (
                candidate.router == seen.router
                and candidate.prefix in announced
                and candidate.verdict is not Verdict.CANDIDATE
            ):
                self.refused[candidate.verdict] += 1
        return decision

    def counts(self) -> list[str]:
        """What was dropped and refused, most often first."""
        dropped = [f"dropped {n}: {reason}" for reason, n in self.dropped.most_common()]
        return dropped + [f"refused {n}: {verdict}" for verdict, n in self.refused.most_common()]

    def _hear(self, event: Advertised) -> None:
        self.ears = self.ears.hear(event)
        self.said[event.router] = event.advertisement
        self._forget()

    def _forget(self) -> None:
        for forgotten in self.said.keys() - self.ears.routers.keys():
            del self.said[forgotten]


CHECKS = """no Router Advertisement came. Check, in this order:
  interface   is it the one the router is on, and up? (ip -6 addr, ip link)
  firewall    is ICMPv6 type 134 let in on this host? (nft list ruleset, ip6tables -L)
  RA guard    does a switch, an access point or a bridge with multicast snooping drop it?
  VLAN        is this host on the VLAN that the router advertises to?
  router      does it advertise at all? (rdisc6 INTERFACE asks it)"""


_SYSFS = Path("/sys/class/net")
# linux/sockios.h and linux/if.h; netdevice(7).
_SIOCGIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8913, 1, 0x40


def findings(
    interface: str,
    before_firewall: Counter[int],
    *,
    proc: Path = Path("/proc"),
) -> list[str]:
    """What is visibly wrong with a link, a sentence each; empty when nothing is.

    The kernel itself is asked which links there are: /sys may be of another network namespace,
    as below `nsenter --net`.

    Args:
        interface: its name.
        before_firewall: what `watch.tap` saw of advertisements, by VLAN.
        proc: where the kernel shows the settings of IPv6.
    """
    names = sorted(name for _, name in socket.if_nameindex())
    if interface not in names:
        return [f"there is no link {interface} (there are: {', '.join(names) or 'none'})"]
    is_ours = names == sorted(path.parent.name for path in _SYSFS.glob("*/ifindex"))
    master = _read(_SYSFS / interface / "master" / "uevent") if is_ours else ""
    return [
        *_link(interface),
        *_ipv6(proc, interface),
        *_dropped(before_firewall, interface, master),
    ]


def _link(name: str) -> Iterator[str]:
    request = struct.pack("=16sH14x", name.encode(), 0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
        try:
            _, flags = struct.unpack("=16sH14x", fcntl.ioctl(asking, _SIOCGIFFLAGS, request))
        except OSError:
            # It was removed meanwhile.
            return
    if not flags & _IFF_UP:
        yield f"{name} is down: ip link set {name} up"
    elif not flags & _IFF_RUNNING:
        yield f"{name} has no carrier: is the cable in, and the other end up?"


def _ipv6(proc: Path, name: str) -> Iterator[str]:
    settings = proc / "sys" / "net" / "ipv6" / "conf"
    if not settings.exists():
        yield "this host has no IPv6 at all (ipv6.disable=1?)"
        return
    if _read(settings / name / "disable_ipv6") == "1":
        # sysctl(8): a slash where the name of the link has a dot, as in eth0.100.
        setting = f"net.ipv6.conf.{name.replace('.', '/')}.disable_ipv6=0"
        yield f"IPv6 is off on {name}: sysctl -w {setting}"
        return
    lines = _read(proc / "net" / "if_inet6").splitlines()
    if not any(line.split()[-1] == name and line.startswith("fe8") for line in lines):
        yield f"{name} has no link-local address, so that nobody can be asked"


def _dropped(before_firewall: Counter[int], name: str, master: str) -> Iterator[str]:
    bridge = next((line[10:] for line in master.splitlines() if line[:10] == "INTERFACE="), "")
    if bridge:
        yield f"{name} is a port of {bridge}, which takes its packets: listen on {bridge}"
        return
    for vlan, count in sorted(before_firewall.items()):
        if vlan:
            yield f"{count} came on {name} tagged for VLAN {vlan}: listen on a link of that VLAN"
        else:
            yield f"{count} reached {name}, and this host dropped them: look at its firewall"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        # A link that is down has no carrier to read, for one.
        return ""
