"""Files written all or none, whatever stands in the way, and never through a link."""

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_prefix.cli import worktree
from gitops_prefix.cli.door import enter
from gitops_prefix.cli.worktree import write_files
from gitops_prefix.errors import InputError, OutsideError
from tests.cli.directories import OURS, put
from tests.examples.repositories import ROOT, copy_example
from tests.parts import require


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()
    }


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
        if target.name == "b.yaml" and self.read_bytes() == b"new":
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


def state(root: Path) -> dict[str, tuple]:
    """Everything below: kind, inode, mode, times and content; passing names would show, too."""
    found = {}
    for one in sorted(root.rglob("*")):
        status = one.lstat()
        content = one.read_bytes() if one.is_file() else b""
        found[str(one.relative_to(root))] = (
            status.st_mode,
            status.st_ino,
            status.st_mtime_ns * one.is_file(),
            content,
        )
    return found


def test_directories_that_were_made_are_taken_back(tmp_path):
    put(tmp_path, "a.yaml", "z.yaml/x")
    before = state(tmp_path)
    with pytest.raises(OutsideError):
        write_files(tmp_path, {"a.yaml": b"new", "n/m/b.yaml": b"b", "z.yaml": b"new"})
    assert state(tmp_path) == before


@pytest.mark.parametrize("at", ["a.yaml", "b.yaml", "n/c.yaml"])
@pytest.mark.parametrize("links", [True, False], ids=["hard links", "no hard links"])
def test_whichever_file_fails_all_are_what_they_were(at, links, tmp_path, monkeypatch):
    """The disk fails at the last step of one of three; without hard links from a copy."""
    put(tmp_path, "a.yaml", "b.yaml")
    before, replace = tree(tmp_path), Path.replace

    def failing(self: Path, target: Path) -> Path:
        if target == tmp_path / at and self.read_bytes() == b"new":
            raise OSError(28, "No space left on device", str(target))
        return replace(self, target)

    def without(self: Path, _target: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(self))

    monkeypatch.setattr(worktree.Path, "replace", failing)
    if not links:
        monkeypatch.setattr(worktree.Path, "hardlink_to", without)
    with pytest.raises(OutsideError, match="No space left"):
        write_files(tmp_path, dict.fromkeys(["a.yaml", "b.yaml", "n/c.yaml"], b"new"))
    assert tree(tmp_path) == before
    assert not (tmp_path / "n").exists()


def test_a_file_that_grows_too_large_leaves_all_as_they_were(tmp_path):
    """The system's own refusal (RLIMIT_FSIZE), while the second of two is prepared."""
    put(tmp_path, "a.yaml", "b.yaml")
    before = state(tmp_path)
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutsideError, match="File too large; every file is as it was"):
            write_files(tmp_path, {"a.yaml": b"new", "b.yaml": b"#" * 5000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert state(tmp_path) == before


def test_a_full_disk_leaves_every_file_as_it_was(tmp_path):
    """A file system of a few pages, in a mount namespace of the test's own."""
    require("netns")
    script = f"""
        set -e
        mount -t tmpfs -o size=64k none {tmp_path}
        cp -r {ROOT}/examples/plain {tmp_path}/home
        head -c 65536 /dev/zero >{tmp_path}/ballast 2>/dev/null || true
        cp -r {tmp_path}/home /dev/shm/$$
        code=0
        {sys.executable} -m gitops_prefix render --prefix home-ipv6=2001:db8::/64 {tmp_path}/home || code=$?
        diff -r /dev/shm/$$ {tmp_path}/home
        rm -r /dev/shm/$$
        exit $code
    """
    ran = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "No space left on device; every file is as it was" in ran.stderr
    assert ran.stdout == ""


def test_what_somebody_else_changed_meanwhile_is_not_lost(tmp_path):
    """An editor saved, or removed, a file after it was read: nothing is written."""
    put(tmp_path, "a.yaml", "b.yaml")
    read = tree(tmp_path)
    (tmp_path / "b.yaml").write_bytes(b"mine")
    before = state(tmp_path)
    with pytest.raises(OutsideError, match="changed by somebody else"):
        write_files(tmp_path, dict.fromkeys(read, b"new"), read=read)
    assert state(tmp_path) == before
    (tmp_path / "b.yaml").unlink()
    with pytest.raises(OutsideError, match="changed by somebody else"):
        write_files(tmp_path, dict.fromkeys(read, b"new"), read=read)
    assert tree(tmp_path) == {"a.yaml": OURS}


def test_another_name_of_a_file_keeps_what_it_had(tmp_path):
    """As with git: a hard link is not written through."""
    put(tmp_path, "a.yaml")
    (tmp_path / "b.yaml").hardlink_to(tmp_path / "a.yaml")
    write_files(tmp_path, {"a.yaml": b"new"})
    assert tree(tmp_path) == {"a.yaml": b"new", "b.yaml": OURS}


def test_extended_attributes_stay(tmp_path):
    put(tmp_path, "a.yaml")
    try:
        os.setxattr(tmp_path / "a.yaml", "user.note", b"mine")
    except OSError:
        pytest.skip("needs a file system with user attributes")
    write_files(tmp_path, {"a.yaml": b"new"})
    assert os.getxattr(tmp_path / "a.yaml", "user.note") == b"mine"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owners_stay(tmp_path):
    """root renders in somebody's checkout: the files stay theirs."""
    put(tmp_path, "a.yaml")
    os.chown(tmp_path / "a.yaml", 1234, 2345)
    (tmp_path / "a.yaml").chmod(0o640)
    write_files(tmp_path, {"a.yaml": b"new"})
    status = (tmp_path / "a.yaml").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (1234, 2345, 0o640)


OBSERVED = ("--prefix", "home-ipv6=2001:db8:1::/64", "--now", "2026-11-24T10:00:00Z")


def test_an_output_directory_that_holds_inputs_is_refused(tmp_path, monkeypatch, capsys):
    """They would be left out of the reading, and stand twice in the next one."""
    monkeypatch.chdir(copy_example("plain", tmp_path))
    before = state(Path())
    assert enter(["render", "--output-dir", "network", *OBSERVED]) == 2
    assert "[output-dir-taken]" in capsys.readouterr().err
    assert state(Path()) == before


def test_an_output_directory_may_be_a_link_or_inside_or_the_directory_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(copy_example("plain", tmp_path))
    shutil.copytree(".", tmp_path / "other")
    (tmp_path / "real").mkdir()
    Path("out").symlink_to(tmp_path / "real")
    assert enter(["render", "--output-dir", "out", *OBSERVED]) == 0
    assert enter(["render", "--output-dir", "in/side", *OBSERVED]) == 0
    rendered = tree(tmp_path / "real")
    assert len(rendered) == 3
    assert tree(Path("in/side")) == rendered
    shutil.rmtree("in")
    assert enter(["render", "--output-dir", str(tmp_path / "other"), *OBSERVED]) == 0
    assert enter(["render", "--output-dir", ".", *OBSERVED]) == 0
    assert rendered.items() <= tree(Path()).items()
    assert rendered.items() <= tree(tmp_path / "other").items()
