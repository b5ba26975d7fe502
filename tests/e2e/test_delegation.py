"""The daemon with `dhcpv6pd`: a real server renumbers, and the branch has the right subnets."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.dhcpv6_codec import DelegatedPrefix, MessageType
from tests.dhcp_servers import Forger, dhcpd, reply_to
from tests.git_servers import free_port
from tests.netns import Lab, Radvd, lab, until
from tests.parts import require
from tests.sourced import PROGRAM, Sourced

A, B = "2001:db8:1000::/56", "2001:db8:2000::/56"
ACQUISITION = """dhcpv6pd:
  interface: eth0
  requestedPrefixLength: 56
"""
SPEC = """subnets:
  - {name: balancers, offset: 16, prefixLength: 64}
addressRanges:
  - {name: loadbalancers, subnet: balancers, start: "::1000", end: "::1fff"}
"""


@pytest.fixture
def link() -> Iterator[Lab]:
    require("netns", "dhcpd")
    with lab() as made:
        yield made


@pytest.fixture
def house(tmp_path: Path) -> Sourced:
    (tmp_path / "house").mkdir()
    return Sourced(tmp_path / "house", ACQUISITION, spec=SPEC)


def test_a_server_that_renumbers_is_one_commit_with_the_right_subnets(link, house, tmp_path):
    with house.running(node=link.node) as daemon:
        with dhcpd(link.router, tmp_path / "a", A, times=(3, 6)):
            message = house.published(A)
            assert message.endswith("Prefix-Source: dhcpv6-pd")
        before = house.commits()
        with dhcpd(link.router, tmp_path / "b", B, times=(3, 6)):
            house.published(B)
            assert house.commits() == before + 1
            status = house.show("prefix.yaml")
            assert "prefixSource: dhcpv6-pd" in status
            assert "2001:db8:2000:10::/64" in status
            assert "2001:db8:2000:10::1000" in house.show("network/pool.yaml")
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
        # The same server, after SIGKILL: the lease of the repository is confirmed.
        with (
            dhcpd(link.router, tmp_path / "b", B, times=(3, 600), keep=True),
            house.running(node=link.node),
        ):
            log = tmp_path / "b" / "dhcpd.log"
            until(lambda: "Rebind message" in log.read_text(), "a Rebind")
            until(lambda: "Renew message" in log.read_text(), "a Renew: the lease counts")
            assert "Solicit message" not in log.read_text()
    assert house.commits() == before + 1
    assert (house.clone / "duid").read_text().startswith("00:04:")


def test_a_restart_in_each_state_ends_with_the_same_lease_and_no_commit(link, house, tmp_path):
    """The daemon is killed in the middle of an exchange; the next one goes on from the status."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    offers = lambda message: (  # noqa: E731
        [reply_to(message, DelegatedPrefix(Prefix.parse(A), 3000, 4000))]
        if message.type is MessageType.SOLICIT
        else []
    )
    server = partial(dhcpd, link.router, tmp_path / "a", A, times=(3, 6))

    def state() -> str:
        words = link.node.command("curl", "-sS", "-m", "5", f"{url}/status")
        answer = subprocess.run(words, capture_output=True, text=True, check=False)
        found = json.loads(answer.stdout)["leases"] if answer.returncode == 0 else []
        return found[0]["state"] if found else ""

    @contextmanager
    def killed_when(wanted: str) -> Iterator[None]:
        with house.running("--listen", f"127.0.0.1:{port}", node=link.node) as daemon:
            yield
            until(lambda: state() == wanted, f"a daemon that is {wanted}")
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()

    with killed_when("soliciting"):
        pass
    with Forger(link).answering(offers), killed_when("requesting"):
        pass
    with killed_when("renewing"), server(times=(3, 600)):
        house.published(A)
    commits = house.commits()
    with killed_when("confirming"):
        pass
    with killed_when("rebinding"), server(keep=True):
        until(lambda: state() == "bound", "the lease again")
    with server(keep=True), killed_when("bound"):
        pass
    log = (tmp_path / "a" / "dhcpd.log").read_text()
    assert "Rebind message" in log and "Solicit message" not in log
    assert house.commits() == commits


def test_an_advertisement_that_changed_makes_it_renew_at_once(link, house, tmp_path):
    """T1 is half an hour away. The router renumbers by both protocols."""
    require("radvd")
    (tmp_path / "radvd").mkdir()
    first, second = "2001:db8:1000::/64", "2001:db8:2000::/64"
    with house.running(node=link.node), Radvd(link, tmp_path / "radvd").advertising(first) as radvd:
        with dhcpd(link.router, tmp_path / "a", A):
            house.published(A)
        with dhcpd(link.router, tmp_path / "b", B):
            radvd.advertise(second)
            house.published(B)


def in_node(link: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        link.node.command(*PROGRAM, *words), check=False, capture_output=True, text=True, timeout=90
    )


def test_observe_and_doctor_ask_the_servers_and_take_nothing(link, house, tmp_path):
    asked = ("observe", "--dhcpv6", "--interface", "eth0")
    doctor = ("doctor", "--wait", "2s", str(house.tree))
    nobody = in_node(link, *asked, "--timeout", "2s")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert nobody.stderr == "no DHCPv6 server answered within 2 s\n"
    assert "DHCPv6 on eth0 no server delegates a prefix within 2 s" in plain(in_node(link, *doctor))
    with dhcpd(link.router, tmp_path / "a", A):
        told = in_node(link, *asked)
        assert told.returncode == 0, told.stderr
        assert f"{A}, valid 4000 s, preferred 3000 s" in told.stdout
        line = json.loads(in_node(link, *asked, "--output", "json").stdout)
        assert line["prefixes"][0]["prefix"] == A
        assert line["duid"].startswith("00:01:")
        assert f"delegates {A}" in plain(in_node(link, *doctor))
        link.node.run("ip", "link", "add", "eth1", "type", "bridge")
        link.node.run("sysctl", "-qw", "net.ipv6.conf.eth1.disable_ipv6=1")
        both = in_node(link, "observe", "--dhcpv6", "--interface", "eth1", *asked[2:])
        assert both.returncode == 0, "one link where IPv6 is off hides no other"
        assert A in both.stdout
        assert "IPv6 is off on eth1" in both.stderr
        log = (tmp_path / "a" / "dhcpd.log").read_text()
    assert "Request message" not in log
    link.node.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
    off = in_node(link, *asked, "--timeout", "2s")
    assert (off.returncode, off.stdout) == (3, "")
    assert "`sysctl -w net.ipv6.conf.eth0.disable_ipv6=0` mends it" in off.stderr
    assert "IPv6 is off on eth0" in plain(in_node(link, *doctor))


def plain(answer: subprocess.CompletedProcess[str]) -> str:
    """The lines of doctor, each with one blank between words."""
    return " ".join(answer.stdout.split())


def test_the_daemon_shows_its_lease(link, house, tmp_path):
    listen = ("--listen", "127.0.0.1:8081")
    with dhcpd(link.router, tmp_path / "a", A), house.running(*listen, node=link.node) as daemon:
        house.published(A)
        status = in_node(link, "status", "--url", "http://127.0.0.1:8081", "--output", "json")
        metrics = link.node.run("curl", "-sS", "http://127.0.0.1:8081/metrics").stdout
        page = link.node.run("curl", "-sS", "http://127.0.0.1:8081/").stdout
        words = Path(f"/proc/{daemon.pid}/status").read_text().split("VmRSS:")[1].split()
    (lease,) = json.loads(status.stdout)["leases"]
    assert (lease["state"], lease["prefixes"][0]["prefix"]) == ("bound", A)
    assert lease["duid"] == (house.clone / "duid").read_text().strip()
    assert 'gitops_prefix_lease_valid_seconds{dynamic_prefix="home-ipv6"}' in metrics
    assert "<h2>DHCPv6" in page or ">DHCPv6<" in page
    print(f"resident: {int(words[0]) / 1024:.1f} MiB")
