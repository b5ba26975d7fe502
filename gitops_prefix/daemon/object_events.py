"""Events on the objects that a publication moved, for who looks at an object and not at Git.

A follow-up that nobody waits for: what cannot be told is said once in the log, and lost.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from math import inf

from gitops_prefix.daemon.publication import Outcome, Result
from gitops_prefix.direct.event import Event, documents, events_of_publication
from gitops_prefix.errors import GitopsPrefixError
from gitops_prefix.publish.message import Transition
from gitops_prefix.publish.reconcile_request import Ask
from gitops_prefix.render.rendering import Change

log = logging.getLogger(__name__)


class ObjectEvents:
    """Tells of each publication once it is on the branch; `tell` takes what others have to say."""

    def __init__(self, ask: Ask, calendar: Callable[[], datetime], instance: str) -> None:
        """Nothing is told yet.

        Args:
            ask: the process that talks to the cluster.
            calendar: what time it is.
            instance: which daemon this is.
        """
        self._ask, self._calendar, self._instance = ask, calendar, instance
        # A commit that lost its race is made anew, and says the same once more.
        self._changes: dict[Change, None] = {}
        self._moves: dict[str, None] = {}
        self._words = ""

    @property
    def due_at(self) -> float:
        """Never by itself."""
        return inf

    def run(self, outcome: Outcome, now: float) -> None:
        """After a pass: what is on the branch is told, and what waits is remembered."""
        del now
        # The values are no matter here, and lists cannot be keys.
        bare = (replace(one, before=None, after=None) for one in outcome.changes)
        self._changes |= dict.fromkeys(bare)
        self._moves |= dict.fromkeys(_moves(outcome.transitions))
        if outcome.result is Result.PUBLISHED:
            note = ", ".join([*self._moves, f"published as {outcome.commit[:12]}"])
            self.tell(events_of_publication(self._changes, note))
        if outcome.result in {Result.PUBLISHED, Result.UNCHANGED}:
            self._changes, self._moves = {}, {}

    def tell(self, events: Sequence[Event]) -> None:
        """Make Events; takes a few seconds at most."""
        if not events:
            return
        told = documents(events, self._calendar(), self._instance)
        try:
            words = str(self._ask("events", {"events": told}).get("refused", ""))
        except GitopsPrefixError as error:
            words = str(error)
        if words and words != self._words:
            log.warning("Events are not told: %s", words)
        self._words = words

    def lines(self) -> tuple[str, ...]:
        """Nothing on the page: they stand in the cluster."""
        return ()

    def failing(self) -> bool:
        """Never: nobody waits for them."""
        return False


def _moves(transitions: Sequence[Transition]) -> list[str]:
    return [
        f"{one.name}: {one.previous.current if one.previous else 'none'} -> {one.current.current}"
        for one in transitions
        if one.moved
    ]
