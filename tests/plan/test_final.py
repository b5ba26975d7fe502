"""When a decision stands before the burst is over; and what is news, asked, written."""

from dataclasses import replace

import pytest

from gitops_prefix.decide.advertisement import INFINITY, PrefixInformation, Router
from gitops_prefix.decide.other_sources import KernelPrefix
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Acquisition, Specification
from gitops_prefix.decide.status import PrefixSource, Status
from gitops_prefix.plan.ears import Accepted, Advertised, Ears, Watched
from tests.decide.routers_saying import FIRST, SECOND, pio, saying

A, B = (Prefix.parse(f"2001:db8:{letter}::/64") for letter in "ab")
ETH0 = Acquisition(interfaces=("eth0",))
HAS_A = Status(A, PrefixSource.ROUTER_ADVERTISEMENT, None)


def ears(*statuses: Status | None, other: Acquisition | None = None) -> Ears:
    """Ears for a DynamicPrefix for each status, all on eth0, and for one more."""
    watched = {
        f"home{number}": Watched(Specification(f"home{number}", ETH0), status)
        for number, status in enumerate(statuses)
    }
    if other is not None:
        watched["other"] = Watched(Specification("other", other), HAS_A)
    return Ears().follow(watched)


def says(*options: PrefixInformation, router: Router = FIRST, at: float = 0.0) -> Advertised:
    return Advertised(router, saying(*options), at, repeated=False)


def lasts(prefix: Prefix) -> PrefixInformation:
    return pio(prefix, INFINITY, INFINITY)


GONE = pio(A, 0, 0)
REPLACES = says(lasts(B), GONE, at=1)
FINAL = {
    "its router replaces the prefix": (ears(HAS_A), [REPLACES], True),
    "nothing moves": (ears(HAS_A), [], False),
    "there was no prefix": (ears(None), [REPLACES], False),
    "another router brings the new one": (
        ears(HAS_A), [says(GONE, at=1), says(lasts(B), router=SECOND, at=1)], False,
    ),
    "two DynamicPrefixes move": (ears(HAS_A, HAS_A), [REPLACES], False),
    "another DynamicPrefix hears the router": (
        ears(HAS_A, other=Acquisition(interfaces=("eth0",), within=(Prefix.parse("fd00::/8"),))),
        [REPLACES], False,
    ),
    "another DynamicPrefix is on another link": (
        ears(HAS_A, other=Acquisition(interfaces=("eth1",))), [REPLACES], True,
    ),
    "another DynamicPrefix is static": (
        ears(HAS_A, other=Acquisition(interfaces=(), static=A)), [REPLACES], True,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("followed", "events", "final"), FINAL.values(), ids=FINAL)
def test_a_decision_is_final_when(followed: Ears, events: list[Advertised], final: bool):
    heard = followed.hear(says(lasts(A)))
    for event in events:
        heard = heard.hear(event)
    assert heard.decide(1).final is final


def test_what_the_kernel_reports_is_never_final():
    """It reports prefix by prefix."""
    kernel = Acquisition(kernel_interface="eth0")
    heard = Ears().follow({"home": Watched(Specification("home", kernel), HAS_A)})
    for at, prefix in enumerate((A, B)):
        known = KernelPrefix(PrefixInformation(prefix, True, True, 7200, 3600), at, at)
        heard = heard.hear(Accepted("eth0", (known,), at)).decide(at)
        assert not heard.final


def test_an_advertisement_is_news_unless_it_renews_what_is_known():
    heard = ears(None).hear(says(lasts(A)))
    assert ears(None).is_news(says(lasts(A)))
    assert not heard.is_news(says(lasts(A), at=1))
    assert heard.is_news(says(lasts(B), at=1))


def test_silence_is_asked_about_before_it_counts():
    """A router that repeats every ten seconds is silent for half a minute."""
    heard = ears(None).hear(says(lasts(A))).hear(says(lasts(A), at=10)).decide(10)
    assert heard.solicit == frozenset()
    silent = heard.decide(heard.look_again_at)
    assert silent.solicit == {"eth0"}
    now = heard.look_again_at
    assert silent.asked("eth0", now).decide(now).solicit == frozenset()


def test_who_has_no_repository_counts_a_decision_as_written():
    decided = ears(None).hear(says(lasts(A))).decide(0)
    written = decided.written()
    assert written.decide(1).choices == decided.choices
    assert written.selections["home0"].current == A
    assert replace(written, selections=decided.selections) == decided
