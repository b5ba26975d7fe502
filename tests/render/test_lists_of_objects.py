"""Objects in a `kind: List`: told with their place, whatever stands around them."""

import pytest

from gitops_prefix.render.lists_of_objects import nested_in_list
from gitops_prefix.render.locate import locate
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.plain_value import plain_value
from gitops_prefix.render.source import Source

HEAD = "apiVersion: v1\nkind: List\nitems:\n"
POOL = "- kind: X\n  metadata:\n    annotations:\n      dynamic-prefix.io/name: home\n"
PREFIX = "- apiVersion: dynamic-prefix.io/v1alpha1\n  kind: DynamicPrefix\n"


def told(text: str) -> list[str]:
    source = Source.decode("l.yaml", text.encode())
    (span,) = source.documents()
    root = locate(text)
    problems = nested_in_list(Manifest(source, span, root, plain_value(root)))
    return [f"{one.place} {one.severity} {one.code} {one.message[:8]}" for one in problems]


CASES = {
    "an annotated object": (HEAD + POOL, ["l.yaml:7:31 warning in-a-list items[0]"]),
    "a DynamicPrefix": (HEAD + PREFIX, ["l.yaml:4:15 warning in-a-list items[0]"]),
    "the second of two": (HEAD + "- kind: Y\n" + POOL, ["l.yaml:8:31 warning in-a-list items[1]"]),
    "a list of one kind": (HEAD.replace("List", "ServiceList") + POOL, ["l.yaml:7:31 warning in-a-list items[0]"]),
    "nothing of ours": (HEAD + "- kind: Y\n  metadata: {annotations: {a: b}}\n", []),
    "no annotations": (HEAD + "- kind: Y\n- 5\n- metadata: 5\n- metadata: {annotations: 5}\n", []),
    "no list": (HEAD.replace("List", "Lists") + POOL, []),
    "items that are none": ("kind: List\nitems: 5\n", []),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_what_would_be_managed_elsewhere_is_told(text, expected):
    assert told(text) == expected
