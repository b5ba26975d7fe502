"""An anchored value that is marked is edited, and its aliases follow; their places are reported."""

import re

import pytest

from gitops_prefix.render.binding import change_document
from tests.render.repository import PREFIX, A, B, render_once


def marked(text: str) -> str:
    return re.sub(r"<(\w+:\w+)>", r'# {"$dynamicprefix": "\1"}', text)


FOLLOWS = {
    "a string": ("a: &x 2001:db8:a::/64 <home:prefix>\nb: *x\nc: [*x]\n", ["2:4", "3:5"]),
    "a list": ("a: &x <home:cidrs>\n- 2001:db8:a::/64\nb: *x\n", ["3:4"]),
    "inside an anchored mapping": ("a: &x\n  b: 2001:db8:a::/64 <home:prefix>\nc: *x\n", ["3:4"]),
    "a merge": ("a: &x\n  b: 2001:db8:a::/64 <home:prefix>\nc:\n  <<: *x\n  d: 1\n", ["4:7"]),
    "an anchor inside": ("a: <home:rewrite>\n  b: &x 2001:db8:a::1\nc: *x\n", ["3:4"]),
    "a key": ("a: &x 2001:db8:a::/64 <home:prefix>\n*x : 1\n", ["2:1"]),
    "no alias of its own": ("a: &x 2001:db8:a::/64 <home:prefix>\ny: &y 1\nb: *y\n", []),
}


@pytest.mark.parametrize(("text", "places"), FOLLOWS.values(), ids=FOLLOWS)
def test_the_aliases_follow(text: str, places: list[str]):
    files = {"home.yaml": PREFIX, "a.yaml": marked(text).encode()}
    rendering = render_once(files, A)
    assert "a.yaml" not in rendering.files
    files |= rendering.files
    rendering = render_once(files, B, 1)
    assert rendering.problems == ()
    assert rendering.files["a.yaml"] == files["a.yaml"].replace(b"db8:a:", b"db8:b:")
    (change,) = [change for change in rendering.changes if change.path == "a.yaml"]
    assert list(change.aliases) == [f"a.yaml:{place}" for place in places]
    assert ("aliases" in change_document(change)) == bool(places)


def test_a_value_that_is_an_alias_is_refused():
    text = marked("a: &x 2001:db8:a::/64\nb: *x <home:prefix>\n")
    files = {"home.yaml": PREFIX, "a.yaml": text.encode()}
    assert [problem.code for problem in render_once(files, B).problems] == ["marker-misplaced"]
