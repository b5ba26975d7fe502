"""What hypothesis draws for the tests of `decide`."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from gitops_prefix.decide.prefix import BITS, LIMIT, AddressRange, Prefix, host_mask, why_never

# Zero runs, full hextets and powers of two are where arithmetic goes wrong.
hextets = st.one_of(st.sampled_from([0, 0, 0, 1, 0xF000, 0xFFFF]), st.integers(0, 0xFFFF))
addresses = st.one_of(
    st.lists(hextets, min_size=8, max_size=8).map(
        lambda words: sum(word << 16 * place for place, word in enumerate(words))
    ),
    st.integers(0, LIMIT - 1),
)
lengths = st.integers(0, BITS)
prefixes = st.builds(Prefix.enclosing, addresses, lengths)
held_prefixes = prefixes.filter(lambda prefix: not why_never(prefix))
"""What a network may have."""
names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


@st.composite
def ranges(draw: st.DrawFn, length: int) -> AddressRange:
    """A range that fits prefixes of `length` bits."""
    ends = sorted(draw(st.tuples(addresses, addresses)))
    low, high = sorted(end & host_mask(length) for end in ends)
    return AddressRange(draw(names), low, high)


def link_prefix(number: int) -> Prefix:
    """The `number`th /64 of the documentation prefix (RFC 3849)."""
    return Prefix((0x20010DB8 << 96) + (number << 64), 64)
