"""What a manifest's annotations bind it to, and what that comes to in a status."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gitops_prefix.decide.address_range import PlacedRange
from gitops_prefix.decide.fields import dotted, nearest
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.decide.subnet import PlacedSubnet
from gitops_prefix.errors import Problem
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import nearest_node

ANNOTATIONS = "dynamic-prefix.io/"
NAME = ANNOTATIONS + "name"
ADDRESS_RANGE = ANNOTATIONS + "address-range"
SUBNET = ANNOTATIONS + "subnet"

Placed: TypeAlias = PlacedRange | PlacedSubnet | Prefix
"""What a binding stands for inside one prefix."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A DynamicPrefix and a part of it; without a part, the whole prefix.

    Attributes:
        address_range: name of a range, or empty.
        subnet: name of a subnet, or empty.
    """

    dynamic_prefix: str
    address_range: str = ""
    subnet: str = ""

    def placed(self, specification: Specification, status: Status) -> tuple[Placed, ...]:
        """What this stands for in the current prefix, then in each past one.

        Args:
            specification: of the DynamicPrefix.
            status: any of its statuses; one that lacks the part gives nothing.
        """
        if self.address_range:
            return tuple(self._ranges(status))
        if self.subnet:
            return tuple(self._subnets(specification, status))
        return status.prefixes

    def _ranges(self, status: Status) -> Iterator[PlacedRange]:
        for placed in status.ranges:
            if placed.name != self.address_range:
                continue
            yield placed
            host_parts = placed.unplaced(status.current.length)
            for past in status.history:
                # A range may not fit a past prefix that was longer; it never stood there.
                try:
                    yield host_parts.within(past.prefix)
                except ValueError:
                    continue

    def _subnets(self, specification: Specification, status: Status) -> Iterator[PlacedSubnet]:
        for placed in status.subnets:
            if placed.name != self.subnet:
                continue
            yield placed
            base = specification.base(status.current)
            for past in status.history:
                moved = specification.base(past.prefix)
                if moved.length == base.length:
                    offset = placed.cidr.network - base.network
                    yield PlacedSubnet(
                        placed.name, Prefix(moved.network + offset, placed.cidr.length)
                    )


def read_reference(
    manifest: Manifest, specifications: Mapping[str, Specification]
) -> tuple[Reference | None, tuple[Problem, ...]]:
    """What a manifest is bound to by its annotations.

    Returns:
        The reference, or None when it is wrong, and every problem.
    """
    annotations = {
        key: value
        for key, value in manifest.annotations.items()
        if str(key).startswith(ANNOTATIONS)
    }
    problems = [
        _problem(manifest, key, "wrong-type", f"{value!r} is no string: write it in quotes")
        for key, value in annotations.items()
        if not isinstance(value, str)
    ]
    if problems:
        return None, tuple(problems)
    if NAME not in annotations:
        message = f"needs {NAME} too, which names the DynamicPrefix"
        return None, (_problem(manifest, next(iter(annotations)), "missing-name", message),)
    name = annotations[NAME]
    specification = specifications.get(name)
    if specification is None:
        return None, (_unknown(manifest, NAME, "DynamicPrefix", name, list(specifications)),)
    ranges = [one.name for one in specification.ranges]
    subnets = [one.name for one in specification.subnets]
    address_range, subnet = annotations.get(ADDRESS_RANGE, ""), annotations.get(SUBNET, "")
    if ADDRESS_RANGE in annotations and SUBNET in annotations:
        message = f"stands beside {ADDRESS_RANGE}: keep one of the two"
        problems.append(_problem(manifest, SUBNET, "range-and-subnet", message))
    if ADDRESS_RANGE in annotations and address_range not in ranges:
        problems.append(_unknown(manifest, ADDRESS_RANGE, name, address_range, ranges))
    if SUBNET in annotations and subnet not in subnets:
        problems.append(_unknown(manifest, SUBNET, name, subnet, subnets))
    return (None if problems else Reference(name, address_range, subnet)), tuple(problems)


def _unknown(manifest: Manifest, key: str, what: str, written: str, known: list[str]) -> Problem:
    owner = "the repository" if key == NAME else f"DynamicPrefix {what}"
    kind = key.removeprefix(ANNOTATIONS) if key != NAME else what
    code = f"unknown-{'dynamic-prefix' if key == NAME else kind}"
    message = (
        f'{kind} "{written}" is not in {owner} (it has: {", ".join(known) or "none"})'
        f"{nearest(written, known)}"
    )
    return _problem(manifest, key, code, message, whole=True)


def _problem(
    manifest: Manifest, key: str, code: str, message: str, *, whole: bool = False
) -> Problem:
    path = ("metadata", "annotations", key)
    node = nearest_node(manifest.root, path)
    text = message if whole else f"{dotted(path[:2])}: {key} {message}"
    return Problem(code, text, manifest.place(node))
