"""One prefix of one router: how long it lasts, and whether the router still announces it.

Lifetimes are kept as advertised, beside the moment they were heard. "Now" is an argument
of every question. Times are seconds of a clock that only goes forward.

Nothing follows from silence alone. A router is asked first: `ROUNDS` solicitations,
`ANSWER` seconds apart. Only when they stay unanswered does the silence count (`Asked`).
"""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from gitops_prefix.decide.advertisement import INFINITY, PrefixInformation
from gitops_prefix.decide.prefix import is_usable

SHORTEST_ROTATION = 60.0
"""Seconds, at least, within which a prefix that comes back shows that its router spreads them."""

LONGEST_INTERVAL = 1800.0
"""Seconds between a router's advertisements, at most (RFC 4861 6.2.1)."""

INTERVALS = 3
"""Intervals without a word after which a router or a prefix is overdue.

Intervals are random: the longest is three times the shortest (RFC 4861 6.2.1)."""

ROUNDS = 2
"""Solicitations that have to stay unanswered before silence counts."""

ANSWER = 4.0
"""Seconds for the answer to a solicitation: a router answers within 0.5 s, or 3 s after its
last advertisement (MAX_RA_DELAY_TIME, MIN_DELAY_BETWEEN_RAS, RFC 4861 10)."""

SAME_BURST = 3.0
"""Seconds within which two advertisements are of one burst: a router waits that long before
it begins the next (MIN_DELAY_BETWEEN_RAS, RFC 4861 10)."""

SHRINK = 0.9
"""By how much the observed interval shrinks with an advertisement that comes earlier."""

SLACK = 2.0
"""Seconds by which the end of a lifetime may move without having been renewed."""


class Asked(NamedTuple):
    """The solicitations for one question: whether a router, or a prefix, is still there.

    A round counts once it was sent, ANSWER seconds went by, and all that came by then was read:
    a machine that stood still finds the answer in its socket. Where nothing can be sent (IPv6
    that was switched off, a firewall), two tries in a row count in its place.

    Attributes:
        sent: when one was sent.
        refused: when one could not be sent, since the last that was.
        unread: whether the answers to the last one are still to be read.
    """

    sent: tuple[float, ...] = ()
    refused: tuple[float, ...] = ()
    unread: bool = False

    @property
    def began_at(self) -> float | None:
        """When the first was tried; None before that."""
        return min((*self.sent[:1], *self.refused[:1]), default=None)

    @property
    def is_complete(self) -> bool:
        """Whether no further solicitation is needed."""
        return ROUNDS in {len(self.sent), len(self.refused)}

    def due_at(self, since: float) -> float:
        """When the next one is due for a question that begins at `since`; inf if none is."""
        return inf if self.is_complete or self.unread else self._step_at(since)

    def proven(self, now: float) -> bool:
        """Whether all stayed unanswered."""
        return self.is_complete and not self.unread and now >= self._step_at(inf)

    def waits_for(self, since: float, now: float) -> float:
        """When time alone takes the question one step further; inf if it never will."""
        step_at = self._step_at(since)
        if step_at > now:
            return step_at
        return inf if self.is_complete or self.unread else now + ANSWER

    def again(self, now: float, *, sent: bool, read: bool) -> "Asked":
        """One more was sent, or could not be sent; `read` is whether its answers were."""
        if sent:
            return Asked((*self.sent, now), unread=not read)
        return self._replace(refused=(*self.refused, now))

    def read(self, until: float) -> "Asked":
        """The answers to what was sent by then are read."""
        is_read = self.unread and self.sent[-1] <= until
        return self._replace(unread=False) if is_read else self

    def _step_at(self, since: float) -> float:
        tried = (*self.sent[-1:], *self.refused[-1:])
        return max(tried) + ANSWER if tried else since


NOT_ASKED = Asked()


@dataclass(frozen=True, slots=True)
class Announcement:
    """One prefix of one router.

    Attributes:
        information: the option as it was last heard.
        heard_at: when that was.
        every: seconds between the last times that it was heard, or 0.
        left_at: since when its router sends others of its kind without it, or None.
        came_back: whether its router spreads its prefixes over several advertisements:
            one that was left out was heard again within three intervals, and no new
            prefix has been heard since.
        appeared_at: when it was first heard, or heard again after it was given up.
        renewed_at: when the end of its lifetimes last moved.
        countdowns: how often it was heard since, with lifetimes that only ran down.
        deprecated_at: since when its router announces it as deprecated, or None.
        snac_router: whether the advertisement came from a stub network's router.
        asked: when the router was asked for it, since it became overdue.
    """

    information: PrefixInformation
    heard_at: float
    every: float = 0.0
    left_at: float | None = None
    came_back: bool = False
    appeared_at: float = -inf
    renewed_at: float = -inf
    countdowns: int = 0
    deprecated_at: float | None = None
    snac_router: bool = False
    asked: Asked = NOT_ASKED

    @property
    def newest(self) -> bool:
        """Whether its router sent no others of its kind without it since."""
        return self.left_at is None

    @property
    def is_usable(self) -> bool:
        """Whether any host can use it."""
        prefix, on_link, autonomous, *_ = self.information
        return is_usable(prefix, on_link=on_link, autonomous=autonomous)

    @property
    def valid_until(self) -> float:
        """When its valid lifetime runs out."""
        return _end(self.information.valid_lifetime, self.heard_at)

    @property
    def preferred_until(self) -> float:
        """When its preferred lifetime runs out."""
        return _end(self.information.preferred_lifetime, self.heard_at)

    def window(self, every: float = 0.0) -> float:
        """Seconds of silence after which it is overdue; `every` is its router's interval."""
        longest = min(max(self.every, every), LONGEST_INTERVAL)
        return max(SHORTEST_ROTATION, INTERVALS * longest)

    @property
    def overdue_at(self) -> float:
        """When it is too late for it to be heard in its turn."""
        return self.heard_at + self.window()

    @property
    def doubtful_at(self) -> float:
        """When silence may mean that it is gone, and the router has to be asked; inf if never.

        What the router took back itself is beyond doubt.
        """
        if self.information.preferred_lifetime == 0:
            return inf
        if self.left_at is None:
            return self.preferred_until
        return min(self.overdue_at, self.preferred_until) if self.came_back else inf

    def valid_for(self, now: float) -> float:
        """Seconds of valid lifetime left; not above 0 once it has run out."""
        return self.valid_until - now

    def preferred_for(self, now: float) -> float:
        """Seconds of preferred lifetime left; not above 0 once deprecated."""
        return self.preferred_until - now

    def went_at(self) -> float | None:
        """Since when its router announces it no more, as left out or as deprecated."""
        return self.left_at if self.left_at is not None else self.deprecated_at

    def returns(self, now: float, every: float) -> bool:
        """Whether hearing it now shows that its router spreads its prefixes."""
        went_at = self.went_at()
        return went_at is not None and now < went_at + self.window(every)

    def is_new(self, now: float, every: float) -> bool:
        """Whether hearing it now is a renumbering: it was given up longer ago than that."""
        went_at = self.went_at()
        return went_at is not None and now >= went_at + self.window(every)

    def is_in_turn(self, now: float) -> bool:
        """Whether it may still be heard in its turn."""
        unproven = self.came_back and not self.asked.proven(now)
        return self.newest or now < self.overdue_at or unproven

    def outlived_by(self, sibling: "Announcement") -> bool:
        """Whether it only ever counts down, beside a sibling of its router that is renewed."""
        return (
            self.countdowns >= 2
            and self.renewed_at <= sibling.appeared_at
            and sibling.countdowns == 0
            and sibling.renewed_at > sibling.appeared_at
        )


def hear_first(information: PrefixInformation, now: float, every: float) -> Announcement:
    """A prefix that its router did not announce before."""
    return Announcement(
        information,
        now,
        every,
        appeared_at=now,
        renewed_at=now,
        deprecated_at=None if information.preferred_lifetime else now,
    )


def hear_again(
    previous: Announcement, information: PrefixInformation, now: float, every: float
) -> Announcement:
    """A prefix that its router announced before; the caller says whether the router spreads it."""
    gap = now - previous.heard_at
    # A solicited advertisement is heard out of turn: the interval shrinks slowly.
    own = max(gap, previous.every * SHRINK) if gap <= LONGEST_INTERVAL else 0.0
    heard = Announcement(information, now)
    renewed_at, countdowns = previous.renewed_at, previous.countdowns
    if _moved(previous, heard):
        renewed_at, countdowns = now, 0
    elif gap >= SAME_BURST:
        countdowns += 1
    deprecated_at = previous.deprecated_at if previous.deprecated_at is not None else now
    return Announcement(
        information,
        now,
        max(own, every),
        appeared_at=now if previous.went_at() is not None else previous.appeared_at,
        renewed_at=renewed_at,
        countdowns=countdowns,
        deprecated_at=None if information.preferred_lifetime else deprecated_at,
    )


def _moved(previous: Announcement, heard: Announcement) -> bool:
    """Whether a lifetime was renewed; one that never ends always is."""
    return (
        heard.preferred_until == inf
        or heard.preferred_until > previous.preferred_until + SLACK
        or (heard.valid_until > previous.valid_until + SLACK)
    )


def _end(lifetime: int, heard_at: float) -> float:
    return inf if lifetime == INFINITY else heard_at + lifetime
