"""New YAML text in an author's style, from strings, lists and mappings.

`resolve` is the other direction for one plain scalar: a text may be written without
quotes only where every parser reads the same string.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, cast

Quote: TypeAlias = Literal["'", '"']
Tree: TypeAlias = "str | Sequence[Tree] | Mapping[str, Tree]"
"""What is written: the leaves are strings."""

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_CONSTANTS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER = re.compile(r"[-+.0-9]")
_INTEGER = re.compile(r"[-+]?[0-9]{1,20}")
_OTHER_INTEGER = re.compile(r"0x[0-9a-fA-F]{1,16}|0o[0-7]{1,22}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")

_YAML_1_1 = (
    # Booleans, then integers.
    r"[yYnN]|[yY]es|YES|[nN]o|NO|[oO]n|ON|[oO]ff|OFF"
    r"|[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?0x[0-9a-fA-F_]+"
    # Numbers to the base 60, and decimal ones.
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"
    r"|[-+]?[0-9][0-9_]*|[-+]?[0-9._]+([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    # Timestamps, and two indicators.
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|=|<<"
)
_UNSAFE_PLAIN = r"""^[-?:,\[\]{}#&*!|>'"%@`\s]|[:#\s]$|:\s|\s\#|[\r\n\t]"""
_FLOW_PUNCTUATION = re.compile(r"[,\[\]{}]")


class Style(NamedTuple):
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


def resolve(text: str) -> str | int | float | None:
    """The value of a plain scalar (YAML 1.2 core schema, 10.3.2)."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if not _NUMBER.match(text):
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_INTEGER.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def is_plain_safe(text: str, *, in_flow: bool = True) -> bool:
    """Whether a plain scalar of this text is the same string in YAML 1.1 and 1.2.

    Args:
        text: the scalar.
        in_flow: whether it is inside braces or brackets, whose punctuation would
            end it (YAML 1.2, 7.3.3).
    """
    # Patterns in words: re compiles each once, at its first use, which few runs have.
    if re.search(_UNSAFE_PLAIN, text) or (in_flow and _FLOW_PUNCTUATION.search(text)):
        return False
    if not text.isprintable() or text in {"---", "..."}:
        return False
    return isinstance(resolve(text), str) and not re.fullmatch(_YAML_1_1, text)


def quoted(text: str, quote: Quote = '"') -> str:
    """The text in quotes, escaped as these quotes require."""
    if quote == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
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


def block_lines(tree: Tree, indent: int, style: Style) -> Iterator[str]:
    """Lines without their ends, in block style; an empty collection has no lines.

    Args:
        tree: a list or a mapping.
        indent: column of the keys or dashes.
        style: how far children are indented, and the quotes.
    """
    blanks = " " * indent
    if isinstance(tree, Mapping):
        for key, child in tree.items():
            yield from _entry(f"{blanks}{scalar_text(key, style)}:", child, indent, style)
    else:
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
        padding: what is inside of braces and brackets, beside their content.
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


def value_lines(value: object, indent: int, style: Style) -> Iterator[str]:
    """Lines of a list or a mapping in block style: numbers, booleans and null keep their type."""
    blanks = " " * indent
    if isinstance(value, Mapping):
        for key, child in value.items():
            head = f"{blanks}{scalar_text(str(key), style)}:"
            if isinstance(child, Mapping | list) and child:
                yield head
                yield from value_lines(child, indent + 2, style)
            else:
                yield f"{head} {_leaf(child, style)}"
    else:
        for item in cast("list[object]", value):
            is_deep = isinstance(item, Mapping | list) and item
            lines = [*value_lines(item, indent + 2, style)] if is_deep else []
            first, *rest = lines or [f"{blanks}  {_leaf(item, style)}"]
            yield f"{blanks}- {first[indent + 2 :]}"
            yield from rest


def _leaf(value: object, style: Style) -> str:
    if isinstance(value, str):
        return scalar_text(value, style)
    if value is None:
        return "null"
    if isinstance(value, Mapping | list):
        return "{}" if isinstance(value, Mapping) else "[]"
    return str(value).lower()
