"""Changes on branches of ours: one commit on the tip, made again only when something is new."""

from pathlib import Path

import pytest

from gitops_prefix.daemon.outcome import Result
from gitops_prefix.errors import InputError
from tests.daemon.house import A, B, C
from tests.daemon.proposing import (
    OURS,
    daemon_of,
    heads,
    merge,
    merge_base,
    parents,
    somebody_pushes,
    status_on,
    work,
)
from tests.gitrepo import example, git


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare repository with examples/plain; its checkout is `tree` beside it."""
    return example("plain", tmp_path)


def test_a_change_goes_to_the_branch_and_not_to_main(tmp_path, remote):
    before = merge_base(remote)
    outcome = daemon_of(tmp_path / "clone", remote).hears(A)
    assert outcome.result is Result.PUBLISHED
    assert heads(remote) == {"main": before, OURS: outcome.commit}
    assert parents(remote, OURS) == [before]
    assert status_on(remote, OURS).current == A
    [proposal] = outcome.decided.proposals
    assert (proposal.branch, proposal.commit) == (OURS, outcome.commit)
    assert proposal.title == f"prefix(home-ipv6): {A}"
    assert "Current-Prefix: 2001:db8:aaaa::/64" in proposal.body


def test_the_commit_says_what_it_is_for_as_a_trailer(tmp_path, remote):
    daemon_of(tmp_path / "clone", remote).hears(A)
    keys = git(remote, "log", "-1", "--format=%(trailers:keyonly)", OURS).split()
    assert keys == ["Dynamic-Prefix", "Current-Prefix", "Prefix-Source", "Proposed-To"]


@pytest.mark.parametrize("pattern", ["gitops-prefix/{name}", "changes", "{name}-prefix"])
def test_what_the_branch_holds_is_not_made_again(tmp_path, remote, pattern):
    """Not by the same daemon, not by one with an empty clone, and not by one that hears nothing."""
    daemon = daemon_of(tmp_path / "clone", remote, pattern)
    daemon.hears(A)
    before = heads(remote)
    for heard in (A, None, A):
        assert daemon.hears(heard).result is Result.UNCHANGED
    daemon.killed()
    for clone in ("clone", "another"):
        daemon = daemon_of(tmp_path / clone, remote, pattern)
        daemon.minutes = 100
        for heard in (None, A):
            outcome = daemon.hears(heard)
            assert outcome.result is Result.UNCHANGED
            assert outcome.decided.statuses["home-ipv6"].current == A
            assert len(outcome.decided.proposals) == 1
        daemon.killed()
    assert heads(remote) == before


def test_a_second_change_replaces_the_first_and_remembers_it(tmp_path, remote):
    """One commit, on the same tip, with the whole history."""
    daemon = daemon_of(tmp_path / "clone", remote)
    for prefix in (A, B, C):
        assert daemon.hears(prefix).result is Result.PUBLISHED
    assert parents(remote, OURS) == [merge_base(remote)]
    assert status_on(remote, OURS).prefixes == (C, B, A)


def test_a_base_that_moved_is_what_the_commit_stands_on(tmp_path, remote):
    """Made anew, with the moments that were decided then; and what is theirs is in it."""
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    acquired = status_on(remote, OURS).acquired_at
    theirs = somebody_pushes(tmp_path / "tree")
    assert daemon.hears(A).result is Result.PUBLISHED
    assert parents(remote, OURS) == [theirs]
    assert git(remote, "show", f"{OURS}:theirs.txt") == "theirs\n"
    assert status_on(remote, OURS).acquired_at == acquired
    assert daemon.hears(A).result is Result.UNCHANGED


@pytest.mark.parametrize("how", ["merge", "squash", "rebase", "fast-forward"])
@pytest.mark.parametrize("deleted", [True, False])
def test_merged_in_any_way_nothing_is_left_to_do(tmp_path, remote, how, deleted):
    """No second commit, whether the forge deleted the branch or not; and the next change comes."""
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    merge(tmp_path / "tree", how)
    if deleted:
        git(remote, "update-ref", "-d", f"refs/heads/{OURS}")
    before = heads(remote)
    for heard in (A, None, A):
        outcome = daemon.hears(heard)
        assert outcome.result is Result.UNCHANGED
        assert [one.commit for one in outcome.decided.proposals] == ([] if deleted else [""])
    assert heads(remote) == before
    assert daemon.hears(B).result is Result.PUBLISHED
    assert status_on(remote, OURS).prefixes == (B, A)
    assert parents(remote, OURS) == [before["main"]]


def test_a_commit_of_somebody_on_our_branch_is_never_thrown_away(tmp_path, remote):
    """It is reported, and the pass is tried again later; what is theirs stays until they act."""
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    theirs = somebody_pushes(tmp_path / "tree", OURS)
    assert daemon.hears(A).result is Result.UNCHANGED, "it holds what is decided"
    for look in (True, False):
        outcome = daemon.hears(B, look=look)
        assert outcome.result is Result.HELD
        assert theirs[:12] in outcome.failed.words
        assert "t <t@t>" in outcome.failed.words
        assert outcome.decided.proposals == ()
        assert heads(remote)[OURS] == theirs
    git(remote, "update-ref", "-d", f"refs/heads/{OURS}")
    assert daemon.hears(B).result is Result.PUBLISHED
    assert status_on(remote, OURS).prefixes == (B, A)


def test_a_commit_of_somebody_that_came_unseen_is_not_thrown_away_either(tmp_path, remote):
    """The lease is what we last saw."""
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    theirs = somebody_pushes(tmp_path / "tree", OURS)
    assert daemon.hears(B, look=False).result is Result.HELD
    assert heads(remote)[OURS] == theirs


def test_our_commit_amended_by_somebody_is_theirs(tmp_path, remote):
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    tree = tmp_path / "tree"
    work(tree, OURS)
    (tree / "theirs.txt").write_text("theirs\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "--amend", "--no-edit")
    git(tree, "push", "-q", "--force", "origin", f"HEAD:refs/heads/{OURS}")
    assert daemon.hears(B).result is Result.HELD


def test_a_branch_of_that_name_that_was_there_before_us_is_left_alone(tmp_path, remote):
    git(remote, "branch", OURS, "main")
    outcome = daemon_of(tmp_path / "clone", remote).hears(A)
    assert outcome.result is Result.HELD
    assert heads(remote)[OURS] == heads(remote)["main"]


def test_a_prefix_that_came_back_takes_its_proposal_back(tmp_path, remote):
    """A on main, B proposed, A again: nothing is left to propose, and nothing of B is kept."""
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    merge(tmp_path / "tree", "squash")
    daemon.hears(B)
    before = heads(remote)
    for _ in range(2):
        outcome = daemon.hears(A)
        assert outcome.result is Result.UNCHANGED
        assert [one.commit for one in outcome.decided.proposals] == [""]
        assert outcome.decided.statuses["home-ipv6"].prefixes == (A,)
    assert heads(remote) == before


def test_a_branch_that_was_deleted_is_made_again_while_it_is_missing(tmp_path, remote):
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    git(remote, "update-ref", "-d", f"refs/heads/{OURS}")
    assert daemon.hears(A).result is Result.PUBLISHED
    assert daemon.hears(A).result is Result.UNCHANGED


def test_an_outage_loses_nothing_even_when_killed_in_between(tmp_path, remote):
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    away = remote.rename(tmp_path / "away.git")
    assert daemon.hears(B).result in {Result.UNREACHABLE, Result.REFUSED}
    daemon.killed()
    away.rename(remote)
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.minutes = 10
    away = remote.rename(tmp_path / "away.git")
    daemon.hears(C)
    away.rename(remote)
    assert daemon.hears(C).result is Result.PUBLISHED
    assert status_on(remote, OURS).prefixes == (C, B, A)


def test_what_is_not_pushed_yet_is_not_for_a_forge_to_show(tmp_path, remote):
    """Its API may answer while git does not; of what it has, nothing is taken back."""
    daemon = daemon_of(tmp_path / "clone", remote)
    shown = daemon.hears(A).decided.proposals
    away = remote.rename(tmp_path / "away.git")
    assert daemon.hears(A).decided.proposals == shown
    outcome = daemon.hears(B)
    assert outcome.commit not in {"", shown[0].commit}
    assert outcome.decided.proposals == ()
    away.rename(remote)
    assert [one.commit for one in daemon.hears(B).decided.proposals] == [heads(remote)[OURS]]


def test_two_daemons_converge(tmp_path, remote):
    one, other = daemon_of(tmp_path / "one", remote), daemon_of(tmp_path / "other", remote)
    other.waits(300)
    one.hears(A)
    assert other.hears(A).result is Result.UNCHANGED
    one.hears(B)
    assert other.hears(B, look=False).result is Result.UNCHANGED
    assert status_on(remote, OURS).prefixes == (B, A)


def second_prefix(tree: Path) -> None:
    """Another DynamicPrefix and a pool of its own."""
    for path in ("prefix.yaml", "network/pool.yaml"):
        text = (tree / path).read_text().replace("home-ipv6", "guest")
        (tree / path).with_name(f"guest-{Path(path).name}").write_text(text)
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "guests")
    git(tree, "push", "-q", "origin", "HEAD:refs/heads/main")


def test_each_prefix_has_its_branch_with_its_changes_alone(tmp_path, remote):
    second_prefix(tmp_path / "tree")
    daemon = daemon_of(tmp_path / "clone", remote)
    assert len(daemon.hears(A, guest=B).decided.proposals) == 2
    for branch, current in ((OURS, A), ("gitops-prefix/guest", B)):
        changed = git(remote, "diff", "--name-only", "main", branch).split()
        assert [("guest" in path) for path in changed] == ["guest" in branch] * len(changed)
        [path] = [one for one in changed if "prefix" in one]
        assert status_on(remote, branch, branch.rpartition("/")[2], path).current == current
    before = heads(remote)
    outcome = daemon.hears(A, guest=C)
    assert outcome.result is Result.PUBLISHED
    assert [one.name for one in outcome.decided.occasion.transitions] == ["guest"]
    assert {name for name in before if heads(remote)[name] != before[name]} == {
        "gitops-prefix/guest"
    }


def test_a_plain_name_is_one_branch_for_all(tmp_path, remote):
    second_prefix(tmp_path / "tree")
    daemon = daemon_of(tmp_path / "clone", remote, "changes")
    [proposal] = daemon.hears(A, guest=B).decided.proposals
    assert proposal.title == "prefix(guest, home-ipv6): 2 prefixes change"
    assert set(heads(remote)) == {"main", "changes"}
    assert daemon.hears(A, guest=B).result is Result.UNCHANGED


def test_a_hook_that_declines_is_told_and_the_commit_is_kept(tmp_path, remote):
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'only on weekdays' >&2\nexit 1\n")
    hook.chmod(0o755)
    daemon = daemon_of(tmp_path / "clone", remote)
    outcome = daemon.hears(A)
    assert outcome.result is Result.REFUSED
    assert "only on weekdays" in outcome.failed.words
    assert outcome.decided.proposals == ()
    hook.unlink()
    assert daemon.hears(A).result is Result.PUBLISHED


def test_what_an_error_does_not_hold_back_is_proposed(tmp_path, remote):
    tree = tmp_path / "tree"
    pool = tree / "network" / "pool.yaml"
    pool.write_text(pool.read_text().replace("address-range: loadbalancers", "address-range: nope"))
    git(tree, "commit", "-qam", "a slip")
    git(tree, "push", "-q", "origin", "HEAD:refs/heads/main")
    outcome = daemon_of(tmp_path / "clone", remote).hears(A)
    assert outcome.result is Result.PUBLISHED
    assert [problem.code for problem in outcome.problems] == ["unknown-address-range"]
    assert len(heads(remote)) == 2


def test_a_prefix_whose_branch_would_be_main_is_an_error(tmp_path, remote):
    """By its name: main is never forced."""
    tree = tmp_path / "tree"
    for path in tree.rglob("*.yaml"):
        path.write_text(path.read_text().replace("home-ipv6", "ain"))
    git(tree, "commit", "-qam", "a name")
    git(tree, "push", "-q", "origin", "HEAD:refs/heads/main")
    daemon = daemon_of(tmp_path / "clone", remote, "m{name}")
    outcome = daemon.hears(A)
    assert outcome.result is Result.INVALID
    assert [one.code for one in outcome.problems] == ["invalid-branch"]


@pytest.mark.parametrize(
    "pattern", ["", "main", "{name}", "-x", "a..b", "a b", "{name}/{name}", "x/{other}", "x/", "@{"]
)
def test_a_pattern_that_gives_no_branch_of_ours_is_bad_input(tmp_path, remote, pattern):
    with pytest.raises(InputError, match="--push-branch"):
        daemon_of(tmp_path / "clone", remote, pattern)
