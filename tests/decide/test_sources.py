"""Several sources in one DynamicPrefix: the first that has a prefix counts."""

from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide import other_sources as said
from gitops_prefix.decide.advertisement import (
    DHCPV6_PD,
    FILE,
    FRITZBOX,
    KERNEL,
    WEBHOOK,
    Preference,
    Router,
)
from gitops_prefix.decide.other_sources import KernelPrefix, accept
from gitops_prefix.decide.policy import (
    SOURCES,
    Verdict,
    likely_source,
    refusal_of_prefix,
    source_of,
)
from gitops_prefix.decide.prefix import AddressRange, Prefix, Subnet
from gitops_prefix.decide.routers import forget, observe
from gitops_prefix.decide.selection import Selection, Standing, adopt, select
from gitops_prefix.decide.specification import Acquisition, Delegation, Specification, Transition
from gitops_prefix.decide.status import PrefixSource
from tests.decide.routers_saying import FIRST, LOCAL, A, B, C, pio, saying

PATH = "/run/prefix"
ALL = Specification(
    "home",
    Acquisition(
        ("eth0",),
        kernel_interface="eth0",
        file=PATH,
        delegation=Delegation("home", "eth0", 56),
        webhook="home",
        fritzbox="fritz.box",
    ),
)
LEASED, BOXED, HOOKED = (Prefix.parse(f"2001:db8:{number}00::/56") for number in (1, 2, 3))
GIVING = {
    "file": (Router(PATH, FILE), A),
    "delegation": (Router("home", DHCPV6_PD), LEASED),
    "box": (Router("fritz.box", FRITZBOX), BOXED),
    "webhook": (Router("home", WEBHOOK), HOOKED),
}
D = Prefix.parse("2001:db8:d:d00::/56")
NEVER = 0xFFFFFFFF


class Given(NamedTuple):
    """What each source has, by the lifetime of its prefix; None is nothing."""

    file: int | None = None
    router: int | None = None
    kernel: int | None = None
    delegation: int | None = None
    box: int | None = None
    webhook: int | None = None


def heard(given_: Given, now: float = 0.0, routers=None):
    """The routers after every source spoke."""
    routers = dict(routers or {})
    if given_.kernel is not None:
        routers = accept(
            routers, "eth0", [KernelPrefix(pio(C, given_.kernel, given_.kernel), now, now)], now
        )
    if given_.router is not None:
        routers = observe(routers, FIRST, saying(pio(B, given_.router, given_.router)), now)
    for name, (source, prefix) in GIVING.items():
        lifetime = getattr(given_, name)
        if lifetime is not None:
            routers = said.given(routers, source, [pio(prefix, lifetime, lifetime)], now, now)
    return routers


@pytest.mark.parametrize(
    ("has", "current", "source"),
    [
        pytest.param(
            Given(9, 9, 9, 9, 9, 9), LEASED, PrefixSource.DHCPV6_PD, id="all: the delegation"
        ),
        pytest.param(
            Given(9, 9, 9, 0, 9, 9), BOXED, PrefixSource.FRITZBOX, id="no lease: the FRITZ!Box"
        ),
        pytest.param(
            Given(9, 9, 9, 0, None, 9), HOOKED, PrefixSource.WEBHOOK, id="no box: the update"
        ),
        pytest.param(Given(9, 9, 9), A, PrefixSource.FILE, id="no update: the file"),
        pytest.param(
            Given(None, 9, 9), B, PrefixSource.ROUTER_ADVERTISEMENT, id="no file: the router"
        ),
        pytest.param(
            Given(0, 9, 9), B, PrefixSource.ROUTER_ADVERTISEMENT, id="a file that withdraws"
        ),
        pytest.param(Given(None, 0, 9), C, PrefixSource.KERNEL, id="a router that withdraws"),
        pytest.param(Given(9, None, None), A, PrefixSource.FILE, id="the file alone"),
    ],
)
def test_the_first_source_that_has_a_prefix_counts(has, current, source):
    decision = select(Selection(), ALL, heard(has), 0)
    assert (decision.current, decision.choice.source) == (current, source)
    assert decision.standing is Standing.CURRENT


def test_of_two_sources_with_one_prefix_the_one_that_counts_is_named():
    """Whatever the router's preference."""
    routers = observe({}, FIRST, saying(A, preference=Preference.HIGH), 0)
    routers = said.given(routers, GIVING["file"][0], [pio(A)], 0, 0)
    assert select(Selection(A), ALL, routers, 9).choice.source is PrefixSource.FILE


def test_while_an_earlier_source_waits_the_current_prefix_is_of_its_own():
    waiting = replace(ALL, transition=Transition(stabilization_window=timedelta(minutes=10)))
    decision = select(Selection(B), waiting, heard(Given(file=900, router=900)), 9)
    assert decision.standing is Standing.STABILIZING
    assert decision.choice.source is PrefixSource.ROUTER_ADVERTISEMENT


@pytest.mark.parametrize(
    ("acquisition", "source"),
    [
        (ALL.acquisition, PrefixSource.DHCPV6_PD),
        (Acquisition(fritzbox="fritz.box", webhook="home"), PrefixSource.FRITZBOX),
        (Acquisition(("eth0",), webhook="home"), PrefixSource.WEBHOOK),
        (Acquisition(("eth0",), file=PATH), PrefixSource.FILE),
        (Acquisition(("eth0",), kernel_interface="eth0"), PrefixSource.ROUTER_ADVERTISEMENT),
        (Acquisition(kernel_interface="eth0"), PrefixSource.KERNEL),
        (Acquisition(("eth0",), webhook="home", static=A), PrefixSource.STATIC),
        (Acquisition(), PrefixSource.ROUTER_ADVERTISEMENT),
    ],
)
def test_a_prefix_that_nobody_said_is_of_the_first_source_that_is_there(acquisition, source):
    assert likely_source(acquisition) is source


BALANCERS, PODS = Subnet("balancers", 0, 64), Subnet("pods", 2, 64)
LOW = AddressRange("low", 0x1000, 0x1FFF)


def part(text: str) -> Prefix:
    return Prefix.parse(text)


@pytest.mark.parametrize(
    ("excluded", "places"),
    [
        (None, ()),
        ("2001:db8:100:1::/64", ()),
        ("2001:db8:100::/64", ("subnet balancers (2001:db8:100::/64)", "range low", "range in")),
        ("2001:db8:100:2::/80", ("subnet pods (2001:db8:100:2::/64)", "range out")),
        ("2001:db8:100:2:8000::/65", ("subnet pods (2001:db8:100:2::/64)",)),
        ("2001:db8:100::1500/120", ("subnet balancers (2001:db8:100::/64)", "range low")),
        ("2001:db8:100::1000/128", ("subnet balancers (2001:db8:100::/64)", "range low")),
        ("2001:db8:100::1fff/128", ("subnet balancers (2001:db8:100::/64)", "range low")),
        ("2001:db8:100::fff/128", ("subnet balancers (2001:db8:100::/64)",)),
    ],
)
def test_what_lies_in_the_part_that_a_server_keeps_is_a_warning(excluded, places):
    ranges = (
        LOW,
        AddressRange("in", 0x2000, 0x2FFF, BALANCERS),
        AddressRange("out", 0, 1, PODS),
        AddressRange("beyond", 1 << 80, 1 << 80),
    )
    subnets = (BALANCERS, PODS, Subnet("beyond", 999, 64))
    specification = replace(ALL, ranges=ranges, subnets=subnets)
    given_ = pio(LEASED)._replace(excluded=excluded and part(excluded))
    routers = said.given(heard(Given(webhook=9)), GIVING["delegation"][0], [given_], 0, 0)
    warned = select(Selection(), specification, routers, 0).warnings
    assert [each.places for each in warned] == ([places] if places else [])
    if places:
        assert str(warned[0]).startswith("dhcpv6-pd home gives 2001:db8:100::/56: the server keeps")


def test_a_part_of_a_prefix_that_is_not_current_is_nobodys_business():
    old = pio(LEASED, 900, 0)._replace(excluded=LEASED)
    routers = said.given({}, GIVING["delegation"][0], [old, pio(HOOKED)], 0, 0)
    specification = replace(ALL, ranges=(LOW,))
    decision = select(Selection(), specification, routers, 0)
    assert (decision.current, decision.warnings) == (HOOKED, ())


OUTLASTING = {
    "a server that is away: the lease stands to its end": ([pio(LEASED, 60, 120)], (119, LEASED)),
    "the lease is over: the next source": ([pio(LEASED, 60, 120)], (120, B)),
    "another one of the lease is preferred": (
        [pio(LEASED, 60, 120), pio(HOOKED, 61, 120)], (60, HOOKED),
    ),
    "then no longer: the current one stands": (
        [pio(LEASED, 60, 120), pio(HOOKED, 61, 120)], (61, HOOKED),
    ),
    "what the server deprecates does not": ([pio(LEASED, 0, 120)], (60, B)),
    "a local prefix of the lease is no other one": (
        [pio(LEASED, 60, 120), pio(Prefix.parse("fd00:1:2::/56"), 7200, 7200)], (61, LEASED),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lease", "then"), OUTLASTING.values(), ids=OUTLASTING)
def test_a_lease_stands_until_its_valid_lifetime_ends(lease, then):
    """RFC 8415 18.2.5: a server that does not answer must not renumber a house."""
    routers = said.given(heard(Given(router=900)), GIVING["delegation"][0], lease, 0, 0)
    at, current = then
    selection, looked = Selection(LEASED), 0.0
    while looked < at:
        decision = select(selection, ALL, routers, looked)
        selection = adopt(decision.selection, decision.current)
        looked = min(at, decision.look_again_at)
    decision = select(selection, ALL, routers, at)
    assert (decision.current, decision.standing) == (current, Standing.CURRENT)


def test_a_file_that_is_new_counts_at_once_and_again_after_a_withdrawal():
    routers, selection = heard(Given(router=900)), Selection(A)
    for at, has, current in (
        (10.0, Given(file=900), A),
        (20.0, Given(file=0), B),
        (90.0, Given(file=900), A),
    ):
        routers = heard(has, at, routers)
        decision = select(selection, ALL, routers, at)
        assert decision.current == current
        selection = adopt(decision.selection, decision.current)


def test_after_a_restart_a_file_that_changed_meanwhile_is_followed_at_once():
    assert select(Selection(B), ALL, heard(Given(file=900)), 0).current == A


def test_a_lifetime_of_a_file_ends_by_time_alone():
    routers = heard(Given(file=60, router=900))
    before = select(Selection(A), ALL, routers, 59.9)
    after = select(Selection(A), ALL, routers, 60.0)
    assert (before.current, before.look_again_at, after.current) == (A, 60.0, B)


def test_a_file_with_nothing_beside_it_that_ended_is_fail_static():
    decision = select(Selection(A), ALL, heard(Given(file=60)), 61)
    assert (decision.current, decision.standing) == (A, Standing.FAILED_STATIC)


def test_the_policy_holds_for_a_file():
    routers = said.given({}, Router(PATH, FILE), [pio(LOCAL)], 0, 0)
    decision = select(Selection(), ALL, routers, 0)
    assert decision.current is None
    assert [found.verdict for found in decision.candidates] == [Verdict.NOT_GLOBAL]


def test_routers_are_no_filter_for_a_file():
    acquisition = Acquisition(("eth0",), routers=("fe80::9",), file=PATH)
    specification = Specification("home", acquisition)
    assert select(Selection(), specification, heard(Given(9, 9)), 0).current == A


def test_a_delegation_counts_as_it_is():
    routers = said.given({}, Router(PATH, FILE), [pio(D)], 0, 0)
    assert select(Selection(), ALL, routers, 0).current == D


def test_the_source_that_counts_is_named_where_two_have_the_same_prefix():
    routers = said.given(heard(Given(router=9)), Router(PATH, FILE), [pio(B)], 0, 0)
    choice = select(Selection(), ALL, routers, 0).choice
    assert (choice.prefix, choice.source) == (B, PrefixSource.FILE)
    assert str(choice.router) == "file /run/prefix"


def test_each_router_has_its_source():
    given_ = [GIVING[name][0] for name in ("delegation", "box", "webhook", "file")]
    named = [*given_, FIRST, Router("eth0", KERNEL)]
    assert [source_of(router) for router in named] == list(SOURCES)
    assert [router.advertises for router in named] == [False] * 4 + [True, False]
    assert [router.gives for router in named] == [True] * 4 + [False] * 2


def test_a_lease_outlives_its_link_and_a_router_does_not():
    routers = forget(heard(Given(9, 9, 9, 9, 9, 9)), "eth0")
    assert {router.address for router in routers} == {FILE, DHCPV6_PD, WEBHOOK, FRITZBOX}


@pytest.mark.parametrize("source", [source for source, _ in GIVING.values()])
def test_a_source_of_another_dynamic_prefix_does_not_count(source):
    other = source._replace(interface=f"{source.interface}2")
    routers = said.given({}, other, [pio(A)], 0, 0)
    assert select(Selection(), ALL, routers, 0).current is None
    nothing = Specification("home", Acquisition(("eth0",)))
    routers = said.given({}, source, [pio(A)], 0, 0)
    assert select(Selection(), nothing, routers, 0).current is None


lifetimes = st.sampled_from([None, 0, 30, 900, NEVER])
houses = st.builds(Given, *[lifetimes] * 6)


@given(st.lists(houses, min_size=1, max_size=6), st.sampled_from([None, A, B, C, D]))
def test_whatever_they_have_no_later_source_is_taken_before_an_earlier_one(steps, known):
    routers, selection = {}, Selection(known)
    for step, has in enumerate(steps):
        at = step * 10.0
        routers = heard(has, at, routers)
        decision = select(selection, ALL, routers, at)
        counting = {
            source_of(found.router)
            for found in decision.candidates
            if found.verdict is Verdict.CANDIDATE
        }
        if decision.selection.proposed is not None:
            first = next(source for source in SOURCES if source in counting)
            assert decision.choice.source is first
        if not counting:
            assert decision.current == selection.current
        again = select(selection, ALL, routers, at)
        assert again == decision
        selection = adopt(decision.selection, decision.current)


@pytest.mark.parametrize(
    ("prefix", "policy", "verdict"),
    [
        ("2001:db8::/64", {}, None),
        ("fd00::/64", {}, Verdict.NOT_GLOBAL),
        ("fd00::/64", {"require_global_unicast": False}, None),
        ("fe80::/64", {"require_global_unicast": False}, Verdict.NOT_UNICAST),
        ("2001:db8::/64", {"within": (Prefix.parse("2001:db9::/32"),)}, Verdict.NOT_WITHIN),
        ("2001:db8::/72", {}, Verdict.TOO_LONG),
        ("2000::/3", {"within": (Prefix.parse("2000::/3"),)}, Verdict.TOO_SHORT),
        ("fc00::/7", {"require_global_unicast": False}, Verdict.TOO_SHORT),
        ("2000::/15", {}, Verdict.TOO_SHORT),
        ("2001::/16", {}, None),
    ],
)
def test_a_prefix_is_refused_whichever_source_gives_it(prefix, policy, verdict):
    """Also where `routers` believes one alone: who announces it is not asked."""
    acquisition = Acquisition(interfaces=("eth0",), routers=("fe80::1",), **policy)
    assert refusal_of_prefix(Prefix.parse(prefix), acquisition) is verdict
