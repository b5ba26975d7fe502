"""Text files of any kind: what a comment marks moves, and every other byte stays."""

import re

import pytest

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.transition import Choice, advance
from gitops_prefix.errors import InputError
from gitops_prefix.render.binding import Binding, FieldEdit
from gitops_prefix.render.files import (
    AS_JSON,
    NESTED,
    RepositoryFiles,
    SkippedFile,
    is_annotated_json,
)
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.proof import prove_edits
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import render
from gitops_prefix.render.settings import Settings, read_settings
from gitops_prefix.render.source import Edit, Source
from tests.render.repository import NOON, PREFIX, A, B

SETTINGS = "gitops-prefix.yaml"


def marked(text: str) -> str:
    """`text` with `<NAME:FIELD>` written out as a marker."""
    return re.sub(r"<(\w+:[^<>]*)>", r'{"$dynamicprefix": "\1"}', text)


def rendered(files: dict[str, bytes], *prefixes: Prefix):
    """The files after one prefix after another, and the last problems."""
    problems = ()
    files = RepositoryFiles({"home.yaml": PREFIX} | files, getattr(files, "skipped", ()))
    for prefix in prefixes or (A, B):
        inventory = read_inventory(files, read_settings(files.get(SETTINGS)))
        statuses = {
            name: advance(document.specification, document.status, Choice(prefix), NOON)
            for name, document in inventory.dynamic_prefixes.items()
        }
        rendering = render(inventory, statuses)
        problems = rendering.problems
        files = RepositoryFiles(files | rendering.files, files.skipped)
        again = render(read_inventory(files, read_settings(files.get(SETTINGS))), statuses)
        assert again.files == {}
    return files, problems


COMMENTS = {
    "number sign": "x 2001:db8:a::1 # <home:rewrite>\n",
    "two slashes": "x 2001:db8:a::1 // <home:rewrite>\n",
    "semicolon": "x 2001:db8:a::1 ; <home:rewrite>\n",
    "two dashes": "x 2001:db8:a::1 -- <home:rewrite>\n",
    "C": "x 2001:db8:a::1 /* <home:rewrite> */\n",
    "XML": "<!-- <home:rewrite> -->\n<a>2001:db8:a::1</a>\n",
    "Jinja": "x 2001:db8:a::1 {# <home:rewrite> #}\n",
    "Go template": "{{- /* <home:rewrite> */ -}}\nx 2001:db8:a::1\n",
    "exclamation mark": "! <home:rewrite>\ny 2001:db8:a::1\n",
    "per cent": "x 2001:db8:a::1 % <home:rewrite>\n",
    "several signs": "x 2001:db8:a::1 ;;## <home:rewrite>\n",
    "words behind it": "x 2001:db8:a::1 # <home:rewrite> the house\n",
    "above its line": "# <home:rewrite>\nx 2001:db8:a::1\ny 2001:db8:c::1\n",
    "above the last line": "  # <home:rewrite>\nx 2001:db8:a::1",
    "begin and end": "# <home:rewrite:begin>\na 2001:db8:a::1\nb 2001:db8:a::2\n# <home:rewrite:end>\n",
    "two parts": "a 2001:db8:a::1 # <home:rewrite>\nb\nc 2001:db8:a::2 # <home:rewrite>\n",
    "CRLF": "a 2001:db8:a::1 # <home:rewrite>\r\nb\r\n# <home:rewrite>\r\nc 2001:db8:a::2\r\n",
    "BOM": "\ufeffa 2001:db8:a::1 # <home:rewrite>\n",
}


@pytest.mark.parametrize("text", COMMENTS.values(), ids=COMMENTS)
@pytest.mark.parametrize("name", ["any.conf", "Corefile", "a.yaml.j2"])
def test_what_a_comment_marks_moves(text: str, name: str):
    text = marked(text)
    files, problems = rendered({name: text.encode()})
    assert files[name].decode() == text.replace("db8:a:", "db8:b:")
    assert problems == ()
    assert rendered({name: text.encode()}, A, B, A)[0][name].decode() == text


STAYS = {
    "right of a marker": "x # <home:rewrite> 2001:db8:a::1\n",
    "another line": "2001:db8:a::1\nx 2001:db8:a::2 # <home:rewrite>\n2001:db8:a::3\n",
    "outside of begin and end": (
        "2001:db8:a::1\n# <home:rewrite:begin>\n2001:db8:a::2\n# <home:rewrite:end>\n2001:db8:a::3\n"
    ),
}


@pytest.mark.parametrize("text", STAYS.values(), ids=STAYS)
def test_what_is_not_marked_stays(text: str):
    text = marked(text)
    files, _ = rendered({"a.conf": text.encode()})
    assert files["a.conf"].decode() == text.replace("db8:a::2", "db8:b::2")


def test_bytes_that_are_not_utf_8_stay():
    text = b'caf\xe9 2001:db8:a::1 # {"$dynamicprefix": "home:rewrite"} \xff\xfe\n\x80'
    files, problems = rendered({"a.conf": text})
    assert files["a.conf"] == text.replace(b"db8:a:", b"db8:b:")
    assert problems == ()


WRONG = {
    "a name that is not there": (
        "# <hom:rewrite>\n2001:db8:a::1\n",
        "unknown-dynamic-prefix",
        1,
        3,
    ),
    "another field": ("2001:db8:a::1 # <home:prefix>\n", "marker-field", 1, 17),
    "a range": ("2001:db8:a::1 # <home:lb:rewrite>\n", "marker-field", 1, 17),
    "no JSON": ('2001:db8:a::1 # {"$dynamicprefix": home}\n', "marker-not-json", 1, 17),
    "a number": ('2001:db8:a::1 # {"$dynamicprefix": 1}\n', "marker-not-json", 1, 17),
    "single quotes": (
        "2001:db8:a::1 # {'$dynamicprefix': 'home:rewrite'}\n",
        "marker-not-json",
        1,
        17,
    ),
    "no quotes": ("2001:db8:a::1 # {$dynamicprefix: home:rewrite}\n", "marker-not-json", 1, 17),
    "quotes of a word processor": (
        "2001:db8:a::1 # {“$dynamicprefix”: “home:rewrite”}\n",
        "marker-not-json",
        1,
        17,
    ),
    "two on a line": (
        "2001:db8:a::1 # <home:rewrite> # <home:rewrite>\n",
        "marker-misplaced",
        1,
        54,
    ),
    "begin without end": ("a\n# <home:rewrite:begin>\n2001:db8:a::1\n", "marker-unclosed", 2, 3),
    "end without begin": ("a\n# <home:rewrite:end>\n2001:db8:a::1\n", "marker-unclosed", 2, 3),
    "begin in begin": (
        "# <home:rewrite:begin>\n# <home:rewrite:begin>\n# <home:rewrite:end>\n",
        "marker-overlap",
        2,
        3,
    ),
    "a marker between begin and end": (
        "# <home:rewrite:begin>\nx # <home:rewrite>\n# <home:rewrite:end>\n",
        "marker-overlap",
        2,
        5,
    ),
    "the end of another one": (
        "# <home:rewrite:begin>\n# <work:rewrite:end>\n# <home:rewrite:end>\n",
        "marker-overlap",
        2,
        3,
    ),
    "alone on the last line": ("2001:db8:a::1\n# <home:rewrite>", "marker-misplaced", 2, 3),
}
WORK = PREFIX.replace(b"name: home\n", b"name: work\n")


@pytest.mark.parametrize(("text", "code", "line", "column"), WRONG.values(), ids=WRONG)
def test_a_wrong_marker_is_an_error_with_its_place_and_holds_the_file(text, code, line, column):
    good = "2001:db8:a::9 # <home:rewrite>\n"
    content = marked(good + text).encode()
    files, problems = rendered({"a.conf": content, "work.yaml": WORK})
    (problem,) = [problem for problem in problems if problem.place.path == "a.conf"]
    assert (problem.code, problem.place, problem.severity) == (
        code,
        ("a.conf", line + 1, column),
        "error",
    )
    assert files["a.conf"] == content


ODD = {
    "nothing of ours": ("2001:db8:c::1 # <home:rewrite>\n", "nothing-of-ours", 1, 17),
    "words before it": ("2001:db8:a::1 # see <home:rewrite>\n", "marker-aside", 1, 21),
    "a misspelt key": (
        '2001:db8:a::1 # {"$dynamicPrefix": "home:rewrite"}\n',
        "unknown-marker",
        1,
        17,
    ),
    "no comment": ('"a": <home:rewrite>\n', "marker-aside", 1, 6),
}


@pytest.mark.parametrize(("text", "code", "line", "column"), ODD.values(), ids=ODD)
def test_an_odd_marker_is_a_warning(text, code, line, column):
    content = marked(text).encode()
    files, problems = rendered({"a.conf": content})
    assert [(problem.code, problem.place, problem.severity) for problem in problems] == [
        (code, ("a.conf", line, column), "warning")
    ]
    assert files["a.conf"] == content


def test_a_misspelt_key_is_reported_in_comments_alone():
    near = '{"$dynamic-prefix": "home:rewrite"}'
    _, problems = rendered({"a.conf": f"x = {near}\n".encode(), "a.md": f"# {near}\n".encode()})
    assert problems == ()
    _, problems = rendered({"a.md": f"<!-- {near} -->\n".encode()})
    assert [problem.code for problem in problems] == ["unknown-marker"]


@pytest.mark.parametrize("name", ["README.md", "a.html", "a.xml"])
def test_prose_about_markers_is_none_of_them(name: str):
    text = marked("```\n2001:db8:a::1 # <home:rewrite>\n```\n<!-- <home:rewrite> -->\n")
    text += "2001:db8:a::2\n"
    files, problems = rendered({name: text.encode()})
    assert files[name].decode() == text.replace("db8:a::2", "db8:b::2")
    assert problems == ()


def named(*rewrites: str) -> bytes:
    lines = "".join(f"  - {{path: {path}, dynamicPrefix: home}}\n" for path in rewrites)
    return f"rewrite:\n{lines}".encode()


JSON = b'{"a": "2001:db8:a::1", "b": ["2001:DB8:A::/64", 1]}'


@pytest.mark.parametrize("pattern", ['"*.json"', "/x/", "x/a.json", '"**/*.json"'])
def test_a_file_that_the_settings_name_moves_as_a_whole(pattern: str):
    files, problems = rendered({"x/a.json": JSON, SETTINGS: named(pattern)})
    assert files["x/a.json"] == JSON.replace(b"db8:a", b"db8:b").replace(b"DB8:A", b"DB8:B")
    assert problems == ()


NAMED = {
    "nothing": ({}, named("x.json"), "rewrite-nothing", "warning"),
    "a managed YAML": (
        {"a.yaml": b"a: '' # x $dynamicprefix\n"},
        named('"a.*"'),
        "rewrite-managed",
        "error",
    ),
    "the DynamicPrefix": ({}, named("home.yaml"), "rewrite-managed", "error"),
    "the settings": ({}, named('"gitops-*"'), "rewrite-managed", "error"),
    "an unknown name": (
        {"a.json": JSON},
        b"rewrite:\n  - {path: a.json, dynamicPrefix: hom}\n",
        "unknown-dynamic-prefix",
        "error",
    ),
    "two DynamicPrefixes for one file": (
        {"a.json": JSON, "work.yaml": WORK},
        named("a.json") + b"  - {path: a.json, dynamicPrefix: work}\n",
        "rewrite-twice",
        "error",
    ),
}


@pytest.mark.parametrize(("files", "settings", "code", "severity"), NAMED.values(), ids=NAMED)
def test_a_wrong_name_of_a_file_is_reported_at_the_settings(files, settings, code, severity):
    after, problems = rendered(files | {SETTINGS: settings})
    (problem,) = [problem for problem in problems if problem.place.path == SETTINGS]
    assert (problem.code, problem.severity) == (code, severity)
    assert problem.place.line >= 2
    assert problem.place.column > 1
    assert [path for path in files if after[path] != files[path] and path != "work.yaml"] == []


def test_a_file_that_is_named_and_managed_stays_as_it_is():
    pool = b'a: ""  # {"$dynamicprefix": "home:prefix"}\n'
    files, _ = rendered({"a.yaml": pool, SETTINGS: named("a.yaml")})
    assert files["a.yaml"] == pool


def test_an_unknown_name_is_an_error_beside_a_file_that_is_named_in_vain():
    """No DynamicPrefix is in what such an error is about."""
    pool = b'a: ""  # {"$dynamicprefix": "home:prefix"}\n'
    wrong = b'2001:db8:a::1 # {"$dynamicprefix": "hom:rewrite"}\n'
    _, problems = rendered({"a.yaml": pool, "b.conf": wrong, SETTINGS: named("a.yaml")})
    assert {problem.code for problem in problems} == {"rewrite-managed", "unknown-dynamic-prefix"}


def test_an_unmanaged_yaml_file_may_be_named():
    text = b"a: 2001:db8:a::1\nb: {{ x }}\n"
    files, problems = rendered({"a.yaml": text, SETTINGS: named("a.yaml")})
    assert files["a.yaml"] == text.replace(b"db8:a", b"db8:b")
    assert problems == ()


def test_a_marker_in_a_named_file_is_an_error():
    text = b'2001:db8:a::1 # {"$dynamicprefix": "home:rewrite"}\n'
    files, problems = rendered({"a.conf": text, SETTINGS: named("a.conf")})
    assert [problem.code for problem in problems] == ["marker-misplaced"]
    assert files["a.conf"] == text


def test_code_that_names_the_key_in_no_comment_is_no_marker():
    text = b"x = {'$dynamicprefix': y}  # 2001:db8:a::1\n"
    files, problems = rendered({"a.py": text})
    assert files["a.py"] == text
    assert problems == ()


def test_a_binary_file_is_left_alone_with_a_word():
    content = b'\0 2001:db8:a::1 # {"$dynamicprefix": "home:rewrite"}\n'
    files, problems = rendered({"a": content, "b.bin": b"\0", SETTINGS: named("b.bin")})
    assert [(problem.code, problem.place.path) for problem in problems] == [
        ("binary-file", "a"),
        ("binary-file", "b.bin"),
    ]
    assert files["a"] == content


def test_a_skipped_file_is_reported_and_counts_as_matched():
    files = RepositoryFiles({SETTINGS: named("big.json")}, [SkippedFile("big.json", "it is long")])
    _, problems = rendered(files)
    assert [(problem.code, problem.place.path) for problem in problems] == [
        ("skipped-file", "big.json")
    ]


def test_a_pattern_may_be_for_files_outside_of_the_path():
    files = RepositoryFiles({SETTINGS: named("talos/x.j2")}, (), "clusters")
    (problem,) = read_inventory(files, read_settings(files[SETTINGS])).problems[:1]
    assert problem.code == "rewrite-nothing"
    assert 'no file below --path "clusters"' in problem.message


SETTINGS_WRONG = {
    "no path": b"rewrite: [{dynamicPrefix: home}]\n",
    "no name": b"rewrite: [{path: a}]\n",
    "no list": b"rewrite: a\n",
    "no mapping": b"rewrite: [a]\n",
    "no string": b"rewrite: [{path: 1, dynamicPrefix: home}]\n",
}


@pytest.mark.parametrize("settings", SETTINGS_WRONG.values(), ids=SETTINGS_WRONG)
def test_wrong_settings_are_an_error_with_their_place(settings: bytes):
    with pytest.raises(InputError) as raised:
        read_settings(settings)
    assert all(problem.place.line == 1 for problem in raised.value.problems)


def test_a_subnet_of_the_delegation_moves_with_it():
    prefix = PREFIX.replace(b"eth0}", b"eth0, delegatedPrefixLength: 56}")
    text = b'2001:db8:0:1105::1 2001:db8:0:1205::1 # {"$dynamicprefix": "home:rewrite"}\n'
    first, second = Prefix.parse("2001:db8:0:1100::/64"), Prefix.parse("2001:db8:0:3300::/64")
    files, problems = rendered({"home.yaml": prefix, "a.conf": text}, first, second)
    assert files["a.conf"] == text.replace(b":1105:", b":3305:")
    assert problems == ()


OTHER_LINKS = {
    "in one delegation": ("1100", "1101", "1100"),
    "in another delegation": ("1100", "3301", "3300"),
    "back at its place": ("1101", "3301", "3301"),
}


@pytest.mark.parametrize(("before", "after", "moved"), OTHER_LINKS.values(), ids=OTHER_LINKS)
@pytest.mark.parametrize("name", ["a.conf", "a.yaml"])
def test_the_subnet_of_an_address_stays_and_a_warning_says_when_the_link_has_another(
    name: str, before: str, after: str, moved: str
):
    prefix = PREFIX.replace(b"eth0}", b"eth0, delegatedPrefixLength: 56}")
    # The warning names the first address alone.
    address = f"2001:db8:0:{before}::"
    text = f'a: "{address}1 {address}2"  # {{"$dynamicprefix": "home:rewrite"}}\n'
    old, new = (Prefix.parse(f"2001:db8:0:{group}::/64") for group in (before, after))
    files, problems = rendered({"home.yaml": prefix, name: text.encode()}, old, new)
    assert files[name].decode() == text.replace(before, moved)
    words = [(problem.code, problem.severity, problem.place[1:]) for problem in problems]
    assert words == ([] if before[2:] == after[2:] else [("will-not-follow", "warning", (1, 5))])
    assert all(f"{old}" in problem.message and f"{new}" in problem.message for problem in problems)


def test_of_a_large_text_the_warning_names_the_first_address():
    prefix = PREFIX.replace(b"eth0}", b"eth0, delegatedPrefixLength: 56}")
    text = marked(
        f"; <home:rewrite:begin>\n; {'x' * 70_000}\na fe80::1\nb 2001:db8:0:1100::1\n; <home:rewrite:end>\n"
    )
    old, new = (Prefix.parse(f"2001:db8:0:{group}::/64") for group in ("1100", "1101"))
    _, problems = rendered({"home.yaml": prefix, "a.conf": text.encode()}, old, new)
    assert [(problem.code, problem.place) for problem in problems] == [
        ("will-not-follow", ("a.conf", 4, 3))
    ]


def test_of_several_links_each_has_its_own_place_in_the_delegation():
    """After a failover, an address of the first link is as right as it was."""
    links = b"interfaces: [eth0, eth1], delegatedPrefixLength: 56}"
    prefix = PREFIX.replace(b"interface: eth0}", links)
    text = b'2001:db8:0:1100::1 2001:db8:0:1101::1 # {"$dynamicprefix": "home:rewrite"}\n'
    first, second = Prefix.parse("2001:db8:0:1100::/64"), Prefix.parse("2001:db8:0:1101::/64")
    files, problems = rendered({"home.yaml": prefix, "a.conf": text}, first, second)
    assert files["a.conf"] == text
    assert problems == ()


def test_an_address_without_room_in_the_new_prefix_stays_with_a_warning():
    text = b'2001:db8:0:1105::1 # {"$dynamicprefix": "home:rewrite"}\n'
    wide, narrow = Prefix.parse("2001:db8:0:1100::/56"), Prefix.parse("2001:db8:0:3300::/64")
    files, problems = rendered({"a.conf": text}, wide, narrow)
    assert [(problem.code, problem.place) for problem in problems] == [
        ("will-not-follow", ("a.conf", 1, 1))
    ]
    assert files["a.conf"] == text


def test_a_large_file_is_one_change_of_its_prefix():
    lines = "".join(f"host{number} AAAA 2001:db8:a::{number:x}\n" for number in range(1, 4000))
    text = marked(f"; <home:rewrite:begin>\n{lines}; <home:rewrite:end>\n")
    files, _ = rendered({"a.zone": text.encode()}, A)
    inventory = read_inventory(files, Settings())
    status = advance(
        inventory.dynamic_prefixes["home"].specification,
        inventory.dynamic_prefixes["home"].status,
        Choice(B),
        NOON,
    )
    rendering = render(inventory, {"home": status})
    assert rendering.files["a.zone"].decode() == text.replace("db8:a:", "db8:b:")
    (change,) = [change for change in rendering.changes if change.path == "a.zone"]
    assert (change.before, change.after) == (["2001:db8:a::/64"], ["2001:db8:b::/64"])


def test_an_edit_of_more_than_addresses_is_refused():
    manifest = Manifest.of_text(Source("a.conf", "x 2001:db8:a::1"))
    binding = Binding(manifest, ("line 1",), "home", lambda binding, _: binding.unchanged())
    assert not [*prove_edits([FieldEdit(binding, (Edit(2, 14, "2001:db8:b::"),), None, None)])]
    (problem,) = prove_edits([FieldEdit(binding, (Edit(0, 14, "2001:db8:b::"),), None, None)])
    assert problem.code == "edit-refused"


def test_the_settings_name_files_by_their_patterns():
    settings = read_settings(named("a.json", '"*.j2"'))
    assert settings.named.has_any
    assert settings.named.match_file("x/y.j2")
    assert not settings.named.match_file("y.conf")
    assert not Settings().named.has_any


IN_JSON = {
    "an annotation": (b'{"metadata": {"annotations": {"dynamic-prefix.io/name": "home"}}}', True),
    "a DynamicPrefix": (b'{"apiVersion": "dynamic-prefix.io/v1alpha1"}', True),
    "a schema": (b'{"apiVersion": {"const": "dynamic-prefix.io/v1alpha1"}}', False),
    "words": (b'{"text": "dynamic-prefix.io/name"}', False),
    "a marker, which is read": (b'{"dynamic-prefix.io/name": "a", "b": "$dynamicprefix"}', False),
    "nothing of ours": (b"{}", False),
}


@pytest.mark.parametrize(("content", "is_ours"), IN_JSON.values(), ids=IN_JSON)
def test_an_annotated_manifest_in_json_is_known(content: bytes, is_ours: bool):
    assert is_annotated_json(content, "a.JSON") is is_ours
    assert not is_annotated_json(content, "a.yaml")


@pytest.mark.parametrize("reason", [AS_JSON, NESTED])
def test_a_manifest_that_is_not_read_is_a_warning_in_one_sentence(reason: str):
    files = RepositoryFiles({}, [SkippedFile("a/pool.json", reason)])
    (problem,) = read_inventory(files, Settings()).problems
    assert (problem.code, problem.severity) == ("skipped-file", "warning")
    assert (problem.place.path, problem.message) == ("a/pool.json", reason)
