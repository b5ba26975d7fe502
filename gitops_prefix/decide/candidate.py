"""Which announced prefixes may become current, and which one does (DESIGN 5).

`judge` gives every announced prefix a verdict; `best` picks among the candidates.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from gitops_prefix.decide.advertisement import PrefixInformation, Router
from gitops_prefix.decide.prefix import (
    GLOBAL_UNICAST,
    LINK_LOCAL,
    MULTICAST,
    Prefix,
)
from gitops_prefix.decide.routers import Heard, Routers, heard
from gitops_prefix.decide.specification import USUAL_LENGTH, Acquisition

LOOPBACK = Prefix.parse("::1/128")
NOT_UNICAST = (LINK_LOCAL, MULTICAST, LOOPBACK)


class Verdict(StrEnum):
    """Why an announced prefix is a candidate, or is not. The text is shown to users."""

    CANDIDATE = "candidate"
    OTHER_LINK = "not on a link of this DynamicPrefix"
    OTHER_ROUTER = "its router is not in spec.acquisition.routerAdvertisement.routers"
    NOT_UNICAST = "link-local, multicast or loopback"
    NOT_GLOBAL = "not global unicast (prefixFilter.requireGlobalUnicast)"
    NOT_WITHIN = "not inside prefixFilter.within"
    TOO_LONG = "longer than /64 (set prefixFilter.within to allow it)"
    UNUSED = "neither on-link nor autonomous (RFC 4861 4.6.2)"
    LEFT_OUT = "its router's newest advertisement leaves it out (RFC 8978)"
    WITHDRAWN = "withdrawn: valid lifetime 0"
    DEPRECATED = "deprecated: preferred lifetime 0 (RFC 4862 5.5.4)"
    EXPIRED = "its valid lifetime ran out"
    PREFERENCE_EXPIRED = "its preferred lifetime ran out"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An announced prefix and what was found about it.

    Attributes:
        preference: its router's (RFC 4191).
        preferred_lifetime: as advertised, in seconds.
        ends_at: when time alone ends it, on the clock of the observations: a
            lifetime that runs out, or a router that stopped repeating it.
    """

    prefix: Prefix
    router: Router
    verdict: Verdict
    preference: int
    preferred_lifetime: int
    ends_at: float


def judge(routers: Routers, acquisition: Acquisition, now: float) -> tuple[Candidate, ...]:
    """Every announced prefix with its verdict at `now`, by router and prefix."""
    return tuple(
        Candidate(
            prefix=item.announcement.information.prefix,
            router=item.router,
            verdict=refusal(item.router, item.announcement.information, acquisition)
            or _life(item, now),
            preference=item.state.preference,
            preferred_lifetime=item.announcement.information.preferred_lifetime,
            ends_at=min(
                now + item.announcement.valid_for(now),
                now + item.announcement.preferred_for(now),
                item.state.stands_until(item.announcement),
            ),
        )
        for item in heard(routers)
    )


def refusal(
    router: Router, information: PrefixInformation, acquisition: Acquisition
) -> Verdict | None:
    """What the specification or the prefix itself rules out, whatever the time."""
    prefix = information.prefix
    within = [outer for outer in acquisition.within if outer.covers(prefix)]
    # "Told" is a `within` that is itself longer than a /64.
    told = any(outer.length > USUAL_LENGTH for outer in within)
    rules = (
        (not acquisition.hears(router), Verdict.OTHER_LINK),
        (not acquisition.believes(router), Verdict.OTHER_ROUTER),
        (any(special.overlaps(prefix) for special in NOT_UNICAST), Verdict.NOT_UNICAST),
        (
            acquisition.require_global_unicast and not GLOBAL_UNICAST.covers(prefix),
            Verdict.NOT_GLOBAL,
        ),
        (bool(acquisition.within) and not within, Verdict.NOT_WITHIN),
        (prefix.length > USUAL_LENGTH and not told, Verdict.TOO_LONG),
        (not (information.on_link or information.autonomous), Verdict.UNUSED),
    )
    return next((verdict for refused, verdict in rules if refused), None)


def _life(item: Heard, now: float) -> Verdict:
    """What its router says of it, and what time has done."""
    announcement = item.announcement
    information = announcement.information
    rules = (
        (not item.state.stands_by(announcement, now), Verdict.LEFT_OUT),
        (information.valid_lifetime == 0, Verdict.WITHDRAWN),
        (information.preferred_lifetime == 0, Verdict.DEPRECATED),
        (announcement.valid_for(now) <= 0, Verdict.EXPIRED),
        (announcement.preferred_for(now) <= 0, Verdict.PREFERENCE_EXPIRED),
    )
    return next((verdict for refused, verdict in rules if refused), Verdict.CANDIDATE)


def announcer(candidates: Collection[Candidate], prefix: Prefix) -> Router | None:
    """Of the routers that announce a candidate, the one that `best` would go by."""
    announcing = [
        one for one in candidates if one.verdict is Verdict.CANDIDATE and one.prefix == prefix
    ]
    if not announcing:
        return None
    return min(
        announcing, key=lambda one: (-one.preference, -one.preferred_lifetime, one.router)
    ).router


def best(
    candidates: Collection[Candidate], current: Prefix | None, given_up: Collection[Prefix]
) -> Prefix | None:
    """The prefix to use, among those that are candidates.

    In order: not given up a moment ago, global before local, the current one, the
    router's preference (RFC 4191), the longest preferred lifetime, the lowest.
    """
    standing = [one for one in candidates if one.verdict is Verdict.CANDIDATE]
    if not standing:
        return None

    def rank(one: Candidate) -> tuple[bool, bool, bool, int, int, Prefix]:
        return (
            one.prefix in given_up,
            not GLOBAL_UNICAST.covers(one.prefix),
            one.prefix != current,
            -one.preference,
            -one.preferred_lifetime,
            one.prefix,
        )

    return min(standing, key=rank).prefix
