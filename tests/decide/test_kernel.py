"""What the kernel has, and which prefix is current by it: docs/selection.md, "The kernel's word"."""

from functools import partial
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.advertisement import KERNEL, Router
from gitops_prefix.decide.other_sources import KernelPrefix, accept
from gitops_prefix.decide.policy import Verdict, refusal
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.routers import observe
from gitops_prefix.decide.selection import GRACE, Decision, Selection, adopt, select
from gitops_prefix.decide.specification import Acquisition, Specification
from gitops_prefix.decide.status import PrefixSource
from tests.decide.kernel_scenarios import (
    CURRENT,
    LISTENING,
    SCENARIOS,
    Has,
    every,
    following,
    repeats,
)
from tests.decide.routers_saying import FIRST, LOCAL, A, B, C, pio, saying

FOLLOWING = following()


def admits(acquisition: Acquisition, information) -> bool:
    return refusal(Router("eth0", KERNEL), information, acquisition) is None


def walk(
    *events: Has, known: Prefix | None = None, specification: Specification = FOLLOWING
) -> list[Decision]:
    """The decision after each event."""
    has: dict[Prefix, KernelPrefix] = {}
    routers, selection, decisions = {}, Selection(known), []
    for at, repeated, gone in events:
        for option in repeated:
            old = has.get(option.prefix)
            has[option.prefix] = KernelPrefix(option, at, old.appeared_at if old else at)
        for prefix in gone:
            del has[prefix]
        counts = partial(admits, specification.acquisition)
        routers = accept(routers, "eth0", has.values(), at, counts)
        decisions.append(select(selection, specification, routers, at))
        selection = adopt(decisions[-1].selection, decisions[-1].current)
    return decisions


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=list(SCENARIOS))
def test_what_the_kernel_has_decides(scenario):
    decisions = walk(*scenario.events, known=scenario.known, specification=scenario.specification)
    currents = [scenario.known, *(one.current for one in decisions)]
    moves = [pair for pair in pairwise(currents) if pair[0] and pair[0] != pair[1]]
    assert currents[-1] == scenario.current
    assert decisions[-1].standing is scenario.standing
    assert len(moves) == scenario.changes


def test_the_source_is_the_kernel():
    [decision] = walk(repeats(0, A))
    assert decision.choice.source is PrefixSource.KERNEL
    assert decision.candidates[0].router == Router("eth0", KERNEL)


def test_after_a_start_another_prefix_has_a_moment_to_come():
    """The kernel of a node that boots may know one of two routers only."""
    first, later = walk(repeats(0, B), Has(GRACE), known=A)
    assert (first.standing, first.current) == (LISTENING, A)
    assert first.look_again_at == GRACE
    assert later.current == B


def test_a_kernel_that_has_nothing_says_nothing_of_the_past():
    """A restart must not end `dnsDelay` or `retention: lifetime`: None, not "gone"."""
    [decision] = walk(Has(0), known=A)
    assert decision.choice.valid_for is None


def test_what_is_left_out_is_told_with_its_reason():
    decision = walk(repeats(0, A), repeats(600, B))[-1]
    verdicts = {one.prefix: one.verdict for one in decision.candidates}
    assert verdicts == {A: Verdict.LEFT_OUT, B: Verdict.CANDIDATE}


def test_what_was_repeated_since_another_appeared_is_a_candidate_again():
    """Two routers: the second one's appearance counts once."""
    decision = walk(repeats(0, A), repeats(600, B), repeats(700, A), repeats(1300, B))[-1]
    assert {one.verdict for one in decision.candidates} == {Verdict.CANDIDATE}


def test_a_router_on_the_link_is_not_the_kernel_and_the_other_way_round():
    routers = accept({}, "eth0", [KernelPrefix(pio(A), 0, 0)], 0)
    routers = observe(routers, FIRST, saying(B), 0)
    by_kernel = select(Selection(), following(), routers, 0)
    by_router = select(Selection(), following(interfaces=("eth0",)), routers, 0)
    assert (by_kernel.current, by_router.current) == (A, B)


steps = st.lists(
    st.tuples(st.floats(1, 2000), st.sets(st.sampled_from([A, B, C, LOCAL]))),
    min_size=1,
    max_size=30,
)


@given(steps)
def test_whatever_is_repeated_a_current_prefix_is_left_for_a_reason_only(schedule):
    """Only for one that the newest word has, and only when its own last word is older."""
    at, events = 0.0, []
    for gap, prefixes in schedule:
        at += gap
        events.append(repeats(at, *sorted(prefixes)))
    heard, current = {}, None
    for event, decision in zip(events, walk(*events), strict=True):
        heard |= {option.prefix: event.at for option in event.repeated}
        now = decision.current
        if current is not None and now != current:
            assert heard[now] > heard[current] or heard[current] + 14400 <= event.at
        current = now
        assert decision.look_again_at > event.at


@given(steps)
def test_once_all_is_quiet_what_alone_is_repeated_is_current(schedule):
    """Whatever was before: within the longest interval of a router (RFC 4861 6.2.1)."""
    at, events = 0.0, []
    for gap, prefixes in schedule:
        at += gap
        events.append(repeats(at, *sorted(prefixes)))
    decisions = walk(*events, *every(600, at + 600, at + 4800, C))
    assert decisions[-1].current == C
    assert decisions[-1].standing is CURRENT
    assert decisions[-1].look_again_at < inf
