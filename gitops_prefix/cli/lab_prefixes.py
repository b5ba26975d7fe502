"""How `lab router` is told its prefixes: `2001:db8:1::/64,valid=10m,preferred=0s`."""

from collections.abc import Callable

from gitops_prefix.decide.advertisement import INFINITY, PrefixInformation
from gitops_prefix.decide.duration import parse_duration
from gitops_prefix.decide.prefix import Prefix

VALID, PREFERRED = 86400, 14400
"""Seconds; radvd's defaults, as most home routers have them."""
NONE = "none"
"""A step without any prefix: a router that lost its uplink."""


def parse_step(text: str) -> tuple[PrefixInformation, ...]:
    """Prefixes joined by `+`, each with what is unusual about it; or `none`.

    Raises:
        ValueError: a prefix, a lifetime or a word that cannot be read.
    """
    if text == NONE:
        return ()
    prefixes = tuple(_parse_prefix(one) for one in text.split("+"))
    if len({one.prefix for one in prefixes}) < len(prefixes):
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
    "valid": lambda one, text: one._replace(valid_lifetime=parse_lifetime(text)),
    "preferred": lambda one, text: one._replace(preferred_lifetime=parse_lifetime(text)),
    "on-link": lambda one, text: one._replace(on_link=_flag(text)),
    "autonomous": lambda one, text: one._replace(autonomous=_flag(text)),
}
