"""Which prefix is current: each rule of docs/selection.md is a scenario here."""

from datetime import timedelta
from typing import NamedTuple

import pytest

from gitops_prefix.decide.advertisement import INFINITY, Preference
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import GRACE, HOUR, Selection, Standing, select
from gitops_prefix.decide.specification import Acquisition, Specification, Transition
from gitops_prefix.decide.status import PrefixSource
from tests.decide.routers_saying import (
    FIRST,
    LOCAL,
    SECOND,
    A,
    B,
    C,
    Event,
    LinkDown,
    Look,
    Says,
    Walker,
    pio,
    saying,
    walk,
    watching,
)

HIGH = Preference.HIGH
D = Prefix.parse("2001:db8:d::/64")
TURNS = (A, B, C, D)
CURRENT, FAILED = Standing.CURRENT, Standing.FAILED_STATIC
WAITING, STABILIZING, HELD = Standing.WAITING, Standing.STABILIZING, Standing.HELD
WINDOW = Transition(stabilization_window=timedelta(seconds=30))


class Scenario(NamedTuple):
    """What happens, and for each event the prefix that is current then."""

    events: tuple[Event, ...]
    current: tuple[Prefix | None, ...]
    standing: Standing = CURRENT
    specification: Specification = watching()
    known: Prefix | None = None


SCENARIOS = {
    "the first candidate is taken at once": Scenario((Says(0, saying(A)),), (A,)),
    "without a candidate there is nothing to take": Scenario(
        (Says(0, saying(LOCAL)),), (None,), WAITING
    ),
    "the first one waits for no window": Scenario(
        (Says(0, saying(A)),), (A,), specification=watching(WINDOW)
    ),
    "a better router does not move the current prefix at once": Scenario(
        (
            Says(0, saying(A)),
            Says(1, saying(pio(B, 99999, 99999), preference=HIGH), SECOND),
            Look(600.9),
        ),
        (A, A, A),
    ),
    "of two prefixes of one router the current one stays": Scenario(
        (Says(0, saying(B)), Says(1, saying(A, B))), (B, B)
    ),
    "flash renumbering: the newest advertisement has another (RFC 8978)": Scenario(
        (Says(0, saying(A)), Says(1, saying(B))), (A, B)
    ),
    "withdrawn: valid lifetime 0": Scenario(
        (Says(0, saying(A)), Says(1, saying(pio(A, 0, 0), B))), (A, B)
    ),
    "deprecated: preferred lifetime 0 (RFC 9096)": Scenario(
        (Says(0, saying(A)), Says(1, saying(pio(A, 0, 7200), B))), (A, B)
    ),
    "a lifetime cut to two hours is a candidate still (RFC 4862 5.5.3 e)": Scenario(
        (Says(0, saying(A)), Says(1, saying(pio(A, 60, 7200), B))), (A, A)
    ),
    "withdrawn by one router, still announced by the other": Scenario(
        (Says(0, saying(A)), Says(0, saying(A, B), SECOND), Says(1, saying(pio(A, 0, 0)))),
        (A, A, A),
    ),
    "its preferred lifetime ran out, and another is there": Scenario(
        (Says(0, saying(A)), Says(0, saying(pio(A, 60), B)), Look(67.9), Look(68)), (A, A, A, B)
    ),
    "fail static: withdrawn, and nothing else": Scenario(
        (Says(0, saying(A)), Says(1, saying(pio(A, 0, 0)))), (A, None), FAILED
    ),
    "fail static: a lifetime that ran out": Scenario(
        (Says(0, saying(pio(A, 60, 90))), Look(91)), (A, None), FAILED
    ),
    "an advertisement without prefixes says nothing about them (RFC 4861 9)": Scenario(
        (Says(0, saying(A)), Says(1, saying())), (A, A)
    ),
    "nor does one with a local prefix alone": Scenario(
        (Says(0, saying(A)), Says(1, saying(LOCAL))), (A, A)
    ),
    "fail static: the link went away": Scenario(
        (Says(0, saying(A)), LinkDown(1)), (A, None), FAILED
    ),
    "infinity never runs out": Scenario(
        (Says(0, saying(pio(A, INFINITY, INFINITY), lifetime=0)), Look(1e9)), (A, A)
    ),
    "given up is not taken back within a minute": Scenario(
        (Says(0, saying(LOCAL)), Says(1, saying(A)), Says(2, saying(LOCAL), SECOND), Look(9)),
        (LOCAL, A, A, A),
        specification=watching(require_global_unicast=False),
    ),
    "given up, and better: it returns after the minute": Scenario(
        (
            Says(0, saying(A)),
            Says(1, saying(pio(A, 0, 9), B)),
            Says(2, saying(pio(B, 0, 9), C, pio(A, 99999, 99999))),
            Look(60.9),
            Says(61, saying(pio(C, 0, 9), pio(A, 99999, 99999))),
        ),
        (A, B, C, C, A),
    ),
    "given up, but the only candidate: taken back at once": Scenario(
        (Says(0, saying(A)), Says(1, saying(B)), Says(2, saying(A, pio(B, 0, 9)))), (A, B, A)
    ),
    "taken back, it is as firm as any current one": Scenario(
        (
            Says(0, saying(A)),
            Says(1, saying(B)),
            Says(2, saying(A, pio(B, 0, 9))),
            Says(3, saying(C), SECOND),
        ),
        (A, B, A, A),
    ),
    "a global prefix displaces a local one": Scenario(
        (Says(0, saying(LOCAL)), Says(1, saying(LOCAL, A))),
        (LOCAL, A),
        specification=watching(require_global_unicast=False),
    ),
    "a local prefix never displaces a global one": Scenario(
        (Says(0, saying(A)), Says(1, saying(pio(A), LOCAL), SECOND)),
        (A, A),
        specification=watching(require_global_unicast=False),
    ),
    "the window holds a change back": Scenario(
        (Says(0, saying(A)), Says(1, saying(B)), Look(30.9)),
        (A, A, A),
        STABILIZING,
        watching(WINDOW),
    ),
    "the window over, the change is made": Scenario(
        (Says(0, saying(A)), Says(1, saying(B)), Look(31)), (A, A, B), CURRENT, watching(WINDOW)
    ),
    "a rival that goes away within the window changes nothing": Scenario(
        (Says(0, saying(A)), Says(1, saying(B)), Says(9, saying(A)), Look(40)),
        (A, A, A, A),
        CURRENT,
        watching(WINDOW),
    ),
    "a rival that comes again waits its window anew": Scenario(
        (
            Says(0, saying(A)),
            Says(1, saying(pio(A, 0, 0), B)),
            Says(9, saying(A, B)),
            Says(20, saying(pio(A, 0, 0), B)),
            Look(49.9),
            Look(50),
        ),
        (A, A, A, A, A, B),
        CURRENT,
        watching(WINDOW),
    ),
    "another rival waits its own window": Scenario(
        (Says(0, saying(A)), Says(1, saying(B)), Says(20, saying(C)), Look(49.9), Look(50)),
        (A, A, A, A, C),
        CURRENT,
        watching(WINDOW),
    ),
    "a router that spreads its prefixes settles on one (RFC 4861 6.2.3)": Scenario(
        tuple(Says(10 * turn, saying((A, B)[turn % 2])) for turn in range(8)),
        (A, B, B, B, B, B, B, B),
    ),
    "and when it stops spreading them, the silent one is given up": Scenario(
        (
            *(Says(10 * turn, saying((A, B)[turn % 2])) for turn in range(8)),
            *(Says(10 * turn, saying(A)) for turn in range(8, 16)),
        ),
        # B was heard at 70 last: overdue at 130, asked for at 130 and 134.
        (A, *[B] * 13, A, A),
    ),
    "too many changes in an hour: the current one is held": Scenario(
        (*(Says(at, saying(TURNS[at])) for at in range(4)), Look(HOUR)),
        (A, B, C, C, C),
        HELD,
        watching(Transition(max_changes_per_hour=2)),
    ),
    "and goes once the hour has passed": Scenario(
        (
            *(Says(at, saying(pio(TURNS[at], INFINITY, INFINITY))) for at in range(4)),
            Look(HOUR + 1),
        ),
        (A, B, C, C, D),
        CURRENT,
        watching(Transition(max_changes_per_hour=2)),
    ),
    "after a start, another router is heard first: a few seconds for the others": Scenario(
        (Says(0, saying(B), SECOND), Look(4.9), Says(4.9, saying(A)), Look(99)),
        (None, None, A, A),
        known=A,
    ),
    "after a start, the renumbering that was missed is made once they are over": Scenario(
        (Says(0, saying(B)), Look(4.9), Look(5)), (None, None, B), known=A
    ),
    "after a start, its own router withdraws it: the new one at once": Scenario(
        (Says(0, saying(pio(A, 0, 0), B)),), (B,), known=A
    ),
    "after a start, all that `routers` names were heard: the new one at once": Scenario(
        (Says(0, saying(B)),), (B,), CURRENT, watching(routers=(FIRST.address,)), known=A
    ),
    "a start within stabilizationWindow: the longer of both counts, not their sum": Scenario(
        (Says(0, saying(B)), Look(6), Look(30)), (None, A, B), CURRENT, watching(WINDOW), known=A
    ),
    "repeated, lost and renewed advertisements change nothing": Scenario(
        (Says(0, saying(A)), Says(5, saying(A)), Says(900, saying(pio(A, 60, 90))), Look(950)),
        (A, A, A, A),
    ),
    "a router lifetime of 0 says nothing about prefixes": Scenario(
        (Says(0, saying(A)), Says(1, saying(A, B)._replace(router_lifetime=0))), (A, A)
    ),
    "a router that is gone keeps its prefix where no other is a default router": Scenario(
        (
            Says(0, saying(A)),
            Says(1, saying(B, lifetime=0), SECOND),
            Says(9, saying(A, lifetime=0)),
        ),
        (A, A, A),
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_the_current_prefix_follows_the_rules(scenario):
    known = Selection(current=scenario.known)
    decisions = walk(scenario.specification, *scenario.events, selection=known)

    assert tuple(one.choice.prefix for one in decisions) == scenario.current
    assert decisions[-1].standing is scenario.standing


GONE_SPREADING = {
    "overdue, before the router is": (saying(A), saying(B), 30, 14400),
    "lifetimes that run out first": (saying(pio(A, 90)), saying(pio(B, 90)), 30, 14400),
    "lifetimes that run out long before": (
        saying(pio(A, 900), lifetime=9000),
        saying(pio(B, 900), lifetime=9000),
        600,
        14400,
    ),
}


@pytest.mark.parametrize(
    ("one", "other", "interval", "until"), GONE_SPREADING.values(), ids=GONE_SPREADING
)
@pytest.mark.parametrize("apart", [0.1, 14])
def test_a_router_that_spreads_its_prefixes_and_goes_moves_nothing(
    one, other, interval, until, apart
):
    """Its silence about one of them is its silence about all; another router takes over at once."""
    for rival in (False, True):
        walker = Walker(watching(), Selection(current=A))
        walker.take(Says(-20, other))
        for turn in range(10):
            walker.take(Says(interval * turn, one))
            walker.take(Says(interval * turn + apart, other))
        if rival:
            walker.take(Says(interval * 9 + apart, saying(C), SECOND))
            walker.answers[SECOND] = (saying(C),)
        before, current = len(walker.decisions), walker.selection.current
        walker.wait(until)
        held = [decision.current for decision in walker.decisions[before:]]
        moves = [
            prefix for last, prefix in zip([current, *held], held, strict=False) if prefix != last
        ]
        assert moves == ([C] if rival else [])
        assert walker.decisions[-1].standing is (Standing.CURRENT if rival else Standing.GONE)


def test_a_failed_prefix_is_still_remembered_as_the_current_one():
    decisions = walk(watching(), Says(0, saying(A)), LinkDown(1), Says(2, saying(B, A)))

    assert [one.current for one in decisions] == [A, A, A]


def test_the_prefix_of_the_repository_stays_across_a_restart():
    first = select(Selection(current=B), watching(), {}, 0)
    [heard] = walk(watching(), Says(5, saying(A, B)), selection=first.selection)

    assert (first.choice.prefix, first.standing, heard.choice.prefix) == (None, FAILED, B)


def test_a_static_prefix_needs_no_router():
    specification = Specification("home", Acquisition(static=C))

    decision = select(Selection(current=A), specification, {}, 0)

    assert (decision.choice.prefix, decision.choice.source) == (C, PrefixSource.STATIC)
    assert (decision.current, decision.standing) == (C, Standing.STATIC)


SPREADING = tuple(Says(10 * turn, saying((A, B)[turn % 2])) for turn in range(12))
SHORT = watching(Transition(stabilization_window=timedelta(seconds=0.1)))


@pytest.mark.parametrize(
    ("specification", "events", "due", "then"),
    [
        pytest.param(
            watching(WINDOW), (Says(0, saying(A)), Says(1, saying(B))), 31, B, id="a window ends"
        ),
        pytest.param(
            watching(),
            (Says(0, saying(C)), LinkDown(7), Says(9, saying(B), SECOND)),
            9 + GRACE,
            B,
            id="the other routers had their few seconds",
        ),
        pytest.param(
            # (0.7 + 0.1) - 0.7 is less than 0.1 in binary fractions.
            SHORT,
            (Says(0, saying(A)), Says(0.7, saying(B))),
            0.7 + 0.1,
            B,
            id="a window ends, whatever rounding says",
        ),
        pytest.param(
            watching(),
            (Says(0, saying(pio(A, 60))), Says(1, saying(B), SECOND), Look(66)),
            68,
            B,
            id="a lifetime that ran out, and nobody answered",
        ),
        pytest.param(
            watching(),
            (*SPREADING, *(Says(at, saying(A)) for at in (*range(120, 180, 10), 175))),
            178,
            A,
            id="a router that spread its prefixes is silent about one",
        ),
        pytest.param(
            watching(Transition(max_changes_per_hour=1)),
            (
                Says(0, saying(A)),
                Says(1, saying(B)),
                Says(70, saying(pio(C, INFINITY, INFINITY), lifetime=0)),
                Look(2000),
            ),
            1 + HOUR,
            C,
            id="an hour with too many changes is over",
        ),
        pytest.param(
            watching(return_after=timedelta(0), prefer_routers=(FIRST.address,)),
            (
                Says(0, saying(A)),
                Says(1, saying(B), SECOND),
                Says(2, saying(pio(A, 0, 9999))),
                Says(3, saying(A)),
            ),
            62,
            A,
            id="the minute of what was given up is over",
        ),
        pytest.param(
            watching(return_after=timedelta(seconds=100), prefer_routers=(FIRST.address,)),
            (
                Says(0, saying(A)),
                Says(1, saying(B), SECOND),
                Says(2, saying(pio(A, 0, 9999))),
                Says(3, saying(A)),
                Look(70),
            ),
            103,
            A,
            id="the preferred router is back for returnAfter, in the minute of what was given up, too",
        ),
    ],
)
def test_the_next_look_is_when_time_alone_changes_the_answer(specification, events, due, then):
    decisions = walk(specification, *events, Look(due))

    assert decisions[-2].look_again_at == due
    assert decisions[-2].current != decisions[-1].current == then


def test_the_prefix_of_a_router_that_is_gone_replaces_no_other():
    """A CPE was replaced, and the new one reboots: its short lifetimes end; the old one is dead."""
    walker = Walker(watching())
    walker.take(Says(0, saying(pio(A, INFINITY, INFINITY))))
    for at in range(20, 2000, 20):
        walker.take(Says(at, saying(pio(B, 45, 60)), SECOND))
    assert walker.decisions[-1].current == B

    last = walker.take(Look(2200))
    assert (last.current, last.standing) == (B, Standing.GONE)
