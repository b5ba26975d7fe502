"""The edits of fields, wherever in a repository they stand: proved, and put into the files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitops_prefix.decide.fields import Path
from gitops_prefix.errors import Problem
from gitops_prefix.render.document_edit import DocumentEdit, prove_documents
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import Value
from gitops_prefix.render.proof import FieldChange, prove, prove_together
from gitops_prefix.render.splice import Edit, splice


@dataclass(frozen=True, slots=True)
class EditedField:
    """One field, and the edits that make it what it is to be.

    Attributes:
        path: keys and indices from the document's root.
        edits: in the manifest's own text; empty when the field stands right already.
        before: as it is told; None when the field was not there.
        after: as it is told.
        wanted: what the field is to be, as plain values; `after` may say it in short.
        documents: whole documents that come and go, where the edits are of these.
    """

    manifest: Manifest
    path: Path
    edits: tuple[Edit, ...]
    before: Value
    after: Value
    wanted: Value
    documents: DocumentEdit | None = None


def prove_edits(changed: Sequence[EditedField]) -> Iterator[Problem]:
    """What is wrong with the edits: read again, every other value is what it was."""
    by_document: dict[tuple[str, int], list[EditedField]] = {}
    for one in changed:
        if one.documents is None:
            document = (one.manifest.path, one.manifest.span.number)
            by_document.setdefault(document, []).append(one)
        elif (problem := prove_documents(one.documents)) is not None:
            yield problem
    for together in by_document.values():
        yield from _prove_document(together)


def _prove_document(together: list[EditedField]) -> Iterator[Problem]:
    """Parsed once for all its fields; once for each only to tell which one is wrong."""
    manifest = together[0].manifest
    changes = [FieldChange(one.path, one.edits, one.wanted) for one in together]
    problem = prove_together(manifest, changes)
    if problem is not None:
        alone = [found for one in changes if (found := prove(manifest, *one)) is not None]
        yield from alone or [problem]


def splice_files(changed: Sequence[EditedField]) -> dict[str, bytes]:
    """The new content of each file that has edits."""
    by_path: dict[str, list[EditedField]] = {}
    for one in changed:
        by_path.setdefault(one.manifest.path, []).append(one)
    return {
        path: edits[0].manifest.source.encode(
            splice(
                edits[0].manifest.source.text,
                (edit.shifted(one.manifest.span.start) for one in edits for edit in one.edits),
            )
        )
        for path, edits in sorted(by_path.items())
    }
