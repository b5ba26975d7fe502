"""The repository says what is current; what it does not have is decided again."""

from dataclasses import replace
from datetime import timedelta

import pytest

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


def test_two_daemons_that_undo_each_other_hold_after_the_second_time():
    """One repository, two links: each hears the other's prefix from nobody."""
    routers, selection = knowing(Says(0, saying(A)), Says(1, saying(B)))
    undone = adopt(replace(selection, looked_at=9), A)
    standings = []
    for now in (10, 20, 30):
        decision = select(undone, watching(), routers, now)
        standings.append(decision.standing)
        undone = adopt(adopt(decision.selection, decision.current), A)

    assert standings == [Standing.CURRENT, Standing.CONTESTED, Standing.CONTESTED]
    assert decision.choice.prefix == A
    assert select(undone, watching(), routers, 9 + HOUR).choice.prefix == B


def test_another_prefix_that_somebody_wrote_undoes_nothing():
    _, selection = knowing(Says(0, saying(A)), Says(1, saying(B)))

    assert adopt(selection, C).undone_at == ()
