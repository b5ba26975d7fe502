"""Drift: managed fields that differ from what the statuses in the files render.

Either somebody edited a field by hand, or the field was never rendered: it is new, or
its annotation is.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gitops_prefix.decide.address import parse_address
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import Status
from gitops_prefix.decide.transition import settle
from gitops_prefix.render.binding import Change, FieldIdentity
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.node import Value
from gitops_prefix.render.rendering import render

_ADDRESS = r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]+"


class Drift(NamedTuple):
    """Fields that differ: edited by hand, or not rendered yet."""

    by_hand: tuple[Change, ...] = ()
    first: tuple[Change, ...] = ()


def managed_fields(inventory: Inventory) -> frozenset[FieldIdentity]:
    """Every field that follows a DynamicPrefix."""
    return frozenset(binding.identity for binding in inventory.bindings)


def find_drift(inventory: Inventory, known: frozenset[FieldIdentity] | None = None) -> Drift:
    """The fields that differ from what their status renders.

    A DynamicPrefix whose specification was edited since it was rendered is left out: all
    its fields move, and nobody edited these.

    Args:
        inventory: of the files, without errors.
        known: the managed fields when the files were last right; None when that is
            unknown. Then a field with an address of the prefixes was edited by hand.
    """
    rendered = {
        name: document.status
        for name, document in inventory.dynamic_prefixes.items()
        if document.status is not None and _is_settled(inventory, name, document.status)
    }
    prefixes = [prefix for status in rendered.values() for prefix in status.prefixes]
    by_hand: list[Change] = []
    first: list[Change] = []
    for change in render(inventory, rendered).changes:
        identity = FieldIdentity(
            change.path, change.kind, change.namespace, change.name, change.field
        )
        was_ours = _has_address(change.before, prefixes) if known is None else identity in known
        (by_hand if was_ours else first).append(change)
    return Drift(tuple(by_hand), tuple(first))


def _is_settled(inventory: Inventory, name: str, status: Status) -> bool:
    try:
        settled = settle(inventory.dynamic_prefixes[name].specification, status)
    except ValueError:
        return False
    return settled.same_decision(status)


def _has_address(value: Value, prefixes: Sequence[Prefix]) -> bool:
    return any(prefix.contains(address) for address in _addresses(value) for prefix in prefixes)


def _addresses(value: Value) -> Iterator[int]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _addresses(item)
    elif isinstance(value, str):
        for word in re.findall(_ADDRESS, value):
            # The field `network` of a marker has the hextets alone.
            for text in (word, f"{word}::"):
                try:
                    yield parse_address(text)
                except ValueError:
                    continue
                break
