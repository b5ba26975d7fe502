"""A pass against a real branch: outages, races, refusals, and what nobody may lose."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from gitops_prefix.daemon.outcome import Result
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings
from tests.daemon.house import A, B, C, House, opened
from tests.gitrepo import example, git

AWAY = {Result.UNREACHABLE, Result.REFUSED}


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare repository with examples/plain, whose hooks are ours to set."""
    return example("plain", tmp_path)


def daemon_of(clone: Path, remote: Path) -> House:
    return House(opened(clone, remote), given=True, interval=1e6)


def status_of(remote: Path):
    files = {"prefix.yaml": git(remote, "show", "main:prefix.yaml").encode()}
    inventory = read_inventory(files, Settings())
    return inventory.dynamic_prefixes["home-ipv6"].status


def subjects(remote: Path) -> list[str]:
    return git(remote, "log", "--format=%s", "main").splitlines()


def test_a_change_is_one_commit_and_a_repetition_none(tmp_path, remote):
    """Published once; the same prefix again changes nothing, and asks for no commit."""
    daemon = daemon_of(tmp_path / "clone", remote)
    assert daemon.hears(A).result is Result.PUBLISHED
    assert daemon.hears(A).result is Result.UNCHANGED
    assert daemon.hears(None).result is Result.UNCHANGED
    assert len(subjects(remote)) == 2


def test_without_news_and_on_the_same_tip_nothing_is_read(tmp_path, remote):
    """A look at the branch is one question to the remote, and no YAML; a push of others is read."""
    daemon = House(opened(tmp_path / "clone", remote), given=True)
    daemon.hears(A)
    quiet = daemon.looks()
    assert quiet.result is Result.UNCHANGED
    assert quiet.decided.occasion.transitions == ()
    assert daemon.looks().decided is quiet.decided
    _somebody_pushes(tmp_path / "tree")
    assert daemon.looks().decided is not quiet.decided


def test_an_outage_loses_nothing_even_when_killed_in_between(tmp_path, remote):
    """A, then B and C while the remote is away and the process dies: current C, history B, A."""
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    away = remote.rename(tmp_path / "away.git")
    assert daemon.hears(B).result in AWAY
    daemon.killed()
    away.rename(remote)
    daemon = daemon_of(tmp_path / "clone", remote)
    away = remote.rename(tmp_path / "away.git")
    daemon.waits(600)
    assert daemon.hears(C).result in AWAY
    away.rename(remote)
    assert daemon.hears(C).result is Result.PUBLISHED
    status = status_of(remote)
    assert status.prefixes == (C, B, A)
    assert subjects(remote)[:2] == [
        f"prefix(home-ipv6): {B} -> {C}",
        f"prefix(home-ipv6): {A} -> {B}",
    ]


def test_an_outage_while_somebody_else_pushed_is_made_anew_on_their_tip(tmp_path, remote):
    """Our commits are dropped, what they decided is not; nothing of theirs is lost."""
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    away = remote.rename(tmp_path / "away.git")
    daemon.hears(B)
    daemon.hears(C)
    away.rename(remote)
    _somebody_pushes(tmp_path / "tree")
    assert daemon.hears(C).result is Result.PUBLISHED
    assert status_of(remote).prefixes == (C, B, A)
    assert "theirs" in subjects(remote)
    assert git(remote, "show", "main:theirs.txt") == "theirs\n"


def test_a_tip_that_moved_unseen_is_met_at_once(tmp_path, remote):
    """The push is refused as not fast-forward, and the commit is made on the new tip."""
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    _somebody_pushes(tmp_path / "tree")
    assert daemon.hears(B, look=False).result is Result.PUBLISHED
    assert subjects(remote)[:2] == [f"prefix(home-ipv6): {A} -> {B}", "theirs"]


def test_two_daemons_converge(tmp_path, remote):
    """The loser of a race finds nothing left to change."""
    one, other = daemon_of(tmp_path / "one", remote), daemon_of(tmp_path / "other", remote)
    other.waits(300)
    one.hears(A)
    other.hears(A)
    assert one.hears(B).result is Result.PUBLISHED
    assert other.hears(B, look=False).result is Result.UNCHANGED
    assert other.repository.unpublished is None
    assert len(subjects(remote)) == 3


def test_a_hook_that_declines_is_told_in_its_own_words(tmp_path, remote):
    """Refused is permanent: the words are the server's, and our commit is kept."""
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'only on weekdays' >&2\nexit 1\n")
    hook.chmod(0o755)
    daemon = daemon_of(tmp_path / "clone", remote)
    outcome = daemon.hears(A)
    assert outcome.result is Result.REFUSED
    assert "only on weekdays" in outcome.failed.words
    hook.unlink()
    assert daemon.hears(A).result is Result.PUBLISHED
    assert status_of(remote).current == A


def test_what_an_error_does_not_hold_back_is_published(tmp_path, remote):
    """The error is reported until it is mended."""
    tree = tmp_path / "tree"
    pool = tree / "network" / "pool.yaml"
    pool.write_text(pool.read_text().replace("address-range: loadbalancers", "address-range: nope"))
    git(tree, "commit", "-qam", "a slip")
    git(tree, "push", "-q", "origin", "main")
    daemon = daemon_of(tmp_path / "clone", remote)
    outcome = daemon.hears(A)
    assert outcome.result is Result.PUBLISHED
    assert [problem.code for problem in outcome.problems] == ["unknown-address-range"]
    assert status_of(remote).current == A
    outcome = daemon.looks()
    assert outcome.result is Result.INVALID
    assert [problem.code for problem in outcome.problems] == ["unknown-address-range"]


def test_two_dynamic_prefixes_of_one_name_stop_everything(tmp_path, remote):
    tree = tmp_path / "tree"
    (tree / "again.yaml").write_text(next(tree.rglob("prefix.yaml")).read_text())
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "twice")
    git(tree, "push", "-q", "origin", "main")
    outcome = daemon_of(tmp_path / "clone", remote).hears(A)
    assert outcome.result is Result.INVALID
    assert [problem.code for problem in outcome.problems] == ["duplicate-dynamic-prefix"]
    assert len(subjects(remote)) == 2


def test_the_same_observations_give_the_same_commit(tmp_path, remote):
    """Deterministic to the byte: two clones, one commit id."""
    copy = tmp_path / "copy.git"
    shutil.copytree(remote, copy)
    ids = {
        daemon_of(tmp_path / name, where).hears(A).commit
        for name, where in (("one", remote), ("two", copy))
    }
    assert len(ids) == 1


ON_TOP = """#!/bin/sh
read old new reference
[ -e pushed ] && exit
touch pushed
export GIT_INDEX_FILE=on-top GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t
git read-tree $new
blob=$(sed "s/name: home-ipv6/name: other/" {theirs} | git hash-object -w --stdin)
git update-index --add --cacheinfo 100644,$blob,other.yaml
git update-ref refs/heads/main $(git commit-tree -m theirs -p $new $(git write-tree))
"""


def test_a_push_that_comes_on_top_of_ours_at_once_is_read_by_the_next_pass(tmp_path, remote):
    """It is on the branch already when the remote is asked whether ours arrived."""
    hook = remote / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(ON_TOP.format(theirs=tmp_path / "tree" / "prefix.yaml"))
    hook.chmod(0o755)
    daemon = House(opened(tmp_path / "clone", remote), given=True)
    assert daemon.hears(A).result is Result.PUBLISHED
    assert subjects(remote)[0] == "theirs"
    assert daemon.looks().result is Result.PUBLISHED
    assert set(daemon.outcome.decided.statuses) == {"home-ipv6", "other"}
    assert daemon.looks().result is Result.UNCHANGED


def _somebody_pushes(tree: Path) -> None:
    git(tree, "pull", "-q", "--ff-only", "origin", "main")
    (tree / "theirs.txt").write_text("theirs\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "theirs")
    git(tree, "push", "-q", "origin", "main")


def test_files_keep_their_modes_and_everything_else_its_bytes(tmp_path, remote):
    """The commit touches the managed files alone."""
    before: Mapping[str, str] = _tree(remote)
    daemon_of(tmp_path / "clone", remote).hears(A)
    after = _tree(remote)
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    assert changed == {"prefix.yaml", "network/pool.yaml", "network/cidr-group.yaml"}
    assert {path: entry.split()[0] for path, entry in before.items()} == {
        path: entry.split()[0] for path, entry in after.items()
    }


def _tree(remote: Path) -> dict[str, str]:
    entries = git(remote, "ls-tree", "-r", "main").splitlines()
    return {path: entry for entry, path in (line.split("\t") for line in entries)}
