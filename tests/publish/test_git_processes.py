"""How many git processes a change costs: each is milliseconds of a small machine's CPU."""

import pytest

from gitops_prefix.publish.failure import Published
from tests.branch import MANAGED, NOON, bare_repository, commit_ours, fetched, somebody_pushes

NEW = {"a.yaml": MANAGED + b"new\n"}


@pytest.fixture
def remote(tmp_path):
    return bare_repository(tmp_path, {"a.yaml": MANAGED})


@pytest.fixture
def ours(tmp_path, remote, calls):
    with fetched(tmp_path / "clone", remote) as repository:
        repository.managed_files(repository.tip)
        calls.take()
        yield repository


def test_a_quiet_look_asks_the_remote_and_nobody_else(ours, calls):
    assert not ours.fetch()
    assert ours.tip == ours.base
    assert not ours.stale
    assert ours.unpublished is None
    assert calls.take() == ["ls-remote"]


def test_a_change_asks_nothing_that_is_known(ours, calls):
    """Reading the references is free; the remote confirms what arrived."""
    commit = commit_ours(ours, NEW)
    assert ours.managed_files(ours.base)["a.yaml"] == NEW["a.yaml"]
    assert ours.push() == Published(commit)
    assert calls.take() == ["ls-tree", "fast-import", "push", "ls-remote", "update-ref"]


def test_the_next_change_of_the_same_files_costs_one_less(ours, calls):
    """Their modes are known from the commit before."""
    commit_ours(ours, NEW)
    ours.push()
    calls.take()
    commit = commit_ours(ours, {"a.yaml": MANAGED + b"newer\n"})
    assert ours.push() == Published(commit)
    assert calls.take() == ["fast-import", "push", "ls-remote", "update-ref"]


def test_a_tip_that_moved_is_read_by_one_question(ours, tmp_path, calls):
    theirs = somebody_pushes(tmp_path)
    calls.take()
    assert ours.fetch()
    assert ours.tip == theirs
    asked = calls.take()
    assert asked.count("for-each-ref") == 1
    assert "rev-parse" not in asked


def test_of_a_tip_that_moved_only_the_difference_is_read(ours, tmp_path, calls):
    """A byte search over every file of a large repository takes its time."""
    somebody_pushes(tmp_path, "logo.png")
    assert ours.fetch()
    calls.take()
    assert list(ours.managed_files(ours.tip)) == ["a.yaml"]
    assert calls.take() == ["diff-tree"]


def test_a_proposal_costs_no_more(ours, calls):
    branches = ours.push_branches("gitops-prefix/{name}")
    branches.look()
    calls.take()
    ours.commit(ours.base, NEW, "ours\n", NOON, reference=branches.place("gitops-prefix/home"))
    for _ in range(10):
        assert list(branches.waiting()) == ["gitops-prefix/home"]
        assert branches.seen() == {}
    branches.push("gitops-prefix/home")
    assert branches.waiting() == {}
    assert list(branches.seen()) == ["gitops-prefix/home"]
    assert calls.take() == ["ls-tree", "fast-import", "push", "ls-remote", "update-ref"]
