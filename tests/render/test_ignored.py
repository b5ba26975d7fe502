"""Which paths are passed over: as git reads the same patterns, and in bounded time."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.errors import InputError
from gitops_prefix.render.files import (
    MOST_BYTES,
    IgnoredPaths,
    ignore_lines,
    is_gits_own,
    looks_managed,
)
from tests.gitrepo import git

IGNORED = [
    ("a.yaml", "a.yaml", True),
    ("a.yaml", "x/a.yaml", True),
    ("/a.yaml", "x/a.yaml", False),
    ("x/a.yaml", "x/a.yaml", True),
    ("x/a.yaml", "y/x/a.yaml", False),
    ("x", "x/y/a.yaml", True),
    ("x/", "x/a.yaml", True),
    ("a.yaml/", "a.yaml", False),
    ("*.yaml", "x/a.yaml", True),
    ("x/*.yaml", "x/y/a.yaml", False),
    ("x/**", "x/y/a.yaml", True),
    ("x/**", "x", False),
    ("**/y", "y/a.yaml", True),
    ("**/y", "x/y/a.yaml", True),
    ("x/**/a.yaml", "x/a.yaml", True),
    ("x/**/a.yaml", "x/y/z/a.yaml", True),
    ("x/**/a.yaml", "x/y/ba.yaml", False),
    ("x**z", "x/y/z", False),
    ("?.yaml", "a.yaml", True),
    ("?.yaml", ".yaml", False),
    ("[a-c].yaml", "b.yaml", True),
    ("[!a-c].yaml", "b.yaml", False),
    ("[^a-c].yaml", "d.yaml", True),
    ("[]].yaml", "].yaml", True),
    ("[a-].yaml", "-.yaml", True),
    ("[[:digit:]].yaml", "7.yaml", True),
    ("[[:nope:]].yaml", "n.yaml", False),
    ("[[:a]b:].yaml", "ab:].yaml", True),
    ("[\\]].yaml", "].yaml", True),
    ("[\\]].yaml", "\\.yaml", False),
    ("[[:a]b:].yaml", ":b:].yaml", True),
    ("[[:a", "a", False),
    ("[a\\", "a", False),
    ("a[/]b", "a/b", False),
    ("[a", "[a", False),
    ("[a-z", "b", False),
    ("\\*.yaml", "*.yaml", True),
    ("\\*.yaml", "a.yaml", False),
    ("\\#a", "#a", True),
    ("#a", "#a", False),
    ("\\!a", "!a", True),
    ("a\\ ", "a ", True),
    ("a  ", "a", True),
    ("a\\", "a", False),
    ("a\\", "a\\", False),
    ("", "a", False),
    ("!", "!", False),
    ("/", "a", False),
    ("**", "a/b", True),
    ("ü*", "ünder.yaml", True),
    ("a\n!a", "a", False),
    ("x\n!x/a.yaml", "x/a.yaml", True),
    ("x/*\n!x/a.yaml", "x/a.yaml", False),
]


@pytest.mark.parametrize(("pattern", "path", "ignored"), IGNORED)
def test_a_pattern_is_about_a_path_or_not(pattern: str, path: str, *, ignored: bool):
    assert IgnoredPaths(pattern.split("\n")).match_file(path) is ignored


PARTS = st.text("ab*?[]!^-\\/. ", min_size=1, max_size=6)
NAMES = st.lists(st.text("ab-.]*!", min_size=1, max_size=3), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    tree = tmp_path_factory.mktemp("ignored")
    git(tree, "init", "-q")
    return tree


@given(
    patterns=st.lists(PARTS, min_size=1, max_size=3), names=st.lists(NAMES, min_size=1, max_size=20)
)
def test_git_is_the_second_opinion(repository: Path, patterns: list[str], names: list[list[str]]):
    """On every pattern and path that comes to mind."""
    paths = {"/".join(parts) for parts in names if not {".", "..", ".git"} & {*parts}}
    (repository / ".git" / "info" / "exclude").write_text("\n".join(patterns) + "\n")
    said = subprocess.run(
        ["git", "-C", str(repository), "check-ignore", "--no-index", "--stdin", "-z"],
        input="\0".join(f"./{path}" for path in sorted(paths)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    theirs = {path.removeprefix("./") for path in said.stdout.split("\0") if path}
    ours = IgnoredPaths(patterns)
    assert {path for path in paths if ours.match_file(path)} == theirs


SLOW = {
    "stars": ("a*" * 60 + "b", "a" * 250),
    "stars that end well": ("*a" * 60, "a" * 250),
    "directories": ("**/a/" * 60 + "b", "a/" * 1000 + "a"),
    "directories again": ("**/" * 1000 + "b", "a/" * 1000 + "a"),
    "stars and directories": ("**/*a*/" * 60 + "b", "aa/" * 1000 + "a"),
    "as long as a file": ("*" * MOST_BYTES, "a" * 250),
    "no end of classes": ("[a-z]*" * 5000, "a" * 250),
    "many lines": ("\n".join(["*x*y"] * 10000), "x" * 250),
}


@pytest.mark.parametrize(("pattern", "path"), SLOW.values(), ids=SLOW)
def test_no_pattern_takes_long(pattern: str, path: str):
    """As a regular expression, the first would take longer than anybody lives: this test would not end."""
    IgnoredPaths(pattern.split("\n")).match_file(path)


def test_a_file_longer_than_anybodys_is_an_error():
    with pytest.raises(InputError, match="is longer than 64 KiB"):
        ignore_lines(b"a" * (MOST_BYTES + 1))


def test_lines_end_as_their_editor_ends_them():
    """And a byte order mark is none of the first pattern."""
    assert ignore_lines(b"\xef\xbb\xbfa\r\nb\n") == ["a", "b", ""]
    assert ignore_lines(None) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: b\n", False),
        (b"apiVersion: dynamic-prefix.io/v1alpha1\n", True),
        (b'a: b # {"$dynamicprefix": "home:prefix"}\n', True),
        ("a: dynamic-prefix.io/name\n".encode("utf-16"), True),
        ("a: dynamic-prefix.io/name\n".encode("utf-16-le"), True),
        ("a: dynamic-prefix.io/name\n".encode("utf-16-be"), True),
        ("a: b\n".encode("utf-16"), False),
        (b"\0a: b\n", False),
    ],
)
def test_a_file_is_parsed_only_when_it_may_be_managed(content: bytes, expected: bool):
    assert looks_managed(content, "a.yaml") is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (".git", True),
        (".GIT", True),
        (".git . ", True),
        ("git~1", True),
        (".g\u200cit", True),
        ("", True),
        ("..", True),
        (".gitlab", False),
        ("git", False),
        ("network", False),
    ],
)
def test_a_directory_may_be_gits_own_on_some_file_system(name: str, expected: bool):
    assert is_gits_own(name) is expected
