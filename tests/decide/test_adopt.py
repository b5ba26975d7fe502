"""The repository says what is current; what it does not have is decided again."""

from datetime import timedelta

import pytest

from gitops_prefix.decide.advertisement import INFINITY
from gitops_prefix.decide.selection import HOUR, Selection, Standing, adopt, select
from gitops_prefix.decide.specification import Transition
from tests.decide.routers_saying import (
    FIRST,
    LOCAL,
    A,
    B,
    C,
    Look,
    Says,
    Walker,
    heard_after,
    pio,
    saying,
    watching,
)


def knowing(*events, specification=None):
    """The routers and the selection after these events, all of them written."""
    walker = Walker(specification or watching())
    for event in events:
        walker.take(event)
    return walker.routers, walker.selection


def test_what_is_decided_is_remembered_only_once_the_repository_has_it():
    _, selection = knowing(Says(0, saying(A)))
    routers = heard_after(Says(0, saying(A)), Says(1, saying(B)))

    decision = select(selection, watching(), routers, 1)

    assert (decision.current, decision.choice.prefix) == (B, B)
    assert (decision.selection.current, decision.selection.given_up) == (A, ())
    written = adopt(decision.selection, B)
    assert (written.current, written.given_up, written.changed_at) == (B, ((A, 1),), (1,))
    assert written.home == FIRST


def test_a_window_that_ended_stays_ended_until_the_repository_has_the_change():
    specification = watching(Transition(stabilization_window=timedelta(seconds=30)))
    events = Says(0, saying(A)), Says(1, saying(B))
    routers, selection = knowing(*events, Look(30), specification=specification)
    taken = select(selection, specification, routers, 31)

    again = select(adopt(taken.selection, A), specification, routers, 32)

    assert (taken.choice.prefix, again.choice.prefix) == (B, B)
    assert again.standing is Standing.CURRENT


def test_a_change_that_was_not_written_counts_once():
    specification = watching(Transition(max_changes_per_hour=1))
    _, selection = knowing(Says(0, saying(A)))
    routers = heard_after(Says(0, saying(A)), Says(1, saying(B)))
    for attempt in range(10):
        decision = select(adopt(selection, A), specification, routers, 2 + attempt)
        selection = decision.selection

    assert (decision.choice.prefix, decision.standing) == (B, Standing.CURRENT)
    assert adopt(selection, B).changed_at == (11,)


@pytest.mark.parametrize(
    ("read", "given_up"),
    [
        pytest.param(C, {A, B}, id="written: the old one was given up"),
        pytest.param(B, {A}, id="not written"),
        pytest.param(LOCAL, {A}, id="somebody wrote another: nothing was given up for it"),
        pytest.param(A, set(), id="somebody wrote the one that was given up"),
        pytest.param(None, {A}, id="the status was removed"),
    ],
)
def test_the_repository_says_what_is_current(read, given_up):
    routers, selection = knowing(Says(0, saying(A)), Says(1, saying(B)))
    routers = heard_after(Says(0, saying(A)), Says(1, saying(B)), Says(2, saying(C)))

    adopted = adopt(select(selection, watching(), routers, 2).selection, read)

    assert adopted.current == read
    assert {prefix for prefix, _ in adopted.given_up} == given_up
    assert adopted.proposed is None


def test_a_prefix_that_somebody_wrote_is_not_given_up():
    selection = Selection(current=B, given_up=((A, 0.0),))

    assert adopt(selection, A) == Selection(current=A)


ROUTERS = heard_after(Says(0, saying(A)))


def published(selection, now):
    """The selection, after the change that is decided at `now` was published."""
    decision = select(selection, watching(), ROUTERS, now)
    selection = adopt(decision.selection, decision.current)
    return select(selection, watching(), ROUTERS, now).selection


def undone_by_a_daemon(selection, by=B):
    return adopt(selection, by, (A,))


def contested(now=600):
    """Our link announces A, and another daemon of the repository wrote B twice."""
    once = undone_by_a_daemon(published(Selection(), 10))
    return undone_by_a_daemon(published(once, now))


def test_what_another_daemon_undid_twice_is_held():
    """One repository, two links: each hears the other's prefix from nobody."""
    once = undone_by_a_daemon(published(Selection(), 10))
    assert select(once, watching(), ROUTERS, 20).standing is Standing.CURRENT
    for now in (620, HOUR * 2, HOUR * 48):
        decision = select(contested(), watching(), ROUTERS, now)
        assert (decision.standing, decision.current) == (Standing.CONTESTED, B)


def insisted():
    """Our link announces A; another daemon's B was undone twice, and A once."""
    begun = Selection(current=B)
    return published(undone_by_a_daemon(published(begun, 10)), 600)


def test_who_undid_the_other_twice_reports_it_too():
    """Its prefix stands. An hour later nothing is left to report: the other daemon holds."""
    decision = select(insisted(), watching(), ROUTERS, 620)
    assert (decision.standing, decision.current) == (Standing.CONTESTED, A)
    assert decision.choice.router == FIRST
    assert decision.look_again_at <= 10 + HOUR
    for_ever = heard_after(Says(0, saying(pio(A, INFINITY, INFINITY), lifetime=0)))
    assert select(insisted(), watching(), for_ever, 700).look_again_at == 10 + HOUR
    later = select(decision.selection, watching(), ROUTERS, 10 + HOUR)
    assert (later.standing, later.current) == (Standing.CURRENT, A)


def test_a_change_of_the_other_that_was_never_seen_was_undone_too():
    """Both began at once: the other one's push came first, and ours was made anew on top of it."""
    begun = adopt(select(Selection(), watching(), ROUTERS, 10).selection, A, (B,))
    decision = select(published(undone_by_a_daemon(begun), 600), watching(), ROUTERS, 620)
    assert (decision.standing, decision.current) == (Standing.CONTESTED, A)


def test_who_undid_the_other_once_reports_nothing_yet():
    once = published(undone_by_a_daemon(published(Selection(), 10)), 600)
    assert select(once, watching(), ROUTERS, 620).standing is Standing.CURRENT


def test_who_undid_the_other_twice_follows_the_link():
    routers = heard_after(Says(0, saying(A)), Says(700, saying(C)))
    decision = select(insisted(), watching(), routers, 700)
    assert (decision.standing, decision.current) == (Standing.CURRENT, C)
    moved = adopt(decision.selection, C)
    assert select(moved, watching(), routers, 701).standing is Standing.CURRENT


def test_what_was_undone_more_than_an_hour_ago_does_not_count():
    selection = contested(now=20 + HOUR)
    assert select(selection, watching(), ROUTERS, HOUR + 30).standing is Standing.CURRENT


def test_another_prefix_of_the_link_ends_the_hold():
    routers = heard_after(Says(0, saying(A)), Says(700, saying(C)))
    decision = select(contested(), watching(), routers, 700)
    assert (decision.standing, decision.current) == (Standing.CURRENT, C)


ENDS_THE_HOLD = {
    "a person wrote another prefix into the status": (C, (LOCAL,)),
    "a person wrote the prefix alone": (C, ()),
    "a person removed the status": (None, None),
}


@pytest.mark.parametrize(("current", "past"), ENDS_THE_HOLD.values(), ids=ENDS_THE_HOLD)
def test_what_a_person_writes_ends_the_hold(current, past):
    selection = adopt(contested(), current, past)
    assert select(selection, watching(), ROUTERS, 700).current == A


def test_the_other_daemon_does_not_end_the_hold():
    selection = adopt(contested(), C, (B, A))
    assert select(selection, watching(), ROUTERS, 700).standing is Standing.CONTESTED


def test_a_person_may_revert_as_often_as_they_like():
    """The daemon publishes again: Git says what a person wrote, and the link what is true."""
    selection = Selection()
    for now in (10, 20, 30, 40):
        selection = adopt(published(selection, now), B, (C,))
    assert select(selection, watching(), ROUTERS, 50).standing is Standing.CURRENT


def test_what_our_own_link_moved_on_from_is_not_undone():
    routers = heard_after(Says(0, saying(A)), Says(5, saying(C)))
    selection = select(published(Selection(), 1), watching(), routers, 5).selection
    assert adopt(selection, B, (A,)).undone is None
