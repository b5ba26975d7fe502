"""`encode` is the inverse of `decode`; scapy reads in the bytes what was meant, too."""

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6NDOptSrcLLAddr, IPv6

from gitops_prefix.decide.advertisement import (
    IgnoredOption,
    Pref64,
    Preference,
    PrefixInformation,
    RecursiveDnsServers,
    RouterAdvertisement,
    UnknownOption,
)
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.codec import checksum_is_right, decode, encode, in_ipv6
from tests.watch.advertisements import LINK_LOCAL, A, advertisement
from tests.watch.second_opinion import check_agreement

SECONDS = st.integers(0, 0xFFFFFFFF)
ADDRESSES = st.integers(0, (1 << 128) - 1)
PREFIXES = st.builds(Prefix.enclosing, ADDRESSES, st.just(64) | st.integers(0, 128))
FLAG = st.booleans()
SERVERS = st.builds(
    RecursiveDnsServers, SECONDS, st.lists(ADDRESSES, min_size=1, max_size=3).map(tuple)
)
TRANSLATIONS = st.builds(
    Pref64,
    st.builds(Prefix.enclosing, ADDRESSES, st.sampled_from([96, 64, 56, 48, 40, 32])),
    st.integers(0, 0x1FFF).map(lambda units: units * 8),
)
UNREAD = st.builds(
    UnknownOption,
    st.sampled_from([1, 24, 31, 253]),
    st.sampled_from([6, 14, 22]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
)


@st.composite
def prefixes(draw) -> PrefixInformation:
    preferred, valid = sorted([draw(SECONDS), draw(SECONDS)])
    return PrefixInformation(
        draw(PREFIXES), draw(FLAG), draw(FLAG), valid, preferred, draw(FLAG), draw(FLAG)
    )


@st.composite
def advertisements(draw) -> RouterAdvertisement:
    lifetime = draw(st.integers(0, 65535))
    return RouterAdvertisement(
        hop_limit=draw(st.integers(0, 255)),
        managed=draw(FLAG),
        other=draw(FLAG),
        preference=draw(st.sampled_from(Preference)) if lifetime else Preference.MEDIUM,
        router_lifetime=lifetime,
        reachable_time=draw(SECONDS),
        retrans_timer=draw(SECONDS),
        prefixes=tuple(draw(st.lists(prefixes(), max_size=3))),
        mtu=draw(st.none() | SECONDS),
        dns_servers=tuple(draw(st.lists(SERVERS, max_size=2))),
        pref64=tuple(draw(st.lists(TRANSLATIONS, max_size=2))),
        unknown=tuple(draw(st.lists(UNREAD, max_size=2))),
        snac_router=draw(FLAG),
    )


@given(advertisements())
def test_what_is_written_is_read_back(said):
    assert decode(encode(said), source=LINK_LOCAL, hop_limit=255) == said


@given(advertisements())
def test_scapy_reads_what_was_meant(said):
    known = said._replace(unknown=())

    assert check_agreement(encode(known), known)


def test_an_ignored_option_is_left_out():
    said = advertisement(prefixes=(A,), ignored=(IgnoredOption(5, "MTU of 16 octets, not 8"),))

    assert encode(said) == encode(said._replace(ignored=()))


def test_a_router_that_is_no_default_router_has_no_preference():
    """RFC 4191 2.2."""
    said = advertisement(preference=Preference.HIGH, router_lifetime=0)

    assert encode(said) == encode(said._replace(preference=Preference.MEDIUM))


@given(advertisements(), st.integers(0, (1 << 64) - 1))
def test_a_packet_goes_to_all_nodes_with_a_right_checksum(said, host):
    source = (0xFE80 << 112 | host).to_bytes(16, "big")
    packet = in_ipv6(encode(said), source=source)
    header = IPv6(packet)

    assert (bytes(header)[8:24], header.dst, header.hlim) == (source, "ff02::1", 255)
    assert header.plen == len(packet) - 40
    assert checksum_is_right(packet[40:], source=source, destination=packet[24:40])
    assert decode(packet[40:], source=source, hop_limit=packet[7]) == said


def test_scapy_makes_the_same_packet():
    """With the link-layer address of the router (RFC 4861 4.6.1)."""
    theirs = bytes(
        IPv6(src="fe80::1", dst="ff02::1", hlim=255)
        / ICMPv6ND_RA(chlim=64, routerlifetime=1800, prf=0)
        / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:01")
    )
    said = advertisement(unknown=(UnknownOption(1, bytes.fromhex("020000000001")),))

    assert in_ipv6(encode(said), source=LINK_LOCAL) == theirs
