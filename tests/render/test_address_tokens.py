"""Addresses in any text: found in every form, never inside of a longer word, moved in place."""

import ipaddress
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.prefix import Prefix, parse_address
from gitops_prefix.render.address_tokens import find_moves, find_tokens, move

A, B, LONG = map(Prefix.parse, ("2001:db8:a::/64", "2001:db8:b:1::/64", "2001:db8:1234:5678::/64"))
ULA, OTHER_ULA = map(Prefix.parse, ("fdab:cdef:1::/48", "fd00:1:2::/48"))

# What is written for A, and the same for B.
MOVED = {
    "alone": ("2001:db8:a::10", "2001:db8:b:1::10"),
    "the zeros at the end": ("2001:db8:a::", "2001:db8:b:1::"),
    "no zeros": ("2001:db8:a:0:f000:1:2:3", "2001:db8:b:1:f000:1:2:3"),
    "capital letters": ("2001:DB8:A::F00D", "2001:DB8:B:1::F00D"),
    "zeros written out": ("2001:db8:a:0:0:0:0:1", "2001:db8:b:1:0:0:0:1"),
    "leading zeros": (
        "2001:0db8:000a:0000:0000:0000:0000:0001",
        "2001:0db8:000b:0001:0000:0000:0000:0001",
    ),
    "leading zeros and a gap": ("2001:0DB8:000A::0001", "2001:0DB8:000B:0001::0001"),
    "a leading zero here and none there": ("2001:0db8:a::1", "2001:0db8:b:1::1"),
    "a leading zero in the host part": ("2001:db8:a:0:0:0:0:01", "2001:db8:b:1:0:0:0:01"),
    "a leading zero and capitals": ("2001:0DB8:A::F00D", "2001:0DB8:B:1::F00D"),
    "a short group with a zero": ("2001:db8:0a:0:1::01", "2001:db8:0b:1:1::01"),
    "a gap for one group": ("2001:db8:a::1:2:3:4", "2001:db8:b:1:1:2:3:4"),
    "a gap in front of zeros": ("2001:db8:a::0:0:10", "2001:db8:b:1::0:0:10"),
    "a gap behind zeros": ("2001:db8:a:0:1::", "2001:db8:b:1:1::"),
    "a gap that is kept": ("2001:db8:a:0::10", "2001:db8:b:1::10"),
    "a dotted tail": ("2001:db8:a::192.0.2.255", "2001:db8:b:1::192.0.2.255"),
    "a dotted tail behind groups": ("2001:db8:a:0:1:2:1.2.3.4", "2001:db8:b:1:1:2:1.2.3.4"),
    "brackets and a port": ("[2001:db8:a::1]:8080", "[2001:db8:b:1::1]:8080"),
    "a URL": ("https://[2001:db8:a::1]/x?y=z", "https://[2001:db8:b:1::1]/x?y=z"),
    "a URL with a user": (
        "rtsp://u:p%40@[2001:db8:a::1]:554/",
        "rtsp://u:p%40@[2001:db8:b:1::1]:554/",
    ),
    "a zone": ("2001:db8:a::1%eth0", "2001:db8:b:1::1%eth0"),
    "a CIDR": ("2001:db8:a::/64", "2001:db8:b:1::/64"),
    "a word of one letter": ("x:2001:db8:a::10", "x:2001:db8:b:1::10"),
    "a part of it": ("2001:db8:a:0:f000::/68,", "2001:db8:b:1:f000::/68,"),
    "an interface": ("address 2001:db8:a::2/48;", "address 2001:db8:b:1::2/48;"),
    "first and last": ("2001:db8:a::1-2001:db8:a::ff", "2001:db8:b:1::1-2001:db8:b:1::ff"),
    "first and last with dots": (
        "2001:db8:a::1..2001:db8:a::ff",
        "2001:db8:b:1::1..2001:db8:b:1::ff",
    ),
    "two networks": ("2001:db8:a::/65-2001:db8:a::/66", "2001:db8:b:1::/65-2001:db8:b:1::/66"),
    "first and last in brackets": (
        "[2001:db8:a::1]-[2001:db8:a::ff]",
        "[2001:db8:b:1::1]-[2001:db8:b:1::ff]",
    ),
    "first and last with zones": (
        "2001:db8:a::1%br0-2001:db8:a::ff%br0",
        "2001:db8:b:1::1%br0-2001:db8:b:1::ff%br0",
    ),
    "an escaped URL": (
        "u=http%3A%2F%2F%5B2001:db8:a::1%5D",
        "u=http%3A%2F%2F%5B2001:db8:b:1::1%5D",
    ),
    "brackets and a length": ("[2001:db8:a::]/64", "[2001:db8:b:1::]/64"),
    "a path that is no length": ("http://[2001:db8:a::]/48", "http://[2001:db8:b:1::]/48"),
    "a zone and a length": ("2001:db8:a::1%eth0/64", "2001:db8:b:1::1%eth0/64"),
    "an escape of JSON before a range": (
        r"x\n2001:db8:a::1-2001:db8:a::2",
        r"x\n2001:db8:b:1::1-2001:db8:b:1::2",
    ),
    "an escape of JSON before a name": (
        r"x\n0.0.0.0.a.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        r"x\n1.0.0.0.b.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    ),
    "a short last": ("2001:db8:a::1-ff", "2001:db8:b:1::1-ff"),
    "a length that is none": ("2001:db8:a::1/300", "2001:db8:b:1::1/300"),
    "a path": ("/zone/2001:db8:a::53/x", "/zone/2001:db8:b:1::53/x"),
    "an at sign": ("2001:db8:a::1@853#dns", "2001:db8:b:1::1@853#dns"),
    "SPF": ("v=spf1 ip6:2001:db8:a::/64 -all", "v=spf1 ip6:2001:db8:b:1::/64 -all"),
    "SMTP": ("[IPv6:2001:db8:a::1]", "[IPv6:2001:db8:b:1::1]"),
    "the end of a sentence": ("It is 2001:db8:a::1.", "It is 2001:db8:b:1::1."),
    "a key": ("2001:db8:a::1: here", "2001:db8:b:1::1: here"),
    "a network for a key": ("2001:db8:a:::", "2001:db8:b:1:::"),
    "a default of a shell": ("${LAN_IP6:-2001:db8:a::1}", "${LAN_IP6:-2001:db8:b:1::1}"),
    "a default for what is unset": ("[${A-2001:db8:a::}]", "[${A-2001:db8:b:1::}]"),
    "an assignment": ("A=2001:db8:a::1", "A=2001:db8:b:1::1"),
    "an escape of JSON": (r'{"a": "x\n2001:db8:a::1\n"}', r'{"a": "x\n2001:db8:b:1::1\n"}'),
    "a reverse zone": (
        "$ORIGIN 0.0.0.0.a.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
        "$ORIGIN 1.0.0.0.b.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
    ),
    "a reverse name": (
        f"_x.{'F.0.' + '0.' * 14}0.0.0.0.A.0.0.0.8.B.D.0.1.0.0.2.IP6.ARPA",
        f"_x.{'F.0.' + '0.' * 14}1.0.0.0.B.0.0.0.8.B.D.0.1.0.0.2.IP6.ARPA",
    ),
}
# The other prefix fills the zeros that this author wrote out or shortened in a way of their own.
ONE_WAY = {
    "a gap for one group",
    "a gap that is kept",
}


@pytest.mark.parametrize(("before", "after"), MOVED.values(), ids=MOVED)
def test_every_form_moves_and_stays_the_form_that_it_is(before: str, after: str):
    for around in ("{}", "x {} y", '"{}"', "\t{}\r\n"):
        text = around.format(before)
        assert move(text, (A,), B) == around.format(after)
        assert move(around.format(after), (A,), B) == around.format(after)


@pytest.mark.parametrize("name", sorted(MOVED.keys() - ONE_WAY))
def test_there_and_back_are_the_first_bytes(name: str):
    before, after = MOVED[name]
    assert move(after, (B,), A) == before


STAYS = {
    "a MAC address": "20:01:0d:b8:00:0a",
    "an EUI-64": "00:0a:00:01:0d:b8:20:01",
    "a time": "12:20:01",
    "a time with a zone": "2001-01-01T20:01:00.000+01:00",
    "a git hash": "2001db8a00000000000000000000000000000001",
    "a UUID": "2001db80-000a-4000-8000-000000000001",
    "a C++ name": "std::a::b",
    "a short C++ name": "a::b",
    "a C++ name of digits": "x::2001::a",
    "Rust": "crate::db8::a::f00",
    "a port map": "127.0.0.1:2001:2001",
    "a long port map": "[::]:2001:80/tcp",
    "a version": "1:2001.4-5",
    "a label in front": "x2001:db8:a::1",
    "a hyphen in front": "node-2001:db8:a::1",
    "an underscore in front": "_2001:db8:a::1",
    "a letter behind": "2001:db8:a::1x",
    "a name behind": "2001:db8:a::1.example",
    "a hyphen and a word behind": "2001:db8:a::1-backup",
    "a group too many": "2001:db8:a:0:1:2:3:4:5",
    "a group in front": "1:2001:db8:a:0:1:2:3:4",
    "too many groups and a gap": "2001:db8:a:0:1:2:3::4:5",
    "two gaps": "2001:db8:a::1::2",
    "three colons": "2001:db8:a:::1",
    "five digits": "2001:db8:a::00001",
    "five digits in front": "02001:db8:a::1",
    "seven groups": "2001:db8:a:0:1:2:3",
    "hextets": "2001:db8:a:0",
    "a dotted tail too long": "2001:db8:a::192.0.2.1.2",
    "a dotted tail too big": "2001:db8:a::192.0.2.256",
    "a dotted tail that begins too big": "2001:db8:a::256.0.2.1",
    "a dotted tail of letters": "2001:db8:a::a1.0.2.1",
    "a dotted tail with leading zeros": "2001:db8:a::01.0.2.1",
    "a letter of another alphabet": "\u00e92001:db8:a::1",
    "a wider network": "2001:db8:a::/48",
    "a wider network in brackets": "[2001:db8:a::]/48",
    "a wider network with a zone": "2001:db8:a::%eth0/48",
    "a word and a dash behind a name": "k8s:pod-2001:db8:a::1",
    "a group too many and a dash": "1:2:3:x-2001:db8:a::1",
    "a dot in front": "x.2001:db8:a::1",
    "another prefix": "2001:db8:c::1",
    "IPv4": "192.0.2.1",
    "a mapped IPv4": "::ffff:192.0.2.1",
    "loopback": "[::1]:80",
    "a wider reverse zone": "a.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    "a reverse zone of another": "0.0.0.0.c.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    "a reverse name too long": "1." * 17 + "0.0.0.0.a.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    "a longer domain": "0.0.0.0.a.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.example",
    "no nibbles": "x.ip6.arpa",
}


@pytest.mark.parametrize("text", STAYS.values(), ids=STAYS)
def test_what_is_no_address_of_ours_stays(text: str):
    assert move(text, (A,), B) == text
    assert move(f"see {text}, please", (A,), B) == f"see {text}, please"


NO_TOKENS = [
    *("a MAC address", "an EUI-64", "a time", "a time with a zone", "a git hash", "a UUID"),
    *("a C++ name", "a short C++ name", "a C++ name of digits", "Rust", "a port map", "a version"),
    *("a label in front", "a group too many", "two gaps", "three colons", "five digits", "hextets"),
]


@pytest.mark.parametrize("name", NO_TOKENS)
def test_a_word_that_only_looks_like_one_is_no_address(name: str):
    assert [*find_tokens(STAYS[name])] == []


def test_tokens_have_their_place_value_and_length():
    text = "[::]:53 fe80::1%eth0 ::ffff:192.0.2.1 fd00::/8 8.b.d.0.1.0.0.2.ip6.arpa ::1 ::2/128"
    found = [(text[token.start : token.end], token.length) for token in find_tokens(text)]
    assert found == [
        ("::", None),
        ("fe80::1", None),
        ("::ffff:192.0.2.1", None),
        ("fd00::", 8),
        ("8.b.d.0.1.0.0.2", 32),
        ("::1", None),
        ("::2", 128),
    ]
    assert [token.address for token in find_tokens(text)][2] == parse_address("::ffff:192.0.2.1")


def test_letters_in_the_first_group_are_found_in_either_case():
    assert move("FDAB:CDEF:1::1 fdab:cdef:1:2::1", (ULA,), OTHER_ULA) == "FD00:1:2::1 fd00:1:2:2::1"


def test_a_subnet_of_a_delegation_keeps_its_number():
    past, current = map(Prefix.parse, ("2001:db8:1200::/40", "2001:db8:3400::/40"))
    assert move("2001:db8:12ab:7::1", (past,), current) == "2001:db8:34ab:7::1"


def test_a_prefix_of_few_bits_is_found_by_any_group():
    past, current = map(Prefix.parse, ("2000::/8", "3000::/8"))
    assert move("20ab::1 {2001:db8::} a::b", (past,), current) == "30ab::1 {3001:db8::} a::b"


def test_what_has_no_room_in_a_longer_prefix_stays():
    past, current = map(Prefix.parse, ("2001:db8:0:100::/56", "2001:db8:0:230::/60"))
    text = "2001:db8:0:10f::1 2001:db8:0:110::1 2001:db8:0:100::/56 2001:db8:0:230::1"
    moves = find_moves(text, (past,), current)
    assert [text[token.start : token.end] for token in moves.stuck] == [
        "2001:db8:0:110::1",
        "2001:db8:0:100::",
    ]
    assert moves.ours == 1
    assert move(text, (past,), current).startswith("2001:db8:0:23f::1 2001:db8:0:110::1 ")


def test_what_is_in_the_current_prefix_is_counted_and_stays():
    moves = find_moves("2001:DB8:b:1::1 2001:db8:b:1::2 2001:db8:b:1::2", (A,), B)
    assert (moves.edits, moves.ours, moves.stuck) == ((), 3, ())


groups = st.one_of(st.just(0), st.just(1), st.integers(0, 0xFFFF))
hosts = st.lists(groups, min_size=4, max_size=4).map(
    lambda parts: int("".join(f"{part:04x}" for part in parts), 16)
)
forms = st.sampled_from(
    [
        str,
        lambda address: str(address).upper(),
        lambda address: address.exploded,
        lambda address: address.exploded.upper(),
        lambda address: address.reverse_pointer,
    ]
)
prefixes = st.sampled_from(
    [Prefix.parse(f"2001:db8:{middle}::/64") for middle in ("a", "b:1", "ab:cd", "0:ff", "1000")]
)
noise = st.lists(
    st.sampled_from(
        [
            *" \n\t,;=[]()'#",
            "é ",
            " 12:30:45 ",
            " a::b ",
            "x ",
            " 00:11:22:33:44:55 ",
            " ::",
            " 1.2.3.4 ",
        ]
    ),
    max_size=6,
).map("".join)


@given(st.lists(st.tuples(noise, hosts, forms), max_size=5), noise, prefixes, prefixes)
def test_only_the_addresses_move(parts, tail, past, current):
    """Python's own `ipaddress` writes what is expected."""

    def written(prefix: Prefix) -> str:
        return (
            "".join(
                f"{words} {form(ipaddress.IPv6Address(prefix.network | host))} "
                for words, host, form in parts
            )
            + tail
        )

    moved = move(written(past), (past,), current)
    assert moved == written(current)
    assert move(moved, (past,), current) == moved
    assert move(moved, (current,), past) == written(past)


torn = st.lists(
    st.sampled_from(
        [
            *"0123456789abcdefABCDEFxg:::::....//--[]%@\\n _é",
            "2001:db8:a",
            "::",
            "ip6.arpa",
            "0.",
            "256",
        ]
    ),
    max_size=24,
).map("".join)


@given(st.one_of(st.text(), torn))
def test_no_text_gives_a_traceback(text):
    """Every token is an address to `ipaddress`, too; what has moved stays."""
    for token in find_tokens(text):
        if not token.reverse:
            assert int(ipaddress.IPv6Address(text[token.start : token.end])) == token.address
    moved = move(text, (A,), B)
    assert move(moved, (A,), B) == moved


LARGE = {
    "usual ones": [
        "2001:db8:a:0:1:2:3:4",
        "2001:db8:a::1",
        "2001:db8:a::",
        "[2001:db8:a::1]",
        "2001:db8:a:0::1",
    ],
    "gaps behind groups": ["2001:db8:a:0:f000::1", "2001:db8:a:0:f::", "2001:db8:a:1::2:3"],
    "a length": ["2001:db8:a::1/64", "2001:db8:a::/64", "2001:db8:a::1/128"],
    "a length that is shorter": ["2001:db8:a::/32", "2001:db8:a::1/32"],
    "no length": [
        "2001:db8:a::1/300",
        "2001:db8:a::1/129",
        "2001:db8:a::1/64x",
        "2001:db8:a::1/64.1",
    ],
    "first in the text": ["2001:db8:a::1"],
    "capitals": ["2001:DB8:A::1"],
    "leading zeros": ["2001:0db8:000a::0001"],
    "a range": ["2001:db8:a::1-2001:db8:a::2"],
    "a dot at the end": ["2001:db8:a::1."],
    "a label in front": ["ip6:2001:db8:a::1"],
    "a longer word": ["x2001:db8:a::1", "2001:db8:a::1x", "2001:db8:a::12345"],
    "too many groups": ["2001:db8:a:0:1:2:3:4:5", "2001:db8:a:0:1::2:3:4:5:6"],
    "a gap for nothing": ["2001:db8:a::1:2:3:4:5", "2001:db8:a:0:1:2::3:4"],
    "another network": ["2001:db8:a:1::1", "2001:db8:a:1ab::1", "2001:db8:ab::1"],
    "the current prefix": ["2001:db8:b::7", "2001:db8:b:0:1:2:3:4"],
    "a name below ip6.arpa": ["0.0.0.0.a.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "2001:db8:a::1"],
    "a year": ["2001", "2001:db8:a::1"],
    "nothing of ours": ["fe80::1"],
}
NETWORKS = {
    "a /64": ("2001:db8:a::/64", "2001:db8:b::/64"),
    "a /64 with four groups": ("2001:db8:0:a::/64", "2001:db8:0:b::/64"),
    "a /48": ("2001:db8:a::/48", "2001:db8:b::/48"),
    "other zeros": ("2001:db8:a::/64", "2001:db8:b:1::/64"),
    "other zeros in the new one": ("2001:db8:b:1::/64", "2001:db8:a::/64"),
    "another length": ("2001:db8:a::/64", "2001:db8:b::/60"),
    "part of a group": ("2001:db8:a:f0::/60", "2001:db8:b:f0::/60"),
    "half of a group": ("2001:db8:a:1200::/56", "2001:db8:a:2200::/56"),
    "half of a group that may be zero": ("2001:db8:a:1000::/56", "2001:db8:a::/56"),
    "a bit more than half of a group": ("2001:db8:a:40::/58", "2001:db8:b:40::/58"),
    "no whole digit of a group": ("2001:db8:a:8000::/49", "2001:db8:b:8000::/49"),
    "letters first": ("fd00:db8:a::/64", "fd00:db8:b::/64"),
    "letters alone": ("fdab:cdef:a::/64", "fdab:cdef:b::/64"),
    "one group": ("2001::/16", "2a00::/16"),
    "nearly all of it": ("2001:db8:a:b:c:d:e::/112", "2001:db8:a:b:c:d:f::/112"),
    "a part of nearly all of it": ("2001:db8:a:b:c:d:e:f000/116", "2001:db8:a:b:c:d:f:f000/116"),
}
PADDING = "#" * 70_000
HOSTS = (0, 1, 0xF000 << 48 | 1, 0x12 << 64 | 1, 0x1_0002_0003_0004, 1 << 32 | 2, 3 << 48, 5 << 32)


def hosts_in(network: Prefix) -> list[str]:
    return [
        str(ipaddress.IPv6Address(network.network | host & (1 << 128 - network.length) - 1))
        for host in HOSTS
    ]


@pytest.mark.parametrize("networks", NETWORKS.values(), ids=NETWORKS)
def test_one_form_of_a_large_text_moves_as_in_a_small_one(networks):
    past, current = map(Prefix.parse, networks)
    for word in {*hosts_in(past), *chain.from_iterable(LARGE.values())}:
        assert (
            move(f"{word}\n{PADDING}", [past], current)
            == move(word, [past], current) + f"\n{PADDING}"
        )


@pytest.mark.parametrize("words", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("networks", NETWORKS.values(), ids=NETWORKS)
def test_a_large_text_moves_as_each_of_its_lines_does(words, networks):
    past, current = map(Prefix.parse, networks)
    words = [*hosts_in(past), *words]
    lines = [words[-1], *(f"host {word} ; {n}" for n in range(3) for word in words)]
    text = "\n".join([*lines, PADDING])
    small = [move(line, [past], current) for line in lines]
    assert move(text, [past], current) == "\n".join([*small, PADDING])
    assert move(text, [], current) == text
    moves = find_moves(text, [past], current)
    one_by_one = [find_moves(line, [past], current) for line in lines]
    assert bool(moves.ours) == any(found.ours for found in one_by_one)
    assert bool(moves.edits) == any(found.edits for found in one_by_one)
