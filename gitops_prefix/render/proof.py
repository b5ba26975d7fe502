"""The proof of an edit: parsed again, all but the managed value is what it was.

And the managed value is what was meant: an edit that goes wrong is our mistake,
and must be an error before it is a commit.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.errors import Problem
from gitops_prefix.render.locate import NotYamlError, locate
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import Value, nearest_node
from gitops_prefix.render.plain_value import plain_value, value_at
from gitops_prefix.render.splice import Edit, splice

_AMBIGUOUS = re.compile("\r(?!\n)|[\x85\u2028\u2029\ufeff]")
"""Line breaks to YAML 1.1 (4.2) and not to 1.2 (5.4), or to neither's writers; and a byte
order mark inside of a document (1.2, 5.2), which is a blank to libyaml and text to others."""


def prove(manifest: Manifest, path: Path, edits: tuple[Edit, ...], wanted: Value) -> Problem | None:
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
    untouched = _without(content, [path]) == _without(manifest.content, [path])
    if untouched and value_at(content, path) == wanted:
        return None
    return Problem(
        "edit-refused",
        f"{dotted(path)} cannot be edited without changing something else (an anchor, an alias?): "
        "write it out plainly",
        manifest.place(nearest_node(manifest.root, path)),
    )


class FieldChange(NamedTuple):
    """The edits of one field, and what they are to make of it."""

    path: Path
    edits: tuple[Edit, ...]
    wanted: Value


def prove_together(manifest: Manifest, changes: Sequence[FieldChange]) -> Problem | None:
    """What is wrong with the edits of all fields of a document, or None.

    It says that something is; `prove` says it of the one field that is to blame, if one is.
    """
    edits = [edit for one in changes for edit in one.edits]
    try:
        content = plain_value(locate(splice(manifest.text, edits)))
    except (NotYamlError, ValueError):
        content = None
    paths = [one.path for one in changes]
    right = all(value_at(content, one.path) == one.wanted for one in changes)
    untouched = _without(content, paths) == _without(manifest.content, paths)
    if right and untouched and not _AMBIGUOUS.search(manifest.text):
        return None
    fields = " and ".join(dotted(one.path) for one in changes)
    return Problem(
        "edit-refused",
        f"{fields} cannot be edited together: write one of them on a line of its own",
        manifest.place(nearest_node(manifest.root, changes[0].path)),
    )


def _without(content: Value, paths: Sequence[Path]) -> Value:
    """The content without some fields, and without the mappings that held only them."""
    if not isinstance(content, dict | list):
        return content
    below: dict[str | int, list[Path]] = {}
    for path in paths:
        below.setdefault(path[0], []).append(path[1:])
    if isinstance(content, list):
        # An item is blanked, not left out: the others keep their numbers.
        return [_rest(item, below.get(index, ())) for index, item in enumerate(content)]
    rests = {key: _rest(value, below.get(key, ())) for key, value in content.items()}
    return {key: rest for key, rest in rests.items() if key not in below or rest}


def _rest(value: Value, paths: Sequence[Path]) -> Value:
    """What stays of a value; nothing, when one of the paths ends here."""
    if not paths:
        return value
    return _without(value, paths) if all(paths) else None
