"""PURE: what `metadata.managedFields` says about who owns what.

kubernetes.io, "Server-Side Apply": `f:NAME` is a field, `k:{…}` and `v:…` are items of
a list with keys, `.` is the field itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gitops_prefix.cluster.api_object import FIELD_MANAGER, Object

_Fields = Mapping[str, Any]


def our_entries(live: Object) -> list[int]:
    """Where our entries stand in `metadata.managedFields`."""
    entries = enumerate(_entries(live))
    return [index for index, one in entries if one.get("manager") == FIELD_MANAGER]


def our_fields(live: Object) -> set[tuple[str, ...]]:
    """The paths of every field that we own; of an item of a list that of the outermost list."""
    entries = _entries(live)
    return {
        path
        for index in our_entries(live)
        for path in _leaves(entries[index].get("fieldsV1") or {})
    }


def owners(live: Object, path: Sequence[str]) -> list[str]:
    """The managers that own a field, or any part of it."""
    return sorted(
        {
            str(one.get("manager"))
            for one in _entries(live)
            if _owns(one.get("fieldsV1") or {}, path)
        }
    )


def release_patch(live: Object, holds: Mapping[str, str]) -> list[dict[str, Any]]:
    """A JSON patch that gives back what is ours, and no value but our holds goes.

    Applying without a field would delete it where nobody else owns it; so the entry is
    removed, and the value stays for whoever applies it next.

    Args:
        live: the object.
        holds: annotations by which reconcilers are held, with their value.

    Returns:
        Nothing when nothing is ours.
    """
    indices = our_entries(live)
    if not indices:
        return []
    metadata = live["metadata"]
    version = metadata["resourceVersion"]
    patch: list[dict[str, Any]] = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version}
    ]
    for key in our_holds(live, holds):
        pointer = key.replace("~", "~0").replace("/", "~1")
        patch.append({"op": "remove", "path": f"/metadata/annotations/{pointer}"})
    if len(indices) == len(_entries(live)):
        # An empty list says nothing to the server; this says that nobody owns anything.
        return [*patch, {"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    removed = (f"/metadata/managedFields/{index}" for index in reversed(indices))
    return [*patch, *({"op": "remove", "path": pointer} for pointer in removed)]


def our_holds(live: Object, holds: Mapping[str, str]) -> list[str]:
    """The annotations that hold a reconciler, where we set them."""
    ours = our_fields(live)
    annotations = live["metadata"].get("annotations") or {}
    return [
        key
        for key, value in holds.items()
        if annotations.get(key) == value and ("metadata", "annotations", key) in ours
    ]


def _entries(live: Object) -> list[Any]:
    return live["metadata"].get("managedFields") or []


def _leaves(fields: _Fields, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, below in fields.items():
        if key == ".":
            continue
        if not key.startswith("f:"):
            yield path
            continue
        step = (*path, key.removeprefix("f:"))
        if any(one != "." for one in below):
            yield from _leaves(below, step)
        else:
            yield step


def _owns(fields: _Fields, path: Sequence[str]) -> bool:
    for key in path:
        below = fields.get(f"f:{key}")
        if below is None:
            return False
        fields = below
    return True
