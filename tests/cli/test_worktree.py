"""Files on disk: found once, and never through a link."""

import os
from pathlib import Path

import pytest

from gitops_prefix.cli import worktree
from gitops_prefix.cli.worktree import MOST_BYTES, read_managed_files
from gitops_prefix.errors import InputError

OURS = b"# dynamic-prefix.io/\n"


def put(root: Path, *names: str, content: bytes = OURS) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def test_yaml_files_with_something_managed_are_read(tmp_path):
    """By suffix and by a byte search; .git is not looked into."""
    put(tmp_path, "a.yaml", "b/c.yml", "b/.hidden/d.yaml", ".git/e.yaml", "f.json", "g.yaml.bak")
    put(tmp_path, "h.yaml", content=b"a: b\n")
    put(tmp_path, "i.yaml", content=b'a: b # {"$dynamicprefix": "x"}\n')
    assert list(read_managed_files(tmp_path)) == ["a.yaml", "b/.hidden/d.yaml", "b/c.yml", "i.yaml"]


def test_files_that_are_too_large_are_skipped(tmp_path):
    put(tmp_path, "most.yaml", content=OURS + b"#" * (MOST_BYTES - len(OURS)))
    put(tmp_path, "more.yaml", content=OURS + b"#" * (MOST_BYTES - len(OURS) + 1))
    assert list(read_managed_files(tmp_path)) == ["most.yaml"]


def test_links_are_not_followed_when_reading(tmp_path):
    """Neither to a file nor to a directory, inside or outside, nor in a circle."""
    put(tmp_path, "home/a.yaml", "outside/b.yaml")
    (tmp_path / "home" / "link.yaml").symlink_to(tmp_path / "outside" / "b.yaml")
    (tmp_path / "home" / "inside.yaml").symlink_to("a.yaml")
    (tmp_path / "home" / "directory").symlink_to(tmp_path / "outside")
    (tmp_path / "home" / "circle").symlink_to(".")
    os.mkfifo(tmp_path / "home" / "pipe.yaml")
    assert list(read_managed_files(tmp_path / "home")) == ["a.yaml"]
    (tmp_path / "home" / ".gitops-prefixignore").symlink_to(tmp_path / "outside" / "b.yaml")
    assert list(read_managed_files(tmp_path / "home")) == ["a.yaml"]


IGNORED = {
    "a name, anywhere": ("a.yaml", ["x/b.yaml"]),
    "a rooted name": ("/a.yaml", ["x/a.yaml", "x/b.yaml"]),
    "a directory": ("x/", ["a.yaml"]),
    "a star": ("**/b.yaml", ["a.yaml", "x/a.yaml"]),
    "everything but": ("*\n!*/\n!b.yaml", ["x/b.yaml"]),
    "a comment": ("# a.yaml", ["a.yaml", "x/a.yaml", "x/b.yaml"]),
}


@pytest.mark.parametrize(("pattern", "left"), IGNORED.values(), ids=IGNORED)
def test_what_is_excluded_is_not_read(tmp_path, pattern, left):
    """In gitignore's syntax, from the option and from the ignore file alike."""
    put(tmp_path, "a.yaml", "x/a.yaml", "x/b.yaml")
    assert list(read_managed_files(tmp_path, exclude=pattern.splitlines())) == left
    (tmp_path / ".gitops-prefixignore").write_text(pattern)
    assert list(read_managed_files(tmp_path)) == left


@pytest.mark.parametrize("below", ["..", "../home-2", "/etc", "a.yaml", "nowhere", "link"])
def test_a_path_must_be_a_directory_below(tmp_path, below):
    put(tmp_path, "home/a.yaml", "home-2/b.yaml")
    (tmp_path / "home" / "link").symlink_to(tmp_path / "home-2")
    with pytest.raises(InputError) as error:
        read_managed_files(tmp_path / "home", below=below)
    assert error.value.problems[0].code == "invalid-path"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_directory_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(InputError, match="closed: Permission denied"):
        read_managed_files(tmp_path)


def test_a_directory_that_went_away_is_told(tmp_path):
    """Between being listed and being looked into."""
    with pytest.raises(InputError, match="No such file") as error:
        list(worktree._walk(str(tmp_path / "gone")))
    assert error.value.problems[0].code == "unreadable"
