"""Changes that were committed but never reached the branch, made again on a new tip.

While the remote was away, the daemon's own commits said A, then B, then C. The
branch has moved meanwhile, so those commits are dropped (they are regenerated,
never merged); what they decided is taken over from the status that they held.
"""

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
    since = status.acquired_at if status else None
    for moment, prefix in _steps(unpublished):
        if since is None or moment > since:
            choice = Choice(prefix, unpublished.source)
            status = advance(specification, status, choice, moment)
    return status


def _steps(status: Status) -> list[tuple[datetime, Prefix]]:
    """When each prefix became current, oldest first, as far as it is known."""
    acquired = [(past.acquired_at, past.prefix) for past in reversed(status.history)]
    acquired.append((status.acquired_at, status.current))
    return [(moment, prefix) for moment, prefix in acquired if moment is not None]
