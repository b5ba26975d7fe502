"""Markers: any scalar or list of any YAML file follows the prefix."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gitops_prefix.decide.prefix import Prefix, parse_address
from tests.decide.strategies import link_prefix
from tests.render.repository import PREFIX, A, B, problems_of, render_all, render_once


def marked(text: str) -> str:
    """`text` with `<NAME:FIELD>` written out as a marker."""
    return text.replace("<", '# {"$dynamicprefix": "').replace(">", '"}')


FIELDS = {
    "home:prefix": "2001:db8:b::/64",
    "home:network": "2001:db8:b:0",
    "home:start": "2001:db8:b::",
    "home:end": "2001:db8:b:0:ffff:ffff:ffff:ffff",
    "home:cidr": "2001:db8:b::/64",
    "home:cidrs": "2001:db8:b::/64",
    "home:all-cidrs": "2001:db8:b::/64,2001:db8:a::/64",
    "home:range": "2001:db8:b::-2001:db8:b:0:ffff:ffff:ffff:ffff",
    "home:address:::10": "2001:db8:b::10",
    "home:addresses:::10": "2001:db8:b::10,2001:db8:a::10",
    "home:lb:prefix": "2001:db8:b::/64",
    "home:lb:network": "2001:db8:b:0",
    "home:lb:start": "2001:db8:b:0:f000::",
    "home:lb:end": "2001:db8:b:0:ffff:ffff:ffff:ffff",
    "home:lb:cidr": "2001:db8:b:0:f000::/68",
    "home:lb:range": "2001:db8:b:0:f000::-2001:db8:b:0:ffff:ffff:ffff:ffff",
    "home:lb:address:::f000:0:0:10": "2001:db8:b:0:f000::10",
    "home:lb:addresses:::f000:0:0:10": "2001:db8:b:0:f000::10,2001:db8:a:0:f000::10",
    "home:odd:cidrs": "2001:db8:b::5/128,2001:db8:b::6/127,2001:db8:b::8/127,2001:db8:b::a/128",
    "home:low:prefix": "2001:db8:b:0:100::/72",
    "home:low:cidr": "2001:db8:b:0:100::/72",
    "home:low:start": "2001:db8:b:0:100::",
    "home:low:address:::10": "2001:db8:b:0:100::10",
}


@pytest.mark.parametrize(("marker", "expected"), FIELDS.items(), ids=FIELDS)
def test_every_field_of_the_grammar(marker: str, expected: str):
    # What is no address of ours would stay in a string of addresses.
    text = marked(f'x: ""  <{marker}>\n')
    assert render_all(text, A, B) == text.replace('""', f'"{expected}"')


PLACED = {
    "plain": ("a: 0::/0 <home:prefix>\n", "a: 2001:db8:b::/64 <home:prefix>\n"),
    "single quotes": ("a: '0::/0' <home:prefix>\n", "a: '2001:db8:b::/64' <home:prefix>\n"),
    "deep in Helm values": (
        "kind: HelmRelease\nspec:\n  values:\n    service:\n      - ips: 0::1  <home:address:::1>\n",
        "kind: HelmRelease\nspec:\n  values:\n    service:\n      - ips: 2001:db8:b::1  <home:address:::1>\n",
    ),
    "an item of a list": (
        "- a\n- 0::1 <home:address:::1>\n- b\n",
        "- a\n- 2001:db8:b::1 <home:address:::1>\n- b\n",
    ),
    "the last value of braces on a line": (
        "{a: 1,\n b: '0::/0', <home:prefix>\n c: 2}\n",
        "{a: 1,\n b: '2001:db8:b::/64', <home:prefix>\n c: 2}\n",
    ),
    "no value, for one": ("a: <home:prefix>\nb: 1\n", 'a: "2001:db8:b::/64" <home:prefix>\nb: 1\n'),
    "a list below its key": (
        "a: <home:lb:cidrs>\n  - 2001:db8:a:0:f000::/68\n  - 192.0.2.0/24 # mine\nb: 1\n",
        "a: <home:lb:cidrs>\n  - 2001:db8:b:0:f000::/68\n  - 192.0.2.0/24 # mine\nb: 1\n",
    ),
    "a list of several, where there was one": (
        "a: <home:addresses:::1>\n- 'x'\n",
        "a: <home:addresses:::1>\n- '2001:db8:b::1'\n- '2001:db8:a::1'\n- 'x'\n",
    ),
    "a list in brackets": (
        "a: [192.0.2.1] <home:addresses:::1>\n",
        'a: ["2001:db8:b::1", "2001:db8:a::1", 192.0.2.1] <home:addresses:::1>\n',
    ),
    "an empty list in brackets": (
        "a: [] <home:addresses:::1>\n",
        'a: <home:addresses:::1>\n  - "2001:db8:b::1"\n  - "2001:db8:a::1"\n',
    ),
    "a list in a list": (
        "rules:\n  - to: <home:lb:cidrs>\n      - 2001:db8:a:0:f000::/68\n    port: 1\n",
        "rules:\n  - to: <home:lb:cidrs>\n      - 2001:db8:b:0:f000::/68\n    port: 1\n",
    ),
    "addresses beside what their author wrote": (
        "a: fd00::1, 2001:db8:a::1, example.org, 192.0.2.1 <home:addresses:::1>\n",
        "a: fd00::1, 2001:db8:b::1, 2001:db8:a::1, example.org, 192.0.2.1 <home:addresses:::1>\n",
    ),
    "hextets in a list": (
        "a: <home:network>\n- '2001:DB8:a:0'\n- 2001:db8:9\n- x\n",
        "a: <home:network>\n- '2001:db8:b:0'\n- 2001:db8:9\n- x\n",
    ),
    "hextets that somebody wrote as a CIDR": (
        "a: <home:network>\n- 2001:db8:a:0:0:0:0:0/64\n- 2001:db8:a::/64\n- x\n",
        "a: <home:network>\n- 2001:db8:b:0\n- x\n",
    ),
    "addresses beside an IPv4": (
        "a: 192.0.2.1,2001:db8:a::1 <home:addresses:::1>\n",
        "a: 192.0.2.1,2001:db8:b::1,2001:db8:a::1 <home:addresses:::1>\n",
    ),
    "CRLF": ("a: 0::/0 <home:prefix>\r\nb: 1\r\n", "a: 2001:db8:b::/64 <home:prefix>\r\nb: 1\r\n"),
    "several documents": (
        "a: x\n---\na: 0::/0 <home:prefix>\n---\na: x\n",
        "a: x\n---\na: 2001:db8:b::/64 <home:prefix>\n---\na: x\n",
    ),
    "two in one document": (
        "a: 0::/0 <home:prefix>\nb: {c: [y]}\nd: 2001:db8 <home:network>\n",
        "a: 2001:db8:b::/64 <home:prefix>\nb: {c: [y]}\nd: 2001:db8:b:0 <home:network>\n",
    ),
    "an alias for a key": (
        "a: &n app\nb:\n  *n :\n    c: 0::/0 <home:prefix>\n",
        "a: &n app\nb:\n  *n :\n    c: 2001:db8:b::/64 <home:prefix>\n",
    ),
    "behind quotes that hold a hash": (
        "a: 'x # y, 0::/0' <home:prefix>\n\"b # c\": 0::/0 <home:prefix>\n",
        "a: '2001:db8:b::/64, x # y, 0::/0' <home:prefix>\n\"b # c\": 2001:db8:b::/64 <home:prefix>\n",
    ),
    "words behind the JSON": (
        'a: 0::1 # {"$dynamicprefix": "home:address:::1"} the LAN # {}\n',
        'a: 2001:db8:b::1 # {"$dynamicprefix": "home:address:::1"} the LAN # {}\n',
    ),
    "our CIDRs among others": (
        "a: 10.96.0.0/12 , 2001:DB8:a::/64,fd00::/8 <home:cidrs>\n",
        "a: 10.96.0.0/12 , 2001:db8:b::/64,fd00::/8 <home:cidrs>\n",
    ),
    "CIDRs without ours": (
        "a: '10.96.0.0/12,10.244.0.0/16' <home:lb:cidrs>\n",
        "a: '2001:db8:b:0:f000::/68,10.96.0.0/12,10.244.0.0/16' <home:lb:cidrs>\n",
    ),
    "several CIDRs where one is": (
        "a: '10.0.0.0/8, 2001:db8:a::5/128, fd00::/8' <home:odd:cidrs>\n",
        "a: '10.0.0.0/8, 2001:db8:b::5/128, 2001:db8:b::6/127, 2001:db8:b::8/127, "
        "2001:db8:b::a/128, fd00::/8' <home:odd:cidrs>\n",
    ),
    "an address that is there twice among others": (
        "a: '2001:db8:a::1,x, 2001:db8:a:0::1,192.0.2.1' <home:address:::1>\n",
        "a: '2001:db8:b::1,x,192.0.2.1' <home:address:::1>\n",
    ),
    "an address of two families": (
        'a: "192.168.1.5, 2001:db8:a::5" <home:address:::5>\n',
        'a: "192.168.1.5, 2001:db8:b::5" <home:address:::5>\n',
    ),
    "hextets among others": (
        "a: 2001:db8:9, 2001:DB8:a:0 <home:network>\n",
        "a: 2001:db8:9, 2001:db8:b:0 <home:network>\n",
    ),
    "addresses among others keep their separators": (
        "a: 192.0.2.1,2001:db8:a::1 , fd00::1 <home:addresses:::1>\n",
        "a: 192.0.2.1,2001:db8:b::1, 2001:db8:a::1 , fd00::1 <home:addresses:::1>\n",
    ),
    "addresses in order among others": (
        "a: 192.0.2.1, 2001:db8:b::1, x, 2001:db8:a::1 <home:addresses:::1>\n",
        "a: 192.0.2.1, 2001:db8:b::1, x, 2001:db8:a::1 <home:addresses:::1>\n",
    ),
    "comments in brackets without an item": (
        "a: [\n  # 10.0.0.0/8,  later\n  # x\n] <home:cidrs>\n",
        'a: [\n  # 10.0.0.0/8,  later\n  # x\n  "2001:db8:b::/64"\n] <home:cidrs>\n',
    ),
    "a comment behind the bracket": (
        "b:\n  a: [ # none\n\n  ] <home:cidrs>\n",
        'b:\n  a: [ # none\n\n    "2001:db8:b::/64"\n  ] <home:cidrs>\n',
    ),
    "comments in brackets of another list": (
        "b: [{a: [ # none\r\n    # x\r\n ] <home:all-cidrs>\r\n}]\r\n",
        'b: [{a: [ # none\r\n    # x\r\n    "2001:db8:b::/64", "2001:db8:a::/64"\r\n ] <home:all-cidrs>\r\n}]\r\n',
    ),
    "behind the bracket that opens a list": (
        "a: [ <home:cidrs>\n  # b\n  192.0.2.0/24,\n]\nc: &x [ <home:cidrs>\n]\n",
        'a: [ <home:cidrs>\n  # b\n  "2001:db8:b::/64", 192.0.2.0/24,\n]\nc: &x [ <home:cidrs>\n  "2001:db8:b::/64"\n]\n',
    ),
    "several in an item in brackets": (
        "a: [\n  0::/0 <home:odd:cidrs>\n]\n",
        'a: [\n  "2001:db8:b::5/128,2001:db8:b::6/127,2001:db8:b::8/127,2001:db8:b::a/128" <home:odd:cidrs>\n]\n',
    ),
    "behind the bracket that opens an inner list": (
        "a: {b: [ <home:cidrs>\n  ], c: 1}\n",
        'a: {b: [ <home:cidrs>\n    "2001:db8:b::/64"\n  ], c: 1}\n',
    ),
    "a number for a key": ("80: 0::/0 <home:prefix>\n", "80: 2001:db8:b::/64 <home:prefix>\n"),
}


@pytest.mark.parametrize(("before", "after"), PLACED.values(), ids=PLACED)
def test_wherever_it_stands(before: str, after: str):
    """Byte for byte; rendering again changes nothing."""
    assert render_all(marked(before), A, B) == marked(after)


KEYS = ["true", "null", "~", "1.5", "? x\n: {}\nfalse"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "value",
    [
        "  <home:lb:cidrs>\n  - 10.0.0.0/8\n",
        "  <home:lb:cidrs>\n  - c: 2001:db8:a:0:f000::/68\n",
        " '' <home:prefix>\n",
        " x 2001:db8:a::1 <home:rewrite>\n",
    ],
)
def test_a_key_that_is_no_string_is_refused_with_its_place(key: str, value: str):
    (problem,) = problems_of(marked(f"{key}:{value}"))
    assert problem.startswith("manifest.yaml:")
    assert "marker-misplaced: marker: " in problem


REWRITTEN = {
    "an address in a URL": (
        "a: http://[2001:db8:a::10]:80/x <home:rewrite>\n",
        "a: http://[2001:db8:b::10]:80/x <home:rewrite>\n",
    ),
    "a string with others": (
        "a: '192.0.2.1, 2001:DB8:A::1/64' <home:rewrite>\n",
        "a: '192.0.2.1, 2001:DB8:B::1/64' <home:rewrite>\n",
    ),
    "escapes in quotes": (
        'a: "2001:db8:a::1\\n2001:db8:a::2 \\u00e9" <home:rewrite>\n',
        'a: "2001:db8:b::1\\n2001:db8:b::2 \\u00e9" <home:rewrite>\n',
    ),
    "a block scalar": (
        "a: |  <home:rewrite>\n  x 2001:db8:a::1 # 2001:db8:a::2\n\n  y\nb: 2001:db8:a::1\n",
        "a: |  <home:rewrite>\n  x 2001:db8:b::1 # 2001:db8:b::2\n\n  y\nb: 2001:db8:a::1\n",
    ),
    "a block scalar with indicators": (
        "- a: |+2 <home:rewrite>\n     2001:db8:a::1\n    2001:db8:a::2\n\n- |- <home:rewrite>\n  2001:db8:a::1",
        "- a: |+2 <home:rewrite>\n     2001:db8:b::1\n    2001:db8:b::2\n\n- |- <home:rewrite>\n  2001:db8:b::1",
    ),
    "a list": (
        "a: <home:rewrite>\n- '[2001:db8:a::1]:53' # 2001:db8:a::1\n- 10\n- ip: 2001:db8:a::2\n",
        "a: <home:rewrite>\n- '[2001:db8:b::1]:53' # 2001:db8:a::1\n- 10\n- ip: 2001:db8:b::2\n",
    ),
    "a mapping and its keys": (
        "a: <home:rewrite>\n  2001:db8:a::1: x\n  b: {c: [2001:db8:a::2/128]}\nd: 2001:db8:a::3\n",
        "a: <home:rewrite>\n  2001:db8:b::1: x\n  b: {c: [2001:db8:b::2/128]}\nd: 2001:db8:a::3\n",
    ),
    "braces": (
        "a: {b: '2001:db8:a::1', c: ~} <home:rewrite>\n",
        "a: {b: '2001:db8:b::1', c: ~} <home:rewrite>\n",
    ),
    "the brace that opens a mapping": (
        "a: { <home:rewrite>\n  b: '2001:db8:a::1', c: [x 2001:db8:a::2]}\n",
        "a: { <home:rewrite>\n  b: '2001:db8:b::1', c: [x 2001:db8:b::2]}\n",
    ),
    "a plain string over two lines": (
        "a: <home:rewrite>\n  - x 2001:db8:a::1\n    2001:db8:a::2\n",
        "a: <home:rewrite>\n  - x 2001:db8:b::1\n    2001:db8:b::2\n",
    ),
    "an anchor and its alias": (
        "a: <home:rewrite>\n  - &x 2001:db8:a::1\n  - *x\n",
        "a: <home:rewrite>\n  - &x 2001:db8:b::1\n  - *x\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), REWRITTEN.values(), ids=REWRITTEN)
def test_rewrite_moves_the_addresses_inside(before: str, after: str):
    """There and back, only these bytes change."""
    assert render_all(marked(before), A, B) == marked(after)
    assert render_all(marked(before), A, B, A) == marked(before)


def test_a_plain_string_that_would_be_a_number_gets_quotes():
    files = {"home.yaml": PREFIX, "m.yaml": marked("a: 2001:db8:a::1:2 <home:rewrite>\n").encode()}
    files |= render_once(files, A).files
    digits = Prefix.parse("2001:10:20:30::/64")
    rendered = render_once(files, digits, 1).files["m.yaml"].decode()
    assert rendered == marked("a: 2001:10:20:30::1:2 <home:rewrite>\n")
    text = marked("a: 2001:db8:a:0:50:51:1:2 <home:rewrite>\n")
    files = {"home.yaml": PREFIX, "m.yaml": text.encode()}
    files |= render_once(files, A).files
    rendered = render_once(files, digits, 1).files["m.yaml"].decode()
    assert rendered == marked('a: "2001:10:20:30:50:51:1:2" <home:rewrite>\n')


def test_a_rewritten_block_reports_its_addresses():
    text = marked("a: | <home:rewrite>\n  2001:db8:a::1 [2001:db8:a:0:f::2]:80 2001:db8:a::1\n")
    files = {"home.yaml": PREFIX, "manifest.yaml": text.encode()}
    files |= render_once(files, A).files
    change = render_once(files, B, 1).changes[-1]
    assert change.before == ["2001:db8:a::1", "2001:db8:a:0:f::2"]
    assert change.after == ["2001:db8:b::1", "2001:db8:b:0:f::2"]


def test_an_address_without_room_in_the_next_prefix_is_a_warning():
    text = marked("a: 2001:db8:0:110::1 <home:rewrite>\n")
    home = PREFIX.replace(b"  subnets:\n    - {name: low, offset: 1, prefixLength: 72}\n", b"")
    files = {"home.yaml": home, "manifest.yaml": text.encode()}
    files |= render_once(files, Prefix.parse("2001:db8:0:100::/56")).files
    rendering = render_once(files, Prefix.parse("2001:db8:0:230::/60"), 1)
    assert [f"{problem.place} {problem.code}" for problem in rendering.problems] == [
        "manifest.yaml:1:4 will-not-follow"
    ]
    assert "manifest.yaml" not in rendering.files


SAID_ALREADY = {
    "an address among others": 'a: "192.0.2.1 ,2001:DB8:b::1" <home:address:::1>\n',
    "in another notation": 'a: "2001:0DB8:000B::/64" <home:prefix>\n',
    "a range with blanks": "a: '2001:DB8:b:: - 2001:db8:b:0:ffff:ffff:ffff:ffff' <home:range>\n",
}


@pytest.mark.parametrize("text", SAID_ALREADY.values(), ids=SAID_ALREADY)
def test_what_is_right_is_left_alone(text: str):
    assert render_all(marked(text), B) == marked(text)


NO_MARKERS = {
    "in quotes": """a: '# {"$dynamicprefix": "home:prefix"}'\n""",
    "prose": "a: x  # write $dynamicprefix here some day\n",
    "a line that was commented out": marked("# a: 0::/0 <home:prefix>\nb: 1\n"),
    "a misspelt one in quotes": """a: '# {"$dynamicPrefix": "home:prefix"}'\n""",
    "in a text, without a blank before it": marked("a: |\n  x<home:prefix>\n"),
    "a mapping of somebody else's": """a: x  # {"dynamicPrefix": "home"}\n""",
    "another program's": """a: x  # {"$imagepolicy": "a:b"} $dynamicprefix\n""",
}


@pytest.mark.parametrize("text", NO_MARKERS.values(), ids=NO_MARKERS)
def test_what_is_no_marker(text: str):
    assert render_all(text, A, B) == text


WARNED = {
    **{
        f"a misspelt key: {key}": (
            f'a: x # {{"{key}": "home:prefix"}}\n# other\n',
            "1:6 unknown-marker",
        )
        for key in (
            *("$dynamic-prefix", "$dynamicPrefix", "$DYNAMICPREFIX", "$dynamic_prefix"),
            *("dynamicprefix", "dynamicPrefix"),
        )
    },
    "words before it": (
        'a: x # the LAN {"$dynamicprefix": "home:prefix"}\n',
        "1:6 marker-aside",
    ),
    "an address among hextets": (
        marked("a: <home:network>\n- 2001:db8:a:0\n- 2001:db8:a::1\n"),
        "3:3 will-not-follow",
    ),
    "without the blank before it": (marked('a: "x"<home:prefix>\n'), "1:7 marker-aside"),
    "behind a comment": (marked("a: x # the LAN <home:prefix>\n"), "1:6 marker-aside"),
    "nothing to rewrite": (marked("a: 2001:db8:c::1 <home:rewrite>\n"), "1:1 nothing-of-ours"),
    "nothing to rewrite in an empty block": (
        marked("a: | <home:rewrite>"),
        "1:1 nothing-of-ours",
    ),
    "a key beside it": (
        'a: "2001:db8:a::/64" # {"$dynamicprefix": "home:prefix", "why": 1}\n',
        "1:22 marker-other-key",
    ),
}


@pytest.mark.parametrize(("text", "place"), WARNED.values(), ids=WARNED)
def test_what_is_only_told(text: str, place: str):
    (said,) = problems_of(text)
    assert said.startswith(f"manifest.yaml:{place}: ")


def test_a_thousand_markers_in_a_document():
    """Whatever is done for each of them and grows with their number is felt here."""
    text = marked("".join(f"k{n}: 0::1 <home:address:::{n + 1:x}>\n" for n in range(1000)))
    assert render_all(text, A).count("2001:db8:a::") == 1000


OVERWRITING = {
    "a URL": "a: http://[2001:db8:a::1]:80/ <home:address:::1>\n",
    "a port": "a: '[2001:db8:a::1]:80' <home:address:::1>\n",
    "a key and its value": "a: IP=2001:db8:a::1 <home:address:::1>\n",
    "an interface": "a: 2001:db8:a::1/64 <home:address:::1>\n",
    "an interface for a CIDR": "a: 2001:db8:a::1/64 <home:prefix>\n",
    "an address for a CIDR": "a: 2001:db8:a::1 <home:prefix>\n",
    "an address for a range": "a: 2001:db8:a::1 <home:range>\n",
    "a word for hextets": "a: none <home:network>\n",
    "URLs with commas": "a: 'http://x,https://y' <home:prefix>\n",
}


@pytest.mark.parametrize("text", OVERWRITING.values(), ids=OVERWRITING)
def test_what_would_be_lost_is_refused_and_rewrite_is_named(text: str):
    (problem,) = problems_of(marked(text))
    assert " would-overwrite: " in problem
    assert "home:rewrite" in problem


REFUSED = {
    "rewrite of a range": ("a: x <home:lb:rewrite>\n", "1:6 marker-field"),
    "rewrite with a host": ("a: x <home:rewrite:::1>\n", "1:6 marker-field"),
    "rewrite of an alias": ("a: &x 1\nb: *x <home:rewrite>\n", "2:7 marker-misplaced"),
    "another field on a block scalar": ("a: | <home:prefix>\n  x\n", "1:6 marker-misplaced"),
    "rewrite inside of a rewritten mapping": (
        "a: <home:rewrite>\n  b: 2001:db8:a::1 <home:rewrite>\n",
        "2:3 marker-misplaced",
    ),
    "two in one comment": (
        'a: x # {"$dynamicprefix": "home:prefix", "$dynamicprefix": "home:start"}\n',
        "1:6 marker-not-json",
    ),
    "two JSON in one comment": (
        'a: 0::1 # {"$dynamicprefix": "home:start"} {"$dynamicprefix": "home:end"}\n',
        "1:9 marker-not-json",
    ),
    "no JSON": ('a: x # {"$dynamicprefix": home}\n', "1:6 marker-not-json"),
    "no string": ('a: x # {"$dynamicprefix": 1}\n', "1:6 marker-not-json"),
    "another name": ("a: x <hoem:prefix>\n", "1:6 unknown-dynamic-prefix"),
    "another part": ("a: x <home:lbs:cidr>\n", "1:6 unknown-part"),
    "another field": ("a: x <home:lb:cdir>\n", "1:6 marker-field"),
    "no field": ("a: x <home>\n", "1:6 marker-field"),
    "only a part": ("a: x <home:lb>\n", "1:6 marker-field"),
    "a host where none is taken": ("a: x <home:prefix:::1>\n", "1:6 marker-field"),
    "no host": ("a: x <home:lb:address>\n", "1:6 marker-host"),
    "a host that is none": ("a: x <home:lb:address:ten>\n", "1:6 marker-host"),
    "a host outside of the range": ("a: x <home:lb:address:::10>\n", "1:6 marker-host"),
    "a host with prefix bits": ("a: x <home:address:2001:db8::1>\n", "1:6 marker-host"),
    "a range of several CIDRs": ("a: x <home:odd:cidr>\n", "1:6 not-one-cidr"),
    "a network that ends inside of a group": ("a: x <home:low:network>\n", "1:6 no-whole-network"),
    "a line of its own, below a value": ("a: x\n<home:prefix>\nb: 1\n", "2:1 marker-misplaced"),
    "a line of its own, below a list": ("a:\n- x\n<home:prefix>\n", "3:1 marker-misplaced"),
    "a line of its own": ("<home:prefix>\na: x\n", "1:1 marker-misplaced"),
    "an item without a value": ("- <home:prefix>\n- a\n", "1:3 marker-misplaced"),
    "a mapping": ("a: <home:prefix>\n  b: 1\n", "1:4 marker-misplaced"),
    "a mapping in braces": ("a: {b: 1} <home:prefix>\n", "1:11 marker-misplaced"),
    "an alias": ("a: &x 1\nb: *x <home:prefix>\n", "2:7 marker-misplaced"),
    "text of a block scalar": ("a: |\n  b: x <home:prefix>\n", "2:8 marker-misplaced"),
    "two markers of one value": ("a: <home:prefix>\n  ~ <home:prefix>\n", "1:1 marker-misplaced"),
    "behind a key that is a list": (
        "{b: x, [k]: <home:prefix>\n y}\n",
        "1:13 marker-misplaced",
    ),
    "a field that ends with a colon": ("a: x <home:prefix:>\n", "1:6 marker-field"),
    "an item of a list that is marked itself": (
        "a: <home:cidrs>\n- 0::/0 <home:prefix>\n",
        "2:3 marker-misplaced",
    ),
    "a list behind an alias for a key": (
        "a: &n b\nc:\n  *n : <home:cidrs>\n  - x\n",
        "4:3 edit-refused",
    ),
    "a key that is there twice": ("a: x <home:prefix>\na: y\n", "2:1 duplicate-key"),
}


@pytest.mark.parametrize(("text", "place"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(text: str, place: str):
    """With its place, a code and what to write; no file is touched."""
    first, *_ = problems_of(marked(text))
    assert first.startswith(f"manifest.yaml:{place}: ")


def test_an_address_that_is_there_twice_stays_once():
    text = marked("a: 2001:db8:a::1,fd00::1,2001:db8:a::1 <home:addresses:::1>\n")
    assert render_all(text, A) == marked("a: 2001:db8:a::1,fd00::1 <home:addresses:::1>\n")


def test_a_prefix_that_has_no_such_value_is_refused():
    """A range of one CIDR in a /64 is several in a longer prefix; a /72 ends in a group."""
    home = PREFIX.replace(b"  subnets:\n    - {name: low, offset: 1, prefixLength: 72}\n", b"")
    for text in ("a: 2001:db8 <home:network>\n", "a: <home:cidrs>\n- x\n"):
        files = {"home.yaml": home, "manifest.yaml": marked(text).encode()}
        problems = render_once(files, Prefix.parse("2001:db8:a::/60")).problems
        codes = [(problem.code, "network gives whole" in problem.message) for problem in problems]
        assert codes == ([("edit-refused", True)] if "network" in text else [])


def test_a_subnet_that_fits_no_usual_prefix_is_tried_in_the_real_one():
    home = PREFIX.replace(b"offset: 1, prefixLength: 72", b"offset: 1, prefixLength: 56")
    files = {"home.yaml": home, "manifest.yaml": marked("a: '' <home:low:cidr>\n").encode()}
    rendering = render_once(files, Prefix.parse("2001:db8:a::/48"))
    assert rendering.files["manifest.yaml"].decode() == marked(
        "a: '2001:db8:a:100::/56' <home:low:cidr>\n"
    )


def test_an_empty_value_may_become_a_list():
    """The fields `cidrs` and `addresses` have several values."""
    text = marked("a: <home:addresses:::1>\n")
    assert render_all(text, A) == text + '  - "2001:db8:a::1"\n'


def test_a_field_that_an_annotation_manages_takes_no_marker():
    text = marked(
        "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata:\n  name: g\n  annotations:\n"
        "    dynamic-prefix.io/name: home\nspec:\n  externalCIDRs: [] <home:cidrs>\n"
    )
    (problem,) = problems_of(text)
    assert problem.startswith("manifest.yaml:8:18 marker-misplaced: ")


def test_a_mapping_that_holds_an_annotated_field_is_not_rewritten():
    text = marked(
        "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata:\n  name: g\n  annotations:\n"
        "    dynamic-prefix.io/name: home\nspec: <home:rewrite>\n  externalCIDRs: []\n"
    )
    problem, *_ = problems_of(text)
    assert problem.startswith("manifest.yaml:7:1 marker-misplaced: spec holds spec.externalCIDRs")


def test_an_item_of_a_list_that_an_annotation_manages_takes_no_marker():
    text = marked(
        "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata:\n  name: g\n  annotations:\n"
        "    dynamic-prefix.io/name: home\nspec:\n  externalCIDRs:\n  - 0::/0 <home:cidrs>\n"
    )
    first, *_ = problems_of(text)
    assert first.startswith("manifest.yaml:9:5 marker-misplaced: ")


def test_a_dynamic_prefix_takes_no_marker():
    """It is where the prefix comes from."""
    spec = PREFIX.replace(b"name: home\n", marked("name: home\n  x:  <home:prefix>\n").encode())
    problems = render_once({"home.yaml": spec}, A).problems
    assert [f"{one.place} {one.code}" for one in problems] == ["home.yaml:5:3 marker-misplaced"]


values = st.sampled_from(["''", '""', '" "', "~", "null"])
lines = st.lists(
    st.sampled_from(["# a comment", "b: 1", "c: [1, 2]  # d", "", "e:\n  - f\n  - g", 'h: "#"']),
    unique=True,
    max_size=4,
)
paddings = st.sampled_from([" ", "  ", "   "])
markers = st.sampled_from([one for one in FIELDS if "addresses" not in one])


@given(lines, values, paddings, markers, lines, st.sampled_from(["\n", "\r\n"]))
def test_nothing_else_changes(before, value, padding, marker, after, newline):
    """The text outside of the value is byte-equal, and a parser reads what is meant."""
    assume(value not in {"~", "null"} or "cidrs" not in marker)  # which makes a list of nothing
    head = "".join(f"{one}\n" for one in before) + "a: "
    tail = (
        f"{padding}"
        + marked(f"<{marker}>\n")
        + "".join(f"z{one}\n" for one in after if one[:1].isalpha())
    )
    head, tail = (part.replace("\n", newline) for part in (head, tail))
    rendered = render_all(head + value + tail, A, B)
    assert rendered.startswith(head)
    assert rendered.endswith(tail)
    assert YAML(typ="safe", pure=True).load(rendered)["a"] == FIELDS[marker]


@given(st.integers(0, 0xFFFF).map(link_prefix))
def test_the_address_keeps_its_host_part(prefix):
    rendered = render_all(marked("a: 0::1 <home:lb:address:::f00d:0:0:7>\n"), prefix)
    address = parse_address(YAML(typ="safe").load(rendered)["a"])
    assert address == prefix.network + (0xF00D << 48) + 7


IN_A_SUBNET = {
    "home:inside:prefix": "2001:db8:b:10::/64",
    "home:inside:cidr": "2001:db8:b:10::1000/116",
    "home:inside:address:::1005": "2001:db8:b:10::1005",
    "home:inside:addresses:::1005": "2001:db8:b:10::1005,2001:db8:a:10::1005",
    "home:beside:prefix": "2001:db8:b::/56",
}


@pytest.mark.parametrize(("marker", "expected"), IN_A_SUBNET.items(), ids=IN_A_SUBNET)
def test_a_range_in_a_subnet_of_the_delegation(marker: str, expected: str):
    """A and B are delegations here, and the range is in their sixteenth /64."""
    home = (
        "apiVersion: dynamic-prefix.io/v1alpha1\nkind: DynamicPrefix\nmetadata: {name: home}\n"
        "spec:\n  acquisition: {dhcpv6pd: {interface: eth0, requestedPrefixLength: 56}}\n"
        "  subnets: [{name: lan, offset: 16, prefixLength: 64}]\n  addressRanges:\n"
        '    - {name: inside, subnet: lan, start: "::1000", end: "::1fff"}\n'
        '    - {name: beside, start: "::1000", end: "::1fff"}\n'
    )
    files = {"home.yaml": home.encode(), "m.yaml": marked(f'x: ""  <{marker}>\n').encode()}
    for hour, prefix in enumerate((A, B)):
        rendering = render_once(files, Prefix(prefix.network, 56), hour)
        assert not rendering.problems
        files |= rendering.files
    assert files["m.yaml"].decode() == marked(f'x: "{expected}"  <{marker}>\n')


def test_a_host_outside_of_its_range_is_named_with_the_ends_of_the_range():
    assert problems_of(marked("a: x <home:lb:address:::10>\n")) == [
        "manifest.yaml:1:6 marker-host: marker: HOST ::10 lies outside the range, "
        "::f000:0:0:0 to ::ffff:ffff:ffff:ffff"
    ]


def test_a_range_may_have_the_name_of_a_field():
    home = PREFIX.replace(b"name: lb", b"name: cidr").replace(b'"::a"', b'"::6"')
    text = marked("a: ['::/0'] <home:cidr:cidrs>\nb: '' <home:cidr>\n").encode()
    after = render_once({"home.yaml": home, "v.yaml": text}, A).files["v.yaml"].decode()
    assert after == marked(
        "a: ['2001:db8:a:0:f000::/68', '::/0'] <home:cidr:cidrs>\nb: '2001:db8:a::/64' <home:cidr>\n"
    )
    # The range has two CIDRs.
    text = marked("a: x <home:odd:cidr>\n").encode()
    (problem,) = render_once({"home.yaml": home, "v.yaml": text}, A).problems
    assert problem.code == "not-one-cidr"


def test_of_a_range_and_a_subnet_with_one_name_a_marker_takes_the_range():
    """The range is in the prefix, and the subnet is not."""
    home = PREFIX.replace(b"name: low", b"name: lb")
    text = b'cidrs: []  # {"$dynamicprefix": "home:lb:cidrs"}\n'
    with_both = render_once({"home.yaml": home, "v.yaml": text}, A).files["v.yaml"]
    assert with_both == render_once({"home.yaml": PREFIX, "v.yaml": text}, A).files["v.yaml"]
