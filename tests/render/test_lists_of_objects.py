"""Objects in a `kind: List`: reported with their place, whatever is around them."""

import pytest

from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings

HEAD = "apiVersion: v1\nkind: List\nitems:\n"
POOL = "- kind: X\n  metadata:\n    annotations:\n      dynamic-prefix.io/name: home\n"
PREFIX = "- apiVersion: dynamic-prefix.io/v1alpha1\n  kind: DynamicPrefix\n"


def reported(text: str) -> list[str]:
    problems = read_inventory({"l.yaml": text.encode()}, Settings()).problems
    return [
        f"{found.place} {found.severity} {found.code} {found.message[:8]}" for found in problems
    ]


CASES = {
    "an annotated object": (HEAD + POOL, ["l.yaml:7:31 warning in-a-list items[0]"]),
    "a DynamicPrefix": (HEAD + PREFIX, ["l.yaml:4:15 warning in-a-list items[0]"]),
    "the second of two": (HEAD + "- kind: Y\n" + POOL, ["l.yaml:8:31 warning in-a-list items[1]"]),
    "a list of one kind": (HEAD.replace("List", "ServiceList") + POOL, ["l.yaml:7:31 warning in-a-list items[0]"]),
    "nothing of ours": (HEAD + "- kind: Y\n  metadata: {annotations: {a: b}}\n", []),
    "annotations of others": (HEAD + "# dynamic-prefix.io/\n- metadata: {annotations: {a: b}}\n", []),
    "no annotations": (HEAD + "- kind: Y\n- 5\n- metadata: 5\n- metadata: {annotations: 5}\n", []),
    "no list": (
        HEAD.replace("List", "Lists") + POOL,
        ["l.yaml:7:7 warning annotation-elsewhere dynamic-"],
    ),
    "items that are no list": ("kind: List\nitems: 5\n", []),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_an_object_that_would_be_managed_elsewhere_is_reported(text, expected):
    assert reported(text) == expected
