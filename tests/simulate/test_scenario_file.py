"""What a scenario file may say; what is wrong is reported with its place, all at once."""

import pytest

from gitops_prefix.decide.advertisement import INFINITY, Preference
from gitops_prefix.errors import InputError
from gitops_prefix.simulate.scenario import StandIns
from gitops_prefix.simulate.scenario_file import read_scenario
from tests.simulate.homes import NOW

HEAD = "routers: {isp: {every: 10m}, spare: {address: 'fe80::2'}}\nevents:\n"


def read(text: str | bytes):
    content = text if isinstance(text, bytes) else text.encode()
    return read_scenario("s.yaml", content, StandIns(), NOW)


WRONG = {
    "no YAML": ("events: [", "not-yaml", "s.yaml:1:"),
    "not UTF-8": (b"title: \xff\n", "not-utf8", "s.yaml"),
    "an alias of nothing": ("events: *no\n", "not-yaml", "s.yaml"),
    "a list": ("- at: 0s\n", "wrong-type", "s.yaml:1:1"),
    "nothing": ("", "wrong-type", "s.yaml:1:1"),
    "no events": ("title: x\n", "missing-field", "s.yaml:1:1"),
    "a key twice": (HEAD + "- {at: 0s, note: a, note: b}\n", "duplicate-key", "s.yaml:3:21"),
    "a slip at the top": ("event: []\nevents: [{at: 0s, note: x}]\n", "unknown-field", "s.yaml:1:8"),
    "a slip in an event": (HEAD + "- {at: 0s, note: a, rooter: isp}\n", "unknown-field", "s.yaml:3:29"),
    "no time": (HEAD + "- {note: x}\n", "missing-field", "s.yaml:3:3"),
    "a number as time": (HEAD + "- {at: 10, note: x}\n", "wrong-type", "s.yaml:3:8"),
    "no duration": (HEAD + "- {at: soon, note: x}\n", "invalid-value", "s.yaml:3:8"),
    "half a second": (HEAD + "- {at: 0.5s, note: x}\n", "invalid-value", "s.yaml:3:8"),
    "a time before the last": (
        HEAD + "- {at: 2h, note: x}\n- {at: 1h, note: y}\n", "out-of-range", "s.yaml:4:8",
    ),
    "an end before the last": (
        "until: 1h\n" + HEAD + "- {at: 2h, note: x}\n", "out-of-range", "s.yaml:1:8",
    ),
    "an event of nothing": (HEAD + "- {at: 0s}\n", "missing-field", "s.yaml:3:3"),
    "two things in one": (HEAD + "- {at: 0s, link: up, git: away}\n", "invalid-value", "s.yaml:3:27"),
    "a router that is not there": (
        HEAD + "- {at: 0s, router: ips, silent: true}\n", "invalid-value", "s.yaml:3:20",
    ),
    "which router": (HEAD + "- {at: 0s, announces: [A]}\n", "missing-field", "s.yaml:3:3"),
    "not silent": (HEAD + "- {at: 0s, router: isp, silent: false}\n", "invalid-value", "s.yaml:3:33"),
    "a prefix with host bits": (
        HEAD + "- {at: 0s, router: isp, announces: ['2001:db8::1/64']}\n", "invalid-value", "s.yaml:3:37",
    ),
    "a prefix twice": (HEAD + "- {at: 0s, router: isp, announces: [A, A]}\n", "invalid-value", "s.yaml:3:40"),
    "no prefix": (
        HEAD + "- {at: 0s, router: isp, announces: [{valid: 1h}]}\n", "missing-field", "s.yaml:3:37",
    ),
    "preferred above valid": (
        HEAD + "- {at: 0s, router: isp, announces: [{prefix: A, valid: 1h, preferred: 2h}]}\n",
        "out-of-range", "s.yaml:3:71",
    ),
    "a flag that is none": (
        HEAD + "- {at: 0s, router: isp, announces: [{prefix: A, flags: [onlink]}]}\n", "invalid-value", "s.yaml:3:57",
    ),
    "repeated too fast": (
        HEAD + "- {at: 0s, router: isp, every: 1s, announces: [A]}\n", "out-of-range", "s.yaml:3:32",
    ),
    "a global router": (
        "routers: {isp: {address: '2001:db8::1'}}\nevents: [{at: 0s, note: x}]\n", "invalid-value", "s.yaml:1:26",
    ),
    "a preference that is none": (
        "routers: {isp: {preference: top}}\nevents: [{at: 0s, note: x}]\n", "invalid-value", "s.yaml:1:29",
    ),
    "a router lifetime of a day": (
        HEAD + "- {at: 0s, router: isp, announces: [A], lifetime: 24h}\n", "out-of-range", "s.yaml:3:51",
    ),
    "a lifetime beside silence": (
        HEAD + "- {at: 0s, router: isp, silent: true, lifetime: 1h}\n", "invalid-value", "s.yaml:3:49",
    ),
    "a lifetime beside packets": (
        HEAD + "- {at: 0s, router: isp, packets: [{announces: [A]}], lifetime: 1h}\n",
        "invalid-value", "s.yaml:3:64",
    ),
    "no packet": (HEAD + "- {at: 0s, router: isp, packets: []}\n", "missing-field", "s.yaml:3:34"),
    "a slip in a packet": (
        HEAD + "- {at: 0s, router: isp, packets: [{announce: [A]}]}\n", "unknown-field", "s.yaml:3:46",
    ),
    "no farewell": (HEAD + "- {at: 0s, router: isp, farewell: false}\n", "invalid-value", "s.yaml:3:35"),
    "nothing lost": (HEAD + "- {at: 0s, router: isp, lost: 0}\n", "out-of-range", "s.yaml:3:31"),
    "a route that is none": (
        HEAD + "- {at: 0s, router: isp, announces: [], routes: [A]}\n", "invalid-value", "s.yaml:3:49",
    ),
    "a router's preferred above its valid": (
        "routers: {isp: {valid: 1h, preferred: 2h}}\nevents: [{at: 0s, note: x}]\n",
        "out-of-range", "s.yaml:1:39",
    ),
    "a link that is sideways": (HEAD + "- {at: 0s, link: left}\n", "invalid-value", "s.yaml:3:18"),
    "git gone": (HEAD + "- {at: 0s, git: gone}\n", "invalid-value", "s.yaml:3:17"),
    "a daemon that rests": (HEAD + "- {at: 0s, daemon: rests}\n", "invalid-value", "s.yaml:3:20"),
    "a start without a zone": (
        "start: 2026-01-01T00:00:00\nevents: [{at: 0s, note: x}]\n", "invalid-value", "s.yaml:1:8",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code", "place"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_with_its_place(text, code, place):
    with pytest.raises(InputError) as caught:
        read(text)
    [problem] = caught.value.problems
    assert problem.code == code
    assert str(problem.place).startswith(place)


def test_a_slip_of_the_pen_is_met_with_a_suggestion_and_all_are_told():
    with pytest.raises(InputError) as caught:
        read(HEAD + "- {at: 0s, router: ips, announce: [A]}\n- {at: 0s, link: dwn}\n")
    told = "\n".join(problem.message for problem in caught.value.problems)
    assert 'Did you mean "announces"?' in told
    assert 'Did you mean "down"?' in told


TIMES = {
    "since the start": (["0s", "1h30m"], [0, 5400]),
    "by the clock": (['"00:10"', '"01:00:30"'], [600, 3630]),
    "by the clock, past midnight": (['"23:00"', '"04:00"'], [82_800, 100_800]),
    "both": (["2h", '"04:10"'], [7200, 15_000]),
}


@pytest.mark.parametrize(("written", "seconds"), TIMES.values(), ids=TIMES)
def test_a_time(written, seconds):
    text = "events:\n" + "".join(f"- {{at: {one}, note: x}}\n" for one in written)
    assert [event.at for event in read(text).events] == seconds


def test_what_is_left_out_is_a_common_router():
    """RFC 4861 6.2.1's lifetimes, both flags, on the first link."""
    scenario = read("routers: {isp: {}}\nevents: [{at: 0s, announces: [A]}]\n")
    action = scenario.events[0].action
    assert (str(action.router), action.every, scenario.start) == ("fe80::1%eth0", 600, NOW)
    [advertisement] = action.advertisements
    assert advertisement.preference is Preference.MEDIUM
    [prefix] = advertisement.prefixes
    assert prefix[1:5] == (True, True, 2_592_000, 604_800)


def test_a_router_may_send_several_packets_each_with_a_lifetime_of_its_own():
    scenario = read(
        "routers: {isp: {preferred: 4h, valid: 24h, lifetime: 1h, snac: true}}\nevents: [{at: 0s, packets: "
        "[{announces: [A]}, {announces: ['fd00::/64'], lifetime: 0s}, {routes: ['fd00:7::/64']}]}]\n"
    )
    packets = scenario.events[0].action.advertisements
    assert [packet.router_lifetime for packet in packets] == [3600, 0, 3600]
    assert [[prefix[3:5] for prefix in packet.prefixes] for packet in packets] == [
        [(86400, 14400)], [(86400, 14400)], [],
    ]  # fmt: skip
    assert [len(packet.unknown) for packet in packets] == [0, 0, 1]
    assert all(packet.snac_router for packet in packets)


def test_a_route_is_an_option_of_rfc_4191():
    """Type 24: prefix length, preference, lifetime, prefix."""
    scenario = read(
        "routers: {isp: {}}\nevents: [{at: 0s, announces: [], routes: ['fd00:7::/64']}]\n"
    )
    [advertisement] = scenario.events[0].action.advertisements
    [option] = advertisement.unknown
    assert (option.type, option.body[:6].hex(), len(option.body)) == (24, "400000000708", 22)


def test_what_is_said_counts():
    scenario = read(
        "start: '04:00'\nrouters: {isp: {address: 'fe80::9', interface: lan, preference: high}}\n"
        "events: [{at: 0s, every: 5m, announces: "
        "[{prefix: '2001:db8::/64', valid: infinite, preferred: 1h, flags: [autonomous]}]}]\n"
    )
    action = scenario.events[0].action
    assert (str(action.router), action.every) == ("fe80::9%lan", 300)
    assert scenario.start == NOW.replace(hour=4)
    [advertisement] = action.advertisements
    assert advertisement.preference is Preference.HIGH
    [prefix] = advertisement.prefixes
    assert prefix[1:5] == (False, True, INFINITY, 3600)


def test_a_source_gives_prefixes_that_never_end_unless_the_scenario_says_so():
    scenario = read(
        "events:\n- {at: 0s, source: webhook, gives: [A]}\n"
        "- {at: 1h, source: dhcpv6pd, gives: [{prefix: B, valid: 2h, preferred: 1h}]}\n"
    )
    first, second = (event.action for event in scenario.events)
    assert (first.source, first.prefixes[0].valid_lifetime) == ("webhook", INFINITY)
    assert (second.source, second.prefixes[0].preferred_lifetime) == ("dhcpv6-pd", 3600)


@pytest.mark.parametrize(
    "event",
    [
        "{at: 0s, gives: [A]}",
        "{at: 0s, gives: [A], source: smoke}",
        "{at: 0s, gives: [A], source: file, every: 1h}",
    ],
)
def test_a_gift_without_a_source_that_is_there_is_an_error(event):
    with pytest.raises(InputError):
        read(f"events:\n- {event}\n")
