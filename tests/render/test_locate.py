"""Nodes know where they stand: what a node says is what its text says."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gitops_prefix.render.node import (
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    at_path,
    content_end,
    duplicate_keys,
    nearest_node,
)
from gitops_prefix.render.parse import DEEPEST, MOST_NODES, NotYamlError, locate

SPANS = {
    "a plain scalar": ("a: b c # d\n", ("a",), "b c"),
    "single quotes": ("a: 'it''s'\n", ("a",), "'it''s'"),
    "double quotes": ('a: "b\\"c" # d\n', ("a",), '"b\\"c"'),
    "an anchor stands outside": ("a: &x b\n", ("a",), "b"),
    "a tag stands outside": ("a: !!str b\n", ("a",), "b"),
    "an anchor on a line of its own": ("a: &x\n  b: c\n", ("a",), "b: c"),
    "an anchor, a comment, then a list": ("a: &x # why\n  - b\n", ("a",), "- b"),
    "anchor and tag in either order": ("a: !!seq &x [b]\n", ("a",), "[b]"),
    "an alias": ("x: &x b\na: *x\n", ("a",), "*x"),
    "no value": ("a:\nb: c\n", ("a",), ""),
    "empty quotes": ("a: ''\n", ("a",), "''"),
    "a plain scalar over two lines": ("a: b\n  c\nd: e\n", ("a",), "b\n  c"),
    "a literal scalar with its line break": ("a: |\n  b\nc: d\n", ("a",), "|\n  b\n"),
    "a flow list": ("a: [b, c] # d\n", ("a",), "[b, c]"),
    "a flow mapping over two lines": ("a: {b: c,\n  d: e}\n", ("a",), "{b: c,\n  d: e}"),
    "a block list without the comment behind": ("a:\n  - b\n  - c\n  # d\n", ("a",), "- b\n  - c"),
    "a mapping without blank lines behind": ("a:\n  b: c\n\n\nd: e\n", ("a",), "b: c"),
    "a list without indentation": ("a:\n- b\n- c\nd: e\n", ("a",), "- b\n- c"),
    "wide characters before it": ("'🏠é': b\na: c\n", ("a",), "c"),
    "CRLF before it": ("x: y\r\na: c\r\n", ("a",), "c"),
    "an index": ("a:\n  - b\n  - c: d\n", ("a", 1, "c"), "d"),
    "an IPv6 address in a flow list (YAML 1.2)": ("a: [fd00::/64, b]\n", ("a", 0), "fd00::/64"),
    "a question mark in a flow mapping (YAML 1.2)": ("a: {b: /?c}\n", ("a", "b"), "/?c"),
    "and what stands behind it": ("a: {b: fd00::1} # c\nd: &x 'e'\n", ("d",), "'e'"),
}


@pytest.mark.parametrize(("text", "path", "span"), SPANS.values(), ids=SPANS)
def test_a_node_spans_its_text(text: str, path: tuple[str | int, ...], span: str):
    node = at_path(locate(text), path)
    assert node is not None
    assert text[node.start : content_end(node)] == span


REFUSED = {
    "a bracket that nothing closes": ("a: [b\n", "did not find expected", 6),
    "a mapping in a plain scalar": ("a: b: c\n", "mapping values are not allowed", 4),
    "a tab as indentation": ("a:\n\tb: c\n", "found character that cannot start any token", 3),
    "an end without a begin": ("a: ]\n", "did not find expected node content", 3),
    "a template": ("a: b\n{{ if }}\n", "could not find expected ", 13),
    "a control character": ("a: b\x07\n", "a character that YAML does not allow", 4),
    "an unknown escape": ('a: "\\q"\n', "unknown escape character", 5),
    "a directive without a version": ("%YAML x\n---\na\n", "did not find expected version", 6),
    "no YAML 1.2 either": ("a: [b::c\n", "found unexpected ':'", 5),
    "deeper than anyone nests": ("[" * (DEEPEST + 1), "nested deeper", DEEPEST),
}


@pytest.mark.parametrize(("text", "message", "offset"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_yaml_is_said_with_its_place(text: str, message: str, offset: int):
    with pytest.raises(NotYamlError) as error:
        locate(text)
    assert message in str(error.value)
    assert abs(error.value.offset - offset) <= 1


@pytest.mark.parametrize("text", ["", "\n", "# c\n", "---\n", "--- # c\n...\n"])
def test_an_empty_document_has_no_root(text: str):
    assert locate(text) is None


def test_a_second_document_is_not_read():
    """`Source` cuts a file into documents; a file that must have one has its first."""
    root = locate("a\n--- b\n")
    assert isinstance(root, ScalarNode)
    assert root.text == "a"


def test_more_values_than_anybody_writes_are_refused():
    with pytest.raises(NotYamlError, match="more than 200000 values in one document"):
        locate("[" + "a," * MOST_NODES + "]")


def test_the_last_of_two_keys_wins_and_both_are_told():
    root = locate("a: 1\na: 2\nb: {c: 1, c: 2}\n<<: {}\n<<: {}\n")
    assert isinstance(root, MappingNode)
    assert root.get("a").text == "2"
    assert sorted(key.start for key in duplicate_keys(root)) == [5, 20]


def test_the_nearest_node_is_where_to_point_at():
    root = locate("a:\n  b: c\nd: [e]\n")
    assert nearest_node(root, ("a", "x", "y")).start == 5
    assert nearest_node(root, ("d", 4)).start == 13
    assert nearest_node(root, ("z",)) is root


def scalars(root: Node):
    if isinstance(root, ScalarNode):
        yield root
    elif isinstance(root, SequenceNode):
        for item in root.items:
            yield from scalars(item)
    elif isinstance(root, MappingNode):
        for entry in root.entries:
            yield from scalars(entry.key)
            yield from scalars(entry.value)


trees = st.recursive(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":"), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab-# ", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


@given(trees, st.sampled_from([None, False]), st.integers(2, 5))
def test_every_scalar_means_what_its_own_text_means(tree, flow: bool | None, indent: int):
    """Whatever another writer makes of a tree, each span parsed alone says the same."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style, writer.indent, writer.allow_unicode = flow, indent, True
    stream = io.StringIO()
    writer.dump({"root": tree}, stream)
    text = stream.getvalue()
    for node in scalars(locate(text)):
        written = text[node.start : node.end]
        if node.style in {"'", '"'}:
            assert locate(written).text == node.text
        elif node.style is None:
            assert written == node.text or "\n" in written
