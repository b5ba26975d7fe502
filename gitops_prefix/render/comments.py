"""The comments in a stretch of YAML text: an edit may move them, never lose them."""

import re
from collections.abc import Iterator

from gitops_prefix.render.node import AliasNode, MappingNode, Node, ScalarNode

_COMMENT = re.compile(r"(?:^|(?<=[ \t\n]))#[^\r\n]*")


def comments(text: str, start: int, end: int, inside: Node) -> list[str]:
    """The comments between two offsets, without their indentation.

    Args:
        text: the document.
        start: where to look from; no scalar is cut by it.
        end: where to look to.
        inside: the node whose scalars are in this stretch: a `#` in one is no comment.
    """
    found = []
    position = start
    for scalar in (*_scalars(inside), None):
        gap_end = min(scalar.start, end) if scalar else end
        if position < gap_end:
            found += [match.group() for match in _COMMENT.finditer(text, position, gap_end)]
        position = max(position, scalar.end if scalar else end)
    return found


def _scalars(root: Node) -> Iterator[ScalarNode | AliasNode]:
    """Every scalar and alias below a node, in the order of the text."""
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, ScalarNode | AliasNode):
            yield node
        elif isinstance(node, MappingNode):
            pending.extend(part for entry in reversed(node.entries) for part in reversed(entry))
        else:
            pending.extend(reversed(node.items))
