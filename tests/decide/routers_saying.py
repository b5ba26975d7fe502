"""Routers that say things at times, written short enough for a table of cases."""

from typing import NamedTuple

from gitops_prefix.decide.advertisement import (
    Preference,
    PrefixInformation,
    Router,
    RouterAdvertisement,
)
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.routers import Routers, forget, observe
from gitops_prefix.decide.selection import Decision, Selection, select
from gitops_prefix.decide.specification import Acquisition, Specification, Transition

A, B, C = (Prefix.parse(f"2001:db8:{name}::/64") for name in "abc")
LOCAL = Prefix.parse("fd00:db8:1:2::/64")
FIRST, SECOND = Router("eth0", "fe80::1"), Router("eth0", "fe80::2")


def pio(prefix: Prefix, preferred: int = 14400, valid: int = 86400, flags: str = "LA"):
    """A Prefix Information option; `flags` holds L for on-link and A for autonomous."""
    return PrefixInformation(prefix, "L" in flags, "A" in flags, valid, preferred)


def saying(*prefixes: Prefix | PrefixInformation, preference: Preference = Preference.MEDIUM):
    """An advertisement with these prefixes; a bare one has the usual lifetimes."""
    options = tuple(one if isinstance(one, PrefixInformation) else pio(one) for one in prefixes)
    return RouterAdvertisement(64, False, False, preference, 1800, 0, 0, options)


class Says(NamedTuple):
    """`router` sends `advertisement`."""

    at: float
    advertisement: RouterAdvertisement
    router: Router = FIRST


class Look(NamedTuple):
    """Time passes."""

    at: float


class LinkDown(NamedTuple):
    """The link goes away."""

    at: float
    interface: str = "eth0"


Event = Says | Look | LinkDown


def after(routers: Routers, event: Event) -> Routers:
    """The routers after one event."""
    match event:
        case Says(at, advertisement, router):
            return observe(routers, router, advertisement, at)
        case LinkDown(_, interface):
            return forget(routers, interface)
    return routers


def heard_after(*events: Event) -> Routers:
    """The routers after these events."""
    routers: Routers = {}
    for event in events:
        routers = after(routers, event)
    return routers


def watching(transition: Transition | None = None, **acquisition: object) -> Specification:
    """A DynamicPrefix on eth0."""
    fields = {"interfaces": ("eth0",), **acquisition}
    return Specification("home", Acquisition(**fields), transition=transition or Transition())


def walk(
    specification: Specification, *events: Event, selection: Selection | None = None
) -> list[Decision]:
    """The decision at each event."""
    selection = selection or Selection()
    routers: Routers = {}
    decisions = []
    for event in events:
        routers = after(routers, event)
        decisions.append(select(selection, specification, routers, event.at))
        selection = decisions[-1].selection
    return decisions
