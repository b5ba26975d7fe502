"""render, validate and status on files of any kind."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.directories import call
from tests.dynamic_prefix import dynamic_prefix
from tests.marked_files import FILES, MARKED, SKIPPED

PREFIX = dynamic_prefix(
    more="""\
status:
  currentPrefix: 2001:db8:a::/64
  acquiredAt: "2026-11-24T12:00:00Z"
"""
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for path, content in FILES.items():
        if path not in {
            "pool.yaml",
            "ignored/pool.yaml",
            "x/named.bin",
            "x/binary",
            "x/marked.bin",
        }:
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_bytes(content)
    (tmp_path / "home.yaml").write_text(PREFIX)
    return tmp_path


@pytest.mark.parametrize("repository", [False, True])
def test_every_marked_file_moves(home: Path, repository: bool):
    if repository:
        subprocess.run(["git", "init", "-q", str(home)], check=True)
    (home / "gitops-prefix.yaml").write_bytes(
        FILES["gitops-prefix.yaml"].partition(b"- {path: x")[0]
    )
    rendered = call(home, "render", "--prefix", "home=2001:db8:b::/64", "--output", "json")
    changed = json.loads(rendered.stdout)["changed"]
    assert {(change["path"], change["field"]) for change in changed} == {
        ("home.yaml", "status"),
        ("Corefile", "line 1"),
        ("x/a.j2", "line 1"),
    }
    assert [change["after"] for change in changed if change["path"] == "Corefile"] == [
        ["2001:db8:b::1"]
    ]
    assert (home / "Corefile").read_bytes() == MARKED.replace(b":a:", b":b:")
    assert (home / "x/a.j2").read_bytes() == b"\xff" + MARKED.replace(b":a:", b":b:")
    assert (home / "x/plain.conf").read_bytes() == FILES["x/plain.conf"]
    assert call(home, "render", "--check").returncode == 0


def test_validate_has_a_word_for_each_skipped_file(home: Path):
    (home / "x/binary").write_bytes(FILES["x/binary"])
    checked = call(home, "validate", "--output", "json")
    problems = json.loads(checked.stdout)
    found = problems["errors"] + problems["warnings"]
    skipped = {problem["path"] for problem in found if problem["code"] == "skipped-file"}
    assert skipped == {path for path, _ in SKIPPED}
    assert {problem["path"] for problem in found if problem["code"] == "binary-file"} == {
        "x/binary"
    }


def test_status_lists_the_parts_of_texts(home: Path):
    (prefix,) = json.loads(call(home, "status", "--output", "json").stdout)["prefixes"]
    assert {(bound["path"], bound["field"]) for bound in prefix["bindings"]} == {
        ("Corefile", "line 1"),
        ("x/a.j2", "line 1"),
        ("x/named.json", "addresses"),
        ("x/list.txt", "networks"),
    }


def test_a_diff_shows_bytes_that_are_not_utf_8(home: Path):
    shown = call(home, "render", "--prefix", "home=2001:db8:b::/64", "--diff")
    assert "+" in shown.stdout
    assert "2001:db8:b::1" in shown.stdout
