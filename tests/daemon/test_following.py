"""Who does not lead decides as well, and neither commits nor pushes."""

from pathlib import Path

import pytest

from gitops_prefix.apply.policy import BranchState
from gitops_prefix.daemon.follow_ups import branch_state
from gitops_prefix.daemon.outcome import Result
from tests.daemon.house import A, B, House, opened
from tests.gitrepo import example, git


class Candidate:
    """A daemon that leads while the test says so."""

    def __init__(self, clone: Path, remote: Path, *, leads: bool) -> None:
        self.leads = leads
        self.house = House(
            opened(clone, remote), given=True, interval=1e6, leads=lambda: self.leads
        )
        self.repository = self.house.repository
        self.hears = self.house.hears


@pytest.fixture
def remote(tmp_path):
    return example("plain", tmp_path)


def commits(remote: Path) -> int:
    return len(git(remote, "log", "--format=%H", "main").split())


def test_a_follower_knows_what_to_watch_and_writes_nothing(tmp_path, remote):
    follower = Candidate(tmp_path / "clone", remote, leads=False)
    outcome = follower.hears(A)
    assert outcome.result is Result.FOLLOWING
    assert list(follower.house.loop.watched) == ["home-ipv6"]
    assert follower.repository.unpublished is None
    assert commits(remote) == 1
    assert branch_state(outcome) is BranchState.UNKNOWN, "it would apply directly"


def test_who_begins_to_lead_publishes_what_it_heard(tmp_path, remote):
    daemon = Candidate(tmp_path / "clone", remote, leads=False)
    daemon.hears(A)
    daemon.leads = True
    assert daemon.hears(A).result is Result.PUBLISHED
    assert commits(remote) == 2


def test_a_follower_finds_right_what_the_leader_published(tmp_path, remote):
    leader = Candidate(tmp_path / "one", remote, leads=True)
    follower = Candidate(tmp_path / "two", remote, leads=False)
    assert leader.hears(A).result is Result.PUBLISHED
    assert follower.hears(A).result is Result.UNCHANGED


@pytest.mark.parametrize("back", [False, True], ids=["still away", "back again"])
def test_who_lost_the_lead_in_an_outage_pushes_and_applies_nothing_of_it(tmp_path, remote, back):
    daemon = Candidate(tmp_path / "clone", remote, leads=True)
    daemon.hears(A)
    away = remote.rename(tmp_path / "away.git")
    outcome = daemon.hears(B)
    assert branch_state(outcome) is BranchState.REFUSED
    daemon.leads = False
    if back:
        away.rename(remote)
    outcome = daemon.hears(B)
    assert outcome.result is Result.FOLLOWING
    assert branch_state(outcome) is BranchState.UNKNOWN
    assert commits(remote if back else away) == 2


def test_what_it_left_is_dropped_when_the_new_leader_published_the_same(tmp_path, remote):
    old = Candidate(tmp_path / "one", remote, leads=True)
    new = Candidate(tmp_path / "two", remote, leads=False)
    old.hears(A)
    away = remote.rename(tmp_path / "away.git")
    old.hears(B)
    old.leads, new.leads = False, True
    away.rename(remote)
    assert new.hears(B).result is Result.PUBLISHED
    assert old.hears(B).result is Result.UNCHANGED
    assert old.repository.unpublished is None
    assert commits(remote) == 3


def test_a_lead_that_ends_between_the_commit_and_the_push_leaves_the_branch_alone(tmp_path, remote):
    """Asked again right before: the second answer counts."""
    answers = iter([True, False])
    daemon = House(opened(tmp_path / "clone", remote), given=True, leads=lambda: next(answers))
    assert daemon.hears(A).result is Result.FOLLOWING
    assert commits(remote) == 1
