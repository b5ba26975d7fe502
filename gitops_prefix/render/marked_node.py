"""Where markers stand: the comment that ends a line, and the value that it is about.

ips: "2001:db8:1234:0:f000::10"   # {"$dynamicprefix": "home:lb:address:::10"}
cidrs:                            # {"$dynamicprefix": "home:lb:cidrs"}
- 2001:db8:1234:0:f000::/68
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter

from gitops_prefix.decide.fields import Path
from gitops_prefix.render.edit_field import is_null
from gitops_prefix.render.files import MARKER
from gitops_prefix.render.node import AliasNode, MappingNode, Node, ScalarNode, SequenceNode
from gitops_prefix.render.plain_value import resolve

_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#[^\r\n]*", re.MULTILINE)
_FORM = re.compile(rf"#[ \t]*(\{{[^}}]*{re.escape(MARKER)}.*)")
_ASIDE = re.compile(rf'\{{[ \t]*"{re.escape(MARKER)}"[ \t]*:')
_PROPERTIES = re.compile(r"\s*:?[ \t]*([&!][^\s]*[ \t]*)*,?[ \t]*")


@dataclass(frozen=True, slots=True)
class Position:
    """A value that may be marked.

    Attributes:
        path: keys and indices from the document's root.
        key: what stands before its colon; None for an item of a list.
        in_flow: whether it stands inside braces or brackets.
    """

    path: Path
    node: Node
    key: Node | None
    in_flow: bool


@dataclass(frozen=True, slots=True)
class MarkedNode:
    """A comment in the form of a marker.

    Attributes:
        text: what `$dynamicprefix` says; None when the comment does not parse.
        offset: of the comment.
        position: what it is about; None when there is nothing on its line.
        in_scalar: the block scalar that the comment is only text of, or None.
        others: keys of its JSON that say nothing to us.
        aside: whether words stand before its JSON, so that it is none.
    """

    text: str | None
    offset: int
    position: Position | None
    in_scalar: ScalarNode | None = None
    others: tuple[str, ...] = ()
    aside: bool = False


def find_marked_nodes(text: str, root: Node) -> Iterator[MarkedNode]:
    """Every comment in the form of a marker, and what it is about."""
    if MARKER not in text:
        return
    scalars = sorted(_scalars(root), key=_start)
    ends = sorted(_ends(root, scalars), key=itemgetter(0))
    for comment, around in _comments(text, scalars):
        offset = comment.start()
        form = _FORM.fullmatch(comment.group().rstrip())
        position = _before(text, offset, ends)
        if form is not None:
            said, others = _read(form.group(1))
            yield MarkedNode(said, offset, position, around, others)
        elif position is not None and _ASIDE.search(comment.group()):
            yield MarkedNode(None, offset, position, around, aside=True)


def _comments(
    text: str, scalars: list[ScalarNode]
) -> Iterator[tuple[re.Match[str], ScalarNode | None]]:
    """Every comment, and the block scalar around it; none in quotes or in a plain scalar."""
    comment = _COMMENT.search(text)
    while comment is not None:
        index = bisect_right(scalars, comment.start(), key=_start) - 1
        inside = index >= 0 and comment.start() < scalars[index].end
        around = scalars[index] if inside else None
        if around is None or around.style in {"|", ">"}:
            yield comment, around
            comment = _COMMENT.search(text, comment.end())
        else:
            comment = _COMMENT.search(text, around.end)


def _start(node: ScalarNode) -> int:
    return node.start


def _read(text: str) -> tuple[str | None, tuple[str, ...]]:
    """What the marker says, if it says one thing, and the other keys beside it."""
    try:
        pairs = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None, ()
    said = [value for key, value in pairs if key == MARKER]
    others = tuple(key for key, _ in pairs if key != MARKER)
    return (said[0] if len(said) == 1 and isinstance(said[0], str) else None), others


def _walk(root: Node, anchors: Mapping[str, ScalarNode]) -> Iterator[Position]:
    """Every value with its path, in the order of the text."""
    pending = [Position((), root, None, in_flow=False)]
    while pending:
        one = pending.pop()
        yield one
        if isinstance(one.node, MappingNode):
            inside = one.in_flow or one.node.flow
            pending += [
                Position((*one.path, _step(name)), entry.value, entry.key, inside)
                for entry in reversed(one.node.entries)
                if (name := _name(entry.key, anchors)) is not None
            ]
        elif isinstance(one.node, SequenceNode):
            inside = one.in_flow or one.node.flow
            pending += [
                Position((*one.path, index), item, None, inside)
                for index, item in reversed([*enumerate(one.node.items)])
            ]


def _name(key: Node, anchors: Mapping[str, ScalarNode]) -> ScalarNode | None:
    """What a key says, behind an alias too: `*app :` is a habit of Helm values."""
    if isinstance(key, AliasNode):
        return anchors.get(key.anchor)
    return key if isinstance(key, ScalarNode) else None


def _step(key: ScalarNode) -> str | int:
    """A key as the document's values have it."""
    value = key.text if key.style or key.tag else resolve(key.text)
    return value if type(value) is int else key.text


def _scalars(root: Node) -> Iterator[ScalarNode]:
    pending: list[Node] = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, ScalarNode):
            yield node
        elif isinstance(node, MappingNode):
            pending += [part for entry in node.entries for part in entry]
        elif isinstance(node, SequenceNode):
            pending += node.items


def _before(text: str, offset: int, ends: list[tuple[int, Position]]) -> Position | None:
    """The value that ends on this line, or whose key does."""
    line_start = text.rfind("\n", 0, offset) + 1
    first = bisect_right(ends, line_start, key=itemgetter(0))
    last = bisect_right(ends, offset, key=itemgetter(0))
    for end, position in reversed(ends[first:last]):
        if _PROPERTIES.fullmatch(text, end, offset):
            return position
    return None


def _ends(root: Node, scalars: list[ScalarNode]) -> Iterator[tuple[int, Position]]:
    """Where a marker of each value may follow: behind it, or behind its key."""
    anchors = {one.anchor: one for one in scalars if one.anchor is not None}
    for one in _walk(root, anchors):
        node = one.node
        beside = isinstance(node, AliasNode | ScalarNode) or node.flow
        if beside and node.end > node.start:
            yield node.end, one
        if one.key is not None and (not beside or is_null(node)):
            yield one.key.end, one
