"""What the simulated router advertises when: one advertisement after the other. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gitops_prefix.decide.advertisement import PrefixInformation, RouterAdvertisement


class Leaving(StrEnum):
    """How a prefix goes when the next step does not have it."""

    LEFT_OUT = "left-out"
    """Not a word more about it: a router that restarted has forgotten it (RFC 8978)."""
    DEPRECATED = "deprecated"
    """Preferred lifetime 0: not for new connections (RFC 4862 5.5.4)."""
    WITHDRAWN = "withdrawn"
    """Valid lifetime 0: gone (RFC 4861 4.6.2)."""


Prefixes = tuple[PrefixInformation, ...]


@dataclass(frozen=True, slots=True)
class LabStep:
    """What is advertised from a moment on.

    Attributes:
        at: seconds since the router began.
    """

    at: float
    advertisement: RouterAdvertisement


def schedule(
    advertisement: RouterAdvertisement,
    steps: Sequence[Prefixes],
    pauses: Sequence[float],
    leaving: Leaving,
) -> tuple[LabStep, ...]:
    """The steps of a rehearsal, in order.

    Args:
        advertisement: all that stays the same.
        steps: the prefixes of each step.
        pauses: seconds from each step to the next: one fewer than steps.
        leaving: how what a step no longer has goes.
    """
    made: list[LabStep] = []
    before: Prefixes = ()
    at = 0.0
    for number, prefixes in enumerate(steps):
        at += pauses[number - 1] if number else 0.0
        before = prefixes + _going(before, prefixes, leaving)
        made.append(LabStep(at, advertisement._replace(prefixes=before)))
    return tuple(made)


def _going(before: Prefixes, now: Prefixes, leaving: Leaving) -> Prefixes:
    """What is still to be said of the prefixes that go, and of those that went."""
    if leaving is Leaving.LEFT_OUT:
        return ()
    kept = {information.prefix for information in now}
    return tuple(
        information._replace(
            preferred_lifetime=0,
            valid_lifetime=0 if leaving is Leaving.WITHDRAWN else information.valid_lifetime,
        )
        for information in before
        if information.prefix not in kept
    )
