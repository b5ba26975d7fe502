"""What each router said last, what it still stands by, and what it has to be asked.

`observe` takes in one advertisement, `solicited` one solicitation, `forget` a link that went
down. Each returns the next value and changes nothing. Time is an argument.

RFC 4861 9: "Senders MAY send a subset of options in different packets. [...] a receiver
MUST NOT associate any action with the absence of an option in a particular packet." So a
prefix is left out only by an advertisement that carries another of its kind (global or
local) with a preferred lifetime:

* A new one there is a renumbering (RFC 8978): what is left out is gone at once.
* If it is heard again within three intervals, the router spreads its prefixes: both
  stand, and one is gone only after three intervals without it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import NamedTuple, TypeAlias

from gitops_prefix.decide.advertisement import (
    SOURCE_LINK_LAYER_ADDRESS,
    Preference,
    PrefixInformation,
    Router,
    RouterAdvertisement,
)
from gitops_prefix.decide.announcement import (
    ANSWER,
    INTERVALS,
    LONGEST_INTERVAL,
    NOT_ASKED,
    SAME_BURST,
    SHRINK,
    Announcement,
    Asked,
    hear_again,
    hear_first,
)
from gitops_prefix.decide.prefix import Prefix, is_global, is_usable

MOST_ROUTERS = 256
"""Routers remembered on one link: more are a flood."""

MOST_LEFT_OUT = 64
"""Prefixes remembered of one router beyond those of its newest advertisement."""

USUAL_INTERVAL = 600.0
"""Seconds between a router's advertisements, as long as only one was heard (RFC 4861 6.2.1)."""

REMEMBERED = 60.0
"""Seconds for which a prefix is remembered after its lifetime ran out: its router is asked."""

USUAL_ZEROS = 3
"""Farewells that were taken back, after which a router lifetime of 0 is no farewell."""

ZEROS_APART = 3600.0
"""Seconds between two such farewells, at most: a router may also restart now and then."""

USUAL_SWAPS = 3
"""Changes to and fro between two headers, after which two speakers share an address."""


Header: TypeAlias = tuple[object, ...]
"""What two speakers behind one address would say differently."""


@dataclass(frozen=True, slots=True)
class RouterState:
    """What one router said.

    Attributes:
        preference: RFC 4191, as it said last with a router lifetime.
        heard_at: when that was heard.
        known_since: when its first one was heard.
        announcements: by prefix, those of the newest advertisement and those that
            were left out of it and are remembered.
        every: the observed interval: seconds between its advertisements, or 0.
        default_until: when it stops being a default router; -inf if it never was one.
        spoke_at: when it last said that it is a default router.
        farewell_at: since when it says that it is no default router any more, or None.
        asked: when it was asked whether it still is one.
        solicited_at: when any router of the link was asked last.
        zeros: farewells that were taken back.
        zero_at: when it said the last of them.
        header: what the newest advertisement says beside prefixes and lifetimes.
        other_header: what another one of the same address said before.
        swaps: how often the two took turns.
        swapped_at: when they last did.
    """

    preference: Preference
    heard_at: float
    known_since: float
    announcements: Mapping[Prefix, Announcement]
    every: float = 0.0
    default_until: float = -inf
    spoke_at: float = -inf
    farewell_at: float | None = None
    asked: Asked = NOT_ASKED
    solicited_at: float = -inf
    zeros: int = 0
    zero_at: float = -inf
    header: Header = ()
    other_header: Header = ()
    swaps: int = 0
    swapped_at: float = -inf

    @property
    def answers(self) -> bool:
        """Whether it answers a solicitation, as every router does."""
        return True

    @property
    def silence(self) -> float:
        """Seconds without a word after which it is overdue."""
        return INTERVALS * min(self.every or USUAL_INTERVAL, LONGEST_INTERVAL)

    @property
    def doubtful_at(self) -> float:
        """When it becomes doubtful that it is a default router; inf if it never was one."""
        if self.default_until == -inf:
            return inf
        farewell = inf if self.farewell_at is None else self.farewell_at
        return min(farewell, self.default_until, self.spoke_at + self.silence)

    def is_default(self, now: float) -> bool:
        """Whether it is a default router, as far as was heard."""
        return self.default_until > -inf and not self.is_gone(now)

    def is_gone(self, now: float) -> bool:
        """Whether it was a default router and, asked twice, did not say that it still is."""
        return self.asked.proven(now)

    def is_silent(self, announcement: Announcement, now: float) -> bool:
        """Whether it is gone, and did not answer with this prefix either."""
        began_at = self.asked.began_at
        return self.is_gone(now) and began_at is not None and announcement.heard_at <= began_at

    def is_mute(self, announcement: Announcement, now: float) -> bool:
        """Whether it was asked for one of the prefixes that it spreads, and said nothing at all."""
        asked = announcement.asked
        unanswered = bool(asked.sent) and asked.proven(now) and self.heard_at <= asked.sent[0]
        return announcement.came_back and (unanswered or self.is_silent(announcement, now))

    def stands_by(self, announcement: Announcement, now: float) -> bool:
        """Whether the router still announces the prefix, as far as was heard."""
        if announcement.newest:
            return True
        if not announcement.came_back:
            return False
        return now < announcement.overdue_at or not self._left_out_for_good(announcement, now)

    def is_proven(self, announcement: Announcement, now: float) -> bool:
        """Whether silence about a prefix that ran out counts."""
        return not self.answers or announcement.asked.proven(now) or self.is_gone(now)

    def _left_out_for_good(self, announcement: Announcement, now: float) -> bool:
        """Whether it speaks, and when it was asked said nothing of a prefix that is overdue.

        Who says nothing at all takes nothing back: that is a question about the router.
        """
        began_at = announcement.asked.began_at
        spoke = began_at is not None and self.heard_at > began_at
        return not self.answers or (spoke and announcement.asked.proven(now))

    def waits_for(self, announcement: Announcement, now: float) -> float:
        """When time alone may change what is true of the prefix."""
        if not self.answers:
            ends = (announcement.doubtful_at, announcement.valid_until)
            return min((end for end in ends if end > now), default=inf)
        return min(
            announcement.asked.waits_for(announcement.doubtful_at, now),
            self.asked.waits_for(self.doubtful_at, now),
        )

    def to_ask_at(self, announcement: Announcement) -> float:
        """When the router has to be asked, for this prefix or for itself; inf if never."""
        if not self.answers:
            return inf
        return min(
            announcement.asked.due_at(announcement.doubtful_at),
            self.asked.due_at(self.doubtful_at),
        )

    def is_renewed_by(self, advertisement: RouterAdvertisement, now: float) -> bool:
        """Whether an advertisement says only what is known, and beyond doubt: it is no news."""
        if self.asked != NOT_ASKED or now >= self.doubtful_at or self._was_asked_since_it_spoke():
            return False
        if advertisement.router_lifetime:
            if advertisement.preference is not self.preference:
                return False
        elif self.default_until > -inf and not self.is_used_to_zero(now):
            return False
        known = self.announcements
        for information in advertisement.prefixes:
            old = known.get(information.prefix)
            if (
                old is None
                or old.information != information
                or old.left_at is not None
                or old.asked != NOT_ASKED
                or now >= old.doubtful_at
            ):
                return False
        return len(advertisement.prefixes) == len(known) or not self._misses(advertisement)

    def _was_asked_since_it_spoke(self) -> bool:
        """Whether its next word says that it is there: silence about a prefix then means more."""
        begins = (old.asked.began_at for old in self.announcements.values())
        return any(began_at is not None and began_at >= self.heard_at for began_at in begins)

    def _misses(self, advertisement: RouterAdvertisement) -> bool:
        """Whether an advertisement leaves out a prefix that the router stands by."""
        carried = {information.prefix for information in advertisement.prefixes}
        kinds = {
            is_global(information.prefix)
            for information in advertisement.prefixes
            if information.preferred_lifetime
        }
        return any(
            prefix not in carried and is_global(prefix) in kinds and old.newest
            for prefix, old in self.announcements.items()
        )

    def is_used_to_zero(self, now: float) -> bool:
        """Whether it says a router lifetime of 0 as a matter of course."""
        return self.zeros >= USUAL_ZEROS and now < self.zero_at + ZEROS_APART

    def has_two_speakers(self, now: float) -> bool:
        """Whether two headers took turns lately."""
        recent = now < self.swapped_at + max(self.silence, ZEROS_APART)
        return self.swaps >= USUAL_SWAPS and recent


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
    """The routers, after `router` sent `advertisement`; `vouched` ones are never removed."""
    before = routers.get(router)
    after = dict(routers)
    if before is None:
        for surplus in _surplus(routers, router.interface, now, vouched):
            del after[surplus]
    after[router] = (
        _hear_first(advertisement, now) if before is None else _hear(before, advertisement, now)
    )
    return after


def solicited(
    routers: Routers, interface: str, now: float, *, sent: bool = True, read: bool = True
) -> Routers:
    """The routers, after a solicitation was sent on a link: it asked each one that is in doubt.

    Where none can be sent (IPv6 that was switched off, a firewall), nobody answers. Silence is
    no proof there, but a lifetime that ran out is, as it is for a host (RFC 4861 6.3.5).

    Args:
        routers: what was heard.
        interface: the link.
        now: when it was sent.
        sent: whether it could be.
        read: whether every answer is heard in time; else the silence counts only after
            `answers_read`.
    """
    ask = partial(_ask, now=now, sent=sent, read=read)
    return _on_link(routers, interface, ask)


def answers_read(routers: Routers, interface: str, asked_at: float) -> Routers:
    """The routers, once all is read that came in answer to what was sent by `asked_at`."""
    return _on_link(
        routers, interface, partial(_map_asked, change=lambda asked: asked.read(asked_at))
    )


def ask_anew(routers: Routers, interface: str) -> Routers:
    """The routers, after a socket was opened anew: answers that waited in the old one are lost."""
    return _on_link(routers, interface, partial(_map_asked, change=_forget_unread))


def _forget_unread(asked: Asked) -> Asked:
    return NOT_ASKED if asked.unread else asked


def _on_link(
    routers: Routers, interface: str, change: Callable[[RouterState], RouterState]
) -> Routers:
    return {
        router: change(state) if router.interface == interface else state
        for router, state in routers.items()
    }


def _map_asked(state: RouterState, *, change: Callable[[Asked], Asked]) -> RouterState:
    announcements = {
        prefix: replace(old, asked=change(old.asked)) for prefix, old in state.announcements.items()
    }
    return replace(state, asked=change(state.asked), announcements=announcements)


def forget(routers: Routers, interface: str) -> Routers:
    """The routers without those of a link that went down or away."""
    return {
        known: state
        for known, state in routers.items()
        if known.interface != interface or known.gives
    }


def heard(routers: Routers) -> Iterator[Heard]:
    """Every prefix of every router, in an order that does not depend on arrival."""
    for router, state in sorted(routers.items(), key=lambda item: item[0]):
        for prefix in sorted(state.announcements):
            yield Heard(router, state, state.announcements[prefix])


def _surplus(
    routers: Routers, interface: str, now: float, vouched: Collection[Router]
) -> list[Router]:
    """The routers to remove for one more to fit: first the silent ones, then the newest.

    So a flood of made-up routers removes its own, and not the router that we know.
    """

    def worth(router: Router) -> tuple[bool, float]:
        state = routers[router]
        return now - state.heard_at < LONGEST_INTERVAL, -state.known_since

    on_link = [known for known in routers if known.interface == interface]
    surplus = len(on_link) - MOST_ROUTERS + 1
    if surplus <= 0:
        return []
    return sorted((known for known in on_link if known not in vouched), key=worth)[:surplus]


def _ask(state: RouterState, *, now: float, sent: bool, read: bool) -> RouterState:
    if not state.answers:
        return state

    def again(asked: Asked, doubtful_at: float, ends_at: float) -> Asked:
        is_due = now >= asked.due_at(doubtful_at) and (sent or now >= ends_at)
        return asked.again(now, sent=sent, read=read) if is_due else asked

    announcements = {
        prefix: replace(old, asked=again(old.asked, old.doubtful_at, old.preferred_until))
        for prefix, old in state.announcements.items()
    }
    return replace(
        state,
        asked=again(state.asked, state.doubtful_at, state.default_until),
        solicited_at=now if sent else state.solicited_at,
        announcements=announcements,
    )


def _hear_first(advertisement: RouterAdvertisement, now: float) -> RouterState:
    lifetime = advertisement.router_lifetime
    unheard = RouterState(advertisement.preference, now, now, {})
    return RouterState(
        advertisement.preference,
        now,
        now,
        _announcements(unheard, advertisement, now, 0.0),
        default_until=now + lifetime if lifetime else -inf,
        spoke_at=now if lifetime else -inf,
        header=_header(advertisement, ()),
    )


def _hear(before: RouterState, advertisement: RouterAdvertisement, now: float) -> RouterState:
    every = _interval(before, advertisement, now)
    header, other_header, swaps, swapped_at = _compare_header(before, advertisement, now)
    default_until, spoke_at, farewell_at, zeros, zero_at = _serve(before, advertisement, now)
    # Written out: a network may send thousands a second, and `replace` costs thrice as much.
    state = RouterState(
        # RFC 4191 2.2: ignored where the router lifetime is 0.
        advertisement.preference if advertisement.router_lifetime else before.preference,
        now,
        before.known_since,
        _announcements(before, advertisement, now, every),
        every,
        default_until,
        spoke_at,
        farewell_at,
        before.asked,
        before.solicited_at,
        zeros,
        zero_at,
        header,
        other_header,
        swaps,
        swapped_at,
    )
    if state.asked != NOT_ASKED and now < state.doubtful_at:
        # It answered.
        return replace(state, asked=NOT_ASKED)
    return state


def _serve(
    before: RouterState, advertisement: RouterAdvertisement, now: float
) -> tuple[float, float, float | None, int, float]:
    """What the router lifetime says: `default_until` to `zero_at` of the state."""
    farewell_at, zeros, zero_at = before.farewell_at, before.zeros, before.zero_at
    if advertisement.router_lifetime:
        if farewell_at is not None:
            zeros = zeros + 1 if farewell_at < zero_at + ZEROS_APART else 1
            zero_at, farewell_at = farewell_at, None
        return now + advertisement.router_lifetime, now, farewell_at, zeros, zero_at
    if before.default_until > -inf and farewell_at is None:
        if before.is_used_to_zero(now):
            zero_at = now
        else:
            farewell_at = now
    return before.default_until, before.spoke_at, farewell_at, zeros, zero_at


def _compare_header(
    before: RouterState, advertisement: RouterAdvertisement, now: float
) -> tuple[Header, Header, int, float]:
    """Whether two speakers take turns: `header` to `swapped_at` of the state.

    A router lifetime of 0 comes from who has something to add, such as a Thread border router
    beside the router daemon (openthread #6431): that is no contradiction.
    """
    if before.default_until > -inf and not advertisement.router_lifetime:
        return before.header, before.other_header, before.swaps, before.swapped_at
    header = _header(advertisement, before.header)
    if header == before.header:
        return before.header, before.other_header, before.swaps, before.swapped_at
    swaps = before.swaps + 1 if header == before.other_header else 0
    return header, before.header, swaps, now


def _interval(before: RouterState, advertisement: RouterAdvertisement, now: float) -> float:
    """The observed interval, as of this advertisement."""
    is_default = before.default_until > -inf
    if is_default and not advertisement.router_lifetime:
        return before.every
    gap = now - (before.spoke_at if is_default else before.heard_at)
    if before.asked != NOT_ASKED and gap > before.silence:
        # It was asked because it was silent, and it is there: it only speaks less often than
        # was observed. At its start a router sends three, 16 s apart (RFC 4861 6.2.4).
        return min(gap, LONGEST_INTERVAL)
    solicited = now < before.solicited_at + ANSWER
    if gap < SAME_BURST or solicited or gap > LONGEST_INTERVAL:
        # A solicited advertisement is heard out of turn, and an absence is no interval.
        return before.every
    # One that another host solicited is early, too: the interval shrinks slowly.
    return max(gap, before.every * SHRINK)


def _header(advertisement: RouterAdvertisement, before: Header) -> Header:
    """The header and the hardware address; 0 hops and no address are unspecified."""
    hop_limit, preference, hardware = before[:3] if before else (0, Preference.MEDIUM, b"")
    for option in advertisement.unknown:
        if option.type == SOURCE_LINK_LAYER_ADDRESS:
            hardware = option.body
    return (
        advertisement.hop_limit or hop_limit,
        # RFC 4191 2.2: ignored where the router lifetime is 0.
        advertisement.preference if advertisement.router_lifetime else preference,
        hardware,
        advertisement.managed,
        advertisement.other,
    )


def _announcements(
    before: RouterState, advertisement: RouterAdvertisement, now: float, every: float
) -> Mapping[Prefix, Announcement]:
    known = before.announcements
    carried = {information.prefix: information for information in advertisement.prefixes}
    absent = {prefix: old for prefix, old in known.items() if prefix not in carried}
    rounds = _rounds(known, absent, carried, now, every) if absent else {}
    after = _left_out(absent, rounds, now, every) if absent else {}
    for prefix, information in carried.items():
        previous = known.get(prefix)
        if previous is None:
            announcement = hear_first(information, now, every)
        else:
            announcement = hear_again(previous, information, now, every)
            turn = rounds.get(is_global(prefix))
            if turn and turn.spreads and (previous.came_back or previous.returns(now, every)):
                announcement = replace(announcement, came_back=True)
        if advertisement.snac_router:
            announcement = replace(announcement, snac_router=True)
        after[prefix] = announcement
    return after


class _Round(NamedTuple):
    """What one advertisement says about the prefixes of one kind that it leaves out.

    Attributes:
        spreads: whether they may follow in another advertisement.
        returned: whether one that was left out lately is there again: this proves it.
    """

    spreads: bool
    returned: bool


def _rounds(
    known: Mapping[Prefix, Announcement],
    absent: Mapping[Prefix, Announcement],
    carried: Mapping[Prefix, PrefixInformation],
    now: float,
    every: float,
) -> dict[bool, _Round]:
    """By kind, as `is_global` has it; a kind that is not there says nothing."""
    rounds = {}
    for kind in (True, False):
        siblings = [
            known.get(prefix)
            for prefix, information in carried.items()
            if information.preferred_lifetime
            and is_usable(prefix, on_link=information.on_link, autonomous=information.autonomous)
            and is_global(prefix) is kind
        ]
        if siblings:
            renumbered = any(old is None or old.is_new(now, every) for old in siblings)
            in_turn = any(
                is_global(prefix) is kind and old.is_in_turn(now) for prefix, old in absent.items()
            )
            returned = any(old is not None and old.returns(now, every) for old in siblings)
            rounds[kind] = _Round(in_turn and not renumbered, returned)
    return rounds


def _left_out(
    absent: Mapping[Prefix, Announcement],
    rounds: Mapping[bool, _Round],
    now: float,
    every: float,
) -> dict[Prefix, Announcement]:
    """What is remembered of the prefixes that an advertisement does not carry."""
    remembered = {}
    for prefix, old in absent.items():
        if now >= old.valid_until + REMEMBERED:
            continue
        turn = rounds.get(is_global(prefix))
        remembered[prefix] = old
        if turn is not None:
            stays = turn.spreads and old.is_in_turn(now) and (old.came_back or turn.returned)
            remembered[prefix] = replace(
                old,
                every=max(old.every, every),
                left_at=now if old.left_at is None else old.left_at,
                came_back=stays,
            )
    newest = sorted(remembered, key=lambda prefix: remembered[prefix].heard_at)[-MOST_LEFT_OUT:]
    return {prefix: remembered[prefix] for prefix in newest}
