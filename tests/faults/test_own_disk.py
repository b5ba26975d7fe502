"""The clone: damaged, full, somebody else's, or still written to by git that outlived us."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gitops_prefix.daemon.outcome import Result
from gitops_prefix.errors import OutsideError
from tests.faults.conftest import fill
from tests.faults.house import (
    A,
    B,
    C,
    change,
    first,
    hook,
    house,
    prefixes_of,
    remote_home,
    subjects,
)
from tests.gitrepo import ROOT, git
from tests.netns import until
from tests.parts import require

STARTS = ["run", "--once", "--wait", "0s"]
# All is read before it becomes somebody else, who may not read our Python.
AS_NOBODY = """
import os, sys
import gitops_prefix.cli.run
from gitops_prefix.cli.door import enter
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(enter(sys.argv[1:]))
"""
NO_SPACE = r"No space left|Out of diskspace"


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return remote_home(tmp_path)


def break_objects(store: Path) -> None:
    """Every object of the clone, ours that waits too."""
    for path in [*store.glob("objects/??/*"), *store.glob("objects/pack/*.pack")]:
        path.chmod(0o644)
        path.write_bytes(b"rubbish")


def test_corrupted_under_us_while_commits_wait(tmp_path, remote, caplog):
    """It is cloned again; what those commits decided is remembered, and reaches the branch."""
    away = tmp_path / "away.git"
    with house(tmp_path / "clone", remote) as ours:
        ours.lives(1)
        ours.hears(A)
        ours.lives(1)
        remote.rename(away)
        for prefix in (B, C):
            ours.hears(prefix)
            ours.lives(60)
        break_objects(tmp_path / "clone" / "repository.git")
        ours.lives(600)
        away.rename(remote)
        ours.lives(600)
    assert prefixes_of(remote) == (C, B, A)
    assert subjects(remote) == [change(A, C), first(A)]
    assert "an unpublished commit could not be read" in caplog.text


def test_corrupted_while_we_were_not_there_is_said(tmp_path, remote, caplog):
    """Only the disk knew what waited: that it is lost is logged, and the link is asked again."""
    away = tmp_path / "away.git"
    with house(tmp_path / "clone", remote) as ours:
        ours.lives(1)
        ours.hears(A)
        ours.lives(1)
        remote.rename(away)
        ours.hears(B)
        ours.lives(1)
    break_objects(tmp_path / "clone" / "repository.git")
    away.rename(remote)
    with house(tmp_path / "clone", remote) as ours:
        ours.lives(1)
        ours.hears(C)
        ours.lives(60)
        ours.lives(600)
    assert prefixes_of(remote) == (C, A)
    assert "an unpublished commit could not be read" in caplog.text


def test_full(tmp_path, small_disk, remote):
    """It is reported as ours, and goes on when there is room; the remote never hears of it."""
    clone = small_disk / "clone"
    with house(clone, remote) as ours:
        ours.lives(1)
        ours.hears(A)
        ours.lives(1)
        filler = fill(small_disk)
        ours.hears(B)
        assert ours.lives(60).result is Result.UNREACHABLE
        assert re.search(NO_SPACE, ours.outcome.failed.words)
        assert ours.outcome.failed.reason == "local"
        assert subjects(remote) == [first(A)]
        filler.unlink()
        assert ours.lives(30).result is Result.PUBLISHED
    assert subjects(remote) == [change(A, B), first(A)]


def test_full_while_a_commit_waits(tmp_path, small_disk, remote):
    """However often it fails, and is started again: what waits is kept."""
    away = tmp_path / "away.git"
    clone = small_disk / "clone"
    with house(clone, remote) as ours:
        ours.lives(1)
        ours.hears(A)
        ours.lives(1)
        remote.rename(away)
        ours.hears(B)
        ours.lives(60)
        waits = ours.repository.unpublished
        filler = fill(small_disk)
        ours.hears(C)
        ours.lives(120)
        assert ours.repository.unpublished == waits
    for _ in range(2):
        # Whether it starts depends on what a start has to write.
        with suppress(OutsideError), house(clone, remote) as ours:
            ours.lives(10)
            assert ours.repository.unpublished == waits
    filler.unlink()
    away.rename(remote)
    with house(clone, remote) as ours:
        assert ours.repository.unpublished == waits
        ours.lives(1)
        ours.hears(C)
        ours.lives(60)
    assert prefixes_of(remote) == (C, B, A)
    assert subjects(remote) == [change(B, C), change(A, B), first(A)]


@pytest.mark.parametrize("copied", ["nothing", "a part"])
def test_full_while_it_was_being_tidied(tmp_path, small_disk, remote, copied):
    """Killed in the middle of making a copy: the old one counts, however little room there is."""
    clone, away = small_disk / "clone", tmp_path / "away.git"
    with house(clone, remote) as ours:
        ours.lives(1)
        ours.hears(A)
        ours.lives(1)
        remote.rename(away)
        ours.hears(B)
        ours.lives(1)
        waits = ours.repository.unpublished
    (clone / "repository.git").rename(clone / "aside.git")
    if copied == "a part":
        git(clone, "init", "-q", "--bare", "repository.git")
    filler = fill(small_disk)
    with suppress(OutsideError), house(clone, remote) as ours:
        assert ours.repository.unpublished == waits
    filler.unlink()
    away.rename(remote)
    with house(clone, remote) as ours:
        assert ours.repository.unpublished == waits
        ours.lives(10)
    assert prefixes_of(remote) == (B, A)
    assert not (clone / "aside.git").exists()


def test_full_from_the_start(tmp_path, small_disk, remote):
    """One line, exit code 3, and nothing that stops the next start."""
    filler = fill(small_disk)
    words = [sys.executable, "-m", "gitops_prefix", *STARTS, "--repo", str(remote)]
    words += ["--clone-dir", str(small_disk / "clone")]
    answer = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert answer.returncode == 3
    assert "No space left on device" in answer.stderr
    assert "Traceback" not in answer.stderr
    filler.unlink()
    with house(small_disk / "clone", remote) as ours:
        assert ours.lives(1).result is Result.UNCHANGED


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that others may enter; pytest's own are closed."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("whose", ["a directory", "a closed one", "all of it", "what is in it"])
def test_of_another_user(public, whose):
    """Whose it is, who we are, and what to do: one line, exit code 3, nothing changed."""
    require("tmpfs")
    remote, clone = remote_home(public), public / "clone"
    clone.mkdir()
    clone.chmod(0o700 if whose == "a closed one" else 0o755)
    if whose in {"all of it", "what is in it"}:
        with house(clone, remote) as ours:
            ours.lives(1)
    for place in clone.rglob("*"):
        os.chown(place, 1234, 1234)
    os.chown(clone, *((65534, 65534) if whose == "what is in it" else (1234, 1234)))
    before = {path: path.stat().st_mtime_ns for path in clone.rglob("*")}
    words = [sys.executable, "-c", AS_NOBODY, *STARTS, "--repo", str(remote)]
    words += ["--clone-dir", str(clone)]
    answer = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert answer.returncode == 3, answer.stderr
    assert "belongs to uid 1234, and we are uid 65534: chown it, or name another" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert before == {path: path.stat().st_mtime_ns for path in clone.rglob("*")}


ORPHAN = """
import sys
from pathlib import Path
from tests.faults.house import A, house
with house(Path(sys.argv[1]), sys.argv[2]) as ours:
    ours.lives(1)
    ours.hears(A)
    ours.lives(1)
"""


def test_git_that_outlived_us_is_waited_for(tmp_path, remote):
    """The process alone was killed: its push goes on, and the next start lets it end first."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    hook(remote, "pre-receive", f"touch {tmp_path}/pushing; read line < {gate}")
    words = [sys.executable, "-c", ORPHAN, str(tmp_path / "clone"), str(remote)]
    with subprocess.Popen(words, cwd=ROOT, start_new_session=True) as process:
        until((tmp_path / "pushing").exists, "the push")
        os.killpg(process.pid, signal.SIGKILL)
    hook(remote, "pre-receive", "exit 0")
    with subprocess.Popen(words, cwd=ROOT) as process:
        until(lambda: _waits_for(tmp_path / "clone", process.pid), "the second start")
        assert subjects(remote) == []
        gate.write_text("go\n")
        assert process.wait(timeout=120) == 0
    assert subjects(remote) == [first(A)]
    assert git(remote, "fsck", "--strict") == ""


def _waits_for(clone: Path, process_id: int) -> bool:
    """Whether the process has opened the lock that an orphan holds."""
    # A descriptor may be gone before it was looked at.
    with suppress(OSError):
        links = Path(f"/proc/{process_id}/fd").iterdir()
        return clone / "git-at-work.lock" in [link.readlink() for link in links]
    return False
