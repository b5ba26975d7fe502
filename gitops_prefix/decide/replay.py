"""Changes that were committed but never reached the branch, made again on a new tip.

While the remote was away, the daemon's own commits said A, then B, then C. The
branch has moved meanwhile, so those commits are dropped (they are regenerated,
never merged); what they decided is taken over from the status that they held.
"""

from dataclasses import replace
from datetime import datetime

from gitops_prefix.decide.choice import Choice
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.decide.transition import advance


def replay(
    specification: Specification, status: Status | None, unpublished: Status
) -> Status | None:
    """The status of the new tip, after what the unpublished one went through.

    Args:
        specification: as the new tip has it.
        status: as the new tip has it.
        unpublished: as our dropped commit had it.

    Returns:
        The new status; `status` itself when it knows as much already.

    Raises:
        ValueError: a range or subnet of the specification does not fit a prefix.
    """
    for moment, prefix in _missing(status, unpublished):
        status = advance(specification, status, Choice(prefix, unpublished.source), moment)
        status = status and _with_lifetimes(status, unpublished)
    return status


def _missing(status: Status | None, unpublished: Status) -> list[tuple[datetime, Prefix]]:
    """The steps that the new tip does not know of, oldest first."""
    steps = _steps(unpublished)
    if status is None or status.acquired_at is None:
        return steps
    reached = (status.acquired_at, status.current)
    if reached in steps:
        # Times are whole seconds: what followed within the same one counts too.
        return steps[steps.index(reached) + 1 :]
    return [step for step in steps if step[0] > status.acquired_at]


def _with_lifetimes(status: Status, unpublished: Status) -> Status:
    """What was advertised of a past prefix: a replayed change has no router to ask."""
    known = {past.prefix: past.valid_until for past in unpublished.history}
    history = tuple(
        replace(past, valid_until=past.valid_until or known.get(past.prefix))
        for past in status.history
    )
    return replace(status, history=history)


def _steps(status: Status) -> list[tuple[datetime, Prefix]]:
    """When each prefix became current, oldest first, as far as it is known."""
    acquired = [(past.acquired_at, past.prefix) for past in reversed(status.history)]
    acquired.append((status.acquired_at, status.current))
    return [(moment, prefix) for moment, prefix in acquired if moment is not None]
