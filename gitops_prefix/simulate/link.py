"""The routers of a scenario, and what of them is heard on links that go up and down."""

from math import inf

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.routers import Routers, forget, observe
from gitops_prefix.simulate.scenario import (
    Action,
    Announces,
    FallsSilent,
    LinkChanges,
    Restarts,
)

ANSWER = 1
"""Seconds for routers to answer a solicitation, which is sent when a link comes up and
when the daemon starts (RFC 4861 6.3.7; an answer is at most 0.5 s late, 6.2.6)."""


class Links:
    """What is said on the links, and what was heard."""

    def __init__(self) -> None:
        self.heard: Routers = {}
        self._speaking: dict[Router, Announces] = {}
        self._next: dict[Router, float] = {}
        self._down: set[str] = set()

    def take(self, action: Action, at: float) -> None:
        """What an event does to them."""
        match action:
            case Announces():
                self._speaking[action.router] = action
                self._say(action, at)
            case FallsSilent():
                self._speaking.pop(action.router, None)
                self._next.pop(action.router, None)
            case LinkChanges(interface, up=False):
                self._down.add(interface)
                self.heard = forget(self.heard, interface)
            case LinkChanges(interface, up=True):
                self._down.discard(interface)
                self._solicit(at, interface)
            case Restarts():
                self.heard = {}
                self._solicit(at)
            case _:
                pass

    def repeat(self, at: float) -> int:
        """Whose turn it is says it again; how many were heard."""
        due = sorted(router for router, moment in self._next.items() if moment <= at)
        for router in due:
            self._say(self._speaking[router], at)
        return sum(router.interface not in self._down for router in due)

    @property
    def next_at(self) -> float:
        """When one is to say it again; inf is never."""
        return min(self._next.values(), default=inf)

    def _say(self, one: Announces, at: float) -> None:
        self._next[one.router] = at + one.every if one.every else inf
        if one.router.interface not in self._down:
            self.heard = observe(self.heard, one.router, one.advertisement, at)

    def _solicit(self, at: float, interface: str | None = None) -> None:
        for router in self._speaking:
            if interface in {None, router.interface}:
                self._next[router] = at + ANSWER
