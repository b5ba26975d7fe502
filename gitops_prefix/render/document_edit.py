"""Whole documents that come and go behind another one in its file, and the proof of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from gitops_prefix.errors import Problem
from gitops_prefix.render.locate import NotYamlError, locate
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import Value
from gitops_prefix.render.plain_value import plain_value
from gitops_prefix.render.source import DocumentSpan, Source
from gitops_prefix.render.splice import Edit, splice
from gitops_prefix.render.style import newline_of


@dataclass(frozen=True, slots=True)
class DocumentEdit:
    """What happens to the documents of a file.

    Attributes:
        behind: the document that the added ones stand right behind.
        added: the text of each, with its `---` and a line break at its end.
        contents: the same as plain values.
        removed: documents that go.
    """

    behind: Manifest
    added: tuple[str, ...] = ()
    contents: tuple[Value, ...] = ()
    removed: tuple[DocumentSpan, ...] = ()

    def edits(self) -> tuple[Edit, ...]:
        """The edits, in the text of the whole file; it ends as it did, with a line break or not."""
        text = self.behind.source.text
        newline = newline_of(text)
        place, added = self.behind.span.end, "".join(self.added)
        bare_at = -1 if text.endswith("\n") else len(text)
        found = []
        for start, end in _merged(self.removed):
            if end == bare_at and start == place and added:
                added = added.removesuffix(newline)
            elif end == bare_at and text[:start].endswith(newline):
                start -= len(newline)  # noqa: PLW2901  the break before goes with it
            found.append(Edit(start, end, ""))
        if added and place == bare_at:
            added = newline + added.removesuffix(newline)
        return (Edit(place, place, added), *found) if added else tuple(found)


def _merged(spans: Sequence[DocumentSpan]) -> list[tuple[int, int]]:
    """Stretches of text; what touches is one."""
    merged: list[tuple[int, int]] = []
    for _, start, end in sorted(spans):
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def prove_documents(edit: DocumentEdit) -> Problem | None:
    """What is wrong with the edits, or None: read again, all other documents are what they were.

    Byte for byte, but for the line break that the last one may get or lose.
    """
    source = edit.behind.source
    wanted: list[str | Value] = []
    for span in source.documents():
        if span not in edit.removed:
            wanted.append(_body(source, span))
        if span == edit.behind.span:
            wanted += edit.contents
    after = Source(source.path, splice(source.text, edit.edits()))
    found: list[str | Value] = []
    for one, span in zip(wanted, after.documents(), strict=False):
        found.append(_body(after, span) if isinstance(one, str) else _content(after, span))
    if found == wanted and len([*after.documents()]) == len(wanted):
        return None
    return Problem(
        "edit-refused",
        "no document can be added or removed here without changing another one: put this one into "
        "a file of its own",
        edit.behind.place(edit.behind.root),
    )


def _body(source: Source, span: DocumentSpan) -> str:
    return source.text[span.start : span.end].removesuffix("\n").removesuffix("\r")


def _content(source: Source, span: DocumentSpan) -> Value:
    try:
        return plain_value(locate(source.text[span.start : span.end]))
    except (NotYamlError, ValueError):
        return None
