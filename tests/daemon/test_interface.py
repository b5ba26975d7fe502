"""`--interface` replaces the links that the repository names."""

import pytest

from gitops_prefix.daemon.listening import interfaces_of, links_of
from gitops_prefix.daemon.outcome import Result
from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Acquisition, Delegation, Specification
from gitops_prefix.plan.ears import Watched
from tests.daemon.house import House, opened
from tests.gitrepo import example

A = Prefix.parse("2001:db8:a::/64")
CASES = {
    "the link that the repository names": ("", "eth0", True),
    "another link": ("", "br0", False),
    "the link that was given instead": ("br0", "br0", True),
    "the named link, when another was given": ("br0", "eth0", False),
}


@pytest.mark.parametrize(("given", "heard_on", "counts"), CASES.values(), ids=CASES)
def test_only_what_is_heard_on_the_link_counts(tmp_path, given, heard_on, counts):
    """examples/plain names eth0."""
    house = House(opened(tmp_path / "clone", example("plain", tmp_path)), interface=given)
    house.looks()
    assert interfaces_of(house.loop.watched) == {given or "eth0"}
    house.announces(A, router=Router(heard_on, "fe80::1"))
    assert house.passes().result is (Result.PUBLISHED if counts else Result.UNCHANGED)
    house.killed()


ASKED = Delegation("home", "eth0", 56)
SOURCES = {
    "advertisements": (Acquisition(interfaces=("eth0", "eth1")), {"br0"}, set()),
    "the kernel": (Acquisition(kernel_interface="eth0"), set(), {"br0"}),
    "a delegation": (Acquisition(delegation=ASKED), set(), {"br0"}),
    "both": (Acquisition(("eth0",), kernel_interface="eth0"), {"br0"}, {"br0"}),
    "a static prefix": (Acquisition(("eth0",), kernel_interface="eth0", static=A), set(), set()),
    "none": (Acquisition(), set(), set()),
}


@pytest.mark.parametrize(("acquisition", "links", "kernel"), SOURCES.values(), ids=SOURCES)
def test_a_given_link_stands_for_the_named_one_whatever_the_source(acquisition, links, kernel):
    watched = {"home": Watched(Specification("home", acquisition), None).on("br0")}
    assert interfaces_of(watched) == links
    assert links_of(watched) == links | kernel
