"""One annotation on one object, by a merge patch: what asks a reconciler to look now."""

from collections.abc import Mapping
from typing import Any

from gitops_prefix.cluster.connection import ApiError, Connection, Served
from gitops_prefix.cluster.permission import missing_rule

_FORBIDDEN, _NOT_FOUND, _TOO_MANY, _SERVERS_OWN = 403, 404, 429, 500


def annotate(connection: Connection, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Set annotations, and change nothing else. `patch` is the only right that this needs.

    Args:
        connection: to the API server.
        arguments: `Reconciled.request`.

    Returns:
        Nothing, or what was wrong: `refused`, and would be again, or `unreachable`.

    Raises:
        OutsideError: the API server did not answer.
    """
    served = Served(arguments["apiVersion"], arguments["kind"], arguments["plural"], True)  # noqa: FBT003
    namespace, name = arguments["namespace"], arguments["name"]
    patch = {"metadata": {"annotations": arguments["annotations"]}}
    try:
        connection.patch(served, name, namespace, patch, "application/merge-patch+json")
    except ApiError as error:
        if error.status == _FORBIDDEN:
            return {"refused": missing_rule(served, str(error), "patch")}
        if error.status == _NOT_FOUND:
            return {"refused": f"there is no {served.kind} {namespace}/{name}"}
        later = error.status == _TOO_MANY or error.status >= _SERVERS_OWN
        return {"unreachable" if later else "refused": str(error)}
    return {}
