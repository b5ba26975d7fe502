"""Managed fields that are not what the files' own statuses render.

Either somebody edited one by hand, or it was never rendered: it, or its annotation, is new.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from gitops_prefix.decide.address import parse_address
from gitops_prefix.decide.fields import dotted
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import Status
from gitops_prefix.decide.transition import settle
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.node import Value
from gitops_prefix.render.rendering import Change, render

FieldKey: TypeAlias = tuple[str, str, str, str, str]
"""Path, kind, namespace, name and field: what stays when a document is edited."""
_ADDRESS = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]+")


@dataclass(frozen=True, slots=True)
class Drift:
    """What does not stand as it was rendered."""

    by_hand: tuple[Change, ...] = ()
    first: tuple[Change, ...] = ()


def managed_fields(inventory: Inventory) -> frozenset[FieldKey]:
    """Every field that follows a DynamicPrefix."""
    return frozenset(
        (
            one.manifest.path,
            one.manifest.kind,
            one.manifest.namespace,
            one.manifest.name,
            dotted(one.field_path),
        )
        for one in inventory.bindings
    )


def find_drift(inventory: Inventory, known: frozenset[FieldKey] | None = None) -> Drift:
    """What is not what its status renders, told apart.

    A DynamicPrefix whose specification was edited since it was rendered is left out: all
    that follows it moves, and nobody edited that.

    Args:
        inventory: of the files, without errors.
        known: the fields that were managed when the files were last right; None when
            nobody remembers. Then a field was edited by hand when an address of the
            prefixes is left in it.
    """
    statuses = {name: one.status for name, one in inventory.dynamic_prefixes.items()}
    rendered = {
        name: status
        for name, status in statuses.items()
        if status is not None and _settled(inventory, name, status)
    }
    prefixes = [prefix for status in rendered.values() for prefix in status.prefixes]
    by_hand: list[Change] = []
    first: list[Change] = []
    for change in render(inventory, rendered).changes:
        key = (change.path, change.kind, change.namespace, change.name, change.field)
        was_ours = _mentions(change.before, prefixes) if known is None else key in known
        (by_hand if was_ours else first).append(change)
    return Drift(tuple(by_hand), tuple(first))


def _settled(inventory: Inventory, name: str, status: Status) -> bool:
    try:
        settled = settle(inventory.dynamic_prefixes[name].specification, status)
    except ValueError:
        return False
    return settled.same_decision(status)


def _mentions(value: Value, prefixes: list[Prefix]) -> bool:
    return any(prefix.contains(address) for address in _addresses(value) for prefix in prefixes)


def _addresses(value: Value) -> Iterator[int]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _addresses(one)
    elif isinstance(value, str):
        for word in _ADDRESS.findall(value):
            # The field `network` of a marker is the hextets alone.
            for text in (word, f"{word}::"):
                try:
                    yield parse_address(text)
                except ValueError:
                    continue
                break
