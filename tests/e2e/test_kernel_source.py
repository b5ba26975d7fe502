"""The source `kernel`: from what the kernel took to a commit, without any capability."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitops_prefix.decide.other_sources import TOGETHER
from tests import netns
from tests.gitrepo import example, git
from tests.netns import whole_lines
from tests.parts import require
from tests.topology import heard

PROGRAM = [sys.executable, "-m", "gitops_prefix"]
A, B = "2001:db8:1234::/64", "2001:db8:5678::/64"


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare repository that holds examples/plain, with the source `kernel`."""
    bare = example("plain", tmp_path)
    prefix = tmp_path / "tree" / "prefix.yaml"
    prefix.write_text(prefix.read_text().replace("routerAdvertisement:", "kernel:"))
    git(tmp_path / "tree", "commit", "-qam", "by the kernel")
    git(tmp_path / "tree", "push", "-q", "origin", "main")
    return bare


@contextmanager
def daemon(lab: netns.Lab, remote: Path, directory: Path, *options: str):
    """`run`, without a single capability; its log is at hand."""
    words = [
        "setpriv", "--bounding-set=-all", "--inh-caps=-all", *PROGRAM, "run", "--repo", str(remote),
        "--clone-dir", str(directory / "clone"), *options,
    ]  # fmt: skip
    path = directory / "daemon.log"
    with path.open("a") as log, lab.node.start(*words, stderr=log, cwd=directory) as process:
        yield Running(process, path)


class Running:
    def __init__(self, process: subprocess.Popen, log: Path) -> None:
        self.process, self._log = process, log

    def lines(self) -> list[dict]:
        return [json.loads(line) for line in whole_lines(self._log)]

    def says(self, words: str) -> bool:
        return any(words in line["message"] for line in self.lines())


def commits(remote: Path) -> int:
    return len(git(remote, "log", "--format=%H", "main").split())


def current(remote: Path) -> str:
    text = git(remote, "show", "main:prefix.yaml")
    return text.partition("currentPrefix: ")[2].partition("\n")[0].strip('"')


def follows(remote: Path, prefix: str) -> None:
    netns.until(lambda: current(remote) == prefix, f"the commit for {prefix}")


def test_the_kernel_is_followed_through_a_renumbering(remote, tmp_path):
    """One commit each for A and B; none for repetitions, and none for a restart."""
    require("netns", "radvd")
    with netns.lab() as lab:
        # A node of a cluster.
        lab.node.run(
            "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.eth0.accept_ra=2"
        )
        with netns.Radvd(lab, tmp_path).advertising(A) as radvd:
            with daemon(lab, remote, tmp_path) as running:
                follows(remote, A)
                capabilities = Path(f"/proc/{running.process.pid}/status").read_text()
                assert "CapEff:\t0000000000000000" in capabilities
                # Two that appear together are two routers' (decide/other_sources.py).
                known_at = time.monotonic()
                netns.until(lambda: time.monotonic() > known_at + TOGETHER, "A is no newcomer")
                assert commits(remote) == 3
                radvd.advertise(B)
                follows(remote, B)
                message = git(remote, "log", "-1", "--format=%B", "main").splitlines()
                assert "Prefix-Source: kernel" in message
                assert f"Previous-Prefix: {A}" in message
            assert running.process.returncode == 0
            before = commits(remote)
            with daemon(lab, remote, tmp_path) as running:
                netns.until(
                    lambda: (
                        len([line for line in running.lines() if "is up" in line["message"]]) == 2
                    ),
                    "a restart",
                )
                netns.until(lambda: running.says("announced and current"), "the kernel's word")
        assert commits(remote) == before == 4


def test_a_deaf_kernel_is_told_once_and_mended_without_a_restart(remote, tmp_path):
    require("netns", "radvd")
    with netns.lab() as lab:
        # Before the first advertisement: the kernel would keep the address of it.
        lab.node.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=0")
        with (
            netns.Radvd(lab, tmp_path).advertising(A),
            daemon(lab, remote, tmp_path) as running,
        ):
            netns.until(lambda: running.says("the kernel takes no prefix"), "a word")
            [line] = [one for one in running.lines() if "takes no prefix" in one["message"]]
            lab.node.run(*line["message"].partition("`")[2].partition("`")[0].split())
            follows(remote, A)
            assert running.says("advertised prefixes reach the kernel on eth0")


def test_where_another_client_takes_the_advertisements_nothing_is_reported(remote, tmp_path):
    """As systemd-networkd and NetworkManager do it: accept_ra is 0, and they renew addresses."""
    require("netns")
    with netns.lab() as lab:
        lab.node.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=0")

        def client(prefix: str, preferred: int) -> None:
            lab.node.run(
                "ip", "-6", "address", "replace", prefix.replace("::/", "::5/"), "dev", "eth0",
                "valid_lft", "7200", "preferred_lft", str(preferred), "noprefixroute", "nodad",
            )  # fmt: skip

        client(A, 3600)
        with daemon(lab, remote, tmp_path, "--listen", "127.0.0.1:8080") as running:
            follows(remote, A)
            client(A, 3600)
            client(A, 0)
            client(B, 3600)
            follows(remote, B)
            assert heard(lab.node, "kernel_accepts_advertisements") == 1
            assert not running.says("takes no prefix")


def test_the_link_that_is_given_stands_for_the_one_that_is_named(remote, tmp_path):
    """`--interface`, for the kernel as for advertisements; the link comes late, and comes back."""
    require("netns", "radvd")
    with netns.lab() as lab:
        lab.node.run("ip", "link", "set", "eth0", "down")
        lab.node.run("ip", "link", "set", "eth0", "name", "uplink")
        with daemon(lab, remote, tmp_path, "--interface", "uplink2") as running:
            netns.until(lambda: running.says("link uplink2 does not exist yet"), "a word")
            lab.node.run("ip", "link", "set", "uplink", "name", "uplink2")
            lab.node.run("ip", "link", "set", "uplink2", "up")
            with netns.Radvd(lab, tmp_path).advertising(A):
                follows(remote, A)


def test_a_link_that_is_made_anew_is_followed_on(remote, tmp_path):
    """Removed, with its addresses: the prefix stays. Back with another index: B is taken."""
    require("netns", "radvd")
    with netns.lab() as lab, daemon(lab, remote, tmp_path) as running:
        with netns.Radvd(lab, tmp_path).advertising(A):
            follows(remote, A)
        lab.node.run("ip", "link", "del", "eth0")
        netns.until(lambda: running.says("no longer announced"), "fail static")
        assert current(remote) == A
        lab.node.run("ip", "link", "add", "spare", "type", "bridge")
        lab.connect()
        with netns.Radvd(lab, tmp_path).advertising(B):
            follows(remote, B)
