"""ConfigMap: variables in `data`, for Flux's `postBuild.substituteFrom` and kustomize.

fluxcd.io, "Kustomization", "Post build variable substitution"; docs/variables.md has the
table. Flux substitutes names of `[_a-zA-Z][_a-zA-Z0-9]*`. A variable is ours by its name,
whatever its value was. Each variable always exists, empty where there is no value: a
variable that is removed would leave its last value in the cluster.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from gitops_prefix.decide.prefix import format_address
from gitops_prefix.decide.specification import Placed, Reference, Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.address_text import hextets, placed_cidrs, placed_ends, range_text
from gitops_prefix.render.binding import (
    Binding,
    Bound,
    FieldEdit,
    Following,
    Surroundings,
    Target,
)
from gitops_prefix.render.edit import edit_entries, refuse_merged
from gitops_prefix.render.manifest import (
    NAME,
    VARIABLES,
    Manifest,
    read_reference,
)
from gitops_prefix.render.node import Value, value_at

_PATH = ("data",)
_OF_THE_PREFIX = ("PREFIX", "NETWORK")
_OF_A_RANGE = ("START", "END", "RANGE", "CIDR", "CIDRS")
_OF_A_SUBNET = ("CIDR", "NETWORK")
"""Last words of the names, for the prefix itself, for a range and for a subnet."""
_PREVIOUS = "PREVIOUS"


class Variable(NamedTuple):
    """One variable of a DynamicPrefix.

    Attributes:
        word: the last word of the name: which part of the reference it holds.
        previous: whether of the newest past prefix, and not of the current one.
    """

    name: str
    reference: Reference
    word: str
    previous: bool

    def value(self, specification: Specification, status: Status) -> str:
        """Its value; empty where the status has no such prefix."""
        newest = replace(status, history=status.history[:1])
        placed = self.reference.placed(specification, newest)[self.previous :]
        return _value(placed[0], self.word) if placed else ""


def _value(placed: Placed, word: str) -> str:
    start, end = placed_ends(placed)
    cidrs = placed_cidrs(placed)
    match word:
        case "NETWORK":
            return hextets(cidrs[0])
        case "START":
            return format_address(start)
        case "END":
            return format_address(end)
        case "RANGE":
            return range_text(placed)
        case "CIDRS":
            return ",".join(map(str, cidrs))
    return str(cidrs[0]) if len(cidrs) == 1 else ""


def variables(specification: Specification) -> Iterator[Variable]:
    """Every variable of a DynamicPrefix, in the order in which they are written."""
    name = specification.name
    parts: list[tuple[str, Reference, Sequence[str]]] = [("", Reference(name), _OF_THE_PREFIX)]
    parts += [
        (address_range.name, Reference(name, address_range=address_range.name), _OF_A_RANGE)
        for address_range in specification.ranges
    ]
    parts += [
        (subnet.name, Reference(name, subnet=subnet.name), _OF_A_SUBNET)
        for subnet in specification.subnets
    ]
    for previous in (False, True):
        for part_name, reference, words in parts:
            part = part_name.upper().replace("-", "_")
            middle = [_PREVIOUS] * previous + [part] * bool(part)
            for word in words:
                full = "_".join((first_words(name), *middle, word))
                yield Variable(full, reference, word, previous)


def first_words(name: str) -> str:
    """What the variables of a DynamicPrefix begin with: `HOME_IPV6` for `home-ipv6`."""
    words = re.sub(r"[^A-Z0-9]", "_", name.upper())
    return f"_{words}" if words[:1].isdigit() else words


def _bind(manifest: Manifest, surroundings: Surroundings) -> Bound:
    reference, problems = read_reference(manifest, surroundings.specifications)
    if reference is None:
        return Bound(problems=problems)
    found = [*problems, *_odd_annotations(manifest)]
    if manifest.annotations.get(VARIABLES) != "true":
        return Bound(problems=tuple(found))
    name = reference.dynamic_prefix
    wanted = tuple(variables(surroundings.specifications[name]))
    names = tuple(variable.name for variable in wanted)
    doubled = [variable for variable, count in Counter(names).items() if count > 1]
    if doubled:
        message = (
            f"two parts of {name} both give the variable {doubled[0]}: rename one of the range "
            "and the subnet"
        )
        wrong = manifest.annotation_problem("variable-twice", message)
        return Bound(problems=(*found, wrong))
    found += _left_over(manifest, names, first_words(name))
    binding = Binding(manifest, _PATH, name, partial(_edit, wanted), parts=names)
    return Bound((binding,), tuple(found))


def _odd_annotations(manifest: Manifest) -> Iterator[Problem]:
    written = manifest.annotations.get(VARIABLES)
    if written not in {"true", "false"}:
        message = (
            f"a ConfigMap follows {manifest.annotations[NAME]} only with "
            f'{VARIABLES}: "true"; '
            + (f'"{written}" is neither "true" nor "false"' if written else "it stays as it is")
        )
        yield manifest.annotation_problem(
            "no-variables", message, key=VARIABLES, severity=Severity.WARNING
        )


def _left_over(manifest: Manifest, names: Sequence[str], first: str) -> Iterator[Problem]:
    data = value_at(manifest.content, _PATH)
    words = "|".join((*_OF_THE_PREFIX, *_OF_A_RANGE))
    for key in map(str, data if isinstance(data, Mapping) else ()):
        if key not in names and re.fullmatch(rf"{first}_(\w+_)?({words})", key):
            message = (
                f"data.{key} has the name of a variable, but no part of the prefix gives it, and "
                "it will not follow: remove or rename it"
            )
            yield manifest.field_problem(
                (*_PATH, key), "left-over-variable", message, Severity.WARNING
            )


def _edit(wanted: Sequence[Variable], binding: Binding, following: Following) -> FieldEdit:
    manifest, data = binding.manifest, binding.before
    refuse_merged(manifest, _PATH)
    there = data if isinstance(data, dict) else {}
    after = {
        variable.name: variable.value(following.specification, following.after)
        for variable in wanted
    }
    moving = {name: value for name, value in after.items() if there.get(name) != value}
    before = {name: there[name] for name in moving if name in there}
    edits = edit_entries(manifest.text, manifest.root, "data", moving) if moving else ()
    whole: Value = {**there, **moving}
    return FieldEdit(binding, tuple(edits), {**before}, {**moving}, whole=whole)


TARGET = Target(
    kind="ConfigMap",
    group="",
    versions=("v1",),
    fields=("data",),
    bind=_bind,
    reads=(NAME, VARIABLES),
)
