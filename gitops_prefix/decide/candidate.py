"""Which announced prefixes are candidates, which of them becomes current, and what is odd.

`judge` gives every announced prefix a verdict, `best` picks among the candidates, and
`warnings` returns the mistakes of routers. The rules are tables: after `policy.REFUSALS`,
`LIFE` is asked in its order, and the first rule that applies is the verdict; of `RANKING`
the first rule that distinguishes two candidates decides. docs/selection.md shows them with
their sources.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from gitops_prefix.decide.advertisement import DHCPV6_PD, Router
from gitops_prefix.decide.announcement import Announcement
from gitops_prefix.decide.policy import SOURCES, Verdict, refusal, source_of
from gitops_prefix.decide.prefix import USUAL_LENGTH, Prefix, is_global
from gitops_prefix.decide.routers import Heard, Routers, heard
from gitops_prefix.decide.specification import Acquisition, Specification, places_in


@dataclass(frozen=True, slots=True)
class Candidate:
    """An announced prefix and what was found about it.

    Attributes:
        preference: its router's (RFC 4191).
        preferred_lifetime: as advertised, in seconds.
        ends_at: when time alone may end it, on the clock of the observations: a
            lifetime that runs out, or a router that has to be asked.
        ask_at: when its router has to be asked; inf if it need not be.
        default_router: whether its router is a default router.
        gone: whether its router was a default router and no longer is.
        silent: whether that router does not announce the prefix either.
        left_out: whether its router, which spreads its prefixes, announced another since.
        unanswered: whether its lifetime ran out, and its router, which spreads its prefixes and
            was asked for it, said nothing.
    """

    prefix: Prefix
    router: Router
    verdict: Verdict
    preference: int
    preferred_lifetime: int
    ends_at: float
    ask_at: float
    default_router: bool
    gone: bool
    silent: bool
    left_out: bool
    unanswered: bool = False


def _is_outlived(item: Heard, now: float) -> bool:
    """Whether a sibling that is a candidate itself is renewed while this one counts down."""
    if item.announcement.countdowns < 2:
        return False
    ours = item.announcement.information.prefix
    return any(
        item.announcement.outlived_by(sibling)
        and is_global(prefix) is is_global(ours)
        and sibling.is_usable
        and sibling.preferred_for(now) > 0
        and item.state.stands_by(sibling, now)
        for prefix, sibling in item.state.announcements.items()
    )


def _is_last_of_lease(item: Heard, now: float) -> bool:
    """Whether it is of a lease whose server is away, without another of its kind that is preferred.

    A lease stands until its valid lifetime ends: a server that is away renumbers no house.
    """
    ours = item.announcement.information.prefix
    return item.router.address == DHCPV6_PD and not any(
        is_global(prefix) is is_global(ours) and sibling.preferred_for(now) > 0
        for prefix, sibling in item.state.announcements.items()
    )


class End(NamedTuple):
    """A rule about what its router says of a prefix, and what time has done."""

    verdict: Verdict
    applies: Callable[[Heard, float], bool]


LIFE: tuple[End, ...] = (
    End(Verdict.LEFT_OUT, lambda item, now: not item.state.stands_by(item.announcement, now)),
    End(Verdict.WITHDRAWN, lambda item, _: item.announcement.information.valid_lifetime == 0),
    End(Verdict.DEPRECATED, lambda item, _: item.announcement.information.preferred_lifetime == 0),
    End(
        Verdict.EXPIRED,
        lambda item, now: (
            now >= item.announcement.valid_until and item.state.is_proven(item.announcement, now)
        ),
    ),
    End(
        Verdict.PREFERENCE_EXPIRED,
        lambda item, now: (
            now >= item.announcement.preferred_until
            and item.state.is_proven(item.announcement, now)
            and not _is_last_of_lease(item, now)
        ),
    ),
    End(Verdict.OUTLIVED, _is_outlived),
)


_RAN_OUT = frozenset({Verdict.EXPIRED, Verdict.PREFERENCE_EXPIRED})


def judge(routers: Routers, acquisition: Acquisition, now: float) -> tuple[Candidate, ...]:
    """Every announced prefix with its verdict at `now`, by router and prefix."""
    return tuple(judge_one(item, acquisition, now) for item in heard(routers))


def judge_one(item: Heard, acquisition: Acquisition, now: float) -> Candidate:
    """One announced prefix with its verdict at `now`."""
    router, state, announcement = item
    information = announcement.information
    refused = refusal(router, information, acquisition, snac_router=announcement.snac_router)
    verdict = refused or _life(item, now)
    counts = verdict is Verdict.CANDIDATE
    return Candidate(
        prefix=announcement.information.prefix,
        router=router,
        verdict=verdict,
        preference=state.preference,
        preferred_lifetime=announcement.information.preferred_lifetime,
        ends_at=state.waits_for(announcement, now),
        ask_at=state.to_ask_at(announcement) if counts else float("inf"),
        default_router=state.is_default(now),
        gone=state.is_gone(now),
        silent=state.is_silent(announcement, now),
        left_out=not announcement.newest,
        unanswered=verdict in _RAN_OUT and state.is_mute(announcement, now),
    )


def _life(item: Heard, now: float) -> Verdict:
    return next((rule.verdict for rule in LIFE if rule.applies(item, now)), Verdict.CANDIDATE)


def of_first_source(candidates: Collection[Candidate]) -> list[Candidate]:
    """The candidates of the first source, in the order of SOURCES, that has any."""
    ranks = {found.router: SOURCES.index(source_of(found.router)) for found in candidates}
    first = min(ranks.values(), default=0)
    return [found for found in candidates if ranks[found.router] == first]


class Pick(NamedTuple):
    """What the candidates are ranked by, beside themselves.

    Attributes:
        current: the current prefix.
        home: the router that announced it last.
        given_up: prefixes that another replaced less than a minute ago.
        acquisition: the policy, with `preferRouters`.
        any_default: whether the router of any candidate is a default router.
    """

    current: Prefix | None = None
    home: Router | None = None
    given_up: Collection[Prefix] = ()
    acquisition: Acquisition = Acquisition()
    any_default: bool = False


class Rank(NamedTuple):
    """A rule that prefers one candidate to another: the lower value is taken."""

    rule: str
    value: Callable[[Candidate, Pick], int | Prefix]


RANKING: tuple[Rank, ...] = (
    Rank("not given up a moment ago", lambda found, pick: found.prefix in pick.given_up),
    Rank("global before local", lambda found, _: not is_global(found.prefix)),
    Rank(
        "a router that is still there before one that is gone",
        lambda found, pick: found.gone and pick.any_default,
    ),
    Rank("the current prefix before any other", lambda found, pick: found.prefix != pick.current),
    Rank("the same router first", lambda found, pick: found.router != pick.home),
    Rank(
        "the preferred router",
        lambda found, pick: pick.acquisition.level(found.router, found.preference),
    ),
    Rank("the router's preference", lambda found, _: -found.preference),
    Rank("what its router announces now before what it left out", lambda found, _: found.left_out),
    Rank("the longest preferred lifetime", lambda found, _: -found.preferred_lifetime),
    Rank("the lowest number", lambda found, _: found.prefix),
)


def best(candidates: Collection[Candidate], pick: Pick) -> Candidate | None:
    """The candidate to use, by RANKING."""
    return min(
        (found for found in candidates if found.verdict is Verdict.CANDIDATE),
        key=lambda found: tuple(rule.value(found, pick) for rule in RANKING),
        default=None,
    )


def announcer(candidates: Collection[Candidate], prefix: Prefix) -> Router | None:
    """Of the routers that announce a candidate, the one that `best` would go by."""
    announcing = [
        found
        for found in candidates
        if found.verdict is Verdict.CANDIDATE and found.prefix == prefix
    ]
    if not announcing:
        return None
    return min(
        announcing,
        key=lambda found: (found.gone, -found.preference, -found.preferred_lifetime, found.router),
    ).router


class RouterWarning(StrEnum):
    """What is odd about a router. The text is shown to users."""

    TWO_SPEAKERS = (
        "two speakers behind one link-local address contradict each other; "
        "stop one of them, or give it an address of its own"
    )
    UNUSABLE = "no /64, and not on-link: no host can use it (RFC 4862 5.5.3 d)"
    NOT_64 = (
        "on-link, and shorter than /64, so no host makes an address in it (RFC 4862 5.5.3 d): "
        "usually a mistake in the router's configuration"
    )
    EXCLUDED = (
        "the server keeps a part of it for the link to this node (RFC 6603), and what lies there "
        "is not reached; choose another place for"
    )


class Oddity(NamedTuple):
    """A router that says something odd, and about which prefix, if it is about one.

    Attributes:
        places: the subnets and ranges of the specification that it concerns.
    """

    router: Router
    warning: RouterWarning
    prefix: Prefix | None = None
    places: tuple[str, ...] = ()

    def __str__(self) -> str:
        says = "announces" if self.router.advertises else "gives"
        about = f"{self.router} {says} {self.prefix}" if self.prefix else str(self.router)
        return f"{about}: {self.warning}{' ' if self.places else ''}{', '.join(self.places)}"


def warnings(routers: Routers, now: float) -> tuple[Oddity, ...]:
    """What is odd about these routers, in an order that does not depend on arrival."""
    speakers = (
        Oddity(router, RouterWarning.TWO_SPEAKERS)
        for router, state in sorted(routers.items(), key=lambda item: item[0])
        if state.has_two_speakers(now)
    )
    prefixes = (
        Oddity(router, warning, announcement.information.prefix)
        for router, state, announcement in heard(routers)
        # A delegation is shorter than a link's prefix.
        if router.advertises
        and (warning := _odd(announcement))
        and state.stands_by(announcement, now)
    )
    return (*speakers, *prefixes)


def _odd(announcement: Announcement) -> RouterWarning | None:
    """What is odd about a prefix; one with neither flag is for DHCPv6-PD (RFC 9762)."""
    prefix, on_link, autonomous, _, preferred_lifetime, *_ = announcement.information
    if not preferred_lifetime or prefix.length == USUAL_LENGTH:
        return None
    if on_link and prefix.length < USUAL_LENGTH:
        return RouterWarning.NOT_64
    return RouterWarning.UNUSABLE if autonomous and not on_link else None


def excluded(
    specification: Specification, announced: Iterable[Heard], current: Prefix | None
) -> Iterator[Oddity]:
    """What of the specification lies in the part that a server keeps (RFC 6603 4.1)."""
    for router, _, announcement in announced:
        prefix, excluded = announcement.information.prefix, announcement.information.excluded
        if prefix != current or excluded is None:
            continue
        places = places_in(specification, prefix, excluded)
        if places:
            yield Oddity(router, RouterWarning.EXCLUDED, prefix, places)


MOST_ANNOUNCERS = 4
"""Routers vouched for by one current prefix: whoever forges its announcement comes later."""


class Followed(NamedTuple):
    """Where one DynamicPrefix looks for its prefix, and which is current."""

    acquisition: Acquisition
    current: Prefix | None


def vouched(routers: Routers, followed: Iterable[Followed]) -> frozenset[Router]:
    """The routers that policy names, and those that have announced a current prefix longest."""
    found: set[Router] = set()
    for acquisition, current in followed:
        named = {
            Router(interface, address)
            for interface in acquisition.watched_links
            for address in acquisition.routers
        }
        announcers = [
            (state.known_since, router)
            for router, state in routers.items()
            if current in state.announcements
            and acquisition.hears(router)
            and router.advertises
            and not named
        ]
        found |= named
        found |= {router for _, router in sorted(announcers)[:MOST_ANNOUNCERS]}
    return frozenset(found)
