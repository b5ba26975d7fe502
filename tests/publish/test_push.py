"""Our commit, and whether the branch has it: never by force, and never said before it is so."""

from datetime import timedelta

import pytest

from gitops_prefix.publish.commit_maker import Identity
from gitops_prefix.publish.failure import Failed, FailedError, Published
from tests.branch import MANAGED, NOON, bare_repository, commit_ours, fetched, somebody_pushes
from tests.gitrepo import commit_all, git
from tests.publish.failing import moved, refused

NEW = {"a.yaml": b"new\n"}


@pytest.fixture
def remote(tmp_path):
    return bare_repository(
        tmp_path, {"a.yaml": MANAGED, "other.txt": b"o\n", "deep/b.yaml": b"b\n"}
    )


@pytest.fixture
def ours(tmp_path, remote):
    with fetched(tmp_path / "clone", remote) as repository:
        yield repository


def head(remote) -> str:
    return git(remote, "rev-parse", "main").strip()


def test_a_push_is_published_when_the_branch_shows_it(ours, remote):
    commit = commit_ours(ours, NEW)
    assert ours.unpublished == commit != head(remote)
    assert ours.push() == Published(commit)
    assert head(remote) == ours.tip == commit
    assert ours.unpublished is None
    assert not ours.fetch()


def test_only_what_was_changed_changes(ours, remote):
    """Every other file is there, with its mode; the parent is the tip."""
    tip = ours.tip
    before = git(remote, "ls-tree", "-r", "main").splitlines()
    commit_ours(ours, NEW)
    ours.push()
    after = git(remote, "ls-tree", "-r", "main").splitlines()
    assert [line.partition("\t")[2] for line in after if line not in before] == ["a.yaml"]
    assert len(after) == len(before)
    assert git(remote, "rev-parse", "main^").strip() == tip
    git(remote, "fsck", "--strict")


def test_modes_links_and_submodules_stay(tmp_path):
    """An executable manifest stays one, and so does all that is not ours."""
    tree = tmp_path / "tree"
    tree.mkdir()
    names = ("*.yaml", "plain.yaml", "x.yaml")
    for name in names:
        (tree / name).write_bytes(MANAGED)
    (tree / "x.yaml").chmod(0o755)
    (tree / "*.yaml").chmod(0o755)
    (tree / "link").symlink_to("nowhere")
    commit_all(tree)
    git(tree, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    git(tree, "commit", "-qm", "module")
    git(tmp_path, "clone", "-q", "--bare", str(tree), "remote.git")
    with fetched(tmp_path / "clone", tmp_path / "remote.git") as repository:
        commit = commit_ours(repository, dict.fromkeys(names, b"n\n"))
        assert repository.push() == Published(commit)
    listed = git(tmp_path / "remote.git", "ls-tree", "main").splitlines()
    assert {line.partition("\t")[2]: line.split()[0] for line in listed} == {
        "*.yaml": "100755",
        "link": "120000",
        "module": "160000",
        "plain.yaml": "100644",
        "x.yaml": "100755",
    }


def test_a_commit_says_who_and_when(tmp_path, remote):
    with fetched(tmp_path / "clone", remote, author=Identity("Ada", "ada@example")) as repository:
        commit = commit_ours(repository, NEW, "subject\n\nbody: ü\n")
        repository.push()
    form = "--format=%an <%ae> %aI / %cn <%ce> %cI%n%B"
    assert git(remote, "log", "-1", form, commit).rstrip() == (
        "Ada <ada@example> 2026-11-24T12:00:00+00:00 / "
        "Ada <ada@example> 2026-11-24T12:00:00+00:00\nsubject\n\nbody: ü"
    )


def test_the_same_change_is_the_same_commit(tmp_path, remote):
    """On every machine; a second later it is another."""
    commits = []
    for name, seconds in (("one", 0), ("two", 0), ("three", 1)):
        with fetched(tmp_path / name, remote) as repository:
            moment = NOON + timedelta(seconds=seconds)
            commits.append(repository.commit(repository.base, NEW, "x\n", moment))
    assert commits[0] == commits[1] != commits[2]


def test_a_tip_that_moved_is_told_and_nothing_is_forced(tmp_path, ours, remote):
    """Their commit stays; ours is made anew on it."""
    commit_ours(ours, NEW)
    theirs = somebody_pushes(tmp_path)
    report = ours.push()
    assert moved(report)
    assert "stale info" in report.words
    assert head(remote) == theirs
    assert ours.fetch()
    assert ours.stale
    assert ours.base == theirs
    again = commit_ours(ours, NEW)
    assert not ours.stale
    assert ours.push() == Published(again)
    assert git(remote, "rev-parse", "main^").strip() == theirs
    assert "theirs.yaml" in git(remote, "ls-tree", "--name-only", "main")


def test_a_branch_that_was_rewritten_is_followed(tmp_path, ours, remote):
    """What somebody forces is theirs to force."""
    git(tmp_path / "tree", "commit", "-q", "--amend", "-m", "rewritten")
    git(tmp_path / "tree", "push", "-qf", "origin", "main")
    assert ours.fetch()
    assert ours.base == ours.tip == head(remote)


def test_commits_pile_up_while_nothing_can_be_pushed(ours, remote):
    """Each on the one before; one push brings all."""
    first = commit_ours(ours, NEW)
    second = commit_ours(ours, {"a.yaml": b"newer\n"})
    assert (ours.base, ours.stale) == (second, False)
    assert ours.push() == Published(second)
    assert git(remote, "rev-parse", "main^").strip() == first


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_a_hook_that_declines_is_told_in_its_own_words(ours, remote, hook):
    """And the commit is kept, for when somebody has acted."""
    script = remote / "hooks" / hook
    script.write_text("#!/bin/sh\necho 'not on Sundays, please' >&2\nexit 1\n")
    script.chmod(0o755)
    before = head(remote)
    commit = commit_ours(ours, NEW)
    report = ours.push()
    assert refused(report)
    assert "not on Sundays, please" in report.words
    assert "hook declined" in report.words
    assert (ours.unpublished, head(remote)) == (commit, before)
    script.unlink()
    assert ours.push() == Published(commit)


def test_a_push_whose_answer_was_lost_is_not_made_twice(tmp_path, ours, remote):
    """It arrived, and somebody is on top of it already: then it is published."""
    commit = commit_ours(ours, NEW)
    git(remote, "fetch", "-q", str(tmp_path / "clone" / "repository.git"), f"{commit}:main")
    theirs = somebody_pushes(tmp_path)
    assert ours.fetch()
    assert (ours.base, ours.stale) == (theirs, False)
    assert ours.push() == Published(commit)
    assert head(remote) == theirs
    assert ours.unpublished is None


def test_a_remote_that_is_gone_is_told_and_the_commit_is_kept(ours, remote):
    """Whether it is away or was moved, git cannot say."""
    commit = commit_ours(ours, NEW)
    away = remote.rename(remote.with_name("away.git"))
    assert isinstance(ours.push(), Failed)
    with pytest.raises(FailedError, check=refused):
        ours.fetch()
    assert ours.unpublished == commit
    away.rename(remote)
    assert ours.push() == Published(commit)


def test_a_branch_that_was_removed_is_not_published(ours, remote):
    """Whoever removed it meant something."""
    commit = commit_ours(ours, NEW)
    git(remote, "update-ref", "-d", "refs/heads/main")
    assert not isinstance(ours.push(), Published)
    assert ours.unpublished == commit
    assert git(remote, "for-each-ref") == ""


def test_a_file_keeps_its_mode_also_in_the_commit_after_ours(tmp_path, remote):
    """Somebody else may have changed the mode between two commits of ours."""
    tree = tmp_path / "tree"
    with fetched(tmp_path / "clone", remote) as repository:
        commit_ours(repository, NEW)
        repository.push()
        git(tree, "pull", "-q", "--rebase", "origin", "main")
        (tree / "a.yaml").chmod(0o755)
        commit_all(tree)
        git(tree, "push", "-q", "origin", "HEAD:main")
        repository.fetch()
        for content in (b"newer\n", b"newest\n"):
            commit_ours(repository, {"a.yaml": content})
            repository.push()
    assert git(remote, "ls-tree", "main", "a.yaml").startswith("100755 blob")
