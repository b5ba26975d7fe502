"""Who does not lead decides as well, and neither commits nor pushes."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gitops_prefix.apply.policy import BranchState
from gitops_prefix.daemon.in_cluster import git_of
from gitops_prefix.daemon.publication import Publication, Result
from gitops_prefix.decide.choice import Choice
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.publish.repository import Repository
from tests.gitrepo import example, git

A, B = (Prefix.parse(f"2001:db8:{n}::/64") for n in ("aaaa", "bbbb"))
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Daemon:
    """A publication that leads while the test says so."""

    def __init__(self, clone: Path, remote: Path, *, leads: bool) -> None:
        self.leads = leads
        self.repository = Repository(clone, str(remote), "main")
        self.repository.open()
        self.publication = Publication(self.repository, lambda: self.leads)
        self.watched: Mapping = {}

    def hears(self, prefix: Prefix, minutes: int = 0):
        def observe(watched):
            self.watched = watched
            return dict.fromkeys(watched, Choice(prefix))

        return self.publication.run(observe, NOON + timedelta(minutes=minutes), look=True)


@pytest.fixture
def remote(tmp_path):
    return example("plain", tmp_path)


def commits(remote: Path) -> int:
    return len(git(remote, "log", "--format=%H", "main").split())


def test_a_follower_knows_what_to_watch_and_writes_nothing(tmp_path, remote):
    follower = Daemon(tmp_path / "clone", remote, leads=False)
    outcome = follower.hears(A)
    assert outcome.result is Result.FOLLOWING
    assert list(follower.watched) == ["home-ipv6"]
    assert follower.repository.unpublished is None
    assert commits(remote) == 1
    assert git_of(outcome) is BranchState.UNKNOWN, "it would apply directly"


def test_who_begins_to_lead_publishes_what_it_heard(tmp_path, remote):
    daemon = Daemon(tmp_path / "clone", remote, leads=False)
    daemon.hears(A)
    daemon.leads = True
    assert daemon.hears(A).result is Result.PUBLISHED
    assert commits(remote) == 2


def test_a_follower_finds_right_what_the_leader_published(tmp_path, remote):
    leader = Daemon(tmp_path / "one", remote, leads=True)
    follower = Daemon(tmp_path / "two", remote, leads=False)
    assert leader.hears(A).result is Result.PUBLISHED
    assert follower.hears(A).result is Result.UNCHANGED


@pytest.mark.parametrize("back", [False, True], ids=["still away", "back again"])
def test_who_lost_the_lead_in_an_outage_pushes_and_applies_nothing_of_it(tmp_path, remote, back):
    daemon = Daemon(tmp_path / "clone", remote, leads=True)
    daemon.hears(A)
    away = remote.rename(tmp_path / "away.git")
    outcome = daemon.hears(B, 1)
    assert git_of(outcome) is BranchState.BEHIND
    daemon.leads = False
    if back:
        away.rename(remote)
    outcome = daemon.hears(B, 2)
    assert outcome.result is Result.FOLLOWING
    assert git_of(outcome) is BranchState.UNKNOWN
    assert commits(remote if back else away) == 2


def test_what_it_left_is_dropped_when_the_new_leader_published_the_same(tmp_path, remote):
    old = Daemon(tmp_path / "one", remote, leads=True)
    new = Daemon(tmp_path / "two", remote, leads=False)
    old.hears(A)
    away = remote.rename(tmp_path / "away.git")
    old.hears(B, 1)
    old.leads, new.leads = False, True
    away.rename(remote)
    assert new.hears(B, 2).result is Result.PUBLISHED
    assert old.hears(B, 3).result is Result.UNCHANGED
    assert old.repository.unpublished is None
    assert commits(remote) == 3


def test_a_lead_that_ends_between_the_commit_and_the_push_leaves_the_branch_alone(tmp_path, remote):
    """Asked again right before: the second answer counts."""
    answers = iter([True, False])
    daemon = Daemon(tmp_path / "clone", remote, leads=True)
    daemon.publication = Publication(daemon.repository, lambda: next(answers))
    assert daemon.hears(A).result is Result.FOLLOWING
    assert commits(remote) == 1
