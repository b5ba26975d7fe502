"""What the kernel says, as the daemon takes it: decisions, metrics, and the log."""

import logging

import pytest

from gitops_prefix.daemon.decisions import Decisions
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.decide.advertisement import PrefixInformation
from gitops_prefix.decide.other_sources import KernelPrefix
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Acquisition, Specification
from gitops_prefix.plan.ears import Accepted, LinkChanged, Watched
from gitops_prefix.watch.learnt import Deaf, SwitchedOff

A, B = Prefix.parse("2001:db8:a::/64"), Prefix.parse("3fff:b::/64")
OURS = Prefix.parse("2001:db8::/32")


class Told:
    """Decisions for one DynamicPrefix of the kernel's, and how often the loop was woken."""

    def __init__(self) -> None:
        self.now, self.woken, self.metrics = 0.0, 0, Metrics()
        self.decisions = Decisions(self.metrics, lambda: self.now, self.wake)
        acquisition = Acquisition(kernel_interface="eth0", within=(OURS,))
        self.decisions.follow({"home": Watched(Specification("home", acquisition), None)})

    def wake(self) -> None:
        self.woken += 1

    def accepted(self, at: float, *prefixes: Prefix) -> None:
        self.now = at
        has = [
            KernelPrefix(PrefixInformation(one, True, True, 7200, 3600), at, at) for one in prefixes
        ]
        self.decisions.take(Accepted("eth0", tuple(has), at))

    def current(self) -> Prefix | None:
        return self.decisions.decide()["home"].current

    def metric(self, line: str) -> bool:
        return line in self.metrics.exposition().decode()


@pytest.fixture
def told() -> Told:
    return Told()


def test_the_loop_is_woken_for_news_and_for_nothing_else(told):
    told.accepted(0, A)
    assert (told.current(), told.woken) == (A, 1)
    told.accepted(600, A)
    assert told.woken == 1


def test_what_policy_refuses_is_counted_and_logged_once_a_minute(told, caplog):
    with caplog.at_level(logging.INFO):
        for second in range(30):
            told.accepted(second, B)
    assert told.current() is None
    assert told.metric(
        'gitops_prefix_refusals_total{dynamic_prefix="home",reason="not_within"} 30.0'
    )
    assert sum("refused 3fff:b::/64" in record.message for record in caplog.records) == 1


def test_a_refused_newcomer_does_not_make_the_current_one_look_gone(told):
    told.accepted(0, A)
    told.now = 600
    old = KernelPrefix(PrefixInformation(A, True, True, 7200, 3600), 0, 0)
    new = KernelPrefix(PrefixInformation(B, True, True, 7200, 3600), 600, 600)
    told.decisions.take(Accepted("eth0", (old, new), 600))
    assert told.metric('gitops_prefix_current_prefix_announced{dynamic_prefix="home"} 1.0')


def test_a_deaf_kernel_is_a_warning_and_a_metric(told, caplog):
    name = 'gitops_prefix_kernel_accepts_advertisements{interface="eth0"}'
    told.decisions.take(Deaf("eth0", "the kernel takes no prefix: mend it", 0))
    assert "mend it" in caplog.text
    assert told.metric(f"{name} 0.0")
    told.decisions.take(Deaf("eth0", "", 1))
    assert told.metric(f"{name} 1.0")


def test_ipv6_that_is_off_says_nothing_of_what_the_kernel_accepts(told, caplog):
    """The gauge is the kernel source's alone. One fact that both sources report is one warning."""
    gauge = "gitops_prefix_kernel_accepts_advertisements"
    with caplog.at_level(logging.INFO):
        told.decisions.take(SwitchedOff("eth0", "IPv6 is off: mend it", 0))
        told.decisions.take(SwitchedOff("eth0", "", 1))
        assert not told.metric(f'{gauge}{{interface="eth0"}}')
        told.decisions.take(Deaf("eth0", "IPv6 is off: mend it", 2))
        told.decisions.take(SwitchedOff("eth0", "IPv6 is off: mend it", 2))
        told.decisions.take(Deaf("eth0", "accept_ra is 0", 3))
        told.decisions.take(SwitchedOff("eth0", "", 3))
    assert told.metric(f'{gauge}{{interface="eth0"}} 0.0')
    assert [record.message for record in caplog.records] == [
        "IPv6 is off: mend it",
        "IPv6 is on again on eth0",
        "IPv6 is off: mend it",
        "accept_ra is 0",
        "IPv6 is on again on eth0",
    ]


def test_a_link_that_both_watchers_tell_of_is_logged_once(told, caplog):
    with caplog.at_level(logging.INFO):
        for at in (0.0, 0.1):
            told.decisions.take(LinkChanged("eth0", up=True, present=True, at=at))
    assert caplog.text.count("link eth0 is up") == 1
