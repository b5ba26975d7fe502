"""Whom no flood of made-up routers may push out."""

import pytest

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.candidate import MOST_ANNOUNCERS, Followed, vouched
from gitops_prefix.decide.routers import LONGEST_INTERVAL, MOST_ROUTERS, observe
from gitops_prefix.decide.specification import Acquisition
from tests.decide.routers_saying import FIRST, SECOND, A, B, Says, heard_after, saying

ON_LINK = Acquisition(interfaces=("eth0",))
NAMING = Acquisition(interfaces=("eth0",), routers=(SECOND.address,))
MADE_UP = [Router("eth0", f"fe80::{number + 16:x}") for number in range(MOST_ROUTERS + 9)]
HEARD = heard_after(Says(0, saying(A)), Says(1, saying(B), SECOND))


@pytest.mark.parametrize(
    ("followed", "whom"),
    [
        pytest.param([], set(), id="nothing is followed"),
        pytest.param([Followed(ON_LINK, None)], set(), id="nothing is current, nobody named"),
        pytest.param([Followed(ON_LINK, A)], {FIRST}, id="who announces the current prefix"),
        pytest.param([Followed(NAMING, A)], {SECOND}, id="who is named, and nobody else"),
        pytest.param([Followed(ON_LINK, A), Followed(ON_LINK, B)], {FIRST, SECOND}, id="of each"),
        pytest.param(
            [Followed(Acquisition(interfaces=("eth1",)), A)], set(), id="not on another link"
        ),
    ],
)
def test_policy_and_the_current_prefix_vouch_for_routers(followed, whom):
    assert vouched(HEARD, followed) == whom


def test_who_forges_the_current_prefix_comes_behind_those_known_longer():
    forged = [Says(2 + number, saying(A), router) for number, router in enumerate(MADE_UP[:9])]
    routers = heard_after(Says(0, saying(A)), *forged)

    assert vouched(routers, [Followed(ON_LINK, A)]) == {FIRST, *MADE_UP[: MOST_ANNOUNCERS - 1]}


def test_a_router_that_is_named_gets_a_place_in_a_flood_and_keeps_it():
    """Even when it comes last, and even when it has been silent for longest."""
    named = vouched({}, [Followed(NAMING, None)])
    routers = {}
    for number, router in enumerate(MADE_UP):
        routers = observe(routers, router, saying(B), number / 100, named)
    routers = observe(routers, SECOND, saying(A), 1, named)
    for number, router in enumerate(MADE_UP):
        routers = observe(routers, router, saying(B), LONGEST_INTERVAL + 9 + number, named)

    assert SECOND in routers
    assert len(routers) <= MOST_ROUTERS
