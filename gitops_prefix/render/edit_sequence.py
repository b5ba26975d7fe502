"""Replacing our items of a list, in whatever style its author wrote it."""

from collections.abc import Sequence
from dataclasses import replace

from gitops_prefix.render.edit_block_items import edit_block_items
from gitops_prefix.render.edit_flow_items import edit_flow_items
from gitops_prefix.render.edit_scalar import replace_scalar
from gitops_prefix.render.list_change import Item, ListChange
from gitops_prefix.render.node import MappingNode, Node, ScalarNode, SequenceNode, key_text
from gitops_prefix.render.splice import Edit
from gitops_prefix.render.style import Quote, Style


def edit_sequence(
    text: str, key: Node, sequence: SequenceNode, change: ListChange, style: Style
) -> list[Edit]:
    """The edits that make `change` of a list with items.

    Args:
        text: the document.
        key: the key that the list stands behind.
        sequence: the list, with at least one item.
        change: what is to happen.
        style: of the document.

    Raises:
        RefusedEditError: an item stands where it cannot be edited.
    """
    edits = [
        edit
        for node, item in zip(sequence.items, change.kept, strict=False)
        if item is not None
        for edit in _replace_item(node, item, in_flow=sequence.flow)
    ]
    style = replace(style, quote=_quote(sequence.items))
    if sequence.flow:
        return [*edits, *edit_flow_items(text, sequence, change, style)]
    return [*edits, *edit_block_items(text, key, sequence, change, style)]


def _replace_item(node: Node, item: Item, *, in_flow: bool) -> list[Edit]:
    if isinstance(item, str) or not isinstance(node, MappingNode):
        return [replace_scalar(node, item, in_flow=in_flow)] if isinstance(item, str) else []
    return [
        replace_scalar(value, item[name], in_flow=in_flow or node.flow)
        for entry_key, value in node.entries
        if (name := key_text(entry_key)) is not None
        and not (isinstance(value, ScalarNode) and value.text == item[name])
    ]


def _quote(items: Sequence[Node]) -> Quote:
    for item in items:
        nodes = [value for _, value in item.entries] if isinstance(item, MappingNode) else [item]
        for node in nodes:
            if isinstance(node, ScalarNode) and node.style:
                return "'" if node.style == "'" else '"'

    return '"'
