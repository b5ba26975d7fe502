"""A reference and the room it offers: in the current prefix, and in each past one where it fits."""

from dataclasses import replace

import pytest

from gitops_prefix.decide.prefix import (
    AddressRange,
    PlacedSubnet,
    Prefix,
    Subnet,
    format_address,
    parse_address,
)
from gitops_prefix.decide.service_address import (
    Nowhere,
    Outside,
    Room,
    Several,
    present_host_part,
    room_of,
)
from gitops_prefix.decide.specification import Acquisition, Reference, Specification
from gitops_prefix.decide.status import PastPrefix, PrefixSource, Status
from gitops_prefix.decide.transition import settle

A, B = Prefix.parse("2001:db8:a::/64"), Prefix.parse("2001:db8:b::/64")
LONG = Prefix.parse("2001:db8:c:0:8000::/66")
RANGE = AddressRange("lb", 0xF000 << 48, (0xF000 << 48) + 9)
SPECIFICATION = Specification(
    "home",
    Acquisition(delegated_length=56),
    ranges=(AddressRange("other", 1, 2), RANGE),
    subnets=(Subnet("other", 1, 64), Subnet("pods", 2, 64)),
)


def status(*past, current=A):
    history = tuple(PastPrefix(prefix, None, None) for prefix in past)
    return settle(SPECIFICATION, Status(current, PrefixSource.UNKNOWN, None, history=history))


CASES = {
    "a range": (Reference("home", "lb"), (B,), (A.network, B.network), RANGE.start, RANGE.end),
    "a range that does not fit a longer past prefix": (
        Reference("home", "lb"),
        (LONG, B),
        (A.network, B.network),
        RANGE.start,
        RANGE.end,
    ),
    "a subnet": (
        Reference("home", subnet="pods"),
        (B,),
        tuple(parse_address(f"2001:db8:{name}:2::") for name in "ab"),
        1,
        (1 << 64) - 1,
    ),
    "the whole prefix": (Reference("home"), (B,), (A.network, B.network), 1, (1 << 64) - 1),
}


def test_a_status_that_was_edited_by_hand_has_its_parts_where_they_are():
    """The current prefix is another one than the parts lie in."""
    by_hand = replace(status(B), current=Prefix.parse("2001:db8:d::/64"))
    room = room_of(Reference("home", "lb"), SPECIFICATION, by_hand)
    assert room == Room((A.network, B.network), RANGE.start, RANGE.end)
    far = replace(status(B), current=Prefix.parse("ffff::/64"))
    room = room_of(Reference("home", subnet="pods"), SPECIFICATION, far)
    assert room == Room((parse_address("2001:db8:a:2::"),), 1, (1 << 64) - 1)


def test_what_stood_in_past_prefixes_stays_ours_when_the_delegation_is_said_to_be_smaller():
    """The status still has the subnet of the /56, which is outside the /60 around the prefix."""
    here, past = (Prefix.parse(f"2001:db8:{site}:37::/64") for site in "ab")
    smaller = replace(SPECIFICATION, acquisition=Acquisition(delegated_length=60))
    room = room_of(Reference("home", subnet="pods"), smaller, status(past, current=here))
    assert room is not None
    assert room.networks == tuple(parse_address(f"2001:db8:{site}:2::") for site in "ab")


@pytest.mark.parametrize(
    ("reference", "past", "networks", "first", "last"), CASES.values(), ids=CASES
)
def test_a_reference_offers_room_in_every_prefix(reference, past, networks, first, last):
    room = room_of(reference, SPECIFICATION, status(*past))

    assert room == Room(networks, first, last)
    assert room.addresses(first) == tuple(network + first for network in networks)


def test_a_subnet_of_a_shorter_past_delegation_is_left_out():
    past = Prefix.parse("2001:db8:d::/48")

    room = room_of(Reference("home", subnet="pods"), SPECIFICATION, status(past))

    assert room.networks == (parse_address("2001:db8:a:2::"),)


@pytest.mark.parametrize("reference", [Reference("home", "none"), Reference("home", subnet="none")])
def test_a_part_that_the_status_lacks_offers_no_room(reference):
    assert room_of(reference, SPECIFICATION, status()) is None


ROOM = Room((A.network, B.network), RANGE.start, RANGE.end)
PRESENT = {
    "in the current prefix": ((A.network + RANGE.start,), RANGE.start),
    "in a past prefix": ((B.network + RANGE.end,), RANGE.end),
    "twice the same": ((A.network + RANGE.start,) * 2, RANGE.start),
    "two in one prefix": (
        (A.network + RANGE.start, A.network + RANGE.end),
        Several((A.network + RANGE.start, A.network + RANGE.end)),
    ),
    "in the prefix, and outside the room": ((A.network + 1,), Outside(A.network + 1)),
    "elsewhere": ((1,), Nowhere()),
    "nothing": ((), Nowhere()),
}


@pytest.mark.parametrize(("addresses", "present"), PRESENT.values(), ids=PRESENT)
def test_the_host_part_of_the_addresses_that_a_service_has(addresses, present):
    assert present_host_part(addresses, ROOM, (A, B)) == present


BALANCERS = Subnet("balancers", 16, 64)
DELEGATED = Specification(
    "home",
    Acquisition(delegated_length=56),
    ranges=(AddressRange("lb", 0x1000, 0x1FFF, BALANCERS), AddressRange("own", 1, 9)),
    subnets=(BALANCERS,),
)
BEFORE, NOW = Prefix.parse("2001:db8:1:200::/56"), Prefix.parse("2001:db8:1:100::/56")


def settled(specification: Specification, current: Prefix, *past: Prefix) -> Status:
    history = tuple(PastPrefix(prefix, None, None) for prefix in past)
    return settle(specification, Status(current, PrefixSource.UNKNOWN, None, history=history))


@pytest.mark.parametrize("length", [56, 64], ids=["the delegation", "the link's /64"])
def test_a_range_of_a_subnet_is_in_the_delegation(length):
    """Also where the current prefix is the link's own: the range lies beside it."""
    now, before = (Prefix(each.network, length) for each in (NOW, BEFORE))
    status = settled(DELEGATED, now, before)
    found = Reference("home", address_range="lb").placed(DELEGATED, status)
    assert [format_address(each.start) for each in found] == [
        "2001:db8:1:110::1000",
        "2001:db8:1:210::1000",
    ]
    room = room_of(Reference("home", address_range="lb"), DELEGATED, status)
    assert (room.first, room.last) == (0x1000, 0x1FFF)
    own = Reference("home", address_range="own").placed(DELEGATED, status)
    assert format_address(own[0].start) == "2001:db8:1:100::1"


def test_a_range_that_moves_into_a_subnet_is_where_the_status_has_it_until_then():
    before = replace(DELEGATED, ranges=(AddressRange("lb", 0x1000, 0x1FFF),))
    status = settled(before, NOW, BEFORE)
    found = Reference("home", address_range="lb").placed(DELEGATED, status)
    assert [format_address(each.start) for each in found] == [
        "2001:db8:1:100::1000",
        "2001:db8:1:200::1000",
    ]


def test_a_subnet_at_the_end_of_all_addresses_has_no_place_in_a_past_prefix():
    """Its status was edited by hand."""
    last = PlacedSubnet("balancers", Prefix.parse("ffff:ffff:ffff:ffff::/64"))
    status = replace(settled(DELEGATED, NOW, BEFORE), subnets=(last,))
    assert [*Reference("home", subnet="balancers").placed(DELEGATED, status)] == [last]
