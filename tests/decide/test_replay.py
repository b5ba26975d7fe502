"""Changes that never reached the branch are made again on a new tip, none lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.prefix import AddressRange, Prefix
from gitops_prefix.decide.specification import Specification, Transition
from gitops_prefix.decide.status import PrefixSource
from gitops_prefix.decide.transition import Choice, advance, replay
from tests.decide.strategies import link_prefix

A, B, C, D = (Prefix.parse(f"2001:db8:{name}::/64") for name in "abcd")
NAMES = {A: "A", B: "B", C: "C", D: "D", None: "-"}
TEN = datetime(2026, 11, 23, 10, tzinfo=UTC)


def keeping(history=2, **transition):
    return Specification("home", transition=Transition(max_prefix_history=history, **transition))


def went(*changes, specification=None, status=None):
    """The status after (minute, prefix) changes."""
    for minute, prefix in changes:
        moment = TEN + timedelta(minutes=minute)
        status = advance(specification or keeping(), status, Choice(prefix), moment)
    return status


def shown(status):
    """The prefixes by letter, the current one first."""
    return status and " ".join(NAMES[prefix] for prefix in status.prefixes)


@pytest.mark.parametrize(
    ("tip", "ours", "history", "result"),
    [
        pytest.param(
            [(0, A)], [(0, A), (1, B), (2, C)], 2, "C B A", id="A, B, C in an outage: nothing lost"
        ),
        pytest.param([(0, A)], [(0, A), (1, B)], 2, "B A", id="a single change"),
        pytest.param([], [(0, A), (1, B), (2, C)], 2, "C B A", id="the tip never had a status"),
        pytest.param([(0, A)], [(0, A)], 2, "A", id="nothing happened"),
        pytest.param(
            [(0, A)], [(0, A), (1, B), (2, A)], 2, "A B", id="there and back leaves its trace"
        ),
        pytest.param(
            [(0, A)], [(0, A), (1, B), (2, C), (3, B)], 2, "B C A", id="back to the second one"
        ),
        pytest.param(
            [(0, A)], [(0, A), (1, B), (2, C)], 1, "C B", id="the history's length still counts"
        ),
        pytest.param([(0, A)], [(0, A), (1, B), (2, C)], 0, "C", id="and so does a length of none"),
        pytest.param(
            [(0, A), (5, D)], [(0, A), (1, B), (2, C)], 2, "D A", id="another daemon decided later"
        ),
        pytest.param(
            [(0, A), (2, D)], [(0, A), (1, B), (3, C)], 2, "C D A", id="another decided in between"
        ),
        pytest.param(
            [(0, A), (1, D)], [(0, A), (1, B)], 2, "D A", id="another one within the same second"
        ),
        pytest.param(
            [(0, A), (1, B), (2, C)],
            [(0, A), (1, B), (2, C)],
            2,
            "C B A",
            id="it was published after all",
        ),
        pytest.param(
            [(0, A), (1, B)], [(0, A), (1, B), (2, C)], 2, "C B A", id="a part of it was published"
        ),
        pytest.param([(0, A)], [(0, A), (0, B), (0, C)], 2, "C B A", id="all within one second"),
        pytest.param(
            [(0, A), (1, B)],
            [(0, A), (1, B), (1, C)],
            2,
            "C B A",
            id="the last two within one second",
        ),
    ],
)
def test_what_never_reached_the_branch_is_made_again(tip, ours, history, result):
    specification = keeping(history)
    published = went(*tip, specification=specification)
    unpublished = went(*ours, specification=keeping(10))

    replayed = replay(specification, published, unpublished)

    assert shown(replayed) == result


def test_each_prefix_keeps_the_moments_it_had():
    unpublished = went((0, A), (1, B), (2, C))

    assert replay(keeping(), went((0, A)), unpublished) == unpublished


def test_a_history_without_times_is_left_as_it_is_known():
    unpublished = went((0, A), (1, B), (2, C))
    [newest, oldest] = unpublished.history
    unpublished = replace(unpublished, history=(replace(newest, acquired_at=None), oldest))

    assert shown(replay(keeping(), went((0, A)), unpublished)) == "C A"


def test_a_tip_without_times_takes_every_change():
    tip = replace(went((0, D)), acquired_at=None)

    assert shown(replay(keeping(10), tip, went((0, A), (1, B)))) == "B A D"


def test_the_source_is_that_of_the_unpublished_status():
    unpublished = replace(went((0, A), (1, B)), source=PrefixSource.KERNEL)

    assert replay(keeping(), went((0, A)), unpublished).source is PrefixSource.KERNEL


def test_the_end_of_an_advertised_lifetime_is_not_lost():
    until = TEN + timedelta(hours=2)
    specification = keeping(retention="lifetime")
    unpublished = went((0, A), (1, B), specification=specification)
    [past] = unpublished.history
    unpublished = replace(unpublished, history=(replace(past, valid_until=until),))

    replayed = replay(specification, went((0, A)), unpublished)

    assert [one.valid_until for one in replayed.history] == [until]


def test_a_range_that_does_not_fit_is_an_error_here_too():
    unpublished = went((0, A), (1, Prefix.parse("2001:db8::/96")))
    specification = replace(keeping(), ranges=(AddressRange("all", 0, (1 << 64) - 1),))

    with pytest.raises(ValueError, match="bits set inside the /96"):
        replay(specification, went((0, A)), unpublished)


schedules = st.lists(
    st.tuples(st.integers(1, 90), st.integers(0, 5).map(link_prefix)), min_size=1, max_size=8
).map(
    lambda steps: [
        (sum(step for step, _ in steps[: n + 1]), steps[n][1]) for n in range(len(steps))
    ]
)


@given(schedules, st.data())
def test_replaying_onto_any_earlier_status_comes_to_the_same_current(schedule, data):
    specification = keeping(10)
    published = data.draw(st.integers(0, len(schedule)))
    tip = went(*schedule[:published], specification=specification)
    ours = went(*schedule, specification=specification)

    replayed = replay(specification, tip, ours)

    assert replayed.current == ours.current
    assert set(replayed.prefixes) == set(ours.prefixes)
    assert replay(specification, replayed, ours) == replayed
