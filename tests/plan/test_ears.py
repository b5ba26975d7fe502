"""Events of the links in, decisions out: what is remembered, what is decided, what is news."""

from dataclasses import replace
from datetime import UTC, datetime
from math import inf

import pytest

from gitops_prefix.decide.advertisement import (
    DHCPV6_PD,
    FILE,
    INFINITY,
    WEBHOOK,
    PrefixInformation,
    Router,
)
from gitops_prefix.decide.other_sources import KernelPrefix
from gitops_prefix.decide.policy import Verdict
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import Standing
from gitops_prefix.decide.specification import Acquisition, Delegation, Specification
from gitops_prefix.decide.status import PrefixSource, Status
from gitops_prefix.decide.transition import advance
from gitops_prefix.plan.ears import (
    MOST_STRANGERS,
    Accepted,
    Advertised,
    Ears,
    Given,
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
    heard = ears().hear(says(A)).hear(says(A, router=SECOND)).decide(0)
    again = heard.hear(says(A, at=10))
    assert again.is_due_sooner(heard, FIRST)
    assert not again.is_due_sooner(heard, SECOND)
    assert not again.is_due_sooner(ears(), FIRST)

    decided = again.decide(10)
    assert not decided.hear(says(A, at=19)).is_due_sooner(again, SECOND)
    assert not decided.is_due_sooner(heard, FIRST)


def test_the_silence_of_a_router_that_does_not_count_means_nothing():
    heard = ears().hear(says(ULA)).decide(0)
    assert not heard.hear(says(ULA, at=10)).is_due_sooner(heard, FIRST)


def test_nothing_followed_never_looks_again():
    assert Ears().decide(0).look_again_at == inf


def test_a_link_that_goes_down_forgets_its_routers_and_one_that_comes_up_does_not():
    heard = ears().hear(says(A))
    up = heard.hear(LinkChanged("eth0", up=True, present=True, at=1))
    down = heard.hear(LinkChanged("eth0", up=False, present=True, at=1))
    assert up is heard
    assert down.routers == {}


def test_what_a_link_said_before_it_was_watched_no_more_is_not_believed_when_it_is_again():
    """A DynamicPrefix that moves to another link and back; a link that others watch is heard on."""
    eth1 = Acquisition(interfaces=("eth1",))
    heard = ears(home=ETH0, other=eth1).hear(says(A)).decide(0)
    status = Status(A, PrefixSource.ROUTER_ADVERTISEMENT, None)

    def watching(**acquisitions):
        named = acquisitions.items()
        return {name: Watched(Specification(name, one), status) for name, one in named}

    moved = heard.follow(watching(home=eth1, other=eth1))
    assert not moved.routers
    back = moved.follow(watching(home=ETH0, other=eth1)).decide(1)
    assert back.decisions["home"].standing is Standing.FAILED_STATIC
    assert back.hear(says(A, at=2)).decide(2).decisions["home"].standing is Standing.CURRENT

    swapped = heard.follow(watching(home=eth1, other=ETH0)).follow(watching(home=ETH0))
    assert swapped.decide(1).decisions["home"].standing is Standing.CURRENT


def test_what_a_link_said_before_a_static_prefix_is_not_believed_after_it():
    """Beside a static prefix nobody listens."""
    status = Status(A, PrefixSource.ROUTER_ADVERTISEMENT, None)
    said = {"home": Watched(Specification("home", ETH0), status)}
    fixed = {"home": Watched(Specification("home", replace(ETH0, static=B)), status)}
    heard = Ears().follow(said).hear(says(A)).decide(0)
    back = heard.follow(fixed).decide(1).follow(said).decide(2)
    assert back.decisions["home"].standing is Standing.FAILED_STATIC


def test_what_routers_say_on_the_link_of_a_delegation_is_kept():
    """It is shown, and a change of it makes the delegation renewed."""
    leased = Acquisition(delegation=Delegation("home", "eth0", 56))
    heard = ears(home=leased).hear(says(A))
    assert heard.follow(heard.watched).routers == heard.routers


def test_silence_counts_once_all_is_read_and_answers_that_are_lost_are_asked_for_anew():
    heard = ears().hear(says(A)).decide(0).written()
    once = heard.asked("eth0", 1800, read=False).heard_out("eth0", 1800)
    twice = once.asked("eth0", 1804, read=False)
    assert twice.decide(1808).decisions["home"].standing is Standing.CURRENT
    read = twice.heard_out("eth0", 1804).decide(1808)
    assert read.decisions["home"].standing is Standing.GONE
    anew = twice.hear(LinkChanged("eth0", up=True, present=True, at=1806)).decide(1808)
    assert anew.solicit == {"eth0"}


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


def with_status(prefix: Prefix | None, acquisition: Acquisition = ETH0) -> Watched:
    status = Status(prefix, PrefixSource.ROUTER_ADVERTISEMENT, None) if prefix else None
    return Watched(Specification("home", acquisition), status)


def renumbered(watched: dict[str, Watched], *events, at: float = 100.0) -> Ears:
    """After these events, of which the first came a while before the others."""
    heard = Ears().follow(watched)
    for event in events:
        heard = heard.hear(event).decide(event.at)
    return heard.decide(at)


def replaces(router: Router = FIRST) -> tuple[Advertised, Advertised]:
    """A router whose newest advertisement deprecates A and has B."""
    said = saying(pio(A, INFINITY, 0), pio(B, INFINITY, INFINITY))
    return says(A, router=router), Advertised(router, said, 100.0, repeated=False)


KERNEL_LINK = Acquisition(kernel_interface="eth0")
FINAL = {
    "a router that replaces its own prefix": ({"home": with_status(A)}, replaces(), True),
    "another DynamicPrefix on another link": (
        {"home": with_status(A), "guest": with_status(None, Acquisition(("eth1",)))},
        replaces(),
        True,
    ),
    "another DynamicPrefix that is static": (
        {"home": with_status(A), "guest": with_status(B, Acquisition(("eth0",), static=B))},
        replaces(),
        True,
    ),
    "another DynamicPrefix that listens there": (
        {"home": with_status(A), "guest": with_status(None, Acquisition(("eth0",), within=(ULA,)))},
        replaces(),
        False,
    ),
    "a first prefix": ({"home": with_status(None)}, (says(A),), False),
    "a router that never announced the old prefix": (
        {"home": with_status(A)},
        (says(B, at=0.0), says(B, at=100.0)),
        False,
    ),
    "two that move": (
        {"home": with_status(A), "guest": with_status(A)},
        replaces(),
        False,
    ),
    "nothing that moves": ({"home": with_status(A)}, (says(A),), False),
    "the kernel": (
        {"home": with_status(A, KERNEL_LINK)},
        (has(A), has(B, at=100.0)),
        False,
    ),
}


@pytest.mark.parametrize(("watched", "events", "expected"), FINAL.values(), ids=FINAL)
def test_nothing_in_a_burst_can_change_the_decision_after(watched, events, expected):
    assert renumbered(watched, *events).final is expected


def test_a_router_that_fell_silent_is_asked_before_its_prefix_counts_for_less():
    heard = ears().hear(says(A)).decide(0)
    assert heard.solicit == frozenset()
    overdue = heard.decide(1e6)
    assert overdue.solicit == {"eth0"}
    assert overdue.asked("eth0", 1e6).decide(1e6).solicit == frozenset()


def test_without_a_repository_a_decision_is_carried_out_at_once():
    heard = ears().hear(says(A)).decide(0).written().decide(1)
    assert heard.selections["home"].current == A
    assert heard.decisions["home"].standing is Standing.CURRENT


def test_a_file_counts_before_a_router_as_long_as_it_is_watched():
    both = Acquisition(interfaces=("eth0",), file="/run/prefix")
    given = Given(Router("/run/prefix", FILE), (pio(B, INFINITY, INFINITY),), 0.0, 0.0)
    heard = ears(home=both).hear(says(A)).hear(given).decide(0)
    assert (heard.choices["home"].prefix, heard.choices["home"].source) == (B, PrefixSource.FILE)
    assert not heard.final
    without = heard.follow({"home": Watched(Specification("home", ETH0), None)}).decide(0)
    assert without.choices["home"].prefix == A
    assert without.routers.keys() == {FIRST}


@pytest.mark.parametrize(
    ("old", "others", "final"),
    [
        (0, {}, True),
        (900, {}, False),
        (None, {}, False),
        (0, {"fixed": Acquisition(static=A)}, True),
        (0, {"work": ETH0}, False),
    ],
    ids=["withdrawn", "beside the old one", "not mentioned", "with a static one", "with another"],
)
def test_a_reply_that_replaces_the_lease_is_final_where_nothing_else_may_follow(old, others, final):
    lease = Acquisition(("eth0",), delegation=Delegation("home", "eth0", 64))
    status = Status(A, PrefixSource.DHCPV6_PD, None)
    watched = {"home": Watched(Specification("home", lease), status)}
    watched |= {
        name: Watched(Specification(name, other), Status(A, PrefixSource.STATIC, None))
        for name, other in others.items()
    }
    source = Router("home", DHCPV6_PD)
    first = Given(source, (pio(A, 900, 900),), 0.0, 0.0)
    gone = () if old is None else (pio(A, 900, old),)
    second = Given(source, (pio(B, 900, 900), *gone), 1.0, 1.0)
    ears = Ears().follow(watched).hear(first).decide(0.0).hear(second).decide(1.0)
    assert ears.final is final


HOOK = Acquisition(webhook="home")


@pytest.mark.parametrize(
    ("source", "acquisition", "standing"),
    [
        (PrefixSource.WEBHOOK, HOOK, Standing.CURRENT),
        (PrefixSource.ROUTER_ADVERTISEMENT, HOOK, Standing.FAILED_STATIC),
        (PrefixSource.WEBHOOK, Acquisition(("eth0",)), Standing.FAILED_STATIC),
    ],
    ids=["an update said so", "another source said so", "no updates any more"],
)
def test_after_a_restart_the_repository_knows_what_an_update_said(source, acquisition, standing):
    watched = Watched(Specification("home", acquisition), Status(A, source, None))
    ears = Ears().follow({"home": watched}).decide(0.0)
    assert ears.decisions["home"].current == A
    assert ears.decisions["home"].standing is standing


def test_an_update_that_repeats_what_a_router_said_is_known_after_a_restart():
    """Else the router, which comes after the update, would be followed from then on."""
    specification = Specification("home", replace(ETH0, webhook="home"))
    status = Status(A, PrefixSource.ROUTER_ADVERTISEMENT, None)
    before = Ears().follow({"home": Watched(specification, status)}).hear(says(A)).decide(0.0)
    said = Given(Router("home", WEBHOOK), (pio(A, INFINITY, INFINITY),), 1.0, 1.0)
    told = before.hear(said).decide(1.0)
    assert told.differs(before.decisions), "the loop has to write it down"
    when = datetime(2026, 1, 1, tzinfo=UTC)
    written = advance(specification, status, told.choices["home"], when)
    restarted = Ears().follow({"home": Watched(specification, written)}).hear(says(B)).decide(0.0)
    assert restarted.decisions["home"].current == A


def test_what_an_update_says_now_counts_and_not_the_repository():
    watched = {"home": Watched(Specification("home", HOOK), Status(A, PrefixSource.WEBHOOK, None))}
    said = Given(Router("home", WEBHOOK), (pio(B, INFINITY, INFINITY),), 1.0, 1.0)
    ears = Ears().follow(watched).hear(said).follow(watched).decide(1.0)
    assert ears.decisions["home"].current == B


def test_another_link_is_asked_for_the_delegation_too():
    asked = Acquisition(delegation=Delegation("home", "eth0", 56))
    moved = Watched(Specification("home", asked), None).on("eth1")
    assert moved.specification.acquisition.delegation == Delegation("home", "eth1", 56)


@pytest.mark.parametrize("leads", [True, False], ids=["this daemon took it", "another one did"])
def test_an_update_that_another_daemon_took_is_in_the_repository(leads):
    """Else the one that takes over would publish what it remembers from long ago."""
    old, new = (Status(prefix, PrefixSource.WEBHOOK, None) for prefix in (A, B))
    specification = Specification("home", HOOK)
    ears = Ears().follow({"home": Watched(specification, old)}).decide(0.0)
    if leads:
        said = Given(Router("home", WEBHOOK), (pio(B, INFINITY, INFINITY),), 1.0, 1.0)
        ears = ears.hear(said).decide(1.0)
        assert ears.decisions["home"].current == B
    ears = ears.follow({"home": Watched(specification, new)}).decide(2.0)
    assert ears.decisions["home"].current == B
    assert ears.decisions["home"].standing is Standing.CURRENT


def test_an_update_that_waits_for_git_is_not_undone_by_an_older_status():
    specification = Specification("home", HOOK)
    old = {"home": Watched(specification, Status(A, PrefixSource.WEBHOOK, None))}
    said = Given(Router("home", WEBHOOK), (pio(B, INFINITY, INFINITY),), 1.0, 1.0)
    ears = Ears().follow(old).decide(0.0).hear(said).decide(1.0).follow(old).decide(2.0)
    assert ears.decisions["home"].current == B
