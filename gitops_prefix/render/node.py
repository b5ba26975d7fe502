"""A YAML document as a tree of nodes with their positions, and as plain values.

Offsets count characters of the text that was parsed. The `end` of a block collection
is libyaml's, which runs over trailing comments; `content_end` returns the true one.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from gitops_prefix.decide.fields import Path

DEEPEST = 200
"""Levels of nesting that are read; no manifest has twenty."""

Value: TypeAlias = str | int | float | list["Value"] | Mapping[Any, "Value"] | None
"""What a YAML parser makes of a node. A key is any scalar, and most are strings."""


class ScalarNode(NamedTuple):
    """A scalar.

    Attributes:
        text: its content, with quotes, folding and escapes undone.
        style: the quote or block indicator, or None for a plain scalar.
        start: where it begins, behind any anchor or tag; an empty scalar has no width.
        tag: an explicit tag, or None.
    """

    text: str
    style: Literal["'", '"', "|", ">"] | None
    start: int
    end: int
    tag: str | None
    anchor: str | None


class AliasNode(NamedTuple):
    """`*anchor`."""

    anchor: str
    start: int
    end: int


class Entry(NamedTuple):
    """A key and its value."""

    key: "Node"
    value: "Node"


class MappingNode(NamedTuple):
    """A mapping, in block or flow style."""

    entries: tuple[Entry, ...]
    flow: bool
    start: int
    end: int
    anchor: str | None

    def entry(self, key: str) -> Entry | None:
        """The last entry of that key, which is the one that parsers use."""
        found = [entry for entry in self.entries if key_text(entry.key) == key]
        return found[-1] if found else None

    def get(self, key: str) -> "Node | None":
        """The value of a key."""
        entry = self.entry(key)
        return entry.value if entry else None


class SequenceNode(NamedTuple):
    """A sequence, in block or flow style."""

    items: tuple["Node", ...]
    flow: bool
    start: int
    end: int
    anchor: str | None


Node: TypeAlias = ScalarNode | AliasNode | MappingNode | SequenceNode


def key_text(key: Node) -> str | None:
    """The text of a key, or None when the key is not a scalar."""
    return key.text if isinstance(key, ScalarNode) else None


def content_end(node: Node) -> int:
    """Where the last character of a node's content ends; no comment is inside."""
    while not isinstance(node, ScalarNode | AliasNode) and not node.flow:
        # A block collection has at least one entry: an empty one is written in flow style.
        node = node.entries[-1].value if isinstance(node, MappingNode) else node.items[-1]
    return node.end


def at_path(root: Node | None, path: Path) -> Node | None:
    """The node at a path of keys and indices; None where the path ends early."""
    node = root
    for step in path:
        if isinstance(node, MappingNode):
            node = node.get(str(step))
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            return None
    return node


def nearest_node(root: Node, path: Path) -> Node:
    """The node at a path, or the last one on the way to it: the place that a problem names."""
    for length in range(len(path), 0, -1):
        node = at_path(root, path[:length])
        if node is not None:
            return node
    return root


def value_at(content: Value, path: Path) -> Value:
    """The plain value at a path of keys and indices; None where the path ends early."""
    for step in path:
        if isinstance(content, dict):
            content = content.get(step)
        elif isinstance(content, list) and isinstance(step, int) and step < len(content):
            content = content[step]
        else:
            return None
    return content


def scalars_in(root: Node) -> Iterator[ScalarNode | AliasNode]:
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


def duplicate_keys(root: Node) -> Iterator[ScalarNode]:
    """Every key that its mapping has already; parsers disagree on which of the two counts."""
    pending: list[Node] = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, SequenceNode):
            pending.extend(node.items)
        elif isinstance(node, MappingNode):
            seen: set[str] = set()
            for key, child in node.entries:
                pending.append(child)
                if isinstance(key, ScalarNode) and key.text != "<<":
                    if key.text in seen:
                        yield key
                    seen.add(key.text)
