"""Which announced prefixes count, why the others do not, and which of them is best."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.advertisement import INFINITY, Preference, Router
from gitops_prefix.decide.candidate import Candidate, Pick, best, judge
from gitops_prefix.decide.policy import Verdict
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Acquisition
from tests.decide.routers_saying import (
    FIRST,
    LOCAL,
    SECOND,
    A,
    B,
    C,
    Says,
    Walker,
    heard_after,
    pio,
    saying,
    watching,
)

LONG = Prefix.parse("2001:db8:a:0:1::/80")
DELEGATED = Prefix.parse("2001:db8:a::/56")
ELSEWHERE = Router("eth1", "fe80::1")


def within(*prefixes):
    return {"within": tuple(Prefix.parse(prefix) for prefix in prefixes)}


@pytest.mark.parametrize(
    ("information", "acquisition", "verdict"),
    [
        pytest.param(pio(A), {}, Verdict.CANDIDATE, id="a global prefix, as most routers send it"),
        pytest.param(pio(A, flags="L"), {}, Verdict.CANDIDATE, id="A=0: stateful DHCPv6"),
        pytest.param(pio(A, flags="A"), {}, Verdict.CANDIDATE, id="L=0: hosts talk via the router"),
        pytest.param(
            pio(DELEGATED, flags="A"), {}, Verdict.UNUSABLE, id="L=0 and no /64: no host can use it"
        ),
        pytest.param(pio(A, flags=""), {}, Verdict.UNUSED, id="neither flag (RFC 4861 4.6.2)"),
        pytest.param(pio(A, INFINITY, INFINITY), {}, Verdict.CANDIDATE, id="lifetimes of infinity"),
        pytest.param(pio(A, 1, 1), {}, Verdict.CANDIDATE, id="a lifetime of one second"),
        pytest.param(pio(A, 0, 0), {}, Verdict.WITHDRAWN, id="valid lifetime 0"),
        pytest.param(pio(A, 0, 7200), {}, Verdict.DEPRECATED, id="preferred lifetime 0"),
        pytest.param(pio(LOCAL), {}, Verdict.NOT_GLOBAL, id="a Thread border router's ULA"),
        pytest.param(
            pio(LOCAL), {"require_global_unicast": False}, Verdict.CANDIDATE, id="a ULA, wanted"
        ),
        pytest.param(
            pio(Prefix.parse("fe80::/64")),
            {"require_global_unicast": False, **within("fe80::/10")},
            Verdict.NOT_UNICAST,
            id="link-local, whatever the filter (RFC 4862 5.5.3 b)",
        ),
        pytest.param(
            pio(Prefix.parse("ff02::/64")),
            {"require_global_unicast": False},
            Verdict.NOT_UNICAST,
            id="multicast",
        ),
        pytest.param(
            pio(Prefix.parse("::1/128")),
            {"require_global_unicast": False, **within("::1/128")},
            Verdict.NOT_UNICAST,
            id="loopback",
        ),
        pytest.param(
            pio(Prefix.parse("::/64")),
            {"require_global_unicast": False},
            Verdict.NOT_UNICAST,
            id="one that loopback is in",
        ),
        pytest.param(
            pio(Prefix.parse("fe00::/8")),
            {"require_global_unicast": False},
            Verdict.NOT_UNICAST,
            id="one that link-local is in",
        ),
        pytest.param(pio(A), within("2001:db8::/32"), Verdict.CANDIDATE, id="inside within"),
        pytest.param(pio(A), within("2001:db9::/32"), Verdict.NOT_WITHIN, id="outside within"),
        pytest.param(
            pio(A), within("2001:db9::/32", "2001:db8::/32"), Verdict.CANDIDATE, id="in one of two"
        ),
        pytest.param(pio(DELEGATED), {}, Verdict.CANDIDATE, id="shorter than a /64"),
        pytest.param(
            pio(Prefix.parse("2000::/3")), {}, Verdict.TOO_SHORT, id="all of the Internet"
        ),
        pytest.param(pio(LONG), {}, Verdict.TOO_LONG, id="longer than a /64"),
        pytest.param(
            pio(LONG), within("2001:db8::/32"), Verdict.TOO_LONG, id="a short within is no order"
        ),
        pytest.param(
            pio(LONG), within("2001:db8:a::/64"), Verdict.TOO_LONG, id="nor is one of a whole /64"
        ),
        pytest.param(
            pio(LONG), within("2001:db8:a::/72"), Verdict.CANDIDATE, id="a long within is one"
        ),
        pytest.param(
            pio(A), {"routers": ("fe80::1",)}, Verdict.CANDIDATE, id="from a router believed"
        ),
        pytest.param(
            pio(A), {"routers": ("fe80::2",)}, Verdict.OTHER_ROUTER, id="from a router not believed"
        ),
        pytest.param(pio(A), {"interfaces": ("eth1",)}, Verdict.OTHER_LINK, id="on another link"),
        pytest.param(pio(A), {"interfaces": ()}, Verdict.OTHER_LINK, id="not watching any link"),
        pytest.param(
            pio(LOCAL, 0, 0), {}, Verdict.NOT_GLOBAL, id="the policy is told before the lifetime"
        ),
    ],
)
def test_an_announced_prefix_counts_or_says_why_not(information, acquisition, verdict):
    routers = heard_after(Says(0, saying(information)))
    policy = Acquisition(**{"interfaces": ("eth0",), **acquisition})

    [found] = judge(routers, policy, 0)

    assert (found.prefix, found.router, found.verdict) == (information.prefix, FIRST, verdict)


@pytest.mark.parametrize(
    ("information", "now", "verdict", "ends_at"),
    [
        pytest.param(pio(A, 60, 90), 59.5, Verdict.CANDIDATE, 60, id="until the preferred ends"),
        pytest.param(pio(A, 60, 90), 60, Verdict.CANDIDATE, 64, id="then its router is asked"),
        pytest.param(pio(A, 60, 90), 67.9, Verdict.CANDIDATE, 68, id="twice"),
        pytest.param(pio(A, 60, 90), 68, Verdict.PREFERENCE_EXPIRED, inf, id="from then on not"),
        pytest.param(
            pio(A, 60, 90), 90, Verdict.EXPIRED, inf, id="the valid lifetime ends as well"
        ),
        pytest.param(pio(A, INFINITY, INFINITY), 1e9, Verdict.CANDIDATE, inf, id="never"),
        pytest.param(pio(A, 60, INFINITY), 10, Verdict.CANDIDATE, 60, id="the shorter one counts"),
    ],
)
def test_time_ends_a_candidate(information, now, verdict, ends_at):
    walker = Walker(watching())
    walker.take(Says(0, saying(information, lifetime=0)))
    walker.wait(now)

    [found] = walker.look(now).candidates

    assert (found.verdict, found.ends_at) == (verdict, ends_at)


def candidate(prefix, preference=Preference.MEDIUM, lifetime=100, verdict=Verdict.CANDIDATE):
    return Candidate(
        prefix,
        FIRST,
        verdict,
        preference,
        lifetime,
        ends_at=inf,
        ask_at=inf,
        default_router=True,
        gone=False,
        silent=False,
        left_out=False,
    )


LOW, MEDIUM, HIGH = Preference


@pytest.mark.parametrize(
    ("candidates", "current", "given_up", "chosen"),
    [
        pytest.param([], A, [], None, id="no candidate, no choice"),
        pytest.param(
            [candidate(A, verdict=Verdict.DEPRECATED)], A, [], None, id="not even the current one"
        ),
        pytest.param([candidate(B), candidate(A)], None, [], A, id="the numerically lowest"),
        pytest.param(
            [candidate(A), candidate(B, lifetime=101)], None, [], B, id="longest preferred first"
        ),
        pytest.param(
            [candidate(A, lifetime=999), candidate(B, HIGH)], None, [], B, id="preference before it"
        ),
        pytest.param([candidate(A, LOW), candidate(B)], None, [], B, id="low is below medium"),
        pytest.param(
            [candidate(A), candidate(B, HIGH, 999)], A, [], A, id="the current one before both"
        ),
        pytest.param(
            [candidate(LOCAL, HIGH, 999), candidate(A, LOW)], LOCAL, [], A, id="GUA before even it"
        ),
        pytest.param([candidate(A), candidate(B)], None, [A], B, id="what was given up comes last"),
        pytest.param(
            [candidate(A), candidate(LOCAL)], LOCAL, [A], LOCAL, id="behind a ULA, for a minute"
        ),
        pytest.param([candidate(A)], None, [A], A, id="but it comes, for want of another"),
        pytest.param(
            [candidate(A, LOW), candidate(A, HIGH), candidate(B)],
            None,
            [],
            A,
            id="two routers on A",
        ),
    ],
)
def test_the_order_of_candidates(candidates, current, given_up, chosen):
    found = best(candidates, Pick(current, given_up=given_up))

    assert (found and found.prefix) == chosen


@given(
    st.lists(
        st.builds(
            candidate,
            st.sampled_from([A, B, C, LOCAL]),
            st.sampled_from(Preference),
            st.integers(1, 3),
            st.sampled_from([Verdict.CANDIDATE, Verdict.CANDIDATE, Verdict.DEPRECATED]),
        ),
        max_size=6,
    ).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))),
    st.sampled_from([None, A, B, C, LOCAL]),
)
def test_the_order_of_arrival_never_decides(orders, current):
    first, second = (best(order, Pick(current)) for order in orders)

    assert (first and first.prefix) == (second and second.prefix)


def test_routers_are_judged_by_interface_address_and_prefix():
    routers = heard_after(
        Says(0, saying(A), ELSEWHERE), Says(1, saying(B, A), SECOND), Says(2, saying(C))
    )

    found = [(one.router, one.prefix) for one in judge(routers, Acquisition(("eth0",)), 3)]

    assert found == [(FIRST, C), (SECOND, A), (SECOND, B), (ELSEWHERE, A)]


@pytest.mark.parametrize(
    ("seconds", "since", "preferred", "verdict"),
    [
        pytest.param(600, 600, 3600, Verdict.CANDIDATE, id="once"),
        pytest.param(1200, 600, 3600, Verdict.OUTLIVED, id="twice"),
        pytest.param(1200, 1200, 3600, Verdict.CANDIDATE, id="the other is new"),
        pytest.param(1200, 600, 1, Verdict.OUTLIVED, id="the other is preferred for a second"),
        pytest.param(1200, 600, 0, Verdict.CANDIDATE, id="the other is deprecated"),
    ],
)
def test_a_prefix_that_only_counted_down_beside_one_that_is_renewed(
    seconds, since, preferred, verdict
):
    """The third advertisement shows it (RFC 9096 3.5)."""
    later = (
        Says(at, saying(pio(A, 3600 - at, 7200 - at), *[pio(B, preferred, 7200)] * (at >= since)))
        for at in range(600, seconds + 1, 600)
    )
    found = judge(
        heard_after(Says(0, saying(pio(A, 3600, 7200))), *later), watching().acquisition, seconds
    )
    assert {each.prefix: each.verdict for each in found}[A] == verdict
