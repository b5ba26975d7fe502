"""Files on disk: found once, written all or none, never through a link."""

import os
from pathlib import Path

import pytest

from gitops_prefix.cli import worktree
from gitops_prefix.cli.worktree import MOST_BYTES, read_managed_files, write_files
from gitops_prefix.errors import InputError, OutsideError

OURS = b"# dynamic-prefix.io/\n"


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()
    }


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
    "everything but": ("*\n!b.yaml", ["x/b.yaml"]),
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


def test_modes_are_kept_and_directories_made(tmp_path):
    put(tmp_path, "a.yaml")
    (tmp_path / "a.yaml").chmod(0o751)
    write_files(tmp_path, {"a.yaml": b"new", "x/y/b.yaml": b"b"})
    assert tree(tmp_path) == {"a.yaml": b"new", "x/y/b.yaml": b"b"}
    assert (tmp_path / "a.yaml").stat().st_mode & 0o7777 == 0o751


def test_the_umask_counts_for_new_files(tmp_path):
    before = os.umask(0o027)
    try:
        write_files(tmp_path, {"a.yaml": b""})
    finally:
        os.umask(before)
    assert (tmp_path / "a.yaml").stat().st_mode & 0o7777 == 0o640


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path):
    """The file is replaced and never opened for writing: who reads on reads the old one."""
    put(tmp_path, "a.yaml")
    with (tmp_path / "a.yaml").open("rb") as reader:
        write_files(tmp_path, {"a.yaml": b"new"})
        assert reader.read() == OURS


def test_a_failure_in_the_middle_leaves_every_file_as_it_was(tmp_path):
    """The last of three is a directory; what was written is taken back, what was new removed."""
    put(tmp_path, "a.yaml", "c.yaml/x")
    before = tree(tmp_path)
    with pytest.raises(OutsideError, match="every file is as it was"):
        write_files(tmp_path, {"a.yaml": b"new", "b.yaml": b"new", "c.yaml": b"new"})
    assert tree(tmp_path) == before


def test_a_keyboard_interrupt_in_the_middle_does_too(tmp_path, monkeypatch):
    """Ctrl-C comes when it comes: here before the second file is replaced."""
    put(tmp_path, "a.yaml", "b.yaml")
    before, replace = tree(tmp_path), Path.replace

    def interrupted(self: Path, target: Path) -> Path:
        if target.name == "b.yaml":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(worktree.Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_files(tmp_path, {"a.yaml": b"new", "b.yaml": b"new"})
    assert tree(tmp_path) == before


@pytest.mark.parametrize("path", ["link.yaml", "directory/b.yaml", "../outside/b.yaml"])
def test_nothing_is_written_through_a_link_or_outside(tmp_path, path):
    """And the other files of the same call stay, too."""
    put(tmp_path, "home/a.yaml", "outside/b.yaml")
    (tmp_path / "home" / "link.yaml").symlink_to(tmp_path / "outside" / "b.yaml")
    (tmp_path / "home" / "directory").symlink_to(tmp_path / "outside")
    before = tree(tmp_path)
    with pytest.raises(InputError) as error:
        write_files(tmp_path / "home", {"a.yaml": b"new", path: b"new"})
    assert error.value.problems[0].code == "path-outside"
    assert tree(tmp_path) == before
