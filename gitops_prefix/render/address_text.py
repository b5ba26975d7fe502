"""Addresses and prefixes in text: as people write them, and as our fields show them."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from gitops_prefix.decide.prefix import (
    BITS,
    PlacedRange,
    PlacedSubnet,
    Prefix,
    format_address,
    parse_address,
)
from gitops_prefix.decide.specification import Placed
from gitops_prefix.render.node import Value

LIST_COMMENTS = ("#", ";", "//")
_LIST_COMMENT = re.compile("|".join(LIST_COMMENTS))


class Span(NamedTuple):
    """The addresses of one item of a list, both ends included."""

    version: int
    first: int
    last: int


def span_start(span: Span) -> str:
    """The first address of a span, in its family's notation."""
    return (
        str(ipaddress.IPv4Address(span.first)) if span.version == 4 else format_address(span.first)
    )


def address_span(text: Value) -> Span | None:
    """One address or CIDR of either family as a span, or None."""
    return _span(text) if isinstance(text, str) else None


# Fifty pools of one prefix have the same addresses.
@lru_cache(maxsize=1024)
def _span(text: str) -> Span | None:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return Span(network.version, int(network.network_address), int(network.broadcast_address))


def list_entry(line: str) -> Span | None:
    """The address or CIDR of a line of a list for firewalls, without its comment; or None."""
    return _span(_LIST_COMMENT.split(line, maxsplit=1)[0].strip())


def range_span(start: Value, end: Value) -> Span | None:
    """A start and an end as a span, or None."""
    first, last = address_span(start), address_span(end)
    if first is None or last is None or first.version != last.version:
        return None
    return Span(first.version, first.first, last.last)


def dashed_span(item: Value) -> Span | None:
    """An address, a CIDR, or two addresses with a dash between them, as a span."""
    if not isinstance(item, str):
        return None
    start, dash, end = (part.strip() for part in item.partition("-"))
    return range_span(start, end) if dash else address_span(start)


def hextets_span(item: Value) -> Span | None:
    """The span of whole groups of 16 bits, which `::/64` makes a CIDR of, or of an address."""
    if not isinstance(item, str) or "::" in item or "/" in item:
        return dashed_span(item)
    return address_span(f"{item}::/{16 * len(item.split(':'))}")


def _any_span(text: str) -> Span | None:
    return dashed_span(text) or hextets_span(text)


def is_shaped(field: str, text: str) -> bool:
    """Whether a text is a possible value of a marker's field, in whatever prefix or family."""
    span = hextets_span(text) if field == "network" else dashed_span(text)
    if span is None or field == "network":
        return span is not None
    if field == "range":
        return "-" in text
    if field in {"prefix", "cidr", "cidrs", "all-cidrs"}:
        # An interface has host bits behind its length, and these would be lost.
        return "/" in text and address_span(text.partition("/")[0]) == span._replace(
            last=span.first
        )
    return span.first == span.last and not {"/", "-"} & {*text}


def replace_entries(text: str, wanted: Sequence[str], known: Sequence[str]) -> str:
    """A list with commas, with the wanted entries in the place of ours.

    The other entries stay in their places, with their separators. Without an entry of ours,
    the wanted ones are first.

    Args:
        text: the list.
        wanted: our entries.
        known: every entry that is or was ours, in any notation.
    """
    spans = {span for entry in known if (span := _any_span(entry)) is not None}
    found = [*re.finditer(r"[^,\s](?:[^,]*[^,\s])?", text)]
    ours = [entry for entry in found if entry[0] in known or _any_span(entry[0]) in spans]
    separator = ", " if ", " in text else ","
    if not ours:
        start = found[0].start()
        return text[:start] + separator.join([*wanted, text[start:]])
    parts = [*wanted[: len(ours) - 1], separator.join(wanted[len(ours) - 1 :])]
    for entry, part in [*zip(ours, [*parts, *[""] * len(ours)], strict=False)][::-1]:
        start, end = entry.span()
        if not part:
            # Another entry of ours is in front, so a comma is.
            start = text.rindex(",", 0, start)
        kept = _any_span(part) == _any_span(entry[0]) is not None
        text = text[:start] + (entry[0] if kept else part) + text[end:]
    return text


def entries(text: Value) -> list[str]:
    """The entries of a list with commas, without the blanks around them."""
    if not isinstance(text, str):
        return []
    return [entry for part in text.split(",") if (entry := part.strip())]


def address_of(entry: str) -> int | None:
    """The IPv6 address of an entry, or None."""
    try:
        return parse_address(entry)
    except ValueError:
        return None


def addresses_of(text: Value) -> Iterator[int]:
    """The IPv6 addresses among the entries of a list with commas."""
    for entry in entries(text):
        address = address_of(entry)
        if address is not None:
            yield address


def placed_ends(placed: Placed) -> tuple[int, int]:
    """The first and the last address of a part of a prefix."""
    if isinstance(placed, PlacedRange):
        return placed.start, placed.end
    prefix = placed.cidr if isinstance(placed, PlacedSubnet) else placed
    return prefix.network, prefix.last


def placed_cidrs(placed: Placed) -> tuple[Prefix, ...]:
    """The prefixes that cover a part of a prefix exactly."""
    if isinstance(placed, PlacedRange):
        return placed.cidrs
    return (placed.cidr if isinstance(placed, PlacedSubnet) else placed,)


def range_text(placed: Placed) -> str:
    """The first and the last address of a part, with a dash between them."""
    return "-".join(map(format_address, placed_ends(placed)))


def hextets(prefix: Prefix) -> str:
    """The groups of 16 bits that a prefix reaches into: `2001:db8:1234:0` of a /64."""
    count = -(-prefix.length // 16)
    return ":".join(f"{prefix.network >> BITS - 16 * (i + 1) & 0xFFFF:x}" for i in range(count))
