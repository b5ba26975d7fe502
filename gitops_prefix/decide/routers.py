"""What each router said last, and what it still stands by.

Lifetimes are kept as advertised, beside the moment they were heard; "now" is an
argument of every question. Times are seconds of a monotonic clock.

A router may spread its prefixes over several advertisements (RFC 4861 6.2.3), so
absence from the newest one alone does not say much about a router that was seen to
do so: what it left out and sent again within `ROTATION` seconds still counts, as
long as its newest advertisement brings nothing new. A prefix it never sent before
is a renumbering (RFC 8978), and then absence counts at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

from gitops_prefix.decide.advertisement import (
    INFINITY,
    Preference,
    PrefixInformation,
    Router,
    RouterAdvertisement,
)
from gitops_prefix.decide.prefix import Prefix

ROTATION = 60.0
"""Seconds within which a prefix that comes back shows that its router spreads them."""

MOST_ROUTERS = 64
"""Routers remembered on one link: more are a flood, and the longest silent go."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One prefix of one router.

    Attributes:
        information: the option as it came last.
        heard_at: when it came last.
        newest: whether the router's newest advertisement carried it.
        came_back: whether it was left out once and then sent again within ROTATION.
    """

    information: PrefixInformation
    heard_at: float
    newest: bool = True
    came_back: bool = False

    def valid_for(self, now: float) -> float:
        """Seconds of valid lifetime left; not above 0 once it has run out."""
        return _remaining(self.information.valid_lifetime, self.heard_at, now)

    def preferred_for(self, now: float) -> float:
        """Seconds of preferred lifetime left; not above 0 once deprecated."""
        return _remaining(self.information.preferred_lifetime, self.heard_at, now)


def _remaining(lifetime: int, heard_at: float, now: float) -> float:
    if lifetime == INFINITY:
        return inf
    return heard_at + lifetime - now


@dataclass(frozen=True, slots=True)
class RouterState:
    """What one router said.

    Attributes:
        preference: RFC 4191, of its newest advertisement.
        heard_at: when that came.
        announcements: by prefix, those of the newest advertisement and, for
            ROTATION seconds, those that were left out of it.
        rotating: whether the newest advertisement brought nothing new.
    """

    preference: Preference
    heard_at: float
    announcements: Mapping[Prefix, Announcement]
    rotating: bool

    def stands_by(self, announcement: Announcement, now: float) -> bool:
        """Whether the router still announces it, as far as can be told."""
        return now < self.stands_until(announcement)

    def stands_until(self, announcement: Announcement) -> float:
        """When silence about it begins to mean that it is gone; inf is never."""
        if announcement.newest:
            return inf
        if self.rotating and announcement.came_back:
            return announcement.heard_at + ROTATION
        return -inf


Routers = Mapping[Router, RouterState]
"""Every router heard, on every link."""


class Heard(NamedTuple):
    """One prefix of one router, as `heard` lists them."""

    router: Router
    state: RouterState
    announcement: Announcement


def observe(
    routers: Routers, router: Router, advertisement: RouterAdvertisement, now: float
) -> Routers:
    """The routers, after `router` sent `advertisement`."""
    before = routers.get(router)
    others = {known: state for known, state in routers.items() if known != router}
    for silent in _surplus(others, router.interface):
        del others[silent]
    others[router] = _listen(before, advertisement, now)
    return others


def forget(routers: Routers, interface: str) -> Routers:
    """The routers without those of a link that went down or away."""
    return {known: state for known, state in routers.items() if known.interface != interface}


def heard(routers: Routers) -> Iterator[Heard]:
    """Every prefix of every router, in an order that does not depend on arrival."""
    for router, state in sorted(routers.items(), key=lambda item: item[0]):
        for prefix in sorted(state.announcements):
            yield Heard(router, state, state.announcements[prefix])


def _surplus(routers: Routers, interface: str) -> list[Router]:
    on_link = [known for known in routers if known.interface == interface]
    on_link.sort(key=lambda known: routers[known].heard_at)
    return on_link[: max(0, len(on_link) - MOST_ROUTERS + 1)]


def _listen(
    before: RouterState | None, advertisement: RouterAdvertisement, now: float
) -> RouterState:
    known = before.announcements if before else {}
    announcements = {}
    for prefix, old in known.items():
        if now - old.heard_at < ROTATION or old.newest:
            announcements[prefix] = replace(old, newest=False)
    rotating = True
    for information in advertisement.prefixes:
        previous = known.get(information.prefix)
        recent = previous is not None and now - previous.heard_at < ROTATION
        rotating = rotating and (recent or (previous is not None and previous.newest))
        returned = previous is not None and recent and not previous.newest
        announcements[information.prefix] = Announcement(
            information,
            now,
            came_back=returned or (previous is not None and recent and previous.came_back),
        )
    return RouterState(advertisement.preference, now, announcements, rotating)
