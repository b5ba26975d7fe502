"""scapy as an independent reader: on what both accept, the fields agree.

Where they disagree the RFC decides, and the case becomes a row of test_codec.py.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6NDOptDNSSL,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPREF64,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptRouteInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.utils import PcapReader

from gitops_prefix.decide.advertisement import (
    Pref64,
    Preference,
    PrefixInformation,
    RecursiveDnsServers,
    RouterAdvertisement,
)
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.codec import Rejected, checksum_is_right, decode
from tests.parts import require
from tests.watch.advertisements import HEADER, LINK_LOCAL, MTU, PIO, PREF64, RDNSS, ROUTE, message
from tests.watch.fuzz_codec import fuzz
from tests.watch.second_opinion import PREF64_LENGTHS, PREFERENCES, check_agreement

bits = st.integers(0, 1)
octets = st.integers(0, 0xFF)
shorts = st.integers(0, 0xFFFF)
words = st.integers(0, 0xFFFFFFFF) | st.sampled_from([0, 1, 0xFFFFFFFF])
addresses = st.ip_addresses(v=6)


def information(length, address, flags, lifetimes):
    preferred, valid = sorted(lifetimes)
    built = ICMPv6NDOptPrefixInfo(
        prefixlen=length,
        L=flags[0],
        A=flags[1],
        validlifetime=valid,
        preferredlifetime=preferred,
        prefix=str(address),
    )
    prefix = Prefix.enclosing(int(address), length)
    return built, PrefixInformation(prefix, bool(flags[0]), bool(flags[1]), valid, preferred)


def servers(lifetime, chosen):
    built = ICMPv6NDOptRDNSS(lifetime=lifetime, dns=[str(server) for server in chosen])
    return built, RecursiveDnsServers(lifetime, tuple(int(server) for server in chosen))


def translation(scaled, code, address):
    prefix = Prefix.enclosing(int(address), PREF64_LENGTHS[code])
    text = str(prefix).partition("/")[0]
    return ICMPv6NDOptPREF64(scaledlifetime=scaled, plc=code, prefix=text), Pref64(
        prefix, scaled * 8
    )


described_options = st.lists(
    st.one_of(
        st.builds(
            information,
            st.integers(0, 128),
            addresses,
            st.tuples(bits, bits),
            st.tuples(words, words),
        ),
        st.builds(servers, words, st.lists(addresses, min_size=1, max_size=4)),
        st.builds(translation, st.integers(0, 0x1FFF), st.integers(0, 5), addresses),
        st.builds(lambda mtu: (ICMPv6NDOptMTU(mtu=mtu), mtu), words),
        st.builds(lambda length: (ICMPv6NDOptRouteInfo(plen=length), None), st.integers(0, 128)),
        st.just((ICMPv6NDOptDNSSL(searchlist=["example.org"]), None)),
        st.just((ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:01"), None)),
    ),
    max_size=6,
)


def ours(payload: bytes) -> RouterAdvertisement | Rejected:
    return decode(payload, source=LINK_LOCAL, hop_limit=255)


@given(
    header=st.tuples(octets, bits, bits, st.integers(0, 3), shorts, words, words),
    described=described_options,
)
def test_what_scapy_builds_reads_as_it_was_meant(header, described):
    hop_limit, managed, other, preference, lifetime, reachable, retrans = header
    built = ICMPv6ND_RA(
        chlim=hop_limit,
        M=managed,
        O=other,
        prf=preference,
        routerlifetime=lifetime,
        reachabletime=reachable,
        retranstimer=retrans,
    )
    for option, _ in described:
        built = built / option
    # In IPv6, so that scapy fills in the checksum as a sender would.
    packet = IPv6(bytes(IPv6(src="fe80::1", dst="ff02::1", hlim=255) / built))
    payload = bytes(packet[ICMPv6ND_RA])
    meant = [value for _, value in described]
    read = ours(payload)
    assert isinstance(read, RouterAdvertisement)
    assert read[:7] == (
        hop_limit,
        bool(managed),
        bool(other),
        PREFERENCES[preference] if lifetime else Preference.MEDIUM,
        lifetime,
        reachable,
        retrans,
    )
    assert read.prefixes == tuple(value for value in meant if isinstance(value, PrefixInformation))
    assert read.dns_servers == tuple(
        value for value in meant if isinstance(value, RecursiveDnsServers)
    )
    assert read.pref64 == tuple(value for value in meant if isinstance(value, Pref64))
    assert read.mtu == next((value for value in reversed(meant) if isinstance(value, int)), None)
    assert len(read.unknown) == meant.count(None)
    assert read.ignored == ()
    assert_checksum(payload, LINK_LOCAL)


def assert_checksum(payload: bytes, source: bytes) -> None:
    """It is right as it came, and wrong with any one bit turned."""
    destination = bytes.fromhex("ff02000000000000 0000000000000001")
    assert checksum_is_right(payload, source=source, destination=destination)
    for at in range(0, len(payload) * 8, 7):
        turned = bytearray(payload)
        turned[at // 8] ^= 1 << (at % 8)
        assert not checksum_is_right(bytes(turned), source=source, destination=destination)


@pytest.mark.parametrize("seed", range(4))
def test_on_what_both_accept_the_fields_agree(seed):
    """A short run of fuzz_codec.py: each mutated message that is accepted is sound, and scapy agrees."""
    count = fuzz(10_000, seed=seed, every=4)

    assert count["agreed with scapy"] > 500
    assert count["rejected"] > 1000
    assert count["with ignored options"] > 100


WRONG = {
    "a prefix with another lifetime": lambda read: read._replace(
        prefixes=(read.prefixes[0]._replace(valid_lifetime=1),)
    ),
    "a prefix too many": lambda read: read._replace(prefixes=read.prefixes * 2),
    "another header": lambda read: read._replace(hop_limit=1),
    "no MTU": lambda read: read._replace(mtu=None),
    "another DNS server": lambda read: read._replace(
        dns_servers=(read.dns_servers[0]._replace(servers=(1,)),)
    ),
    "another PREF64": lambda read: read._replace(pref64=(read.pref64[0]._replace(lifetime=8),)),
    "an option too few": lambda read: read._replace(unknown=()),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_the_second_opinion_would_notice(wrong):
    payload = message(HEADER, PIO, RDNSS, MTU, PREF64, ROUTE)
    read = ours(payload)

    assert check_agreement(payload, read)
    with pytest.raises(AssertionError):
        check_agreement(payload, wrong(read))


CAPTURES = {
    "icmpv6.pcap": ([[("2222:3333:4444:5555:6600::/72", 2592000, 604800)]], [100]),
    "icmpv6_opt24.pcap": ([[("fd8d:4fb3:5b2e::/64", 7200, 1800)]] * 2, [1500] * 2),
    "icmpv6-ra-pref64.pcap": (
        [[("2001:db8:cc:dd::/64", 3600, 1800)]] * 2
        + [[("2a00:f480:cc:dd::/64", 3600, 1800)]]
        + [[("2001:db8:cc:dd::/64", 3600, 1800)]],
        [None] * 4,
    ),
    "icmpv6-length-zero.pcapng": ([], []),
}


@pytest.mark.parametrize("name", CAPTURES)
def test_a_real_capture_reads_as_tcpdump_reads_it(name):
    """The captures of tcpdump's own tests, with the fields that tcpdump prints."""
    require("shared")
    expected, mtus = CAPTURES[name]
    read = []
    with PcapReader(str(Path(__file__).parents[3] / "shared" / "ra-corpus" / name)) as packets:
        for packet in packets:
            if ICMPv6ND_RA not in packet:
                continue
            source = bytes(packet[IPv6])[8:24]
            payload = bytes(packet[IPv6].payload)
            assert_checksum(payload, source)
            read.append(decode(payload, source=source, hop_limit=packet[IPv6].hlim))
    assert [
        [
            (str(found.prefix), found.valid_lifetime, found.preferred_lifetime)
            for found in advertisement.prefixes
        ]
        for advertisement in read
    ] == expected
    assert [advertisement.mtu for advertisement in read] == mtus
