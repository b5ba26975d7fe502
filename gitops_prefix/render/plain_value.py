"""Nodes -> plain values, as Kubernetes' YAML readers understand them.

Aliases share the value of their anchor, so that no document grows by them.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from gitops_prefix.decide.fields import Path
from gitops_prefix.render.node import (
    DEEPEST,
    AliasNode,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    Value,
)

MOST_REPEATED = 100_000
"""Values that the aliases of a document may stand for, all together."""

_CONSTANTS: Mapping[str, Value] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,20}")
_OTHER_INTEGER = re.compile(r"0x[0-9a-fA-F]{1,16}|0o[0-7]{1,22}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")

_YAML_1_1 = re.compile(
    r"""(?x)
      [yYnN] | [yY]es | YES | [nN]o | NO | [oO]n | ON | [oO]ff | OFF   # booleans
    | [-+]? 0b[01_]+ | [-+]? 0[0-7_]+ | [-+]? 0x[0-9a-fA-F_]+           # integers
    | [-+]? [0-9][0-9_]* (:[0-5]?[0-9])+ (\.[0-9_]*)?                   # sexagesimal
    | [-+]? [0-9][0-9_]* | [-+]? [0-9._]+ ([eE][-+]?[0-9]+)?
    | [-+]? \.(inf|Inf|INF) | \.(nan|NaN|NAN)
    | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2} .*                                 # timestamps
    | = | <<
    """
)
_UNSAFE_PLAIN = re.compile(r"""^[-?:,\[\]{}#&*!|>'"%@`\s]|[:#\s]$|:\s|\s\#|[\r\n\t]""")
_FLOW_PUNCTUATION = re.compile(r"[,\[\]{}]")


def is_plain_safe(text: str, *, in_flow: bool = True) -> bool:
    """Whether a plain scalar of this text is the same string in YAML 1.1 and 1.2.

    Args:
        text: the scalar.
        in_flow: whether it stands inside braces or brackets, whose punctuation would
            end it (YAML 1.2, 7.3.3).
    """
    if _UNSAFE_PLAIN.search(text) or (in_flow and _FLOW_PUNCTUATION.search(text)):
        return False
    if not text.isprintable() or text in {"---", "..."}:
        return False
    return isinstance(resolve(text), str) and not _YAML_1_1.fullmatch(text)


def resolve(text: str) -> Value:
    """The value of a plain scalar (YAML 1.2 core schema, 10.3.2)."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_INTEGER.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def plain_value(node: Node | None) -> Value:
    """The value of a node and all below it.

    Raises:
        ValueError: an alias without an anchor, or one inside what it names; or aliases that
            make it larger than `MOST_REPEATED`, or deeper than `DEEPEST`.
    """
    return _Reader().read(node) if node is not None else None


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


class _Anchored(NamedTuple):
    """What an anchor stands for: its value, how many nodes that is, and how deep."""

    value: Value
    nodes: int
    height: int


class _Reader:
    """Reads one document; remembers what its anchors stand for.

    A value that aliases make large is shared and takes no room, until somebody compares
    or prints it: so what they stand for is counted, and an end is put to it.
    """

    def __init__(self) -> None:
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0
        self._repeated = 0
        self._depth = 0
        self._deepest = 0

    def read(self, node: Node) -> Value:
        if isinstance(node, AliasNode):
            return self._repeat(node)
        self._nodes += 1
        if node.anchor is None:
            return self._read(node)
        nodes, deepest = self._nodes, self._deepest
        self._deepest = self._depth
        value = self._read(node)
        height = self._deepest - self._depth
        self._anchors[node.anchor] = _Anchored(value, self._nodes - nodes + 1, height)
        self._deepest = max(deepest, self._deepest)
        return value

    def _repeat(self, alias: AliasNode) -> Value:
        if alias.anchor not in self._anchors:
            raise ValueError(f"*{alias.anchor} has no anchor before it")
        value, nodes, height = self._anchors[alias.anchor]
        self._nodes += nodes
        self._repeated += nodes
        if self._repeated > MOST_REPEATED:
            raise ValueError(f"aliases repeat more than {MOST_REPEATED} values: write them out")
        self._reach(self._depth + height)
        return value

    def _reach(self, depth: int) -> None:
        if depth > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST} levels")
        self._deepest = max(self._deepest, depth)

    def _read(self, node: ScalarNode | SequenceNode | MappingNode) -> Value:
        if isinstance(node, ScalarNode):
            return node.text if node.style or node.tag else resolve(node.text)
        self._depth += 1
        self._reach(self._depth)
        try:
            if isinstance(node, SequenceNode):
                return [self.read(item) for item in node.items]
            return self._mapping(node)
        finally:
            self._depth -= 1

    def _mapping(self, node: MappingNode) -> dict[Value, Value]:
        merged: dict[Value, Value] = {}
        own: dict[Value, Value] = {}
        for key, child in node.entries:
            value = self.read(child)
            if isinstance(key, ScalarNode) and key.text == "<<" and not key.style:
                for source in value if isinstance(value, list) else [value]:
                    for name in source if isinstance(source, dict) else ():
                        merged.setdefault(name, source[name])
            else:
                name = self.read(key)
                own[name if isinstance(name, str | int | float | None) else str(name)] = value
        return {**merged, **own}
