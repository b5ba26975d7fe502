"""Failures of publish, as tests ask for them: what would help, whether raised or returned."""

from gitops_prefix.publish.failure import Failed, FailedError, Kind, Published


def moved(what: FailedError | Failed | Published) -> bool:
    """Whether the commit has to be made anew."""
    return _kind(what) is Kind.MOVED


def refused(what: FailedError | Failed | Published) -> bool:
    """Whether a person must act."""
    return _kind(what) is Kind.REFUSED


def away(what: FailedError | Failed | Published) -> bool:
    """Whether waiting may help."""
    return _kind(what) is Kind.AWAY


def _kind(what: FailedError | Failed | Published) -> Kind | None:
    if isinstance(what, Published):
        return None
    return what.failed.kind if isinstance(what, FailedError) else what.kind
