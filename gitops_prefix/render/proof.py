"""The proof of an edit: parsed again, all but the managed value is what it was.

And the managed value is what was meant: an edit that goes wrong is our mistake,
and must be an error before it is a commit.
"""

import re

from gitops_prefix.decide.fields import dotted
from gitops_prefix.errors import Problem
from gitops_prefix.render.locate import NotYamlError, locate
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import Value, nearest_node
from gitops_prefix.render.plain_value import plain_value
from gitops_prefix.render.splice import Edit, splice

_AMBIGUOUS = re.compile("\r(?!\n)|[\x85\u2028\u2029\ufeff]")
"""Line breaks to YAML 1.1 (4.2) and not to 1.2 (5.4), or to neither's writers; and a byte
order mark inside of a document (1.2, 5.2), which is a blank to libyaml and text to others."""


def prove(
    manifest: Manifest, path: tuple[str, ...], edits: tuple[Edit, ...], wanted: Value
) -> Problem | None:
    """What is wrong with the edits of one field, or None.

    Args:
        manifest: as it stands.
        path: of the field.
        edits: in the manifest's own text.
        wanted: what the field is to be.
    """
    odd = _AMBIGUOUS.search(manifest.text)
    if odd:
        return Problem(
            "edit-refused",
            f"{dotted(path)} cannot be edited: {odd.group()!r} stands here, which YAML parsers "
            "read differently: remove it; lines end with LF or CRLF",
            manifest.source.place(manifest.span.start + odd.start()),
        )
    try:
        content = plain_value(locate(splice(manifest.text, edits)))
    except (NotYamlError, ValueError):
        content = None
    untouched = _without(content, path) == _without(manifest.content, path)
    if untouched and _value(content, path) == wanted:
        return None
    return Problem(
        "edit-refused",
        f"{dotted(path)} cannot be edited without changing something else (an anchor, an alias?): "
        "write it out plainly",
        manifest.place(nearest_node(manifest.root, path)),
    )


def _value(content: Value, path: tuple[str, ...]) -> Value:
    for key in path:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _without(content: Value, path: tuple[str, ...]) -> Value:
    """The content without one field, and without the mappings that held only it."""
    if not isinstance(content, dict) or path[0] not in content:
        return content
    rest = {key: value for key, value in content.items() if key != path[0]}
    if len(path) == 1:
        return rest
    inner = _without(content[path[0]], path[1:])
    return {**rest, path[0]: inner} if inner else rest
