"""Any status, for properties."""

from hypothesis import strategies as st

from gitops_prefix.decide.prefix import PlacedRange, PlacedSubnet
from gitops_prefix.decide.status import Condition, PastPrefix, PrefixSource, Status
from tests.decide.strategies import addresses, held_prefixes, moments, names, prefixes

texts = st.text(max_size=8)


maybe = st.none() | moments


@st.composite
def statuses(draw):
    known = draw(st.lists(held_prefixes, min_size=1, max_size=5, unique=True))
    placed = st.builds(
        lambda name, ends: PlacedRange(name, min(ends), max(ends)),
        names,
        st.tuples(addresses, addresses),
    )
    return Status(
        current=known[0],
        source=draw(st.sampled_from(PrefixSource)),
        acquired_at=draw(maybe),
        ranges=tuple(draw(st.lists(placed, max_size=2))),
        subnets=tuple(draw(st.lists(st.builds(PlacedSubnet, names, prefixes), max_size=2))),
        history=tuple(
            PastPrefix(past, draw(maybe), draw(maybe), draw(maybe), draw(texts))
            for past in known[1:]
        ),
        conditions=tuple(
            draw(st.lists(st.builds(Condition, texts, texts, texts, texts, maybe), max_size=2))
        ),
        dns_prefix=draw(st.none() | held_prefixes),
    )
