"""Objects inside a `kind: List`, which gitops-prefix does not edit: never without a word."""

from collections.abc import Iterator, Mapping

from gitops_prefix.decide.specification import API_VERSION
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import Value, nearest_node
from gitops_prefix.render.plain_value import value_at

_ANNOTATIONS = "dynamic-prefix.io/"


def nested_in_list(manifest: Manifest) -> Iterator[Problem]:
    """A warning for each object in `items` that would be managed in a document of its own.

    Args:
        manifest: any document; one that is no list of objects gives nothing.
    """
    items = value_at(manifest.content, ("items",))
    if not manifest.kind.endswith("List") or not isinstance(items, list):
        return
    for index, item in enumerate(items):
        path = _managed(item)
        if path is None:
            continue
        place = manifest.place(nearest_node(manifest.root, ("items", index, *path)))
        message = (
            f"items[{index}] would be managed, but stands in a {manifest.kind}; it stays as it is: "
            "give it a document of its own, behind `---`"
        )
        yield Problem("in-a-list", message, place, Severity.WARNING)


def _managed(item: Value) -> tuple[str, ...] | None:
    """Where in an object it says that it is managed."""
    if not isinstance(item, Mapping):
        return None
    if item.get("apiVersion") == API_VERSION:
        return ("apiVersion",)
    metadata = item.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if isinstance(annotations, Mapping):
        for key in annotations:
            if str(key).startswith(_ANNOTATIONS):
                return ("metadata", "annotations", str(key))
    return None
