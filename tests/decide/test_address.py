"""Addresses are read in every form of RFC 4291 and written in the one of RFC 5952."""

import ipaddress

import pytest
from hypothesis import given

from gitops_prefix.decide.prefix import format_address, parse_address
from tests.decide.strategies import addresses


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        pytest.param("::", "::", id="the unspecified address"),
        pytest.param("::1", "::1", id="loopback"),
        pytest.param("2001:DB8::A", "2001:db8::a", id="hextets are lower case (4.3)"),
        pytest.param("2001:0db8::0001", "2001:db8::1", id="leading zeros go (4.1)"),
        pytest.param("2001:db8:0:0:0:0:2:1", "2001:db8::2:1", id=":: is as long as can be (4.2.1)"),
        pytest.param("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1", id=":: never for one (4.2.2)"),
        pytest.param("2001:0:0:1:0:0:0:1", "2001:0:0:1::1", id="the longest run (4.2.3)"),
        pytest.param(
            "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", id="the first of two runs (4.2.3)"
        ),
        pytest.param("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", id="nothing to shorten"),
        pytest.param("::f000:0", "::f000:0", id="a host part is no IPv4 address (5)"),
        pytest.param("::10.0.0.1", "::a00:1", id="dotted is read, hextets are written"),
        pytest.param(
            "::ffff:192.0.2.1", "::ffff:192.0.2.1", id="a mapped IPv4 address stays one (5)"
        ),
    ],
)
def test_an_address_has_one_text(written, canonical):
    assert format_address(parse_address(written)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("192.0.2.1", id="IPv4"),
        pytest.param("fe80::1%eth0", id="a zone identifier (RFC 4007)"),
        pytest.param("2001:db8::/64", id="a prefix"),
        pytest.param("2001:db8::1::2", id="two gaps"),
        pytest.param("2001:db8", id="too short"),
        pytest.param("1:2:3:4:5:6:7:8:9", id="too long"),
        pytest.param("::12345", id="a hextet of five digits"),
        pytest.param(" ::1", id="a blank in front"),
        pytest.param("::1\n", id="a line break behind"),
        pytest.param("::\u0661", id="digits of another script"),
        pytest.param("::1\0", id="a NUL"),
        pytest.param("[::1]", id="brackets of a URL"),
    ],
)
def test_what_is_no_address_is_refused_and_quoted(text):
    with pytest.raises(ValueError, match="is not an IPv6 address") as refusal:
        parse_address(text)

    assert repr(text) in str(refusal.value)


@given(addresses)
def test_reading_undoes_writing(address):
    assert parse_address(format_address(address)) == address


@given(addresses)
def test_the_text_is_the_standard_librarys(address):
    oracle = ipaddress.IPv6Address(address)

    if oracle.ipv4_mapped is None:
        assert format_address(address) == oracle.compressed
