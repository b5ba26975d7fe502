"""What a kustomization.yaml lists: lines that it lacks, and documents that it should not send."""

import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path

from gitops_prefix.cli.worktree import list_manifests, read_own_file
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.manifest import LOCAL_CONFIG, Manifest
from gitops_prefix.render.node import MappingNode, ScalarNode, SequenceNode
from gitops_prefix.render.parse import NotYamlError, locate, plain_value

FILE_NAMES = ("/kustomization.yaml", "/kustomization.yml")


def find_sent(root: Path, inventory: Inventory) -> Iterator[Problem]:
    """A warning for each DynamicPrefix that kustomize sends to the cluster.

    kustomize leaves out a document only by its annotation. A cluster without the definition of
    the kind then refuses all that is applied together with it.
    """
    sent: dict[str, list[Manifest]] = {}
    for document in inventory.dynamic_prefixes.values():
        if not _is_local(document.manifest):
            sent.setdefault(document.path, []).append(document.manifest)
    if not sent:
        return
    top = root.resolve()
    files = (path for path in list_manifests(top) if path.endswith(FILE_NAMES))
    for path in sorted(files):
        relative = path.removeprefix(f"{top}/")
        folder = posixpath.dirname(relative)
        for resource in _resources(read_own_file(Path(path))):
            for manifest in sent.pop(posixpath.normpath(posixpath.join(folder, resource)), ()):
                message = (
                    f"{relative} lists this DynamicPrefix, so kustomize sends it to the cluster, "
                    "and a cluster without a definition of the kind refuses everything beside it: "
                    f'add the annotation {LOCAL_CONFIG}: "true"'
                )
                yield manifest.field_problem(
                    ("metadata", "annotations"), "reaches-the-cluster", message, Severity.WARNING
                )


def _is_local(manifest: Manifest) -> bool:
    # kustomize leaves out every value but "false".
    return str(manifest.annotations.get(LOCAL_CONFIG, "false")).lower() != "false"


def _resources(content: bytes | None) -> list[str]:
    try:
        found = plain_value(locate((content or b"").decode()))
    except (NotYamlError, ValueError):
        return []
    listed = found.get("resources") if isinstance(found, dict) else None
    return [str(resource) for resource in listed] if isinstance(listed, list) else []


def missing_resources(text: str, wanted: Iterable[str]) -> list[str] | None:
    """Return the wanted resources that the file does not list; None if it cannot be read."""
    try:
        content = plain_value(locate(text))
    except (NotYamlError, ValueError):
        return None
    if content is None:
        return list(wanted)
    listed = content.get("resources") or [] if isinstance(content, dict) else None
    if not isinstance(listed, list):
        return None
    known = {str(resource).removeprefix("./").rstrip("/") for resource in listed}
    return [resource for resource in wanted if resource not in known]


def add_resources(text: str, missing: Iterable[str]) -> str | None:
    """Return the file with more resources, behind those it lists.

    None where that cannot be done line by line: a list in brackets, an anchor, another shape.
    """
    lines = [f"- {resource}" for resource in missing]
    root = locate(text)
    if root is not None and not isinstance(root, MappingNode):
        return None
    entry = root.entry("resources") if root is not None else None
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    if entry is None:
        before = text if not text or text.endswith("\n") else text + end_of_line
        edited = before + end_of_line.join(["resources:", *(f"  {line}" for line in lines), ""])
    else:
        items = entry.value
        if not isinstance(items, SequenceNode) or items.flow or not items.items:
            return None
        last = items.items[-1]
        if not isinstance(last, ScalarNode):
            return None
        start = text.rfind("\n", 0, last.start) + 1
        indentation = text[start : text.index("-", start)]
        end = text.find("\n", last.end)
        head, tail = (text, "") if end < 0 else (text[: end + 1], text[end + 1 :])
        head = head if head.endswith("\n") else head + end_of_line
        edited = head + "".join(f"{indentation}{line}{end_of_line}" for line in lines) + tail
    return edited if _holds(text, edited, missing) else None


def _holds(before: str, after: str, missing: Iterable[str]) -> bool:
    """Whether the only difference is the new resources."""
    try:
        old, new = plain_value(locate(before)) or {}, plain_value(locate(after))
    except (NotYamlError, ValueError):
        return False
    if not isinstance(old, dict) or not isinstance(new, dict):
        return False
    listed = old.get("resources") or []
    return isinstance(listed, list) and new == {**old, "resources": [*listed, *missing]}
