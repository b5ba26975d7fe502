"""Marked files of any name, named ones by their patterns, and a word for what is skipped."""

import pytest

from gitops_prefix.publish.repository import Scope
from gitops_prefix.render.files import IGNORED, TOO_LONG, RepositoryFiles
from tests.branch import MANAGED, bare_repository, fetched
from tests.gitrepo import git

MARKED = b'2001:db8:a::1 # {"$dynamicprefix": "home:rewrite"}\n'
LONG = b"x" * (5 * 1024 * 1024) + MARKED
FILES = {
    "pool.yaml": MANAGED,
    "Corefile": MARKED,
    "x/a.j2": b"\xff" + MARKED,
    "x/binary": b"\0" + MARKED,
    "x/plain.conf": b"2001:db8:a::1\n",
    "x/annotated.conf": b"dynamic-prefix.io/name\n",
    "x/named.json": b"{}\n",
    "x/named.bin": b"\0",
    "long.txt": LONG,
    "long.json": b"x" * len(LONG),
    "plain-long.txt": b"x" * len(LONG),
    "ignored/a.conf": MARKED,
    "ignored/pool.yaml": MANAGED,
    "ignored/named.json": b"{}",
    "picture.png": MARKED,
    ".gitops-prefixignore": b"ignored/\n",
    "gitops-prefix.yaml": (
        b'rewrite:\n- {path: "*.json", dynamicPrefix: home}\n- {path: x/*.bin, dynamicPrefix: home}\n'
    ),
}
READ = {"pool.yaml", "Corefile", "x/a.j2", "x/binary", "x/named.json", "x/named.bin"}
SKIPPED = {
    ("long.txt", TOO_LONG),
    ("long.json", TOO_LONG),
    ("ignored/a.conf", IGNORED),
    ("ignored/named.json", IGNORED),
}


def test_marked_and_named_files_are_read_and_no_others(tmp_path):
    remote = bare_repository(tmp_path, FILES)
    with fetched(tmp_path / "clone", remote) as repository:
        files = repository.managed_files(repository.tip)
    assert files.keys() == READ | {"gitops-prefix.yaml"}
    assert isinstance(files, RepositoryFiles)
    assert set(files.skipped) == SKIPPED


@pytest.mark.parametrize("below", ["x", "x/"])
def test_only_files_below_the_path_count(tmp_path, below):
    remote = bare_repository(tmp_path, FILES)
    with fetched(tmp_path / "clone", remote, scope=Scope(below)) as repository:
        files = repository.managed_files(repository.tip)
    assert files.keys() == {path for path in READ if path.startswith("x/")} | {"gitops-prefix.yaml"}


def test_what_changed_is_read_as_all_of_it_is(tmp_path):
    remote = bare_repository(tmp_path, FILES)
    with fetched(tmp_path / "clone", remote) as repository:
        assert repository.managed_files(repository.tip).keys() >= READ
        changed = {"new.json": b"{}", "new.conf": MARKED, "longer.txt": LONG, "long.json": b"{}"}
        for path, content in {**changed, "plain.conf": b"2001:db8:a::1\n"}.items():
            (tmp_path / "tree" / path).write_bytes(content)
        git(tmp_path / "tree", "add", "-A")
        git(tmp_path / "tree", "commit", "-qm", "theirs")
        git(tmp_path / "tree", "push", "-q", "origin", "main")
        assert repository.fetch()
        files = repository.managed_files(repository.tip)
    assert files.keys() == READ | {
        "gitops-prefix.yaml",
        "new.json",
        "new.conf",
        "long.json",
    }
    assert set(files.skipped) == SKIPPED - {("long.json", TOO_LONG)} | {("longer.txt", TOO_LONG)}
