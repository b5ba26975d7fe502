"""What the remote did and we did not hear of: nothing is done twice, nothing said too early."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_prefix.publish.failure import Failed, Published
from gitops_prefix.publish.repository import Repository
from tests.branch import MANAGED, bare_repository, commit_ours, fetched, somebody_pushes
from tests.gitrepo import git
from tests.publish.failing import moved, refused


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return bare_repository(tmp_path, {"a.yaml": MANAGED})


@pytest.fixture
def ours(tmp_path: Path, remote: Path) -> Iterator[Repository]:
    """A fetched clone with a commit that waits."""
    with fetched(tmp_path / "clone", remote) as repository:
        commit_ours(repository, {"a.yaml": MANAGED + b"ours\n"})
        yield repository


def arrives(ours: Repository, remote: Path) -> str:
    """Our commit is on the branch, and nobody told us."""
    commit = ours.unpublished
    git(ours.clone.path, "push", "-q", str(remote), f"{commit}:refs/heads/main")
    return commit


def subjects(remote: Path) -> list[str]:
    return git(remote, "log", "--format=%s", "main").splitlines()


def hook(remote: Path, name: str, text: str) -> None:
    path = remote / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_push_whose_answer_was_lost_is_found_to_have_arrived(ours, remote):
    """Published is said once, and nothing is pushed again."""
    commit = arrives(ours, remote)
    hook(remote, "pre-receive", "exit 1")
    assert ours.fetch()
    assert not ours.stale
    assert ours.base == commit
    assert ours.push() == Published(commit)
    assert ours.unpublished is None
    assert subjects(remote) == ["ours", "start"]


def test_it_is_found_after_a_crash_too(ours, remote, tmp_path):
    commit = arrives(ours, remote)
    ours.close()
    with fetched(tmp_path / "clone", remote) as again:
        assert again.push() == Published(commit)


def test_somebody_who_pushes_on_top_at_once_does_not_hide_ours(ours, remote, tmp_path):
    """ls-remote shows their commit and not ours, which is below it."""
    commit = ours.unpublished
    on_top = "git -C {remote} update-ref refs/heads/main $(git -C {remote} commit-tree -m top -p {commit} {commit}^{{tree}})"
    hook(remote, "post-receive", "unset GIT_DIR; export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t; "
         + on_top.format(remote=remote, commit=commit))  # fmt: skip
    assert ours.push() == Published(commit)
    assert subjects(remote) == ["top", "ours", "start"]
    assert ours.tip == git(remote, "rev-parse", "main").strip()


def test_a_branch_that_was_put_back_behind_us_is_not_called_published(ours, remote):
    """git said ok, and the remote shows otherwise: the remote counts."""
    start = ours.tip
    hook(
        remote, "post-receive", f"unset GIT_DIR; git -C {remote} update-ref refs/heads/main {start}"
    )
    report = ours.push()
    assert moved(report)
    assert start[:12] in report.words
    assert ours.unpublished is not None


def test_a_branch_that_is_gone_after_the_push_is_told(ours, remote):
    hook(remote, "post-receive", f"unset GIT_DIR; git -C {remote} update-ref -d refs/heads/main")
    report = ours.push()
    assert refused(report)
    assert 'no branch "main"' in report.words
    assert ours.unpublished is not None


def test_a_remote_that_is_gone_after_the_push_is_asked_again(ours, remote, tmp_path):
    """Whether it arrived is not known until it was seen there."""
    commit, away = ours.unpublished, tmp_path / "away.git"
    hook(remote, "post-receive", f"mv {remote} {away}")
    assert isinstance(ours.push(), Failed)
    assert ours.unpublished == commit
    away.rename(remote)
    (remote / "hooks" / "post-receive").unlink()
    ours.fetch()
    assert ours.push() == Published(commit)


def test_a_year_of_changes_leaves_no_heap(ours, remote, tmp_path):
    """What many fetches and commits left is packed, and what waits is kept."""
    for number in range(60):
        commit_ours(ours, {"a.yaml": MANAGED + b"%d\n" % number})
    waits = ours.unpublished
    packs = lambda: len(list(ours.clone.path.glob("objects/pack/*.pack")))  # noqa: E731
    assert packs() > 50
    ours.clone.tidy()
    assert packs() == 2, "the tip's, and what waits"
    assert ours.unpublished == waits
    assert ours.push() == Published(waits)
    somebody_pushes(tmp_path)
    assert ours.fetch()
    fsck = subprocess.run(
        ["git", "-C", str(ours.clone.path), "fsck"], capture_output=True, check=False
    )
    assert fsck.returncode == 0
