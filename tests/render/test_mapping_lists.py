"""A marked list of mappings: the item that holds our value is the pattern of the others."""

import pytest

from tests.render.repository import PREFIX, A, B, C, render_all, render_once


def marked(text: str) -> str:
    return text.replace("<", '# {"$dynamicprefix": "').replace(">", '"}')


IN = "2001:db8:a:0:f000::/68"
GROWS = {
    "in lines": (
        f"a: <home:lb:all-cidrs>\n  # first\n  - b: {{c: {IN}}}  # mine\n  - b: {{c: 10.0.0.0/8}}\n",
        "a: <home:lb:all-cidrs>\n  # first\n  - b: {c: 2001:db8:b:0:f000::/68}  # mine\n"
        f"  - b: {{c: {IN}}}  # mine\n  - b: {{c: 10.0.0.0/8}}\n",
    ),
    "behind a foreign item": (
        f"a: <home:lb:all-cidrs>\n- {{c: 10.0.0.0/8}}\n- c: '{IN}'\n  # why\n  d: [1]\nz: 1\n",
        "a: <home:lb:all-cidrs>\n- {c: 10.0.0.0/8}\n- c: '2001:db8:b:0:f000::/68'\n  # why\n  d: [1]\n"
        f"- c: '{IN}'\n  # why\n  d: [1]\nz: 1\n",
    ),
    "in brackets": (
        f"a: [{{c: 10.0.0.0/8}}, {{c: {IN}}}] <home:lb:all-cidrs>\n",
        f"a: [{{c: 10.0.0.0/8}}, {{c: 2001:db8:b:0:f000::/68}}, {{c: {IN}}}] <home:lb:all-cidrs>\n",
    ),
    "CRLF": (
        f"a: <home:lb:all-cidrs>\r\n- c: {IN}\r\nb: 1\r\n",
        f"a: <home:lb:all-cidrs>\r\n- c: 2001:db8:b:0:f000::/68\r\n- c: {IN}\r\nb: 1\r\n",
    ),
    "no final line break": (
        f"a: <home:lb:all-cidrs>\n- c: {IN}",
        f"a: <home:lb:all-cidrs>\n- c: 2001:db8:b:0:f000::/68\n- c: {IN}",
    ),
    "lists in the list": (
        f"a: <home:lb:all-cidrs>\n  - - {IN}\n    - x\n",
        f"a: <home:lb:all-cidrs>\n  - - 2001:db8:b:0:f000::/68\n    - x\n  - - {IN}\n    - x\n",
    ),
    "a value twice in the item": (
        f"a: <home:lb:all-cidrs>\n- {{c: {IN}, d: {IN}, e: 2001:db8:c::/64}}\n",
        "a: <home:lb:all-cidrs>\n- {c: 2001:db8:b:0:f000::/68, d: 2001:db8:b:0:f000::/68, e: 2001:db8:c::/64}\n"
        f"- {{c: {IN}, d: {IN}, e: 2001:db8:c::/64}}\n",
    ),
    "beside an alias and a block": (
        f"x: &x {{c: 1}}\na: <home:lb:all-cidrs>\n- *x\n- c: |\n    {IN}\n- c: {IN}\n",
        f"x: &x {{c: 1}}\na: <home:lb:all-cidrs>\n- *x\n- c: |\n    {IN}\n- c: 2001:db8:b:0:f000::/68\n- c: {IN}\n",
    ),
    "networks": (
        "a: <home:network>\n- {c: '2001:db8:a:0'}\n",
        "a: <home:network>\n- {c: '2001:db8:b:0'}\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), GROWS.values(), ids=GROWS)
def test_the_pattern_is_written_for_each_value(before: str, after: str):
    assert render_all(marked(before), A) == marked(before)
    assert render_all(marked(before), A, B) == marked(after)


def test_current_and_past_follow_in_order():
    text = marked("a: <home:lb:all-cidrs>\n- {c: X}  # x\n- {c: 10.0.0.0/8}\n")
    lines = [f"- {{c: 2001:db8:{letter}:0:f000::/68}}  # x\n" for letter in "cba"]
    assert render_all(text.replace("X", IN), A, B, C) == text.replace(
        "- {c: X}  # x\n", "".join(lines)
    )


@pytest.mark.parametrize("flow", [False, True])
def test_what_no_value_needs_any_more_is_removed(flow: bool):
    many = "".join(f"- {{c: 2001:db8:{letter}:0:f000::/68}}  # x\n" for letter in "ab")
    text = f"a: <home:lb:all-cidrs>\n{many}- {{c: 10.0.0.0/8}}\n"
    kept = "a: <home:lb:cidrs>\n- {c: 2001:db8:b:0:f000::/68}  # x\n- {c: 10.0.0.0/8}\n"
    if flow:
        text = "a: [{c: 2001:db8:a:0:f000::/68}, {c: 2001:db8:b:0:f000::/68}, {c: 10.0.0.0/8}] <home:lb:all-cidrs>\n"
        kept = "a: [{c: 2001:db8:b:0:f000::/68}, {c: 10.0.0.0/8}] <home:lb:cidrs>\n"
    # The marker asks for one value of what were two.
    files = {"home.yaml": PREFIX, "a.yaml": marked(text).replace("all-", "").encode()}
    files |= render_once({"home.yaml": PREFIX}, A).files
    files |= render_once(files, B, 1).files
    assert files["a.yaml"].decode() == marked(kept)


def test_a_comment_of_an_item_that_goes_stays():
    text = marked(f"a: <home:lb:cidrs>\n- c: {IN}  # x\n- c: 2001:db8:b:0:f000::/68  # mine\n")
    files = {"home.yaml": PREFIX, "a.yaml": text.encode()} | render_once(
        {"home.yaml": PREFIX}, A
    ).files
    files |= render_once(files, B, 1).files
    assert files["a.yaml"].decode() == marked(
        "a: <home:lb:cidrs>\n- c: 2001:db8:b:0:f000::/68  # x\n# mine\n"
    )


@pytest.mark.parametrize(
    ("written", "first"),
    {
        "in another prefix": ("- c: 2001:db8:c:0:f000::/68\n- c: 10.0.0.0/8\n", True),
        "beside a network of another size": (
            "- c: 2001:db8:c:0:f000::/68\n- c: 2001:db8:c:0:f000::/72\n", True,
        ),
        "two of them": ("- c: 2001:db8:c:0:f000::/68\n- c: 2001:db8:d:0:f000::/68\n", False),
        "of another host part": ("- c: 2001:db8:c:0:e000::/68\n", False),
    }.values(),
)  # fmt: skip
def test_before_the_first_prefix_the_only_item_with_our_host_part_is_ours(written, first):
    """Nothing says yet which prefix was written by hand, and `validate` must accept it."""
    text = f"a: <home:lb:cidrs>\n{written}"
    rendering = render_once({"home.yaml": PREFIX, "a.yaml": marked(text).encode()}, A)
    if first:
        after = marked(text.replace("2001:db8:c:0:f000::/68", IN))
        assert rendering.files["a.yaml"].decode() == after
    else:
        assert [problem.code for problem in rendering.problems] == ["no-pattern"]


def test_before_the_first_prefix_a_whole_network_may_be_anybodys():
    text = marked("a: <home:cidrs>\n- c: 2001:db8:c::/64\n")
    rendering = render_once({"home.yaml": PREFIX, "a.yaml": text.encode()}, A)
    assert [problem.code for problem in rendering.problems] == ["no-pattern"]


LEFT_BEHIND = {
    "an exception of our network": (
        f"a: <home:lb:cidrs>\n- cidr: {IN}\n  except: ['2001:DB8:a:0:f000::/72', 10.0.0.0/8]\n",
        ["3:12"],
    ),
    "an item of theirs": (f"a: <home:lb:cidrs>\n- c: {IN}\n- c: 2001:db8:a::/80\n", ["3:6"]),
    "another prefix": (f"a: <home:lb:cidrs>\n- {{c: {IN}, d: 2001:db8:c::1}}\n- c: fd00::1\n", []),
    "our value twice": (f"a: <home:lb:cidrs>\n- {{c: {IN}, d: {IN}}}\n", []),
}


@pytest.mark.parametrize(("text", "places"), LEFT_BEHIND.values(), ids=LEFT_BEHIND)
def test_an_address_that_stays_behind_is_a_warning(text: str, places: list[str]):
    """Before the change, and with it."""
    files = {"home.yaml": PREFIX, "a.yaml": marked(text).encode()}
    for hour, prefix in enumerate((A, B)):
        rendering = render_once(files, prefix, hour)
        found = [(str(each.place), each.code, each.severity) for each in rendering.problems]
        assert found == [(f"a.yaml:{place}", "will-not-follow", "warning") for place in places]
        files |= rendering.files


REFUSED = {
    "no item of ours": ("a: <home:lb:cidrs>\n- c: 10.0.0.0/8\n", "no-pattern"),
    "an anchor": (f"a: <home:lb:all-cidrs>\n- &x {{c: {IN}}}\n", "edit-refused"),
    "a shared line": (f"? a <home:lb:all-cidrs>\n: - c: {IN}\n", "edit-refused"),
    "a key that is an alias": (f"x: &x a\n*x : <home:lb:all-cidrs>\n- c: {IN}\n", "edit-refused"),
}


@pytest.mark.parametrize(("text", "code"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_written_is_an_error_with_its_place(text: str, code: str):
    files = {"home.yaml": PREFIX, "a.yaml": marked(text).encode()}
    files |= {"home.yaml": render_once(files, A).files["home.yaml"]}
    rendering = render_once(files, B, 1)
    assert [(problem.code, problem.place.path) for problem in rendering.problems] == [
        (code, "a.yaml")
    ]
    assert "a.yaml" not in rendering.files
