"""Giving back what we own of one object, once Git says the same."""

from gitops_prefix.cluster.connection import ApiError, Connection
from gitops_prefix.cluster.flux import behind
from gitops_prefix.cluster.holds import HOLDS
from gitops_prefix.cluster.objects import failed, find_object, report
from gitops_prefix.cluster.ownership import our_holds, release_patch
from gitops_prefix.direct.configuration import ApplyConfiguration
from gitops_prefix.direct.report import Report, Standing

_TRIES = 5
_STALE = {409, 422}
"""How the server answers when the version that the patch tests is another by now."""


def release_object(connection: Connection, wanted: ApplyConfiguration, commit: str = "") -> Report:
    """Remove our entries from managedFields, and our holds; every value stays.

    It does not matter which daemon applied, or when: what is there is what counts.

    Args:
        connection: to the cluster.
        wanted: the object.
        commit: what Flux must have applied before it is let go; empty for at once.

    Raises:
        OutsideError: the API server did not answer, or does not know us.
    """
    for _ in range(_TRIES):
        found = find_object(connection, wanted)
        if isinstance(found, Report):
            return found
        patch = release_patch(found.live, HOLDS)
        if not patch:
            return report(wanted, Standing.UNCHANGED)
        if our_holds(found.live, HOLDS) and (words := behind(connection, found.live, commit)):
            return report(wanted, Standing.WAITING, f"held until Flux has {commit[:12]}: {words}")
        namespace = found.live["metadata"].get("namespace", "")
        content_type = "application/json-patch+json"
        try:
            connection.patch(found.served, wanted.name, namespace, patch, content_type)
        except ApiError as error:
            if error.status not in _STALE:
                return failed(wanted, found.served, error)
        else:
            return report(wanted, Standing.RELEASED)
    return report(wanted, Standing.FAILED, "it changes faster than it can be released")
