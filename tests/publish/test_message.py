"""What a commit says of itself: a subject, what was touched, and trailers for machines."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.status import PrefixSource, Status
from gitops_prefix.plan.occasion import Occasion, StatusChange
from gitops_prefix.publish.message import Wording
from tests.publish.occasions import HOSTILE, A, B, C, Change, status, trailers


def default_message(occasion: Occasion) -> str:
    return Wording().attempt(occasion)


def commit_message(transitions: list[StatusChange], changes: list) -> str:
    return default_message(Occasion(transitions, changes))


SUBJECTS = {
    "the first one": (None, status(A), "2001:db8:1::/64"),
    "another": (status(A), status(B, A), "2001:db8:1::/64 -> 2001:db8:2::/64"),
    "back again": (status(B, A), status(A, B), "2001:db8:2::/64 -> 2001:db8:1::/64"),
    "another, and one expires": (status(B, A), status(C, B), "2001:db8:2::/64 -> 2001:db8:3::/64"),
    "one expires": (status(B, A), status(B), "2001:db8:1::/64 leaves the history"),
    "two expire": (status(C, B, A), status(C), "2001:db8:2::/64, 2001:db8:1::/64 leaves the history"),
    "DNS follows": (status(B, A, dns=A), status(B, A), "DNS moves to 2001:db8:2::/64"),
    "an update says it, too": (
        status(A),
        replace(status(A), source=PrefixSource.WEBHOOK),
        "2001:db8:1::/64 is now said by webhook",
    ),
    "something of the specification": (status(A), replace(status(A), ranges=()), "render anew"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after", "what"), SUBJECTS.values(), ids=SUBJECTS)
def test_the_subject_says_what_happened(before: Status | None, after: Status, what: str):
    """To whoever reads only the first lines of a log."""
    message = commit_message([StatusChange("home-ipv6", before, after)], [])
    assert message.splitlines()[0] == f"prefix(home-ipv6): {what}"


def test_a_whole_message():
    """Subject, what it touches, trailers."""
    changes = [
        Change("network/pool.yaml", "CiliumLoadBalancerIPPool", "", "home", "spec.blocks"),
        Change("apps/svc.yaml", "Service", "web", "nginx", "metadata.annotations"),
    ]
    assert commit_message([StatusChange("home-ipv6", status(A), status(B, A))], changes) == (
        "prefix(home-ipv6): 2001:db8:1::/64 -> 2001:db8:2::/64\n"
        "\n"
        "network/pool.yaml: CiliumLoadBalancerIPPool home: spec.blocks\n"
        "apps/svc.yaml: Service web/nginx: metadata.annotations\n"
        "\n"
        "Dynamic-Prefix: home-ipv6\n"
        "Previous-Prefix: 2001:db8:1::/64\n"
        "Current-Prefix: 2001:db8:2::/64\n"
        "Prefix-Source: router-advertisement\n"
    )


def test_a_first_prefix_has_no_previous():
    message = commit_message([StatusChange("home-ipv6", None, status(A))], [])
    assert "Previous-Prefix" not in message
    assert "Current-Prefix: 2001:db8:1::/64\n" in message


def test_several_are_one_commit_and_each_has_its_trailers():
    """In the order of their names, whatever order they came in."""
    ula = StatusChange("ula", None, status(C))
    home = StatusChange("home", status(A), status(B, A))
    assert commit_message([ula, home], []) == commit_message([home, ula], [])
    lines = commit_message([ula, home], []).splitlines()
    assert lines[0] == "prefix(home, ula): 2 prefixes change"
    assert lines[2:4] == ["home: 2001:db8:1::/64 -> 2001:db8:2::/64", "ula: 2001:db8:3::/64"]
    assert [line for line in lines if line.startswith("Dynamic-Prefix")] == [
        "Dynamic-Prefix: home",
        "Dynamic-Prefix: ula",
    ]


def test_of_several_that_only_expire_nothing_is_said_to_change():
    both = [StatusChange(name, status(B, A), status(B)) for name in ("home", "ula")]
    assert commit_message(both, []).startswith("prefix(home, ula): expire\n")


def test_an_edit_without_a_transition_is_rendered_anew():
    """Somebody added a pool by hand; no prefix changed."""
    change = Change("pool.yaml", "CiliumLoadBalancerIPPool", "", "home", "spec.blocks")
    message = commit_message([], [change])
    assert message == (
        "prefix: render anew\n\npool.yaml: CiliumLoadBalancerIPPool home: spec.blocks\n"
    )


def test_git_reads_the_trailers():
    message = commit_message([StatusChange("home", status(A), status(B, A))], [])
    assert trailers(message) == [
        "Dynamic-Prefix: home",
        "Previous-Prefix: 2001:db8:1::/64",
        "Current-Prefix: 2001:db8:2::/64",
        "Prefix-Source: router-advertisement",
    ]


def test_names_in_the_repository_make_no_trailer():
    """A path or a name may hold anything; a line of the message is one of ours."""
    clean = commit_message([StatusChange("x", None, status(A))], [Change("p", "k", "n", "m", "f")])
    wild = commit_message(
        [StatusChange(HOSTILE, None, status(A))], [Change(HOSTILE, HOSTILE, HOSTILE, HOSTILE, "f")]
    )
    assert len(wild.splitlines()) == len(clean.splitlines())
    assert len(trailers(wild)) == 3
    wild.encode()


def test_what_was_edited_by_hand_and_what_is_new_stand_apart():
    """And each field once."""
    one, two, three = (Change(f"{n}.yaml", "Service", "", n, "spec") for n in "abc")
    occasion = Occasion(
        [StatusChange("home", status(A), status(B, A))],
        [one, two, three],
        by_hand=[two],
        first=[three],
    )
    assert default_message(occasion).partition("\n\nDynamic-Prefix")[0] == (
        "prefix(home): 2001:db8:1::/64 -> 2001:db8:2::/64\n"
        "\n"
        "a.yaml: Service a: spec\n"
        "\n"
        "Rendered for the first time:\n"
        "c.yaml: Service c: spec\n"
        "\n"
        "Edited by hand, and rendered again:\n"
        "b.yaml: Service b: spec"
    )


def test_a_commit_that_moves_no_prefix_says_which_ones_there_are():
    """So that its last paragraph is ours, too."""
    hostile = Change("Current-Prefix: x.yaml", "k", "", "n", "f")
    occasion = Occasion([], [hostile], standing=[StatusChange("home", status(A), status(A))])
    message = default_message(occasion)
    assert message.startswith("prefix: render anew\n\nCurrent-Prefix: x.yaml: k n: f\n\n")
    assert trailers(message)[0] == "Dynamic-Prefix: home"
    assert len(trailers(message)) == 4


def test_a_long_list_ends():
    changes = [Change(f"{n}.yaml", "Service", "", "x", "spec") for n in range(5000)]
    message = commit_message([StatusChange("home", None, status(A))], changes)
    assert "and 4000 more\n" in message
    assert message.count("\n") < 1010


@given(st.lists(st.text(), min_size=5, max_size=5))
def test_a_message_can_always_be_written(names: list[str]):
    """Whatever stands in the manifests."""
    home, *rest = names
    commit_message([StatusChange(home, None, status(A))], [Change(*rest, "f")]).encode()
