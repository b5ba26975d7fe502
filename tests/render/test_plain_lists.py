"""A list for a firewall, a network a line: ours are written, every other line stays."""

import pytest

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.transition import Choice, advance
from gitops_prefix.errors import InputError
from gitops_prefix.render.binding import Binding, FieldEdit
from gitops_prefix.render.files import IgnoredPaths, RepositoryFiles, SkippedFile
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.proof import prove_edits
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import Rendering, render
from gitops_prefix.render.settings import read_settings
from gitops_prefix.render.source import Edit, Source
from tests.render.repository import NOON, PREFIX, A, B, C

SETTINGS = "gitops-prefix.yaml"
LIST = "firewall/lb.txt"
ENTRY = "lists: [{path: firewall/lb.txt, dynamicPrefix: home, range: lb}]\n"
IN_A, IN_B, IN_C = (f"2001:db8:{letter}:0:f000::/68" for letter in "abc")


def rendered(
    files: dict[str, bytes], *prefixes: Prefix, settings: str = ENTRY
) -> tuple[RepositoryFiles, Rendering]:
    """The files after one prefix after another, and the last rendering."""
    files = {"home.yaml": PREFIX, SETTINGS: settings.encode()} | files
    result = Rendering()
    for prefix in prefixes or (A,):
        inventory = read_inventory(files, read_settings(files[SETTINGS]))
        statuses = {
            name: advance(document.specification, document.status, Choice(prefix), NOON)
            for name, document in inventory.dynamic_prefixes.items()
        }
        result = render(inventory, statuses)
        files |= result.files
        again = read_inventory(files, read_settings(files[SETTINGS]))
        assert render(again, statuses).files == {}
    return RepositoryFiles(files), result


LISTS = {
    "an empty file": ("", (A,), f"{IN_A}\n"),
    "a past prefix stays behind": ("", (A, B), f"{IN_B}\n{IN_A}\n"),
    "the oldest leaves": ("", (C, A, B, C), f"{IN_C}\n{IN_B}\n{IN_A}\n"),
    "back again": ("", (A, B, A), f"{IN_A}\n{IN_B}\n"),
    "comments at the begin": ("# lb\n\n; x\n", (A,), f"# lb\n\n; x\n{IN_A}\n"),
    "comments without a line break": ("# lb", (A,), f"# lb\n{IN_A}"),
    "entries of the author": ("192.0.2.0/24\nhost\n", (A,), f"{IN_A}\n192.0.2.0/24\nhost\n"),
    "in the place of ours": (
        f"192.0.2.1\n{IN_A} # lb\n# x\nfd00::/8\n",
        (A, B),
        f"192.0.2.1\n{IN_B}\n{IN_A} # lb\n# x\nfd00::/8\n",
    ),
    "another notation": (f"{IN_A.upper()}\n", (A,), f"{IN_A.upper()}\n"),
    "CRLF": ("# lb\r\n1.2.3.4\r\n", (A,), f"# lb\r\n{IN_A}\r\n1.2.3.4\r\n"),
    "no line break at the end": (IN_A, (A, B), f"{IN_B}\n{IN_A}"),
    "bytes that are no UTF-8": ("# caf\udce9\n", (A,), f"# caf\udce9\n{IN_A}\n"),
}


@pytest.mark.parametrize(("before", "prefixes", "after"), LISTS.values(), ids=LISTS)
def test_our_networks_are_written_and_every_other_line_stays(before, prefixes, after):
    content = before.encode(errors="surrogateescape")
    files, rendering = rendered({LIST: content}, *prefixes)
    assert files[LIST].decode(errors="surrogateescape") == after
    assert rendering.problems == ()


PARTS = {
    "a range of several networks": ("range: odd", ["5/128", "6/127", "8/127", "a/128"]),
    "a subnet": ("subnet: low", ["100:0:0:0/72"]),
}


@pytest.mark.parametrize(("part", "hosts"), PARTS.values(), ids=PARTS)
def test_a_list_may_be_of_a_range_or_a_subnet(part: str, hosts: list[str]):
    entry = f"lists: [{{path: firewall/lb.txt, dynamicPrefix: home, {part}}}]\n"
    files, _ = rendered({LIST: b""}, settings=entry)
    networks = [str(Prefix.parse(line)) for line in files[LIST].decode().split()]
    expected = [
        str(Prefix.parse(f"2001:db8:a:0:{host}" if "0:0" in host else f"2001:db8:a::{host}"))
        for host in hosts
    ]
    assert networks == expected


def test_a_list_may_be_of_the_prefix():
    entry = "lists: [{path: firewall/lb.txt, dynamicPrefix: home}]\n"
    files, rendering = rendered({LIST: b""}, A, B, settings=entry)
    assert files[LIST] == b"2001:db8:b::/64\n2001:db8:a::/64\n"
    (change,) = [change for change in rendering.changes if change.path == LIST]
    assert (change.before, change.after) == (
        ["2001:db8:a::/64"],
        ["2001:db8:b::/64", "2001:db8:a::/64"],
    )


WRONG = {
    "a file that is not there": ({}, ENTRY, "list-missing", SETTINGS),
    "YAML": (
        {"a.yaml": b"a: 1\n"},
        ENTRY.replace(LIST, "a.yaml"),
        "list-of-yaml",
        SETTINGS,
    ),
    "an unknown DynamicPrefix": (
        {LIST: b""},
        ENTRY.replace("home", "hom"),
        "unknown-dynamic-prefix",
        SETTINGS,
    ),
    "an unknown range": ({LIST: b""}, ENTRY.replace("lb}", "lbs}"), "unknown-part", SETTINGS),
    "two entries": (
        {LIST: b""},
        ENTRY.replace("[", "[{path: firewall/lb.txt, dynamicPrefix: home}, "),
        "rewrite-twice",
        SETTINGS,
    ),
    "rewrite names it, too": (
        {LIST: b""},
        "rewrite: [{path: '*.txt', dynamicPrefix: home}]\n" + ENTRY,
        "rewrite-twice",
        SETTINGS,
    ),
    "a marker": (
        {LIST: b'# {"$dynamicprefix": "home:rewrite"}\n2001:db8:a::1\n'},
        ENTRY,
        "marker-misplaced",
        LIST,
    ),
    "a binary file": ({LIST: b"\0"}, ENTRY, "binary-file", LIST),
}


@pytest.mark.parametrize(("files", "settings", "code", "path"), WRONG.values(), ids=WRONG)
def test_a_wrong_list_is_an_error_and_stays(files, settings, code, path):
    after, rendering = rendered(files, A, B, settings=settings)
    (problem,) = rendering.problems
    assert (problem.code, problem.place.path, problem.severity) == (code, path, "error")
    assert problem.place.line >= 1
    assert {name: after[name] for name in files} == files


NOT_READ = {
    "it is skipped": ((SkippedFile(LIST, "it is long"),), "", LIST),
    "it is outside": ((), "apps", SETTINGS),
    "a name that begins alike": ((), "fire", SETTINGS),
}


@pytest.mark.parametrize(("skipped", "below", "path"), NOT_READ.values(), ids=NOT_READ)
def test_a_list_that_is_not_read_is_a_warning_and_not_missing(skipped, below, path):
    given = {"home.yaml": PREFIX, SETTINGS: ENTRY.encode()}
    files = RepositoryFiles(given, skipped, below).updated({})
    (problem,) = read_inventory(files, read_settings(files[SETTINGS])).problems
    assert (problem.code, problem.severity) == ("skipped-file", "warning")
    assert problem.place is not None
    assert problem.place.path == path


@pytest.mark.parametrize("below", [".", "firewall"])
def test_a_list_that_is_not_there_is_missing_below_the_path(below: str):
    files = RepositoryFiles({"home.yaml": PREFIX, SETTINGS: ENTRY.encode()}, (), below)
    (problem,) = read_inventory(files, read_settings(files[SETTINGS])).problems
    assert problem.code == "list-missing"


def test_a_list_of_a_range_that_has_no_networks_yet_is_not_emptied():
    files, _ = rendered({LIST: f"{IN_C}\n".encode()}, A, settings="")
    files |= {
        "home.yaml": files["home.yaml"].replace(b"name: odd,", b"name: new,"),
        SETTINGS: ENTRY.replace("lb}", "new}").encode(),
    }
    inventory = read_inventory(files, read_settings(files[SETTINGS]))
    rendering = render(inventory, {"home": inventory.dynamic_prefixes["home"].status})
    assert LIST not in rendering.files


def test_an_edit_of_more_than_networks_is_refused():
    manifest = Manifest.of_text(Source(LIST, f"# x\n{IN_A}\n"))
    binding = Binding(manifest, ("networks",), "home", lambda binding, _: binding.unchanged())
    (problem,) = prove_edits([FieldEdit(binding, (Edit(0, 4, ""),), [], [], whole=f"{IN_A}\n")])
    assert problem.code == "edit-refused"


@pytest.mark.parametrize("entry", ["{path: a}", "{dynamicPrefix: home}", "{path: 1}", "a"])
def test_an_entry_that_lacks_something_is_an_error(entry: str):
    with pytest.raises(InputError):
        read_settings(f"lists: [{entry}]\n".encode())


SLIPS = {
    "a misspelt range": ("lists", "ranges: lb", "unknown-field"),
    "a range without a value": ("lists", "range: ", "empty-field"),
    "an empty range": ("lists", "range: ''", "empty-field"),
    "an empty subnet": ("lists", "subnet: ''", "empty-field"),
    "a range and a subnet": ("lists", "range: lb, subnet: low", "invalid-value"),
    "a field that rewrite does not have": ("rewrite", "range: lb", "unknown-field"),
}


@pytest.mark.parametrize(("key", "part", "code"), SLIPS.values(), ids=SLIPS)
def test_a_slip_in_an_entry_is_an_error_and_widens_nothing(key: str, part: str, code: str):
    settings = f"{key}: [{{path: firewall/lb.txt, dynamicPrefix: home, {part}}}]\n"
    with pytest.raises(InputError) as refused:
        read_settings(settings.encode())
    (problem,) = refused.value.problems
    assert (problem.code, problem.severity) == (code, "error")
    assert problem.place is not None
    assert problem.place.line == 1


@pytest.mark.parametrize("path", ["a[1].txt", "a*b", "!x", "#x", "a b ", "x/y?.txt", "a\\b"])
def test_a_path_is_no_pattern(path: str):
    settings = read_settings(f"lists: [{{path: '{path}', dynamicPrefix: home}}]\n".encode())
    (pattern,) = [plain_list.pattern for plain_list in settings.lists]
    assert IgnoredPaths([pattern]).match_file(path)
    assert not IgnoredPaths([pattern]).match_file(f"z/{path}")
    assert not IgnoredPaths([pattern]).match_file("a1.txt")
    assert settings.named.match_file(path)
