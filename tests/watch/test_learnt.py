"""What the kernel told of one link, put together: each rule a case."""

import pytest

from gitops_prefix.decide.advertisement import INFINITY, PrefixInformation
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.learnt import MOST_PREFIXES, KernelAddress, Learnt, is_learnt

A, B = Prefix.parse("2001:db8:a::/64"), Prefix.parse("2001:db8:b::/64")
FIRST, SECOND = A.network + 5, A.network + 6
NOW = 1000.0


def address(number: int = FIRST, **fields) -> KernelAddress:
    usual = {"valid_for": 7200, "preferred_for": 3600, "created": 10_000, "updated": 90_000}
    return KernelAddress(7, number, 64, **(usual | fields))


def advertised(prefix: Prefix = A, valid: int = 7200, preferred: int = 3600) -> PrefixInformation:
    return PrefixInformation(prefix, True, True, valid, preferred)


KINDS = {
    "of an advertisement": (address(), True),
    "that manages temporary ones": (address(flags=0x100), True),
    "deprecated": (address(flags=0x20), True),
    "tentative": (address(flags=0x40), True),
    "somebody else has it": (address(flags=0x48), True),
    "set by hand, for ever": (address(flags=0x80), False),
    "temporary (RFC 8981)": (address(flags=0x01), False),
    "of DHCPv6": (address()._replace(length=128), False),
    "of every prefix there is": (address()._replace(length=0), False),
}


@pytest.mark.parametrize(("found", "counts"), KINDS.values(), ids=list(KINDS))
def test_an_address_tells_of_an_advertised_prefix(found, counts):
    assert is_learnt(found) is counts
    learnt = Learnt()
    learnt.take(found, NOW)
    assert bool(learnt.prefixes(NOW)) is counts


def test_an_address_tells_when_its_prefix_came_and_was_repeated():
    """The kernel says what is left; the lifetime is what it was when it was repeated."""
    learnt = Learnt()
    learnt.take(address(), NOW)
    [found] = learnt.prefixes(NOW)
    assert (found.appeared_at, found.heard_at) == (100.0, 900.0)
    assert (found.information.valid_lifetime, found.information.preferred_lifetime) == (7300, 3700)


AGES = {
    "a tick ahead of us is now": (100_001, 1000.0),
    "just now": (100_000, 1000.0),
    "ten seconds ago": (99_000, 990.0),
    "before the counter went round, after 497 days": ((1 << 32) - 1000, -10.0),
}


@pytest.mark.parametrize(("updated", "heard_at"), AGES.values(), ids=list(AGES))
def test_the_kernels_clock_is_ours(updated, heard_at):
    learnt = Learnt()
    learnt.take(address(updated=updated), NOW)
    assert learnt.prefixes(NOW)[0].heard_at == heard_at


@pytest.mark.parametrize("left", [0, INFINITY])
def test_nothing_left_and_no_end_stay_what_they_are(left):
    learnt = Learnt()
    learnt.take(address(preferred_for=left), NOW)
    assert learnt.prefixes(NOW)[0].information.preferred_lifetime == left


def test_an_address_says_nothing_newer_than_the_advertisement_did():
    """The kernel keeps for two hours what was withdrawn (RFC 4862 5.5.3 e)."""
    learnt = Learnt()
    learnt.notice(advertised(valid=0, preferred=0), 950.0)
    learnt.take(address(), NOW)
    assert learnt.prefixes(NOW)[0].information.valid_lifetime == 0


def test_the_last_of_two_changes_in_one_tick_counts_whenever_they_are_read():
    """A client deprecates an address right after it renewed it."""
    learnt = Learnt()
    learnt.take(address(), NOW + 0.137)
    learnt.take(address(preferred_for=0), NOW + 0.242)
    [found] = learnt.prefixes(NOW)
    assert found.information.preferred_lifetime == 0


def test_the_last_address_of_a_prefix_takes_it_along():
    learnt = Learnt()
    for number in (FIRST, SECOND):
        learnt.take(address(number), NOW)
    learnt.take(address(FIRST, present=False), NOW)
    assert learnt.prefixes(NOW)
    learnt.take(address(SECOND, present=False), NOW)
    assert learnt.prefixes(NOW) == ()


def test_an_address_that_was_never_told_takes_nothing_along():
    learnt = Learnt()
    learnt.notice(advertised(), NOW)
    learnt.take(address(present=False), NOW)
    assert learnt.prefixes(NOW)


def test_what_a_list_leaves_out_is_gone():
    """A prefix without addresses (A = 0) is on no list."""
    learnt = Learnt()
    learnt.take(address(), NOW)
    learnt.notice(advertised(B), NOW)
    learnt.list_anew()
    learnt.listed()
    assert [found.information.prefix for found in learnt.prefixes(NOW)] == [B]


def test_a_list_keeps_what_it_names():
    learnt = Learnt()
    learnt.take(address(), NOW)
    learnt.list_anew()
    learnt.take(address(), NOW)
    learnt.listed()
    assert len(learnt.prefixes(NOW)) == 1


def test_what_is_over_is_forgotten():
    learnt = Learnt()
    learnt.notice(advertised(valid=100, preferred=50), NOW)
    assert learnt.prefixes(NOW + 99)
    assert learnt.prefixes(NOW + 100) == ()


def test_a_repetition_does_not_make_a_prefix_new():
    learnt = Learnt()
    learnt.notice(advertised(), 10.0)
    learnt.notice(advertised(), NOW)
    [found] = learnt.prefixes(NOW)
    assert (found.appeared_at, found.heard_at) == (10.0, NOW)


def test_a_flood_pushes_out_its_own():
    learnt = Learnt()
    learnt.notice(advertised(A), 1.0)
    for number in range(500):
        learnt.notice(advertised(Prefix(number << 64, 64)), 2.0 + number)
    prefixes = [found.information.prefix for found in learnt.prefixes(NOW)]
    assert len(prefixes) == MOST_PREFIXES
    assert A in prefixes


def test_a_link_that_is_gone_has_nothing():
    learnt = Learnt()
    learnt.take(address(), NOW)
    learnt.clear()
    assert learnt.prefixes(NOW) == ()


CLIENTS = {
    "nothing": ([], False),
    "an address of the kernel's": ([address(protocol=2)], False),
    "an address of somebody else's": ([address(protocol=0)], True),
    "both": ([address(protocol=2), address(SECOND)], True),
    "set by hand, for ever": ([address(flags=0x80)], False),
    "gone": ([address(), address(present=False)], False),
}


@pytest.mark.parametrize(("addresses", "has_client"), CLIENTS.values(), ids=list(CLIENTS))
def test_another_client_shows_in_the_addresses(addresses, has_client):
    learnt = Learnt()
    for found in addresses:
        learnt.take(found, NOW)
    assert learnt.has_client is has_client
    learnt.clear()
    assert not learnt.has_client
