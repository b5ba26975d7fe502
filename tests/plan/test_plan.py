"""What a pass writes: what the repository says, what we had decided, what was decided since."""

from datetime import UTC, datetime, timedelta

import pytest

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import PrefixSource, Status
from gitops_prefix.decide.transition import NOTHING_OBSERVED, Choice
from gitops_prefix.plan.occasion import occasion, transitions
from gitops_prefix.plan.plan import (
    Left,
    advance_all,
    plan,
    read_repository,
    watch,
    would_change,
)
from gitops_prefix.render.rendering import find_drift, managed_fields
from tests.plan.repository import HOME

A, B, C = (Prefix.parse(f"2001:db8:{n}::/64") for n in "abc")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROUTER = Router("eth0", "fe80::1")
POOL = """\
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata:
  name: pool
  annotations:
    dynamic-prefix.io/name: home
    dynamic-prefix.io/address-range: pool
spec:
  blocks: []
"""


def status(prefix: Prefix, minute: int = 0) -> Status:
    return Status(prefix, PrefixSource.ROUTER_ADVERTISEMENT, NOON + timedelta(minutes=minute))


def inventory(current: str = "", **files: str):
    home = HOME + (f'status: {{currentPrefix: "{current}"}}\n' if current else "")
    texts = {"home.yaml": home, "pool.yaml": POOL} | {f"{k}.yaml": v for k, v in files.items()}
    return read_repository({path: text.encode() for path, text in texts.items()})


def test_a_choice_is_rendered_and_the_router_that_decided_is_known():
    planned = plan(inventory(), {"home": Choice(A, router=ROUTER)}, NOON)
    assert not planned.invalid
    assert planned.statuses["home"].current == A
    assert planned.routers == {"home": ROUTER}
    assert sorted(planned.rendering.files) == ["home.yaml", "pool.yaml"]
    assert [described.name for described in planned.described] == ["home"]


def test_a_router_that_announces_another_prefix_than_the_current_one_decided_nothing():
    static = Choice(None, router=ROUTER)
    assert plan(inventory(str(A)), {"home": static}, NOON).routers == {}


def test_nothing_observed_and_no_prefix_yet_is_no_status():
    planned = plan(inventory(), {"home": NOTHING_OBSERVED}, NOON)
    assert planned.statuses == {}
    assert not planned.rendering.files


LEFT = {
    "made again on a tip that moved": (Left(dropped={"home": status(B)}), (C, B)),
    "taken over as it is": (Left(waiting={"home": status(B)}), (C, B)),
    "taken over before it is made again": (
        Left({"home": status(A)}, {"home": status(B)}),
        (C, B),
    ),
    "not of this DynamicPrefix": (Left({"other": status(B)}, {"another": status(B)}), (C,)),
    "left out": (Left({"home": status(B)}, {"home": status(A)}).without({"home"}), (C,)),
}


@pytest.mark.parametrize(("left", "prefixes"), LEFT.values(), ids=LEFT)
def test_what_commits_of_ours_decided_is(left, prefixes):
    planned = plan(inventory(), {"home": Choice(C)}, NOON + timedelta(hours=1), left)
    assert planned.statuses["home"].prefixes == prefixes


PROPOSED = {
    "given up for the prefix of the tip": (Left(waiting={"home": status(B)}, proposed=True), A, (A,)),
    "given up, and made again": (Left(dropped={"home": status(B)}, proposed=True), A, (A,)),
    "moved on": (Left(waiting={"home": status(B)}, proposed=True), C, (C, B)),
    "of another DynamicPrefix": (Left(waiting={"other": status(B)}, proposed=True), A, (A,)),
    "a commit that no person merges": (Left(waiting={"home": status(B)}), A, (A, B)),
}  # fmt: skip


@pytest.mark.parametrize(("left", "choice", "prefixes"), PROPOSED.values(), ids=PROPOSED)
def test_a_proposal_that_is(left, choice, prefixes):
    """What nobody merged leaves nothing in the history, once the tip's prefix is back."""
    planned = plan(inventory(str(A)), {"home": Choice(choice)}, NOON + timedelta(hours=1), left)
    assert planned.statuses["home"].prefixes == prefixes


def test_a_proposal_for_a_first_prefix_stays():
    left = Left(waiting={"home": status(B)}, proposed=True)
    planned = plan(inventory(), {"home": Choice(B)}, NOON + timedelta(hours=1), left)
    assert planned.statuses["home"].prefixes == (B,)


def test_what_was_decided_under_another_specification_does_not_stop_the_pass():
    """The range of the new tip does not fit the longer prefix of our dropped commit."""
    left = Left(dropped={"home": status(Prefix.parse("2001:db8:b::/72"))})
    planned = plan(inventory(), {"home": Choice(A)}, NOON, left)
    assert planned.problems == ()
    assert planned.statuses["home"].prefixes == (A,)


AWAY = HOME.replace("name: home", "name: away")
GARDEN = POOL.replace("name: home", "name: away")
LONG = Choice(Prefix.parse("2001:db8::/72"))
HELD = {
    "a prefix that does not fit": ({}, {"home": LONG, "away": Choice(B)}, "does-not-fit", {"home"}),
    "a manifest that does not parse": (
        {"broken": "# dynamic-prefix.io/name\na: ["}, {"home": NOTHING_OBSERVED, "away": Choice(B)},
        "not-yaml", set(),
    ),
    "a status with a prefix that no network has": (
        {"home": HOME + 'status: {currentPrefix: "2000::/3"}\n'},
        {"home": Choice(C), "away": Choice(B)}, "invalid-value", set(),
    ),
    "a status that cannot be written": (
        {"home": HOME + f'status: &x {{currentPrefix: "{A}"}}\n'},
        {"home": Choice(C), "away": Choice(B)}, "edit-refused", {"home"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "choices", "code", "held"), HELD.values(), ids=HELD)
def test_an_error_holds_back_its_own_part_and_the_rest_goes_on(files, choices, code, held):
    planned = plan(inventory(**files, away=AWAY, garden=GARDEN), choices, NOON)
    assert not planned.invalid
    assert code in {problem.code for problem in planned.problems}
    assert planned.held == held
    assert planned.statuses.keys() == {"away"}
    assert sorted(planned.rendering.files) == ["away.yaml", "garden.yaml"]


def test_two_dynamic_prefixes_of_one_name_stop_the_pass():
    found = inventory(again=HOME, away=AWAY, garden=GARDEN)
    planned = plan(found, {"home": Choice(A), "away": Choice(B)}, NOON)
    assert planned.invalid
    assert [problem.code for problem in planned.problems] == ["duplicate-dynamic-prefix"]
    assert (planned.statuses, planned.rendering.files) == ({}, {})


def test_a_wrong_setting_is_a_problem_of_the_inventory():
    found = read_repository({"gitops-prefix.yaml": b"externalDNS: 3\n"})
    assert found.problems
    assert plan(found, {}, NOON).invalid


OBSERVED = {
    "one after the other": ((Choice(A), Choice(B)), (B, A)),
    "nothing, so it only follows its specification": ((), (A,)),
}


@pytest.mark.parametrize(("observed", "prefixes"), OBSERVED.values(), ids=OBSERVED)
def test_each_status_moves_on_by_what_was_observed(observed, prefixes):
    before = {"home": status(A)}
    advanced = advance_all(inventory(), before, {"home": observed}, NOON + timedelta(hours=1))
    assert advanced.misfits == ()
    assert advanced.statuses["home"].prefixes == prefixes


def test_no_status_and_nothing_observed_stays_so():
    assert advance_all(inventory(), {"home": None}, {}, NOON) == ({}, ())


CHANGES = {
    "another prefix": (Choice(B), True),
    "the same prefix": (Choice(A), False),
    "no prefix": (NOTHING_OBSERVED, False),
    "a prefix that does not fit": (Choice(Prefix.parse("2001:db8::/72")), True),
}


@pytest.mark.parametrize(("choice", "expected"), CHANGES.values(), ids=CHANGES)
def test_a_pass_is_worth_while_for(choice, expected):
    first = plan(inventory(), {"home": Choice(A)}, NOON)
    watched = watch(read_repository({**FILES, **first.rendering.files}))
    assert would_change(watched, {"home": choice}, NOON) is expected


FILES = {"home.yaml": HOME.encode(), "pool.yaml": POOL.encode()}


def test_a_commit_is_about_the_prefixes_that_move_and_what_was_edited_by_hand():
    first = plan(inventory(), {"home": Choice(A)}, NOON).rendering.files
    found = read_repository({**first, "pool.yaml": POOL.encode()})
    planned = plan(found, {"home": Choice(B, router=ROUTER)}, NOON)
    about = occasion(planned, find_drift(found, managed_fields(found)))
    assert [(move.name, move.moved, move.router) for move in about.transitions] == [
        ("home", True, ROUTER)
    ]
    assert [change.path for change in about.by_hand] == ["pool.yaml"]
    assert {change.path for change in about.changes} == {"home.yaml", "pool.yaml"}
    assert about.first == ()


def test_what_stays_as_it_is_is_no_transition():
    first = plan(inventory(), {"home": Choice(A)}, NOON)
    again = plan(read_repository({**FILES, **first.rendering.files}), {"home": Choice(A)}, NOON)
    assert transitions(again) == ()
    about = occasion(again)
    assert [(move.name, move.moved) for move in about.standing] == [("home", False)]
