"""How long to wait before the next try."""

import random
from collections.abc import Callable
from dataclasses import dataclass

FIRST = 1.0
FACTOR = 1.5
LONGEST = 30.0


@dataclass(slots=True)
class Backoff:
    """Waits that grow from 1 s by 1.5 to 30 s, each with jitter (DESIGN 6).

    Attributes:
        chance: a number from 0 to 1, drawn for each wait: two daemons that lost the
            same race must not meet again.
    """

    chance: Callable[[], float] = random.random
    failures: int = 0

    def succeed(self) -> None:
        """Start again from the shortest wait."""
        self.failures = 0

    def fail(self) -> float:
        """Note a failure.

        Returns:
            Seconds to wait: between half of the step and the whole.
        """
        step = min(LONGEST, FIRST * FACTOR ** min(self.failures, 20))
        self.failures += 1
        return step * (0.5 + self.chance() / 2)
