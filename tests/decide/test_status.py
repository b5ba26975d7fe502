"""The status is what the repository remembers: written and read without loss."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.prefix import PlacedRange, PlacedSubnet, Prefix
from gitops_prefix.decide.status import (
    Condition,
    PastPrefix,
    PrefixSource,
    Status,
    format_time,
    parse_time,
    read_status,
    status_document,
)
from tests.decide.statuses import statuses
from tests.decide.strategies import moments

A, B, C = (Prefix.parse(f"2001:db8:{name}::/64") for name in "abc")
TEN = datetime(2026, 11, 23, 10, tzinfo=UTC)
WRITTEN = {
    "currentPrefix": "2001:db8:b::/64",
    "prefixSource": "router-advertisement",
    "acquiredAt": "2026-11-23T10:00:00Z",
    "dnsPrefix": "2001:db8:a::/64",
    "addressRanges": [
        {
            "name": "pool",
            "start": "2001:db8:b:0:f000::",
            "end": "2001:db8:b:0:ffff:ffff:ffff:ffff",
            "cidrs": ["2001:db8:b:0:f000::/68"],
        }
    ],
    "subnets": [{"name": "pods", "cidr": "2001:db8:b:1::/64"}],
    "history": [
        {
            "prefix": "2001:db8:a::/64",
            "acquiredAt": "2026-11-22T10:00:00Z",
            "deprecatedAt": "2026-11-23T10:00:00Z",
            "validUntil": "2026-11-24T10:00:00Z",
            "state": "draining",
        }
    ],
    "conditions": [
        {
            "type": "PrefixAcquired",
            "status": "True",
            "reason": "PrefixAcquired",
            "message": "words",
            "lastTransitionTime": "2026-11-23T10:00:00Z",
        }
    ],
}
STATUS = Status(
    current=B,
    source=PrefixSource.ROUTER_ADVERTISEMENT,
    acquired_at=TEN,
    ranges=(PlacedRange("pool", B.network | 0xF000 << 48, B.last),),
    subnets=(PlacedSubnet("pods", Prefix.parse("2001:db8:b:1::/64")),),
    history=(PastPrefix(A, TEN.replace(day=22), TEN, TEN.replace(day=24)),),
    conditions=(Condition("PrefixAcquired", "True", "PrefixAcquired", "words", TEN),),
    dns_prefix=A,
)


def test_a_status_is_written_in_the_order_of_the_design():
    written = status_document(STATUS)

    assert written == WRITTEN
    assert list(written) == list(WRITTEN)


def test_a_status_is_read_as_it_was_written():
    assert read_status({"status": WRITTEN}) == (STATUS, ())


def test_what_is_not_known_is_not_written():
    written = status_document(
        Status(B, PrefixSource.STATIC, None, history=(PastPrefix(A, None, None),))
    )

    assert written == {
        "currentPrefix": "2001:db8:b::/64",
        "prefixSource": "static",
        "addressRanges": [],
        "subnets": [],
        "history": [{"prefix": "2001:db8:a::/64", "state": "draining"}],
        "conditions": [],
    }


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"status": None},
        {"status": {}},
        {"status": {"conditions": []}},
        {"status": {"currentPrefix": None}},
    ],
    ids=["no status", "null", "empty", "an operator's before the first prefix", "a null prefix"],
)
def test_without_a_current_prefix_there_is_no_status_and_no_problem(document):
    assert read_status(document) == (None, ())


def test_an_operators_status_is_read_without_what_it_has_not():
    status, problems = read_status(
        {
            "status": {
                "currentPrefix": "2001:db8:b::/64",
                "observedGeneration": 3,
                "prefixSource": "dhcpv6-pd",
            }
        }
    )

    assert (status, problems) == (Status(B, PrefixSource.DHCPV6_PD, None), ())


NEVER = {
    "fe80::/64": "is link-local or multicast",
    "ff02::/16": "is link-local or multicast",
    "::/0": "is link-local or multicast",
    "2000::/3": "is shorter than /16",
    "::/64": "holds the loopback address",
    "2001:db8::1/64": "has bits set beyond its length",
    "192.0.2.0/24": "is not an IPv6 address",
}


@pytest.mark.parametrize(("prefix", "why"), NEVER.items(), ids=NEVER)
def test_a_prefix_that_no_network_has_is_a_problem_with_its_place(prefix, why):
    past = {"prefix": prefix, "state": "draining"}
    for change, path in (
        ({"currentPrefix": prefix}, ("status", "currentPrefix")),
        ({"dnsPrefix": prefix}, ("status", "dnsPrefix")),
        ({"history": [past]}, ("status", "history", 0, "prefix")),
    ):
        _, problems = read_status({"status": WRITTEN | change})
        assert (problems[0].path, problems[0].code) == (path, "invalid-value")
        assert why in problems[0].message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            {"currentPrefix": "2001:db8::"},
            "status.currentPrefix: '2001:db8::' is not a prefix",
            id="no prefix",
        ),
        pytest.param(
            {"prefixSource": "carrier pigeon"},
            'status.prefixSource: "carrier pigeon" is not one of dhcpv6-pd, router-advertisement',
            id="a source that is none",
        ),
        pytest.param(
            {"acquiredAt": "yesterday"},
            'status.acquiredAt: "yesterday" is not a time',
            id="a time that is none",
        ),
        pytest.param(
            {"addressRanges": [{"name": "pool", "start": "::1"}]},
            "status.addressRanges[0]: a range in the status needs start and end",
            id="a range without end",
        ),
        pytest.param(
            {"addressRanges": [{"name": "pool", "start": "::2", "end": "::1"}]},
            "status.addressRanges[0]: a range in the status needs start and end, in order",
            id="a range backwards",
        ),
        pytest.param(
            {"subnets": [{"name": "pods"}]},
            "status.subnets[0]: a subnet in the status needs its cidr",
            id="a subnet without cidr",
        ),
        pytest.param(
            {"history": [{"state": "draining"}]},
            "status.history[0]: a past prefix needs its prefix",
            id="no past",
        ),
        pytest.param(
            {"history": [{"prefix": str(B)}]},
            "status.history[0].prefix: 2001:db8:b::/64 is there already; remove this entry",
            id="the current prefix in the history",
        ),
        pytest.param(
            {"history": [{"prefix": str(A)}, {"prefix": "2001:DB8:A:0::/64"}]},
            "status.history[1].prefix: 2001:db8:a::/64 is there already",
            id="a past prefix twice, in another spelling",
        ),
    ],
)
def test_what_is_wrong_in_a_status_is_told_at_its_field(change, message):
    _, [problem] = read_status({"status": WRITTEN | change})

    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z", id="as Kubernetes writes it"),
        pytest.param(
            "2026-11-23T11:00:00+01:00", "2026-11-23T10:00:00Z", id="another zone becomes UTC"
        ),
        pytest.param("2026-11-23T10:00:00.999Z", "2026-11-23T10:00:00Z", id="fractions go"),
        pytest.param(
            "2026-11-23t10:00:00z", "2026-11-23T10:00:00Z", id="lower case (RFC 3339 5.6)"
        ),
    ],
)
def test_times_are_utc_in_whole_seconds(text, written):
    assert format_time(parse_time(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2026-11-23T10:00:00", id="no zone"),
        pytest.param("2026-11-23", id="a day"),
        pytest.param("2026-13-23T10:00:00Z", id="the thirteenth month"),
        pytest.param("", id="nothing"),
        pytest.param("0001-01-01T00:00:00+23:00", id="before the first year"),
        pytest.param("9999-12-31T23:59:59Z", id="a year that nothing can be added to"),
    ],
)
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(
        ValueError, match=r'is not a time: write RFC 3339, as in "2026-11-23T10:00:00Z"'
    ):
        parse_time(text)


def test_no_time_stays_none():
    assert format_time(None) is None


def test_prefixes_are_the_current_one_and_then_the_past():
    history = (PastPrefix(B, None, None), PastPrefix(A, None, None))

    assert Status(C, PrefixSource.STATIC, None, history=history).prefixes == (C, B, A)


@pytest.mark.parametrize(("dns_prefix", "target"), [(None, B), (A, A)], ids=["moved", "not yet"])
def test_dns_shows_the_current_prefix_unless_it_has_not_moved_yet(dns_prefix, target):
    assert Status(B, PrefixSource.STATIC, None, dns_prefix=dns_prefix).dns_target == target


def test_conditions_are_no_part_of_a_decision():
    bare = Status(B, PrefixSource.STATIC, TEN)

    assert bare.same_decision(Status(B, PrefixSource.STATIC, TEN, conditions=STATUS.conditions))
    assert not bare.same_decision(Status(B, PrefixSource.KERNEL, TEN))
    assert not bare.same_decision(None)


@given(statuses())
def test_reading_undoes_writing(status):
    assert read_status({"status": status_document(status)}) == (status, ())


@given(moments)
def test_reading_a_time_undoes_writing_it(moment):
    assert parse_time(format_time(moment)) == moment


json = st.recursive(
    st.one_of(
        st.none(), st.integers(), st.text(max_size=4), st.sampled_from(["::1", "2001:db8::/64"])
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*WRITTEN, "name", "start", "end", "prefix", "cidr"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(json)
def test_no_status_breaks_the_reading(content):
    status, problems = read_status({"status": content})

    assert all(problem.message.startswith("status") for problem in problems)
    if status:
        assert len(set(status.prefixes)) == len(status.prefixes)
