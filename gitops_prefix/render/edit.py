"""Edits of a field of a document: present, empty, null or missing.

The functions keep the contract of the family, which is at the head of `edit_items`.
Each takes the document as its text and its root.
"""

import re
from collections.abc import Mapping, Sequence

from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.render.address_tokens import AddressToken, Moves, find_moves, move
from gitops_prefix.render.edit_items import (
    Item,
    RefusedEditError,
    comments,
    edit_items,
    insert_lines,
    plan_change,
    replace_scalar,
)
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import (
    AliasNode,
    Entry,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    Value,
    at_path,
    content_end,
    nearest_node,
    scalars_in,
    value_at,
)
from gitops_prefix.render.source import Edit, column, line_end, newline_of, splice
from gitops_prefix.render.style import (
    Style,
    Tree,
    block_lines,
    flow_text,
    is_plain_safe,
    quoted,
    resolve,
)

_LONGEST_ADDRESS = 64
"""Characters; a name below ip6.arpa has 63."""


def is_null(node: Node) -> bool:
    """Whether a node is there without a value: empty, `~` or `null`."""
    return (
        isinstance(node, ScalarNode)
        and not (node.style or node.tag or node.anchor)
        and resolve(node.text) is None
    )


def style_of(text: str, root: Node) -> Style:
    """The style of a document: of its first nested mapping and its first list."""
    mapping_step, sequence_step = None, None
    pending: list[Node] = [root]
    while pending and None in {mapping_step, sequence_step}:
        node = pending.pop()
        if isinstance(node, SequenceNode):
            pending.extend(reversed(node.items))
        elif isinstance(node, MappingNode):
            for key, child in node.entries:
                step = _step(text, key, child)
                if isinstance(child, SequenceNode) and sequence_step is None:
                    sequence_step = step
                elif isinstance(child, MappingNode) and mapping_step is None:
                    mapping_step = step
            pending.extend(child for _, child in reversed(node.entries))
    return Style(
        newline=newline_of(text),
        mapping_step=mapping_step or 2,
        sequence_step=(mapping_step or 2) if sequence_step is None else sequence_step,
        bare=not _is_quoted(root),
    )


def _step(text: str, key: Node, child: Node) -> int | None:
    """By how many columns a block collection is indented below its key."""
    if not isinstance(child, MappingNode | SequenceNode) or child.flow:
        return None
    return max(0, column(text, child.start) - column(text, key.start))


def _is_quoted(root: Node) -> bool:
    """Whether a mapping has its first key in double quotes, as JSON has."""
    key = root.entries[0].key if isinstance(root, MappingNode) and root.entries else None
    return isinstance(key, ScalarNode) and key.style == '"'


def refuse_merged(manifest: Manifest, path: Path) -> None:
    """A field that we write beside a merge would hide the merge's value, and its foreign items.

    Raises:
        RefusedEditError: the field is not written at `path`, but has a value there.
    """
    if at_path(manifest.root, path) is None and value_at(manifest.content, path) is not None:
        message = f"{dotted(path)} comes from a merge (`<<`): write it out here"
        raise RefusedEditError(nearest_node(manifest.root, path), message)


def edit_list(
    text: str,
    root: Node,
    path: Path,
    ours: Sequence[Item | None],
    wanted: Sequence[Item],
) -> list[Edit]:
    """The edits that make the list at `path` hold `wanted`, then the foreign items.

    Args:
        text: the document.
        root: its nodes.
        path: keys, and indices that exist, from the root.
        ours: for each item, which of our items it is, or None for a foreign item.
        wanted: the items that are to be ours.

    Raises:
        RefusedEditError: the field cannot be edited where it is.
    """
    entry, rest, in_flow = _deepest(root, path)
    node, style = entry.value, style_of(text, root)
    if not rest and isinstance(node, SequenceNode) and node.items:
        return edit_items(text, entry.key, node, plan_change(node.items, ours, wanted), style)
    if isinstance(node, MappingNode) and rest:
        return [_add_entries(text, node, {rest[0]: _nested(rest[1:], wanted)}, style)]
    if is_null(node) or (isinstance(node, SequenceNode) and not node.items):
        return _fill(text, entry, _nested(rest, wanted), style, in_flow=in_flow)
    if isinstance(node, AliasNode):
        raise RefusedEditError(node, f"{dotted(path)} is an alias: write the list itself here")
    raise RefusedEditError(node, f"{dotted(path)} is not a list: write one, or remove it")


def edit_text(text: str, root: Node, path: Path, wanted: str) -> Edit:
    """The edit that makes `wanted` of the scalar at `path`.

    Args:
        text: the document.
        root: its nodes.
        path: keys from the root.
        wanted: the new value.

    Raises:
        RefusedEditError: the field cannot be edited where it is.
    """
    entry, rest, in_flow = _deepest(root, path)
    node = entry.value
    if not rest:
        return _set_scalar(text, root, entry, wanted, in_flow=in_flow)
    if isinstance(node, MappingNode):
        added = {rest[0]: _nested(rest[1:], wanted)}
        return _add_entries(text, node, added, style_of(text, root))
    raise RefusedEditError(node, f"{dotted(path)} cannot be written: this is not a mapping")


def edit_entries(text: str, root: Node, key: str, wanted: Mapping[str, str]) -> list[Edit]:
    """The edits that set entries of the mapping at a root's `key`; other entries stay.

    Missing entries are one insertion, which writes `key:` once at most.

    Args:
        text: the document.
        root: its nodes.
        key: of the mapping, which may be missing.
        wanted: the entries to set.

    Raises:
        RefusedEditError: an entry cannot be edited where it is.
    """
    entry, rest, in_flow = _deepest(root, (key,))
    node, style = entry.value, style_of(text, root)
    if isinstance(node, MappingNode) and rest:
        return [_add_entries(text, node, {key: wanted}, style)]
    if is_null(node) or (isinstance(node, MappingNode) and not node.entries):
        return _fill(text, entry, wanted, style, in_flow=in_flow)
    if not isinstance(node, MappingNode):
        raise RefusedEditError(node, f"{key} is not a mapping of its own: write one here")
    there = [name for name in wanted if node.entry(name)]
    edits = [edit_text(text, root, (key, name), wanted[name]) for name in there]
    missing = {name: value for name, value in wanted.items() if name not in there}
    if not missing:
        return edits
    return [*edits, _add_entries(text, node, missing, style)]


def move_addresses(text: str, node: Node, past: Sequence[Prefix], current: Prefix) -> Moves:
    """The edits that move the addresses in every scalar at or below a node; comments stay.

    Args:
        text: the document.
        node: a scalar or a collection; aliases below it stay.
        past: the prefixes that are left.
        current: the prefix that the addresses move to.
    """
    edits: list[Edit] = []
    stuck: list[AddressToken] = []
    ours = 0
    for scalar in scalars_in(node):
        if isinstance(scalar, AliasNode):
            continue
        start, end = scalar.start, scalar.end
        if scalar.style in {"|", ">"}:
            # Behind the indicator is a comment, which may be the marker.
            start = line_end(text, min(start + 1, end))
        moves = find_moves(text[start:end], past, current)
        ours += moves.ours
        stuck += [token.shifted(start) for token in moves.stuck]
        edits += _unquoted_edits(scalar, moves.edits, start, text)
    return Moves(tuple(edits), ours, tuple(stuck))


def moved_words(
    text: str, moves: Moves, past: Sequence[Prefix], current: Prefix
) -> tuple[list[Value], list[Value]]:
    """Each address that moves, before and after; the prefixes where a large text moves at once."""
    if any(len(edit.text) > _LONGEST_ADDRESS for edit in moves.edits):
        return [*map(str, past)], [str(current)]
    ends = [re.compile(r"[\w:.]*").match(text, edit.end) for edit in moves.edits]
    rests = [end.group() if end else "" for end in ends]
    pairs = [*zip(moves.edits, rests, strict=True)]
    return (
        [text[edit.start : edit.end] + rest for edit, rest in pairs],
        [edit.text + rest for edit, rest in pairs],
    )


def moved_value(value: Value, past: Sequence[Prefix], current: Prefix) -> Value:
    """A plain value with the addresses in all of its strings moved."""
    if isinstance(value, str):
        return move(value, past, current)
    if isinstance(value, list):
        return [moved_value(item, past, current) for item in value]
    if isinstance(value, dict):
        return {
            moved_value(key, past, current): moved_value(child, past, current)
            for key, child in value.items()
        }
    return value


def _unquoted_edits(
    scalar: ScalarNode, edits: Sequence[Edit], start: int, text: str
) -> Sequence[Edit]:
    """The edits in a scalar; a plain scalar that would be no string then gets quotes."""
    written = text[start : scalar.end]
    if (
        edits
        and scalar.style is None
        and written == scalar.text
        and is_plain_safe(written, in_flow=False)
    ):
        moved = splice(written, edits)
        if not is_plain_safe(moved, in_flow=False):
            return [Edit(start, scalar.end, quoted(moved))]
    return [edit.shifted(start) for edit in edits]


def _set_scalar(text: str, root: Node, entry: Entry, wanted: str, *, in_flow: bool) -> Edit:
    node = entry.value
    if not is_null(node):
        return replace_scalar(node, wanted, in_flow=in_flow)
    written = flow_text(wanted, style_of(text, root))
    if node.end > node.start:
        return Edit(node.start, node.end, written)
    # An empty value has no position of its own: its text begins behind the colon.
    colon = text.index(":", entry.key.end) + 1
    return Edit(colon, colon, f" {written}")


def _nested(keys: tuple[str, ...], value: Tree) -> Tree:
    """The value below mappings of one key each."""
    for key in reversed(keys):
        value = {key: value}
    return value


def _deepest(root: Node, path: Path) -> tuple[Entry, tuple[str, ...], bool]:
    """The last entry on the path that exists, the missing keys, and whether it is in braces."""
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
        # An item has no key; the item itself takes that place.
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
    position = mapping.entries[-1].value.end
    return Edit(position, position, f", {written}")


def _fill(text: str, entry: Entry, value: Tree, style: Style, *, in_flow: bool) -> list[Edit]:
    """Write a value where `key:` is empty, `~`, `null`, `{}` or `[]`."""
    if isinstance(entry.value, SequenceNode | MappingNode):
        inside = comments(text, entry.value.start, entry.value.end, entry.value)
        if inside:
            return [_fill_behind_comments(text, entry.value, flow_text(value, style), style)]
    node, line_start = entry.value, entry.key.start - column(text, entry.key.start)
    in_block = not in_flow and not text[line_start : entry.key.start].strip(" -?")
    on_one_line = "\n" not in text[entry.key.end : content_end(node)]
    if not in_block or not on_one_line or comments(text, entry.key.end, node.end, node):
        return [Edit(node.start, node.end, flow_text(value, style))]
    colon = text.index(":", entry.key.end) + 1
    if text[colon : node.start].strip():
        # An anchor or a tag, which would be removed with `[]`.
        return [Edit(node.start, node.end, flow_text(value, style))]
    step = style.mapping_step if isinstance(value, Mapping) else style.sequence_step
    lines = list(block_lines(value, column(text, entry.key.start) + step, style))
    insertion = insert_lines(text, line_end(text, max(colon, node.end)), lines, style)
    if node.end <= colon:
        return [insertion]
    return [Edit(colon, node.end, ""), insertion]


def _fill_behind_comments(
    text: str, node: SequenceNode | MappingNode, written: str, style: Style
) -> Edit:
    """Write a value between brackets or braces that hold comments alone; the comments stay.

    A comment ends its line, so the closing bracket is the first on its own.
    """
    closing = node.end - 1
    start = closing - column(text, closing)
    last_line = text[:start].rstrip().rpartition("\n")[2]
    in_line = last_line.lstrip()
    indent = last_line[: -len(in_line)] if in_line.startswith("#") else f"{text[start:closing]}  "
    return Edit(start, start, f"{indent}{written[1:-1]}{style.newline}")
