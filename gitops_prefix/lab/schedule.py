"""What the simulated router advertises when, one advertisement after the other; and its text.

Pure. The text of a step is as in `2001:db8:1::/64,valid=10m,preferred=0s`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gitops_prefix.decide.advertisement import INFINITY, PrefixInformation, RouterAdvertisement
from gitops_prefix.decide.fields import parse_duration
from gitops_prefix.decide.prefix import Prefix


class Leaving(StrEnum):
    """How a prefix goes when the next step does not have it."""

    LEFT_OUT = "left-out"
    """It is not mentioned any more: a router that restarted has forgotten it (RFC 8978)."""
    DEPRECATED = "deprecated"
    """Preferred lifetime 0: not for new connections (RFC 4862 5.5.4)."""
    WITHDRAWN = "withdrawn"
    """Valid lifetime 0: gone (RFC 4861 4.6.2)."""


Prefixes = tuple[PrefixInformation, ...]

VALID, PREFERRED = 86400, 14400
"""Seconds; radvd's defaults, as most home routers have them."""
NONE = "none"
"""A step without any prefix: a router that lost its uplink."""


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


def parse_step(text: str) -> Prefixes:
    """Prefixes joined by `+`, each with what is unusual about it; or `none`.

    Raises:
        ValueError: a prefix, a lifetime or a word that cannot be read.
    """
    if text == NONE:
        return ()
    prefixes = tuple(_parse_prefix(part) for part in text.split("+"))
    if len({said.prefix for said in prefixes}) < len(prefixes):
        raise ValueError(f'"{text}" has a prefix twice')
    return prefixes


def _parse_prefix(text: str) -> PrefixInformation:
    prefix, *words = text.split(",")
    information = PrefixInformation(Prefix.parse(prefix), True, True, VALID, -1)  # noqa: FBT003
    for word in words:
        name, _, setting = word.partition("=")
        change = _WORDS.get(name)
        if change is None:
            raise ValueError(
                f'"{word}" is not known: after a prefix stand valid=24h, preferred=4h, '
                "on-link=no or autonomous=no"
            )
        information = change(information, setting)
    if information.preferred_lifetime < 0:
        least = min(PREFERRED, information.valid_lifetime)
        information = information._replace(preferred_lifetime=least)
    if information.preferred_lifetime > information.valid_lifetime:
        raise ValueError(
            f'"{text}" is preferred for longer than it is valid: hosts ignore that '
            "(RFC 4862 5.5.3 c)"
        )
    return information


def parse_lifetime(text: str) -> int:
    """Seconds of 32 bits, or `infinity`.

    Raises:
        ValueError: no duration.
    """
    if text == "infinity":
        return INFINITY
    # A century, the longest duration, fits 32 bits.
    return int(parse_duration(text).total_seconds())


def _flag(text: str) -> bool:
    if text not in {"yes", "no"}:
        raise ValueError(f'"{text}" is neither "yes" nor "no"')
    return text == "yes"


_WORDS: dict[str, Callable[[PrefixInformation, str], PrefixInformation]] = {
    "valid": lambda said, text: said._replace(valid_lifetime=parse_lifetime(text)),
    "preferred": lambda said, text: said._replace(preferred_lifetime=parse_lifetime(text)),
    "on-link": lambda said, text: said._replace(on_link=_flag(text)),
    "autonomous": lambda said, text: said._replace(autonomous=_flag(text)),
}
