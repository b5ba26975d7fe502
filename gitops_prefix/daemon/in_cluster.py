"""What a pass means for the cluster: whether Git is behind, and what the Events say."""

from math import inf

from gitops_prefix.apply.events import ObjectEvents
from gitops_prefix.apply.policy import BranchState
from gitops_prefix.daemon.publication import Outcome, Result


def git_of(outcome: Outcome) -> BranchState:
    """What a pass says about the branch."""
    if outcome.result in {Result.UNREACHABLE, Result.CONTESTED, Result.REFUSED}:
        return BranchState.BEHIND if outcome.commit else BranchState.UNKNOWN
    if any(proposal.commit for proposal in outcome.proposals):
        # It waits to be merged: until then the branch is not behind, and not right.
        return BranchState.UNKNOWN
    if outcome.result is Result.PUBLISHED:
        return BranchState.PUBLISHED
    return BranchState.RIGHT if outcome.result is Result.UNCHANGED else BranchState.UNKNOWN


class PublicationEvents:
    """A follow-up that makes Events on the objects that a publication moved."""

    def __init__(self, events: ObjectEvents) -> None:
        self._events = events

    @property
    def due_at(self) -> float:
        """Never by itself."""
        return inf

    def run(self, outcome: Outcome, now: float) -> None:
        """Make the Events of what is on the branch now; remember what waits."""
        del now
        self._events.remember(outcome.changes, outcome.transitions)
        if outcome.result is Result.PUBLISHED:
            self._events.publish(outcome.commit)
        elif outcome.result is Result.UNCHANGED:
            self._events.forget()

    def lines(self) -> tuple[str, ...]:
        """Nothing on the page: they stand in the cluster."""
        return ()

    def failing(self) -> bool:
        """Never: nobody waits for them."""
        return False
