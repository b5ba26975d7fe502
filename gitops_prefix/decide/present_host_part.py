"""The host part that a Service has now, by the addresses it holds.

Somebody who moves to mode `ha` keeps every address: what is in the current prefix
counts first, then in the newest past one. Nothing is guessed: two host parts are none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.service_address import Room


@dataclass(frozen=True, slots=True)
class Several:
    """More than one host part in one prefix, as addresses."""

    addresses: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outside:
    """An address in one of the prefixes, where the room is not."""

    address: int


@dataclass(frozen=True, slots=True)
class Nowhere:
    """No address in any of the prefixes."""


Present: TypeAlias = int | Several | Outside | Nowhere


def present_host_part(addresses: Sequence[int], room: Room, prefixes: Sequence[Prefix]) -> Present:
    """The host part of a Service's addresses, or why there is none.

    Args:
        addresses: that it holds, of any kind.
        room: what its reference offers.
        prefixes: current, then past; a room may be a small part of them.
    """
    for network in room.networks:
        found = tuple(dict.fromkeys(one for one in addresses if one - network in room))
        if len(found) == 1:
            return found[0] - network
        if found:
            return Several(found)
    inside = (
        one for prefix in prefixes for one in addresses if prefix.network <= one <= prefix.last
    )
    return next((Outside(one) for one in inside), Nowhere())
