"""What is asked of a text before it is edited: is it managed, how is it indented, where does a line end."""

import pytest

from gitops_prefix.render.edit import style_of
from gitops_prefix.render.files import (
    is_binary,
    may_be_marked,
    may_hold_addresses,
    text_looks_managed,
    unsearched,
)
from gitops_prefix.render.parse import locate
from gitops_prefix.render.source import line_end

SEARCHES = {
    "the text begins with it": ("$dynamicprefix: 1\n", 0, 18, True),
    "the document begins with it": ("a: b\n---\ndynamic-prefix.io/x: y\n", 9, 32, True),
    "the document ends with it": ("a: dynamic-prefix.io/", 0, 21, True),
    "only half of it is in the document": ("a: dynamic-prefix.io/", 0, 20, False),
    "only the document before has it": ("# $dynamicprefix\n---\na: b\n", 17, 26, False),
    "only the document after has it": ("a: b\n---\n# $dynamicprefix\n", 0, 5, False),
    "nothing has it": ("a: b\n", 0, 5, False),
}


@pytest.mark.parametrize(("text", "start", "end", "expected"), SEARCHES.values(), ids=SEARCHES)
def test_a_document_is_parsed_if_it_may_hold_a_managed_field(text, start, end, expected):
    assert text_looks_managed(text, start, end) is expected


STYLES = {
    "a list in the first item of a list": ("- a:\n  - b\n  c:\n      d: e\n", (4, 0)),
    "in the second item": ("- 1\n- a:\n     - b\n  c:\n   d: e\n", (1, 3)),
    "the first item counts": ("- a:\n   b: c\n- a:\n    b: c\n", (1, 1)),
    "no item says it": ("- a\n- [b, {c: d}]\n", (2, 2)),
}


@pytest.mark.parametrize(("text", "steps"), STYLES.values(), ids=STYLES)
def test_the_items_of_a_list_say_how_a_document_is_indented(text, steps):
    style = style_of(text, locate(text))
    assert (style.mapping_step, style.sequence_step) == steps


LINE_ENDS = {
    "a blank first line": ("\na\n", 0, 1),
    "within a line": ("a\nb\n", 0, 2),
    "where a line begins": ("a\nb\n", 2, 2),
    "the last line, without a break": ("a\nbc", 3, 4),
    "an empty text": ("", 0, 0),
}


@pytest.mark.parametrize(("text", "offset", "expected"), LINE_ENDS.values(), ids=LINE_ENDS)
def test_a_line_ends_behind_its_break(text, offset, expected):
    assert line_end(text, offset) == expected


def test_what_may_hold_addresses_that_were_managed_once():
    held = (b"kind: IPPool", b"kind: IPAddressPool", b"lbipam.cilium.io/ips: x", b"a/target: x")
    assert all(map(may_hold_addresses, held))
    assert not may_hold_addresses(b"kind: Deployment")


def test_a_picture_is_not_searched_for_markers():
    assert not may_be_marked("a/b.png")
    assert may_be_marked("a/b.conf")
    assert all(not may_be_marked(f"x{end}") for end in unsearched())


@pytest.mark.parametrize(("content", "binary"), [(b"a\0", True), (b"a" * 9000 + b"\0", False)])
def test_a_nul_near_the_begin_makes_a_file_binary(content: bytes, binary: bool):
    assert is_binary(content) is binary
