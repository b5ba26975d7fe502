"""What a choice says of prefixes other than the current one: still valid, gone, or unknown."""

import pytest

from tests.decide.routers_saying import (
    FIRST,
    SECOND,
    A,
    B,
    C,
    LinkDown,
    Look,
    Says,
    pio,
    saying,
    walk,
    watching,
)

STRANGER = SECOND


@pytest.mark.parametrize(
    ("events", "valid_for", "gone"),
    [
        pytest.param([], None, False, id="nobody heard since the start: nothing is known"),
        pytest.param([Says(0, saying(B), STRANGER)], None, False, id="only a stranger heard"),
        pytest.param([Says(0, saying(A))], {A}, False, id="announced"),
        pytest.param([Says(0, saying(B))], {B}, True, id="not among what is announced"),
        pytest.param([Says(0, saying())], set(), True, id="nothing is announced"),
        pytest.param([Says(0, saying(A)), Says(1, saying(B))], {B}, True, id="left out"),
        pytest.param([Says(0, saying(pio(A, 2, 2), B))], {B}, True, id="looked at as it ends"),
        pytest.param(
            [Says(0, saying(pio(A, 3, 3), B))], {A, B}, False, id="a second before it ends"
        ),
        pytest.param([Says(0, saying(A)), LinkDown(1)], None, False, id="the link is down"),
        pytest.param(
            [Says(0, saying(B)), Says(1, saying(A), STRANGER)], {B}, True, id="a stranger's word"
        ),
    ],
)
def test_a_prefix_is_gone_only_when_a_router_that_counts_is_heard(events, valid_for, gone):
    specification = watching(routers=(FIRST.address,))

    choice = walk(specification, *events, Look(2))[-1].choice

    known = choice.valid_for
    assert (None if known is None else {prefix for prefix, _ in known}) == valid_for
    assert choice.gone(A) is gone


def test_the_end_of_a_lifetime_is_known_after_the_prefix_was_left_out():
    events = Says(0, saying(pio(A, 10, 30))), Says(1, saying(B)), Look(2), Look(31)

    decisions = walk(watching(), *events)

    assert [one.choice.lifetime_left(A) for one in decisions] == [30, 29, 28, -1]
    assert decisions[2].look_again_at == 30


def test_what_is_still_valid_is_told_for_deprecated_prefixes_too():
    events = Says(0, saying(pio(A, 0, 600), B)), Says(1, saying(pio(A, 0, 700)), SECOND)

    [*_, last] = walk(watching(), *events, Look(100))

    assert dict(last.choice.valid_for) == {A: 601.0, B: 86300.0}
    assert not last.choice.gone(A)
    assert last.choice.gone(C)
