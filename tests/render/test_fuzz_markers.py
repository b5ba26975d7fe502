"""Markers in files of any shape: outside of the marked values, not a byte changes."""

import io
import json
import re
from dataclasses import dataclass

from hypothesis import assume, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.render.repository import PREFIX, A, B, assert_held, render_once

ADDRESS, RANGE = "2001:db8:b:0:f000::10", "2001:db8:b::5-2001:db8:b::a"
CIDRS = ("5/128", "6/127", "8/127", "a/128")
SCALARS = {
    "home:prefix": "2001:db8:b::/64",
    "home:network": "2001:db8:b:0",
    "home:lb:start": "2001:db8:b:0:f000::",
    "home:low:cidr": "2001:db8:b:0:100::/72",
    "home:odd:range": RANGE,
    "home:lb:address:::f000:0:0:10": ADDRESS,
    "home:lb:addresses:::f000:0:0:10": f"{ADDRESS},2001:db8:a:0:f000::10",
    "home:odd:cidrs": ",".join(f"2001:db8:b::{one}" for one in CIDRS),
}
LISTS = {
    "home:prefix": ["2001:db8:b::/64"],
    "home:lb:addresses:::f000:0:0:10": [ADDRESS, "2001:db8:a:0:f000::10"],
    "home:odd:cidrs": [f"2001:db8:b::{one}" for one in CIDRS],
    "home:odd:range": [RANGE],
}
# What was there before: of the shape that the field gives.
WRITTEN = {
    "prefix": ["2001:db8:1::/64", "::/0", "10.0.0.0/8"],
    "network": ["2001:db8:1", "80"],
    "start": ["2001:db8:1::1", "::"],
    "cidr": ["2001:db8:1::/64", "::/0"],
    "range": ["2001:db8::1-2001:db8::2", "::1 - ::2"],
    "address": ["2001:10:20:30:40:50:1:2", "192.0.2.1"],
    "addresses": [],
    "cidrs": ["2001:db8:1::/64", "2001:db8:a::5/128,2001:db8:a::6/127"],
}
FOREIGN = ["10.0.0.0/8", "fd00::/48", "192.0.2.1", "2001:db8:ffff::/48"]
words = st.from_regex(r"[a-z]{1,6}( [a-z]{1,6})?", fullmatch=True)
comments = st.one_of(st.just(""), words.map(lambda text: f"# {text}"))
gaps = st.sampled_from([" ", "   ", "\t"])


@dataclass(frozen=True)
class Field:
    """A marked value: its lines, the same with the value blanked, and what it comes to."""

    lines: list[str]
    wanted: str | list[str]


def marker(text: str) -> str:
    return "# " + json.dumps({"$dynamicprefix": text})


@st.composite
def scalars(draw, *, in_flow: bool = False) -> Field:
    name = draw(st.sampled_from(sorted(SCALARS)))
    field = next(word for word in name.split(":") if word in WRITTEN)
    written = draw(st.sampled_from(["", *WRITTEN[field]]))
    # libyaml reads no plain `a:b` in braces, and ruamel.yaml no tab before a comment.
    plain = bool(written) and not written.startswith("::") and not (in_flow and ":" in written)
    styles = ["'{}'", '"{}"', *(["{}"] if plain else [])]
    value = draw(st.sampled_from(styles)).format(written)
    comma = "," if in_flow else ""
    return Field([f"{value}{comma}{draw(gaps)}{marker(name)}"], SCALARS[name])


@st.composite
def lists(draw) -> Field:
    name = draw(st.sampled_from(sorted(LISTS)))
    # Without an item it is no list, unless its field is one.
    least = 0 if name.rpartition(":")[2] == "cidrs" else 1
    items = draw(st.lists(st.sampled_from(FOREIGN), unique=True, min_size=least, max_size=3))
    quote = draw(st.sampled_from(["", "'", '"']))
    head = f"{draw(gaps)}{marker(name)}"
    if draw(st.booleans()):
        # No sample has a comma of its own.
        text = ", ".join(f"{quote}{item}{quote}" for item in items)
        if quote or ":" not in text:
            return Field([f"[{text}]{head}"], LISTS[name] + items)
    indent = "  " * draw(st.booleans())
    lines = [
        f"{indent}-{' ' * draw(st.integers(1, 3))}{quote}{item}{quote} {draw(comments)}"
        for item in items
    ]
    return Field([head.strip(), *lines], LISTS[name] + items)


@st.composite
def documents(draw) -> tuple[str, object]:
    """A document's text, and what is to be read from it."""
    fields = draw(st.lists(st.one_of(scalars(), lists()), min_size=1, max_size=4))
    step = " " * draw(st.integers(1, 4))
    lines, wanted = [f"root: {draw(comments)}".rstrip()], {}
    for number, field in enumerate(fields):
        lines += [f"{step}# {draw(words)}"] * draw(st.booleans())
        lines += [f"{step}f{number}: {field.lines[0]}", *(step + line for line in field.lines[1:])]
        lines += [""] * draw(st.booleans())
        wanted[f"f{number}"] = field.wanted
    braces = draw(st.lists(scalars(in_flow=True), max_size=2))
    if braces:
        lines += [f"{step}flow: {{"]
        lines += [f"{step}  f{number}: {one.lines[0]}" for number, one in enumerate(braces)]
        lines += [f"{step}}}"]
        wanted["flow"] = {f"f{number}": one.wanted for number, one in enumerate(braces)}
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    end = draw(st.sampled_from(["", newline, newline * 2]))
    return newline.join(lines) + end, {"root": wanted}


def outside(text: str) -> str:
    """The text without what stands in front of each marker, and without list items."""
    blank = re.sub(r"(f\d+:[ \t]*)[^\r\n]*?(,?)(?=[ \t]*# \{)", r"\1\2", text)
    return re.sub(r"^ *-[^\r\n#]*(#[^\r\n]*)?\r?\n?", r"\1", blank, flags=re.MULTILINE)


@given(st.lists(documents(), min_size=1, max_size=2), st.booleans())
def test_a_marked_value_is_the_only_thing_that_changes(made, bom):
    """A YAML 1.2 parser reads ours, then theirs; a second rendering changes nothing."""
    # Two documents with one HOST are two owners of an address.
    assume(sum("home:lb:address" in one for one, _ in made) < 2)
    text = "\ufeff" * bom + "\n---\n".join(one for one, _ in made)
    files = {"home.yaml": PREFIX, "m.yaml": text.encode()}
    for hour, prefix in enumerate((A, B)):
        rendering = render_once(files, prefix, hour)
        assert not [str(one) for one in rendering.problems if one.severity == "error"]
        files |= rendering.files
        assert render_once(files, prefix, hour + 1).files == {}
    after = files["m.yaml"].decode()
    # ruamel.yaml refuses a tab before a comment, which YAML allows (1.2, 6.6).
    blanks = io.StringIO(after.removeprefix("\ufeff").replace("\t", " "))
    read = list(YAML(typ="safe", pure=True).load_all(blanks))
    assert read == [wanted for _, wanted in made]
    assert outside(after).split() == outside(text).split()
    assert [re.findall(r"#.*", line) for line in after.splitlines() if "# {" in line] == [
        re.findall(r"#.*", line) for line in text.splitlines() if "# {" in line
    ]
    assert after.count("\r\n") == 0 or "\r\n" in text


PIECES = [
    "a: ",
    "- ",
    "x ",
    "'",
    '"',
    "{",
    "}",
    "[",
    "]",
    "|",
    "\n",
    "\n  ",
    "\t",
    ", ",
    "&n ",
    "*n ",
    "? ",
    "#",
    "0",
]
torn = st.lists(st.sampled_from([*PIECES, *map(marker, SCALARS), *map(marker, LISTS)]), max_size=12)


@given(torn.map("".join))
def test_no_document_with_markers_gives_a_traceback(text):
    """It is rendered, and then stands, or it is a problem and not a byte of it moves."""
    files = {"home.yaml": PREFIX, "m.yaml": text.encode()}
    rendering = render_once(files, A)
    refused = any(one.severity == "error" for one in rendering.problems)
    assert_held(files, rendering)
    if not refused:
        assert render_once(files | rendering.files, A, 1).files == {}
