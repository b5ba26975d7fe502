"""Plain requests to an API server: for what needs no discovery, and few rights.

kubernetes.io, "Kubernetes API Concepts". Objects are the JSON that the server speaks.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gitops_prefix.errors import OutsideError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

Object = dict[str, Any]
FIELD_MANAGER = "gitops-prefix"
"""DESIGN 6: never a name that begins with `kubectl`, which Flux takes over."""


class RefusedRequestError(OutsideError):
    """The server answered, and said no.

    Attributes:
        status: of HTTP: 403 forbidden, 404 not there, 409 conflict.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Rest:
    """Requests by path, each within a time limit."""

    def __init__(self, client: "ApiClient", *, seconds: float = 10.0) -> None:
        self._client, self._seconds = client, seconds

    def get(self, path: str) -> Object:
        """Read an object, or a list.

        Raises:
            RefusedRequestError: by its status.
            OutsideError: no answer. Of every request here.
        """
        return self._request("GET", path)

    def create(self, path: str, body: Mapping[str, Any]) -> Object:
        """Make an object in the collection at `path`."""
        return self._request("POST", path, body)

    def replace(self, path: str, body: Mapping[str, Any]) -> Object:
        """Put an object; refused with 409 when its resourceVersion is not the newest."""
        return self._request("PUT", path, body)

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Object:
        from kubernetes.client import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        query = [] if method == "GET" else [("fieldManager", FIELD_MANAGER)]
        try:
            answer: Object = self._client.call_api(
                path,
                method,
                query_params=query,
                header_params={"Accept": "application/json", "Content-Type": "application/json"},
                body=body,
                response_type="object",
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                # To connect, and to wait: of one number the client takes integers alone, and
                # waits for ever for a float.
                _request_timeout=(self._seconds, self._seconds),
            )
        except ApiException as error:
            if not error.status:
                raise OutsideError(f"no answer from the API server: {error.reason}") from error
            raise RefusedRequestError(error.status, _words(error)) from error
        except HTTPError as error:
            raise OutsideError(f"no answer from the API server: {error}") from error
        return answer


def _words(error: Any) -> str:
    """The server's own (a Status object), else the reason of HTTP."""
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return f"{error.status} {error.reason}"
