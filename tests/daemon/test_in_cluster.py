"""What a pass means for direct apply and for the Events."""

from datetime import UTC, datetime

import pytest

from gitops_prefix.apply.events import ObjectEvents
from gitops_prefix.apply.policy import BranchState
from gitops_prefix.apply.protocol import Acknowledged
from gitops_prefix.daemon.follow_ups import PublicationEvents, branch_state
from gitops_prefix.daemon.outcome import (
    Committed,
    Decided,
    NotLeading,
    Proposed,
    Pushed,
    Stopped,
    Unconfirmed,
    UpToDate,
)
from gitops_prefix.publish.failure import Failed, Reason
from gitops_prefix.publish.forge.sync import BranchProposal
from gitops_prefix.publish.stages import Stage
from gitops_prefix.render.binding import Change

RIGHT, PUBLISHED, AWAY, REFUSED, UNKNOWN = BranchState
CHANGE = Change("a.yaml", 0, "Service", "media", "plex", "spec", None, None, "v1")
DECIDED = Decided("1" * 40, {}, changes=(CHANGE,))
WAITS = BranchProposal("gitops-prefix/home", commit="1234")
MERGED = BranchProposal("gitops-prefix/home")
PROPOSES = Decided("1" * 40, {}, proposals=(MERGED, WAITS))


def failed(reason: Reason) -> Failed:
    return Failed(reason, "words", Stage.PUSH)


STATES = {
    "nothing waits": (UpToDate(DECIDED), RIGHT),
    "our commit arrived": (Pushed(DECIDED, "2", "1"), PUBLISHED),
    "our commit waits for a remote that is away": (
        Committed(DECIDED, "2", failed(Reason.DNS)),
        AWAY,
    ),
    "our commit is refused": (Committed(DECIDED, "2", failed(Reason.HOOK)), REFUSED),
    "our commit is overtaken": (Committed(DECIDED, "2", failed(Reason.CONTESTED)), REFUSED),
    "somebody else's commit is in the way": (
        Committed(DECIDED, "2", failed(Reason.HELD)),
        UNKNOWN,
    ),
    "nothing waits, and the remote is away": (
        Unconfirmed(DECIDED, failed(Reason.DNS)),
        UNKNOWN,
    ),
    "nothing was read": (Stopped(failed(Reason.DNS)), UNKNOWN),
    "another daemon leads": (NotLeading(), UNKNOWN),
    "something waits to be merged": (UpToDate(PROPOSES), UNKNOWN),
    "something was proposed": (Proposed(PROPOSES, "2"), UNKNOWN),
    "everything proposed is merged": (UpToDate(Decided("1", {}, proposals=(MERGED,))), RIGHT),
}


@pytest.mark.parametrize(("outcome", "expected"), STATES.values(), ids=STATES)
def test_direct_apply_learns_that(outcome, expected):
    assert branch_state(outcome) is expected


def test_events_are_made_when_what_waited_is_on_the_branch():
    asked = []

    def ask(question):
        asked.extend(question.events)
        return Acknowledged()

    noon = datetime(2026, 11, 25, 12, tzinfo=UTC)
    events = ObjectEvents(ask, lambda: noon, lambda: 0.0, "node-1")
    follow_up = PublicationEvents(events)
    nothing = Decided("1" * 40, {})
    follow_up.run(Committed(DECIDED, "1", failed(Reason.DNS)), 0)
    assert not asked
    follow_up.run(Pushed(nothing, "1", ""), 0)
    assert events.drain(30) and len(asked) == 1
    follow_up.run(UpToDate(nothing), 0)
    follow_up.run(Pushed(nothing, "2", "1"), 0)
    assert events.drain(30) and len(asked) == 1
