"""What a file holds, as the daemon takes it: decisions, metrics, and the log."""

import logging

import pytest

from gitops_prefix.daemon.decisions import Decisions
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.decide.advertisement import FILE, INFINITY, Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Acquisition, Specification
from gitops_prefix.plan.ears import Advertised, Given, Watched
from gitops_prefix.watch.watcher import LeaseNotice, SourceFailed
from tests.decide.routers_saying import FIRST, A, B, pio, saying

PATH = "/run/prefix"


class Daemon:
    """Decisions for one DynamicPrefix of a file and a link, and how often the loop was woken."""

    def __init__(self) -> None:
        self.now, self.woken, self.metrics = 0.0, 0, Metrics()
        self.decisions = Decisions(self.metrics, lambda: self.now, self.wake)
        self.follow(Acquisition(("eth0",), file=PATH))

    def wake(self) -> None:
        self.woken += 1

    def follow(self, acquisition: Acquisition) -> None:
        self.decisions.follow({"home": Watched(Specification("home", acquisition), None)})

    def given(self, at: float, *prefixes: Prefix) -> None:
        self.now = at
        found = tuple(pio(prefix, INFINITY, INFINITY) for prefix in prefixes)
        self.decisions.take(Given(Router(PATH, FILE), found, at, at))

    def hear(self, prefix: Prefix) -> None:
        self.decisions.take(Advertised(FIRST, saying(prefix), self.now, repeated=False))

    def current(self) -> Prefix | None:
        return self.decisions.decide()["home"].current


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


def test_the_loop_is_woken_for_news_and_for_nothing_else(daemon):
    daemon.given(0, A)
    daemon.given(600, A)
    assert (daemon.current(), daemon.woken) == (A, 1)
    daemon.given(700, B)
    assert (daemon.current(), daemon.woken) == (B, 2)


def test_what_is_heard_meanwhile_does_not_move_the_prefix_of_a_file(daemon):
    daemon.given(0, A)
    daemon.hear(B)
    assert daemon.current() == A
    assert daemon.decisions.vouched() == frozenset()


def test_a_file_that_is_watched_no_more_does_not_count(daemon):
    daemon.given(0, A)
    daemon.hear(B)
    daemon.follow(Acquisition(("eth0",)))
    assert daemon.current() == B
    assert {found.prefix for found in daemon.decisions.latest()["home"].candidates} == {B}


def test_a_refused_file_is_counted_and_logged_and_changes_nothing(daemon, caplog):
    daemon.given(0, A)
    with caplog.at_level(logging.WARNING):
        daemon.decisions.take(SourceFailed(Router(PATH, FILE), "it holds no prefix", 1))
    assert "the file /run/prefix does not count: it holds no prefix" in caplog.text
    name = 'gitops_prefix_source_failures_total{source="file"} 1.0'
    assert name in daemon.metrics.exposition().decode()
    assert daemon.current() == A


def test_a_change_of_a_file_is_never_final(daemon):
    daemon.given(0, A)
    daemon.current()
    assert not daemon.decisions.final()


def lease(**said: object) -> LeaseNotice:
    return LeaseNotice(
        **{
            "name": "home",
            "interface": "eth0",
            "length": 56,
            "state": "bound",
            "duid": "00:04:aa",
            "server": "00:01:bb",
            "prefixes": ((Prefix.parse("2001:db8:12:3400::/56"), 1000.0),),
            "excluded": (),
            "renew_at": 500.0,
            "rebind_at": 800.0,
            "at": 0.0,
            **said,
        }
    )


def test_a_lease_is_logged_when_it_is_another_and_counted_down(daemon, caplog):
    kept = Prefix.parse("2001:db8:12:34ff::/64")
    with caplog.at_level(logging.INFO):
        daemon.decisions.take(lease(length=48, excluded=(kept,)))
        daemon.decisions.take(lease(length=48, excluded=(kept,), at=10.0))
    logged = [line for line in caplog.messages if line.startswith("home: ")]
    assert logged == [
        "home: 2001:db8:12:3400::/56 is delegated by 00:01:bb (a /48 was asked for)",
        "home: the server keeps 2001:db8:12:34ff::/64 for the link to this node (RFC 6603)",
    ]
    with caplog.at_level(logging.INFO):
        daemon.decisions.take(lease(prefixes=((kept, 1000.0),), state="offered", taken=False))
    assert caplog.messages[-1] == (
        "home: 2001:db8:12:34ff::/64 is offered, and not taken (--dry-run), by 00:01:bb "
        "(a /56 was asked for)"
    )
    daemon.decisions.take(lease())
    daemon.now = 400.0
    shown = daemon.metrics.exposition().decode()
    assert 'gitops_prefix_lease_valid_seconds{dynamic_prefix="home"} 600.0' in shown
    assert 'gitops_prefix_lease_renew_seconds{dynamic_prefix="home"} 100.0' in shown
    [leased] = daemon.decisions.overheard().leases
    assert leased.server == "00:01:bb"
