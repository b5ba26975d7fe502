"""The stages of a publication, named once, and the seam at which they may be timed.

Nothing here has a clock: who wants to know how long a stage takes sets `observe`
(`daemon.stopwatch` does).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """What a publication is doing. The values are labels of metrics, and a promise."""

    LOOK = "look"
    """Asking the remote where the branch is."""
    FETCH = "fetch"
    """Bringing what is new on it."""
    READ = "read"
    """Searching the commit for managed files, and reading those."""
    RENDER = "render"
    """Deciding what they are to hold."""
    COMMIT = "commit"
    """Making a commit of ours."""
    PUSH = "push"
    """Sending it."""
    CONFIRM = "confirm"
    """Asking the remote whether it is there."""
    REQUEST = "request"
    """Bringing a forge's pull request to what was pushed."""
    NOTIFY = "notify"
    """Asking somebody to reconcile."""
    WHOLE = "whole"
    """A pass that put a commit on the branch, from its begin to its end."""


Observe = Callable[[Stage], AbstractContextManager[object]]
"""Gives, for each stage, what is entered when it begins and left when it ends, however it ends."""


def unobserved(stage: Stage) -> AbstractContextManager[None]:
    """Nobody wants to know."""
    del stage
    return nullcontext()


@dataclass(slots=True)
class Stages:
    """Which stage is under way.

    Attributes:
        observe: told of each.
        last: the one that was entered last: what failed, failed in it.
    """

    observe: Observe = unobserved
    last: Stage = Stage.LOOK

    @contextmanager
    def enter(self, stage: Stage) -> Iterator[None]:
        """The body of this `with` is that stage."""
        self.last = stage
        with self.observe(stage):
            yield
