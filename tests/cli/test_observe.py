"""`observe` as a stranger calls it: captures, the keys of its JSON, filters, and leaving."""

import json
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from scapy.layers.inet6 import ICMPv6ND_RA, IPv6, IPv6ExtHdrFragment
from scapy.packet import Raw
from scapy.utils import wrpcap

from gitops_prefix.cli.sightings import Observation, Sighting
from gitops_prefix.decide.advertisement import (
    Preference,
    PrefixInformation,
    Router,
    RouterAdvertisement,
)
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import Standing
from gitops_prefix.decide.specification import Acquisition, Specification
from gitops_prefix.plan.ears import Advertised, LinkChanged
from gitops_prefix.watch.codec import encode, in_ipv6
from tests import netns
from tests.lab_router import SOURCE, header, lab_router, says
from tests.parts import require

PROGRAM = [sys.executable, "-m", "gitops_prefix"]
A, B, ULA = "2001:db8:1234::/64", "2001:db8:5678::/64", "fd00:1:2:3::/64"

LINE = [
    "time",
    "interface",
    "router",
    "accepted",
    "reason",
    "router_lifetime",
    "preference",
    "snac_router",
    "interval",
    "prefixes",
    "current",
    "standing",
    "warnings",
]
PREFIX = [
    "prefix",
    "on_link",
    "autonomous",
    "router_address",
    "pd_preferred",
    "valid_lifetime",
    "preferred_lifetime",
    "candidate",
    "reason",
]


def call(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "observe", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def capture(path: Path, *packets) -> Path:
    for number, packet in enumerate(packets):
        packet.time = 1_700_000_000 + number
    wrpcap(str(path), [IPv6(bytes(packet)) for packet in packets], linktype=229)
    return path


def lines(answer: subprocess.CompletedProcess[str]) -> list[dict]:
    return [json.loads(line) for line in answer.stdout.splitlines()]


@pytest.fixture(scope="module")
def day(tmp_path_factory) -> Path:
    """A then B from one router, and between them what no host may believe."""
    whole = bytes(header() / says(A))[40:]
    return capture(
        tmp_path_factory.mktemp("captures") / "day.pcap",
        header() / says(A, ULA),
        header("fe80::bad") / says("2001:db8:bad::/64", preferred=0),
        header(hop_limit=254) / says(A),
        header() / IPv6ExtHdrFragment(nh=58) / Raw(whole),
        header() / ICMPv6ND_RA(cksum=1, routerlifetime=1800),
        header("2001:db8::1") / says(A),
        header() / says(B, lifetime=600),
    )


def test_a_line_of_json_has_the_keys_that_are_promised(day):
    """The keys of docs/cli.md, in their order; also of a packet that was refused."""
    answer = call("--pcap", day, "--output", "json")
    assert answer.returncode == 0
    assert answer.stderr == ""
    for line in lines(answer):
        assert list(line) == LINE
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", line["time"])
        for one in line["prefixes"]:
            assert list(one) == PREFIX


def test_what_a_capture_shows_is_what_would_be_decided(day):
    told = lines(call("--pcap", day, "--output", "json"))
    assert [line["accepted"] for line in told] == [True, True, False, False, False, False, True]
    assert told[0]["router"] == SOURCE
    assert told[0]["interface"] == "day.pcap"
    assert told[0]["preference"] == "medium"
    assert told[0]["prefixes"] == [
        {
            "prefix": A,
            "on_link": True,
            "autonomous": True,
            "router_address": False,
            "pd_preferred": False,
            "valid_lifetime": 86400,
            "preferred_lifetime": 14400,
            "candidate": True,
            "reason": "candidate",
        },
        {
            "prefix": ULA,
            "on_link": True,
            "autonomous": True,
            "router_address": False,
            "pd_preferred": False,
            "valid_lifetime": 86400,
            "preferred_lifetime": 14400,
            "candidate": False,
            "reason": "not global unicast (prefixFilter.requireGlobalUnicast)",
        },
    ]
    assert told[1]["prefixes"][0]["candidate"] is False
    assert [line["reason"] for line in told] == [
        None,
        None,
        "hop limit is not 255: it was routed, or forged from afar (254)",
        "sent in fragments (RFC 6980)",
        "ICMPv6 checksum is wrong",
        "source is not link-local",
        None,
    ]
    for refused in told[2:6]:
        assert refused["prefixes"] == []
        assert refused["router_lifetime"] is None
        assert refused["preference"] is None
    assert [line["current"] for line in told] == [A] * 6 + [B]
    assert told[-1]["router_lifetime"] == 600


@pytest.fixture(scope="module")
def stub(tmp_path_factory) -> Path:
    """A router of a stub network, once each ten seconds, with every flag of a prefix."""
    information = PrefixInformation(Prefix.parse(A), True, True, 1800, 900, True, True)
    said = RouterAdvertisement(
        64, False, False, Preference.LOW, 1800, 0, 0, (information,), snac_router=True
    )
    packets = [in_ipv6(encode(said), source=bytes.fromhex("fe80" + "0" * 27 + "1"))] * 3
    path = tmp_path_factory.mktemp("captures") / "stub.pcap"
    sent = [IPv6(packet) for packet in packets]
    for number, packet in enumerate(sent):
        packet.time = 1_700_000_000 + 10 * number
    wrpcap(str(path), sent, linktype=229)
    return path


def test_flags_and_the_interval_of_a_router_are_shown(stub):
    told = lines(call("--pcap", stub, "--output", "json"))
    assert [line["interval"] for line in told] == [None, 10.0, 10.0]
    assert told[-1]["snac_router"] is True
    [found] = told[-1]["prefixes"]
    assert (found["router_address"], found["pd_preferred"]) == (True, True)


def test_flags_and_the_interval_are_in_the_text(stub):
    text = call("--pcap", stub).stdout
    assert "router for 1800 s, every 10 s, low preference, router of a stub network (SNAC)" in text
    assert "with an address of the router (R), hosts should ask for a prefix by DHCPv6 (P)" in text


def test_the_text_says_the_same(day):
    answer = call("--pcap", day)
    assert answer.returncode == 0
    assert answer.stdout.count("dropped: ") == 4
    assert f"{SOURCE}%day.pcap  router for 600 s" in answer.stdout
    assert "deprecated: preferred lifetime 0" in answer.stdout
    assert answer.stdout.rstrip().endswith(f"current: {B} (announced and current)")
    assert "\x1b" not in answer.stdout, "colour is for terminals"


FILTERS = {
    "none": ([], B),
    "another router": (["--router", "fe80::bad"], None),
    "this router, written in another way": (["--router", "FE80:0::DEAD:1%eth0"], B),
    "within": (["--within", "2001:db8:1234::/48"], A),
    "within nothing that came": (["--within", "2001:db8:9::/48"], None),
    "any scope, of a ULA": (["--any-scope", "--within", "fd00::/8"], ULA),
    "count 1": (["--count", "1"], A),
}


@pytest.mark.parametrize(("words", "current"), FILTERS.values(), ids=list(FILTERS))
def test_filters_change_what_would_be_decided(day, words, current):
    assert lines(call("--pcap", day, "--output", "json", *words))[-1]["current"] == current


def test_count_is_of_valid_advertisements(day):
    """What was refused between them is shown, and not counted."""
    told = lines(call("--pcap", day, "--output", "json", "--count", "3"))
    assert [line["accepted"] for line in told].count(True) == 3
    assert len(told) == 7


WRONG = {
    "neither link nor capture": ([], "--interface or --pcap"),
    "both": (["--interface", "lo", "--pcap", __file__], "--interface or --pcap"),
    "a capture that is not there": (["--pcap", "/nowhere.pcap"], "/nowhere.pcap"),
    "a file that is no capture": (["--pcap", __file__], "is no capture that can be read"),
    "a prefix that is none": (
        ["--interface", "lo", "--within", "2001:db8::"],
        "write its length too",
    ),
    "a router that is none": (
        ["--interface", "lo", "--router", "192.0.2.1"],
        "is not an IPv6 address",
    ),
    "a negative count": (["--interface", "lo", "--count", "-1"], "--count"),
    "a timeout without a unit that we know": (
        ["--interface", "lo", "--timeout", "1 fortnight"],
        "--timeout",
    ),
}


@pytest.mark.parametrize(("words", "said"), WRONG.values(), ids=list(WRONG))
def test_bad_input_is_one_message_and_exit_code_2(words, said):
    answer = call(*words)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""


def test_bad_input_as_json(tmp_path):
    (tmp_path / "notes.txt").write_text("no capture")
    answer = call("--pcap", tmp_path / "notes.txt", "--output", "json")
    assert answer.returncode == 2
    assert json.loads(answer.stdout)["errors"][0]["code"] == "invalid-capture"


def test_a_capture_without_a_valid_advertisement_is_exit_code_1(tmp_path):
    """The answer is no; what was refused is shown all the same."""
    answer = call("--pcap", capture(tmp_path / "forged.pcap", header(hop_limit=1) / says(A)))
    assert answer.returncode == 1
    assert "hop limit" in answer.stdout
    assert "forged.pcap holds no valid Router Advertisement" in answer.stderr


def test_a_name_in_a_capture_cannot_write_on_the_terminal(tmp_path):
    from scapy.utils import wrpcapng

    packet = IPv6(bytes(header() / says(A)))
    packet.sniffed_on = "eth0\x1b[2J"
    wrpcapng(str(tmp_path / "some.pcapng"), [packet])
    answer = call("--pcap", tmp_path / "some.pcapng")
    assert "\x1b" not in answer.stdout
    assert r"%eth0\x1b[2J" in answer.stdout


def test_ctrl_c_ends_well():
    """Without a traceback; the answer is whether any came."""
    require("netns")
    with netns.lab() as lab:
        words = [*PROGRAM, "observe", "--interface", "missing0"]
        with lab.node.start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            first = process.stderr.readline()
            assert first.startswith("missing0 does not exist yet; waiting for it (there are: lo")
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert stdout == ""
    assert stderr.startswith("no Router Advertisement came. Check, in this order:")


def test_a_reader_that_leaves_ends_it_well(day):
    """`observe | head -1`."""
    answer = subprocess.run(
        f"{' '.join(PROGRAM)} observe --pcap {day} --output json | head -1",
        shell=True, check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert json.loads(answer.stdout)["current"] == A
    assert answer.stderr == ""


def test_several_links_are_several_decisions():
    """Each link has its own current prefix."""
    require("netns")
    with netns.lab() as lab:
        words = ["ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth2"]
        lab.node.run(*words)
        for name in "eth1", "eth2":
            lab.node.run("ip", "link", "set", name, "up")
        other = netns.Namespace(lab.node.name, "eth2")
        netns.until(other.has_address, "a link-local address on eth2")
        words = [*PROGRAM, "observe", "--output", "json", "--count", "2", "--timeout", "100s"]
        words += ["--interface", "eth0", "--interface", "eth1"]
        with (
            lab_router(lab.router) as first,
            lab_router(other) as second,
            lab.node.start(*words, stdout=subprocess.PIPE) as process,
        ):
            first.solicited()
            first.advertise(A)
            one = json.loads(process.stdout.readline())
            second.solicited()
            second.advertise(B)
            two = json.loads(process.stdout.readline())
    assert (one["interface"], one["current"]) == ("eth0", A)
    assert (two["interface"], two["current"]) == ("eth1", B)


@pytest.mark.parametrize(
    ("content", "current"),
    [
        ("within: 2001:db8:1234::/48\n", A),
        ("within: [2001:db8:1234::/48, 2001:db8:5678::/48]\n", B),
        ("router: fe80::bad\n", None),
    ],
    ids=["one, as text", "two, as a list", "another option, by its own name"],
)
def test_what_may_be_repeated_may_stand_alone_in_the_file(content, current, day, tmp_path):
    """`within: PREFIX` is a list of one, and not of its letters."""
    (tmp_path / "options.yaml").write_text(content)
    answer = call("--pcap", day, "--output", "json", "--config", tmp_path / "options.yaml")
    assert answer.stderr == ""
    assert lines(answer)[-1]["current"] == current


def test_what_was_dropped_and_refused_is_counted_at_the_end(day):
    """On stderr, by reason: the lines themselves are the answer."""
    answer = call("--pcap", day)
    assert sorted(answer.stderr.splitlines()) == [
        "dropped 1: ICMPv6 checksum is wrong",
        "dropped 1: hop limit is not 255: it was routed, or forged from afar",
        "dropped 1: sent in fragments (RFC 6980)",
        "dropped 1: source is not link-local",
        "refused 1: deprecated: preferred lifetime 0 (RFC 4862 5.5.4)",
        "refused 1: not global unicast (prefixFilter.requireGlobalUnicast)",
    ]


def test_a_files_name_cannot_write_on_the_terminal(tmp_path):
    """A capture may come from anybody, and its name with it."""
    named = tmp_path / "some\x1b[2J.pcap"
    answer = call("--pcap", capture(named, header() / says(A)))
    assert answer.returncode == 0
    assert "\x1b" not in answer.stdout + answer.stderr
    answer = call("--pcap", capture(named, header(hop_limit=1) / says(A)))
    assert answer.returncode == 1
    assert "\x1b" not in answer.stdout + answer.stderr


def test_a_router_that_falls_silent_is_asked_before_it_is_gone():
    """Twice, as the daemon asks; a request that was not carried out yet is not made again."""
    asked: list[str] = []
    policy = Specification("observe", Acquisition(interfaces=("eth0",)))
    observation = Observation(lambda _: policy, ask=asked.append)
    router, when = Router("eth0", "fe80::1"), datetime(2026, 1, 1, tzinfo=UTC)
    said = RouterAdvertisement(
        64, False, False, Preference.MEDIUM, 60, 0, 0,
        (PrefixInformation(Prefix.parse(A), True, True, 86400, 14400),),
    )  # fmt: skip

    observation.take(Sighting(when, Advertised(router, said, 0.0, repeated=False)))
    assert observation.look_again_at == 60
    for seconds in (60.0, 60.1):
        observation.look(seconds)
    assert asked == ["eth0"]
    observation.ears = observation.ears.asked("eth0", 61.0)
    for seconds in (61.0, 65.0, 65.1):
        observation.look(seconds)
    assert asked == ["eth0", "eth0"]
    observation.ears = observation.ears.asked("eth0", 65.5)
    decision = observation.decide("eth0", 70.0)
    assert (decision.standing, str(decision.current)) == (Standing.GONE, A)

    observation.take(LinkChanged("eth0", up=False, present=True, at=71.0))
    assert observation.said == {}


def test_what_is_odd_about_a_router_is_a_warning(tmp_path):
    path = capture(tmp_path / "odd.pcap", header() / says("2001:db8:1234::/60"))
    [line] = lines(call("--pcap", path, "--output", "json"))
    assert line["standing"] == "announced and current"
    [warning] = line["warnings"]
    assert warning.startswith(f"{SOURCE}%odd.pcap announces 2001:db8:1234::/60: on-link")
    assert f"  warning: {warning}" in call("--pcap", path).stdout
