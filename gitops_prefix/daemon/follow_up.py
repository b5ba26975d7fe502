"""What is done after a pass: it may fail, is tried again, and never undoes the pass.

The contract of the family: `run` takes what a pass came to, takes a few seconds at most,
and raises nothing. What could not be done yet is due again at `due_at`, when the loop
makes a pass that has nothing else to do.
"""

from typing import Protocol

from gitops_prefix.daemon.publication import Outcome


class FollowUp(Protocol):
    """Something to be done after a pass."""

    @property
    def due_at(self) -> float:
        """When it wants to be run, by the monotonic clock; inf is after the next pass."""
        ...

    def run(self, outcome: Outcome, now: float) -> None:
        """Do what is to be done after a pass, and is due by the monotonic clock."""
        ...

    def lines(self) -> tuple[str, ...]:
        """What a person should see of it, on the page and after `--once`."""
        ...

    def failing(self) -> bool:
        """Whether something was to be done that could not be, and matters to whoever waits."""
        ...
