"""Setting a field of a manifest, whether it is there, empty, null or missing."""

from collections.abc import Mapping, Sequence

from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.render.comments import comments
from gitops_prefix.render.dump import Tree, block_lines, flow_text
from gitops_prefix.render.edit_block_items import insert_lines
from gitops_prefix.render.edit_scalar import RefusedEditError, replace_scalar
from gitops_prefix.render.edit_sequence import edit_sequence
from gitops_prefix.render.list_change import Item, plan_change
from gitops_prefix.render.node import (
    AliasNode,
    Entry,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    content_end,
)
from gitops_prefix.render.plain_value import resolve
from gitops_prefix.render.splice import Edit
from gitops_prefix.render.style import Style, column, line_end


def is_null(node: Node) -> bool:
    """Whether a node is there but says nothing: empty, `~` or `null`."""
    return (
        isinstance(node, ScalarNode)
        and not (node.style or node.tag or node.anchor)
        and resolve(node.text) is None
    )


def edit_list(  # noqa: PLR0913, PLR0917  a document is its text, root and style
    text: str,
    root: Node,
    path: Path,
    ours: Sequence[Item | None],
    wanted: Sequence[Item],
    style: Style,
) -> list[Edit]:
    """The edits that make the list at `path` hold `wanted`, then what is foreign.

    Args:
        text: the document.
        root: its nodes.
        path: keys, and indices that are there, from the root.
        ours: for each item there is, which of our items it says, or None.
        wanted: what is to be ours.
        style: of the document.

    Raises:
        RefusedEditError: the field stands where it cannot be edited.
    """
    entry, rest, in_flow = _deepest(root, path)
    node = entry.value
    if not rest and isinstance(node, SequenceNode) and node.items:
        return edit_sequence(text, entry.key, node, plan_change(node.items, ours, wanted), style)
    if isinstance(node, MappingNode) and rest:
        return [_add_entries(text, node, {rest[0]: _nested(rest[1:], wanted)}, style)]
    if is_null(node) or (isinstance(node, SequenceNode) and not node.items):
        return _fill(text, entry, _nested(rest, wanted), style, in_flow=in_flow)
    if isinstance(node, AliasNode):
        raise RefusedEditError(node, f"{dotted(path)} is an alias: write the list itself here")
    raise RefusedEditError(node, f"{dotted(path)} is no list: write one, or remove it")


def edit_text(text: str, root: Node, path: Path, wanted: str, style: Style) -> Edit:
    """The edit that makes the scalar at `path` say `wanted`.

    Args:
        text: the document.
        root: its nodes.
        path: keys from the root; the mapping that holds the last one is there.
        wanted: what it is to say.
        style: of the document.

    Raises:
        RefusedEditError: the field stands where it cannot be edited.
    """
    entry, rest, in_flow = _deepest(root, path)
    node = entry.value
    if not rest:
        if isinstance(node, ScalarNode) and not is_null(node):
            return replace_scalar(node, wanted, in_flow=in_flow)
        if is_null(node) and node.end > node.start:
            return Edit(node.start, node.end, flow_text(wanted, style))
        if is_null(node):
            # An empty value has no place of its own, but behind the colon.
            colon = text.index(":", entry.key.end) + 1
            return Edit(colon, colon, f" {flow_text(wanted, style)}")
        raise RefusedEditError(node, f"{dotted(path)} is no string of its own: write one here")
    if isinstance(node, MappingNode):
        return _add_entries(text, node, {rest[0]: _nested(rest[1:], wanted)}, style)
    raise RefusedEditError(node, f"{dotted(path)} cannot be written: this is no mapping")


def edit_entries(
    text: str, root: Node, key: str, wanted: Mapping[str, str], style: Style
) -> list[Edit]:
    """The edits that make the mapping behind a root's `key` say `wanted`, whatever else it holds.

    What is missing goes in as one insertion, so that it needs one `key:` at most.

    Args:
        text: the document.
        root: its nodes.
        key: of the mapping; it may be missing, too.
        wanted: its entries that are not what they should be.
        style: of the document.

    Raises:
        RefusedEditError: an entry stands where it cannot be edited.
    """
    entry, rest, in_flow = _deepest(root, (key,))
    node = entry.value
    if isinstance(node, MappingNode) and rest:
        return [_add_entries(text, node, {key: wanted}, style)]
    if is_null(node) or (isinstance(node, MappingNode) and not node.entries):
        return _fill(text, entry, wanted, style, in_flow=in_flow)
    if not isinstance(node, MappingNode):
        raise RefusedEditError(node, f"{key} is no mapping of its own: write one here")
    there = [name for name in wanted if node.entry(name)]
    edits = [edit_text(text, root, (key, name), wanted[name], style) for name in there]
    missing = {name: value for name, value in wanted.items() if name not in there}
    if not missing:
        return edits
    return [*edits, _add_entries(text, node, missing, style)]


def _nested(keys: tuple[str, ...], value: Tree) -> Tree:
    """The value below mappings of one key each."""
    for key in reversed(keys):
        value = {key: value}
    return value


def _deepest(root: Node, path: Path) -> tuple[Entry, tuple[str, ...], bool]:
    """The last entry on the way that is there, the keys that are not, and whether in braces."""
    entry, in_flow = Entry(root, root), False
    for depth, step in enumerate(path):
        node = entry.value
        following = _following(node, step)
        if following is None:
            return entry, tuple(map(str, path[depth:])), in_flow
        entry, in_flow = following, isinstance(node, MappingNode | SequenceNode) and node.flow
    return entry, (), in_flow


def _following(node: Node, step: str | int) -> Entry | None:
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.items):
        # An item has no key to stand behind: it is its own.
        return Entry(node.items[step], node.items[step])
    return node.entry(str(step)) if isinstance(node, MappingNode) else None


def add_block_entry(text: str, mapping: MappingNode, key: str, value: Tree, style: Style) -> Edit:
    """Add an entry at the end of a block mapping."""
    return _add_block_entries(text, mapping, {key: value}, style)


def _add_block_entries(
    text: str, mapping: MappingNode, entries: Mapping[str, Tree], style: Style
) -> Edit:
    lines = list(block_lines(entries, column(text, mapping.start), style))
    return insert_lines(text, line_end(text, content_end(mapping)), lines, style)


def _add_entries(
    text: str, mapping: MappingNode, entries: Mapping[str, Tree], style: Style
) -> Edit:
    if not mapping.flow:
        return _add_block_entries(text, mapping, entries, style)
    written = ", ".join(
        f"{flow_text(key, style)}: {flow_text(value, style)}" for key, value in entries.items()
    )
    if not mapping.entries:
        return Edit(mapping.end - 1, mapping.end - 1, written)
    position = mapping.entries[-1].value.end or mapping.end - 1
    return Edit(position, position, f", {written}")


def _fill(text: str, entry: Entry, value: Tree, style: Style, *, in_flow: bool) -> list[Edit]:
    """Put a value where `key:` has none, `~`, `null` or `[]`."""
    node, line_start = entry.value, entry.key.start - column(text, entry.key.start)
    in_block = not in_flow and not text[line_start : entry.key.start].strip(" -?")
    on_one_line = "\n" not in text[entry.key.end : content_end(node)]
    if not in_block or not on_one_line or comments(text, entry.key.end, node.end, node):
        return [Edit(node.start, node.end, flow_text(value, style))]
    colon = text.index(":", entry.key.end) + 1
    if text[colon : node.start].strip():
        # An anchor or a tag, which would go with `[]`.
        return [Edit(node.start, node.end, flow_text(value, style))]
    step = style.sequence_step if not isinstance(value, dict) else style.mapping_step
    lines = list(block_lines(value, column(text, entry.key.start) + step, style))
    insertion = insert_lines(text, line_end(text, max(colon, node.end)), lines, style)
    if node.end <= colon:
        return [insertion]
    return [Edit(colon, node.end, ""), insertion]
