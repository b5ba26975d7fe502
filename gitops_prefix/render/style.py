"""How an author writes, so that what we add looks the same."""

import re
from dataclasses import dataclass
from typing import Literal

from gitops_prefix.render.node import MappingNode, Node, ScalarNode, SequenceNode
from gitops_prefix.render.plain_value import is_plain_safe

Quote = Literal["'", '"']
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Style:
    r"""What the surroundings have.

    Attributes:
        newline: "\n" or "\r\n".
        mapping_step: blanks by which a mapping's children are indented.
        sequence_step: blanks by which a dash is indented below its key.
        quote: the quotes around addresses.
        bare: whether a word may stay without quotes; JSON's may not.
    """

    newline: str = "\n"
    mapping_step: int = 2
    sequence_step: int = 2
    quote: Quote = '"'
    bare: bool = True


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


def _is_quoted(root: Node) -> bool:
    """Whether a mapping has its first key in double quotes, as JSON has."""
    key = root.entries[0].key if isinstance(root, MappingNode) and root.entries else None
    return isinstance(key, ScalarNode) and key.style == '"'


def newline_of(text: str) -> str:
    """The line break that the first line ends with."""
    first_break = text.find("\n")
    return "\r\n" if first_break > 0 and text[first_break - 1] == "\r" else "\n"


def _step(text: str, key: Node, child: Node) -> int | None:
    """By how many columns a block collection is indented below its key."""
    if not isinstance(child, MappingNode | SequenceNode) or child.flow:
        return None
    return max(0, column(text, child.start) - column(text, key.start))


def column(text: str, offset: int) -> int:
    """The column of an offset, from 0."""
    return offset - (text.rfind("\n", 0, offset) + 1)


def line_end(text: str, offset: int) -> int:
    """Where the line after `offset` begins; `offset` itself when it begins a line."""
    if offset and text[offset - 1] == "\n":
        return offset
    newline = text.find("\n", offset)
    return len(text) if newline < 0 else newline + 1


def quoted(text: str, quote: Quote = '"') -> str:
    """The text in quotes, escaped as they ask for."""
    if quote == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(_escape(character) for character in text) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"


def scalar_text(text: str, style: Style, quote: Quote = '"') -> str:
    """A new scalar: a bare word stays plain, everything else is quoted."""
    if style.bare and _WORD.fullmatch(text) and is_plain_safe(text):
        return text
    return quoted(text, quote)
