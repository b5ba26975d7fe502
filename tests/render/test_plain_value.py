"""What a node means, to YAML 1.2 and to Kubernetes; and what may be written without quotes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gitops_prefix.render.parse import locate, plain_value
from gitops_prefix.render.style import Style, is_plain_safe, quoted, resolve, scalar_text

SCALARS = {
    "": None, "~": None, "null": None, "Null": None, "nUll": "nUll",
    "true": True, "FALSE": False, "yes": "yes", "on": "on",
    "0": 0, "-12": -12, "+3": 3, "0x1F": 31, "0o17": 15, "017": 17, "1_000": "1_000",
    "1.5": 1.5, ".5": 0.5, "1e3": 1000.0, "1.": 1.0, "1.2.3.4": "1.2.3.4",
    "2001:db8::1": "2001:db8::1", "2001:10:20:30:40:50:1:2": "2001:10:20:30:40:50:1:2",
    "::": "::", "1:30": "1:30", "2026-11-24": "2026-11-24",
}  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS.items(), ids=map(repr, SCALARS))
def test_a_plain_scalar_resolves_by_the_core_schema(text: str, value: object):
    """YAML 1.2, 10.3.2: no yes, no sexagesimals, no dates."""
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


DOCUMENTS = {
    "quotes make a string": ("a: '5'\nb: \"true\"\n", {"a": "5", "b": "true"}),
    "so does a tag": ("a: !!str 5\n", {"a": "5"}),
    "a block scalar": ("a: |\n  5\n", {"a": "5\n"}),
    "a folded scalar": ("a: >-\n  b\n  c\n", {"a": "b c"}),
    "an alias": ("a: &x [1]\nb: *x\n", {"a": [1], "b": [1]}),
    "an anchor may be given again": ("a: &x 1\nb: &x 2\nc: *x\n", {"a": 1, "b": 2, "c": 2}),
    "a merge": ("a: {<<: {b: 1, c: 2}, b: 3}\n", {"a": {"b": 3, "c": 2}}),
    "of several merged the first wins": ("<<: [{b: 1}, {b: 2, c: 3}]\n", {"b": 1, "c": 3}),
    "a merge of no mapping": ("<<: [a, {b: 1}]\nc: 2\n", {"b": 1, "c": 2}),
    "a quoted << is a key": ("'<<': {b: 1}\n", {"<<": {"b": 1}}),
    "the last of two keys": ("a: 1\na: 2\n", {"a": 2}),
    "a key that is no string": ("1: a\n~: b\n[x]: c\n", {1: "a", None: "b", "['x']": "c"}),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("text", "value"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_becomes_plain_values(text: str, value: object):
    assert plain_value(locate(text)) == value


@pytest.mark.parametrize("text", ["a: *x\n", "a: &x [*x]\n", "a: *x\nb: &x 1\n"])
def test_an_alias_needs_its_anchor_before_it(text: str):
    with pytest.raises(ValueError, match=r"\*x has no anchor before it"):
        plain_value(locate(text))


def test_what_an_anchor_stands_for_is_shared():
    """Helm values repeat a block a hundred times, and it stays one."""
    value = plain_value(locate("a: &a [x, y]\n" + "".join(f"b{n}: *a\n" for n in range(100))))
    assert value["b99"] is value["a"]


LAUGHS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
CHAIN = "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 300))
TOO_MUCH = {
    "a billion laughs": ("a0: &a0 [x, x]\n" + LAUGHS, "aliases repeat more than 100000 values"),
    "a chain": ("a0: &a0 [x]\n" + CHAIN, "nested deeper than 200 levels"),
    "a chain of mappings": ("a0: &a0 {b: x}\n" + CHAIN.replace("[", "{b: ").replace("]", "}"), "nested deeper"),
    "a key of many": ("a0: &a0 [x]\n" + LAUGHS + "? *a8\n: x\n", "aliases repeat"),
    "merged": ("a0: &a0 {b: x}\n" + "".join(f"c{n}:\n  <<: [*a0, *a0, *a0]\n" for n in range(20000)), "aliases repeat"),
    "an anchor of the alias's own depth": ("a: &a " + "[" * 150 + "]" * 150 + "\nb: " + "[" * 100 + "*a" + "]" * 100, "deeper"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_aliases_do_not_make_a_document_larger_than_anybody_reads(text: str, words: str):
    """Sharing takes no room, but comparing and printing what is shared would never end."""
    with pytest.raises(ValueError, match=words):
        plain_value(locate(text))


def test_aliases_may_repeat_as_many_values_as_the_limit():
    """The limit itself is allowed: 100 aliases of 1,000 values."""
    text = "a: &a [" + "x, " * 999 + "]\nb: [" + "*a, " * 100 + "]\n"
    value = plain_value(locate(text))
    assert len(value["b"]) == 100
    with pytest.raises(ValueError, match="repeat more than 100000 values"):
        plain_value(locate(text + "c: *a\n"))


UNSAFE = [
    "", "~", "null", "true", "no", "Off", "y", "=", "<<", "0x1f", "0b1", "017", "1_0", "1:30", "190:20:30",
    "2001:10:20:30:40:50:1:2", "2026-11-24", ".inf", ".nan", "1e3", "1.5", "5", "+5", "---", "...",
    "2001:db8::", "a: b", "a #b", "- a", "-", "[a", "a]", "a,b", "{", "*a", "&a", "!a", "|", ">", "%a", "@a",
    "`a", "'a", '"a', " a", "a ", "a\nb", "a\tb", "#a", "a:", "? a",
    "\x1b", "a\ufeff", "\u2028",
]  # fmt: skip


@pytest.mark.parametrize("text", UNSAFE, ids=map(repr, UNSAFE))
def test_what_a_parser_could_take_for_something_else_is_quoted(text: str):
    """To YAML 1.1 an address may be an integer; a colon at the end makes a mapping."""
    assert not is_plain_safe(text)
    assert scalar_text(text, Style()) == quoted(text)


SAFE = ["a", "home-ipv6", "2001:db8::1", "2001:db8::/64", "10.0.0.0/8", "a#b", "a:b"]


@pytest.mark.parametrize("text", SAFE)
def test_what_is_a_string_to_everyone_may_stay_plain(text: str):
    assert is_plain_safe(text)


@given(st.text(max_size=12), st.sampled_from(["'", '"']))
def test_what_is_quoted_is_read_again(text: str, quote):
    """By a YAML 1.2 parser, and by ours."""
    for written in (quoted(text, quote), scalar_text(text, Style(), quote)):
        assert YAML(typ="safe", pure=True).load(f"a: {written}\n") == {"a": text}
        assert plain_value(locate(f"a: {written}\n")) == {"a": text}


@given(st.one_of(st.text("0123456789abcdef:./-_+ ", max_size=10), st.text(max_size=6)))
def test_what_stays_plain_is_the_same_string_to_yaml_1_1_and_1_2(text: str):
    """In a mapping, in a list, and between brackets."""
    if not is_plain_safe(text):
        return
    for version in ((1, 1), (1, 2)):
        parser = YAML(typ="safe", pure=True)
        parser.version = version
        assert parser.load(f"a: {text}\n") == {"a": text}
        assert parser.load(f"- {text}\n") == [text]
        assert parser.load(f"[a, {text}]\n") == ["a", text]
