"""What one link's packets say: each is an advertisement, a repetition, or dropped.

No I/O, no clock: a packet and the moment it came in, an event out.
"""

import socket
from typing import NamedTuple

from gitops_prefix.decide.advertisement import Router, RouterAdvertisement
from gitops_prefix.decide.routers import MOST_ROUTERS
from gitops_prefix.plan.ears import Advertised
from gitops_prefix.watch.codec import ROUTER_ADVERTISEMENT, Reason, Rejected, decode
from gitops_prefix.watch.link import Packet

_TYPE_AND_CODE = bytes([ROUTER_ADVERTISEMENT, 0])


class Dropped(NamedTuple):
    """A packet came that is no valid Router Advertisement."""

    interface: str
    source: str
    reason: Reason
    detail: str
    at: float


class _Last(NamedTuple):
    """What a router sent last: a repetition need not be decoded again.

    Attributes:
        body: the message behind its checksum, which depends on the destination.
    """

    body: bytes
    router: Router
    advertisement: RouterAdvertisement


class Hearing:
    """Remembers what the routers of a link sent last, as many as are remembered at all."""

    def __init__(self, interface: str) -> None:
        self._interface = interface
        self._heard: dict[bytes, _Last] = {}

    def forget(self) -> None:
        """The link went down: whoever speaks next says something new."""
        self._heard.clear()

    def hear(self, packet: Packet, now: float) -> Advertised | Dropped:
        """What a packet that came at `now` says."""
        last = self._heard.get(packet.source)
        if last is not None and _repeats(packet, last):
            return Advertised(last.router, last.advertisement, now, repeated=True)
        if packet.fragmented:
            advertisement: RouterAdvertisement | Rejected = Rejected(Reason.FRAGMENT)
        else:
            advertisement = decode(packet.payload, source=packet.source, hop_limit=packet.hop_limit)
        source = socket.inet_ntop(socket.AF_INET6, packet.source)
        if isinstance(advertisement, Rejected):
            reason, detail = advertisement
            return Dropped(self._interface, source, reason, detail, now)
        router = Router(self._interface, source)
        self._remember(packet.source, _Last(packet.payload[4:], router, advertisement))
        return Advertised(router, advertisement, now, repeated=False)

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
