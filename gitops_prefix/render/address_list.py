"""Addresses in one string, separated by commas: ours in front, its author's behind.

An entry is ours when it is, as an address, what the old or the new status renders;
everything else (an IPv4, a hostname) keeps its text and its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gitops_prefix.decide.address import format_address, parse_address
from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.binding import FieldEdit
from gitops_prefix.render.edit_field import edit_text
from gitops_prefix.render.edit_scalar import RefusedEditError
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import Value, at_path, nearest_node
from gitops_prefix.render.plain_value import value_at
from gitops_prefix.render.problems import at_node
from gitops_prefix.render.style import style_of


@dataclass(frozen=True, slots=True)
class Ownership:
    """Which entries are ours.

    Attributes:
        wanted: addresses that are to be in front, in this order.
        known: every address that is or was ours.
        prefixes: those that change; what else lies in one will not follow.
    """

    wanted: tuple[int, ...]
    known: frozenset[int]
    prefixes: tuple[Prefix, ...]


def entries(text: Value) -> list[str]:
    """The entries of a list, without the blanks around them."""
    if not isinstance(text, str):
        return []
    return [entry for part in text.split(",") if (entry := part.strip())]


def address_of(entry: str) -> int | None:
    """The IPv6 address that an entry is, or None."""
    try:
        return parse_address(entry)
    except ValueError:
        return None


def edit_address_list(manifest: Manifest, path: Path, ownership: Ownership) -> FieldEdit:
    """Make a list of addresses in a string follow.

    Raises:
        RefusedEditError: the field stands where it cannot be edited.
    """
    before = value_at(manifest.content, path)
    node = at_path(manifest.root, path)
    if before is not None and (node is None or not isinstance(before, str)):
        message = f"{dotted(path)} is no string of its own: write one here"
        raise RefusedEditError(nearest_node(manifest.root, path), message)
    there = [(entry, address_of(entry)) for entry in entries(before)]
    ours = [address for _, address in there if address in ownership.known]
    foreign = [entry for entry, address in there if address not in ownership.known]
    problems = _not_following(manifest, path, foreign, ownership.prefixes)
    in_front = tuple(address for _, address in there[: len(ownership.wanted)])
    if in_front == ownership.wanted and len(ours) == len(ownership.wanted):
        return FieldEdit((), before, before, problems)
    separator = ", " if isinstance(before, str) and ", " in before else ","
    after = separator.join([*map(format_address, ownership.wanted), *foreign])
    style = style_of(manifest.text, manifest.root)
    edit = edit_text(manifest.text, manifest.root, path, after, style)
    return FieldEdit((edit,), before, after, problems)


def _not_following(
    manifest: Manifest, path: Path, foreign: Sequence[str], prefixes: tuple[Prefix, ...]
) -> tuple[Problem, ...]:
    return tuple(
        at_node(
            manifest,
            nearest_node(manifest.root, path),
            "will-not-follow",
            f"{dotted(path)}: {entry} lies inside a prefix that changes, and will not follow it",
            Severity.WARNING,
        )
        for entry in foreign
        if (address := address_of(entry)) is not None
        and any(one.network <= address <= one.last for one in prefixes)
    )
