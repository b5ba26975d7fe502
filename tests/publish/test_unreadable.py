"""What stands in the way of reading a commit: a file that is broken is reported, never left out."""

import subprocess
from pathlib import Path

import pytest

from gitops_prefix.publish.git import GitFailedError
from gitops_prefix.publish.managed_files import Scope, read_managed_files, read_modes
from gitops_prefix.render.files import IgnoredPaths
from tests.branch import MANAGED, bare_repository, fetched
from tests.gitrepo import git

SETTINGS = "gitops-prefix.yaml"
BROKEN = {
    "a manifest": ":b.yaml",
    "the settings": f":{SETTINGS}",
    "a directory": ":sub",
    "the root": ":",
}


@pytest.mark.parametrize("name", BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_read_is_told_and_not_left_out(tmp_path, name: str):
    """git grep passes over a blob that is gone, and ends well: a pool would stay as it is, unseen."""
    files = {"a.yaml": MANAGED, "b.yaml": MANAGED + b"b", "sub/c.yaml": MANAGED, SETTINGS: b"a: 1"}
    with fetched(tmp_path / "clone", bare_repository(tmp_path, files)) as repository:
        store = tmp_path / "clone" / "repository.git"
        broken = git(store, "rev-parse", f"{repository.tip}{name}").strip()
        loosen(store)
        (store / "objects" / broken[:2] / broken[2:]).unlink()
        with pytest.raises(GitFailedError):
            read_managed_files(repository.clone.git(), repository.tip, Scope())


def loosen(store: Path) -> None:
    """Every object as a file of its own, so that one can be taken away."""
    for pack in store.glob("objects/pack/*.pack"):
        content = pack.read_bytes()
        for part in store.glob(f"objects/pack/{pack.stem}.*"):
            part.unlink()
        subprocess.run(["git", "-C", str(store), "unpack-objects", "-q"], input=content, check=True)


def test_more_files_than_a_command_line_holds(tmp_path):
    """Their modes are read all the same."""
    many = {f"{number:05}{'x' * 200}.yaml": MANAGED for number in range(1100)}
    with fetched(tmp_path / "clone", bare_repository(tmp_path, many)) as repository:
        modes = read_modes(repository.clone.git(), repository.tip, many)
    assert modes == dict.fromkeys(many, "100644")


def test_the_ignore_patterns_agree_with_git(tmp_path):
    """git check-ignore is the second opinion."""
    lines = [
        "*.log",
        "!keep.log",
        "/root.yaml",
        "deep/**/x.yaml",
        "dir/",
        "a?c.yaml",
        "[ab].yaml",
        "!",
    ]
    paths = ["x.log", "keep.log", "root.yaml", "sub/root.yaml", "deep/x.yaml", "deep/a/b/x.yaml",
             "dir/y.yaml", "abc.yaml", "a/c.yaml", "a.yaml", "c.yaml"]  # fmt: skip
    bare_repository(tmp_path, {".gitignore": "\n".join(lines).encode()})
    said = subprocess.run(
        ["git", "-C", str(tmp_path / "tree"), "check-ignore", "--no-index", "--stdin"],
        input="\n".join(paths), capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = IgnoredPaths(lines)
    assert [path for path in paths if ours.match_file(path)] == said.stdout.splitlines()
