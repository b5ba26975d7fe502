"""Calico IPPool: `spec.cidr`; past prefixes as disabled pools right behind it.

docs.tigera.io, "IP pool". A pool has one CIDR, and a disabled one gives out no address
while those that it gave stay routed: so each past prefix keeps a pool of its own.
"""

from functools import partial

from gitops_prefix.decide.address_range import PlacedRange
from gitops_prefix.decide.prefix import Prefix, exact_cidrs
from gitops_prefix.decide.reference import Placed, Reference
from gitops_prefix.decide.subnet import PlacedSubnet
from gitops_prefix.render.address_span import address_span
from gitops_prefix.render.binding import Binding, FieldEdit, Following
from gitops_prefix.render.edit_field import edit_text
from gitops_prefix.render.edit_scalar import RefusedEditError
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.merged import refuse_merged
from gitops_prefix.render.node import nearest_node
from gitops_prefix.render.plain_value import value_at
from gitops_prefix.render.reference import ADDRESS_RANGE, annotation_problem, read_reference
from gitops_prefix.render.siblings import edit_siblings, names_beside, parent_of, siblings_of
from gitops_prefix.render.style import style_of
from gitops_prefix.render.target import Bound, Surroundings, Target

_CIDR = ("spec", "cidr")


def _bind(manifest: Manifest, surroundings: Surroundings) -> Bound:
    reference, problems = read_reference(manifest, surroundings.specifications)
    if reference is None:
        return Bound(problems=problems)
    specification = surroundings.specifications[reference.dynamic_prefix]
    for one in specification.ranges:
        count = len(exact_cidrs(one.start, one.end))
        if one.name == reference.address_range and count != 1:
            message = (
                f'a pool of Calico is one CIDR, and range "{one.name}" of '
                f"{reference.dynamic_prefix} comes to {count}: name one that begins and ends with "
                "a CIDR, or a subnet"
            )
            wrong = annotation_problem(manifest, "not-one-cidr", message, key=ADDRESS_RANGE)
            return Bound(problems=(*problems, wrong))
    first = parent_of(manifest, surroundings.manifests)
    if first.span != manifest.span:
        message = f'IPPool "{manifest.name}" is in this file twice: rename or remove one'
        wrong = annotation_problem(manifest, "duplicate-pool", message)
        return Bound(problems=(*problems, wrong))
    place = manifest.place(nearest_node(manifest.root, _CIDR))
    siblings = siblings_of(manifest, surroundings.manifests)
    taken = names_beside(manifest, surroundings.manifests)
    name = reference.dynamic_prefix
    edit = partial(_edit_cidr, manifest, reference)
    copy = partial(_edit_siblings, manifest, reference, siblings, taken)
    current = Binding(manifest, _CIDR, name, place, edit)
    past = Binding(manifest, ("siblings",), name, place, copy, parts=())
    return Bound((current, past), problems)


def _cidrs(reference: Reference, following: Following) -> list[Prefix]:
    placed = reference.placed(following.specification, following.after)
    return [*dict.fromkeys(map(_cidr, placed))]


def _cidr(placed: Placed) -> Prefix:
    if isinstance(placed, PlacedRange):
        return placed.cidrs[0]
    return placed.cidr if isinstance(placed, PlacedSubnet) else placed


def _edit_cidr(manifest: Manifest, reference: Reference, following: Following) -> FieldEdit:
    refuse_merged(manifest, _CIDR)
    before = value_at(manifest.content, _CIDR)
    current = str(_cidrs(reference, following)[0])
    span = address_span(before)
    if span is not None and span.version == 4:
        message = f"spec.cidr is {before}, and would become IPv6: annotate a pool of IPv6"
        raise RefusedEditError(nearest_node(manifest.root, _CIDR), message)
    if span == address_span(current):
        return FieldEdit((), before, before)
    style = style_of(manifest.text, manifest.root)
    edit = edit_text(manifest.text, manifest.root, _CIDR, current, style)
    return FieldEdit((edit,), before, current)


def _edit_siblings(
    manifest: Manifest,
    reference: Reference,
    siblings: tuple[Manifest, ...],
    taken: frozenset[str],
    following: Following,
) -> FieldEdit:
    past = _cidrs(reference, following)[1:]
    return edit_siblings(manifest, siblings, taken, past)


TARGET = Target(
    kind="IPPool", group="projectcalico.org", versions=("v3",), fields=("spec.cidr",), bind=_bind
)
