"""Manifests that are bound by annotations: each to its kind, and what is odd about them."""

from collections.abc import Iterator

from gitops_prefix.decide.fields import nearest
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import nearest_node
from gitops_prefix.render.reference import (
    ADDRESS_RANGE,
    ANNOTATIONS,
    NAME,
    PARENT_POOL,
    SERVICE_ADDRESS_RANGE,
    SERVICE_SUBNET,
    SKIP_DNS,
    SUBNET,
    SUFFIX,
    VARIABLES,
)
from gitops_prefix.render.target import Bound, Surroundings, Target
from gitops_prefix.render.targets import TARGETS, target_of

BINDING = (
    NAME,
    ADDRESS_RANGE,
    SUBNET,
    SERVICE_ADDRESS_RANGE,
    SERVICE_SUBNET,
    SUFFIX,
    VARIABLES,
)
"""Annotations that want something of us; the others only say how."""
_OTHERS = (SKIP_DNS, PARENT_POOL)


def is_annotated(manifest: Manifest) -> bool:
    """Whether a manifest carries any annotation of ours."""
    return any(str(key).startswith(ANNOTATIONS) for key in manifest.annotations)


def bind_annotated(manifest: Manifest, surroundings: Surroundings) -> Bound:
    """The managed fields of an annotated manifest, and what is wrong with it."""
    if not is_annotated(manifest):
        return Bound()
    problems = [*_misspelt(manifest)]
    target = target_of(manifest)
    if target is None:
        return Bound(problems=(*problems, *_unmanaged_kind(manifest)))
    if PARENT_POOL in manifest.annotations:
        return Bound(problems=(*problems, *_without_parent(manifest, surroundings)))
    if not any(key in BINDING for key in manifest.annotations):
        return Bound(problems=tuple(problems))
    problems.extend(_old_version(manifest, target))
    bound = target.bind(manifest, surroundings)
    return Bound(bound.bindings, (*problems, *bound.problems))


def _misspelt(manifest: Manifest) -> Iterator[Problem]:
    known = (*BINDING, *_OTHERS)
    for key in manifest.annotations:
        if key in known or not str(key).startswith(ANNOTATIONS):
            continue
        hint = nearest(str(key), known)
        if hint:
            node = nearest_node(manifest.root, ("metadata", "annotations", key))
            message = f"gitops-prefix reads no annotation {key}{hint}"
            place = manifest.place(node)
            yield Problem("unknown-annotation", message, place, Severity.WARNING)


def _unmanaged_kind(manifest: Manifest) -> Iterator[Problem]:
    if NAME not in manifest.annotations:
        return
    kinds = ", ".join(target.kind for target in TARGETS)
    node = nearest_node(manifest.root, ("metadata", "annotations", NAME))
    message = (
        f'{manifest.api_version or "?"} {manifest.kind or "?"} "{manifest.name}" has no field that '
        f"gitops-prefix writes (it knows: {kinds}); it stays as it is"
    )
    yield Problem("kind-not-managed", message, manifest.place(node), Severity.WARNING)


def _without_parent(manifest: Manifest, surroundings: Surroundings) -> Iterator[Problem]:
    parent = manifest.annotations[PARENT_POOL]
    for one in surroundings.manifests:
        if (one.path, one.kind, one.name) == (manifest.path, manifest.kind, parent):
            return
    node = nearest_node(manifest.root, ("metadata", "annotations", PARENT_POOL))
    message = (
        f'{manifest.kind} "{parent}", which this one is for the past of, is not in this file; it '
        "stays as it is: remove it, or move it behind that one"
    )
    yield Problem("sibling-alone", message, manifest.place(node), Severity.WARNING)


def _old_version(manifest: Manifest, target: Target) -> Iterator[Problem]:
    version = manifest.api_version.rpartition("/")[2]
    if version == target.versions[0]:
        return
    node = nearest_node(manifest.root, ("apiVersion",))
    if version in target.versions:
        message = (
            f"{manifest.api_version} is on its way out: write {target.group}/{target.versions[0]}"
        )
        yield Problem("old-api-version", message, manifest.place(node), Severity.NOTE)
    else:
        message = f"{manifest.api_version} is unknown to gitops-prefix; read as the newest it knows"
        yield Problem("unknown-api-version", message, manifest.place(node), Severity.WARNING)
