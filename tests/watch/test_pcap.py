"""Captures: every link type, every header before the message, and every kind of damage."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import PcapReader, wrpcap, wrpcapng

from gitops_prefix.errors import InputError
from gitops_prefix.watch.pcap import CapturedPacket, read_capture
from tests.parts import require
from tests.watch.advertisements import HEADER, LINK_LOCAL, PIO, message

ALL_NODES = bytes.fromhex("ff02000000000000 0000000000000001")
RA = message(HEADER, PIO)
MACS = "333300000001 020000000001"
SLL = "0000 0001 0006 020000000001 0000"


def ipv6(
    payload: bytes, header: int = 58, *, hop_limit: int = 255, length: int | None = None
) -> bytes:
    size = len(payload) if length is None else length
    return (
        b"\x60\0\0\0"
        + size.to_bytes(2, "big")
        + bytes([header, hop_limit])
        + LINK_LOCAL
        + ALL_NODES
        + payload
    )


def frame(head: str, packet: bytes) -> bytes:
    return bytes.fromhex(head) + packet


def pcap(
    frames: list[bytes], link_type: int, *, order: str = "little", nano: bool = False
) -> bytes:
    def word(number: int, size: int = 4) -> bytes:
        return number.to_bytes(size, order)

    head = (
        word(0xA1B23C4D if nano else 0xA1B2C3D4)
        + word(2, 2)
        + word(4, 2)
        + word(0) * 2
        + word(65535)
        + word(link_type)
    )
    unit = 10**9 if nano else 10**6
    return head + b"".join(
        word(1700000000 + n) + word(unit // 4) + word(len(octets)) * 2 + octets
        for n, octets in enumerate(frames)
    )


def read(tmp_path: Path, content: bytes) -> list[CapturedPacket]:
    path = tmp_path / "some.pcap"
    path.write_bytes(content)
    return list(read_capture(path))


FOUND = CapturedPacket(1700000000.25, "some.pcap", RA, LINK_LOCAL, ALL_NODES, 255, fragmented=False)

LINKS = {
    "Ethernet": (1, frame(MACS + "86dd", ipv6(RA))),
    "Ethernet with a VLAN": (1, frame(MACS + "8100 0064 86dd", ipv6(RA))),
    "Ethernet with two VLANs": (1, frame(MACS + "88a8 0001 8100 0064 86dd", ipv6(RA))),
    "Ethernet to an address that looks like an IPv6 header": (
        1, frame("60000000 0010 020000000001 86dd", ipv6(RA)),
    ),
    "Ethernet, padded behind the packet": (1, frame(MACS + "86dd", ipv6(RA) + b"\xee" * 9)),
    "Linux cooked": (113, frame(SLL + "86dd", ipv6(RA))),
    "Linux cooked with a VLAN": (113, frame(SLL + "8100 0064 86dd", ipv6(RA))),
    "Linux cooked 2": (276, frame("86dd 0000 00000002 0001 00 06 0200000000010000", ipv6(RA))),
    "raw IP": (101, ipv6(RA)),
    "raw IPv6": (229, ipv6(RA)),
    "BSD loopback": (0, frame("1e000000", ipv6(RA))),
}  # fmt: skip


@pytest.mark.parametrize(("link_type", "captured"), LINKS.values(), ids=list(LINKS))
def test_an_advertisement_is_found_on_every_link(tmp_path, link_type, captured):
    assert read(tmp_path, pcap([captured], link_type)) == [FOUND]


HEADERS = {
    "none": (ipv6(RA), {}),
    "hop-by-hop options": (ipv6(bytes.fromhex("3a00 0104 00000000") + RA, 0), {}),
    "destination options of 16 octets": (ipv6(bytes.fromhex("3a01 010c") + b"\0" * 12 + RA, 60), {}),
    "two of them": (ipv6(bytes.fromhex("3c00 0104 00000000 3a00 0104 00000000") + RA, 0), {}),
    "a fragment header, of the whole": (ipv6(bytes.fromhex("3a00 0000 00000001") + RA, 44), {"fragmented": True}),
    "a fragment header, of the first part": (
        ipv6(bytes.fromhex("3a00 0001 00000001") + RA[:16], 44), {"fragmented": True, "payload": RA[:16]},
    ),
    "a hop limit that was counted down": (ipv6(RA, hop_limit=254), {"hop_limit": 254}),
    "a capture that cut the message": (ipv6(RA, length=900)[:80], {"payload": RA[:40]}),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "changed"), HEADERS.values(), ids=list(HEADERS))
def test_an_advertisement_is_found_behind_every_header(tmp_path, sent, changed):
    assert read(tmp_path, pcap([sent], 101)) == [FOUND._replace(**changed)]


NOTHING = {
    "IPv4": (1, frame(MACS + "0800", b"\x45" + b"\0" * 40)),
    "a link that we do not know": (147, ipv6(RA)),
    "nothing but a VLAN tag": (1, frame(MACS + "8100", b"")),
    "an empty frame": (1, b""),
    "a header cut short": (101, ipv6(RA)[:39]),
    "version 4 where 6 is said": (1, frame(MACS + "86dd", b"\x40" + ipv6(RA)[1:])),
    "UDP": (101, ipv6(RA, 17)),
    "a Neighbor Advertisement": (101, ipv6(b"\x88" + RA[1:])),
    "a later fragment": (101, ipv6(bytes.fromhex("3a00 0010 00000001") + RA, 44)),
    "an extension header cut short": (101, ipv6(b"\x3a\0\0\0", 0)),
    "an extension header that reaches beyond the packet": (101, ipv6(b"\x3a\xff" + b"\0" * 14, 0)),
    "no next header": (101, ipv6(b"", 59)),
}


@pytest.mark.parametrize(("link_type", "captured"), NOTHING.values(), ids=list(NOTHING))
def test_what_is_no_advertisement_is_passed_over(tmp_path, link_type, captured):
    assert read(tmp_path, pcap([captured, captured], link_type)) == []


@pytest.mark.parametrize("nano", [False, True])
@pytest.mark.parametrize("order", ["little", "big"])
def test_times_are_read_in_either_order_and_unit(tmp_path, order, nano):
    found = read(tmp_path, pcap([ipv6(RA)] * 2, 101, order=order, nano=nano))
    assert [packet.at for packet in found] == [1700000000.25, 1700000001.25]


def test_pcapng_names_the_interface(tmp_path):
    """The name of the link comes from the capture, where it has one."""
    sent = IPv6(ipv6(RA))
    sent.time = 1700000000.25
    sent.sniffed_on = "lan0"
    path = tmp_path / "some.pcapng"
    wrpcapng(str(path), [sent])
    assert list(read_capture(path)) == [FOUND._replace(interface="lan0")]


WHOLE = pcap([frame(MACS + "86dd", ipv6(RA))] * 3, 1)
RECORD = (len(WHOLE) - 24) // 3


def outcome(path: Path) -> tuple[int, str]:
    """How many messages were told, and with which problem it ended."""
    told = 0
    try:
        for _ in read_capture(path):
            told += 1
    except InputError as error:
        return told, error.problems[0].code
    return told, ""


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_capture_cut_at_any_length_says_so_after_what_is_whole(tmp_path, length):
    path = tmp_path / "cut.pcap"
    path.write_bytes(WHOLE[:length])
    whole, rest = divmod(length - 24, RECORD)
    assert outcome(path) == (max(whole, 0), "" if length >= 24 and not rest else "invalid-capture")


def test_what_stands_before_the_damage_is_told(tmp_path):
    path = tmp_path / "cut.pcap"
    path.write_bytes(WHOLE[:-1])
    packets = read_capture(path)
    assert [next(packets).payload, next(packets).payload] == [RA, RA]
    with pytest.raises(InputError, match="ends in the middle of a packet"):
        next(packets)


def seeds(tmp_path: Path) -> list[bytes]:
    packets = [IPv6(ipv6(RA)) / Raw(b""), IPv6(ipv6(RA))]
    wrpcap(str(tmp_path / "seed.pcap"), packets)
    wrpcapng(str(tmp_path / "seed.pcapng"), packets)
    return [WHOLE, *((tmp_path / name).read_bytes() for name in ("seed.pcap", "seed.pcapng"))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.integers(0, 2),
    turned=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 500),
)
def test_a_damaged_capture_is_read_or_refused_and_nothing_else(tmp_path, which, turned, cut):
    content = bytearray(seeds(tmp_path)[which][:cut])
    for at, octet in turned:
        if at < len(content):
            content[at] = octet
    path = tmp_path / "damaged"
    path.write_bytes(content)
    assert outcome(path)[1] in {"", "invalid-capture"}


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"apiVersion: v1\n", b"\x1f\x8b\x08\0 no gzip", b"\x0a\x0d\x0d\x0a"],
    ids=repr,
)
def test_a_file_that_is_no_capture_is_refused(tmp_path, content, capfd):
    with pytest.raises(InputError, match=r"some\.pcap is no capture that can be read"):
        read(tmp_path, content)
    assert capfd.readouterr().err == ""


def test_real_captures_are_found_whole():
    require("shared")
    corpus = Path(__file__).parents[3] / "shared" / "ra-corpus"
    counts = {path.name: len(list(read_capture(path))) for path in sorted(corpus.glob("*.pcap*"))}
    assert counts == {
        "icmpv6-length-zero.pcapng": 0,
        "icmpv6-ra-pref64.pcap": 4,
        "icmpv6.pcap": 1,
        "icmpv6_opt24.pcap": 2,
    }


def test_a_capture_is_read_without_scapy(tmp_path):
    """It is the tests' second opinion, and nobody who installs the program has it."""
    (tmp_path / "some.pcap").write_bytes(WHOLE)
    code = (
        "import sys; sys.modules['scapy'] = None; from gitops_prefix.cli.door import enter;"
        "sys.exit(enter(['observe', '--pcap', sys.argv[1]]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "some.pcap")],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert answer.returncode == 1
    assert answer.stdout.count("ICMPv6 checksum is wrong") == 3


def word(number: int, size: int = 4, order: str = "little") -> bytes:
    return number.to_bytes(size, order)


def block(kind: int, *parts: bytes, order: str = "little") -> bytes:
    body = b"".join(parts)
    body += bytes(-len(body) % 4)
    size = word(12 + len(body), order=order)
    return word(kind, order=order) + size + body + size


def section(order: str = "little") -> bytes:
    versions = word(1, 2, order) + word(0, 2, order)
    return block(0x0A0D0D0A, word(0x1A2B3C4D, order=order), versions, b"\xff" * 8, order=order)


def option(kind: int, value: bytes, order: str = "little") -> bytes:
    return word(kind, 2, order) + word(len(value), 2, order) + value + bytes(-len(value) % 4)


def interface(*options: bytes, link_type: int = 101, order: str = "little") -> bytes:
    head = word(link_type, 2, order) + word(0, 2) + word(65535, order=order)
    return block(1, head, *options, order=order)


def packet(
    ticks: int, *, number: int = 0, octets: bytes | None = None, order: str = "little"
) -> bytes:
    octets = ipv6(RA) if octets is None else octets
    size = word(len(octets), order=order)
    time = word(ticks >> 32, order=order) + word(ticks & 0xFFFFFFFF, order=order)
    return block(6, word(number, order=order), time, size, size, octets, order=order)


MICROSECONDS = 1700000000250000
BIG = "big"
NAMED = FOUND._replace(interface="lan0")
BLOCKS = {
    "a packet": ([interface(), packet(MICROSECONDS)], [FOUND]),
    "of a link with a name": ([interface(option(2, b"lan0")), packet(MICROSECONDS)], [NAMED]),
    "of a link with options that we do not read": (
        [interface(option(3, b"a comment"), option(2, b"lan0"), option(0, b"")), packet(MICROSECONDS)],
        [NAMED],
    ),
    "of a link whose name would upset a terminal": (
        [interface(option(2, b"lan\x1b[2J")), packet(MICROSECONDS)],
        [FOUND._replace(interface="lan\\x1b[2J")],
    ),
    "of the second link": (
        [interface(link_type=147), interface(option(2, b"lan0")), packet(MICROSECONDS, number=1)], [NAMED],
    ),
    "in nanoseconds": (
        [interface(option(9, b"\x09")), packet(MICROSECONDS * 1000)], [FOUND],
    ),
    "in quarters of a second": ([interface(option(9, b"\x82")), packet(1700000000 * 4 + 1)], [FOUND]),
    "with an offset": (
        [interface(option(14, word(1600000000, 8))), packet(MICROSECONDS - 1600000000 * 10**6)], [FOUND],
    ),
    "without a time": (
        [interface(), block(3, word(len(ipv6(RA))), ipv6(RA))], [FOUND._replace(at=0.0)],
    ),
    "as it was written long ago": (
        [interface(), block(2, word(0, 2) * 2, packet(MICROSECONDS)[12:-4])], [FOUND],
    ),
    "statistics": ([interface(), block(5, bytes(12))], []),
    "a section of the other byte order": (
        [
            interface(), packet(MICROSECONDS), section(BIG),
            interface(option(2, b"lan0", BIG), order=BIG), packet(MICROSECONDS, order=BIG),
        ],
        [FOUND, NAMED],
    ),
    "no packets": ([interface()], []),
    "nothing at all": ([], []),
}  # fmt: skip


@pytest.mark.parametrize(("blocks", "found"), BLOCKS.values(), ids=list(BLOCKS))
def test_the_blocks_of_a_pcapng_are_read(tmp_path, blocks, found):
    assert read(tmp_path, b"".join([section(), *blocks])) == found


DAMAGED = {
    "a packet of a link that was not described": [packet(MICROSECONDS)],
    "a packet without its head": [interface(), block(6, word(0))],
    "a packet longer than its block": [interface(), block(6, bytes(12), word(900) * 2, ipv6(RA))],
    "a block whose two lengths differ": [interface()[:-4] + word(99)],
    "a block shorter than its own head": [word(1) + word(8)],
    "a block of an odd length": [word(1) + word(33) + bytes(25)],
    "a block of 4 GB": [word(1) + word(0xFFFFFFFC)],
    "a link without its type": [block(1)],
    "a section without its magic number": [block(0x0A0D0D0A, bytes(16))],
    "an advertisement of the far future": [interface(option(9, b"\x00")), packet(1 << 40)],
    "an advertisement of before 1970": [
        interface(option(14, b"\xff" * 8), option(9, b"\x06")), packet(0),
    ],
}  # fmt: skip


@pytest.mark.parametrize("blocks", DAMAGED.values(), ids=list(DAMAGED))
def test_a_pcapng_that_makes_no_sense_is_refused(tmp_path, blocks):
    path = tmp_path / "some.pcapng"
    path.write_bytes(section() + b"".join(blocks))
    assert outcome(path) == (0, "invalid-capture")


def test_a_pcapng_cut_at_any_length_is_whole_packets_or_refused(tmp_path):
    whole = section() + interface() + packet(MICROSECONDS) * 2
    path = tmp_path / "cut.pcapng"
    ends = {len(section()): 0, len(section() + interface()): 0}
    ends |= {len(whole) - len(packet(0)): 1, len(whole): 2}
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        read_before = sum(end <= length for end, count in ends.items() if count)
        assert outcome(path) == (read_before, "" if length in ends else "invalid-capture")


@pytest.mark.parametrize("write", [wrpcap, wrpcapng])
def test_what_scapy_writes_scapy_and_we_read_alike(tmp_path, write):
    packets = [Ether() / IPv6(ipv6(message(HEADER, PIO * n))) for n in range(3)]
    for number, sent in enumerate(packets):
        sent.time = 1700000000 + number / 4
    path = tmp_path / "scapys"
    write(str(path), packets)
    with PcapReader(str(path)) as theirs:
        expected = [(float(found.time), bytes(found[IPv6].payload)) for found in theirs]
    assert [(found.at, found.payload) for found in read_capture(path)] == expected
