"""Routers that say things at times, written short enough for a table of cases."""

from math import inf
from typing import NamedTuple

from gitops_prefix.decide.advertisement import (
    Preference,
    PrefixInformation,
    Router,
    RouterAdvertisement,
)
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.routers import Routers, forget, observe, solicited
from gitops_prefix.decide.selection import Decision, Question, Selection, adopt, select
from gitops_prefix.decide.specification import Acquisition, Specification, Transition

A, B, C = (Prefix.parse(f"2001:db8:{name}::/64") for name in "abc")
LOCAL = Prefix.parse("fd00:db8:1:2::/64")
FIRST, SECOND = Router("eth0", "fe80::1"), Router("eth0", "fe80::2")


def pio(prefix: Prefix, preferred: int = 14400, valid: int = 86400, flags: str = "LA"):
    """A Prefix Information option; `flags` holds L for on-link and A for autonomous."""
    return PrefixInformation(prefix, "L" in flags, "A" in flags, valid, preferred)


def saying(
    *prefixes: Prefix | PrefixInformation,
    preference: Preference = Preference.MEDIUM,
    lifetime: int = 1800,
) -> RouterAdvertisement:
    """An advertisement with these prefixes; a bare one has the usual lifetimes."""
    options = tuple(said if isinstance(said, PrefixInformation) else pio(said) for said in prefixes)
    return RouterAdvertisement(64, False, False, preference, lifetime, 0, 0, options)


def said_at(routers: Routers, router: Router, at: float, *prefixes: PrefixInformation) -> Routers:
    """The routers, after one more advertisement with these prefixes."""
    return observe(routers, router, saying(*prefixes), at)


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


class Walker:
    """The daemon: it looks when time alone may change the answer, and asks when it has to.

    Attributes:
        asked: the solicitations that were sent.
        decisions: all that were made.
        answers: what each router that is alive says when it is asked, 0.3 s later.
    """

    def __init__(self, specification: Specification, selection: Selection | None = None) -> None:
        self.specification = specification
        self.selection = selection or Selection()
        self.routers: Routers = {}
        self.asked: list[Question] = []
        self.look_again_at = inf
        self.decisions: list[Decision] = []
        self.answers: dict[Router, tuple[RouterAdvertisement, ...]] = {}
        self.coming: list[Says] = []

    def look(self, now: float) -> Decision:
        """Decide, ask, and write what was decided."""
        decision = select(self.selection, self.specification, self.routers, now)
        for question in decision.solicit:
            self.asked.append(question)
            self.routers = solicited(self.routers, question.interface, now)
            self.coming += [
                Says(now + 0.3, advertisement, router)
                for router, said in self.answers.items()
                for advertisement in said
            ]
        self.selection = adopt(decision.selection, decision.current)
        self.look_again_at = decision.look_again_at
        self.decisions.append(decision)
        return decision

    def wait(self, until: float) -> None:
        """Let time pass, but for the last moment."""
        while min(self.look_again_at, *(event.at for event in self.coming), inf) < until:
            if self.coming and self.coming[0].at <= self.look_again_at:
                answer = self.coming.pop(0)
                self.routers = after(self.routers, answer)
                self.look(answer.at)
            else:
                self.look(self.look_again_at)

    def take(self, event: Event) -> Decision:
        """Take in one event."""
        self.wait(event.at)
        self.routers = after(self.routers, event)
        return self.look(event.at)


def walk(
    specification: Specification, *events: Event, selection: Selection | None = None
) -> list[Decision]:
    """The decision at each event."""
    walker = Walker(specification, selection)
    return [walker.take(event) for event in events]


def every(
    seconds: float,
    begin: float,
    end: float,
    *said: RouterAdvertisement,
    router: Router = FIRST,
) -> list[Says]:
    """A router that says the same in its turn, 5 ms apart where it takes several packets."""
    return [
        Says(begin + seconds * turn + place / 200, advertisement, router)
        for turn in range(int((end - begin) / seconds))
        for place, advertisement in enumerate(said)
    ]
