"""Links and routers in any order of events: what is heard late, in doubt, or not at all.

Whatever happened, once it is quiet the prefix is one that a living router announces on a link that is
up; nobody is asked on a link that is down; and the time that is looked at again is always ahead.
"""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import Standing
from gitops_prefix.decide.specification import Transition
from gitops_prefix.plan.ears import Advertised, Ears, LinkChanged, Watched
from tests.decide.routers_saying import saying, watching

LINKS = ("eth0", "eth1")
ROUTERS = tuple(Router(link, f"fe80::{n}") for n, link in enumerate(("eth0", "eth0", "eth1"), 1))
EVERY = 200.0
QUIET = 3 * 3600.0
"""Longer than a router lifetime, three intervals of 30 minutes, and two solicitations."""
WATCHED = Watched(watching(Transition(max_changes_per_hour=3600), interfaces=LINKS), None)


class House:
    """Two links, three routers, and what is decided about them."""

    def __init__(self) -> None:
        self.now, self.ears = 0.0, Ears().follow({"home": WATCHED}).decide(0.0)
        self.up = dict.fromkeys(LINKS, True)
        self.alive: dict[Router, Prefix] = {}
        self.said: dict[Router, Prefix] = {}
        self.answers: list[tuple[float, Router]] = []

    def changes(self, link: str, up: bool) -> None:
        self.up[link] = up
        if not up:
            for router in [router for router in self.said if router.interface == link]:
                del self.said[router]
        self._take(LinkChanged(link, up, True, self.now))

    def says(self, router: Router, prefix: Prefix, lifetime: int = 1800) -> None:
        """It is heard, if its link is up."""
        if self.up[router.interface]:
            self.said[router] = prefix
            advertisement = saying(prefix, lifetime=lifetime)
            self._take(Advertised(router, advertisement, self.now, repeated=False))

    def starts(self, router: Router, number: int) -> None:
        prefix = Prefix.parse(f"2001:db8:{ROUTERS.index(router)}{number}::/64")
        self.alive[router] = prefix
        self.says(router, prefix)

    def dies(self, router: Router, *, farewell: bool = False) -> None:
        """A farewell counts if it is not the first that is heard of a router."""
        prefix = self.alive.pop(router, None)
        if prefix is not None and farewell and router in self.said:
            self.says(router, prefix, lifetime=0)

    def is_late(self, router: Router) -> None:
        """What waited in a socket is heard, although its router is gone by now."""
        if router in self.said:
            self.says(router, self.said[router])

    def lives(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            at = min([self.ears.look_again_at, *(at for at, _ in self.answers)], default=inf)
            if at > end:
                break
            assert self.ears.look_again_at > self.now
            self.now = max(at, self.now)
            due = [router for at, router in self.answers if at <= self.now]
            self.answers = [item for item in self.answers if item[0] > self.now]
            for router in due:
                self.speaks(router)
            self._decide()
        self.now = end

    def speaks(self, router: Router) -> None:
        if router in self.alive:
            self.says(router, self.alive[router])

    def _take(self, event: Advertised | LinkChanged) -> None:
        self.ears = self.ears.hear(event)
        self._decide()

    def _decide(self) -> None:
        self.ears = self.ears.decide(self.now).written().decide(self.now)
        for link in self.ears.solicit:
            assert self.up[link]
            self.ears = self.ears.asked(link, self.now).decide(self.now)
            answer = self.now + 0.5
            self.answers += [(answer, router) for router in ROUTERS if router.interface == link]


EVENTS = st.one_of(
    st.builds(lambda *words: lambda house: house.changes(*words), st.sampled_from(LINKS), st.booleans()),
    st.builds(lambda *words: lambda house: house.starts(*words), st.sampled_from(ROUTERS), st.integers(0, 2)),
    st.builds(lambda router, farewell: lambda house: house.dies(router, farewell=farewell), st.sampled_from(ROUTERS), st.booleans()),
    st.builds(lambda router: lambda house: house.is_late(router), st.sampled_from(ROUTERS)),
    st.builds(lambda seconds: lambda house: house.lives(seconds), st.sampled_from([0.01, 0.5, 4.0, 5.0, 61.0, 700.0])),
)  # fmt: skip


@given(st.lists(EVENTS, max_size=40))
def test_after_any_events_the_prefix_is_that_of_a_living_router(events):
    house = House()
    for happens in events:
        happens(house)
    end = house.now + QUIET
    while house.now < end:
        for router in ROUTERS:
            house.speaks(router)
        house.lives(EVERY)
    right = {prefix for router, prefix in house.alive.items() if house.up[router.interface]}
    decision = house.ears.decisions["home"]
    if right:
        assert decision.current in right
        assert decision.standing is Standing.CURRENT
    else:
        assert decision.standing in {Standing.WAITING, Standing.FAILED_STATIC, Standing.GONE}
