"""YAML text -> nodes with their positions, from libyaml's events.

Events cost a tenth of what composing does and know the same positions. What they
do not know is put right here: a start mark includes the anchor and tag before it.
"""

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from _ruamel_yaml import CParser
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from gitops_prefix.render.node import (
    DEEPEST,
    AliasNode,
    Entry,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
)

MOST_NODES = 200_000
"""Values in one document; the largest of CustomResourceDefinitions has a tenth of it."""
_MOST_FOR_PYTHON = 512 * 1024
"""Characters that the parser in Python is given, which needs seven seconds a MiB."""

_OF_YAML_1_1 = {
    "found unexpected ':'",
    "did not find expected ',' or ']'",
    "did not find expected ',' or '}'",
}
"""What libyaml says of `[fd00::/64]` and `{a: /?b}`: strings to YAML 1.2 (7.3.3) and Kubernetes."""

_FORBIDDEN = re.compile(r"[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PROPERTIES = re.compile(r"(?:[&!]\S*(?:(?:[ \t]*(?:#[^\n]*)?\r?\n[ \t]*)+|[ \t]+|$))+")


class NotYamlError(Exception):
    """The text does not parse.

    Attributes:
        offset: where, in characters of the text.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    sequence: bool
    flow: bool
    start: int
    anchor: str | None
    children: list[Node] = field(default_factory=list)

    def close(self, end: int) -> Node:
        if self.sequence:
            return SequenceNode(tuple(self.children), self.flow, self.start, end, self.anchor)
        pairs = zip(self.children[::2], self.children[1::2], strict=True)
        entries = tuple(Entry(key, child) for key, child in pairs)
        return MappingNode(entries, self.flow, self.start, end, self.anchor)


def locate(text: str) -> Node | None:
    """The root node of the one document in `text`, or None when it is empty.

    Raises:
        NotYamlError: it does not parse, is nested deeper than `DEEPEST`, or holds more than
            `MOST_NODES`.
    """
    try:
        return _locate_in(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(filter(None, (error.problem, error.context)))
        raise NotYamlError(message, min(mark.index, len(text)) if mark else 0) from error
    except (YAMLError, UnicodeError) as error:
        # A character that YAML forbids (1.2, 5.1); the reader knows no mark for it.
        forbidden = _FORBIDDEN.search(text)
        offset = forbidden.start() if forbidden else 0
        raise NotYamlError("a character that YAML does not allow", offset) from error


def _locate_in(text: str) -> Node | None:
    try:
        return _locate(text, iter(CParser(text).get_event, None))
    except MarkedYAMLError as error:
        if error.problem not in _OF_YAML_1_1 or len(text) > _MOST_FOR_PYTHON:
            raise
        # Ten times as slow, and never asked but here.
        with contextlib.suppress(MarkedYAMLError):
            return _locate(text, YAML(typ="safe", pure=True).parse(text))
        raise


def _locate(text: str, events: Iterable[Any]) -> Node | None:
    stack: list[_Open] = []
    root: Node | None = None
    for number, event in enumerate(events):
        if number > MOST_NODES:
            message = f"more than {MOST_NODES} values in one document"
            raise NotYamlError(message, event.start_mark.index)
        node = _take(text, event, stack)
        if node is None:
            continue
        if stack:
            stack[-1].children.append(node)
        elif root is None:
            root = node
    if isinstance(root, ScalarNode) and not root.text and root.style is None:
        return None
    return root


def _take(text: str, event: Any, stack: list[_Open]) -> Node | None:
    """Take one event in.

    Returns:
        The node that it completes, if it does.
    """
    kind = type(event).__name__
    if kind == "ScalarEvent":
        return _scalar(text, event)
    if kind in {"MappingStartEvent", "SequenceStartEvent"}:
        if len(stack) >= DEEPEST:
            raise NotYamlError(f"nested deeper than {DEEPEST} levels", event.start_mark.index)
        start = _behind_properties(text, event)
        stack.append(
            _Open(kind == "SequenceStartEvent", bool(event.flow_style), start, event.anchor)
        )
        return None
    if kind in {"MappingEndEvent", "SequenceEndEvent"}:
        return stack.pop().close(event.end_mark.index)
    if kind == "AliasEvent":
        return AliasNode(event.anchor, event.start_mark.index, event.end_mark.index)
    return None


def _scalar(text: str, event: Any) -> ScalarNode:
    return ScalarNode(
        event.value,
        event.style or None,
        _behind_properties(text, event),
        event.end_mark.index,
        event.tag,
        event.anchor,
    )


def _behind_properties(text: str, event: Any) -> int:
    start: int = event.start_mark.index
    if event.anchor is None and event.tag is None:
        return start
    properties = _PROPERTIES.match(text, start)
    return properties.end() if properties else start
