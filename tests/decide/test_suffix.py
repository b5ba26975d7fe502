"""A host part may not reach into the prefix; the error says what to write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.prefix import BITS, check_suffix, host_mask, parse_address
from tests.decide.strategies import addresses, lengths


@pytest.mark.parametrize(
    ("text", "length"),
    [
        pytest.param("::f000:0:0:0", 64, id="the usual"),
        pytest.param("::", 64, id="the subnet-router anycast address is a host part too"),
        pytest.param("::ffff:ffff:ffff:ffff", 64, id="every host bit"),
        pytest.param("::1:f000:0:0:0", 56, id="subnet bits of a /56"),
        pytest.param("::", 128, id="a /128 leaves no bit"),
        pytest.param("ffff::", 0, id="a /0 leaves every bit"),
    ],
)
def test_a_host_part_behind_the_prefix_is_accepted(text, length):
    assert check_suffix(parse_address(text), length) is None


@pytest.mark.parametrize(
    ("text", "length", "instead"),
    [
        pytest.param("2001:db8:0:1:f000::", 64, ', as in "::f000:0:0:0"', id="a whole address"),
        pytest.param("f000::", 64, ', as in "::f000:0:0:0"', id="the colons at the wrong end"),
        pytest.param("f000::", 56, ', as in "::f000:0:0:0"', id="the same, in a /56"),
        pytest.param("f000:1::", 48, ', as in "::f000:1:0:0:0"', id="two hextets slid in front"),
        pytest.param("0:0:0:1::", 64, ', as in "::1"', id="one bit too high"),
        pytest.param("::1", 128, "", id="no host part at all"),
    ],
)
def test_a_bit_inside_the_prefix_is_refused_with_what_to_write(text, length, instead):
    with pytest.raises(ValueError, match=f"has bits set inside the /{length} prefix") as refusal:
        check_suffix(parse_address(text), length)

    assert str(refusal.value).startswith(f'"{text}" has')
    assert str(refusal.value).endswith(f"write only the host part{instead}")


@given(addresses, lengths)
def test_exactly_the_masked_addresses_are_accepted(address, length):
    assert check_suffix(address & host_mask(length), length) is None

    if address >> (BITS - length):
        with pytest.raises(ValueError, match="bits set inside"):
            check_suffix(address, length)


@given(addresses, st.integers(0, 128))
def test_a_suggestion_is_itself_acceptable(address, length):
    try:
        check_suffix(address, length)
    except ValueError as refusal:
        _, offered, suggestion = str(refusal).partition(', as in "')
        if offered:
            host = parse_address(suggestion.removesuffix('"'))
            assert host
            assert check_suffix(host, length) is None
