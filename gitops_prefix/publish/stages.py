"""The stages of a publication, and the hook that times them.

There is no clock here: whoever measures how long a stage takes sets `Stages.observe`, as
the daemon does.
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
    """Fetching what is new on the branch."""
    READ = "read"
    """Searching the commit for managed files, and reading those."""
    RENDER = "render"
    """Rendering the new contents."""
    COMMIT = "commit"
    """Making a commit of ours."""
    PUSH = "push"
    """Pushing the commit."""
    CONFIRM = "confirm"
    """Asking the remote whether the commit arrived."""
    REQUEST = "request"
    """Updating a forge's pull request after a push."""
    NOTIFY = "notify"
    """Sending a notice, so that somebody reconciles."""
    WHOLE = "whole"
    """A whole pass that put a commit on the branch."""


Observe = Callable[[Stage], AbstractContextManager[object]]
"""Returns a context manager for a stage: entered at its begin, left at its end or failure."""


def unobserved(stage: Stage) -> AbstractContextManager[None]:
    """Measure nothing."""
    del stage
    return nullcontext()


@dataclass(slots=True)
class Stages:
    """The stage under way.

    Attributes:
        observe: called for each stage.
        last: the stage that was entered last; a failure belongs to it.
    """

    observe: Observe = unobserved
    last: Stage = Stage.LOOK

    @contextmanager
    def enter(self, stage: Stage) -> Iterator[None]:
        """Run the body of the `with` as this stage."""
        self.last = stage
        with self.observe(stage):
            yield
