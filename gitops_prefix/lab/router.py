"""The simulated router at work: it advertises step after step, and answers solicitations."""

import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from gitops_prefix.decide.advertisement import RouterAdvertisement, UnknownOption
from gitops_prefix.lab.port import Port
from gitops_prefix.lab.schedule import LabStep
from gitops_prefix.watch.codec import SOURCE_LINK_LAYER_ADDRESS, encode, in_ipv6


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
