"""Nothing came: what the host can see of the reason is said, on real links."""

import socket
import subprocess
import sys
from collections import Counter

import pytest
from scapy.layers.l2 import Dot1Q, Ether

from gitops_prefix.cli.sightings import findings
from tests import netns
from tests.lab_router import header, lab_router, says
from tests.parts import require

PROGRAM = [sys.executable, "-m", "gitops_prefix"]
A = "2001:db8:1234::/64"


@pytest.fixture
def lab():
    require("netns")
    with netns.lab() as made:
        yield made


def nothing_on(lab, *words: str, meanwhile=lambda: None, timeout: str = "2s") -> list[str]:
    """What `observe` finds when it leaves without an advertisement."""
    call = [*PROGRAM, "observe", "--interface", "eth0", "--timeout", timeout, *words]
    with lab.node.start(*call, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        meanwhile()
        stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert stdout == ""
    assert "no Router Advertisement came. Check, in this order:" in stderr
    assert "Traceback" not in stderr
    return [line.removeprefix("Here: ") for line in stderr.splitlines() if line.startswith("Here")]


def test_a_link_with_nothing_wrong_finds_nothing(lab):
    """A guess is worse than silence."""
    assert nothing_on(lab) == []


def test_a_link_that_does_not_exist(lab):
    [found] = nothing_on(lab, "--interface", "eth7")
    assert found.startswith("there is no link eth7 (there are: ")
    assert "eth0" in found


def test_a_link_that_is_down(lab):
    lab.link("down")
    assert nothing_on(lab)[0] == "eth0 is down: ip link set eth0 up"


def test_a_link_without_a_carrier(lab):
    lab.router.run("ip", "link", "set", "lan0", "down")
    assert nothing_on(lab)[0].startswith("eth0 has no carrier")


def test_a_link_without_ipv6(lab):
    lab.node.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
    assert nothing_on(lab) == ["IPv6 is off on eth0: sysctl -w net.ipv6.conf.eth0.disable_ipv6=0"]


def test_a_link_without_an_address(lab):
    lab.node.run("ip", "-6", "address", "flush", "dev", "eth0")
    assert nothing_on(lab) == ["eth0 has no link-local address, so that nobody can be asked"]


def test_a_host_that_drops_them(lab):
    """They reach the link and not the socket. (A rule stands for a firewall here.)"""
    for rule in (
        "add pref 1 lookup local",
        "add pref 0 iif eth0 blackhole",
        "del pref 0 lookup local",
    ):
        lab.node.run("ip", "-6", "rule", *rule.split())
    with lab_router(lab.router) as router:

        def answer():
            router.solicited()
            router.advertise(A)

        [found] = nothing_on(lab, meanwhile=answer, timeout="8s")
    assert found == "1 reached eth0, and this host dropped them: look at its firewall"


def test_a_port_of_a_bridge(lab):
    """What comes is the bridge's; nobody hears it on the port."""
    lab.node.run("ip", "link", "add", "br0", "type", "bridge")
    lab.node.run("ip", "link", "set", "eth0", "master", "br0")
    assert "eth0 is a port of br0, which takes its packets: listen on br0" in nothing_on(lab)


def test_a_tagged_one(lab):
    """The router is on a VLAN that this link has no interface for."""
    with lab.router.inside():
        frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        frames.bind(("lan0", 0))
    tagged = Ether(dst="33:33:00:00:00:01") / Dot1Q(vlan=20) / header() / says(A)
    with frames, lab_router(lab.router) as router:

        def answer():
            router.solicited()
            frames.send(bytes(tagged))

        [found] = nothing_on(lab, meanwhile=answer, timeout="8s")
    assert found == "1 came on eth0 tagged for VLAN 20: listen on a link of that VLAN"


def test_a_host_without_ipv6(tmp_path):
    """`ipv6.disable=1`: the kernel's files are not there."""
    found = findings("lo", Counter(), proc=tmp_path)
    assert found[-1].startswith("this host has no IPv6 at all")


def test_the_files_of_another_namespace_do_not_count(lab):
    """Below `nsenter --net`, /sys still lists the links of the host."""
    with lab.node.inside():
        assert findings("eth0", Counter()) == []
        lab.link("down")
        assert findings("eth0", Counter())[0] == "eth0 is down: ip link set eth0 up"
