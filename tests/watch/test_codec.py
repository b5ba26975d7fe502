"""Bytes to RouterAdvertisement: one table, fed whole, cut at every length, and with bytes appended."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitops_prefix.decide.advertisement import (
    INFINITY,
    IgnoredOption,
    Pref64,
    Preference,
    RecursiveDnsServers,
    RouterAdvertisement,
    UnknownOption,
)
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.codec import Rejected, RejectReason, decode, encode
from tests.watch.advertisements import (
    HEADER,
    LINK_LAYER,
    LINK_LOCAL,
    MTU,
    PIO,
    PREF64,
    RDNSS,
    ROUTE,
    STRANGE,
    A,
    advertisement,
    message,
)


def address(text: str) -> int:
    return Prefix.parse(f"{text}/128").network


def pio(**fields: object) -> RouterAdvertisement:
    return advertisement(prefixes=(A._replace(**fields),))


def ignoring(kind: int, reason: str) -> RouterAdvertisement:
    return advertisement(ignored=(IgnoredOption(kind, reason),))


def pref64(prefix: str, lifetime: int) -> RouterAdvertisement:
    return advertisement(pref64=(Pref64(Prefix.parse(prefix), lifetime),))


def rdnss(lifetime: int, *servers: str) -> RouterAdvertisement:
    found = RecursiveDnsServers(lifetime, tuple(address(server) for server in servers))
    return advertisement(dns_servers=(found,))


ACCEPTED = {
    # RFC 4861 4.2, the fields of the header.
    "no options at all": (HEADER, advertisement()),
    "every field of the header": (
        "86 00 0000 ff c8 ffff 00000001 ffffffff",
        RouterAdvertisement(255, True, True, Preference.HIGH, 65535, 1, INFINITY, ()),
    ),
    "managed alone": ("86 00 0000 40 80 0708 00000000 00000000", advertisement(managed=True)),
    "other alone": ("86 00 0000 40 40 0708 00000000 00000000", advertisement(other=True)),
    "the home agent, proxy and reserved flags say nothing to us": (
        "86 00 0000 40 25 0708 00000000 00000000",
        advertisement(),
    ),
    "a router of a stub network (draft-ietf-6man-snac-router-ra-flag)": (
        "86 00 0000 40 02 0708 00000000 00000000",
        advertisement(snac_router=True),
    ),
    "a router of a stub network that is no default router": (
        "86 00 0000 40 02 0000 00000000 00000000",
        advertisement(snac_router=True, router_lifetime=0),
    ),
    # RFC 4191 2.1 and 2.2.
    "preference high": (
        "86 00 0000 40 08 0708 00000000 00000000",
        advertisement(preference=Preference.HIGH),
    ),
    "preference low": (
        "86 00 0000 40 18 0708 00000000 00000000",
        advertisement(preference=Preference.LOW),
    ),
    "the reserved preference counts as medium": (
        "86 00 0000 40 10 0708 00000000 00000000",
        advertisement(),
    ),
    "a router with lifetime 0 has no preference": (
        "86 00 0000 40 08 0000 00000000 00000000",
        advertisement(router_lifetime=0),
    ),
    "the checksum is the kernel's affair": (
        "86 00 ffff 40 00 0708 00000000 00000000",
        advertisement(),
    ),
    # RFC 4861 4.6.2, Prefix Information.
    "a prefix": (HEADER + PIO, pio()),
    "on-link alone": (HEADER + PIO.replace("c0", "80"), pio(autonomous=False)),
    "autonomous alone": (HEADER + PIO.replace("c0", "40"), pio(on_link=False)),
    "neither on-link nor autonomous": (
        HEADER + PIO.replace("c0", "00"),
        pio(on_link=False, autonomous=False),
    ),
    "a prefix with an address of the router (RFC 6275)": (
        HEADER + PIO.replace("c0", "e0"),
        pio(router_address=True),
    ),
    "a prefix whose hosts should ask for their own (RFC 9762)": (
        HEADER + PIO.replace("c0", "d0"),
        pio(pd_preferred=True),
    ),
    "the reserved flags of a prefix are ignored": (HEADER + PIO.replace("c0", "cf"), pio()),
    "lifetimes of all ones are infinity": (
        HEADER + PIO.replace("00015180 00003840", "ffffffff ffffffff"),
        pio(valid_lifetime=INFINITY, preferred_lifetime=INFINITY),
    ),
    "lifetimes of 0 are said, not ignored": (
        HEADER + PIO.replace("00015180 00003840", "00000000 00000000"),
        pio(valid_lifetime=0, preferred_lifetime=0),
    ),
    "preferred may equal valid": (
        HEADER + PIO.replace("00015180", "00003840"),
        pio(valid_lifetime=14400),
    ),
    "bits after the prefix length are ignored (4.6.2)": (
        HEADER + PIO.replace("0000 0000 0000 0000 0000", "0000 dead beef dead beef"),
        pio(),
    ),
    "a prefix of length 0": (HEADER + PIO.replace("04 40", "04 00"), pio(prefix=Prefix(0, 0))),
    "a prefix of length 128": (
        HEADER + "03 04 80 c0 00015180 00003840 00000000 20010db8 00000000 00000000 00000001",
        pio(prefix=Prefix.parse("2001:db8::1/128")),
    ),
    "a prefix length that is no multiple of 8": (
        HEADER + "03 04 3d c0 00015180 00003840 00000000 20010db8 1234ffff 00000000 00000000",
        pio(prefix=Prefix.parse("2001:db8:1234:fff8::/61")),
    ),
    "a link-local prefix is understood; the policy refuses it": (
        HEADER + PIO.replace("2001 0db8 1234", "fe80 0000 0000"),
        pio(prefix=Prefix.parse("fe80::/64")),
    ),
    "two prefixes stay in the order sent": (
        HEADER + PIO.replace("1234", "5678") + PIO,
        advertisement(prefixes=(A._replace(prefix=Prefix.parse("2001:db8:5678::/64")), A)),
    ),
    "one prefix twice is told twice": (HEADER + PIO + PIO, advertisement(prefixes=(A, A))),
    "a prefix length above 128 makes the option ignored": (
        HEADER + PIO.replace("04 40", "04 81"),
        ignoring(3, "Prefix Information with prefix length 129"),
    ),
    "preferred above valid makes the option ignored (RFC 4862 5.5.3 c)": (
        HEADER + PIO.replace("00015180", "0000383f"),
        ignoring(3, "Prefix Information with preferred lifetime 14400 above valid 14399"),
    ),
    "an infinite preferred lifetime above a finite valid one too": (
        HEADER + PIO.replace("00003840", "ffffffff"),
        ignoring(3, f"Prefix Information with preferred lifetime {INFINITY} above valid 86400"),
    ),
    "a Prefix Information too short is ignored, and the next option read": (
        HEADER + "03 03 40 c0 00015180 00003840 00000000 20010db8 12340000" + MTU,
        ignoring(3, "Prefix Information of 24 octets, not 32")._replace(mtu=1500),
    ),
    "a Prefix Information too long is ignored": (
        HEADER + "03 05" + PIO[5:] + "00" * 8,
        ignoring(3, "Prefix Information of 40 octets, not 32"),
    ),
    "an ignored prefix does not hide a good one": (
        HEADER + PIO.replace("04 40", "04 ff") + PIO,
        pio()._replace(ignored=(IgnoredOption(3, "Prefix Information with prefix length 255"),)),
    ),
    # RFC 4861 4.6.4, MTU.
    "an MTU": (HEADER + MTU, advertisement(mtu=1500)),
    "the last of two MTUs counts": (
        HEADER + MTU + MTU.replace("05dc", "2328"),
        advertisement(mtu=9000),
    ),
    "an MTU of all ones is what it says": (
        HEADER + "05 01 ffff ffffffff",
        advertisement(mtu=INFINITY),
    ),
    "an MTU of the wrong size is ignored": (
        HEADER + "05 02 0000 000005dc 0000000000000000",
        ignoring(5, "MTU of 16 octets, not 8"),
    ),
    # RFC 8106 5.1, RDNSS.
    "a DNS server": (HEADER + RDNSS, rdnss(3600, "2001:db8:1234::53")),
    "two DNS servers": (
        HEADER + "19 05" + RDNSS[5:] + "fe80 0000 0000 0000 0000 0000 0000 0053",
        rdnss(3600, "2001:db8:1234::53", "fe80::53"),
    ),
    "an infinite DNS server": (
        HEADER + RDNSS.replace("00000e10", "ffffffff"),
        rdnss(INFINITY, "2001:db8:1234::53"),
    ),
    "RDNSS without a server is ignored (5.3.1)": (
        HEADER + "19 01 0000 00000e10",
        ignoring(25, "RDNSS of 8 octets, which holds no whole addresses"),
    ),
    "RDNSS with half a server is ignored": (
        HEADER + "19 04" + RDNSS[5:] + "00" * 8,
        ignoring(25, "RDNSS of 32 octets, which holds no whole addresses"),
    ),
    # RFC 8781 4, PREF64.
    "PREF64 /96": (HEADER + PREF64, pref64("64:ff9b::/96", 1800)),
    "PREF64 /64": (
        HEADER + "26 02 0709 20010db8 00640000 ffffffff",
        pref64("2001:db8:64::/64", 1800),
    ),
    "PREF64 /56": (
        HEADER + "26 02 070a 20010db8 006400ff ffffffff",
        pref64("2001:db8:64::/56", 1800),
    ),
    "PREF64 /48": (
        HEADER + "26 02 070b 20010db8 0064ffff ffffffff",
        pref64("2001:db8:64::/48", 1800),
    ),
    "PREF64 /40": (
        HEADER + "26 02 070c 20010db8 64ffffff ffffffff",
        pref64("2001:db8:6400::/40", 1800),
    ),
    "PREF64 /32": (HEADER + "26 02 070d 20010db8 ffffffff ffffffff", pref64("2001:db8::/32", 1800)),
    "PREF64 withdrawn": (HEADER + PREF64.replace("0708", "0000"), pref64("64:ff9b::/96", 0)),
    "PREF64 for the longest time there is": (
        HEADER + PREF64.replace("0708", "fff8"),
        pref64("64:ff9b::/96", 65528),
    ),
    "PREF64 length code 6 is reserved": (
        HEADER + PREF64.replace("0708", "070e"),
        ignoring(38, "PREF64 with reserved prefix length code 6"),
    ),
    "PREF64 length code 7 is reserved": (
        HEADER + PREF64.replace("0708", "070f"),
        ignoring(38, "PREF64 with reserved prefix length code 7"),
    ),
    "PREF64 of the wrong size is ignored": (
        HEADER + "26 01 0708 0064ff9b",
        ignoring(38, "PREF64 of 8 octets, not 16"),
    ),
    # RFC 4861 4.6: "silently ignore any options they do not recognize and continue".
    "route information is kept raw (RFC 4191 2.3)": (
        HEADER + ROUTE,
        advertisement(unknown=(UnknownOption(24, message(ROUTE)[2:]),)),
    ),
    "the link-layer address is kept raw": (
        HEADER + LINK_LAYER,
        advertisement(unknown=(UnknownOption(1, bytes.fromhex("020000000001")),)),
    ),
    "an unknown option is kept raw, and what follows is read": (
        HEADER + STRANGE + PIO,
        pio()._replace(unknown=(UnknownOption(0xFD, bytes.fromhex("010203040506")),)),
    ),
    "the longest option": (
        HEADER + "fd ff" + "aa" * 2038,
        advertisement(unknown=(UnknownOption(0xFD, b"\xaa" * 2038),)),
    ),
    "all of them, in any order": (
        HEADER + STRANGE + PREF64 + RDNSS + PIO + MTU,
        pio()._replace(
            mtu=1500,
            dns_servers=rdnss(3600, "2001:db8:1234::53").dns_servers,
            pref64=pref64("64:ff9b::/96", 1800).pref64,
            unknown=(UnknownOption(0xFD, bytes.fromhex("010203040506")),),
        ),
    ),
}

REJECTED = {
    # RFC 4861 6.1.2, in its order.
    "nothing at all": ("", RejectReason.TOO_SHORT),
    "one octet less than 16": (HEADER[:-2], RejectReason.TOO_SHORT),
    "a Router Solicitation": ("85" + HEADER[2:], RejectReason.NOT_ADVERTISEMENT),
    "a Neighbor Solicitation that reads like one": (
        "87" + HEADER[2:] + PIO,
        RejectReason.NOT_ADVERTISEMENT,
    ),
    "code 1": (HEADER.replace("00   beef", "01   beef"), RejectReason.CODE),
    "an option of length zero": (HEADER + "fd 00 0000 0000 0000", RejectReason.OPTION_LENGTH_ZERO),
    "an option of length zero behind a good one": (
        HEADER + PIO + "05 00 0000 000005dc",
        RejectReason.OPTION_LENGTH_ZERO,
    ),
    "an option of length zero at the very end": (
        HEADER + MTU + "0300",
        RejectReason.OPTION_LENGTH_ZERO,
    ),
    "an option that has only its type": (HEADER + "03", RejectReason.OPTION_TRUNCATED),
    "an option one octet too short": (HEADER + PIO[:-2], RejectReason.OPTION_TRUNCATED),
    "an unknown option beyond the packet": (
        HEADER + PIO + "fd 02 0000 0000 0000",
        RejectReason.OPTION_TRUNCATED,
    ),
    "the longest option, of which little is there": (
        HEADER + "fd ff",
        RejectReason.OPTION_TRUNCATED,
    ),
}


def read(payload: bytes) -> RouterAdvertisement | Rejected:
    return decode(payload, source=LINK_LOCAL, hop_limit=255)


def option_ends(payload: bytes) -> list[int]:
    """Where a valid message may end: after its header, and after each option."""
    ends = [16]
    while ends[-1] < len(payload):
        ends.append(ends[-1] + payload[ends[-1] + 1] * 8)
    return ends


accepted = pytest.mark.parametrize(("written", "expected"), ACCEPTED.values(), ids=list(ACCEPTED))
rejected = pytest.mark.parametrize(("written", "reason"), REJECTED.values(), ids=list(REJECTED))


@accepted
def test_a_valid_message_is_read(written, expected):
    assert read(message(written)) == expected


@accepted
def test_cut_at_every_length_it_is_whole_options_or_rejected(written, expected):
    payload = message(written)
    ends = option_ends(payload)
    for length in range(len(payload)):
        outcome = read(payload[:length])
        if length < 16:
            assert outcome == Rejected(RejectReason.TOO_SHORT, str(length))
        elif length in ends:
            assert isinstance(outcome, RouterAdvertisement)
            assert outcome[:7] == expected[:7]
            assert outcome.prefixes == expected.prefixes[: len(outcome.prefixes)]
        else:
            assert isinstance(outcome, Rejected)
            assert outcome.reason is RejectReason.OPTION_TRUNCATED


@accepted
def test_with_an_option_appended_it_says_the_same_and_more(written, expected):
    outcome = read(message(written, STRANGE))
    assert outcome == expected._replace(
        unknown=(*expected.unknown, UnknownOption(0xFD, bytes.fromhex("010203040506")))
    )


@accepted
@pytest.mark.parametrize(
    ("appended", "reason"),
    [
        ("00", RejectReason.OPTION_TRUNCATED),
        ("0000", RejectReason.OPTION_LENGTH_ZERO),
        ("0301", RejectReason.OPTION_TRUNCATED),
        ("00" * 8, RejectReason.OPTION_LENGTH_ZERO),
    ],
)
def test_with_bytes_appended_that_are_no_option_it_is_rejected(written, expected, appended, reason):
    outcome = read(message(written, appended))
    assert isinstance(outcome, Rejected)
    assert outcome.reason is reason
    assert outcome.detail == f"at octet {len(message(written))}"


@rejected
def test_an_invalid_message_is_rejected_with_its_reason(written, reason):
    outcome = read(message(written))
    assert isinstance(outcome, Rejected)
    assert outcome.reason is reason
    assert str(outcome).startswith(reason)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (written, reason)
        for written, reason in REJECTED.values()
        if reason
        not in {RejectReason.TOO_SHORT, RejectReason.OPTION_TRUNCATED}  # they lack what is appended
    ],
)
def test_a_reason_does_not_depend_on_bytes_behind_it(written, reason):
    outcome = read(message(written, PIO))
    assert isinstance(outcome, Rejected)
    assert outcome.reason is reason


@pytest.mark.parametrize("hop_limit", [0, 1, 64, 254])
def test_a_hop_limit_below_255_was_routed(hop_limit):
    outcome = decode(message(HEADER, PIO), source=LINK_LOCAL, hop_limit=hop_limit)
    assert outcome == Rejected(RejectReason.HOP_LIMIT, str(hop_limit))


SOURCES = {
    "link-local": ("fe80::1", True),
    "the first of fe80::/10": ("fe80::", True),
    "the last of fe80::/10": ("febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", True),
    "just above fe80::/10": ("fec0::1", False),
    "just below fe80::/10": ("fe7f:ffff::1", False),
    "global": ("2001:db8::1", False),
    "unique local": ("fd00::1", False),
    "unspecified": ("::", False),
    "loopback": ("::1", False),
    "IPv4-mapped": ("::ffff:192.0.2.1", False),
    "multicast": ("ff02::1", False),
}


@pytest.mark.parametrize(("source", "link_local"), SOURCES.values(), ids=list(SOURCES))
def test_only_a_link_local_source_is_a_router(source, link_local):
    outcome = decode(message(HEADER), source=address(source).to_bytes(16, "big"), hop_limit=255)
    assert isinstance(outcome, Rejected) is not link_local
    if isinstance(outcome, Rejected):
        assert str(outcome) == "source is not link-local"


def test_many_prefixes_in_a_row_are_each_read_as_they_are():
    """More than the codec remembers, each twice, with the first between them."""
    first, *others = (
        advertisement(prefixes=(A._replace(prefix=Prefix(number << 64, 64)),))
        for number in range(300)
    )
    for said in others:
        assert read(encode(said)) == said
        assert read(encode(first)) == first
        assert read(encode(said)) == said


@given(payload=st.binary(max_size=512), source=st.binary(max_size=20), hop_limit=st.integers())
@example(payload=b"", source=b"", hop_limit=0)
def test_any_bytes_are_an_advertisement_or_rejected(payload, source, hop_limit):
    """Nothing is ever raised, whatever comes."""
    assert isinstance(
        decode(payload, source=source, hop_limit=hop_limit), (RouterAdvertisement, Rejected)
    )


options = st.builds(
    lambda kind, units, body: bytes([kind, units]) + body,
    st.sampled_from([1, 3, 5, 24, 25, 31, 38]) | st.integers(0, 255),
    st.integers(0, 6),
    st.binary(max_size=46),
)


@given(
    head=st.binary(min_size=12, max_size=12),
    tail=st.lists(options | st.just(message(PIO)), max_size=6),
)
def test_whatever_the_options_what_is_accepted_is_sound(head, tail):
    """No prefix has host bits or a preferred lifetime above its valid one, and each option is there once."""
    payload = message("86000000") + head + b"".join(tail)
    outcome = read(payload)
    if isinstance(outcome, Rejected):
        assert outcome.reason in {RejectReason.OPTION_LENGTH_ZERO, RejectReason.OPTION_TRUNCATED}
        return
    for information in outcome.prefixes:
        assert information.prefix == Prefix.enclosing(*information.prefix)
        assert information.preferred_lifetime <= information.valid_lifetime
    told = (
        outcome.prefixes + outcome.dns_servers + outcome.pref64 + outcome.unknown + outcome.ignored
    )
    mtus = len(option_ends(payload)) - 1 - len(told)
    assert mtus == 0 if outcome.mtu is None else mtus >= 1
