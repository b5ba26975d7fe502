"""When the daemon applies directly, and when it gives back: a table of what passes come to."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.apply.fields import ObjectId, ObjectReport, ObjectResult
from gitops_prefix.apply.policy import (
    Action,
    ApplyMode,
    ApplyPolicy,
    BranchState,
    Fallback,
    Round,
)

RIGHT, PUBLISHED, AWAY, REFUSED, UNKNOWN = BranchState
NOTHING, PREPARE, APPLY, OVERRIDE, RELEASE = Action
AFTER = 60.0


def walk(
    mode: str, *passes: tuple[float, BranchState, str], until: float | None = None
) -> list[Action]:
    """What is done after each pass, and at last when time alone went on; all succeeds."""
    state = Fallback(ApplyPolicy(ApplyMode(mode), AFTER))
    actions = []
    for at, git, commit in passes:
        state = state.see(git, commit, at)
        actions.append(state.action(at))
        state = state.begin(actions[-1]).done(actions[-1], commit)
    return [*actions, state.action(until)] if until is not None else actions


ROWS = {
    "never": ("never", [(0, RIGHT, "a"), (1, AWAY, "b"), (99, AWAY, "b")], [NOTHING] * 3),
    "Git is up: at the start what was left is given back, and then nothing is done": (
        "fallback",
        [(0, RIGHT, "a"), (1, RIGHT, "b"), (2, RIGHT, "c")],
        [RELEASE, NOTHING, NOTHING],
    ),
    "after each publication: another daemon may have applied, and be gone": (
        "fallback",
        [(0, RIGHT, "a"), (1, PUBLISHED, "b"), (2, RIGHT, "b")],
        [RELEASE, RELEASE, NOTHING],
    ),
    "a short outage": (
        "fallback",
        [(0, RIGHT, "a"), (1, AWAY, "b"), (59, AWAY, "b"), (60, RIGHT, "b")],
        [RELEASE, PREPARE, PREPARE, NOTHING],
    ),
    "a long outage, and its end": (
        "fallback",
        [(0, RIGHT, "a"), (1, AWAY, "b"), (61, AWAY, "b"), (91, AWAY, "b"), (120, RIGHT, "b"), (121, RIGHT, "b")],
        [RELEASE, PREPARE, OVERRIDE, OVERRIDE, RELEASE, NOTHING],
    ),
    "a second change in an outage does not wait again": (
        "fallback",
        [(0, AWAY, "b"), (61, AWAY, "c")],
        [PREPARE, OVERRIDE],
    ),
    "an outage after an outage waits again": (
        "fallback",
        [(0, AWAY, "b"), (61, AWAY, "b"), (62, RIGHT, "b"), (63, AWAY, "c")],
        [PREPARE, OVERRIDE, RELEASE, PREPARE],
    ),
    "a branch that cannot be read, with nothing of ours": (
        "fallback",
        [(0, UNKNOWN, ""), (99, UNKNOWN, "")],
        [NOTHING, NOTHING],
    ),
    "a repository that becomes invalid in between": (
        "fallback",
        [(0, AWAY, "b"), (30, UNKNOWN, ""), (61, AWAY, "b")],
        [PREPARE, NOTHING, OVERRIDE],
    ),
    "killed in an outage, started in it": (
        "fallback",
        [(0, AWAY, "b"), (60, AWAY, "b"), (70, RIGHT, "b")],
        [PREPARE, OVERRIDE, RELEASE],
    ),
    "killed in an outage, started after it": ("fallback", [(0, RIGHT, "b")], [RELEASE]),
    "always: with each commit, and given back": (
        "always",
        [(0, RIGHT, "a"), (0, RIGHT, "a"), (5, RIGHT, "b"), (5, RIGHT, "b"), (9, RIGHT, "b")],
        [APPLY, RELEASE, APPLY, RELEASE, NOTHING],
    ),
    "always: nobody is overridden before the time": (
        "always",
        [(0, AWAY, "a"), (1, AWAY, "a"), (60, AWAY, "a"), (61, RIGHT, "a")],
        [APPLY, PREPARE, OVERRIDE, RELEASE],
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_what_is_done(row):
    mode, passes, actions = ROWS[row]
    assert walk(mode, *passes) == actions


def test_time_alone_ends_the_wait():
    assert walk("fallback", (5, AWAY, "b"), until=64.9)[-1] is PREPARE
    assert walk("fallback", (5, AWAY, "b"), until=65)[-1] is OVERRIDE
    state = Fallback(ApplyPolicy(ApplyMode.FALLBACK, AFTER)).see(AWAY, "b", 5)
    assert state.overrides_at == 65


def test_what_could_not_be_given_back_is_given_back_later():
    state = Fallback(ApplyPolicy(ApplyMode.FALLBACK, AFTER)).see(RIGHT, "a", 0)
    assert state.action(0) is state.action(30) is RELEASE
    assert state.done(RELEASE, "a").action(30) is NOTHING


def test_an_apply_that_failed_half_way_is_owed_too():
    state = Fallback(ApplyPolicy(ApplyMode.FALLBACK, AFTER), owing=False).see(AWAY, "b", 0)
    failed = state.begin(state.action(60))
    assert failed.see(RIGHT, "b", 70).action(70) is RELEASE
    assert state.see(RIGHT, "b", 30).action(30) is NOTHING


passes = st.lists(
    st.tuples(st.integers(0, 90), st.sampled_from(BranchState), st.sampled_from("abc"))
)


@given(passes)
def test_reconcilers_are_never_overridden_while_git_is_right_or_just_went(steps):
    """And what was done to the cluster is owed until it is given back."""
    state, now, since, touched = Fallback(ApplyPolicy(ApplyMode.FALLBACK, AFTER)), 0, None, True
    for seconds, git, commit in steps:
        now += seconds
        state = state.see(git, commit, now)
        if git in {RIGHT, PUBLISHED}:
            since = None
        elif git is AWAY and since is None:
            since = now
        action = state.action(now)
        assert (action is OVERRIDE) == (git is AWAY and since is not None and now - since >= AFTER)
        touched = touched or git is PUBLISHED
        assert (action is RELEASE) == (git in {RIGHT, PUBLISHED} and touched)
        touched = action is OVERRIDE or (touched and action is not RELEASE)
        state = state.begin(action).done(action, commit)
        assert state.owing is touched
    assert (
        state.cares
        or state.policy.mode is ApplyMode.NEVER
        or state.git is UNKNOWN
        or not state.owing
    )
    assert state.overrides_at == (inf if state.away_since is None else state.away_since + AFTER)


OBJECTS = [("v1", "Service", "media", name) for name in ("a", "b", "c", "d")]


def waits(key: ObjectId, what: str) -> ObjectReport:
    version, kind, namespace, name = key
    return ObjectReport(
        "a.yaml", kind, namespace, name, ObjectResult.WAITING, api_version=version, waits_for=what
    )


def looks(seconds: int, what: Callable[[ObjectId], str]) -> tuple[Round, list[list[int]]]:
    """A round in which all wait, and when each object was looked at."""
    state = Round(RELEASE, "commit", dict.fromkeys(OBJECTS, 0.0))
    seen: list[list[int]] = [[] for _ in OBJECTS]
    for now in range(seconds):
        for key in state.batch(now, len(OBJECTS)):
            seen[OBJECTS.index(key)].append(now)
            state = state.learn(key, waits(key, what(key)), now)
    return state, seen


def test_of_objects_that_wait_for_the_same_one_looks_every_two_seconds():
    """And not only the first time: the reconciler is a minute late, perhaps."""
    _, seen = looks(120, lambda _: "Kustomization flux-system/apps")
    times = sorted({now for each in seen for now in each})
    assert max(later - now for now, later in pairwise(times)) <= 2
    assert sum(map(len, seen)) < 120


def test_each_thing_that_is_waited_for_is_looked_at():
    _, seen = looks(60, lambda key: f"Kustomization flux-system/{key[3]}")
    assert seen == [[*range(0, 60, 2)]] * len(OBJECTS)


@pytest.mark.parametrize("then", ["released", "waits for another"])
def test_when_one_object_waits_no_more_those_that_waited_for_the_same_are_due(then):
    state, _ = looks(10, lambda _: "Kustomization flux-system/apps")
    first, *rest = OBJECTS
    report = waits(first, "Kustomization flux-system/more")
    if then == "released":
        report = replace(report, result=ObjectResult.RELEASED, waits_for="")
    state = state.learn(first, report, 10)
    assert set(rest) <= set(state.batch(10, len(OBJECTS)))
