"""What a prefix comes to as variables of a ConfigMap; docs/variables.md has the table.

Flux substitutes names of `[_a-zA-Z][_a-zA-Z0-9]*` (fluxcd.io, "Post build variable
substitution"). Each name is there always, empty when it has nothing to say: one that
came and went would leave its last value behind.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from gitops_prefix.decide.address import BITS, format_address
from gitops_prefix.decide.address_range import PlacedRange
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.reference import Placed, Reference
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.decide.subnet import PlacedSubnet

WHOLE = ("PREFIX", "NETWORK")
RANGE = ("START", "END", "RANGE", "CIDR", "CIDRS")
SUBNET = ("CIDR", "NETWORK")
"""Last words of the names, for the prefix itself, for a range and for a subnet."""
PREVIOUS = "PREVIOUS"


class Variable(NamedTuple):
    """One variable: its name, and what it says which part of a prefix.

    Attributes:
        word: one of the last words above.
        previous: whether of the newest past prefix, and not of the current one.
    """

    name: str
    reference: Reference
    word: str
    previous: bool

    def value(self, specification: Specification, status: Status) -> str:
        """Its value; empty where there is none."""
        newest = replace(status, history=status.history[:1])
        placed = self.reference.placed(specification, newest)[self.previous :]
        return _said(placed[0], self.word) if placed else ""


def variables(specification: Specification) -> tuple[Variable, ...]:
    """Every variable of a DynamicPrefix, in the order in which they are written."""
    return tuple(_variables(specification))


def first_words(name: str) -> str:
    """What the variables of a DynamicPrefix begin with: `HOME_IPV6` for `home-ipv6`."""
    words = re.sub(r"[^A-Z0-9]", "_", name.upper())
    return f"_{words}" if words[:1].isdigit() else words


def _variables(specification: Specification) -> Iterator[Variable]:
    name = specification.name
    parts: list[tuple[str, Reference, tuple[str, ...]]] = [("", Reference(name), WHOLE)]
    parts += [(one.name, Reference(name, one.name), RANGE) for one in specification.ranges]
    parts += [(one.name, Reference(name, "", one.name), SUBNET) for one in specification.subnets]
    for previous in (False, True):
        for part, reference, words in parts:
            middle = [PREVIOUS] * previous + [part.upper().replace("-", "_")] * bool(part)
            for word in words:
                full = "_".join((first_words(name), *middle, word))
                yield Variable(full, reference, word, previous)


def _said(placed: Placed, word: str) -> str:
    if isinstance(placed, PlacedRange):
        return _said_of_range(placed, word)
    cidr = placed.cidr if isinstance(placed, PlacedSubnet) else placed
    return hextets(cidr) if word == "NETWORK" else str(cidr)


def _said_of_range(placed: PlacedRange, word: str) -> str:
    start, end = format_address(placed.start), format_address(placed.end)
    cidrs = [str(cidr) for cidr in placed.cidrs]
    match word:
        case "START":
            return start
        case "END":
            return end
        case "RANGE":
            return f"{start}-{end}"
        case "CIDR":
            return cidrs[0] if len(cidrs) == 1 else ""
    return ",".join(cidrs)


def hextets(prefix: Prefix) -> str:
    """The hextets that a prefix reaches into: `2001:db8:1234:0` of a /64."""
    count = -(-prefix.length // 16)
    return ":".join(f"{prefix.network >> BITS - 16 * (i + 1) & 0xFFFF:x}" for i in range(count))
