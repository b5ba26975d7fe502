"""Several routers, VLANs and DynamicPrefixes at once, with real radvd and the whole daemon."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import netns
from tests.gitrepo import bare_clone, commit_all, git
from tests.parts import require
from tests.topology import Advertiser, Switch, heard, switch

PROGRAM = [sys.executable, "-m", "gitops_prefix"]
GUA, NEXT_GUA, OTHERS = "2001:db8:a::/64", "2001:db8:b::/64", "3fff:2::/64"
ULA, NEXT_ULA = "fd00:1:2:3::/64", "fd00:4:5:6::/64"
ON_10, ON_20 = "2001:db8:10::/64", "2001:db8:20::/64"

DOCUMENT = """apiVersion: dynamic-prefix.io/v1alpha1
kind: DynamicPrefix
metadata:
  name: {name}
spec:
  acquisition: {acquisition}
"""
LINK = "routerAdvertisement: {interface: eth0}"
ISP = "{" + LINK + ", prefixFilter: {within: [2001:db8::/32]}}"
LOCAL = "{" + LINK + ", prefixFilter: {requireGlobalUnicast: false, within: ['fd00::/8']}}"
SECOND = "{routerAdvertisement: {interface: eth0, routers: ['fe80::2']}}"
VLANS = "{routerAdvertisement: {interfaces: [eth0.10, eth0.20]}}"
KERNEL = "{kernel: {interface: eth0}, prefixFilter: {within: [2001:db8::/32]}}"
STATIC = "{static: {prefix: '2001:db8:ffff::/64'}}"


@pytest.fixture(scope="module", autouse=True)
def parts():
    require("netns", "radvd")


@contextmanager
def running(made: Switch, directory: Path, **acquisitions: str) -> Iterator["Repository"]:
    """The daemon on the node, with a repository of one DynamicPrefix for each acquisition."""
    tree = directory / "tree"
    tree.mkdir()
    for name, acquisition in acquisitions.items():
        (tree / f"{name}.yaml").write_text(DOCUMENT.format(name=name, acquisition=acquisition))
    commit_all(tree)
    repository = Repository(bare_clone(tree, directory / "remote.git"))
    words = [
        *PROGRAM, "run", "--repo", str(repository.bare), "--clone-dir", str(directory / "clone"),
        "--listen", "127.0.0.1:8080",
    ]  # fmt: skip
    log = (directory / "daemon.log").open("w")
    with log, made.node.start(*words, stderr=log, cwd=directory):
        yield repository


class Repository:
    def __init__(self, bare: Path) -> None:
        self.bare = bare

    def current(self, name: str) -> str:
        text = git(self.bare, "show", f"main:{name}.yaml")
        return text.partition("currentPrefix: ")[2].partition("\n")[0].strip('"')

    def follows(self, **prefixes: str) -> None:
        for name, prefix in prefixes.items():
            netns.until(lambda: self.current(name) == prefix, f"{name} at {prefix}")  # noqa: B023

    def changes(self, name: str) -> int:
        return len(git(self.bare, "log", "--format=%H", "main", "--", f"{name}.yaml").split())


def test_each_of_several_on_one_link_has_its_own_policy(tmp_path):
    """The ISP's, a local one, a named router's, the kernel's word and a fixed one: each follows its own."""
    with switch() as made:
        first, second = (Advertiser(router, tmp_path) for router in made.routers)
        with first.advertising(lan0=(GUA, ULA)) as radvd, second.advertising(lan0=(OTHERS,)):
            policies = {
                "isp": ISP, "local": LOCAL, "second": SECOND, "kernel": KERNEL, "fixed": STATIC,
            }  # fmt: skip
            with running(made, tmp_path, **policies) as repository:
                repository.follows(
                    isp=GUA, local=ULA, second=OTHERS, kernel=GUA, fixed="2001:db8:ffff::/64"
                )
                before = {name: repository.changes(name) for name in policies}
                radvd.advertise(lan0=(GUA, NEXT_ULA))
                repository.follows(local=NEXT_ULA)
                now = {name: repository.changes(name) for name in policies}
                assert now == before | {"local": before["local"] + 1}


def test_two_routers_do_not_make_it_flap(tmp_path):
    """Each announces its own; hundreds of advertisements later there is one commit."""
    with switch() as made:
        first, second = (Advertiser(router, tmp_path) for router in made.routers)
        with (
            first.advertising(lan0=(GUA,)) as radvd,
            second.advertising(lan0=(OTHERS,)),
            running(made, tmp_path, any="{" + LINK + "}") as repository,
        ):
            netns.until(lambda: heard(made.node) > 60, "sixty advertisements")
            chosen = repository.current("any")
            assert chosen in {GUA, OTHERS}
            assert repository.changes("any") == 2
            radvd.advertise(lan0=(NEXT_GUA,))
            already = heard(made.node)
            netns.until(lambda: heard(made.node) > already + 20, "twenty more")
            # Of two candidates the lowest, unless one of them is the current one already.
            expected, changes = (OTHERS, 2) if chosen == OTHERS else (NEXT_GUA, 3)
            repository.follows(any=expected)
            assert repository.changes("any") == changes


@pytest.mark.parametrize("tagged", [False, True], ids=["a link each", "802.1Q"])
def test_one_that_spans_vlans_follows_whichever_is_there(tmp_path, tagged):
    """A VLAN that goes down gives way to the other, and back up does not take it back."""
    if tagged:
        require("vlan")
    with switch() as made:
        for number in (10, 20):
            made.add_vlan(number, tagged=tagged)
        first, second = (Advertiser(router, tmp_path) for router in made.routers)
        with (
            first.advertising(lan0=(GUA,), lan0_10=(ON_10,)),
            second.advertising(lan0_20=(ON_20,)),
            running(made, tmp_path, vlans=VLANS, isp=ISP) as repository,
        ):
            repository.follows(isp=GUA)
            chosen = netns.until(lambda: repository.current("vlans"), "a prefix of a VLAN")
            assert chosen in {ON_10, ON_20}
            gone, other = ("eth0.10", ON_20) if chosen == ON_10 else ("eth0.20", ON_10)
            made.node.run("ip", "link", "set", gone, "down")
            repository.follows(vlans=other)
            made.node.run("ip", "link", "set", gone, "up")
            already = heard(made.node)
            netns.until(lambda: heard(made.node) > already + 30, "thirty more")
            # It is back, and the current one stays.
            assert repository.current("vlans") == other
            assert repository.current("isp") == GUA
