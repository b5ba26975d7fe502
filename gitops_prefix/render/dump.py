"""New YAML text for plain values: strings, lists and mappings of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from gitops_prefix.render.style import Style, scalar_text

Tree: TypeAlias = "str | Sequence[Tree] | Mapping[str, Tree]"


def block_lines(tree: Tree, indent: int, style: Style) -> Iterator[str]:
    """Lines without their ends, in block style; an empty collection has none.

    Args:
        tree: a list or a mapping.
        indent: column of the keys or dashes.
        style: how far children are indented, and the quotes.
    """
    blanks = " " * indent
    if isinstance(tree, Mapping):
        for key, child in tree.items():
            yield from _entry(f"{blanks}{scalar_text(key, style)}:", child, indent, style)
    elif not isinstance(tree, str):
        for item in tree:
            yield from _item(item, indent, style)


def _entry(head: str, child: Tree, indent: int, style: Style) -> Iterator[str]:
    if isinstance(child, str) or not child:
        yield f"{head} {flow_text(child, style)}"
        return
    step = style.mapping_step if isinstance(child, Mapping) else style.sequence_step
    yield head
    yield from block_lines(child, indent + step, style)


def _item(item: Tree, indent: int, style: Style) -> Iterator[str]:
    if isinstance(item, str) or not item:
        yield f"{' ' * indent}- {flow_text(item, style)}"
        return
    for number, line in enumerate(block_lines(item, indent + 2, style)):
        yield line if number else f"{' ' * indent}- {line[indent + 2 :]}"


def flow_text(tree: Tree, style: Style, padding: str = "") -> str:
    """One line in flow style.

    Args:
        tree: anything.
        style: the quotes.
        padding: what stands inside of braces and brackets.
    """
    if isinstance(tree, str):
        return scalar_text(tree, style, style.quote)
    if isinstance(tree, Mapping):
        inner = ", ".join(
            f"{scalar_text(key, style)}: {flow_text(child, style)}" for key, child in tree.items()
        )
        return f"{{{padding}{inner}{padding}}}" if inner else "{}"
    inner = ", ".join(flow_text(item, style) for item in tree)
    return f"[{padding}{inner}{padding}]" if inner else "[]"
