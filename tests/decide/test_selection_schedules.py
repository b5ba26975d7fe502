"""Whatever routers say, and whenever: what always holds of the current prefix."""

from datetime import timedelta
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.advertisement import INFINITY, Preference
from gitops_prefix.decide.policy import Verdict
from gitops_prefix.decide.prefix import GLOBAL_UNICAST
from gitops_prefix.decide.selection import GRACE, HOUR, Selection, Standing, select
from gitops_prefix.decide.specification import Transition
from tests.decide.routers_saying import (
    FIRST,
    LOCAL,
    SECOND,
    A,
    B,
    C,
    LinkDown,
    Look,
    Says,
    Walker,
    pio,
    saying,
    walk,
    watching,
)

lifetimes = st.sampled_from([0, 30, 90, 14400, INFINITY])
informations = st.builds(
    lambda prefix, ends: pio(prefix, min(ends), max(ends)),
    st.sampled_from([A, B, C, LOCAL]),
    st.tuples(lifetimes, lifetimes),
)
advertisements = st.builds(
    lambda options, preference: saying(*options, preference=preference),
    st.lists(informations, max_size=3),
    st.sampled_from(Preference),
)
# Steps that no binary fraction holds: deadlines must survive rounding.
steps = st.sampled_from([0.0, 0.1, 0.7, 9.3, 30.0, 59.9, 60.0, 200.0, HOUR])


@st.composite
def schedules(draw):
    """Up to a dozen events, in the order of time."""
    now, events = draw(st.sampled_from([0.0, 0.3, 12345.6])), []
    for _ in range(draw(st.integers(1, 12))):
        now += draw(steps)
        router = draw(st.sampled_from([FIRST, FIRST, SECOND]))
        events.append(
            draw(
                st.one_of(
                    st.builds(Says, st.just(now), advertisements, st.just(router)),
                    st.builds(Says, st.just(now), advertisements, st.just(router)),
                    st.just(Look(now)),
                    st.just(LinkDown(now)),
                )
            )
        )
    return tuple(events)


specifications = st.builds(
    lambda window, most, global_only: watching(
        Transition(stabilization_window=timedelta(seconds=window), max_changes_per_hour=most),
        require_global_unicast=global_only,
    ),
    st.sampled_from([0, 0, 0.1, 30, 300]),
    st.sampled_from([1, 2, 12]),
    st.booleans(),
)


def changes(decisions):
    """The decisions that changed the current prefix, each with the prefix before it."""
    before = [None, *(one.current for one in decisions)]
    return [
        (old, decision)
        for old, decision in zip(before, decisions, strict=False)
        if old is not None and decision.current != old
    ]


@given(specifications, schedules())
def test_a_prefix_that_is_still_a_candidate_is_never_left(specification, schedule):
    for old, decision in changes(walk(specification, *schedule)):
        still = [
            one
            for one in decision.candidates
            if one.prefix == old and one.verdict is Verdict.CANDIDATE
        ]
        # The exceptions: global before local, a router that is gone, the way back to the primary.
        assert (
            not still
            or (GLOBAL_UNICAST.covers(decision.current) and not GLOBAL_UNICAST.covers(old))
            or all(candidate.gone for candidate in still)
            or decision.candidates[0].preference is not decision.candidates[-1].preference
        )


@given(specifications, schedules())
def test_what_is_taken_is_a_candidate_and_what_is_current_is_never_lost(specification, schedule):
    walker, known = Walker(specification), None
    for event in schedule:
        walker.take(event)
    for decision in walker.decisions:
        current = decision.current
        standing = {
            found.prefix for found in decision.candidates if found.verdict is Verdict.CANDIDATE
        }
        assert current == known or current in standing
        assert (current is None) == (decision.standing is Standing.WAITING)
        # Fail static is reported as "nothing observed", never as another prefix.
        assert decision.choice.prefix in {None, current}
        known = current


@given(specifications, schedules())
def test_changes_within_an_hour_are_bounded(specification, schedule):
    decisions = walk(specification, *schedule)
    pairs = zip(schedule, [None, *decisions], decisions, strict=False)
    moments = [
        event.at
        for event, before, after in pairs
        if before is not None and before.current is not None and before.current != after.current
    ]

    most = specification.transition.max_changes_per_hour
    for since in moments:
        assert sum(since <= at < since + HOUR for at in moments) <= most


@given(specifications, schedules(), st.floats(0, 1, exclude_max=True))
def test_nothing_changes_before_the_next_look_is_due(specification, schedule, share):
    walker = Walker(specification)
    for event in schedule:
        last = walker.take(event)
    now, due = schedule[-1].at, last.look_again_at
    earlier = now + (1e6 if due == inf else (due - now)) * share
    if earlier >= due:
        return

    again = walker.look(earlier)

    assert due > now
    assert (again.choice.prefix, again.standing) == (last.choice.prefix, last.standing)
    assert again.current == last.current


@given(specifications, schedules())
def test_looking_whenever_it_is_due_comes_to_an_end(specification, schedule):
    walker = Walker(specification)
    for event in schedule:
        decision = walker.take(event)
    for _ in range(60):
        if decision.look_again_at == inf:
            break
        now = decision.look_again_at
        decision = walker.look(now)
        assert decision.look_again_at > now
    else:
        pytest.fail(f"still looking: {decision}")

    assert decision.standing is not Standing.STABILIZING


@given(specifications, schedules())
def test_looking_twice_is_looking_once(specification, schedule):
    walker = Walker(specification)
    for event in schedule:
        last = walker.take(event)

    again = walker.look(schedule[-1].at)

    assert (again.current, again.standing) == (last.current, last.standing)
    assert again.choice == last.choice


@given(specifications, st.sampled_from([None, A, B, C]))
def test_silence_changes_nothing(specification, known):
    decision = select(Selection(current=known), specification, {}, 0)

    assert (decision.current, decision.choice.prefix) == (known, None)
    assert decision.look_again_at == inf


@given(
    specifications,
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 0.7, 1.9]), st.sampled_from([(B,), (B, C), ()])),
        min_size=1,
        max_size=9,
    ),
    st.floats(0, GRACE, exclude_max=True),
)
def test_after_a_start_what_is_announced_in_time_is_never_left(specification, others, after):
    """Whatever a second router says before and behind it: the current prefix only has to be heard."""
    now, events = 7.0, []
    for step, prefixes in others:
        events.append(Says(now, saying(*prefixes), SECOND))
        now += step
    events.append(Says(7.0 + after, saying(A)))
    events.sort(key=lambda event: event.at)

    for decision in walk(specification, *events, selection=Selection(current=A)):
        assert decision.current == A
