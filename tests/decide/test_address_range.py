"""A range is two host parts; a prefix makes addresses of them, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.prefix import (
    AddressRange,
    PlacedRange,
    Prefix,
    format_address,
    parse_address,
)
from tests.decide.strategies import prefixes, ranges


def named(start, end):
    return AddressRange("pool", parse_address(start), parse_address(end))


@pytest.mark.parametrize(
    ("start", "end", "prefix", "placed"),
    [
        pytest.param(
            "::f000:0:0:0",
            "::ffff:ffff:ffff:ffff",
            "2001:db8:1234::/64",
            ("2001:db8:1234:0:f000::", "2001:db8:1234:0:ffff:ffff:ffff:ffff"),
            id="the upper sixteenth of a /64",
        ),
        pytest.param(
            "::10", "::10", "2001:db8::/64", ("2001:db8::10", "2001:db8::10"), id="one address"
        ),
        pytest.param(
            "::1:0:0:0:0",
            "::1:ffff:ffff:ffff:ffff",
            "2001:db8:1234:5600::/56",
            ("2001:db8:1234:5601::", "2001:db8:1234:5601:ffff:ffff:ffff:ffff"),
            id="a whole /64 of a /56",
        ),
    ],
)
def test_a_range_moves_into_the_prefix(start, end, prefix, placed):
    place = named(start, end).within(Prefix.parse(prefix))

    assert (format_address(place.start), format_address(place.end)) == placed


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("2001:db8::1", "::2", id="its start reaches into the prefix"),
        pytest.param("::1", "0:0:0:1::", id="its end does"),
    ],
)
def test_a_range_that_does_not_fit_is_refused(start, end):
    with pytest.raises(ValueError, match="inside the /64 prefix"):
        named(start, end).within(Prefix.parse("2001:db8:1234::/64"))


@pytest.mark.parametrize(
    ("start", "end", "cidrs"),
    [
        ("2001:db8:0:0:f000::", "2001:db8:0:0:ffff:ffff:ffff:ffff", ["2001:db8:0:0:f000::/68"]),
        ("2001:db8::1", "2001:db8::4", ["2001:db8::1/128", "2001:db8::2/127", "2001:db8::4/128"]),
    ],
)
def test_a_placed_range_knows_its_exact_cidrs(start, end, cidrs):

    assert [
        str(cidr) for cidr in PlacedRange("pool", parse_address(start), parse_address(end)).cidrs
    ] == cidrs


@given(prefixes, st.data())
def test_unplaced_undoes_within(prefix, data):
    address_range = data.draw(ranges(prefix.length))

    assert address_range.within(prefix).unplaced(prefix.length) == address_range


@given(prefixes, st.data())
def test_within_undoes_unplaced(prefix, data):
    placed = data.draw(ranges(prefix.length)).within(prefix)

    assert placed.unplaced(prefix.length).within(prefix) == placed


@given(prefixes, st.data())
def test_a_placed_range_lies_in_its_prefix_and_keeps_its_size(prefix, data):
    address_range = data.draw(ranges(prefix.length))
    placed = address_range.within(prefix)

    assert prefix.contains(placed.start)
    assert prefix.contains(placed.end)
    assert placed.end - placed.start == address_range.end - address_range.start


@given(prefixes, st.data())
def test_the_cidrs_lie_in_the_prefix(prefix, data):
    placed = data.draw(ranges(prefix.length)).within(prefix)

    assert all(prefix.covers(cidr) for cidr in placed.cidrs)
    assert (
        sum(cidr.last - cidr.network + 1 for cidr in placed.cidrs) == placed.end - placed.start + 1
    )
