"""What we send, as another implementation reads it: tshark complains about nothing."""

import struct
import subprocess
from pathlib import Path

import pytest

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.dhcpv6_codec import DelegatedPrefix, encode
from gitops_prefix.watch.dhcpv6_exchange import (
    DelegationWish,
    Exchange,
    ExchangeState,
    LeasedPrefix,
    TurnTime,
    due,
    ended,
)
from tests.parts import require

A = Prefix.parse("2001:db8:12:3400::/56")
WISH = DelegationWish(0x12345678, b"\0\4" + bytes(range(16)), 56)
SERVER = b"\0\3\0\1abcdef"


def sent() -> dict[str, bytes]:
    """A message of each kind."""
    lease = (LeasedPrefix(DelegatedPrefix(A, 3000, 4000), 0.0),)
    found = {}
    moment = TurnTime(5.0, 0.5, 0xABCDEF)
    for state in ExchangeState:
        if state in {ExchangeState.BOUND, ExchangeState.OFFERED}:
            continue
        exchange = Exchange(state, 0.0, 1.0, 7, 1, 1.0, (), SERVER, (), lease, 1e9, 1e9)
        turn = due(exchange, WISH, moment)
        assert turn.send is not None
        found[str(state)] = encode(turn.send)
    empty = Exchange(ExchangeState.SOLICITING, 0.0, 1.0, sent=1, pause=1.0)
    turn = due(empty, WISH, moment)
    assert turn.send is not None
    found["soliciting by a hint"] = encode(turn.send)
    release = ended(
        Exchange(ExchangeState.BOUND, 0.0, 1.0, server=SERVER, lease=lease), WISH, moment
    )
    assert release is not None
    found["release"] = encode(release)
    return found


def capture(path: Path, message: bytes) -> None:
    """A capture of one packet, from fe80::2 to ff02::1:2, with its checksum."""
    source, group = (
        bytes.fromhex("fe80" + "00" * 13 + "02"),
        bytes.fromhex("ff02" + "00" * 11 + "010002"),
    )
    length = 8 + len(message)
    header = struct.pack("!HHHH", 546, 547, length, 0)
    pseudo = source + group + struct.pack("!IxxxB", length, 17)
    octets = pseudo + header + message
    octets += b"\0" * (len(octets) % 2)
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    udp = struct.pack("!HHHH", 546, 547, length, ~total & 0xFFFF or 0xFFFF) + message
    packet = struct.pack("!IHBB", 6 << 28, len(udp), 17, 1) + source + group + udp
    head = struct.pack("!IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    path.write_bytes(head + struct.pack("!IIII", 0, 0, len(packet), len(packet)) + packet)


@pytest.mark.parametrize("kind", sent())
def test_tshark_reads_what_we_send(kind, tmp_path):
    require("tshark")
    capture(tmp_path / "sent.pcap", sent()[kind])
    words = ["tshark", "-r", str(tmp_path / "sent.pcap"), "-V", "-o", "udp.check_checksum:TRUE"]
    said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout
    assert "DHCPv6" in said
    assert "Malformed" not in said
    assert "Expert Info" not in said
    assert "IAID: 12345678" in said
    assert "Checksum Status: Good" in said
