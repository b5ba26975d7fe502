"""Marked files of any name, named ones by their patterns, and a word for what is skipped."""

import pytest

from gitops_prefix.publish.repository import Scope
from gitops_prefix.render.files import AS_JSON, TOO_LONG, RepositoryFiles, SkippedFile
from tests.branch import bare_repository, fetched
from tests.gitrepo import git
from tests.marked_files import FILES, LONG, MARKED, READ, SKIPPED


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
    assert isinstance(files, RepositoryFiles)
    assert files.below == "x"


def test_what_changed_is_read_as_all_of_it_is(tmp_path):
    remote = bare_repository(tmp_path, FILES)
    with fetched(tmp_path / "clone", remote) as repository:
        assert repository.managed_files(repository.tip).keys() >= READ
        changed = {"new.json": b"{}", "new.conf": MARKED, "longer.txt": LONG, "long.json": b"{}"}
        ignored = {"ignored/a.conf": MARKED * 2, "ignored/named.json": b"[]"}
        others = {"plain.conf": b"2001:db8:a::1\n", **ignored}
        for path, content in {**changed, **others}.items():
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


def test_an_annotated_manifest_in_json_is_skipped_with_a_word(tmp_path):
    """The daemon reports it as `validate` does."""
    pool = b'{"metadata": {"annotations": {"dynamic-prefix.io/name": "home"}}}\n'
    files = {".gitops-prefixignore": b"ignored/\n", "pool.json": pool, "ignored/pool.json": pool}
    with fetched(tmp_path / "clone", bare_repository(tmp_path, files)) as repository:
        found = repository.managed_files(repository.tip)
    assert isinstance(found, RepositoryFiles)
    assert (dict(found), found.skipped) == ({}, (SkippedFile("pool.json", AS_JSON),))
