"""Replacing one scalar: its quoting stays, and so does its meaning."""

from gitops_prefix.render.node import Node, ScalarNode
from gitops_prefix.render.plain_value import is_plain_safe
from gitops_prefix.render.splice import Edit
from gitops_prefix.render.style import quoted


class RefusedEditError(Exception):
    """A field stands where it cannot be edited without touching more than itself.

    Attributes:
        node: what is in the way.
    """

    def __init__(self, node: Node, message: str) -> None:
        super().__init__(message)
        self.node = node


def replace_scalar(node: Node, text: str, *, in_flow: bool = True) -> Edit:
    """The edit that makes `node` say `text`.

    Quotes stay. A plain scalar stays plain only while it is the same string in YAML
    1.1 and 1.2: `2001:10:20:30:40:50:1:2` is an integer to YAML 1.1.

    Args:
        node: what stands there.
        text: what it is to say.
        in_flow: whether it stands inside braces or brackets; nobody errs by True.

    Raises:
        RefusedEditError: it is an alias, a block scalar, or no scalar.
    """
    if not isinstance(node, ScalarNode):
        raise RefusedEditError(node, "this is no string of its own: write the value here")
    if node.style == '"' or node.style == "'":  # noqa: PLR1714  mypy narrows only this form
        return Edit(node.start, node.end, quoted(text, node.style))
    if node.style is not None:
        raise RefusedEditError(node, "this is a block scalar: write the value in quotes instead")
    # In braces libyaml takes a colon for YAML 1.1's: only its author may risk one there.
    new_colon = in_flow and ":" in text and ":" not in node.text
    plain = is_plain_safe(text, in_flow=in_flow) and not new_colon
    return Edit(node.start, node.end, text if plain else quoted(text))
