"""Putting a place to what is wrong."""

from gitops_prefix.decide.fields import FieldProblem
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import Node, nearest_node


def at_node(
    manifest: Manifest, node: Node, code: str, message: str, severity: Severity = Severity.ERROR
) -> Problem:
    """A problem with one node of a manifest."""
    return Problem(code, message, manifest.place(node), severity)


def at_field(manifest: Manifest, problem: FieldProblem) -> Problem:
    """A field's problem, at the field or at what should hold it."""
    node = nearest_node(manifest.root, problem.path)
    return Problem(problem.code, problem.message, manifest.place(node), problem.severity)
