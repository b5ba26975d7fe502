"""The watcher on a real link, with real routers: radvd and dnsmasq."""

import json
import subprocess
import sys
from pathlib import Path

from tests import netns
from tests.gitrepo import example
from tests.parts import require

PROGRAM = [sys.executable, "-m", "gitops_prefix"]
A, B = "2001:db8:1234::/64", "2001:db8:5678::/64"


def observe(node: netns.Namespace, *options: str) -> subprocess.CompletedProcess[str]:
    words = [*PROGRAM, "observe", "--output", "json", "--timeout", "100s", *options]
    return subprocess.run(
        node.command(*words), check=False, capture_output=True, text=True, timeout=120
    )


def lines(answer: subprocess.CompletedProcess[str]) -> list[dict]:
    return [json.loads(line) for line in answer.stdout.splitlines()]


def test_radvd_is_observed(tmp_path: Path):
    """What radvd advertises is printed with its lifetimes, and is current."""
    require("netns", "radvd")
    with netns.lab() as lab, netns.Radvd(lab, tmp_path).advertising(A):
        answer = observe(lab.node, "--interface", "eth0", "--count", "2")
    assert answer.returncode == 0
    first, second = lines(answer)
    assert first["accepted"], first["reason"]
    assert first["router"].startswith("fe80::")
    assert first["prefixes"] == second["prefixes"]
    assert first["prefixes"][0] | {"reason": ""} == {
        "prefix": A,
        "on_link": True,
        "autonomous": True,
        "router_address": False,
        "pd_preferred": False,
        "valid_lifetime": 86400,
        "preferred_lifetime": 14400,
        "candidate": True,
        "reason": "",
    }
    assert second["current"] == A


def test_dnsmasq_is_observed(tmp_path: Path):
    """Another implementation of a router is understood as well."""
    require("netns", "dnsmasq")
    with netns.lab() as lab:
        lab.router.run("ip", "-6", "addr", "add", "2001:db8:77::1/64", "dev", "lan0", "nodad")
        words = [
            "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--enable-ra",
            "--interface=lan0", "--dhcp-range=::,constructor:lan0,ra-only,64,1h",
            f"--pid-file={tmp_path / 'pid'}", f"--dhcp-leasefile={tmp_path / 'leases'}", "--user=root",
        ]  # fmt: skip
        with lab.router.start(*words, stderr=subprocess.DEVNULL):
            answer = observe(lab.node, "--interface", "eth0", "--count", "1")
    assert [found["prefix"] for found in lines(answer)[0]["prefixes"]] == ["2001:db8:77::/64"]


EVERYTHING = """
interface lan0 {{
  AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; MinDelayBetweenRAs 3;
  AdvManagedFlag on; AdvOtherConfigFlag on; AdvDefaultPreference high; AdvDefaultLifetime 1234;
  AdvReachableTime 30000; AdvRetransTimer 1500; AdvCurHopLimit 55; AdvLinkMTU 1480;
  prefix {a} {{ AdvValidLifetime 7200; AdvPreferredLifetime 3600; AdvAutonomous off; }};
  prefix {b} {{ AdvValidLifetime infinity; AdvPreferredLifetime infinity; AdvOnLink off; }};
  RDNSS 2001:db8::53 2001:db8::54 {{ AdvRDNSSLifetime 900; }};
}};
"""


def rdisc6(node: netns.Namespace) -> dict[str, list[str]]:
    """What it prints of the first answer: each label with its values, in order."""
    printed: dict[str, list[str]] = {}
    for line in node.run("rdisc6", "-1", "eth0").stdout.splitlines():
        label, colon, text = line.partition(" : " if " : " in line else ": ")
        name = label.strip(" .") if colon else line.split()[0] if line.strip() else ""
        printed.setdefault(name, []).append(text.strip() if colon else line.strip())
    return printed


def words(printed: dict[str, list[str]], name: str) -> list[str]:
    """The first word of each value."""
    return [text.split()[0] for text in printed[name]]


def test_rdisc6_is_of_the_same_opinion(tmp_path: Path):
    """An independent program reads the same from the same router, field by field."""
    require("netns", "radvd", "rdisc6")
    (tmp_path / "radvd.conf").write_text(EVERYTHING.format(a=A, b=B))
    command = ["radvd", "-n", "-C", str(tmp_path / "radvd.conf"), "-p", str(tmp_path / "pid")]
    with netns.lab() as lab, lab.router.start(*command, stderr=subprocess.DEVNULL):
        ours = lines(observe(lab.node, "--interface", "eth0", "--count", "1"))[0]
        text = observe(lab.node, "--interface", "eth0", "--count", "1", "--output", "text").stdout
        theirs = rdisc6(lab.node)
    assert theirs["from"] == [f"from {ours['router']}"]
    assert words(theirs, "Router lifetime") == [str(ours["router_lifetime"])]
    assert words(theirs, "Router preference") == [ours["preference"]]
    lifetimes = {"valid_lifetime": "Valid time", "preferred_lifetime": "Pref. time"}
    for key, label in lifetimes.items():
        seconds = [
            "infinite" if found[key] == 0xFFFFFFFF else str(found[key])
            for found in ours["prefixes"]
        ]
        assert words(theirs, label) == seconds
    assert theirs["Prefix"] == [found["prefix"] for found in ours["prefixes"]]
    for key, label in {"on_link": "On-link", "autonomous": "Autonomous address conf"}.items():
        assert words(theirs, label) == ["Yes" if found[key] else "No" for found in ours["prefixes"]]
    # The rest has no key in the JSON; the text says it.
    assert words(theirs, "Stateful address conf") == ["Yes"]
    assert "addresses by DHCPv6" in text
    assert words(theirs, "Stateful other conf") == ["Yes"]
    assert "other configuration by DHCPv6" in text
    for label, ours_says in {
        "Hop limit": "hop limit {}", "Reachable time": "reachable for {} ms",
        "Retransmit time": "retransmit after {} ms", "MTU": "MTU {}",
    }.items():  # fmt: skip
        assert ours_says.format(words(theirs, label)[0]) in text
    servers = " ".join(words(theirs, "Recursive DNS server"))
    assert f"DNS {servers} for {words(theirs, 'DNS servers lifetime')[0]} s" in text
    [address] = theirs["Source link-layer address"]
    assert f"hardware address {address.lower()}" in text


def test_an_interface_that_appears_later_is_waited_for(tmp_path: Path):
    """It is said once that the link does not exist; when it comes, it is listened to."""
    require("netns", "radvd")
    with netns.lab() as lab:
        lab.node.run("ip", "link", "set", "eth0", "down")
        lab.node.run("ip", "link", "set", "eth0", "name", "later")
        words = [
            *PROGRAM, "observe", "--output", "json", "--timeout", "100s", "--count", "1",
            "--interface", "eth0",
        ]  # fmt: skip
        with lab.node.start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert "eth0 does not exist yet" in process.stderr.readline()
            lab.node.run("ip", "link", "set", "later", "name", "eth0")
            lab.node.run("ip", "link", "set", "eth0", "up")
            with netns.Radvd(lab, tmp_path).advertising(A):
                assert json.loads(process.stdout.readline())["prefixes"][0]["prefix"] == A


def test_without_the_capability_it_says_which_one(tmp_path: Path):
    """An ordinary user gets one message with the remedy, and no traceback."""
    require("netns")
    with netns.lab() as lab:
        words = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--bounding-set=-all",
        ]
        answer = subprocess.run(
            lab.node.command(*words, *PROGRAM, "observe", "--interface", "eth0"),
            check=False, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    assert answer.returncode == 3
    assert "NET_RAW" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_daemon_says_so_too_and_leaves(tmp_path: Path):
    """Not a retry for ever: nobody gets a capability by waiting."""
    require("netns")
    remote = example("plain", tmp_path)
    words = [*PROGRAM, "run", "--repo", str(remote), "--clone-dir", str(tmp_path / "clone")]
    with netns.lab() as lab:
        no_caps = ["setpriv", "--bounding-set=-net_raw"]
        answer = subprocess.run(
            lab.node.command(*no_caps, *words),
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert answer.returncode == 3
    assert "NET_RAW" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_uid_with_nothing_but_net_raw_observes(tmp_path: Path):
    """NET_RAW, ambient, is all it takes."""
    require("netns", "radvd")
    with netns.lab() as lab, netns.Radvd(lab, tmp_path).advertising(A):
        words = [
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
            "--bounding-set=-all,+net_raw", "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw",
            *PROGRAM, "observe", "--interface", "eth0", "--count", "1", "--timeout", "100s",
        ]  # fmt: skip
        answer = subprocess.run(
            lab.node.command(*words), check=False, capture_output=True, text=True, timeout=120
        )
    assert answer.returncode == 0, answer.stderr
    assert A in answer.stdout


def test_none_came_is_exit_code_1():
    """A link without a router: the answer is no, with what to check."""
    require("netns")
    with netns.lab() as lab:
        words = [*PROGRAM, "observe", "--interface", "eth0", "--timeout", "1s"]
        answer = subprocess.run(
            lab.node.command(*words), check=False, capture_output=True, text=True, timeout=120
        )
    assert answer.returncode == 1
    assert "firewall" in answer.stderr
