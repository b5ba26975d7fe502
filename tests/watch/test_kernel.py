"""rtnetlink notices of addresses and prefixes: those that count, and any bytes at all."""

import select
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.advertisement import INFINITY, PrefixInformation
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.kernel import (
    AddressesListed,
    AddressesTorn,
    KernelBusy,
    KernelSocket,
    SettingsChanged,
    read_notices,
)
from gitops_prefix.watch.learnt import KernelAddress, KernelNotice

NEW, GONE, PREFIX, DONE, ERROR, NETCONF = 20, 21, 52, 3, 2, 80
A = Prefix.parse("2001:db8:a::/64")
ADDRESS = A.network + 5


def octets(number: int) -> bytes:
    return number.to_bytes(16, "big")


def attribute(kind: int, content: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def message(kind: int, body: bytes, flags: int = 2) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body


def address(
    kind: int = NEW,
    *attributes: bytes,
    family: int = socket.AF_INET6,
    length: int = 64,
    flags: int = 0,
) -> bytes:
    head = struct.pack("=BBBBI", family, length, flags, 0, 7)
    usual = (attribute(1, octets(ADDRESS)), attribute(6, struct.pack("=IIII", 50, 100, 3, 4)))
    return message(kind, head + b"".join(attributes or usual))


def prefix(*attributes: bytes, flags: int = 0xC0, length: int = 64) -> bytes:
    head = struct.pack("=BBHiBBBB", socket.AF_INET6, 0, 0, 7, 3, length, flags, 0)
    usual = (attribute(1, octets(A.network)), attribute(2, struct.pack("=II", 50, 100)))
    return message(PREFIX, head + b"".join(attributes or usual))


TOLD = KernelAddress(7, ADDRESS, 64, 0, valid_for=100, preferred_for=50, created=3, updated=4)
NOTICE = KernelNotice(7, PrefixInformation(A, True, True, 100, 50))


def noticed(*, on_link: bool, autonomous: bool) -> KernelNotice:
    return NOTICE._replace(
        information=NOTICE.information._replace(on_link=on_link, autonomous=autonomous)
    )


TABLE = {
    "an address": (address(), [TOLD]),
    "an address that is gone": (address(GONE), [TOLD._replace(present=False)]),
    "flags beyond eight bits": (
        address(NEW, attribute(1, octets(ADDRESS)), attribute(8, struct.pack("=I", 0x301)), flags=1),
        [KernelAddress(7, ADDRESS, 64, 0x301)],
    ),
    "who made it": (
        address(NEW, attribute(1, octets(ADDRESS)), attribute(11, b"\2")),
        [KernelAddress(7, ADDRESS, 64, protocol=2)],
    ),
    "without lifetimes: for ever": (address(NEW, attribute(1, octets(ADDRESS))), [KernelAddress(7, ADDRESS, 64)]),
    "a point-to-point link: ours, not the other side's": (
        address(NEW, attribute(1, octets(9)), attribute(2, octets(ADDRESS))), [KernelAddress(7, ADDRESS, 64)],
    ),
    "another family": (address(family=socket.AF_INET), []),
    "a length that no prefix has": (address(length=129), []),
    "an address without one": (address(NEW, attribute(3, b"eth0\0")), []),
    "a prefix": (prefix(), [NOTICE]),
    "a prefix with host bits": (
        prefix(attribute(1, octets(ADDRESS)), attribute(2, struct.pack("=II", 50, 100))), [NOTICE],
    ),
    "on-link, as the option has it": (prefix(flags=0x80), [noticed(on_link=True, autonomous=False)]),
    "autonomous, as the option has it": (prefix(flags=0x40), [noticed(on_link=False, autonomous=True)]),
    "on-link, as earlier kernels say it": (prefix(flags=1), [noticed(on_link=True, autonomous=False)]),
    "autonomous, as earlier kernels say it": (prefix(flags=2), [noticed(on_link=False, autonomous=True)]),
    "a prefix of 129 bits": (prefix(length=129), []),
    "a prefix without lifetimes": (prefix(attribute(1, octets(A.network))), []),
    "a prefix without an address": (prefix(attribute(2, struct.pack("=II", 50, 100))), []),
    "several": (address() + prefix() + address(GONE), [TOLD, NOTICE, TOLD._replace(present=False)]),
    "the end of the list": (address() + message(DONE, bytes(4)), [TOLD, AddressesListed()]),
    "the end of a list during which addresses came or went": (
        address() + message(DONE, bytes(4), flags=0x12), [TOLD, AddressesTorn()],
    ),
    "a question that is refused": (message(ERROR, struct.pack("=i", -16) + address()), [KernelBusy()]),
    "a refusal of a damaged question": (message(ERROR, struct.pack("=i", -16) + address()[:30]), [KernelBusy()]),
    "an end that tells of an error with no such number": (
        bytes.fromhex("14000000030002ff010000000000000000000080"), [AddressesListed()],
    ),
    "a setting": (message(NETCONF, struct.pack("=B3x", 10)), [SettingsChanged()]),
    "a link": (message(16, bytes(16)), []),
    "nothing": (b"", []),
    "a length of 0 is no endless loop": (bytes(64), []),
    "a length beyond the datagram": (address()[:-1], []),
}  # fmt: skip


@pytest.mark.parametrize(("messages", "expected"), TABLE.values(), ids=list(TABLE))
def test_a_datagram_is_read(messages, expected):
    assert list(read_notices(messages)) == expected


@pytest.mark.parametrize("whole", [address(), prefix()], ids=["an address", "a prefix"])
def test_cut_at_any_length_it_is_nothing(whole):
    for length in range(len(whole)):
        assert list(read_notices(whole[:length])) == []


REFUSAL = message(ERROR, struct.pack("=i", -16) + address())
USUAL = st.sampled_from([address(), prefix(), address(GONE), message(DONE, bytes(4)), REFUSAL])


@st.composite
def damaged(draw) -> bytes:
    """What the kernel sends, with some octets changed."""
    whole = bytearray(b"".join(draw(st.lists(USUAL, min_size=1, max_size=3))))
    for _ in range(draw(st.integers(0, 6))):
        whole[draw(st.integers(0, len(whole) - 1))] = draw(st.integers(0, 255))
    return bytes(whole)


@given(st.binary(max_size=200) | damaged())
def test_any_bytes_are_notices_or_nothing(messages):
    """Nothing is raised, reading ends, and each notice is what its type promises."""
    for told in read_notices(messages):
        if isinstance(told, KernelAddress):
            assert 0 <= told.address < 1 << 128 and told.length <= 128
            assert 0 <= told.preferred_for <= INFINITY
        if isinstance(told, KernelNotice):
            assert told.information.prefix == Prefix.enclosing(*told.information.prefix)


def test_the_kernel_lists_its_addresses_to_anybody():
    """A second question while the first is answered is answered, too."""
    kernel = KernelSocket()
    try:
        kernel.ask()
        kernel.ask()
        heard = []
        while AddressesListed() not in heard:
            select.select([kernel], [], [], 10)
            heard += kernel.read()
    finally:
        kernel.close()
    assert all(isinstance(notice, KernelAddress | AddressesListed) for notice in heard)
