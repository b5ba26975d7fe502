"""Addresses as people write them in lists, of either family."""

import ipaddress
from typing import NamedTuple

from gitops_prefix.render.node import Value


class Span(NamedTuple):
    """Addresses that an item of a list stands for, both ends included."""

    version: int
    first: int
    last: int


def address_span(text: Value) -> Span | None:
    """One address or CIDR as a span, or None."""
    if not isinstance(text, str):
        return None
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return Span(network.version, int(network.network_address), int(network.broadcast_address))


def range_span(start: Value, end: Value) -> Span | None:
    """A start and an end as a span, or None."""
    first, last = address_span(start), address_span(end)
    if first is None or last is None or first.version != last.version:
        return None
    return Span(first.version, first.first, last.last)
