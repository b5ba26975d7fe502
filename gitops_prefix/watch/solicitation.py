"""When to ask for a Router Advertisement: RFC 7559's back-off, pure.

A lost solicitation or a router that is still booting must not leave a host without
an answer, and a link without a router must not be asked for ever at the same pace.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

FIRST_DELAY = 1.0
"""MAX_RTR_SOLICITATION_DELAY (RFC 4861 10): hosts must not all ask in one instant."""
INITIAL = 4.0
"""IRT (RFC 7559 2)."""
LONGEST = 3600.0
"""MRT (RFC 7559 2)."""

Chance = Callable[[], float]
"""A number from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Solicitation:
    """The state of asking on one link.

    Attributes:
        at: when to ask next; inf when there is no need.
        pause: seconds between the last question and the next.
    """

    at: float = inf
    pause: float = 0.0

    def start(self, now: float, chance: Chance) -> "Solicitation":
        """Ask soon: the link just came up."""
        return Solicitation(now + FIRST_DELAY * chance())

    def asked(self, now: float, chance: Chance) -> "Solicitation":
        """After a question: RT = 2*RTprev + RAND*RTprev (RFC 8415 15), at most MRT."""
        spread = 0.2 * chance() - 0.1
        pause = INITIAL * (1 + spread) if not self.pause else self.pause * (2 + spread)
        if pause > LONGEST:
            pause = LONGEST * (1 + spread)
        return Solicitation(now + pause, pause)

    def answered(self) -> "Solicitation":
        """A router answered: no more questions."""
        return replace(self, at=inf, pause=0.0)
