"""What a DynamicPrefix hears, and which prefixes its specification rules out, whatever the time.

The rules are a table: `REFUSALS` is asked in its order, and the first rule that applies is
the verdict. docs/selection.md shows it with its sources.
"""

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from gitops_prefix.decide.advertisement import KERNEL, PrefixInformation, Router
from gitops_prefix.decide.prefix import (
    GLOBAL_UNICAST,
    NOT_UNICAST,
    SHORTEST_LENGTH,
    USUAL_LENGTH,
    Prefix,
    is_usable,
)
from gitops_prefix.decide.specification import Acquisition
from gitops_prefix.decide.status import PrefixSource

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
    TOO_SHORT = "shorter than /16: no network has that many addresses"
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
        Verdict.TOO_SHORT,
        lambda asked: asked.prefix.length < SHORTEST_LENGTH,
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
