"""The long run of the fuzzing of DHCPv6: `python -m tests.watch.fuzz_dhcpv6 --inputs 5000000`.

Messages of each kind are mutated, by their octets and by their options, and are read; what is
read is written and read again. Every answer goes to an exchange in each of its states, too, which
must go on. Captures that are named are read first. A failure prints the message in hex: it belongs
into the tables of test_dhcpv6_codec.py.
"""

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from pathlib import Path

from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6
from scapy.utils import PcapReader

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.watch.dhcpv6_codec import (
    Association,
    DelegatedPrefix,
    Dhcpv6Message,
    MessageType,
    ServerStatus,
    decode,
    encode,
)
from gitops_prefix.watch.dhcpv6_exchange import (
    DelegationWish,
    Exchange,
    ExchangeState,
    LeasedPrefix,
    Letter,
    TurnTime,
    due,
    heard,
    hurried,
)

P56, P60 = Prefix.parse("2001:db8:12:3400::/56"), Prefix.parse("2001:db8:12:34f0::/60")
DUID, SERVER = b"\0\4" + bytes(16), b"\0\3\0\1abcdef"
WISH = DelegationWish(7, DUID, 56)
LEASE = DelegatedPrefix(P56, 3000, 4000)
SEEDS = [
    encode(Dhcpv6Message(kind, 5, DUID, SERVER, (association,), status, 255, 9, 60))
    for kind in MessageType
    for association in (
        Association(7, 100, 200, (LEASE, DelegatedPrefix(P60, 0, 9, P60._replace(length=64)))),
        Association(7, status=ServerStatus(3, "no binding")),
        Association(8, 1, 1, (LEASE._replace(valid=0, preferred=0),)),
    )
    for status in (ServerStatus(0), ServerStatus(6, "none"))
]


def captured(paths: list[Path]) -> Iterator[bytes]:
    """The DHCPv6 messages of captures."""
    for path in paths:
        try:
            with PcapReader(str(path)) as packets:
                for packet in packets:
                    if (
                        IPv6 in packet
                        and UDP in packet
                        and {546, 547} & {packet[UDP].sport, packet[UDP].dport}
                    ):
                        yield bytes(packet[UDP].payload)
        except Exception as error:  # noqa: BLE001  scapy has many
            print(f"{path}: {type(error).__name__}")


def mutate(chance: random.Random, seeds: list[bytes]) -> bytes:
    octets = bytearray(chance.choice(seeds))
    for _ in range(chance.randrange(4)):
        match chance.randrange(5):
            case 0 if octets:
                octets[chance.randrange(len(octets))] = chance.choice(
                    [0, 1, 255, chance.randrange(256)]
                )
            case 1:
                del octets[chance.randrange(len(octets) + 1) :]
            case 2:
                other = chance.choice(seeds)
                at, begin = chance.randrange(len(octets) + 1), chance.randrange(len(other))
                octets[at:at] = other[begin : begin + chance.randrange(40)]
            case 3 if octets:
                at = chance.randrange(len(octets))
                del octets[at : at + chance.randrange(20)]
            case _:
                octets += bytes([0, chance.choice([1, 2, 6, 7, 8, 13, 25, 26, 67, 82])])
                octets += chance.randrange(40).to_bytes(2) + chance.randbytes(chance.randrange(40))
    return bytes(octets)


STATES = [
    Exchange(state, 0.0, 1.0, 5, 1, 1.0, (), SERVER, (), lease, renew_at, rebind_at)
    for state in ExchangeState
    for lease, renew_at, rebind_at in (((LeasedPrefix(LEASE, 0.0),), 100.0, 200.0), ((), inf, inf))
    if lease or state not in {ExchangeState.BOUND, ExchangeState.RENEWING}
]


def check(octets: bytes, chance: random.Random) -> None:
    """Read it, write it, and hear it."""
    read = decode(octets)
    if not isinstance(read, Dhcpv6Message):
        assert read.reason
        return
    assert decode(encode(read)) == read
    ours = read._replace(transaction=5, client=DUID)
    for exchange in (chance.choice(STATES), replace(chance.choice(STATES), sent=2)):
        moment = TurnTime(chance.choice([1.0, 150.0, 250.0, 9000.0]), chance.random(), 6)
        turn = heard(exchange, WISH, Letter(ours, "fe80::1"), moment)
        turn = due(turn.exchange, WISH, moment)
        turn = hurried(turn.exchange, moment.now)
        at_rest = turn.exchange.state in {ExchangeState.BOUND, ExchangeState.OFFERED}
        assert turn.exchange.due_at < inf or at_rest
        assert all(leased.delegated.valid for leased in turn.exchange.lease)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("captures", nargs="*", type=Path)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    found = list(captured(given.captures))
    accepted = sum(isinstance(decode(octets), Dhcpv6Message) for octets in found)
    print(f"{len(found)} messages of captures, {accepted} read")
    seeds, began = [*SEEDS, *filter(None, found)], time.monotonic()
    for number in range(given.inputs):
        octets = mutate(chance, seeds)
        try:
            check(octets, chance)
        except Exception:
            print(f"input {number}: {octets.hex()}")
            raise
    print(f"{given.inputs} inputs in {time.monotonic() - began:.0f} s, seed {given.seed}")


if __name__ == "__main__":
    main()
