"""ConfigMap: variables in `data`, for Flux's `postBuild.substituteFrom` and kustomize.

fluxcd.io, "Kustomization", "Post build variable substitution". A variable is ours by
its name, so what it said before does not matter.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial

from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.binding import Binding, FieldEdit, Following
from gitops_prefix.render.edit_field import edit_entries
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.merged import refuse_merged
from gitops_prefix.render.node import nearest_node
from gitops_prefix.render.plain_value import value_at
from gitops_prefix.render.problems import at_node
from gitops_prefix.render.reference import (
    ADDRESS_RANGE,
    NAME,
    SUBNET,
    VARIABLES,
    annotation_problem,
    read_reference,
)
from gitops_prefix.render.style import style_of
from gitops_prefix.render.target import Bound, Surroundings, Target
from gitops_prefix.render.variables import RANGE, WHOLE, Variable, first_words, variables

_PATH = ("data",)


def _bind(manifest: Manifest, surroundings: Surroundings) -> Bound:
    reference, problems = read_reference(manifest, surroundings.specifications)
    if reference is None:
        return Bound(problems=problems)
    found = [*problems, *_odd_annotations(manifest)]
    if manifest.annotations.get(VARIABLES) != "true":
        return Bound(problems=tuple(found))
    wanted = variables(surroundings.specifications[reference.dynamic_prefix])
    names = tuple(one.name for one in wanted)
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        both = f"two parts of {reference.dynamic_prefix} both give the variable {doubled[0]}"
        message = f"{both}: rename one of the range and the subnet"
        wrong = annotation_problem(manifest, "variable-twice", message)
        return Bound(problems=(*found, wrong))
    found += _left_over(manifest, wanted, first_words(reference.dynamic_prefix))
    where = (_PATH, reference.dynamic_prefix, manifest.place(nearest_node(manifest.root, _PATH)))
    binding = Binding(manifest, *where, partial(_edit, manifest, wanted), parts=names)
    return Bound((binding,), tuple(found))


def _odd_annotations(manifest: Manifest) -> Iterator[Problem]:
    said = manifest.annotations.get(VARIABLES)
    if said not in {"true", "false"}:
        message = (
            f'a ConfigMap follows {manifest.annotations[NAME]} with {VARIABLES}: "true" alone; '
            + (f'"{said}" is neither "true" nor "false"' if said else "it stays as it is")
        )
        yield annotation_problem(
            manifest, "no-variables", message, key=VARIABLES, severity=Severity.WARNING
        )
    for key in (ADDRESS_RANGE, SUBNET):
        if key in manifest.annotations:
            message = f"{key} says nothing in a ConfigMap, which has them all: remove it"
            yield annotation_problem(
                manifest, "unused-annotation", message, key=key, severity=Severity.WARNING
            )


def _left_over(manifest: Manifest, wanted: tuple[Variable, ...], first: str) -> Iterator[Problem]:
    data = value_at(manifest.content, _PATH)
    ours = re.compile(rf"{first}_(\w+_)?({'|'.join((*WHOLE, *RANGE))})")
    for key in map(str, data if isinstance(data, Mapping) else ()):
        if key not in {one.name for one in wanted} and ours.fullmatch(key):
            node = nearest_node(manifest.root, (*_PATH, key))
            message = (
                f"data.{key} is named like a variable, but no part of the prefix "
                "gives it, and it will not follow: remove or rename it"
            )
            yield at_node(manifest, node, "left-over-variable", message, Severity.WARNING)


def _edit(manifest: Manifest, wanted: tuple[Variable, ...], following: Following) -> FieldEdit:
    data = value_at(manifest.content, _PATH)
    refuse_merged(manifest, _PATH)
    there = data if isinstance(data, Mapping) else {}
    after = {one.name: one.value(following.specification, following.after) for one in wanted}
    moving = {name: value for name, value in after.items() if there.get(name) != value}
    before = {name: there[name] for name in moving if name in there}
    style = style_of(manifest.text, manifest.root)
    edits = edit_entries(manifest.text, manifest.root, "data", moving, style) if moving else ()
    return FieldEdit(tuple(edits), before, moving, whole={**there, **moving})


TARGET = Target(kind="ConfigMap", group="", versions=("v1",), fields=("data",), bind=_bind)
