"""The clone: one owner, nothing lost in a crash, and mended when it is damaged."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from gitops_prefix.errors import InputError, OutsideError
from gitops_prefix.publish.credentials import SshKey
from gitops_prefix.publish.failure import FailedError, Published
from gitops_prefix.publish.git import GitFailedError
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.repository import Repository, TimeLimits
from tests.branch import MANAGED, bare_repository, commit_ours, fetched, opened, somebody_pushes
from tests.gitrepo import git
from tests.netns import until
from tests.publish.clones import remove_objects
from tests.publish.failing import away

NEW = {"a.yaml": b"new\n"}
BROKEN_OFF = """
import os, signal, sys
from pathlib import Path
from tests.branch import commit_ours, fetched
with fetched(Path(sys.argv[1]), sys.argv[2]) as repository:
    print(commit_ours(repository, {"a.yaml": b"new\\n"}), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return bare_repository(tmp_path, {"a.yaml": MANAGED, "b.yaml": MANAGED})


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where the clone keeps its objects, once it is there."""
    return tmp_path / "clone" / "repository.git"


def test_a_process_killed_before_its_push_loses_nothing(tmp_path, remote):
    """The next one finds the commit, and that the lock died with its owner."""
    answer = subprocess.run(
        [sys.executable, "-c", BROKEN_OFF, str(tmp_path / "clone"), str(remote)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
        # What a killed process leaves behind goes with the test.
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert answer.returncode == -signal.SIGKILL, answer.stderr
    commit = answer.stdout.strip()
    with opened(tmp_path / "clone", remote) as repository:
        assert repository.unpublished == commit
        assert not repository.stale
        assert repository.push() == Published(commit)


def test_a_clone_has_one_owner(tmp_path, remote):
    """A second process gets an error, and does no harm; afterwards the clone is free."""
    with fetched(tmp_path / "clone", remote) as first:
        with pytest.raises(InputError, match="in use by another gitops-prefix: stop it, or name"):
            Repository(tmp_path / "clone", str(remote), "main").open()
        commit = commit_ours(first, NEW)
        assert first.push() == Published(commit)
    with opened(tmp_path / "clone", remote):
        pass


def test_another_process_is_refused_too(tmp_path, remote):
    with opened(tmp_path / "clone", remote):
        answer = subprocess.run(
            [sys.executable, "-c", BROKEN_OFF, str(tmp_path / "clone"), str(remote)],
            capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
        )  # fmt: skip
    assert "in use by another gitops-prefix" in answer.stderr


LOCKS = ["HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock",
         "refs/remotes/origin/tip.lock", "refs/gitops-prefix/unpublished.lock"]  # fmt: skip


@pytest.mark.parametrize("name", LOCKS)
def test_locks_of_a_dead_process_are_not_in_the_way(tmp_path, remote, store, name):
    """Git leaves them when it is killed, and nobody else runs git here."""
    with fetched(tmp_path / "clone", remote) as repository:
        commit_ours(repository, NEW)
    (store / name).touch()
    somebody_pushes(tmp_path)
    with opened(tmp_path / "clone", remote) as repository:
        assert repository.fetch()
        commit = commit_ours(repository, NEW)
        assert repository.push() == Published(commit)


def break_objects(store: Path) -> None:
    for path in [*store.glob("objects/??/*"), *store.glob("objects/pack/*.pack")]:
        path.chmod(0o644)
        path.write_bytes(b"rubbish")


def overwrite(name: str):
    def damage(store: Path) -> None:
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_bytes(b"rubbish")

    return damage


def remove_all(store: Path) -> None:
    subprocess.run(["rm", "-rf", str(store)], check=True)


DAMAGES = {
    "objects that are rubbish": break_objects,
    "objects that are gone": remove_objects,
    "HEAD": overwrite("HEAD"),
    "config": overwrite("config"),
    "the tip": overwrite("refs/remotes/origin/tip"),
    "our reference": overwrite("refs/gitops-prefix/unpublished"),
    "shallow": overwrite("shallow"),
    "everything": remove_all,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_clone_damaged_while_we_were_away_heals(tmp_path, remote, store, damage):
    """The next start works; what was not published is kept if it can be read."""
    with fetched(tmp_path / "clone", remote) as repository:
        commit_ours(repository, NEW)
    damage(store)
    with fetched(tmp_path / "clone", remote) as repository:
        assert "a.yaml" in repository.managed_files(repository.tip)
        commit = repository.unpublished or commit_ours(repository, NEW)
        assert repository.push() == Published(commit)
    assert git(remote, "show", "main:a.yaml") == "new\n"


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_clone_damaged_under_us_heals(tmp_path, remote, store, damage):
    """Within a few passes, and without a restart; the branch is never the worse for it."""
    with fetched(tmp_path / "clone", remote) as repository:
        damage(store)
        for _ in range(4):
            try:
                repository.fetch()
                repository.managed_files(repository.tip)
                commit_ours(repository, NEW)
                report = repository.push()
            except (FailedError, GitFailedError):
                continue
            if isinstance(report, Published):
                break
        assert git(remote, "show", "main:a.yaml") == "new\n"
        assert git(remote, "show", "main:b.yaml").encode() == MANAGED


@pytest.mark.parametrize("damage", ["HEAD", "config"])
def test_what_waits_is_kept_where_it_can_be(tmp_path, remote, store, damage):
    """The one thing in the clone that is nowhere else."""
    with fetched(tmp_path / "clone", remote) as repository:
        commit = commit_ours(repository, NEW)
    overwrite(damage)(store)
    with opened(tmp_path / "clone", remote) as repository:
        assert repository.unpublished == commit


def test_another_remote_starts_anew(tmp_path, remote):
    """What was decided for one branch does not count for another."""
    (tmp_path / "other").mkdir()
    other = bare_repository(tmp_path / "other", {"c.yaml": MANAGED})
    with fetched(tmp_path / "clone", remote) as repository:
        commit_ours(repository, NEW)
    with fetched(tmp_path / "clone", other) as repository:
        assert repository.unpublished is None
        assert list(repository.managed_files(repository.tip)) == ["c.yaml"]


def test_a_directory_with_something_else_in_it_is_not_taken(tmp_path, remote):
    """Nobody's files are removed to make room."""
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="holds something else: name an empty directory"):
        Repository(tmp_path / "clone", str(remote), "main").open()
    assert (tmp_path / "clone" / "thesis.tex").read_text() == "years of work"


def test_a_new_volume_is_empty_enough(tmp_path, remote):
    """A file system of its own begins with lost+found."""
    (tmp_path / "clone" / "lost+found").mkdir(parents=True)
    with opened(tmp_path / "clone", remote):
        pass


def test_a_directory_that_cannot_be_made_is_named(tmp_path, remote):
    (tmp_path / "file").touch()
    with pytest.raises(OutsideError, match=r"--clone-dir .*/file/clone: Not a directory"):
        Repository(tmp_path / "file" / "clone", str(remote), "main").open()


class Through(SshKey):
    """An ssh of ours, which runs the server's side here, and may stop in the middle."""

    def lend(self, url: str, loan: Loan) -> None:
        loan.variables |= {"GIT_SSH": str(self.key), "GIT_SSH_VARIANT": "simple"}


def test_a_fetch_that_hangs_in_the_middle_is_in_nobodys_way(tmp_path, remote, store):
    """It ends in time with all it started, and what it left does not stop the next one."""
    noise = b"".join(b"# %d\n" % (n * 7919 % 1000003) for n in range(60000))
    (tmp_path / "tree" / "noise.yaml").write_bytes(noise)
    somebody_pushes(tmp_path)
    ssh = tmp_path / "ssh"
    pids, hang = tmp_path / "pids", tmp_path / "hang"
    hang.touch()
    # The first connection asks for the tip, and is answered in full.
    ssh.write_text(
        f"#!/bin/sh\necho $$ >> {pids}\n"
        f'test -e {hang} && test "$(wc -l < {pids})" -gt 1 || exec sh -c "$2"\n'
        'sh -c "$2" | head -c 70000\nsleep 300\ntrue\n'
    )
    ssh.chmod(0o755)
    limits = TimeLimits(fetch=6.0)
    url = f"ssh://host{remote}"
    with opened(
        tmp_path / "clone", url, credentials=Through(ssh, ssh), limits=limits
    ) as repository:
        with pytest.raises(FailedError, check=away, match="no answer within 6 s"):
            repository.fetch()
        for process_id in pids.read_text().split():
            until(lambda pid=int(process_id): ended(pid), "the end of what git started")
        hang.unlink()
        until(lambda: fetches(repository), "the next one, in its time")
        assert not list(store.glob("objects/pack/tmp_*"))


def fetches(repository: Repository) -> bool:
    with suppress(FailedError):
        return repository.fetch()
    return False


def ended(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in {"Z", "X"}
