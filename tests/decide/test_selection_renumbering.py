"""Home networks over hours: few changes, each for a reason, and the right prefix in the end.

A network is one or two routers, each with a prefix of its ISP's and perhaps a ULA.
From round to round they repeat themselves, renumber with or without a word, reboot,
and lose or reorder what they send.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.status import Status
from gitops_prefix.decide.transition import advance
from tests.decide.routers_saying import FIRST, LOCAL, SECOND, Says, Walker, pio, saying, watching
from tests.decide.strategies import link_prefix

START = datetime(2026, 11, 23, tzinfo=UTC)
ROUTERS = (FIRST, SECOND)
LONG = {"preferred": 1_000_000, "valid": 2_000_000}


@dataclass
class Network:
    """What the routers did, in the order in which it was heard.

    Attributes:
        truth: the prefix that each router has now.
        reasons: how many things happened that may each cost a change.
    """

    truth: dict
    locals: dict
    now: float = 0.0
    events: list = field(default_factory=list)
    reasons: int = 0

    def say(self, router, *prefixes):
        ula = [pio(LOCAL, **LONG)] if self.locals[router] else []
        advertisement = saying(*ula, *prefixes)
        self.events.append(Says(self.now, advertisement, router))

    def repeat(self, router):
        self.say(router, pio(self.truth[router], **LONG))

    def lose(self, router):
        """The advertisement never arrives."""

    def renumber(self, router, prefix):
        """Flash: without a word about the old one (RFC 8978)."""
        self.reasons += prefix != self.truth[router]
        self.truth[router] = prefix
        self.repeat(router)

    def deprecate(self, router, prefix):
        """As it should be: the old one with a preferred lifetime of 0 (RFC 9096)."""
        self.reasons += prefix != self.truth[router]
        old, self.truth[router] = self.truth[router], prefix
        gone = [pio(old, 0, 7200)] if old != prefix else []
        self.say(router, pio(prefix, **LONG), *gone)

    def renumber_unheard(self, router, prefix):
        """Renumbered, and the advertisement that said so is lost."""
        self.reasons += prefix != self.truth[router]
        self.truth[router] = prefix

    def reorder(self, router, prefix):
        """The new advertisement overtakes the old one."""
        self.reasons += 2
        old = self.truth[router]
        self.renumber(router, prefix)
        self.now += 0.01
        self.say(router, pio(old, **LONG))

    def reboot(self, router):
        """For a while there is the ULA alone, or nothing."""
        # Whoever has a second router moves to it, for the time.
        self.reasons += len(self.truth) > 1
        self.say(router)
        self.now += 45
        self.repeat(router)


QUIET = (Network.repeat, Network.lose, Network.reboot)
RENUMBERING = (
    Network.renumber,
    Network.deprecate,
    Network.renumber_unheard,
    Network.reorder,
)


@st.composite
def networks(draw):
    """A network after up to a dozen rounds."""
    routers = ROUTERS[: draw(st.sampled_from([1, 1, 2]))]
    fresh = iter(range(1000))
    network = Network(
        truth={router: link_prefix(next(fresh)) for router in routers},
        locals={router: draw(st.booleans()) for router in routers},
    )
    for router in routers:
        network.repeat(router)
    for _ in range(draw(st.integers(0, 12))):
        network.now += draw(st.sampled_from([3.0, 20.0, 200.0, 599.9]))
        router = draw(st.sampled_from(routers))
        act = draw(st.sampled_from(QUIET + RENUMBERING))
        if act in QUIET:
            act(network, router)
        else:
            # Some ISPs give a fresh prefix each time, others one of a few.
            few = link_prefix(2000 + draw(st.integers(0, 1)) + 10 * routers.index(router))
            act(network, router, draw(st.sampled_from([link_prefix(next(fresh)), few])))
    return network


def followed(specification, events):
    """The status after each event, as the repository would have it."""
    walker, status = Walker(specification), None
    statuses: list[Status | None] = []
    for event in events:
        decision = walker.take(event)
        now = START + timedelta(seconds=event.at)
        status = advance(specification, status, decision.choice, now)
        statuses.append(status)
    return statuses


def commits(statuses):
    """How many changes there were after the first status."""
    return sum(
        before is not None and not later.same_decision(before)
        for before, later in pairwise(statuses)
    )


@given(networks())
def test_there_are_no_more_commits_than_reasons(network):
    statuses = followed(watching(), network.events)

    assert commits(statuses) <= network.reasons


@given(networks())
def test_no_prefix_is_ever_twice_among_current_and_past(network):
    for status in followed(watching(), network.events):
        assert len(set(status.prefixes)) == len(status.prefixes)


@given(networks())
def test_a_local_prefix_never_becomes_current_where_only_global_ones_count(network):
    assert all(LOCAL not in status.prefixes for status in followed(watching(), network.events))


def spread(intervals, between):
    """A router that sends two prefixes in an advertisement each, again and again."""
    network = Network(truth={FIRST: None}, locals={FIRST: False})
    for interval in intervals:
        for number in (1, 2):
            network.say(FIRST, pio(link_prefix(number), **LONG))
            network.now += between
        network.now += interval
    return network.events


@pytest.mark.parametrize("between", [0.0, 0.01, 3.0], ids=["at once", "in a burst", "3 s apart"])
@pytest.mark.parametrize("interval", [3, 16, 200, 600])
def test_a_router_that_spreads_its_prefixes_makes_three_commits_at_most(interval, between):
    assert commits(followed(watching(), spread([interval] * 40, between))) <= 3


@given(st.lists(st.floats(200, 600), min_size=1, max_size=20))
def test_and_the_random_interval_of_rfc_4861_makes_no_difference(intervals):
    assert commits(followed(watching(), spread(intervals, 0.01))) <= 3
