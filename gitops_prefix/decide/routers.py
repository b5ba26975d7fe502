"""What each router said last, and what it still stands by.

Lifetimes are kept as advertised, beside the moment they were heard; "now" is an
argument of every question. Times are seconds of a monotonic clock.

A router may spread its prefixes over several advertisements (RFC 4861 6.2.3), so
absence from the newest one alone does not say much about a router that was seen to
do so: a prefix that it left out and sent again within `ROTATION` seconds still
counts when it is left out, until it is overdue, as long as the newest advertisement
brings nothing new. A prefix that it did not send lately is a renumbering (RFC 8978),
and then absence counts at once.
"""

from collections.abc import Collection, Container, Iterator, Mapping
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

LONGEST_INTERVAL = 1800.0
"""Seconds between a router's advertisements, at most (RFC 4861 6.2.1)."""

MOST_ROUTERS = 64
"""Routers remembered on one link: more are a flood."""

MOST_LEFT_OUT = 64
"""Prefixes remembered of one router beyond those of its newest advertisement."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One prefix of one router.

    Attributes:
        information: the option as it came last.
        heard_at: when it came last.
        every: seconds between the last times it came, or 0.
        left_at: since when its router's newest advertisements leave it out, or None.
        came_back: whether it was left out once and then sent again within ROTATION,
            and nothing new has come since.
    """

    information: PrefixInformation
    heard_at: float
    every: float = 0.0
    left_at: float | None = None
    came_back: bool = False

    @property
    def newest(self) -> bool:
        """Whether its router's newest advertisement carried it."""
        return self.left_at is None

    @property
    def valid_until(self) -> float:
        """When its valid lifetime runs out."""
        return _end(self.information.valid_lifetime, self.heard_at)

    @property
    def preferred_until(self) -> float:
        """When its preferred lifetime runs out."""
        return _end(self.information.preferred_lifetime, self.heard_at)

    @property
    def overdue_at(self) -> float:
        """When it is too late for it to come in its turn.

        Intervals are random: the longest is three times the shortest (RFC 4861 6.2.1).
        """
        return self.heard_at + min(max(ROTATION, 3 * self.every), LONGEST_INTERVAL)

    def valid_for(self, now: float) -> float:
        """Seconds of valid lifetime left; not above 0 once it has run out."""
        return self.valid_until - now

    def preferred_for(self, now: float) -> float:
        """Seconds of preferred lifetime left; not above 0 once deprecated."""
        return self.preferred_until - now


def _end(lifetime: int, heard_at: float) -> float:
    return inf if lifetime == INFINITY else heard_at + lifetime


@dataclass(frozen=True, slots=True)
class RouterState:
    """What one router said.

    Attributes:
        preference: RFC 4191, of its newest advertisement.
        heard_at: when that came.
        known_since: when its first one came.
        announcements: by prefix, those of the newest advertisement and those that
            were left out of it and are still valid.
    """

    preference: Preference
    heard_at: float
    known_since: float
    announcements: Mapping[Prefix, Announcement]

    def stands_by(self, announcement: Announcement, now: float) -> bool:
        """Whether the router still announces it, as far as can be told."""
        return now < self.stands_until(announcement)

    def stands_until(self, announcement: Announcement) -> float:
        """When silence about it begins to mean that it is gone; inf is never."""
        if announcement.newest:
            return inf
        return announcement.overdue_at if announcement.came_back else -inf


Routers = Mapping[Router, RouterState]
"""Every router heard, on every link."""


class Heard(NamedTuple):
    """One prefix of one router, as `heard` lists them."""

    router: Router
    state: RouterState
    announcement: Announcement


def observe(
    routers: Routers,
    router: Router,
    advertisement: RouterAdvertisement,
    now: float,
    vouched: Collection[Router] = (),
) -> Routers:
    """The routers, after `router` sent `advertisement`; `vouched` ones never have to go."""
    before = routers.get(router)
    others = {known: state for known, state in routers.items() if known != router}
    for surplus in _surplus(others, router.interface, now, vouched):
        del others[surplus]
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


def _surplus(
    routers: Routers, interface: str, now: float, vouched: Collection[Router]
) -> list[Router]:
    """Who has to go, for one more to fit: who fell silent, else who came last.

    A flood of made-up routers so pushes out each other, and not the one we know.
    """

    def worth(router: Router) -> tuple[bool, float]:
        state = routers[router]
        return now - state.heard_at < LONGEST_INTERVAL, -state.known_since

    on_link = [known for known in routers if known.interface == interface]
    surplus = len(on_link) - MOST_ROUTERS + 1
    if surplus <= 0:
        return []
    return sorted((known for known in on_link if known not in vouched), key=worth)[:surplus]


def _listen(
    before: RouterState | None, advertisement: RouterAdvertisement, now: float
) -> RouterState:
    known = before.announcements if before else {}
    carried = {information.prefix: information for information in advertisement.prefixes}
    in_turn = {prefix for prefix, old in known.items() if old.newest or now < old.overdue_at}
    spreads = not in_turn <= carried.keys()
    renumbered = not carried.keys() <= in_turn
    announcements = _left_out(known, carried, now, spreads=spreads and not renumbered)
    for prefix, information in carried.items():
        previous = known.get(prefix)
        if previous is None:
            announcements[prefix] = Announcement(information, now)
            continue
        came_back = (previous.came_back and prefix in in_turn) or (
            previous.left_at is not None and now - previous.left_at < ROTATION
        )
        gap = now - previous.heard_at
        # A solicited advertisement comes out of turn: the rhythm is forgotten slowly.
        every = max(gap, previous.every / 2) if gap <= LONGEST_INTERVAL else 0.0
        announcements[prefix] = Announcement(
            information, now, every, came_back=spreads and came_back
        )
    return RouterState(
        advertisement.preference,
        now,
        before.known_since if before else now,
        announcements,
    )


def _left_out(
    known: Mapping[Prefix, Announcement], carried: Container[Prefix], now: float, *, spreads: bool
) -> dict[Prefix, Announcement]:
    """What is remembered of the prefixes that the newest advertisement leaves out."""
    left = [
        (
            prefix,
            replace(
                old,
                left_at=now if old.left_at is None else old.left_at,
                came_back=old.came_back and spreads,
            ),
        )
        for prefix, old in known.items()
        if prefix not in carried and now < old.valid_until
    ]
    left.sort(key=lambda item: item[1].heard_at)
    return dict(left[-MOST_LEFT_OUT:])
