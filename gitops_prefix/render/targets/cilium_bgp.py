"""CiliumBGPAdvertisement: the community of a subnet that BGP is to announce.

docs.cilium.io, "BGP Control Plane Resources". An advertisement selects Services or
pools by label and names no CIDR, so that no prefix stands in it; what it follows is the
subnet's `bgp`. Without a selector it selects nothing, so none is made up here.
"""

from collections.abc import Iterator
from functools import partial

from gitops_prefix.errors import Severity
from gitops_prefix.render.binding import Binding, FieldEdit, Following
from gitops_prefix.render.edit_field import edit_list
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.merged import refuse_merged
from gitops_prefix.render.node import nearest_node
from gitops_prefix.render.plain_value import value_at
from gitops_prefix.render.problems import at_node
from gitops_prefix.render.reference import SUBNET, annotation_problem, read_reference
from gitops_prefix.render.style import style_of
from gitops_prefix.render.target import Bound, Surroundings, Target

_LIST = ("spec", "advertisements")
_COMMUNITIES = ("attributes", "communities", "standard")


def _bind(manifest: Manifest, surroundings: Surroundings) -> Bound:
    reference, problems = read_reference(manifest, surroundings.specifications, range_keys=())
    if reference is None:
        return Bound(problems=problems)
    if not reference.subnet:
        message = f"an advertisement follows a subnet: add {SUBNET}"
        return Bound(problems=(*problems, annotation_problem(manifest, "missing-subnet", message)))
    specification = surroundings.specifications[reference.dynamic_prefix]
    (subnet,) = (one for one in specification.subnets if one.name == reference.subnet)
    if not subnet.advertise:
        message = (
            f'subnet "{subnet.name}" of {reference.dynamic_prefix} is not to be announced, and '
            "this advertisement stays as it is: set its bgp.advertise, or remove the annotation"
        )
        wrong = annotation_problem(
            manifest, "not-advertised", message, key=SUBNET, severity=Severity.WARNING
        )
        return Bound(problems=(*problems, wrong))
    entries = [*_advertisements(manifest)]
    if not entries:
        node = nearest_node(manifest.root, _LIST)
        message = (
            "spec.advertisements is empty: write an entry with its advertisementType and the "
            "selector of what it announces"
        )
        return Bound(problems=(*problems, at_node(manifest, node, "no-advertisement", message)))
    if not subnet.community:
        return Bound(problems=problems)
    bindings = []
    for index in entries:
        path = (*_LIST, index, *_COMMUNITIES)
        place = manifest.place(nearest_node(manifest.root, path))
        edit = partial(_edit, manifest, path, subnet.community)
        bindings.append(Binding(manifest, path, reference.dynamic_prefix, place, edit))
    return Bound(tuple(bindings), problems)


def _advertisements(manifest: Manifest) -> Iterator[int]:
    entries = value_at(manifest.content, _LIST)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield index


def _edit(
    manifest: Manifest, path: tuple[str | int, ...], community: str, _: Following
) -> FieldEdit:
    refuse_merged(manifest, path)
    before = value_at(manifest.content, path)
    there = before if isinstance(before, list) else []
    if community in map(str, there):
        return FieldEdit((), before, before)
    style = style_of(manifest.text, manifest.root)
    foreign = [None] * len(there)
    edits = edit_list(manifest.text, manifest.root, path, foreign, [community], style)
    return FieldEdit(tuple(edits), before, [community, *there])


TARGET = Target(
    kind="CiliumBGPAdvertisement",
    group="cilium.io",
    versions=("v2", "v2alpha1"),
    fields=("spec.advertisements",),
    bind=_bind,
)
