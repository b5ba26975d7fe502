"""The source `file`, with the program itself: no link, no capability, no root."""

import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gitrepo import example, git

PROGRAM = [sys.executable, "-m", "gitops_prefix"]
A, B, C = "2001:db8:aa00::/64", "2001:db8:bb00::/64", "2001:db8:cc00::/64"


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """The file that examples/plain then follows; its directory is the daemon's --source-dir."""
    example("plain", tmp_path)
    (tmp_path / "source").mkdir()
    told = tmp_path / "source" / "prefix"
    tree = tmp_path / "tree"
    path = tree / "prefix.yaml"
    text = path.read_text().replace(
        "routerAdvertisement:\n      interface: eth0", f"file:\n      path: {told}"
    )
    path.write_text(text)
    git(tree, "commit", "-qam", "a file")
    git(tree, "push", "-q", "origin", "main")
    return told


def words(told: Path, *more: str) -> list[str]:
    where = told.parents[1]
    bare = git(where / "tree", "remote", "get-url", "origin").strip()
    options = [
        "--repo",
        bare,
        "--clone-dir",
        str(where / "clone"),
        "--source-dir",
        str(told.parent),
    ]
    return [*PROGRAM, "run", *options, *more]


def on_branch(told: Path, *arguments: str) -> str:
    return git(told.parents[1] / "tree", *arguments)


@contextmanager
def running(told: Path):
    log = told.parents[1] / "log"
    with log.open("w") as stderr, subprocess.Popen(words(told), stderr=stderr) as daemon:
        try:
            yield log
        finally:
            daemon.terminate()
            assert daemon.wait(timeout=20) == 0


def published(told: Path, prefix: str, seconds: float = 30.0) -> str:
    """The commit message of the change, once the branch has it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        on_branch(told, "fetch", "-q", "origin")
        if f'currentPrefix: "{prefix}"' in on_branch(told, "show", "origin/main:prefix.yaml"):
            return on_branch(told, "log", "-1", "--format=%B", "origin/main").rstrip()
        time.sleep(0.1)
    raise AssertionError(f"{prefix} is not on the branch")


def reported(log: Path, text: str, seconds: float = 30.0) -> int:
    """How often the log has a text, once it has it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and text not in log.read_text():
        time.sleep(0.1)
    return log.read_text().count(text)


def test_a_daemon_publishes_a_change_of_the_file_however_it_is_written(told):
    told.write_text(f"{A}\n")
    with running(told) as log:
        assert published(told, A).endswith("Prefix-Source: file")
        told.write_text(f"{B} 86400 14400\n")
        assert published(told, B).endswith("Prefix-Source: file")
        told.write_text("2001:db8::1/64\n")
        assert reported(log, "does not count: line 1: '2001:db8::1/64' has bits set") == 1
        (told.parent / "new").write_text(f"{C}\n")
        (told.parent / "new").rename(told)
        published(told, C)
    status = on_branch(told, "show", "origin/main:prefix.yaml")
    assert "prefixSource: file" in status
    assert status.index(C) < status.index(B) < status.index(A)


def test_once_publishes_what_the_file_holds_and_keeps_it_without_the_file(told):
    told.write_text(A)
    answer = subprocess.run(
        words(told, "--once"), check=False, capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    assert published(told, A).endswith("Prefix-Source: file")
    told.unlink()
    answer = subprocess.run(
        words(told, "--once", "--wait", "1s"),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    assert "No such file or directory" in answer.stderr
    published(told, A)


@pytest.mark.parametrize(
    ("content", "code", "words_"), [(f"{A}\n", 0, f"holds {A}"), ("", 1, "no prefix")]
)
def test_doctor_tries_the_file(told, content, code, words_):
    told.write_text(content)
    command = [*PROGRAM, "doctor", "--source-dir", str(told.parent), str(told.parents[1] / "tree")]
    answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert answer.returncode == code, answer.stdout
    assert f"the file {told}; " in answer.stdout
    assert words_ in answer.stdout
