"""The long run of the codec's fuzzing: `python -m tests.watch.fuzz_codec --inputs 10000000`.

It starts from messages that routers really send (tests/watch/advertisements.py and any
capture that is named), and mutates them knowing their structure: options are doubled,
dropped, exchanged, cut, given other lengths; octets and bits turn. What is accepted must
be sound, and every so many messages scapy is asked, too. A failure prints the message
in hex: it belongs into the tables of test_codec.py.
"""

import argparse
import random
import time
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from scapy.layers.inet6 import ICMPv6ND_RA, IPv6
from scapy.utils import PcapReader

from gitops_prefix.watch.codec import Rejected
from tests.watch import second_opinion
from tests.watch.advertisements import (
    HEADER,
    LINK_LAYER,
    MTU,
    PIO,
    PREF64,
    RDNSS,
    ROUTE,
    STRANGE,
    message,
)

OPTIONS = [
    bytes.fromhex(part) for part in (PIO, PIO, MTU, RDNSS, PREF64, ROUTE, LINK_LAYER, STRANGE)
]
TELLING = bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 25, 32, 38, 63, 64, 65, 127, 128, 129, 255])
"""Octets at which something changes: kinds, lengths, flags."""
Words = tuple[bytes, list[bytes]]


def split(payload: bytes) -> Words:
    """The header, and the options as far as their lengths make sense."""
    ends = second_opinion.option_ends(payload)
    return payload[:16], [payload[a:b] for a, b in pairwise(ends)]


def captured(paths: Iterable[Path]) -> list[Words]:
    """The messages of captures."""
    found = []
    for path in paths:
        with PcapReader(str(path)) as packets:
            found += [
                split(bytes(packet[IPv6].payload)) for packet in packets if ICMPv6ND_RA in packet
            ]
    return found


def mutate(chance: random.Random, seeds: list[Words]) -> bytes:
    """A message of type 134 and code 0, more or less like one of `seeds`."""
    header, chosen = chance.choice(seeds)
    options = list(chosen)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(options) + 1)
        match chance.randrange(4):
            case 0:
                options.insert(at, chance.choice(OPTIONS))
            case 1:
                del options[at:]
            case 2:
                options.insert(at, bytes([chance.choice(TELLING), chance.randrange(7)]))
            case _:
                body = chance.randbytes(chance.choice((0, 6, 14, 30)))
                kind, units = chance.choice(TELLING), (len(body) + 2) // 8
                options.insert(at, bytes([kind, units]) + body)
    payload = bytearray(header + b"".join(options))
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3, 8))):
        where = chance.randrange(4, len(payload))
        if chance.random() < 0.5:
            payload[where] = chance.choice(TELLING)
        else:
            payload[where] ^= 1 << chance.randrange(8)
    if chance.random() < 0.1:
        del payload[chance.randrange(len(payload) + 1) :]
    payload[:2] = b"\x86\x00"
    return bytes(payload)


def fuzz(inputs: int, *, seed: int, every: int, captures: Iterable[Path] = ()) -> Counter[str]:
    """Try so many messages, asking scapy at every so many.

    Raises:
        AssertionError: one was read wrongly; the error has the message in hex.
    """
    chance = random.Random(seed)
    seeds = [split(message(HEADER, PIO, RDNSS, MTU, ROUTE, PREF64, PIO)), *captured(captures)]
    seeds += [(message(HEADER), [option]) for option in OPTIONS]
    count: Counter[str] = Counter()
    for number in range(inputs):
        payload = mutate(chance, seeds)
        try:
            outcome = second_opinion.check_soundness(payload)
            if isinstance(outcome, Rejected):
                count["rejected"] += 1
                continue
            count["with ignored options" if outcome.ignored else "accepted"] += 1
            if number % every == 0:
                judged = second_opinion.check_agreement(payload, outcome)
                count["agreed with scapy" if judged else "scapy no judge"] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}, input {number}: {payload.hex()}") from error
    return count


def main() -> None:
    """Fuzz, and print how many inputs had which result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    parser.add_argument("--every", type=int, default=20, help="ask scapy about one in so many")
    parser.add_argument("captures", nargs="*", type=Path)
    words = parser.parse_args()
    began = time.monotonic()
    count = fuzz(words.inputs, seed=words.seed, every=words.every, captures=words.captures)
    seconds = time.monotonic() - began
    print(f"{words.inputs} inputs in {seconds:.0f} s, seed {words.seed}: {dict(count)}")


if __name__ == "__main__":
    main()
