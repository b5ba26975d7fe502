"""The Services of a cluster, page by page, so that ten thousand are no single answer."""

from collections.abc import Iterator
from urllib.parse import urlencode

from gitops_prefix.cluster.api_object import Object
from gitops_prefix.cluster.connection import ApiError, Connection, Served
from gitops_prefix.cluster.permission import missing_rule
from gitops_prefix.errors import OutsideError

_A_PAGE = 500
_FORBIDDEN = 403
# Of all namespaces at once, which is a ClusterRole's to allow.
_SERVICES = Served("v1", "Service", "services", namespaced=False)


def list_services(connection: Connection, *, a_page: int = _A_PAGE) -> Iterator[Object]:
    """Every Service of every namespace.

    Args:
        connection: to the API server.
        a_page: how many are asked for at once.

    Raises:
        OutsideError: the server refused, or did not answer.
    """
    query = {"limit": str(a_page)}
    while True:
        try:
            page = connection.request("get", f"/api/v1/services?{urlencode(query)}")
        except ApiError as error:
            if error.status != _FORBIDDEN:
                raise
            raise OutsideError(missing_rule(_SERVICES, str(error), "list")) from error
        yield from page.get("items") or ()
        following = (page.get("metadata") or {}).get("continue")
        if not following:
            return
        query["continue"] = following
