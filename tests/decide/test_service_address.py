"""Which host part a Service keeps: its own, the one it has, or one by its name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.prefix import parse_address
from gitops_prefix.decide.service_address import (
    Claim,
    Exposure,
    Holder,
    Room,
    Rooms,
    assign,
)
from gitops_prefix.decide.specification import Reference

LB = Reference("home", address_range="lb")
A, B = parse_address("2001:db8:a::"), parse_address("2001:db8:b::")
FIRST, LAST = 0xF000 << 48, (1 << 64) - 1


def claim(name: str, namespace: str = "media", **what) -> Claim:
    return Claim(namespace, name, LB, what.pop("document", f"{name}.yaml:0"), **what)


def rooms(*networks: int, first: int = FIRST, last: int = LAST) -> Rooms:
    return Rooms(Room(networks or (A,), first, last))


HELD = {
    "a suffix, whatever address it has": (claim("a", suffix=7, addresses=(A + FIRST,)), 7),
    "host part 0, which is one too": (claim("a", suffix=0), 0),
    "its address in the current prefix": (claim("a", addresses=(A + FIRST + 9,)), FIRST + 9),
    "its address in a past prefix": (claim("a", addresses=(B + FIRST + 9,)), FIRST + 9),
    "the first of several": (claim("a", addresses=(1, B + LAST, A + FIRST)), LAST),
}


@pytest.mark.parametrize(("one", "host_part"), HELD.values(), ids=HELD)
def test_what_is_held_for_good(one, host_part):
    assert assign({one: rooms(A, B)}).host_parts == {one: host_part}


def test_an_address_in_a_former_prefix_alone_keeps_its_host_part():
    former = Rooms(Room((A,), FIRST, LAST), Room((B,), FIRST, LAST))
    one = claim("a", addresses=(B + FIRST + 9,))
    assert assign({one: former}).host_parts == {one: FIRST + 9}


NOT_HELD = {
    "outside the range": A + 9,
    "in no prefix of ours": parse_address("2001:db8:c:0:f000::9"),
    "in IPv4's clothes": parse_address("::ffff:192.0.2.1"),
}


@pytest.mark.parametrize("address", NOT_HELD.values(), ids=NOT_HELD)
def test_an_address_elsewhere_says_nothing(address):
    """It is its author's; the name decides."""
    bare, with_address = claim("a"), claim("a", addresses=(address,))
    assert list(assign({with_address: rooms()}).host_parts.values()) == list(
        assign({bare: rooms()}).host_parts.values()
    )


def test_a_name_comes_to_the_same_host_part_on_every_machine():
    """A promise to repositories: a figure that changes moves Services."""
    assert assign({claim("plex"): rooms()}).host_parts == {claim("plex"): 17865868042808524153}


def test_a_host_part_that_others_list_is_not_given_away():
    """Even as their own static entry."""
    small = rooms(first=5, last=6)
    other = claim("b", suffix=9, addresses=(A + 5,))
    assert assign({claim("a"): small, other: small}).host_parts[claim("a")] == 6


def test_a_full_range_is_told():
    small = rooms(first=5, last=6)
    found = assign({claim(name): small for name in "abc"})
    assert found.full == (claim("c"),)
    assert sorted(found.host_parts.values()) == [5, 6]


def test_one_service_in_two_documents_is_one():
    base, overlay = claim("a", document="base"), claim("a", document="overlay")
    assert len(set(assign({base: rooms(), overlay: rooms()}).host_parts.values())) == 1


def test_one_service_has_the_suffix_of_its_other_document_where_that_is_in_its_room():
    """A chart has the suffix, and the manifest of the Service a range."""
    chart = claim("a", document="chart", suffix=FIRST + 7)
    chart = chart._replace(reference=chart.reference._replace(address_range=""))
    manifest = claim("a", document="manifest")
    whole = rooms(first=1, last=LAST)
    found = assign({chart: whole, manifest: rooms()}).host_parts
    assert found == {chart: FIRST + 7, manifest: FIRST + 7}
    elsewhere = rooms(first=5, last=6)
    assert assign({chart: whole, manifest: elsewhere}).host_parts[manifest] in {5, 6}


def test_without_a_namespace_two_of_one_name_are_two():
    """Flux and kustomize put the namespace there later."""
    one, other = claim("a", "", document="x"), claim("a", "", document="y")
    assert len(set(assign({one: rooms(), other: rooms()}).host_parts.values())) == 2


WEB, DNS = frozenset({("TCP", 80)}), frozenset({("UDP", 53)})
FITS = {
    "of one namespace": (Exposure("a"), Exposure("a"), True),
    "of two": (Exposure("a"), Exposure("b"), False),
    "each admits the other": (
        Exposure("a", frozenset({"b"})), Exposure("b", frozenset({"c", "a"})), True,
    ),
    "each admits all": (Exposure("a", frozenset("*")), Exposure("b", frozenset("*")), True),
    "only one admits the other": (Exposure("a", frozenset({"b"})), Exposure("b"), False),
    "other ports": (Exposure(ports=WEB), Exposure(ports=DNS), True),
    "a common port": (Exposure(ports=WEB | DNS), Exposure(ports=DNS), False),
    "ports that are not known": (Exposure(ports=WEB), Exposure(), True),
    "another traffic policy": (Exposure(policy="Local"), Exposure(), False),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other", "fits"), FITS.values(), ids=FITS)
def test_who_fits_on_one_address(one, other, fits):
    assert (one.fits(other), other.fits(one)) == (fits, fits)


SHARE = {
    "one key": (claim("a", sharing_key="edge"), claim("b", sharing_key="edge"), True),
    "two keys": (claim("a", sharing_key="edge"), claim("b", sharing_key="core"), False),
    "no key": (claim("a"), claim("b"), False),
    "one Service in two documents": (claim("a", document="x"), claim("a", document="y"), True),
    "one name in two namespaces": (claim("a", "media"), claim("a", "net"), False),
    "a marker in the Service's document": (
        claim("a", owner=Holder("Service a")),
        claim("b", owner=Holder("Service a", place="ips"), marked=True),
        True,
    ),
    "a marker in another document": (
        claim("a", owner=Holder("Service a")), claim("b", owner=Holder("Service b"), marked=True),
        False,
    ),
    "two Services in one document": (
        claim("a", owner=Holder("List")), claim("b", owner=Holder("List")), False,
    ),
    "markers of two places": (
        claim("a", owner=Holder("chart", place="x"), marked=True),
        claim("b", owner=Holder("chart", place="y"), marked=True),
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other", "may"), SHARE.values(), ids=SHARE)
def test_who_may_hold_one_address(one, other, may):
    assert (one.shares_with(other), other.shares_with(one)) == (may, may)


def test_what_shares_no_address_yet_is_named_once():
    """The holders of two addresses that a load balancer would put on one."""
    a, b, c = (
        claim(name, addresses=(A + host_part,), sharing_key="edge")
        for name, host_part in (("a", 5), ("b", 6), ("c", 6))
    )
    small = rooms(first=5, last=6)
    assert assign(dict.fromkeys((c, a, b), small)).apart == ((a, b),)
    assert not assign({a: small, b: rooms(first=6, last=6)}).apart, "not in the room of b"
    pinned = [each._replace(suffix=each.addresses[0] - A) for each in (a, b)]
    assert not assign(dict.fromkeys(pinned, small)).apart
    assert assign({pinned[0]: small, b: small}).apart == ((pinned[0], b),)
    busy = b._replace(exposure=Exposure(ports=frozenset({("TCP", 80)})))
    other = a._replace(exposure=busy.exposure)
    assert not assign({other: small, busy: small}).apart


names = st.sampled_from(["plex", "jellyfin", "dns", "a", "b", "c", "d"])
claims = st.builds(
    claim,
    names,
    st.sampled_from(["", "media", "net"]),
    document=st.sampled_from(["x", "y"]),
    suffix=st.none() | st.integers(3, 8),
    addresses=st.lists(st.integers(0, 10).map(A.__add__), max_size=2).map(tuple),
    sharing_key=st.sampled_from(["", "edge"]),
    exposure=st.builds(
        Exposure, ports=st.frozensets(st.tuples(st.just("TCP"), st.integers(80, 82)), max_size=2)
    ),
)


def who(one: Claim) -> tuple[str, str, str]:
    return one.namespace, one.name, one.document


@given(st.lists(claims, unique_by=who, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_matter(found, chance):
    small = rooms(first=3, last=8)
    shuffled = chance.sample(found, len(found))
    assert assign(dict.fromkeys(found, small)) == assign(dict.fromkeys(shuffled, small))


@given(st.lists(claims, unique_by=who, max_size=8))
def test_no_two_collide_without_a_word(found):
    """One address has one holder, or holders who may share, or an error names them."""
    assignment = assign(dict.fromkeys(found, rooms(first=3, last=8)))
    assert set(assignment.host_parts) | set(assignment.full) == set(found)
    told = {one for pair in assignment.taken for one in pair}
    for one, host_part in assignment.host_parts.items():
        for other, another in assignment.host_parts.items():
            if one != other and host_part == another and not one.shares_with(other):
                assert one in told or other in told


@given(st.lists(claims, unique_by=who, max_size=6), claims)
def test_a_service_that_is_added_moves_nobody(found, added):
    """What was given is in the repository by then, as an address."""
    small = rooms(first=3, last=300)
    before = assign(dict.fromkeys(found, small)).host_parts
    pinned = {
        one: Claim(
            one.namespace,
            one.name,
            one.reference,
            one.document,
            one.suffix,
            (A + host_part, *one.addresses),
            one.sharing_key,
            exposure=one.exposure,
        )
        for one, host_part in before.items()
    }
    after = assign(dict.fromkeys([*pinned.values(), added], small)).host_parts
    assert {one: after[pinned[one]] for one in before} == before
