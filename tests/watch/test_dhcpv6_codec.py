"""DHCPv6 as bytes: `encode` and `decode` are inverse, and nothing that a link sends raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.dhcpv6_codec import (
    MOST_PREFIXES,
    Association,
    DelegatedPrefix,
    Dhcpv6Message,
    Malformed,
    MessageType,
    ServerStatus,
    decode,
    encode,
)

P56 = Prefix.parse("2001:db8:12:3400::/56")

seconds = st.integers(0, 0xFFFFFFFF)
statuses = st.builds(
    ServerStatus,
    st.integers(0, 0xFFFF),
    st.text("abc xyz", max_size=20).map(str.strip),
).filter(lambda status: status.code or not status.words)
duids = st.binary(min_size=3, max_size=130)


@st.composite
def delegations(draw) -> DelegatedPrefix:
    length = draw(st.integers(1, 128))
    prefix = Prefix.enclosing(draw(st.integers(0, (1 << 128) - 1)), length)
    valid = draw(seconds)
    excluded = None
    if length < 128 and draw(st.booleans()):
        longer = draw(st.integers(length + 1, min(128, length + 128)))
        inside = prefix.network | draw(st.integers(0, (1 << 128 - length) - 1))
        excluded = Prefix.enclosing(inside, longer)
    return DelegatedPrefix(prefix, draw(st.integers(0, valid)), valid, excluded)


@st.composite
def associations(draw) -> Association:
    renew, rebind = sorted((draw(seconds), draw(seconds)))
    prefixes = draw(st.lists(delegations(), max_size=4, unique_by=lambda each: each.prefix))
    return Association(draw(seconds), renew, rebind, tuple(prefixes), draw(statuses))


messages = st.builds(
    Dhcpv6Message,
    st.sampled_from(MessageType),
    st.integers(0, 0xFFFFFF),
    st.just(b"") | duids,
    st.just(b"") | duids,
    st.lists(associations(), max_size=3, unique_by=lambda each: each.iaid).map(tuple),
    statuses,
    st.integers(0, 255),
    st.none() | st.integers(0, 0xFFFF),
    st.none() | seconds,
)


@given(messages)
def test_what_is_written_is_read(message):
    assert decode(encode(message)) == message


@given(messages, st.data())
def test_any_bytes_are_a_message_or_malformed(message, data):
    octets = bytearray(encode(message))
    del octets[data.draw(st.integers(0, len(octets))) :]
    for _ in range(data.draw(st.integers(0, 4))):
        if octets:
            octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    read = decode(bytes(octets))
    if isinstance(read, Dhcpv6Message):
        assert decode(encode(read)) == read
    else:
        assert read.reason


@given(st.binary(max_size=80))
def test_noise_never_raises(octets):
    assert isinstance(decode(octets), Dhcpv6Message | Malformed)


def option(kind: int, body: str) -> str:
    return f"{kind:04x}{len(body) // 2:04x}{body}"


IA = "00000007 00000064 000000c8".replace(" ", "")
PREFIX = "0000000a 00000014 38 20010db8001234000000000000000000".replace(" ", "")


@pytest.mark.parametrize(
    ("octets", "read"),
    [
        ("", "shorter than 4 octets"),
        ("0701", "shorter than 4 octets"),
        ("0a123456", "message type 10 is not one of prefix delegation"),
        ("07123456" + "0001", "an option has no length"),
        ("07123456" + "0001000a00", "option 1 reaches beyond its end"),
        ("07123456" + option(1, "0001"), "a DUID of 2 octets"),
        ("07123456" + option(2, "00" * 131), "a DUID of 131 octets"),
        ("07123456" + option(7, "0001"), "an option of 2 octets instead of 1"),
        ("07123456" + option(13, "00"), "a status code without a code"),
        ("07123456" + option(25, "00" * 11), "an IA_PD shorter than 12 octets"),
        ("07123456" + option(25, IA + option(26, "00" * 24)), "an IA Prefix shorter than 25"),
        ("07123456" + option(25, IA + "001a0019"), "option 26 reaches beyond its end"),
    ],
)
def test_what_is_malformed(octets, read):
    found = decode(bytes.fromhex(octets))
    assert isinstance(found, Malformed)
    assert found.reason.startswith(read)


def prefixes(*options: str, ia: str = IA) -> list[DelegatedPrefix]:
    found = decode(bytes.fromhex("07123456" + option(25, ia + "".join(options))))
    assert isinstance(found, Dhcpv6Message)
    return [each for association in found.associations for each in association.prefixes]


def test_a_prefix_without_its_host_bits():
    dirty = PREFIX[:-2] + "01"
    assert prefixes(option(26, dirty)) == [DelegatedPrefix(P56, 10, 20)]


@pytest.mark.parametrize(
    "body",
    [
        "00000015" + PREFIX[8:],  # preferred above valid: RFC 8415 21.22
        PREFIX[:16] + "00" + PREFIX[18:],  # of no length
        PREFIX[:16] + "81" + PREFIX[18:],  # longer than an address
    ],
)
def test_a_prefix_that_is_ignored_leaves_the_others(body):
    assert prefixes(option(26, body), option(26, PREFIX)) == [DelegatedPrefix(P56, 10, 20)]


def test_t1_above_t2_ignores_the_association():
    late = "00000007" + "000000c8" + "00000064"
    found = decode(bytes.fromhex("07123456" + option(25, late + option(26, PREFIX))))
    assert isinstance(found, Dhcpv6Message)
    assert not found.associations
    # 0 leaves it to the client.
    assert prefixes(option(26, PREFIX), ia="00000007" + "000000c8" + "00000000")


@pytest.mark.parametrize(
    ("body", "excluded"),
    [
        ("40f0", "2001:db8:12:34f0::/64"),
        ("3ce0", "2001:db8:12:34e0::/60"),
        ("38f0", None),  # as long as the delegation
        ("48f0", None),  # more bits than it has octets
        ("40", None),
        ("81" + "00" * 16, None),
    ],
)
def test_the_part_that_the_server_keeps(body, excluded):
    [found] = prefixes(option(26, PREFIX + option(67, body)))
    assert str(found.excluded) == str(excluded)


def test_a_flood_of_prefixes_ends():
    bodies = [
        option(26, "0000000a0000001480" + f"{number:032x}") for number in range(3 * MOST_PREFIXES)
    ]
    assert len(prefixes(*bodies)) == MOST_PREFIXES


def test_words_of_a_server_are_printable_and_short():
    body = b"\0\6" + b"\x1b]0;pwn\x07 none " + b"x" * 900
    read = decode(bytes.fromhex("07123456" + option(13, body.hex())))
    assert isinstance(read, Dhcpv6Message)
    assert read.status.words.isprintable()
    assert len(read.status.words) <= 200
    assert str(read.status).startswith("NoPrefixAvail: ]0;pwn")


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, "Success"), (1, "UnspecFail"), (3, "NoBinding"), (6, "NoPrefixAvail"), (77, "Status77")],
)
def test_a_status_by_its_name(code, text):
    assert str(ServerStatus(code)) == text
