"""Comments on lines of their own in YAML: the next line, and all between begin and end."""

import re

import pytest

from tests.render.repository import PREFIX, A, B, render_all, render_once


def marked(text: str) -> str:
    return re.sub(r"<(\w+:[\w:]+)>", r'# {"$dynamicprefix": "\1"}', text)


MOVES = {
    "the next line": "a: 1\n<home:rewrite>\nb: http://[2001:db8:a::1]/\nc: 2001:db8:c::1\n",
    "an item": "a:\n  <home:rewrite>\n  - 2001:db8:a::1\n  - 2001:db8:c::1\n",
    "begin and end": (
        "<home:rewrite:begin>\na: 2001:db8:a::1\nb: {c: [2001:db8:a::2, fe80::1]}\nd: |\n  x 2001:db8:a::3\n"
        "<home:rewrite:end>\ne: 2001:db8:c::2\n"
    ),
    "a second document": "a: 1\n---\nb: 1\n<home:rewrite>\nc: 2001:db8:a::1\n",
    "a marker of its own inside": (
        "<home:rewrite:begin>\na: 2001:db8:a::/64 <home:prefix>\nb: 2001:db8:a::1\n<home:rewrite:end>\n"
    ),
    "an alias inside": "x: &x 2001:db8:c::1\n<home:rewrite:begin>\na: *x\nb: 2001:db8:a::1\n<home:rewrite:end>\n",
}


@pytest.mark.parametrize("text", MOVES.values(), ids=MOVES)
def test_the_strings_of_marked_lines_move(text: str):
    text = marked(text)
    assert render_all(text, A, B) == text.replace("db8:a:", "db8:b:")
    assert render_all(text, A, B, A) == text


def test_a_string_that_cannot_be_edited_holds_back_itself_alone():
    text = marked(
        "k: &k key\n<home:rewrite:begin>\n*k : 2001:db8:a::1\nb: 2001:db8:a::2\n<home:rewrite:end>\n"
    )
    files = {"home.yaml": PREFIX, "m.yaml": text.encode()}
    files |= render_once(files, A).files
    rendering = render_once(files, B, 1)
    assert [(problem.code, problem.place.line) for problem in rendering.problems] == [
        ("edit-refused", 3)
    ]
    assert rendering.files["m.yaml"].decode() == text.replace("a::2", "b::2")


WRONG = {
    "begin without end": ("x: 1\n<home:rewrite:begin>\na: 2001:db8:a::1\n", "marker-unclosed", 2),
    "end without begin": ("<home:rewrite:end>\na: 2001:db8:a::1\n", "marker-unclosed", 1),
    "begin in begin": (
        "<home:rewrite:begin>\n<home:rewrite:begin>\na: 2001:db8:a::1\n<home:rewrite:end>\n",
        "marker-overlap",
        2,
    ),
    "an unknown name": ("<hom:rewrite>\na: 2001:db8:a::1\n", "unknown-dynamic-prefix", 1),
    "nothing behind it": ("a: 2001:db8:a::1\n<home:rewrite>", "marker-misplaced", 2),
    "no address": ("<home:rewrite>\na: b\n", "nothing-of-ours", 1),
    "another field": ("<home:prefix>\na: 2001:db8:a::1\n", "marker-misplaced", 1),
}


@pytest.mark.parametrize(("text", "code", "line"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_has_its_place_and_nothing_moves(text: str, code: str, line: int):
    files = {"home.yaml": PREFIX, "m.yaml": marked(text).encode()}
    files |= {"home.yaml": render_once(files, A).files["home.yaml"]}
    rendering = render_once(files, B, 1)
    assert [(problem.code, problem.place.line) for problem in rendering.problems] == [(code, line)]
    assert "m.yaml" not in rendering.files
