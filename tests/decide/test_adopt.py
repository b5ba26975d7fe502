"""The repository says what is current; what it has not got is decided again."""

from datetime import timedelta

import pytest

from gitops_prefix.decide.selection import Selection, Standing, adopt, select
from gitops_prefix.decide.specification import Transition
from tests.decide.routers_saying import (
    LOCAL,
    A,
    B,
    C,
    Look,
    Says,
    heard_after,
    saying,
    walk,
    watching,
)


def test_a_window_that_ended_stays_ended_until_the_repository_has_the_change():
    specification = watching(Transition(stabilization_window=timedelta(seconds=30)))
    events = Says(0, saying(A)), Says(1, saying(B)), Look(31)
    taken = walk(specification, *events)[-1].selection

    again = select(adopt(taken, A), specification, heard_after(*events), 32)

    assert (again.choice.prefix, again.standing) == (B, Standing.CURRENT)


def test_a_change_that_was_not_written_counts_once():
    specification = watching(Transition(max_changes_per_hour=2))
    events = Says(0, saying(A)), Says(1, saying(B))
    selection = walk(specification, *events)[-1].selection
    for attempt in range(10):
        decision = select(adopt(selection, A), specification, heard_after(*events), 2 + attempt)
        selection = decision.selection

    assert (decision.choice.prefix, decision.standing) == (B, Standing.CURRENT)
    assert len(selection.changed_at) == 1


@pytest.mark.parametrize(
    ("read", "given_up"),
    [
        pytest.param(C, {A, B}, id="all written: settled"),
        pytest.param(B, {A}, id="the first of two written: the second is taken back"),
        pytest.param(A, set(), id="none written: both are taken back"),
        pytest.param(LOCAL, {A, B}, id="somebody wrote another: it counts"),
        pytest.param(None, {A, B}, id="the status was removed"),
    ],
)
def test_the_repository_says_what_is_current(read, given_up):
    events = Says(0, saying(A)), Says(1, saying(B)), Says(2, saying(C))
    selection = adopt(walk(watching(), *events[:1])[-1].selection, A)
    selection = walk(watching(), *events, selection=selection)[-1].selection

    adopted = adopt(selection, read)

    assert adopted.current == read
    assert {prefix for prefix, _ in adopted.given_up} == given_up
    assert adopted.unwritten == ()


def test_a_prefix_that_somebody_wrote_is_not_given_up():
    selection = Selection(current=B, given_up=((A, 0.0),))

    assert adopt(selection, A) == Selection(current=A)
