"""The DynamicPrefix document: read, and its status written."""

from dataclasses import dataclass
from typing import cast

from gitops_prefix.decide.specification import Specification, read_specification
from gitops_prefix.decide.status import Status, read_status, status_document
from gitops_prefix.errors import Place, Problem, Severity
from gitops_prefix.render.comments import comments
from gitops_prefix.render.dump import Tree, block_lines, flow_text
from gitops_prefix.render.edit_field import add_block_entry
from gitops_prefix.render.edit_scalar import RefusedEditError
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import Entry, MappingNode, ScalarNode, content_end
from gitops_prefix.render.problems import at_field
from gitops_prefix.render.splice import Edit
from gitops_prefix.render.style import Style, column, line_end, style_of


@dataclass(frozen=True, slots=True)
class DynamicPrefixDocument:
    """A DynamicPrefix as it stands in a file.

    Attributes:
        place: of its name.
    """

    manifest: Manifest
    specification: Specification
    status: Status | None
    place: Place

    @property
    def path(self) -> str:
        """The file it is in."""
        return self.manifest.path


def read_dynamic_prefix(
    manifest: Manifest,
) -> tuple[DynamicPrefixDocument | None, tuple[Problem, ...]]:
    """Read a manifest of kind DynamicPrefix.

    Returns:
        The document, or None when a problem is an error, and every problem.
    """
    status, wrong = read_status(manifest.content)
    length = status.current.length if status else None
    specification, found = read_specification(manifest.content, length)
    problems = tuple(at_field(manifest, one) for one in (*found, *wrong))
    if any(problem.severity is Severity.ERROR for problem in problems):
        return None, problems
    root = cast("MappingNode", manifest.root)
    metadata = root.get("metadata")
    name = metadata.get("name") if isinstance(metadata, MappingNode) else None
    place = manifest.place(name or root)
    return DynamicPrefixDocument(manifest, specification, status, place), problems


def edit_status(document: DynamicPrefixDocument, status: Status) -> tuple[Edit, ...]:
    """The edits that write a status; none when only conditions differ.

    Raises:
        RefusedEditError: the status stands where it cannot be replaced.
    """
    if status.same_decision(document.status):
        return ()
    manifest = document.manifest
    text, root = manifest.text, manifest.root
    if not isinstance(root, MappingNode):
        raise RefusedEditError(root, "is no mapping")
    style, tree = style_of(text, root), cast("Tree", status_document(status))
    entry = root.entry("status")
    if root.flow:
        return (_edit_flow(text, root, entry, tree, style),)
    if entry is None:
        return (add_block_entry(text, root, "status", tree, style),)
    return (_replace(text, entry, tree, style),)


def _edit_flow(text: str, root: MappingNode, entry: Entry | None, tree: Tree, style: Style) -> Edit:
    written = flow_text(tree, style)
    if entry is not None:
        if comments(text, entry.value.start, entry.value.end, entry.value):
            raise RefusedEditError(
                entry.value, "status has a comment in braces, and is written anew: move the comment"
            )
        return Edit(entry.value.start, entry.value.end, written)
    last = root.entries[-1].value
    return Edit(last.end, last.end, f", {flow_text('status', style)}: {written}")


def _replace(text: str, entry: Entry, tree: Tree, style: Style) -> Edit:
    """Replace all lines of a status; comments among them stay, above."""
    key, old = entry
    if not isinstance(old, MappingNode) and not (isinstance(old, ScalarNode) and not old.anchor):
        raise RefusedEditError(old, "status is written here, and cannot be an alias or a list")
    if isinstance(old, MappingNode) and old.anchor:
        raise RefusedEditError(old, "status has an anchor, and is written anew: remove the anchor")
    colon = text.index(":", key.end) + 1
    start, end = line_end(text, colon), line_end(text, content_end(old))
    head = ""
    if old.start < start and old.end > old.start:
        # `status: {}` begins on the key's own line.
        head, start = style.newline, colon
    step = column(text, key.start) + style.mapping_step
    kept = comments(text, start, end, old)
    lines = [*(" " * step + comment for comment in kept), *block_lines(tree, step, style)]
    body = "".join(line + style.newline for line in lines)
    if start == end and start and text[start - 1] != "\n":
        head = style.newline
    ends_bare = end == len(text) and not text.endswith("\n")
    return Edit(start, end, head + (body.removesuffix(style.newline) if ends_bare else body))
