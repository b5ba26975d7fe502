"""Events are made, and never changed; `create` is the only right that this needs."""

from collections.abc import Mapping
from typing import Any

from gitops_prefix.cluster.connection import ApiError, Connection, Served
from gitops_prefix.cluster.permission import missing_rule

_EVENTS = Served("events.k8s.io/v1", "Event", "events", True)  # noqa: FBT003
_FORBIDDEN, _NOT_FOUND = 403, 404


def make_events(connection: Connection, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Make each Event; one whose namespace is not there is left out.

    Args:
        connection: to the API server.
        arguments: `events`, as `direct.event.documents` has them.

    Returns:
        Nothing, or `refused` with why one was; who is forbidden one is forbidden all.

    Raises:
        OutsideError: the API server did not answer.
    """
    refused = ""
    for event in arguments["events"]:
        namespace = event["metadata"]["namespace"]
        try:
            connection.request(
                "post", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", body=event
            )
        except ApiError as error:
            if error.status == _FORBIDDEN:
                return {"refused": missing_rule(_EVENTS, str(error), "create")}
            if error.status != _NOT_FOUND:
                refused = str(error)
    return {"refused": refused} if refused else {}
