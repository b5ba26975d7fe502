"""A subnet is counted from the start of its base, in units of its own length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.prefix import Prefix, Subnet
from tests.decide.strategies import prefixes


@pytest.mark.parametrize(
    ("base", "offset", "length", "cidr"),
    [
        pytest.param(
            "2001:db8:cafe::/48", 256, 64, "2001:db8:cafe:100::/64", id="as the design says"
        ),
        pytest.param("2001:db8:cafe::/48", 0, 64, "2001:db8:cafe::/64", id="the first"),
        pytest.param("2001:db8:cafe::/48", 65535, 64, "2001:db8:cafe:ffff::/64", id="the last"),
        pytest.param(
            "2001:db8:cafe::/48", 15, 52, "2001:db8:cafe:f000::/52", id="of another length"
        ),
        pytest.param("2001:db8:cafe::/48", 0, 48, "2001:db8:cafe::/48", id="the base itself"),
        pytest.param(
            "2001:db8::/64", 3, 66, "2001:db8:0:0:c000::/66", id="behind the usual length"
        ),
        pytest.param("2001:db8::/127", 1, 128, "2001:db8::1/128", id="a single address"),
        pytest.param("::/0", 1, 1, "8000::/1", id="half of everything"),
    ],
)
def test_the_offset_counts_subnets_of_its_length(base, offset, length, cidr):
    placed = Subnet("pods", offset, length).within(Prefix.parse(base))

    assert placed.name == "pods"
    assert str(placed.cidr) == cidr


@pytest.mark.parametrize(
    ("base", "offset", "length", "words"),
    [
        pytest.param("2001:db8::/64", 1, 64, "offsets 0 to 0 at /64", id="a /64 holds one /64"),
        pytest.param("2001:db8::/56", 256, 64, "offsets 0 to 255 at /64", id="one behind the last"),
        pytest.param("2001:db8::/64", 0, 63, "larger than its base", id="larger than its base"),
        pytest.param(
            "2001:db8::/64", 0, 48, "set delegatedPrefixLength", id="and what to do about it"
        ),
    ],
)
def test_a_subnet_outside_its_base_is_refused_with_what_there_is(base, offset, length, words):
    with pytest.raises(ValueError, match=words) as refusal:
        Subnet("pods", offset, length).within(Prefix.parse(base))

    assert "subnet pods" in str(refusal.value)
    assert base in str(refusal.value)


@given(prefixes, st.data())
def test_subnets_lie_in_their_base_and_do_not_overlap(base, data):
    length = data.draw(st.integers(base.length, 128))
    most = (1 << (length - base.length)) - 1
    one, other = data.draw(st.tuples(st.integers(0, most), st.integers(0, most)))
    first, second = (Subnet("pods", offset, length).within(base).cidr for offset in (one, other))

    assert base.covers(first)
    assert first.length == length
    assert first.covers(second) is (one == other)


@given(prefixes, st.data())
def test_no_offset_reaches_beyond_the_base(base, data):
    length = data.draw(st.integers(base.length, 128))
    offset = data.draw(st.integers(min_value=1 << (length - base.length)))

    with pytest.raises(ValueError, match="lies outside"):
        Subnet("pods", offset, length).within(base)
