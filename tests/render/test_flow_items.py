"""Items between brackets come and go; separators, comments and the last comma stay whole."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gitops_prefix.render.edit_items import ListChange, RefusedEditError, edit_flow_items
from gitops_prefix.render.parse import locate, plain_value
from gitops_prefix.render.source import splice
from gitops_prefix.render.style import Style

REMOVED = {
    "the first": ("[a, b, c]", (0,), "[b, c]"),
    "the middle": ("[a, b, c]", (1,), "[a, c]"),
    "the last": ("[a, b, c]", (2,), "[a, b]"),
    "two neighbours": ("[a, b, c]", (1, 2), "[a]"),
    "two that are not": ("[a, b, c]", (0, 2), "[b]"),
    "all": ("[ a, b ]", (0, 1), "[  ]"),
    "the last, and the comma behind it stays": ("[a, b,]", (1,), "[a,]"),
    "a line of its own": ("[\n  a,\n  b,\n  c\n]", (1,), "[\n  a,\n  c\n]"),
    "the last line": ("[\n  a,\n  b\n]", (1,), "[\n  a\n]"),
    "a line with CRLF": ("[\r\n  a,\r\n  b\r\n]", (0,), "[\r\n  b\r\n]"),
    "the last, behind a comment": ("[a, # c\n  b]", (1,), "[a, # c\n  ]"),
    "not the comment behind it": ("[\n  a, # why\n  b\n]", (0,), "[\n  # why\n  b\n]"),
}  # fmt: skip


def edited(text: str, change: ListChange) -> str:
    return splice(text, edit_flow_items(text, locate(text), change, Style()))


@pytest.mark.parametrize(("text", "indices", "after"), REMOVED.values(), ids=REMOVED)
def test_items_go_with_their_commas(text: str, indices: tuple[int, ...], after: str):
    assert edited(text, ListChange((), (), indices)) == after


REPLACED = {
    "two of three": ("[a, b, y]", ("n",), (0, 1), '["n", y]'),
    "on lines of their own": ("[\n  a,\n  b,\n  y\n]", ("n",), (0, 1), '[\n  "n",\n  y\n]'),
    "all": ("[a, b]", ("x",), (0, 1), "[x]"),
    "all, with a comma behind": ("[\n  a,\n  b,\n]", ("x", "z"), (0, 1), "[\n  x,\n  z,\n]"),
    "before a comment": ("[a, b # why\n, y]", ("x",), (0, 1), "[x # why\n, y]"),
}


@pytest.mark.parametrize(("text", "added", "indices", "after"), REPLACED.values(), ids=REPLACED)
def test_new_items_take_the_place_of_the_first(text, added, indices, after):
    assert edited(text, ListChange((), added, indices)) == after


def test_a_comment_among_items_that_go_is_refused():
    """It would be lost."""
    with pytest.raises(RefusedEditError, match="comment among items"):
        edited("[a, # one\n  b]", ListChange((), ("c",), (0, 1)))
    with pytest.raises(RefusedEditError, match="comment among items"):
        edited("[a, # one\n  b # two\n ,]", ListChange((None,), (), (1,)))


gaps = st.sampled_from(["", " ", "\n  ", " # c\n  ", "\n  # d\n  "])


@given(
    st.lists(st.tuples(gaps, gaps), min_size=1, max_size=4),
    st.booleans(), st.integers(0, 4), st.lists(st.just("x"), max_size=2), st.data(),
)  # fmt: skip
def test_whatever_stands_between_them(around, last_comma, kept, added, data):
    """What is left reads as it should, and every comment is still there, or it is refused."""
    names = [f"i{number}" for number in range(len(around))]
    text = "[" + ",".join(f"{a}{name}{b}" for name, (a, b) in zip(names, around, strict=True))
    text += ",]" if last_comma else "]"
    kept = min(kept, len(names))
    gone = (
        data.draw(st.sets(st.sampled_from(range(kept, len(names))))) if kept < len(names) else set()
    )
    # A list that we write in holds at least one item of ours.
    assume(kept or added)
    change = ListChange((None,) * kept, tuple(added), tuple(sorted(gone)))
    try:
        after = edited(text, change)
    except RefusedEditError:
        return
    left = [name for number, name in enumerate(names) if number >= kept and number not in gone]
    assert plain_value(locate(after)) == names[:kept] + added + left
    assert (after.count("# c"), after.count("# d")) == (text.count("# c"), text.count("# d"))
