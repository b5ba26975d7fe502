"""The source `dhcpv6pd` on a real link, with real servers: ISC's dhcpd and Kea."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_prefix.decide.advertisement import INFINITY
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.dhcpv6 import read_duid
from gitops_prefix.watch.dhcpv6_codec import (
    Association,
    DelegatedPrefix,
    Dhcpv6Message,
    MessageType,
)
from gitops_prefix.watch.watcher import LeadChanged, SourceFailed
from tests.decide.routers_saying import pio
from tests.dhcp_servers import DUID, Forger, client, dhcpd, kea, reply_to
from tests.netns import Lab, lab, until
from tests.parts import require

A, B = "2001:db8:1000::/56", "2001:db8:2000::/56"
POOL = {"prefix": "2001:db8:1000::", "prefix-len": 48, "delegated-len": 56}


@pytest.fixture
def link() -> Iterator[Lab]:
    require("netns")
    with lab() as made:
        yield made


@pytest.fixture
def clock():
    return time.monotonic


def test_dhcpd_delegates_renews_and_takes_back(link, clock, tmp_path):
    require("dhcpd")
    with (
        dhcpd(link.router, tmp_path / "a", A, times=(3, 600)),
        client(link, clock, release_on_stop=True) as asked,
    ):
        assert asked.given() == {A: (4000, 3000)}
        bound = asked.notice("bound")
        assert bound.server.startswith("00:01:")
        assert list(asked.given()) == [A], "renewed at T1"
        log = tmp_path / "a" / "dhcpd.log"
        asked.release()
        until(lambda: "Release message" in log.read_text(), "a Release")
    assert "Renew message" in log.read_text()
    assert DUID in log.read_text()


def test_a_server_with_another_length_is_taken_at_its_word(link, clock, tmp_path):
    require("dhcpd")
    with dhcpd(link.router, tmp_path / "a", "2001:db8:1000::/60"), client(link, clock) as asked:
        assert list(asked.given()) == ["2001:db8:1000::/60"]
        assert asked.notice("bound").length == 56


@pytest.mark.parametrize("lost", ["other server", "same server"])
def test_a_lease_that_the_server_does_not_know_is_replaced(link, clock, tmp_path, lost):
    require("dhcpd")
    with client(link, clock) as asked:
        with dhcpd(link.router, tmp_path / "a", A, times=(3, 5)):
            assert list(asked.given()) == [A]
        directory = tmp_path / ("b" if lost == "other server" else "a")
        with dhcpd(link.router, directory, B, times=(3, 5)):
            assert B in until(lambda: B in (found := asked.given()) and found, "the new one")


def test_a_pool_that_is_empty_is_reported_and_asked_again(link, clock, tmp_path):
    require("dhcpd")
    with (
        dhcpd(link.router, tmp_path / "a", A),
        client(link, clock, name="first", release_on_stop=True) as first,
    ):
        assert list(first.given()) == [A]
        with client(link, clock, name="second") as second:
            assert "NoPrefixAvail" in second.failure()
            first.release()
            assert list(second.given(60)) == [A]


@pytest.mark.parametrize(
    ("options", "pool", "given"),
    [
        ({"valid-lifetime": 7200, "preferred-lifetime": 3600}, {}, (7200, 3600)),
        ({"valid-lifetime": INFINITY, "preferred-lifetime": INFINITY}, {}, (INFINITY, INFINITY)),
        ({}, {"excluded-prefix": "2001:db8:1000:ff::", "excluded-prefix-len": 64}, (7200, 3600)),
        ({"option-data": [{"name": "preference", "data": "255"}]}, {}, (7200, 3600)),
    ],
    ids=["lifetimes", "for ever", "exclude", "preference"],
)
def test_kea_delegates(link, clock, tmp_path, options, pool, given):
    require("kea")
    with (
        kea(link.router, tmp_path / "k", [POOL | pool], **options),
        client(link, clock) as asked,
    ):
        began = clock()
        assert asked.given() == {A: given}
        if "option-data" in options:
            assert clock() - began < 60, "255 is taken without the second of patience"
        bound = asked.notice("bound")
        assert [str(part) for part in bound.excluded] == (
            ["2001:db8:1000:ff::/64"] if "excluded-prefix" in pool else []
        )
        if given[0] == INFINITY:
            assert bound.prefixes[0][1] == float("inf")


def test_a_restart_confirms_the_prefix_of_the_repository(link, clock, tmp_path):
    require("dhcpd")
    directory = tmp_path / "a"
    with dhcpd(link.router, directory, A):
        with client(link, clock) as asked:
            assert list(asked.given()) == [A]
        # The first word is the repository's; the second one is the server's.
        with client(link, clock, hoped=A) as asked:
            assert asked.given() == {A: (60, 60)}
            [(prefix, (valid, _))] = asked.given().items()
            assert (prefix, valid > 3000) == (A, True)
    log = (directory / "dhcpd.log").read_text()
    assert "Rebind message" in log
    assert log.count("Solicit message") == log.count("Advertise PD"), "none after the restart"


def test_a_restart_with_another_server_begins_anew(link, clock, tmp_path):
    require("dhcpd")
    with dhcpd(link.router, tmp_path / "b", B), client(link, clock, hoped=A) as asked:
        assert list(asked.given()) == [A]
        assert until(lambda: B in asked.given(), "the new one")


def test_who_does_not_lead_says_nothing_until_it_leads(link, clock, tmp_path):
    require("dhcpd")
    leads = threading.Event()
    with (
        dhcpd(link.router, tmp_path / "a", A),
        client(link, clock, speaks=leads.is_set) as asked,
    ):
        until(lambda: not asked.events.empty(), "the link is up")
        time.sleep(2.5)  # what does not happen cannot be waited for
        assert "Solicit" not in (tmp_path / "a" / "dhcpd.log").read_text()
        leads.set()
        asked.watcher.request(LeadChanged())
        assert list(asked.given()) == [A]


def test_a_dry_run_takes_no_lease(link, clock, tmp_path):
    require("dhcpd")
    directory = tmp_path / "a"
    with dhcpd(link.router, directory, A), client(link, clock, takes=False) as asked:
        assert list(asked.given()) == [A]
        assert asked.notice("offered, and not taken").taken is False
        asked.release()
    log = (directory / "dhcpd.log").read_text()
    assert "Solicit message" in log and "Request message" not in log
    assert "Release message" not in log and "iaaddr" not in (directory / "leases").read_text()
    assert "iaprefix" not in (directory / "leases").read_text()


def test_who_loses_the_lead_withdraws_and_asks_again_when_it_leads(link, clock, tmp_path):
    require("dhcpd")
    leads = threading.Event()
    leads.set()
    with (
        dhcpd(link.router, tmp_path / "a", A),
        client(link, clock, hoped=A, speaks=leads.is_set) as asked,
    ):
        assert asked.given()[A][0] == 60
        assert asked.given()[A][0] > 60
        leads.clear()
        asked.watcher.request(LeadChanged())
        assert asked.given() == {}, "another daemon may be given another prefix"
        leads.set()
        asked.watcher.request(LeadChanged())
        assert asked.given()[A][0] == 60


def test_a_lease_outlives_a_watcher_that_is_made_anew(link, clock, tmp_path):
    """What was reported with a long lifetime is not reported with a short one."""
    require("dhcpd")
    leased: set[str] = set()
    with dhcpd(link.router, tmp_path / "a", A):
        with client(link, clock, leased=leased) as asked:
            assert asked.given()[A][0] == 4000
        with client(link, clock, hoped=A, leased=leased) as asked:
            assert asked.given()[A][0] > 60


def test_an_advertisement_that_changed_is_followed_at_once(link, clock, tmp_path):
    """The server renumbers, and T1 is an hour away."""
    require("dhcpd")
    with client(link, clock) as asked:
        with dhcpd(link.router, tmp_path / "a", A):
            assert list(asked.given()) == [A]
        with dhcpd(link.router, tmp_path / "b", B):
            for prefix in (A, B):
                asked.announcer.announce(pio(Prefix.parse(prefix)))
            assert until(lambda: B in asked.given(60), "the new one")


def lease(prefix: str, valid: int = 3000, preferred: int = 2000) -> DelegatedPrefix:
    return DelegatedPrefix(Prefix.parse(prefix), preferred, valid)


def test_two_prefixes_of_which_one_is_deprecated(link, clock):
    old, new = lease(A, 3000, 0), lease(B)
    both = Forger(link).answering(lambda message: [reply_to(message, old, new)])
    with both, client(link, clock) as asked:
        assert asked.given() == {A: (3000, 0), B: (3000, 2000)}


def test_hostile_answers_change_nothing_and_the_right_one_counts(link, clock):
    def answer(message: Dhcpv6Message) -> list[bytes]:
        right = reply_to(message, lease(B))
        return [
            b"",
            b"\2",
            right[:-3],
            right[:4] + bytes(60000),
            bytes([10]) + right[1:],
            reply_to(message, lease(A), transaction=message.transaction ^ 1),
            reply_to(message, lease(A), client=b"\0\4another"),
            reply_to(message, lease(A), server=b""),
            reply_to(message, lease(A), associations=()),
            right,
        ]

    with Forger(link).answering(answer), client(link, clock) as asked:
        assert list(asked.given()) == [B]


def test_what_follows_a_reply_is_not_for_us_and_not_reported(link):
    """No message of ours waits for an answer then."""

    def answer(message: Dhcpv6Message) -> list[bytes]:
        said = Association(message.associations[0].iaid, 3, 5, (lease(A),))
        right = reply_to(message, associations=(said,))
        late = [right[:4] + b"\0\1\xff\xff", bytes(4) + b"\0\1\xff\xff"]
        return [right, *late] if message.type is not MessageType.SOLICIT else [right]

    with (
        Forger(link).answering(answer),
        client(link, lambda: time.monotonic() * 5) as asked,
    ):
        assert [list(asked.given()) for _ in range(3)] == [[A]] * 3
    assert not [event for event in asked.seen if isinstance(event, SourceFailed)]


def test_a_link_without_an_address_is_reported_until_it_has_one(link):
    setting = "net.ipv6.conf.eth0.disable_ipv6"
    link.node.run("sysctl", "-qw", f"{setting}=1")
    with (
        Forger(link).answering(lambda message: [reply_to(message, lease(A))]),
        client(link, lambda: time.monotonic() * 10) as asked,
    ):
        assert (
            f"eth0 has no link-local address: see `ip -6 address show dev eth0`; `sysctl {setting}`"
            in (asked.failure())
        )
        link.node.run("sysctl", "-qw", f"{setting}=0")
        assert list(asked.given()) == [A]


def test_a_server_that_is_not_named_is_not_believed(link, clock, tmp_path):
    require("dhcpd")
    words = ("ip", "-6", "-o", "address", "show", "dev", "lan0", "scope", "link")
    good = link.router.run(*words).stdout.split()[3].partition("/")[0]
    forged = Forger(link).answering(lambda message: [reply_to(message, lease(B), preference=255)])
    with client(link, clock, servers=("fe80::bad",)) as asked, forged:
        assert asked.failure() == f"the DHCPv6 server {good} is not in `servers`"
    with dhcpd(link.router, tmp_path / "a", A), client(link, clock, servers=(good,)) as asked:
        assert list(asked.given()) == [A]


def test_a_wrong_checksum_is_dropped(link, clock):
    """Sent by a raw socket, since the kernel would write the right one."""
    seen: list[Dhcpv6Message] = []

    def answer(message: Dhcpv6Message) -> list[bytes]:
        seen.append(message)
        return []

    with Forger(link).answering(answer), client(link, clock) as asked:
        until(lambda: seen, "a Solicit")
        node = until(lambda: link.node.has_address() and seen[-1], "an address")
        words = ("ip", "-6", "-o", "address", "show", "dev", "eth0", "scope", "link")
        address = link.node.run(*words).stdout.split()[3].partition("/")[0]
        octets = reply_to(node, lease(B), preference=255)
        header = (547).to_bytes(2) + (546).to_bytes(2) + (8 + len(octets)).to_bytes(2) + b"\xbe\xef"
        with link.router.inside():
            index = socket.if_nametoindex("lan0")
            with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
                raw.sendto(header + octets, (address, 0, 0, index))
        assert asked.notice("soliciting")
        time.sleep(0.5)  # what does not happen cannot be waited for
        states = [each.state for each in asked.seen if hasattr(each, "state")]
        assert set(states) == {"soliciting"}


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_the_clients_of_the_host_keep_their_replies(link, clock, tmp_path, first):
    """wide-dhcpv6's dhcp6c holds port 546; both get their own delegation, and renew it."""
    require("dhcpd", "dhcp6c")
    configuration = tmp_path / "dhcp6c.conf"
    configuration.write_text("interface eth0 { send ia-pd 0; };\nid-assoc pd 0 { };\n")
    log = (tmp_path / "dhcp6c.log").open("w")
    words = ["unshare", "--mount", "sh", "-c"]
    script = (
        f"mount -t tmpfs none /var/lib/dhcpv6 && exec dhcp6c -f -D -c {configuration} "
        f"-p {tmp_path / 'pid'} eth0"
    )
    server = dhcpd(link.router, tmp_path / "a", A, last="2001:db8:1000:100::", times=(3, 600))
    Path("/var/lib/dhcpv6").mkdir(exist_ok=True)
    with log, server:
        text = (tmp_path / "a" / "dhcpd.log").read_text
        theirs = link.node.start(*words, script, stdout=log, stderr=subprocess.STDOUT)
        if first == "ours":
            with client(link, clock) as asked:
                assert asked.given()
                with theirs:
                    until(lambda: text().count("Renew message") >= 4, "renewals")
        else:
            with theirs:
                until(lambda: "Reply PD" in text(), "their lease")
                with client(link, clock) as asked:
                    assert asked.given()
                    until(lambda: text().count("Renew message") >= 4, "renewals")
    said = (tmp_path / "dhcp6c.log").read_text()
    assert "Received REPLY for RENEW" in said or said.count("receive reply") >= 2, said


def test_a_duid_is_made_once(tmp_path):
    path = tmp_path / "state" / "duid"
    first = read_duid("", path)
    assert first[:2] == b"\0\4"
    assert len(first) == 18
    assert read_duid("", path) == first
    assert read_duid("00:03:00:01:aa:bb:cc:dd:ee:ff", path)[:2] == b"\0\3"


@pytest.mark.parametrize(
    ("content", "words"),
    [("nonsense", "non-hexadecimal"), ("00", "it has 1 octets; delete the file"), ("", "0 octets")],
)
def test_a_duid_that_is_damaged_is_an_error_with_a_remedy(tmp_path, content, words):
    path = tmp_path / "duid"
    path.write_text(content)
    with pytest.raises(ValueError, match=words):
        read_duid("", path)
    with pytest.raises(ValueError, match="set `duid`"):
        read_duid("", None)
