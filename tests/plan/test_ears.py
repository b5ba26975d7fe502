"""Events of the links in, decisions out: what is remembered, what is decided, what is news."""

from math import inf

import pytest

from gitops_prefix.decide.advertisement import INFINITY, PrefixInformation, Router
from gitops_prefix.decide.candidate import Verdict
from gitops_prefix.decide.kernel import KernelPrefix
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import Standing
from gitops_prefix.decide.specification import Acquisition, Specification
from gitops_prefix.decide.status import PrefixSource, Status
from gitops_prefix.plan.ears import (
    MOST_STRANGERS,
    Accepted,
    Advertised,
    Ears,
    LinkChanged,
    Watched,
)
from tests.decide.routers_saying import FIRST, SECOND, pio, saying

A, B = (Prefix.parse(f"2001:db8:{n}::/64") for n in "ab")
ULA = Prefix.parse("fd00::/64")
ETH0 = Acquisition(interfaces=("eth0",))


def ears(**acquisitions: Acquisition) -> Ears:
    chosen = acquisitions or {"home": ETH0}
    return Ears().follow(
        {name: Watched(Specification(name, one), None) for name, one in chosen.items()}
    )


def says(*prefixes: Prefix, router: Router = FIRST, at: float = 0.0) -> Advertised:
    infinite = [pio(prefix, INFINITY, INFINITY) for prefix in prefixes]
    return Advertised(router, saying(*infinite), at, repeated=False)


def has(*prefixes: Prefix, at: float = 0.0) -> Accepted:
    known = [
        KernelPrefix(PrefixInformation(prefix, True, True, 7200, 3600), at, at)
        for prefix in prefixes
    ]
    return Accepted("eth0", tuple(known), at)


def test_an_advertisement_is_heard_and_decided():
    heard = ears().hear(says(A)).decide(0)
    assert heard.choices["home"].prefix == A
    assert heard.decisions["home"].standing is Standing.CURRENT
    assert heard.vouched == {FIRST}
    assert heard.look_again_at == 1800  # The end of the router lifetime.


def test_ears_are_a_value():
    before = ears()
    before.hear(says(A)).decide(0)
    assert before == ears()


def test_a_repetition_shows_a_shorter_interval_so_that_silence_counts_sooner():
    heard = ears().hear(says(A)).decide(0)
    assert not heard.is_due_sooner(FIRST)
    assert not heard.is_due_sooner(SECOND)

    again = heard.hear(says(A, at=10))
    assert again.is_due_sooner(FIRST)
    assert not again.decide(10).is_due_sooner(FIRST)
    assert again.decide(10).look_again_at == 40  # Three intervals of silence.


def test_nothing_followed_never_looks_again():
    assert Ears().decide(0).look_again_at == inf


def test_a_link_that_goes_down_forgets_its_routers_and_one_that_comes_up_does_not():
    heard = ears().hear(says(A))
    up = heard.hear(LinkChanged("eth0", up=True, present=True, at=1))
    down = heard.hear(LinkChanged("eth0", up=False, present=True, at=1))
    assert up is heard
    assert down.routers == {}


def test_the_kernel_is_heard():
    kernel = ears(home=Acquisition(kernel_interface="eth0"))
    assert kernel.hear(has(A)).decide(0).choices["home"].prefix == A


def test_what_no_policy_admits_leaves_no_prefix_of_the_kernel_out():
    kernel = ears(home=Acquisition(kernel_interface="eth0", within=(A,)))
    heard = kernel.hear(has(A)).decide(0).hear(has(A, B, at=600)).decide(600)
    assert heard.decisions["home"].standing is Standing.CURRENT


def test_a_crowd_leaves_room_for_those_who_can_count_alone():
    crowd = ears()
    for number in range(MOST_STRANGERS):
        crowd = crowd.hear(says(ULA, router=Router("eth0", f"fe80::{number + 2:x}")))
    assert crowd.hear(says(ULA)) is crowd
    assert FIRST in crowd.hear(says(A)).routers


def test_what_policy_refuses_is_named():
    refusals = ears(
        home=ETH0,
        other=Acquisition(interfaces=("eth1",)),
        static=Acquisition(interfaces=("eth0",), static=A),
    ).refusals(FIRST, [pio(A), pio(ULA)])
    assert refusals == (("home", ULA, Verdict.NOT_GLOBAL),)


def test_a_decision_that_the_repository_does_not_have_is_made_again():
    heard = ears().hear(says(A)).decide(0)
    again = heard.follow(heard.watched)
    assert again.decide(1).choices["home"].prefix == A
    status = Status(A, PrefixSource.ROUTER_ADVERTISEMENT, None)
    written = heard.follow({"home": Watched(heard.watched["home"].specification, status)})
    assert written.decide(1).decisions["home"].standing is Standing.CURRENT


DIFFERS = {
    "a first decision": (Ears(), True),
    "the same one": (ears().hear(says(A)).decide(0), False),
    "another prefix": (ears().hear(says(B)).decide(0), True),
    "another standing": (ears(home=Acquisition(static=A)).decide(0), True),
}


@pytest.mark.parametrize(("before", "expected"), DIFFERS.values(), ids=DIFFERS)
def test_a_decision_is_news_after(before, expected):
    assert ears().hear(says(A)).decide(0).differs(before.decisions) is expected


ON = {
    "no link was given": (ETH0, "", ETH0),
    "for advertisements": (ETH0, "br0", Acquisition(interfaces=("br0",))),
    "for the kernel": (
        Acquisition(kernel_interface="eth0"),
        "br0",
        Acquisition(kernel_interface="br0"),
    ),
    "where none is named": (Acquisition(static=A), "br0", Acquisition(static=A)),
}


@pytest.mark.parametrize(("acquisition", "given", "expected"), ON.values(), ids=ON)
def test_a_given_link_stands_in(acquisition, given, expected):
    watched = Watched(Specification("home", acquisition), None).on(given)
    assert watched.specification.acquisition == expected
