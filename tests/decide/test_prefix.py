"""Prefixes are networks: read strictly, compared by number, summarised exactly."""

import ipaddress
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.prefix import BITS, LIMIT, Prefix, exact_cidrs, parse_address
from tests.decide.strategies import addresses, lengths, prefixes


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("2001:db8:1234::/64", "2001:db8:1234::/64"),
        ("2001:0DB8:1234:0:0::/64", "2001:db8:1234::/64"),
        ("2001:db8:1200::/40", "2001:db8:1200::/40"),
        ("::/0", "::/0"),
        ("::1/128", "::1/128"),
    ],
)
def test_a_prefix_is_written_as_rfc_5952_says(written, canonical):
    assert str(Prefix.parse(written)) == canonical


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("2001:db8::", 'write its length too, as in "2001:db8::/64"', id="no length"),
        pytest.param("2001:db8::/129", "must be 0 to 128", id="length too long"),
        pytest.param("2001:db8::/-1", "must be 0 to 128", id="length below zero"),
        pytest.param("2001:db8::/", "must be 0 to 128", id="empty length"),
        pytest.param("2001:db8::/64/64", "must be 0 to 128", id="two lengths"),
        pytest.param("2001:db8::/ffff::", "must be 0 to 128", id="a mask instead of a length"),
        pytest.param("2001:db8::/٦٤", "must be 0 to 128", id="digits of another script"),
        pytest.param("2001:db8::1/64", 'did you mean "2001:db8::/64"?', id="host bits set"),
        pytest.param("2001:db8:0:1::/63", 'did you mean "2001:db8::/63"?', id="one bit too many"),
        pytest.param("192.0.2.0/24", "is not an IPv6 address", id="IPv4"),
        pytest.param("/64", "is not an IPv6 address", id="no address"),
        pytest.param("home", "is not an IPv6 address", id="a word"),
    ],
)
def test_what_is_no_prefix_is_refused_with_what_to_write(text, words):
    with pytest.raises(ValueError) as refusal:  # noqa: PT011  the words are the subject
        Prefix.parse(text)

    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("outer", "inner", "inside"),
    [
        pytest.param("2000::/3", "2001:db8::/32", True, id="a part"),
        pytest.param("2001:db8::/32", "2001:db8::/32", True, id="itself"),
        pytest.param("2001:db8::/64", "2001:db8::/56", False, id="its own supernet"),
        pytest.param("2001:db8::/33", "2001:db8:8000::/33", False, id="its sibling"),
        pytest.param("::/0", "ff00::/8", True, id="everything"),
        pytest.param("fc00::/7", "fd00::/8", True, id="a ULA is one"),
        pytest.param("fc00::/7", "fe80::/10", False, id="link-local is no ULA"),
    ],
)
def test_a_prefix_covers_its_parts_and_itself(outer, inner, inside):
    assert Prefix.parse(outer).covers(Prefix.parse(inner)) is inside


def test_prefixes_sort_by_number_then_length():
    texts = ["2001:db8::/32", "2001:db8::/64", "2001:db8:0:1::/64", "fd00::/8"]

    assert sorted(map(Prefix.parse, reversed(texts))) == list(map(Prefix.parse, texts))


@pytest.mark.parametrize(
    ("prefix", "length", "supernet"),
    [
        ("2001:db8:1234:56ab::/64", 56, "2001:db8:1234:5600::/56"),
        ("2001:db8:1234:56ab::/64", 64, "2001:db8:1234:56ab::/64"),
        ("2001:db8:1234:56ab::/64", 0, "::/0"),
    ],
)
def test_a_supernet_encloses(prefix, length, supernet):
    assert Prefix.parse(prefix).supernet(length) == Prefix.parse(supernet)


def test_a_supernet_is_never_longer():
    with pytest.raises(ValueError, match=r"2001:db8::/32 has no supernet of /33"):
        Prefix.parse("2001:db8::/32").supernet(33)


@pytest.mark.parametrize(
    ("first", "last", "cidrs"),
    [
        pytest.param("::", "::", ["::/128"], id="one address"),
        pytest.param("::1", "::2", ["::1/128", "::2/128"], id="two that do not pair"),
        pytest.param("::2", "::3", ["::2/127"], id="two that do"),
        pytest.param(
            "2001:db8::f000:0:0:0",
            "2001:db8::ffff:ffff:ffff:ffff",
            ["2001:db8:0:0:f000::/68"],
            id="the usual",
        ),
        pytest.param(
            "::1", "::6", ["::1/128", "::2/127", "::4/127", "::6/128"], id="ragged at both ends"
        ),
        pytest.param("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ["::/0"], id="everything"),
    ],
)
def test_a_range_is_covered_by_these_and_no_wider(first, last, cidrs):
    assert [str(cidr) for cidr in exact_cidrs(parse_address(first), parse_address(last))] == cidrs


@given(prefixes)
def test_reading_undoes_writing(prefix):
    assert Prefix.parse(str(prefix)) == prefix


@given(addresses, lengths)
def test_the_enclosing_prefix_holds_its_address_and_has_no_host_bits(address, length):
    prefix = Prefix.enclosing(address, length)

    assert prefix.contains(address)
    assert prefix.network <= prefix.last < LIMIT
    assert prefix.last - prefix.network + 1 == 1 << (BITS - length)


@given(prefixes, prefixes)
def test_covers_is_the_standard_librarys_subnet_of(one, other):
    network, outer = ipaddress.IPv6Network(tuple(one)), ipaddress.IPv6Network(tuple(other))

    assert other.covers(one) is network.subnet_of(outer)


@given(prefixes, st.data())
def test_every_supernet_covers_its_prefix(prefix, data):
    length = data.draw(st.integers(0, prefix.length))

    assert prefix.supernet(length).covers(prefix)


near = st.tuples(addresses, st.one_of(st.integers(0, 300), addresses)).map(
    lambda pair: (pair[0], min(pair[0] + pair[1], LIMIT - 1))
)


@given(near)
def test_exact_cidrs_cover_the_range_without_gap_or_overlap(ends):
    first, last = ends
    cidrs = exact_cidrs(first, last)

    assert cidrs[0].network == first
    assert cidrs[-1].last == last
    assert all(left.last + 1 == right.network for left, right in itertools.pairwise(cidrs))


@given(near)
def test_exact_cidrs_are_the_fewest(ends):
    cidrs = exact_cidrs(*ends)
    summary = ipaddress.summarize_address_range(*map(ipaddress.IPv6Address, ends))

    # The aligned blocks of a range are unique: a greedy walk that takes the largest
    # block at every step cannot be beaten, and the standard library takes that walk.
    assert [str(cidr) for cidr in cidrs] == [
        str(Prefix(int(one.network_address), one.prefixlen)) for one in summary
    ]


@given(st.integers(0, 40), st.integers(0, 40))
def test_exact_cidrs_are_the_fewest_by_brute_force(first, size):
    fewest = _fewest(first, first + size)

    assert len(exact_cidrs(first, first + size)) == fewest


def _fewest(first: int, last: int) -> int:
    """By dynamic programming over every aligned block, independent of any greedy walk."""
    counts = {last + 1: 0}
    for start in range(last, first - 1, -1):
        sizes = [1 << power for power in range(7) if start % (1 << power) == 0]
        counts[start] = 1 + min(counts[start + size] for size in sizes if start + size <= last + 1)
    return counts[first]
