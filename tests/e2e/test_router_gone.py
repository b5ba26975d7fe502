"""A router that goes, with real radvd: its farewell, its death, its cable; and the daemon that notices.

Intervals are a router's shortest (3 to 4 s), lifetimes radvd's own (4 h preferred, 24 h valid): by
these alone the prefix of a dead router would stay current for four hours.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gitops_prefix.decide.announcement import ANSWER, ROUNDS
from tests import netns
from tests.dynamic_prefix import dynamic_prefix
from tests.gitrepo import bare_clone, commit_all, git
from tests.parts import require
from tests.topology import Advertiser, Switch, heard, switch

PROGRAM = [sys.executable, "-m", "gitops_prefix"]
FIRST, SECOND = "2001:db8:a::/64", "2001:db8:b::/64"
RADVD = """
interface lan0 {{
  AdvSendAdvert on;
  MinRtrAdvInterval 3;
  MaxRtrAdvInterval 4;
  AdvDefaultLifetime 1800;
  AdvDefaultPreference PREFERENCE;
  {prefixes}
}};
"""


@pytest.fixture(scope="module", autouse=True)
def parts():
    require("netns", "radvd")


class House:
    """Two routers on a switch, and the daemon on the node."""

    def __init__(self, made: Switch, remote: Path, log: Path) -> None:
        self.made, self.remote, self.log = made, remote, log

    def current(self) -> str:
        text = git(self.remote, "show", "main:home.yaml")
        return text.partition("currentPrefix: ")[2].partition("\n")[0].strip('"')

    def changes(self) -> int:
        return len(git(self.remote, "log", "--format=%H", "main", "--", "home.yaml").split())

    def hears(self, many: int) -> None:
        """Wait until the daemon took so many more advertisements."""
        already = heard(self.made.node)
        netns.until(lambda: heard(self.made.node) >= already + many, "advertisements")

    def default_routers(self) -> set[str]:
        """The routers that the node's own kernel has as default routers."""
        words = self.made.node.run("ip", "-6", "route", "show", "default").stdout.split()
        return {word for word in words if word.startswith("fe80::")}

    def end(self, first: Advertiser, how: signal.Signals) -> None:
        os.killpg(first.process_id(), how)

    def port(self, *words: str) -> None:
        """The port of the switch that the first router is on."""
        self.made.bridge.run("ip", "link", *words)


@contextmanager
def house(directory: Path) -> Iterator[House]:
    tree = directory / "tree"
    tree.mkdir()
    (tree / "home.yaml").write_text(dynamic_prefix())
    commit_all(tree)
    remote = bare_clone(tree, directory / "remote.git")
    words = [*PROGRAM, "run", "--repo", str(remote), "--clone-dir", str(directory / "clone")]
    words += ["--listen", "127.0.0.1:8080"]
    log = directory / "daemon.log"
    with (
        switch() as made,
        log.open("w") as file,
        made.node.start(*words, stderr=file, cwd=directory),
    ):
        yield House(made, remote, log)


def radvd(made: House, number: int, directory: Path, preference: str = "medium") -> Advertiser:
    """The radvd of a router, the first or the second."""
    template = RADVD.replace("PREFERENCE", preference)
    return Advertiser(made.made.routers[number - 1], directory, template)


WAYS = {
    "radvd is stopped, and takes its leave": lambda home, first: home.end(first, signal.SIGTERM),
    "radvd is killed": lambda home, first: home.end(first, signal.SIGKILL),
    "its cable is pulled": lambda home, first: home.port("set", "p1", "down"),
    "its port of the switch is removed": lambda home, first: home.port("del", "p1"),
}


@pytest.mark.parametrize("goes", WAYS.values(), ids=list(WAYS))
def test_the_other_router_takes_over_once_it_is_proven_that_one_is_gone(tmp_path, goes):
    """Three intervals of silence at most, and two solicitations that stay unanswered."""
    with house(tmp_path) as home:
        first = radvd(home, 1, tmp_path, preference="high")
        with first.advertising(lan0=(FIRST,)):
            netns.until(lambda: home.current() == FIRST, "the prefix of the first router")
            home.hears(5)
            with radvd(home, 2, tmp_path).advertising(lan0=(SECOND,)):
                before = home.changes()
                goes(home, first)
                netns.until(lambda: home.current() == SECOND, "the prefix of the other")
                assert home.changes() == before + 1


def test_after_a_farewell_the_kernel_of_the_node_is_of_the_same_opinion(tmp_path):
    """A second opinion on which router lives: the only default route is the other router's."""
    with house(tmp_path) as home:
        first = radvd(home, 1, tmp_path, preference="high")
        with first.advertising(lan0=(FIRST,)):
            netns.until(lambda: home.current() == FIRST, "the prefix of the first router")
            with radvd(home, 2, tmp_path).advertising(lan0=(SECOND,)):
                both = {"fe80::1", "fe80::2"}
                netns.until(lambda: home.default_routers() == both, "both default routers")
                home.hears(5)
                home.end(first, signal.SIGTERM)
                netns.until(lambda: home.current() == SECOND, "the prefix of the other")
                assert home.default_routers() == {"fe80::2"}


def test_with_no_other_router_the_prefix_stays_and_it_is_said_that_its_router_is_gone(tmp_path):
    with house(tmp_path) as home:
        first = radvd(home, 1, tmp_path)
        with first.advertising(lan0=(FIRST,)):
            netns.until(lambda: home.current() == FIRST, "the prefix of the first router")
            home.hears(5)
            before = home.changes()
            home.end(first, signal.SIGKILL)
            netns.until(lambda: "router gone" in home.log.read_text(), "the standing")
            assert "the router fe80::1%eth0 is gone" in home.log.read_text()
            assert (home.current(), home.changes()) == (FIRST, before)


def test_a_router_that_is_restarted_loses_nothing(tmp_path):
    """It takes its leave, and answers the solicitation that asks whether it is gone."""
    with house(tmp_path) as home, ExitStack() as second:
        with radvd(home, 1, tmp_path).advertising(lan0=(FIRST,)):
            netns.until(lambda: home.current() == FIRST, "the prefix of the first router")
            second.enter_context(radvd(home, 2, tmp_path).advertising(lan0=(SECOND,)))
            home.hears(4)
            before, took_leave = home.changes(), time.monotonic()
        with radvd(home, 1, tmp_path).advertising(lan0=(FIRST,)):
            netns.until(lambda: home.default_routers() >= {"fe80::1"}, "the first router again")
            in_time = time.monotonic() < took_leave + ROUNDS * ANSWER - 1
            # 3 to 4 s apart, of each: longer than both solicitations and three intervals.
            home.hears(14)
            # On a machine that is too busy to restart a router in seconds, it was gone.
            assert not in_time or (home.current(), home.changes()) == (FIRST, before)


def test_the_cable_of_the_node_is_pulled_and_put_back(tmp_path):
    """Silence on a link that is down is no word about its routers."""
    with house(tmp_path) as home, radvd(home, 1, tmp_path).advertising(lan0=(FIRST,)):
        netns.until(lambda: home.current() == FIRST, "the prefix")
        before = home.changes()
        home.port("set", "p0", "down")
        netns.until(lambda: "link eth0 is down" in home.log.read_text(), "a link that is down")
        home.port("set", "p0", "up")
        home.hears(2)
        assert (home.current(), home.changes()) == (FIRST, before)
