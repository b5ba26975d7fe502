"""YAML text -> nodes with their positions, by libyaml's events -> plain values.

Events cost a tenth of composing and have the same positions, with one exception that
is corrected here: the start mark of a node includes its anchor and tag.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from _ruamel_yaml import CParser
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from gitops_prefix.render.node import (
    DEEPEST,
    AliasNode,
    Entry,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    Value,
)
from gitops_prefix.render.source import line_start
from gitops_prefix.render.style import resolve

MOST_NODES = 200_000
"""Values in one document; the largest CustomResourceDefinitions have a tenth of that."""
MOST_REPEATED = 100_000
"""Values that the aliases of a document may repeat, in all."""
_MOST_FOR_PYTHON = 512 * 1024
"""Characters that the parser in Python may read; it needs seven seconds a MiB."""

_OF_YAML_1_1 = {
    "found unexpected ':'",
    "did not find expected ',' or ']'",
    "did not find expected ',' or '}'",
}
"""libyaml's errors at `[fd00::/64]` and `{a: /?b}`: strings to YAML 1.2 (7.3.3) and Kubernetes."""

_BARE_ADDRESS = (
    r"(?:[:-] +|[,{\[] *|^ *)([0-9A-Fa-f:]{0,40}::[0-9A-Fa-f:.]{0,40}(?:/[0-9]+)?)(?=[ ,}\]\r]|$)"
)
_AROUND = 100
"""An IPv6 address without quotes behind a key or a dash."""
_GLUED_MARKER = re.compile(r"[^\s#]#+[ \t]*\{[ \t]*[\"']\$dynamicprefix\b")
_ODD_ANCHOR = r"(?a)(?<![^\s,\[{])[&*][^\s,\[\]{}]*[^\w\s,\[\]{}-][^\s,\[\]{}]*"
"""An anchor or alias that YAML 1.2 allows (6.9.2), and the readers of Kubernetes do not."""
_FORBIDDEN = r"[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_PROPERTIES = re.compile(r"(?:[&!]\S*(?:(?:[ \t]*(?:#[^\n]*)?\r?\n[ \t]*)+|[ \t]+|$))+")


_CONFLICT = re.compile(r"^(?:<{7}|>{7})(?= )", re.MULTILINE)
"""The marks of git-merge(1) around what it could not merge."""
_BARE_KEY = re.compile(r" *(?:- +)?([\w.$/-]{1,99}[:=][\w.$/-]{1,99})[ \r]*")
"""`key=value` or `key:value`, which YAML reads as one word."""


class NotYamlError(Exception):
    """The text does not parse.

    Attributes:
        offset: where, in characters of the text.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def locate(text: str) -> Node | None:
    """The root node of the one document in `text`, or None when the document is empty.

    Raises:
        NotYamlError: the text does not parse, is nested deeper than `DEEPEST`, or holds
            more than `MOST_NODES`.
    """
    try:
        return _locate_in(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(filter(None, (error.problem, error.context)))
        offset = min(mark.index, len(text)) if mark else 0
        conflict = _CONFLICT.search(text)
        if conflict is not None:
            words = (
                f"Git left both sides of a merge at {conflict[0]}: keep one, and remove the marks"
            )
            raise NotYamlError(words, conflict.start()) from error
        raise NotYamlError(_in_plain_words(text, offset, message) + message, offset) from error
    except (YAMLError, UnicodeError) as error:
        # A character that YAML forbids (1.2, 5.1); the reader has no mark for it.
        forbidden = re.search(_FORBIDDEN, text)
        offset = forbidden.start() if forbidden else 0
        raise NotYamlError("a character that YAML does not allow", offset) from error


def _in_plain_words(text: str, offset: int, message: str) -> str:
    """What frequent mistakes are called; empty for others, which libyaml's words must do."""
    line_begins = line_start(text, offset)
    line = text[line_begins:].split("\n", 1)[0]
    if "\t" in line[: len(line) - len(line.lstrip())] or text.startswith("\t", offset):
        return "there is a tab, and YAML is indented with blanks: "
    start = max(line_begins, offset - _AROUND)
    address = re.search(_BARE_ADDRESS, text[start : start + 2 * _AROUND].split("\n", 1)[0])
    if address:
        return f'quote the address, as in "{address[1]}": '
    if _GLUED_MARKER.search(line):
        return "write a blank before the # of the marker: "
    for anchor in re.finditer(_ODD_ANCHOR, line):
        if anchor.start() <= offset - line_begins <= anchor.end():
            words = "a name has letters, digits, - and _ alone; quote it if it is text"
            return f'"{anchor[0]}" is read as an anchor or alias, and {words}: '
    above = text[: max(text.rfind("\n", 0, offset), 0)].rpartition("\n")[2]
    key = _BARE_KEY.fullmatch(above)
    if key:
        return f'write a colon and a blank behind the key of "{key[1]}": '
    is_indented = "block mapping" in message and line.startswith(" ")
    return "indent this line as the lines beside it: " if is_indented else ""


def _locate_in(text: str) -> Node | None:
    try:
        return _Builder(text).build(iter(CParser(text).get_event, None))
    except MarkedYAMLError as error:
        if error.problem not in _OF_YAML_1_1 or len(text) > _MOST_FOR_PYTHON:
            raise
        from ruamel.yaml import YAML  # noqa: PLC0415  ten times as slow, and rarely needed

        try:
            return _Builder(text).build(YAML(typ="safe", pure=True).parse(text))
        except MarkedYAMLError:
            raise error from None


class _Open(NamedTuple):
    """A collection whose end has not been read yet."""

    sequence: bool
    flow: bool
    start: int
    anchor: str | None
    children: list[Node]

    def close(self, end: int) -> Node:
        if self.sequence:
            return SequenceNode(tuple(self.children), self.flow, self.start, end, self.anchor)
        children = iter(self.children)
        entries = tuple(map(Entry, children, children))
        return MappingNode(entries, self.flow, self.start, end, self.anchor)


class _Builder:
    """Builds the nodes of one document from the events of a parser, which has no types."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[_Open] = []

    def build(self, events: Iterable[Any]) -> Node | None:
        """The root node, or None when the document is empty."""
        taken: dict[str, Callable[[Any], Node | None]] = {
            "ScalarEvent": self._scalar,
            "MappingStartEvent": self._begin_mapping,
            "SequenceStartEvent": self._begin_sequence,
            "MappingEndEvent": self._end,
            "SequenceEndEvent": self._end,
            "AliasEvent": self._alias,
        }
        root: Node | None = None
        for number, event in enumerate(events):
            if number > MOST_NODES:
                message = f"more than {MOST_NODES} values in one document"
                raise NotYamlError(message, event.start_mark.index)
            take = taken.get(type(event).__name__)
            node = take(event) if take else None
            if node is None:
                continue
            if self._open:
                self._open[-1].children.append(node)
            elif root is None:
                root = node
        if isinstance(root, ScalarNode) and not root.text and root.style is None:
            return None
        return root

    def _scalar(self, event: Any) -> ScalarNode:
        return ScalarNode(
            event.value,
            event.style or None,
            self._behind_properties(event),
            event.end_mark.index,
            event.tag,
            event.anchor,
        )

    def _begin_mapping(self, event: Any) -> None:
        self._begin(event, sequence=False)

    def _begin_sequence(self, event: Any) -> None:
        self._begin(event, sequence=True)

    def _begin(self, event: Any, *, sequence: bool) -> None:
        if len(self._open) >= DEEPEST:
            raise NotYamlError(f"nested deeper than {DEEPEST} levels", event.start_mark.index)
        start, flow = self._behind_properties(event), bool(event.flow_style)
        self._open.append(_Open(sequence, flow, start, event.anchor, []))

    def _end(self, event: Any) -> Node:
        return self._open.pop().close(event.end_mark.index)

    @staticmethod
    def _alias(event: Any) -> AliasNode:
        return AliasNode(event.anchor, event.start_mark.index, event.end_mark.index)

    def _behind_properties(self, event: Any) -> int:
        start: int = event.start_mark.index
        if event.anchor is None and event.tag is None:
            return start
        properties = _PROPERTIES.match(self._text, start)
        return properties.end() if properties else start


def plain_value(node: Node | None, *, unfollowed: bool = False) -> Value:
    """The value of a node and all below it, as Kubernetes' YAML readers understand it.

    An alias shares the value of its anchor, so no document grows by its aliases.

    Args:
        node: the root of a document.
        unfollowed: whether an alias is only its own text, `*anchor`.

    Raises:
        ValueError: an alias has no anchor, or is inside of its own anchor's value; or
            aliases make the value larger than `MOST_REPEATED`, or deeper than `DEEPEST`.
    """
    return _Reader(unfollowed=unfollowed).read(node) if node is not None else None


class _Anchored(NamedTuple):
    """The value of an anchor, how many nodes it has, and how deep it is."""

    value: Value
    nodes: int
    height: int


class _Reader:
    """Reads one document, and remembers the values of its anchors.

    Aliased values share memory but explode when they are compared or printed. So the
    expanded nodes are counted, and reading stops at MOST_REPEATED.
    """

    def __init__(self, *, unfollowed: bool) -> None:
        self._unfollowed = unfollowed
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
        if self._unfollowed:
            return f"*{alias.anchor}"
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
        value: Value
        if isinstance(node, SequenceNode):
            value = [self.read(item) for item in node.items]
        else:
            value = self._mapping(node)
        self._depth -= 1
        return value

    def _mapping(self, node: MappingNode) -> dict[Any, Value]:
        merged: dict[Any, Value] = {}
        own: dict[Any, Value] = {}
        for key, child in node.entries:
            value = self.read(child)
            merges = isinstance(key, ScalarNode) and key.text == "<<" and not key.style
            if merges and not self._unfollowed:
                for source in value if isinstance(value, list) else [value]:
                    if isinstance(source, dict):
                        for name, item in source.items():
                            merged.setdefault(name, item)
            else:
                name = self.read(key)
                own[name if isinstance(name, str | int | float | None) else str(name)] = value
        return {**merged, **own}
