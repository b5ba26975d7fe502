"""Edits that are right each alone must be right together."""

from functools import partial

import pytest

from gitops_prefix.render.binding import Binding, FieldEdit
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import Value
from gitops_prefix.render.parse import locate, plain_value
from gitops_prefix.render.proof import prove_edits
from gitops_prefix.render.source import Edit, Source

TEXT = "a: 1\n"


def edit_of(key: str, text: str, wanted: Value) -> FieldEdit:
    """A key that is added behind the text."""
    source, root = Source("a.yaml", TEXT), locate(TEXT)
    assert root is not None
    manifest = Manifest(source, next(source.documents()), TEXT, root, plain_value(root))
    binding = Binding(manifest, (key,), "home", partial(FieldEdit))
    return FieldEdit(binding, (Edit(5, 5, text),), None, wanted)


B, C = edit_of("b", "b: x\n", "x"), edit_of("c", "c: y", "y")
TOGETHER = "c and b cannot be edited together: write one of them on a line of its own"
ALONE = (
    "c cannot be edited without changing something else (an anchor, an alias?): write it out "
    "plainly"
)

CASES = {
    "each alone": ([B], []),
    "two that agree": ([B, C], []),
    # `c: yb: x` is the result in this order.
    "two that run into each other": ([C, B], [TOGETHER]),
    "another value than the wanted one": ([B, C._replace(after="z")], [ALONE]),
    "an edit that breaks the document": ([edit_of("c", "c: [", "y")], [ALONE]),
    "an edit that changes another value": ([edit_of("c", "c: y\na: 2", "y")], [ALONE]),
}


@pytest.mark.parametrize(("edits", "messages"), CASES.values(), ids=CASES)
def test_edits_are_proved_or_refused(edits: list[FieldEdit], messages: list[str]):
    problems = [*prove_edits(edits)]
    assert [str(problem) for problem in problems] == [f"a.yaml:1:1: {text}" for text in messages]
    assert {problem.code for problem in problems} <= {"edit-refused"}
