"""The edits of fields, put into the files, and the proof that they change nothing else.

The edited text is parsed again: the field must have the value that was meant, and all
other values must be what they were. A wrong edit is our mistake, and must be an error
before it is a commit.
"""

import re
from collections.abc import Iterator, Sequence

from gitops_prefix.decide.fields import Path
from gitops_prefix.errors import Problem
from gitops_prefix.render.address_text import list_entry
from gitops_prefix.render.binding import FieldEdit, SiblingEdit
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import AliasNode, Value, value_at
from gitops_prefix.render.parse import NotYamlError, locate, plain_value
from gitops_prefix.render.positions import walk
from gitops_prefix.render.source import DocumentSpan, Edit, Source, newline_of, splice

_AMBIGUOUS = re.compile("\r(?!\n)|[\x85\u2028\u2029\ufeff]")
"""Line breaks to YAML 1.1 (4.2) and not to 1.2 (5.4), or to neither's writers; and a byte
order mark inside of a document (1.2, 5.2), which is a blank to libyaml and text to others."""

_OF_ADDRESSES = str.maketrans("", "", "0123456789abcdefABCDEF:.")


def splice_files(changed: Sequence[FieldEdit]) -> dict[str, bytes]:
    """The new content of each file that has edits."""
    by_path: dict[str, list[FieldEdit]] = {}
    for field in changed:
        by_path.setdefault(field.binding.path, []).append(field)
    return {path: _spliced(fields) for path, fields in sorted(by_path.items())}


def _spliced(fields: Sequence[FieldEdit]) -> bytes:
    source = fields[0].binding.manifest.source
    edits = (
        edit.shifted(field.binding.manifest.span.start) for field in fields for edit in field.edits
    )
    return source.encode(splice(source.text, edits))


def prove_edits(changed: Sequence[FieldEdit]) -> Iterator[Problem]:
    """What is wrong with the edits, if anything."""
    by_document: dict[tuple[str, int], list[FieldEdit]] = {}
    for field in changed:
        manifest = field.binding.manifest
        if manifest.is_text:
            yield from _prove_text(field)
        elif field.siblings is None:
            by_document.setdefault((manifest.path, manifest.span.number), []).append(field)
        elif not _prove_siblings(field, field.siblings):
            yield _refused_siblings(manifest)
    for together in by_document.values():
        yield from _prove_document(together)


def _prove_text(field: FieldEdit) -> Iterator[Problem]:
    """Characters of addresses alone take the place of such characters."""
    text = field.binding.manifest.text
    if field.whole is not None:
        yield from _prove_list(field)
        return
    written = "".join(text[edit.start : edit.end] for edit in field.edits)
    new = "".join(edit.text for edit in field.edits)
    if written.translate(_OF_ADDRESSES) != new.translate(_OF_ADDRESSES):
        message = f"{field.binding.field} cannot be edited: more than addresses would change"
        yield Problem("edit-refused", message, field.binding.place)


def _prove_list(field: FieldEdit) -> Iterator[Problem]:
    """In a plain list only lines that are networks are changed."""
    text = field.binding.manifest.text
    before, after = (
        [line for line in written.splitlines() if list_entry(line) is None]
        for written in (text, splice(text, field.edits))
    )
    if before != after:
        message = f"{field.binding.path} cannot be edited: more than networks would change"
        yield Problem("edit-refused", message, field.binding.place)


def _prove_document(fields: list[FieldEdit]) -> Iterator[Problem]:
    """Parse once for all fields of a document; once more for each field only after a failure."""
    manifest = fields[0].binding.manifest
    odd = _AMBIGUOUS.search(manifest.text)
    if odd is None and _is_proved(manifest, fields):
        return
    if odd is not None:
        place = manifest.source.place(manifest.span.start + odd.start())
        for field in fields:
            message = (
                f"{field.binding.field} cannot be edited: {odd.group()!r} is here, which YAML "
                "parsers read differently: remove it; lines end with LF or CRLF"
            )
            yield Problem("edit-refused", message, place)
        return
    wrong = [field for field in fields if not _is_proved(manifest, [field])]
    for field in wrong:
        message = (
            f"{field.binding.field} cannot be edited without changing something else (an anchor, "
            "an alias?): write it out plainly"
        )
        yield manifest.field_problem(field.binding.field_path, "edit-refused", message)
    if not wrong:
        names = " and ".join(field.binding.field for field in fields)
        message = f"{names} cannot be edited together: write one of them on a line of its own"
        yield manifest.field_problem(fields[0].binding.field_path, "edit-refused", message)


def _is_proved(manifest: Manifest, fields: Sequence[FieldEdit]) -> bool:
    """Whether the edits make what was meant of the fields, and nothing of anything else.

    Where aliases repeat an edited value, they are compared by their anchors: they follow.
    """
    after = splice(manifest.text, (edit for field in fields for edit in field.edits))
    content, before = _parse(after), manifest.content
    paths = [field.binding.field_path for field in fields]
    if any(value_at(content, field.binding.field_path) != field.wanted for field in fields):
        return False
    if any(field.aliases for field in fields):
        if _aliased(manifest.text) != _aliased(after):
            return False
        content = _parse(after, unfollowed=True)
        before = plain_value(manifest.root, unfollowed=True)
    return _without(content, paths) == _without(before, paths)


def _aliased(text: str) -> list[tuple[str, bool]]:
    """The aliases of a text and their anchors, in order: an alias has the last anchor before it."""
    root = locate(text)
    nodes = [position.node for position in walk(root)] if root is not None else []
    named = {node.anchor for node in nodes if isinstance(node, AliasNode)}
    return [
        (node.anchor, isinstance(node, AliasNode))
        for node in nodes
        if node.anchor is not None and node.anchor in named
    ]


def _parse(text: str, *, unfollowed: bool = False) -> Value:
    try:
        return plain_value(locate(text), unfollowed=unfollowed)
    except (NotYamlError, ValueError):
        return None


def _without(content: Value, paths: Sequence[Path]) -> Value:
    """The content without some fields, and without the mappings that had only these."""
    if not isinstance(content, dict | list):
        return content
    below: dict[str | int | float | None, list[Path]] = {}
    for path in paths:
        below.setdefault(path[0], []).append(path[1:])
    if isinstance(content, list):
        # An item is blanked and not left out: the others keep their numbers.
        return [_rest(item, below.get(index, ())) for index, item in enumerate(content)]
    rests = {key: _rest(value, below.get(key, ())) for key, value in content.items()}
    return {key: rest for key, rest in rests.items() if key not in below or rest}


def _rest(value: Value, paths: Sequence[Path]) -> Value:
    """The rest of a value; None when one of the paths ends here."""
    if not paths:
        return value
    return _without(value, paths) if all(paths) else None


def sibling_edits(parent: Manifest, siblings: SiblingEdit) -> tuple[Edit, ...]:
    """The edits that add and remove documents, in the text of the parent.

    The file ends as it did, with a line break or without.
    """
    text = parent.source.text
    newline = newline_of(text)
    place, added = parent.span.end, "".join(siblings.added)
    bare_at = None if text.endswith("\n") else len(text)
    found = []
    for start, end in _merged(siblings.removed):
        if end == bare_at and start == place and added:
            added = added.removesuffix(newline)
        elif end == bare_at and text[:start].endswith(newline):
            start -= len(newline)  # noqa: PLW2901  the line break before is removed too
        found.append(Edit(start, end, ""))
    if added and place == bare_at:
        added = newline + added.removesuffix(newline)
    if added:
        found.insert(0, Edit(place, place, added))
    return tuple(edit.shifted(-parent.span.start) for edit in found)


def _merged(spans: Sequence[DocumentSpan]) -> list[tuple[int, int]]:
    """Stretches of text; neighbours become one stretch."""
    merged: list[tuple[int, int]] = []
    for _, start, end in sorted(spans):
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def _prove_siblings(field: FieldEdit, siblings: SiblingEdit) -> bool:
    """Whether all other documents stay, byte for byte, and the added ones are what was meant.

    The last document may get or lose its line break.
    """
    parent = field.binding.manifest
    source = parent.source
    wanted: list[str | Value] = []
    for span in source.documents():
        if span not in siblings.removed:
            wanted.append(_body(source, span))
        if span == parent.span:
            wanted += siblings.contents
    edits = (edit.shifted(parent.span.start) for edit in field.edits)
    after = Source(source.path, splice(source.text, edits))
    found = [
        _body(after, span) if isinstance(meant, str) else _parse(after.text[span.start : span.end])
        for meant, span in zip(wanted, after.documents(), strict=False)
    ]
    return found == wanted and len([*after.documents()]) == len(wanted)


def _refused_siblings(parent: Manifest) -> Problem:
    message = (
        "no document can be added or removed here without changing another one: move this one "
        "into a file of its own"
    )
    return parent.problem(parent.root, "edit-refused", message)


def _body(source: Source, span: DocumentSpan) -> str:
    return source.text[span.start : span.end].removesuffix("\n").removesuffix("\r")
