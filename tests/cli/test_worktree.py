"""Files on disk: found once, and never through a link."""

import os
import subprocess

import pytest

from gitops_prefix.cli.worktree import MOST_BYTES, read_managed_files, walk
from gitops_prefix.errors import InputError
from tests.cli.directories import OURS, put


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


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_is_ignored_need_not_be_read(tmp_path):
    """The files of a database in a container, for one."""
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "secret.yaml").touch(mode=0)
    assert dict(read_managed_files(tmp_path, exclude=["closed/", "secret.yaml"])) == {}
    with pytest.raises(InputError, match=r"name it in \.gitops-prefixignore"):
        read_managed_files(tmp_path, exclude=["closed/"])


def test_only_a_link_that_leads_out_to_manifests_is_named(tmp_path):
    put(tmp_path, "home/a.yaml", "home/inside/b.yaml", "other/c.yaml", "note.txt")
    links = {
        "out": "../other", "out.yaml": "../other/c.yaml", "gone.yaml": "../gone", "in.yaml": "a.yaml",
        "in": "inside", "text.txt": "../note.txt",
    }  # fmt: skip
    for name, target in links.items():
        (tmp_path / "home" / name).symlink_to(target)
    found = read_managed_files(tmp_path / "home")
    assert found.links == ("gone.yaml", "out", "out.yaml")


def test_a_directory_that_went_away_is_told(tmp_path):
    """Between being listed and being looked into."""
    with pytest.raises(InputError, match="No such file") as error:
        list(walk(str(tmp_path / "gone")))
    assert error.value.problems[0].code == "unreadable"


def git(directory, *words):
    subprocess.run(["git", "-C", str(directory), *words], check=True, capture_output=True)


def test_files_that_git_ignores_are_not_read(tmp_path):
    """As the daemon does, which reads commits; what is not committed yet is read."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text(".venv/\n*.tmp.yaml\n")
    put(tmp_path, "a.yaml", "x/b.yaml", "x/c.tmp.yaml", ".venv/lib/d.yaml", "x/forced.tmp.yaml")
    git(tmp_path, "add", "a.yaml")
    git(tmp_path, "add", "--force", "x/forced.tmp.yaml")
    kept = ["a.yaml", "x/b.yaml", "x/forced.tmp.yaml"]
    assert list(read_managed_files(tmp_path)) == kept
    assert list(read_managed_files(tmp_path, below="x")) == kept[1:]
    assert list(read_managed_files(tmp_path / "x")) == ["b.yaml", "forced.tmp.yaml"]


def test_what_git_lists_and_is_gone_or_a_link_is_not_read(tmp_path):
    git(tmp_path, "init", "--quiet")
    put(tmp_path, "home/gone.yaml", "home/link.yaml", "home/x/c.yaml", "outside/c.yaml")
    git(tmp_path, "add", ".")
    (tmp_path / "home/gone.yaml").unlink()
    (tmp_path / "home/link.yaml").unlink()
    (tmp_path / "home/link.yaml").symlink_to(tmp_path / "outside/c.yaml")
    (tmp_path / "home/x/c.yaml").unlink()
    (tmp_path / "home/x").rmdir()
    (tmp_path / "home/x").symlink_to(tmp_path / "outside")
    assert list(read_managed_files(tmp_path / "home")) == []


def test_a_directory_that_is_ignored_as_a_whole_is_read_when_it_is_named(tmp_path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text("build/\n")
    put(tmp_path, "build/a.yaml", "build/x/b.yaml")
    assert list(read_managed_files(tmp_path)) == []
    assert list(read_managed_files(tmp_path / "build")) == ["a.yaml", "x/b.yaml"]


def test_the_repository_of_a_hook_is_not_asked(tmp_path, monkeypatch):
    """git calls hooks with the index and directory of the commit that is made."""
    git(tmp_path, "init", "--quiet")
    put(tmp_path, "a.yaml")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert list(read_managed_files(tmp_path)) == ["a.yaml"]


def test_a_program_that_the_repository_names_is_not_run(tmp_path):
    """core.fsmonitor of an untrusted checkout."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "program").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "program").chmod(0o755)
    git(tmp_path, "config", "core.fsmonitor", str(tmp_path / "program"))
    put(tmp_path, "a.yaml")
    assert list(read_managed_files(tmp_path)) == ["a.yaml"]
    assert not (tmp_path / "ran").exists()


def test_where_git_cannot_answer_everything_is_read(tmp_path):
    """A damaged repository, a checkout of another user's, or no git."""
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    put(tmp_path, "a.yaml")
    assert list(read_managed_files(tmp_path)) == ["a.yaml"]
