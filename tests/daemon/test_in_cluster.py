"""What a pass means for direct apply and for the Events."""

from datetime import UTC, datetime

import pytest

from gitops_prefix.apply.events import ObjectEvents
from gitops_prefix.apply.policy import BranchState
from gitops_prefix.daemon.in_cluster import PublicationEvents, git_of
from gitops_prefix.daemon.publication import Outcome, Result
from gitops_prefix.publish.forge.sync import Proposal
from gitops_prefix.render.binding import Change

RIGHT, PUBLISHED, BEHIND, UNKNOWN = BranchState
CHANGE = Change("a.yaml", 0, "Service", "media", "plex", "spec", None, None, "v1")


@pytest.mark.parametrize("result", Result)
@pytest.mark.parametrize("commit", ["", "1234"])
def test_only_a_commit_of_ours_that_does_not_arrive_means_that_git_is_behind(result, commit):
    behind = {Result.UNREACHABLE, Result.CONTESTED, Result.REFUSED}
    right = {Result.PUBLISHED: PUBLISHED, Result.UNCHANGED: RIGHT}
    expected = right.get(result, BEHIND if result in behind and commit else UNKNOWN)
    assert git_of(Outcome(result, commit=commit)) is expected


@pytest.mark.parametrize("result", [Result.PUBLISHED, Result.UNCHANGED])
def test_what_waits_to_be_merged_is_neither_applied_nor_given_back(result):
    """A reconciler that was let go would follow the branch, which has the old prefix still."""
    waits = Proposal("gitops-prefix/home", commit="1234")
    merged = Proposal("gitops-prefix/home")
    assert git_of(Outcome(result, proposals=(merged, waits))) is UNKNOWN
    assert git_of(Outcome(result, proposals=(merged,))) in {PUBLISHED, RIGHT}
    assert git_of(Outcome(Result.UNREACHABLE, commit="1234", proposals=(waits,))) is BEHIND


def test_events_are_made_when_what_waited_is_on_the_branch():
    asked = []

    def ask(operation, arguments):
        asked.extend(arguments["events"])
        return {}

    follow_up = PublicationEvents(
        ObjectEvents(ask, lambda: datetime(2026, 11, 25, 12, tzinfo=UTC), "node-1")
    )
    follow_up.run(Outcome(Result.UNREACHABLE, commit="1", changes=(CHANGE,)), 0)
    assert not asked
    follow_up.run(Outcome(Result.PUBLISHED, commit="1"), 0)
    assert len(asked) == 1
    follow_up.run(Outcome(Result.UNCHANGED, commit="1"), 0)
    follow_up.run(Outcome(Result.PUBLISHED, commit="2"), 0)
    assert len(asked) == 1
