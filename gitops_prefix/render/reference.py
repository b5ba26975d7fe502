"""The annotations that bind a manifest to a DynamicPrefix, read and checked."""

from collections.abc import Mapping

from gitops_prefix.decide.fields import nearest
from gitops_prefix.decide.reference import Reference
from gitops_prefix.decide.specification import Specification
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import nearest_node

ANNOTATIONS = "dynamic-prefix.io/"
NAME = ANNOTATIONS + "name"
ADDRESS_RANGE = ANNOTATIONS + "address-range"
SUBNET = ANNOTATIONS + "subnet"
SERVICE_ADDRESS_RANGE = ANNOTATIONS + "service-address-range"
SERVICE_SUBNET = ANNOTATIONS + "service-subnet"
SUFFIX = ANNOTATIONS + "suffix"
SKIP_DNS = ANNOTATIONS + "skip-external-dns-update"
VARIABLES = ANNOTATIONS + "variables"
PARENT_POOL = ANNOTATIONS + "parent-pool"


def read_reference(
    manifest: Manifest,
    specifications: Mapping[str, Specification],
    *,
    range_keys: tuple[str, ...] = (ADDRESS_RANGE,),
    subnet_keys: tuple[str, ...] = (SUBNET,),
) -> tuple[Reference | None, tuple[Problem, ...]]:
    """What a manifest is bound to by its annotations.

    Args:
        manifest: with at least one annotation of ours.
        specifications: by name.
        range_keys: annotations that name a range, the most telling first.
        subnet_keys: annotations that name a subnet, the most telling first.

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
    range_key = next((key for key in range_keys if key in annotations), None)
    subnet_key = next((key for key in subnet_keys if key in annotations), None)
    if range_key and subnet_key:
        message = f"stands beside {range_key}: keep one of the two"
        problems.append(_problem(manifest, subnet_key, "range-and-subnet", message))
    if range_key and annotations[range_key] not in ranges:
        problems.append(_unknown(manifest, range_key, name, annotations[range_key], ranges))
    if subnet_key and annotations[subnet_key] not in subnets:
        problems.append(_unknown(manifest, subnet_key, name, annotations[subnet_key], subnets))
    reference = Reference(
        name,
        annotations[range_key] if range_key else "",
        annotations[subnet_key] if subnet_key else "",
    )
    return (None if problems else reference), tuple(problems)


def _unknown(manifest: Manifest, key: str, what: str, written: str, known: list[str]) -> Problem:
    owner = "the repository" if key == NAME else f"DynamicPrefix {what}"
    kind = key.removeprefix(ANNOTATIONS).removeprefix("service-") if key != NAME else what
    code = f"unknown-{'dynamic-prefix' if key == NAME else kind}"
    message = (
        f'{kind} "{written}" is not in {owner} (it has: {", ".join(known) or "none"})'
        f"{nearest(written, known)}"
    )
    return _problem(manifest, key, code, message, whole=True)


def _problem(
    manifest: Manifest, key: str, code: str, message: str, *, whole: bool = False
) -> Problem:
    text = message if whole else f"metadata.annotations: {key} {message}"
    return annotation_problem(manifest, code, text, key=key)


def annotation_problem(
    manifest: Manifest,
    code: str,
    message: str,
    *,
    key: str = NAME,
    severity: Severity = Severity.ERROR,
) -> Problem:
    """A problem with an annotation, at its value."""
    node = nearest_node(manifest.root, ("metadata", "annotations", key))
    return Problem(code, message, manifest.place(node), severity)
