"""RFC 7559: when routers are asked, as a table and as a property."""

import itertools
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.routers import MOST_ROUTERS
from gitops_prefix.watch.advertisements import LONGEST, Requested, Solicitation

LEAST, MIDDLE, MOST = 0.0, 0.5, 1.0

# chance of the first delay and of every pause -> when the first questions are asked
SCHEDULES = {
    "in the middle of every range": (MIDDLE, [0.5, 4.5, 12.5, 28.5, 60.5]),
    "as early as may be": (LEAST, [0.0, 3.6, 10.44, 23.436, 48.1284]),
    "as late as may be": (MOST, [1.0, 5.4, 14.64, 34.044, 74.7924]),
}


def questions(chances, count: int) -> list[float]:
    """When the first `count` questions are asked of a link that came up at 0."""
    drawn = iter(chances)
    solicitation = Solicitation().start(0.0, lambda: next(drawn))
    asked = []
    for _ in range(count):
        asked.append(solicitation.at)
        solicitation = solicitation.asked(solicitation.at, lambda: next(drawn))
    return asked


@pytest.mark.parametrize(("chance", "expected"), SCHEDULES.values(), ids=list(SCHEDULES))
def test_the_pauses_double(chance, expected):
    """IRT 4 s, then twice the last, each ± a tenth of the last (RFC 8415 15)."""
    assert questions([chance] * 99, 5) == pytest.approx(expected)


@pytest.mark.parametrize(("chance", "longest"), [(LEAST, 3240.0), (MIDDLE, 3600.0), (MOST, 3960.0)])
def test_the_longest_pause_is_an_hour(chance, longest):
    """MRT ± a tenth of it, again and again: RFC 7559 has no last question."""
    asked = questions([chance] * 99, 30)
    assert asked[-1] - asked[-2] == pytest.approx(longest)
    assert asked[-2] - asked[-3] == pytest.approx(longest)


@given(st.lists(st.floats(0, 1), min_size=41, max_size=41))
def test_whatever_the_chance_it_is_never_a_flood_and_never_forgotten(chances):
    asked = questions(chances, 40)
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert 0 <= asked[0] <= 1
    assert 3.6 - 1e-9 <= pauses[0] <= 4.4 + 1e-9
    for before, after in itertools.pairwise(pauses):
        assert after <= LONGEST * 1.1 + 1e-6
        assert after >= min(1.9 * before, LONGEST * 0.9) - 1e-6
        assert after <= 2.1 * before + 1e-6 or after >= LONGEST * 0.9


def test_what_could_not_be_sent_is_sent_soon_and_then_ever_less_often():
    """A link has no address for a second or two; a firewall may refuse for ever."""
    solicitation = Solicitation().start(0.0, lambda: 0.0)
    tried = []
    for _ in range(20):
        tried.append(solicitation.at)
        solicitation = solicitation.unsent(solicitation.at)
    assert tried[:5] == [0.0, 1.0, 3.0, 7.0, 15.0]
    assert tried[-1] - tried[-2] == LONGEST

    sent = solicitation.asked(solicitation.at, lambda: MIDDLE)
    assert sent.pause == 4.0
    assert sent.unsent(sent.at).at == sent.at + 1.0


def test_nobody_is_asked_before_the_link_is_up():
    assert Solicitation().at == inf


@given(st.integers(0, 20))
def test_an_answer_ends_the_questions_and_the_next_start_is_a_fresh_one(count):
    """After the link went down and up, the pauses begin at 4 s again."""
    solicitation = Solicitation().start(0.0, lambda: MIDDLE)
    for _ in range(count):
        solicitation = solicitation.asked(solicitation.at, lambda: MIDDLE)
    answered = solicitation.answered()
    assert answered == Solicitation()
    again = answered.start(1000.0, lambda: MIDDLE)
    assert again.at == 1000.5
    assert again.asked(again.at, lambda: MIDDLE).pause == 4.0


def test_a_request_waits_for_its_delay():
    requested = Requested()
    requested.add("fe80::1", 10.0, 0.5)

    assert requested.at == 10.5
    assert requested.due(10.4) == []
    assert requested.due(10.5) == ["fe80::1"]


def test_a_second_request_for_one_router_is_not_a_second_solicitation():
    requested = Requested()
    requested.add("", 10.0, 0.0)
    requested.add("", 10.2, 1.0)
    requested.sent("", 10.2)

    assert requested.at == inf


def test_a_router_is_solicited_again_only_after_the_pause():
    requested = Requested()
    requested.sent("", 10.0)
    requested.add("", 10.5, 0.0)
    requested.add("fe80::1", 10.5, 0.0)

    assert requested.due(13.9) == ["fe80::1"]
    assert requested.due(14.0) == ["", "fe80::1"]


def test_a_router_that_was_heard_need_not_be_asked_but_all_still_are():
    requested = Requested()
    for router in ("", "fe80::1", "fe80::2"):
        requested.add(router, 10.0, 1.0)
    requested.answered("fe80::1")

    assert requested.due(11.0) == ["", "fe80::2"]


def test_more_routers_than_are_remembered_are_not_asked_for():
    requested = Requested()
    for number in range(MOST_ROUTERS + 40):
        requested.add(f"fe80::{number:x}", 10.0, 0.0)

    assert len(requested.due(10.0)) == MOST_ROUTERS
