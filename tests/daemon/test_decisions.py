"""What a flood, and a policy, make of advertisements: remembered or not, counted, logged."""

import logging

import pytest

from gitops_prefix.daemon.decisions import OTHERS, Decisions
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.routers import MOST_ROUTERS
from gitops_prefix.decide.selection import Standing
from gitops_prefix.decide.specification import Acquisition, Delegation, Specification, Transition
from gitops_prefix.decide.status import PrefixSource, Status
from gitops_prefix.plan.ears import MOST_STRANGERS, Advertised, LinkChanged, Watched
from gitops_prefix.watch.links import Reach
from gitops_prefix.watch.watcher import AnswersRead, Flooded, Solicited
from tests.decide.routers_saying import FIRST, LOCAL, SECOND, A, B, C, pio, saying, watching

NAMED = watching(routers=(FIRST.address,))
NOBODY = [Router("eth0", f"fe80::{number + 16:x}") for number in range(MOST_ROUTERS + 32)]


class Daemon:
    """The decisions for one DynamicPrefix, and how often the loop was woken."""

    def __init__(self, specification):
        self.metrics, self.woken, self.now = Metrics(), 0, 0.0
        self.decisions = Decisions(
            self.metrics, lambda: self.now, self._wake, lambda *_: Reach.REACHED
        )
        self.specification = specification
        self.decisions.follow({"home": Watched(specification, None)})

    def _wake(self):
        self.woken += 1

    def hear(self, router, *prefixes, at=0.0, repeated=False):
        self.now = at
        self.decisions.take(Advertised(router, saying(*prefixes), at, repeated))

    def write(self):
        """The repository has what was decided."""
        [(name, decision)] = self.decisions.latest().items()
        status = Status(decision.current, PrefixSource.ROUTER_ADVERTISEMENT, None)
        self.decisions.follow({name: Watched(self.specification, status)})

    def count(self, name, **labels):
        return self.metrics.registry.get_sample_value(f"gitops_prefix_{name}", labels)

    @property
    def announced(self):
        return {str(one.router) for one in self.decisions.latest()["home"].candidates}

    def named(self):
        """The routers that have a name of their own in the metrics."""
        [family] = [
            one
            for one in self.metrics.registry.collect()
            if one.name == "gitops_prefix_router_advertisements"
        ]
        return {sample.labels["router"] for sample in family.samples if "_total" in sample.name}


def test_a_policy_refusal_is_counted_by_reason_and_logged_once_a_minute(caplog):
    daemon = Daemon(NAMED)
    with caplog.at_level(logging.INFO, "gitops_prefix"):
        for second in range(61):
            daemon.hear(SECOND, B if second % 2 else A, at=float(second))

    lines = [one for one in caplog.records if "refused" in one.message]
    assert [one.held_back for one in lines] == [0, 59]
    assert "its router is not in spec.acquisition.routerAdvertisement.routers" in lines[0].message
    assert daemon.count("refusals_total", dynamic_prefix="home", reason="other_router") == 61
    assert daemon.count("refused_prefixes", dynamic_prefix="home", reason="other_router") >= 1


def test_the_gauge_of_refused_prefixes_follows_where_the_standing_does_not_change():
    daemon = Daemon(watching())
    daemon.hear(FIRST, A)
    before = daemon.count("refused_prefixes", dynamic_prefix="home", reason="not_global")
    daemon.hear(FIRST, A, LOCAL)

    assert before == 0
    assert daemon.count("refused_prefixes", dynamic_prefix="home", reason="not_global") == 1


def test_strangers_that_no_policy_admits_fill_half_the_places_and_no_metric():
    daemon = Daemon(NAMED)
    for router in NOBODY:
        daemon.hear(router, B)
    daemon.hear(FIRST, A)

    assert len(daemon.announced) == MOST_STRANGERS + 1
    assert str(FIRST) in daemon.announced
    assert daemon.named() == {
        *(one.address for one in NOBODY[:MOST_STRANGERS]),
        OTHERS,
        FIRST.address,
    }
    assert daemon.decisions.latest()["home"].choice.prefix == A


def test_the_metrics_name_no_more_routers_than_are_remembered_and_those_vouched_for():
    daemon = Daemon(watching())
    for router in NOBODY:
        daemon.hear(router, B)

    assert len(daemon.named()) <= MOST_ROUTERS + 1


def test_the_router_of_the_current_prefix_renumbers_in_the_middle_of_a_flood():
    daemon = Daemon(watching())
    daemon.hear(FIRST, A)
    for number, router in enumerate(NOBODY):
        daemon.hear(router, B, at=float(number))
    woken = daemon.woken
    daemon.hear(FIRST, B, at=500.0)

    assert daemon.woken == woken + 1
    assert daemon.decisions.vouched() >= {FIRST.address}
    assert daemon.decisions.latest()["home"].choice.prefix == B


def test_a_repetition_that_shows_a_shorter_interval_wakes_the_loop():
    """It sleeps until the silence of the router would mean something: that is sooner now."""
    daemon = Daemon(NAMED)
    daemon.hear(FIRST, A)
    daemon.write()
    woken = daemon.woken
    daemon.hear(FIRST, A, at=10, repeated=True)
    assert daemon.woken == woken + 1
    assert daemon.decisions.look_again_at() == 40
    daemon.hear(FIRST, A, at=20, repeated=True)
    assert daemon.woken == woken + 1


@pytest.mark.parametrize(
    ("options", "news", "due"),
    [
        pytest.param(
            {"prefer_routers": (SECOND.address,)},
            (SECOND, B),
            610.0,
            id="a preferred router that is back",
        ),
        pytest.param({}, (FIRST, pio(A, 20, 30)), 30.0, id="a lifetime that is shorter now"),
    ],
)
def test_news_that_changes_nothing_yet_wakes_the_loop_to_count_the_time(options, news, due):
    daemon = Daemon(watching(**options))
    daemon.hear(FIRST, A)
    daemon.write()
    daemon.decisions.decide()
    woken = daemon.woken

    daemon.hear(*news, at=10.0)

    assert daemon.decisions.look_again_at() == due
    assert daemon.woken == woken + 1


def test_who_was_pushed_out_comes_back_by_repeating_itself():
    daemon = Daemon(watching())
    daemon.hear(FIRST, A)
    for router in NOBODY[: MOST_ROUTERS - 1]:
        daemon.hear(router, B)
    daemon.hear(SECOND, B, at=1.0)
    daemon.hear(NOBODY[-1], B, at=2.0)
    gone = str(SECOND) in daemon.announced
    daemon.hear(SECOND, B, at=3.0, repeated=True)

    assert not gone
    assert str(SECOND) in daemon.announced


def test_a_flood_is_counted_and_logged_once_a_minute(caplog):
    daemon = Daemon(watching())
    with caplog.at_level(logging.INFO, "gitops_prefix"):
        for second in range(59):
            daemon.decisions.take(Flooded(float(second)))

    assert daemon.count("floods_total") == 59
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("most", "degraded"), [(1, 1), (12, 0)])
def test_a_prefix_that_is_held_is_told_as_degraded(most, degraded, caplog):
    daemon = Daemon(watching(Transition(max_changes_per_hour=most)))
    for at, prefix in enumerate((A, B, C)):
        daemon.hear(FIRST, prefix, at=float(at))
        daemon.write()

    assert daemon.count("degraded", dynamic_prefix="home") == degraded
    assert (str(Standing.HELD) in caplog.text) is bool(degraded)


def test_a_daemon_without_any_link_that_is_up_hears_nobody():
    """Then another daemon may lead, which hears the router."""
    decisions = Daemon(NAMED).decisions
    assert decisions.has_link()
    decisions.take(LinkChanged("eth0", False, False, 0.0))
    assert not decisions.has_link()
    decisions.take(LinkChanged("eth1", True, True, 1.0))
    assert decisions.has_link()


def ask(daemon: Daemon, now: float) -> None:
    """A solicitation is sent, and what is in the socket is read."""
    daemon.decisions.take(Solicited("eth0", "", now))
    daemon.decisions.take(AnswersRead("eth0", now, now))


def test_a_router_whose_answer_waits_in_the_socket_is_not_gone(caplog):
    """The machine stood still for a minute right after it asked."""
    daemon = Daemon(watching())
    daemon.hear(FIRST, A)
    daemon.write()
    daemon.hear(SECOND, B, at=1799.0)
    daemon.now = 1800.0
    ask(daemon, 1800.0)
    daemon.decisions.take(Solicited("eth0", "", 1804.0))
    daemon.now = 1864.0
    assert daemon.decisions.decide()["home"].current == A
    # The other router answered first.
    daemon.hear(SECOND, B, C, at=1864.0)
    daemon.hear(FIRST, A, at=1864.0)
    daemon.decisions.take(AnswersRead("eth0", 1804.0, 1864.0))
    assert daemon.decisions.decide()["home"].current == A
    assert "is gone" not in caplog.text


def test_answers_that_waited_in_a_socket_that_was_closed_are_asked_for_anew():
    """The watcher is made anew when the links change, and reports every link."""
    daemon = Daemon(watching())
    daemon.decisions.take(LinkChanged("eth0", True, True, 0.0))
    daemon.hear(FIRST, A)
    daemon.write()
    daemon.now = 1800.0
    ask(daemon, 1800.0)
    daemon.decisions.take(Solicited("eth0", "", 1804.0))
    woken = daemon.woken
    daemon.decisions.take(LinkChanged("eth0", True, True, 1805.0))
    assert daemon.woken == woken + 1
    daemon.now = 1810.0
    daemon.decisions.decide()
    assert daemon.decisions.solicitations() == ("eth0",)
    for now in (1810.0, 1814.0):
        ask(daemon, now)
    daemon.now = 1818.0
    assert daemon.decisions.decide()["home"].standing is Standing.GONE


def test_a_router_that_goes_is_logged_once_with_the_kernels_opinion(caplog):
    caplog.set_level(logging.INFO)
    daemon = Daemon(watching())
    daemon.hear(FIRST, A)
    daemon.write()
    for now in (1800.0, 1804.0):
        daemon.now = now
        daemon.decisions.decide()
        ask(daemon, now)
    daemon.now = 1808.0
    daemon.decisions.decide()
    daemon.decisions.decide()
    words = f"the router {FIRST} is gone: it answered none of two solicitations; {Reach.REACHED}"
    assert [record.message for record in caplog.records].count(words) == 1
    assert daemon.count("router_gone", dynamic_prefix="home") == 1

    daemon.hear(FIRST, A, at=1900.0)
    assert daemon.count("router_gone", dynamic_prefix="home") == 0
    assert f"the router {FIRST} is there again" in caplog.text


def test_a_router_that_cannot_be_asked_counts_to_the_end_of_its_lifetime(caplog):
    """Else its prefix would stay for as long as a firewall is closed, or IPv6 is off on its link."""
    daemon = Daemon(watching())
    daemon.hear(FIRST, A)
    daemon.write()
    daemon.hear(SECOND, B, at=1799.0)
    for now in (1799.0, 1800.0, 1804.0):
        daemon.now = now
        daemon.decisions.take(Solicited("eth0", "", now, "Operation not permitted"))
        assert daemon.decisions.decide()["home"].current == A
    daemon.now = 1808.0
    assert daemon.decisions.decide()["home"].current == B
    words = "cannot solicit the routers of eth0: Operation not permitted; their prefixes count to their ends"
    assert [record.message for record in caplog.records].count(words) == 1


def test_that_nobody_can_be_asked_is_logged_once_an_hour_and_its_end_once(caplog):
    caplog.set_level(logging.INFO)
    daemon = Daemon(watching())
    refused = "Operation not permitted"
    for second in range(0, 3604, 4):
        daemon.decisions.take(Solicited("eth0", "", float(second), refused))
    ask(daemon, 3604.0)
    ask(daemon, 3608.0)
    daemon.decisions.take(Solicited("eth0", "", 3612.0, refused))
    ask(daemon, 3616.0)
    words = f"cannot solicit the routers of eth0: {refused}; their prefixes count to their ends"
    again = "the routers of eth0 are solicited again"
    lines = [record for record in caplog.records if "solicit" in record.message]
    assert [line.message for line in lines] == [words, words, again]
    assert [line.held_back for line in lines[:2]] == [0, 899]


def test_a_router_of_a_link_that_went_down_is_not_reported_as_back(caplog):
    caplog.set_level(logging.INFO)
    daemon = Daemon(watching())
    daemon.hear(FIRST, A)
    daemon.write()
    for now in (1800.0, 1804.0, 1808.0):
        daemon.now = now
        daemon.decisions.decide()
        ask(daemon, now)
    daemon.decisions.take(LinkChanged("eth0", up=False, present=True, at=1900.0))
    daemon.decisions.decide()
    daemon.hear(FIRST, A, at=2000.0)
    assert "is gone" in caplog.text
    assert "is there again" not in caplog.text


def test_a_start_is_no_warning_until_a_router_spoke_that_does_not_count(caplog):
    daemon = Daemon(NAMED)
    with caplog.at_level(logging.INFO, "gitops_prefix"):
        daemon.decisions.decide()
        assert [record.levelname for record in caplog.records] == ["INFO"]
        assert "listening; no router was heard yet" in caplog.text
        daemon.hear(SECOND, A)
    levels = {record.levelname for record in caplog.records if "no prefix yet" in record.message}
    assert levels == {"WARNING"}


@pytest.mark.parametrize(
    ("acquisition", "words"),
    [
        (Acquisition(kernel_interface="eth0"), "the kernel has reported no prefix yet"),
        (Acquisition(file="/run/prefix"), "no file was read yet"),
        (
            Acquisition(
                ("eth0",),
                delegation=Delegation("home", "eth0", 56),
                webhook="home",
                fritzbox="fritz.box",
            ),
            "no DHCPv6 server has answered yet, the FRITZ!Box has not answered yet, "
            "no update was received yet, no router was heard yet",
        ),
    ],
)
def test_a_start_names_the_sources_that_it_listens_to(caplog, acquisition, words):
    with caplog.at_level(logging.INFO, "gitops_prefix"):
        Daemon(Specification("home", acquisition)).decisions.decide()
    assert caplog.messages == [f"home: listening; {words}"]


def test_a_prefix_of_before_is_no_warning_at_a_start_and_silence_after_a_router_is(caplog):
    daemon = Daemon(watching())
    status = Status(A, PrefixSource.ROUTER_ADVERTISEMENT, None)
    daemon.decisions.follow({"home": Watched(daemon.specification, status)})
    with caplog.at_level(logging.INFO, "gitops_prefix"):
        daemon.decisions.decide()
        daemon.hear(FIRST, A)
    assert "WARNING" not in {record.levelname for record in caplog.records}
    assert "announced and current" in caplog.text
