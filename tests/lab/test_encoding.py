"""What scapy writes of an advertisement, our codec reads back."""

from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.address import format_address
from gitops_prefix.decide.advertisement import (
    Preference,
    PrefixInformation,
    RecursiveDnsServers,
    RouterAdvertisement,
)
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.lab.encoding import encode
from gitops_prefix.watch.codec import checksum_is_right, decode

SECONDS = st.integers(0, 0xFFFFFFFF)
ADDRESSES = st.integers(0, (1 << 128) - 1)
PREFIXES = st.builds(Prefix.enclosing, ADDRESSES, st.integers(0, 128))


@st.composite
def information(draw) -> PrefixInformation:
    preferred, valid = sorted([draw(SECONDS), draw(SECONDS)])
    return PrefixInformation(
        draw(PREFIXES), draw(st.booleans()), draw(st.booleans()), valid, preferred
    )


@st.composite
def advertisements(draw) -> RouterAdvertisement:
    lifetime = draw(st.integers(0, 65535))
    return RouterAdvertisement(
        hop_limit=draw(st.integers(0, 255)),
        managed=draw(st.booleans()),
        other=draw(st.booleans()),
        preference=draw(st.sampled_from(Preference)) if lifetime else Preference.MEDIUM,
        router_lifetime=lifetime,
        reachable_time=draw(SECONDS),
        retrans_timer=draw(SECONDS),
        prefixes=tuple(draw(st.lists(information(), max_size=3))),
        mtu=draw(st.none() | SECONDS),
        dns_servers=tuple(
            draw(
                st.lists(
                    st.builds(
                        RecursiveDnsServers,
                        SECONDS,
                        st.lists(ADDRESSES, min_size=1, max_size=3).map(tuple),
                    ),
                    max_size=2,
                )
            )
        ),
    )


@given(advertisements(), st.integers(0, (1 << 64) - 1))
def test_our_codec_reads_back_what_scapy_wrote(advertisement, host):
    """Every field, a right checksum, and nothing that must be ignored."""
    source = 0xFE80 << 112 | host
    packet = encode(advertisement, source=format_address(source))
    payload, octets = packet[40:], packet[8:24]
    assert octets == source.to_bytes(16, "big")
    assert checksum_is_right(payload, source=octets, destination=packet[24:40])
    assert decode(payload, source=octets, hop_limit=packet[7]) == advertisement


def test_the_hardware_address_is_told():
    """RFC 4861 4.6.1: type 1, and the address."""
    said = RouterAdvertisement(64, False, False, Preference.MEDIUM, 1800, 0, 0, ())
    packet = encode(said, source="fe80::1", hardware_address="02:00:00:00:00:01")
    assert packet[56:] == bytes.fromhex("0101020000000001")
