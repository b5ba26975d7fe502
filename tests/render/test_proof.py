"""Edits that are right each alone must be right together."""

from gitops_prefix.render.locate import locate
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.plain_value import plain_value
from gitops_prefix.render.proof import FieldChange, prove, prove_together
from gitops_prefix.render.source import Source
from gitops_prefix.render.splice import Edit

TEXT = "a: 1\n"
B = FieldChange(("b",), (Edit(5, 5, "b: x\n"),), "x")
C = FieldChange(("c",), (Edit(5, 5, "c: y"),), "y")


def manifest() -> Manifest:
    source = Source("a.yaml", TEXT)
    root = locate(TEXT)
    assert root is not None
    return Manifest(source, next(source.documents()), root, plain_value(root))


def test_two_edits_that_agree_are_proved():
    for one in (B, C):
        assert prove(manifest(), one.path, one.edits, one.wanted) is None
    assert prove_together(manifest(), [B, C]) is None


def test_two_edits_that_run_into_each_other_are_refused():
    """`c: yb: x` is what the two come to in this order."""
    problem = prove_together(manifest(), [C, B])
    assert problem is not None
    assert str(problem).startswith("a.yaml:1:1: c and b cannot be edited together")


def test_a_value_that_is_not_the_wanted_one_is_refused():
    assert prove_together(manifest(), [B, C._replace(wanted="z")]) is not None
