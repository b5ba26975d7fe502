"""Which announced prefixes may become current, and which one does.

`judge` gives every announced prefix a verdict; `best` picks among the candidates. The
rules are tables: `REFUSALS` and `LIFE` are asked in their order, and the first that
applies is the verdict; of `RANKING` the first rule that distinguishes two candidates
decides. docs/selection.md shows them with their sources.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from gitops_prefix.decide.advertisement import KERNEL, PrefixInformation, Router
from gitops_prefix.decide.announcement import is_global, is_usable
from gitops_prefix.decide.prefix import (
    GLOBAL_UNICAST,
    LINK_LOCAL,
    MULTICAST,
    USUAL_LENGTH,
    Prefix,
)
from gitops_prefix.decide.routers import Heard, Routers, heard
from gitops_prefix.decide.specification import Acquisition
from gitops_prefix.decide.status import PrefixSource

LOOPBACK = Prefix.parse("::1/128")
NOT_UNICAST = (LINK_LOCAL, MULTICAST, LOOPBACK)


SOURCES = (
    PrefixSource.DHCPV6_PD,
    PrefixSource.FRITZBOX,
    PrefixSource.WEBHOOK,
    PrefixSource.FILE,
    PrefixSource.ROUTER_ADVERTISEMENT,
    PrefixSource.KERNEL,
)
"""The watched sources, in their order: the first that has a prefix counts. A server delegates to
us, the router of the house was asked, somebody sent or wrote a prefix on purpose, an
advertisement says who sent it, and the kernel keeps what a router dropped."""


def source_of(router: Router) -> PrefixSource:
    """The source that a prefix of this router is from."""
    if router.advertises:
        return PrefixSource.ROUTER_ADVERTISEMENT
    # The other addresses are the words of `status.prefixSource`.
    return PrefixSource.KERNEL if router.address == KERNEL else PrefixSource(router.address)


def sources_of(acquisition: Acquisition) -> tuple[PrefixSource, ...]:
    """The sources that a DynamicPrefix watches, in their order; none beside a static prefix."""
    return tuple(
        source
        for source in SOURCES
        if (
            acquisition.watched_links
            if source is PrefixSource.ROUTER_ADVERTISEMENT
            else acquisition.hears_under(source.value)
        )
    )


def likely_source(acquisition: Acquisition) -> PrefixSource:
    """The source of a prefix that no source has said: a person wrote it, or nobody says it now."""
    if acquisition.static is not None:
        return PrefixSource.STATIC
    return next(iter(sources_of(acquisition)), PrefixSource.ROUTER_ADVERTISEMENT)


class Verdict(StrEnum):
    """Why an announced prefix is a candidate, or is not. The text is shown to users."""

    CANDIDATE = "candidate"
    OTHER_LINK = "not on a link of this DynamicPrefix"
    OTHER_ROUTER = "its router is not in spec.acquisition.routerAdvertisement.routers"
    SNAC_ROUTER = "from a stub network's router (SNAC flag), which `routers` does not name"
    NOT_UNICAST = "link-local, multicast or loopback"
    NOT_GLOBAL = "not global unicast (prefixFilter.requireGlobalUnicast)"
    NOT_WITHIN = "not inside prefixFilter.within"
    TOO_LONG = "longer than /64 (set prefixFilter.within to allow it)"
    UNUSED = "neither on-link nor autonomous (RFC 4861 4.6.2)"
    UNUSABLE = "no /64 and not on-link: no host can use it (RFC 4862 5.5.3 d)"
    LEFT_OUT = "its router announces another in its place (RFC 8978)"
    WITHDRAWN = "withdrawn: valid lifetime 0"
    DEPRECATED = "deprecated: preferred lifetime 0 (RFC 4862 5.5.4)"
    EXPIRED = "its valid lifetime ran out"
    PREFERENCE_EXPIRED = "its preferred lifetime ran out"
    OUTLIVED = "its lifetimes only count down; its router renews another beside it"


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
    """

    prefix: Prefix
    router: Router
    verdict: Verdict
    preference: int
    preferred_lifetime: int
    ends_at: float
    ask_at: float = float("inf")
    default_router: bool = True
    gone: bool = False
    silent: bool = False
    left_out: bool = False


class Offer(NamedTuple):
    """A prefix that a router announces, to be judged by a policy."""

    router: Router
    prefix: Prefix
    acquisition: Acquisition
    on_link: bool
    autonomous: bool
    snac_router: bool

    @property
    def within(self) -> tuple[Prefix, ...]:
        """The prefixes of the policy that hold it."""
        return tuple(outer for outer in self.acquisition.within if outer.covers(self.prefix))


class Refusal(NamedTuple):
    """A rule of the policy, or of the prefix itself, whatever the time.

    Attributes:
        of_prefix: whether the rule asks for the prefix alone, and not for who announces it.
    """

    verdict: Verdict
    applies: Callable[[Offer], bool]
    of_prefix: bool = False


REFUSALS: tuple[Refusal, ...] = (
    Refusal(Verdict.OTHER_LINK, lambda asked: not asked.acquisition.hears(asked.router)),
    Refusal(Verdict.OTHER_ROUTER, lambda asked: not asked.acquisition.believes(asked.router)),
    Refusal(
        Verdict.SNAC_ROUTER,
        lambda asked: asked.snac_router and not asked.acquisition.names(asked.router),
    ),
    Refusal(
        Verdict.NOT_UNICAST,
        lambda asked: any(special.overlaps(asked.prefix) for special in NOT_UNICAST),
        of_prefix=True,
    ),
    Refusal(
        Verdict.NOT_GLOBAL,
        lambda asked: (
            asked.acquisition.require_global_unicast and not GLOBAL_UNICAST.covers(asked.prefix)
        ),
        of_prefix=True,
    ),
    Refusal(
        Verdict.NOT_WITHIN,
        lambda asked: bool(asked.acquisition.within) and not asked.within,
        of_prefix=True,
    ),
    Refusal(
        # A prefix longer than /64 counts only if some `within` is longer than /64 too.
        Verdict.TOO_LONG,
        lambda asked: (
            asked.prefix.length > USUAL_LENGTH
            and not any(outer.length > USUAL_LENGTH for outer in asked.within)
        ),
        of_prefix=True,
    ),
    Refusal(
        Verdict.UNUSED,
        lambda asked: not (asked.on_link or asked.autonomous),
    ),
    Refusal(
        Verdict.UNUSABLE,
        lambda asked: (
            not is_usable(asked.prefix, on_link=asked.on_link, autonomous=asked.autonomous)
        ),
    ),
)


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
        ),
    ),
    End(Verdict.OUTLIVED, _is_outlived),
)


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
    )


def refusal(
    router: Router,
    information: PrefixInformation,
    acquisition: Acquisition,
    *,
    snac_router: bool = False,
) -> Verdict | None:
    """What the specification or the prefix itself rules out, whatever the time."""
    on_link, autonomous = information.on_link, information.autonomous
    return _refusal(
        Offer(router, information.prefix, acquisition, on_link, autonomous, snac_router)
    )


def refusal_of_prefix(prefix: Prefix, acquisition: Acquisition) -> Verdict | None:
    """What rules out a prefix, whichever source gives it."""
    offer = Offer(
        Router("", ""), prefix, acquisition, on_link=True, autonomous=True, snac_router=False
    )
    rules = (rule for rule in REFUSALS if rule.of_prefix)
    return next((rule.verdict for rule in rules if rule.applies(offer)), None)


@lru_cache(maxsize=4096)
def _refusal(asked: Offer) -> Verdict | None:
    return next((rule.verdict for rule in REFUSALS if rule.applies(asked)), None)


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
