"""What each router said last, and what it still stands by."""

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.advertisement import INFINITY, Preference, Router, UnknownOption
from gitops_prefix.decide.announcement import NOT_ASKED, Announcement, Asked
from gitops_prefix.decide.candidate import Oddity, RouterWarning, warnings
from gitops_prefix.decide.other_sources import KernelPrefix, accept
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.routers import (
    LONGEST_INTERVAL,
    MOST_LEFT_OUT,
    MOST_ROUTERS,
    answers_read,
    ask_anew,
    forget,
    heard,
    observe,
    solicited,
)
from tests.decide.routers_saying import (
    FIRST,
    LOCAL,
    SECOND,
    A,
    B,
    C,
    LinkDown,
    Says,
    Walker,
    heard_after,
    pio,
    saying,
    watching,
)

ELSEWHERE = Router("eth1", "fe80::1")
INTERNET = Prefix.parse("2000::/3")


def standing(routers, now):
    """The prefixes that a router still stands by."""
    return {
        item.announcement.information.prefix
        for item in heard(routers)
        if item.state.stands_by(item.announcement, now)
    }


PAIRS = [(0, (A,)), (0.1, (B,)), (600, (A,)), (600.1, (B,))]


@pytest.mark.parametrize(
    ("said", "now", "stands"),
    [
        pytest.param([(0, (A, B))], 0, {A, B}, id="what the newest advertisement carries"),
        pytest.param([(0, (A,))], 1e9, {A}, id="silence alone takes nothing back"),
        pytest.param([(0, (A,)), (1, (A, B))], 1, {A, B}, id="a prefix added"),
        pytest.param([(0, (A, B)), (1, (A,))], 1, {A}, id="a prefix left out"),
        pytest.param([(0, (A,)), (1, (B,))], 1, {B}, id="a prefix exchanged (RFC 8978)"),
        pytest.param(
            [(0, (A,)), (1, (INTERNET,))], 1, {A, INTERNET}, id="what nobody has displaces nothing"
        ),
        pytest.param([(0, (A,)), (1, ())], 1, {A}, id="without any: nothing follows (RFC 4861 9)"),
        pytest.param(
            [(0, (A,)), (1, (B,)), (2, (A,))], 2, {A, B}, id="one that comes back: both stand"
        ),
        pytest.param(
            [(0, (A,)), (1, (B,)), (2, (A,)), (3, (B,))], 3, {A, B}, id="both came back: spread"
        ),
        pytest.param([(0, (A,)), (1, (B,)), (2, (A,)), (3, (B,))], 61.9, {A, B}, id="for a minute"),
        pytest.param(
            [(0, (A,)), (1, (B,)), (2, (A,)), (3, (B,))], 69, {A, B}, id="then it is asked"
        ),
        pytest.param(
            [(0, (A,)), (1, (B,)), (2, (A,)), (3, (B,))],
            71,
            {A, B},
            id="who does not answer at all takes nothing back",
        ),
        pytest.param(
            [(0, (A,)), (1, (B,)), (2, (A,)), (3, (B,)), (62.5, (B,))],
            70,
            {B},
            id="who answers without it does",
        ),
        pytest.param(
            [(0, (A,)), (1, (B,)), (2, (A,)), (3, (B,)), (4, (C,))],
            4,
            {C},
            id="a spreading router that brings a new prefix has renumbered",
        ),
        pytest.param(
            [(0, (A,)), *((at, (B,)) for at in (20, 40, 60)), (79, (A,))],
            79,
            {A, B},
            id="what comes back within three intervals, at least a minute, is spread",
        ),
        pytest.param(
            [(0, (A,)), *((at, (B,)) for at in (20, 40, 60)), (80, (A,))],
            80,
            {A},
            id="later it is a renumbering",
        ),
        pytest.param(
            [(0, (A,)), (0.1, (B,)), (600, (A,)), (600.1, (B,)), (1200, (A,))],
            1200,
            {A, B},
            id="spread over two, one behind the other, every ten minutes",
        ),
        pytest.param(
            [*PAIRS, (1200, (A,))], 2400, {A, B}, id="one of which is lost: it has three intervals"
        ),
        pytest.param(
            [*PAIRS, (1200, (A,)), (1800, (A,)), (2400.2, (A,))],
            2408.2,
            {A},
            id="and no more, if asked twice in vain",
        ),
        pytest.param(
            [(0, (A, B)), (1, (A,)), (2, (A, B)), (3, (A,))],
            3,
            {A},
            id="who sends all in one does not spread them",
        ),
        pytest.param(
            [(0, (A,)), (200, (B,)), (200.01, (A,)), (400, (B,)), (403, (B,))],
            403,
            {A, B},
            id="what an overtaken advertisement brought back stands for three intervals",
        ),
        pytest.param(
            [*PAIRS, (1200.1, (B,)), (1800, (A,))],
            1800,
            {A, B},
            id="a lost one does not make a router that spreads one that does not",
        ),
        pytest.param(
            [*PAIRS, (601, (A,)), (601.1, (B,)), (1200, (A,))],
            1200,
            {A, B},
            id="nor does a round that was solicited, out of turn",
        ),
        pytest.param(
            [*PAIRS, *((at, (A,)) for at in (1200, 1800, 2400)), (3000, (B,)), (3001, (A,))],
            3001,
            {A, B},
            id="who was overdue and comes back shows again that they are spread",
        ),
        pytest.param(
            [(0, (C,)), *((10 * turn, ((A,), (B,))[turn % 2]) for turn in range(1, 9)), (90, (C,))],
            90,
            {C},
            id="a prefix of long ago is a new one, too",
        ),
    ],
)
def test_absence_counts_unless_the_router_spreads_its_prefixes(said, now, stands):
    walker = Walker(watching())
    for at, prefixes in said:
        walker.take(Says(at, saying(*prefixes)))
    walker.wait(now)

    assert standing(walker.routers, now) == stands


@pytest.mark.parametrize(
    ("information", "now", "valid", "preferred"),
    [
        pytest.param(pio(A, 60, 90), 10, 80, 50, id="counted from when it was heard"),
        pytest.param(pio(A, 60, 90), 100, -10, -40, id="run out"),
        pytest.param(pio(A, 60, INFINITY), 1e9, inf, 60 - 1e9, id="infinity stays"),
        pytest.param(pio(A, 0, INFINITY - 1), 0, INFINITY - 1, 0, id="one less is finite"),
    ],
)
def test_lifetimes_run_from_the_moment_they_were_heard(information, now, valid, preferred):
    [item] = heard(heard_after(Says(0, saying(information))))

    assert item.announcement.valid_for(now) == valid
    assert item.announcement.preferred_for(now) == preferred


@pytest.mark.parametrize(
    "said",
    [
        pytest.param((pio(A, 60, 90), pio(A, 70, 100)), id="twice in one advertisement"),
        pytest.param((pio(A, 70, 100),), id="once"),
    ],
)
def test_the_last_option_for_a_prefix_counts(said):
    [item] = heard(heard_after(Says(0, saying(*said))))

    assert item.announcement.information == pio(A, 70, 100)


def test_a_repetition_renews_lifetimes_and_preference():
    events = Says(0, saying(A)), Says(50, saying(pio(A, 5, 9), preference=Preference.HIGH))

    [item] = heard(heard_after(*events))

    assert item.state.preference is Preference.HIGH
    assert item.announcement.valid_for(50) == 9


def test_a_router_is_named_by_its_address_and_link():
    assert str(FIRST) == "fe80::1%eth0"


def test_routers_do_not_speak_for_each_other():
    events = Says(0, saying(A)), Says(1, saying(B), SECOND), Says(2, saying(C), ELSEWHERE)

    assert standing(heard_after(*events), 2) == {A, B, C}


def test_a_link_that_goes_down_takes_its_own_routers_along():
    events = Says(0, saying(A)), Says(1, saying(B), SECOND), Says(2, saying(C), ELSEWHERE)

    assert standing(heard_after(*events, LinkDown(3)), 3) == {C}
    assert forget({}, "eth0") == {}


FLOOD = [Router("eth0", f"fe80::{number + 16:x}") for number in range(MOST_ROUTERS + 2)]


def test_a_flood_of_routers_displaces_its_own_and_not_the_router_we_know():
    known = Says(0, saying(A)), Says(0, saying(C), ELSEWHERE)
    events = [Says(1 + number, saying(B), router) for number, router in enumerate(FLOOD)]

    routers = heard_after(*known, *events)

    assert set(routers) == {FIRST, ELSEWHERE, *FLOOD[: MOST_ROUTERS - 2], FLOOD[-1]}


def test_who_fell_silent_goes_before_all_others():
    known = Says(0, saying(A)), Says(9, saying(B), SECOND)
    events = [
        Says(LONGEST_INTERVAL + number / 100, saying(C), router)
        for number, router in enumerate(FLOOD[: MOST_ROUTERS - 1])
    ]

    assert set(heard_after(*known, *events)) == {SECOND, *FLOOD[: MOST_ROUTERS - 1]}


def test_a_router_is_silent_after_the_longest_interval_and_not_before():
    others = [Says(9, saying(B), router) for router in FLOOD[: MOST_ROUTERS - 1]]
    for now, left in ((LONGEST_INTERVAL - 1, FLOOD[0]), (LONGEST_INTERVAL, FIRST)):
        routers = heard_after(Says(0, saying(A)), *others, Says(now, saying(C), FLOOD[-1]))
        assert {FIRST, *FLOOD[: MOST_ROUTERS - 1]} - set(routers) == {left}


def test_one_router_that_makes_up_prefixes_fills_no_memory():
    made_up = [Prefix((0x20010DB8 << 96) + (number << 64), 64) for number in range(99, 999)]
    events = [Says(number, saying(prefix)) for number, prefix in enumerate(made_up)]

    prefixes = [item.announcement.information.prefix for item in heard(heard_after(*events))]

    assert prefixes == made_up[-MOST_LEFT_OUT - 1 :]


@pytest.mark.parametrize(("every", "window"), [(1, 60), (20, 60), (21, 63), (9000, 5400)])
def test_what_is_left_out_may_return_for_three_intervals_and_at_least_a_minute(every, window):
    left = Announcement(pio(A), 100, every, left_at=101)
    assert (left.is_in_turn(99 + window), left.is_in_turn(100 + window)) == (True, False)


@pytest.mark.parametrize(
    ("now", "remembered"),
    [
        pytest.param(89, {A, B}, id="while it is valid"),
        pytest.param(149, {A, B}, id="and a minute longer, for its router may be asked"),
        pytest.param(150, {B}, id="and no longer"),
    ],
)
def test_what_is_left_out_is_remembered_for_its_lifetime(now, remembered):
    routers = heard_after(Says(0, saying(pio(A, 60, 90))), Says(1, saying(B)), Says(now, saying(B)))

    assert {item.announcement.information.prefix for item in heard(routers)} == remembered


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 30, 60, 61]),
            st.sampled_from([FIRST, SECOND, ELSEWHERE]),
            st.lists(st.sampled_from([A, B, C]), max_size=3),
        ),
        max_size=12,
    )
)
def test_the_newest_advertisement_stands_and_routers_do_not_touch_each_other(said):
    routers, now = {}, 0.0
    for step, router, prefixes in said:
        now += step
        before = dict(routers)
        routers = observe(routers, router, saying(*prefixes), now)

        assert set(prefixes) <= standing({router: routers[router]}, now)
        assert {known: routers[known] for known in before if known != router} == {
            known: state for known, state in before.items() if known != router
        }


ZERO = saying(lifetime=0)
NEWS = {
    "the same again": ([Says(0, saying(A))], saying(A), False),
    "other lifetimes": ([Says(0, saying(A))], saying(pio(A, 9, 9)), True),
    "another preference": ([Says(0, saying(A))], saying(A, preference=Preference.HIGH), True),
    "a new prefix": ([Says(0, saying(A))], saying(A, B), True),
    "one of two that stand": ([Says(0, saying(A, B))], saying(A), True),
    "the global one of two kinds": ([Says(0, saying(A)), Says(0, saying(LOCAL))], saying(A), False),
    "one that was left out": ([Says(0, saying(A)), Says(0.5, saying(B))], saying(A), True),
    "the one that left it out": ([Says(0, saying(A)), Says(0.5, saying(B))], saying(B), False),
    "a deprecated one again": ([Says(0, saying(A, pio(B, 0, 9)))], saying(pio(B, 0, 9)), False),
    "a farewell": ([Says(0, saying(A))], ZERO, True),
    "back after a farewell": ([Says(0, saying(A)), Says(0.5, ZERO)], saying(A), True),
    "a router lifetime of 0, as always": ([Says(0, saying(A, lifetime=0))], ZERO, False),
    "a router lifetime of 0, taken back three times": (
        [Says(turn / 10, (saying(A), ZERO)[turn % 2]) for turn in range(7)],
        ZERO,
        False,
    ),
    "a router lifetime of 0, taken back twice": (
        [Says(turn / 10, (saying(A), ZERO)[turn % 2]) for turn in range(5)],
        ZERO,
        True,
    ),
    "a router lifetime of 0, taken back three times, longer ago than an hour": (
        [*(Says(turn - 3700, (saying(A), ZERO)[turn % 2]) for turn in range(7)), Says(0, saying(A))],
        ZERO,
        True,
    ),
    "no word for half an hour": ([Says(-1800, saying(A))], saying(A), True),
    "a lifetime that ran out": ([Says(-60, saying(pio(A, 60, 60), lifetime=0))], saying(pio(A, 60, 60), lifetime=0), True),
}  # fmt: skip


@pytest.mark.parametrize(("events", "advertisement", "news"), NEWS.values(), ids=NEWS)
def test_an_advertisement_that_only_renews_lifetimes_is_no_news(events, advertisement, news):
    state = heard_after(*events)[FIRST]

    assert state.is_renewed_by(advertisement, 1) is not news


def test_a_router_that_was_asked_is_news_whatever_it_says():
    walker = Walker(watching())
    walker.take(Says(0, saying(pio(A, 60, 60))))
    walker.wait(61)

    assert not walker.routers[FIRST].is_renewed_by(saying(pio(A, 60, 60)), 61)


def test_a_router_that_speaks_after_it_was_asked_for_another_prefix_is_news_once():
    """That it is there makes its silence about the other prefix a withdrawal."""
    turns = [Says(10.0 * turn, saying((A, B)[turn % 2])) for turn in range(6)]
    heard = heard_after(*turns, *(Says(50.0 + 10 * turn, saying(B)) for turn in range(1, 9)))
    overdue = heard[FIRST].announcements[A].doubtful_at
    assert overdue < 140
    asked = solicited(heard, "eth0", 135.0)
    spoke = observe(asked, FIRST, saying(B), 140.0)
    assert not asked[FIRST].is_renewed_by(saying(B), 140.0)
    assert spoke[FIRST].is_renewed_by(saying(B), 145.0)


def test_the_kernel_is_not_asked():
    kernel = accept({}, "eth0", [KernelPrefix(pio(A, 60, 90), 0, 0)], 0)

    assert solicited(kernel, "eth0", 61) == kernel


TWO_HARDWARE_ADDRESSES = tuple(
    saying(A)._replace(unknown=(UnknownOption(1, bytes.fromhex(text)), UnknownOption(24, b"")))
    for text in ("020000000001", "020000000002")
)
TWO_HOP_LIMITS = (saying(A), saying(A)._replace(hop_limit=255))
BORDER_ROUTER = (saying(A)._replace(other=True), saying(lifetime=0)._replace(snac_router=True))
TWO_SPEAKERS = (Oddity(FIRST, RouterWarning.TWO_SPEAKERS),)


def swapping(turns, last, said=TWO_HOP_LIMITS):
    """What is odd about a router that says two things by turns."""
    spoke = (Says(10.0 * turn, said[turn % 2]) for turn in range(turns))
    return warnings(heard_after(*spoke), last)


def test_two_speakers_behind_one_address_are_noticed():
    assert swapping(6, 60) == TWO_SPEAKERS
    assert swapping(6, 60, TWO_HARDWARE_ADDRESSES) == TWO_SPEAKERS
    assert swapping(6, 60, (TWO_HARDWARE_ADDRESSES[0], saying(A))) == ()
    assert swapping(6, 60, BORDER_ROUTER) == ()
    assert swapping(6, 1e5) == ()
    assert swapping(2, 20) == ()
    walker = Walker(watching())
    for turn in range(6):
        decision = walker.take(Says(10 * turn, saying(A)._replace(managed=bool(turn % 2))))
    assert decision.warnings == TWO_SPEAKERS


ODD_PREFIXES = {
    "a /48 on the link": ("2001:db8:a::/48", 14400, "LA", RouterWarning.NOT_64),
    "a /60 on the link, with addresses by DHCPv6": (
        "2001:db8:a::/60", 14400, "L", RouterWarning.NOT_64,
    ),
    "a /60 for addresses alone": ("2001:db8:a::/60", 14400, "A", RouterWarning.UNUSABLE),
    "a /72 for addresses alone": ("2001:db8:a::/72", 14400, "A", RouterWarning.UNUSABLE),
    "a /72 on the link": ("2001:db8:a::/72", 14400, "LA", None),
    "a /56 for DHCPv6-PD": ("2001:db8:a::/56", 14400, "", None),
    "a /60 that is deprecated": ("2001:db8:a::/60", 0, "LA", None),
    "a /64": ("2001:db8:a::/64", 14400, "A", None),
}  # fmt: skip


@pytest.mark.parametrize(
    ("prefix", "preferred", "flags", "warning"), ODD_PREFIXES.values(), ids=ODD_PREFIXES
)
def test_a_prefix_that_no_host_could_use_is_noticed(prefix, preferred, flags, warning):
    announced = Prefix.parse(prefix)
    routers = heard_after(Says(0, saying(pio(announced, preferred, flags=flags))))
    found = [Oddity(FIRST, warning, announced)] if warning else []
    assert [*warnings(routers, 1)] == found
    assert [f"fe80::1%eth0 announces {prefix}: {warning}"] * len(found) == [*map(str, found)]


def test_a_prefix_that_is_announced_no_more_is_not_odd():
    large = pio(Prefix.parse("2001:db8:a::/60"))
    assert warnings(heard_after(Says(0, saying(large)), Says(5, saying(A))), 5) == ()


def test_a_farewell_is_no_answer_to_the_question_that_it_raises():
    """It carries the prefix, and the router is asked at once; nobody answers."""
    routers = heard_after(Says(-10, saying(A)), Says(0, saying(A, lifetime=0)))
    for second in (0, 4):
        routers = solicited(routers, "eth0", second)

    state = routers[FIRST]
    assert state.is_silent(state.announcements[A], 8)
    assert not state.is_silent(state.announcements[A], 7)


@pytest.mark.parametrize(
    ("answered_at", "every"),
    [
        pytest.param(81, 49, id="it speaks less often than was observed"),
        pytest.param(4000, LONGEST_INTERVAL, id="no router speaks less often than that"),
    ],
)
def test_a_router_that_was_asked_for_its_silence_and_is_there(answered_at, every):
    """At its start a router sends three advertisements, 16 s apart (RFC 4861 6.2.4)."""
    says = saying(A, lifetime=9000)
    routers = heard_after(*(Says(at, says) for at in (0, 16, 32)))
    asked = solicited(routers, "eth0", answered_at - 1)
    answered = observe(asked, FIRST, says, answered_at)
    assert (routers[FIRST].every, answered[FIRST].every) == (16, every)


def test_where_nobody_can_be_asked_a_lifetime_that_ran_out_counts_and_silence_does_not():
    """As for a host (RFC 4861 6.3.5): IPv6 was switched off on the link, or a firewall is closed."""
    routers = observe({}, FIRST, saying(pio(A, preferred=7000)), 0)
    for now in (1800, 1804):
        routers = solicited(routers, "eth0", now - 1, sent=False)
        assert not routers[FIRST].is_gone(now + 4)
        routers = solicited(routers, "eth0", now, sent=False)
    assert not routers[FIRST].is_gone(1807)
    assert routers[FIRST].is_gone(1808)
    assert routers[FIRST].solicited_at == -inf
    announcement = routers[FIRST].announcements[A]
    assert announcement.asked == NOT_ASKED
    for now in (6999, 7000, 7004):
        routers = solicited(routers, "eth0", now, sent=False)
    assert routers[FIRST].announcements[A].asked == Asked(refused=(7000, 7004))


TRIES = {
    "two were sent": ("ss", 1808),
    "the first could not be sent": ("rss", 1812),
    "nor could the second": ("rr", 1808),
    "one could not be sent in between": ("srs", 1812),
    "nor the next two": ("srr", 1812),
}


@pytest.mark.parametrize(("tries", "gone_at"), TRIES.values(), ids=TRIES)
def test_a_solicitation_that_could_not_be_sent_is_no_round_of_those_that_were(tries, gone_at):
    routers = heard_after(Says(0, saying(A)))
    for place, letter in enumerate(tries):
        now = 1800 + 4 * place
        assert not routers[FIRST].is_gone(now)
        assert routers[FIRST].asked.due_at(1800) == now
        routers = solicited(routers, "eth0", now, sent=letter == "s")
    assert not routers[FIRST].is_gone(gone_at - 1)
    assert routers[FIRST].is_gone(gone_at)


def test_silence_counts_only_once_the_answers_were_read():
    """A machine that stood still finds the answer in the socket, however late it looks."""
    routers = heard_after(Says(0, saying(A)))
    for now in (1800, 1804):
        routers = solicited(routers, "eth0", now, read=False)
        assert routers[FIRST].asked.due_at(1800) == inf
        assert routers[FIRST].asked.waits_for(1800, now + 9) == inf
        assert not routers[FIRST].is_gone(now + 9)
        assert answers_read(routers, "eth0", now - 1) == routers
        assert answers_read(routers, "eth1", now) == routers
        read = answers_read(routers, "eth0", now)
        assert routers[FIRST].asked.unread and not read[FIRST].asked.unread
        if now == 1800:
            assert read[FIRST].asked.due_at(1800) == 1804
            routers = read
    assert read[FIRST].is_gone(1808)
    assert ask_anew(read, "eth0") == read
    anew = ask_anew(routers, "eth0")
    assert anew[FIRST].asked == NOT_ASKED
    assert anew == heard_after(Says(0, saying(A))) | {
        FIRST: replace(anew[FIRST], asked=NOT_ASKED, solicited_at=1804)
    }


def test_a_router_that_was_asked_for_its_farewell_keeps_its_interval():
    says = saying(A, lifetime=9000)
    routers = heard_after(Says(0, says), Says(100, says), Says(110, saying(lifetime=0)))
    answered = observe(solicited(routers, "eth0", 110), FIRST, says, 111)
    assert answered[FIRST].every == 100
