"""tshark, Wireshark's own reader, as a further opinion on what an advertisement says."""

import random
import subprocess
from ipaddress import IPv6Address
from pathlib import Path
from typing import NamedTuple

import pytest
from scapy.layers.inet6 import ICMPv6ND_RA, IPv6
from scapy.utils import PcapReader, wrpcap

from gitops_prefix.decide.advertisement import RouterAdvertisement
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.codec import Rejected, in_ipv6
from tests.parts import require
from tests.watch import second_opinion
from tests.watch.advertisements import HEADER, LINK_LOCAL, MTU, PIO, PREF64, RDNSS, message
from tests.watch.fuzz_codec import mutate, split

CORPUS = Path(__file__).parents[3] / "shared" / "ra-corpus"
MANY = 2000
"""Mutated messages; about one in three is accepted, with every option read."""
FIELDS = (
    "icmpv6.nd.ra.cur_hop_limit",
    "icmpv6.nd.ra.flag.m",
    "icmpv6.nd.ra.flag.o",
    "icmpv6.nd.ra.router_lifetime",
    "icmpv6.nd.ra.reachable_time",
    "icmpv6.nd.ra.retrans_timer",
    "icmpv6.opt.prefix",
    "icmpv6.opt.prefix.length",
    "icmpv6.opt.prefix.flag.l",
    "icmpv6.opt.prefix.flag.a",
    "icmpv6.opt.prefix.valid_lifetime",
    "icmpv6.opt.prefix.preferred_lifetime",
    "icmpv6.opt.mtu",
    "icmpv6.opt.rdnss",
    "_ws.malformed",
)


class Read(NamedTuple):
    """What both read: the header, the prefixes, the last MTU, the name servers."""

    header: tuple[int, ...]
    prefixes: tuple[tuple[str, int, int, int, int], ...]
    mtu: int | None
    servers: tuple[str, ...]


def ours(said: RouterAdvertisement) -> Read:
    return Read(
        (
            said.hop_limit,
            int(said.managed),
            int(said.other),
            said.router_lifetime,
            said.reachable_time,
            said.retrans_timer,
        ),
        tuple(
            (
                str(found.prefix),
                int(found.on_link),
                int(found.autonomous),
                found.valid_lifetime,
                found.preferred_lifetime,
            )
            for found in said.prefixes
        ),
        said.mtu,
        tuple(str(IPv6Address(server)) for option in said.dns_servers for server in option.servers),
    )


def theirs(capture: Path) -> list[Read | None]:
    """Each advertisement of a capture as tshark reads it; None where it calls one malformed."""
    words = ["tshark", "-r", str(capture), "-Y", "icmpv6.type == 134", "-T", "fields"]
    words += ["-E", "separator=;", "-E", "occurrence=a", "-E", "aggregator=,"]
    for field in FIELDS:
        words += ["-e", field]
    answer = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)
    return [_line(line.split(";")) for line in answer.stdout.splitlines()]


def _line(cells: list[str]) -> Read | None:
    *fields, malformed = [cell.split(",") if cell else [] for cell in cells]
    if malformed:
        return None
    header = tuple(int(cell) for [cell] in fields[:6])
    prefixes, lengths, *numbers = fields[6:12]
    flags_and_lifetimes = [[int(cell) for cell in cells] for cells in numbers]
    return Read(
        header,
        tuple(
            (str(Prefix.enclosing(int(IPv6Address(network)), int(length))), *rest)
            for network, length, *rest in zip(prefixes, lengths, *flags_and_lifetimes, strict=True)
        ),
        int(fields[12][-1]) if fields[12] else None,
        tuple(str(IPv6Address(text)) for text in fields[13]),
    )


def has_route(said: RouterAdvertisement) -> bool:
    """Whether there is a Route Information option: tshark lists its prefix like any other."""
    return any(option.type == 24 for option in said.unknown)


def test_tshark_reads_the_same_in_thousands_of_mutated_messages(tmp_path):
    """Where we ignore no option; what must be ignored, tshark shows like any other option."""
    require("tshark")
    chance = random.Random(20261128)
    seeds = [split(message(HEADER, PIO, RDNSS, MTU, PREF64, PIO))]
    seeds += [(message(HEADER), [bytes.fromhex(option)]) for option in (PIO, MTU, RDNSS)]
    expected, packets = [], []
    for _ in range(MANY):
        payload = mutate(chance, seeds)
        read = second_opinion.read(payload)
        if not isinstance(read, Rejected) and not read.ignored and not has_route(read):
            expected.append(ours(read))
            packets.append(IPv6(in_ipv6(payload, source=LINK_LOCAL)))
    assert len(expected) > MANY / 5
    wrpcap(str(tmp_path / "mutated.pcap"), packets, linktype=229)

    told = theirs(tmp_path / "mutated.pcap")
    assert len(told) == len(expected)
    judged = [(mine, read) for mine, read in zip(expected, told, strict=True) if read]
    assert len(judged) > len(expected) / 2
    for mine, read in judged:
        assert mine == read


@pytest.mark.parametrize("name", ["icmpv6.pcap", "icmpv6-ra-pref64.pcap"])
def test_tshark_reads_the_same_in_public_captures(name):
    require("tshark", "shared")
    read = []
    with PcapReader(str(CORPUS / name)) as packets:
        for packet in packets:
            if ICMPv6ND_RA in packet:
                said = second_opinion.read(bytes(packet[IPv6].payload))
                assert not isinstance(said, Rejected)
                read.append(ours(said))
    # A PREF64 option with a reserved length (RFC 8781 4) is ignored; to tshark it is malformed.
    judged = [(mine, told) for mine, told in zip(read, theirs(CORPUS / name), strict=True) if told]
    assert judged
    for mine, told in judged:
        assert mine == told
