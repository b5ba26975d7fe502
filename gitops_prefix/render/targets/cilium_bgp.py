"""CiliumBGPAdvertisement: the community of a subnet that BGP announces.

docs.cilium.io, "BGP Control Plane Resources". An advertisement selects Services or
pools by label and names no CIDR, so it never has a prefix; it follows the subnet's `bgp`.
Without a selector an advertisement selects nothing, so none is added here.
"""

from collections.abc import Iterator
from functools import partial

from gitops_prefix.errors import Severity
from gitops_prefix.render.binding import (
    Binding,
    Bound,
    FieldEdit,
    Following,
    Surroundings,
    Target,
)
from gitops_prefix.render.edit import edit_list, refuse_merged
from gitops_prefix.render.manifest import NAME, SUBNET, Manifest, read_reference
from gitops_prefix.render.node import value_at

_LIST = ("spec", "advertisements")
_COMMUNITIES = ("attributes", "communities", "standard")


def _bind(manifest: Manifest, surroundings: Surroundings) -> Bound:
    reference, problems = read_reference(manifest, surroundings.specifications, range_keys=())
    if reference is None:
        return Bound(problems=problems)
    if not reference.subnet:
        message = f"an advertisement follows a subnet: add {SUBNET}"
        return Bound(problems=(*problems, manifest.annotation_problem("missing-subnet", message)))
    specification = surroundings.specifications[reference.dynamic_prefix]
    (subnet,) = (part for part in specification.subnets if part.name == reference.subnet)
    if not subnet.advertise:
        message = (
            f'subnet "{subnet.name}" of {reference.dynamic_prefix} is not announced, and this '
            "advertisement stays as it is: set bgp.advertise, or remove the annotation"
        )
        wrong = manifest.annotation_problem(
            "not-advertised", message, key=SUBNET, severity=Severity.WARNING
        )
        return Bound(problems=(*problems, wrong))
    entries = [*_advertisements(manifest)]
    if not entries:
        message = (
            "spec.advertisements is empty: write an entry with its advertisementType and the "
            "selector of what it announces"
        )
        wrong = manifest.field_problem(_LIST, "no-advertisement", message)
        return Bound(problems=(*problems, wrong))
    if not subnet.community:
        return Bound(problems=problems)
    edit = partial(_edit, subnet.community)
    bindings = (
        Binding(manifest, (*_LIST, index, *_COMMUNITIES), reference.dynamic_prefix, edit)
        for index in entries
    )
    return Bound(tuple(bindings), problems)


def _advertisements(manifest: Manifest) -> Iterator[int]:
    entries = value_at(manifest.content, _LIST)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield index


def _edit(community: str, binding: Binding, _: Following) -> FieldEdit:
    manifest, before = binding.manifest, binding.before
    refuse_merged(manifest, binding.field_path)
    there = before if isinstance(before, list) else []
    if community in map(str, there):
        return binding.unchanged()
    foreign = [None] * len(there)
    edits = edit_list(manifest.text, manifest.root, binding.field_path, foreign, [community])
    return FieldEdit(binding, tuple(edits), before, [community, *there])


TARGET = Target(
    kind="CiliumBGPAdvertisement",
    group="cilium.io",
    versions=("v2", "v2alpha1"),
    fields=("spec.advertisements",),
    bind=_bind,
    reads=(NAME, SUBNET),
)
