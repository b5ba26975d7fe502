"""One API server; what it answers is turned into our words here.

kubernetes.io, "Kubernetes API Concepts". The dynamic client sends the requests. Its own
discovery is not used: it would keep a cache file under a name in /tmp that everybody can
guess, and list every group there is.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from gitops_prefix.apply.kube_config import connect
from gitops_prefix.apply.ownership import FIELD_MANAGER, Object
from gitops_prefix.errors import OutsideError

_DEFAULT_NAMESPACE = "default"
_SECONDS = (5.0, 20.0)
"""To connect, and to wait for an answer."""
_MOST_WORDS = 500


class ApiError(OutsideError):
    """The API server said no.

    Attributes:
        status: of HTTP: 403 forbidden, 404 not there, 409 conflict.
        causes: as in the Status that it answered with.
    """

    def __init__(
        self, status: int, message: str, causes: tuple[Mapping[str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.causes = causes


@dataclass(frozen=True, slots=True)
class Served:
    """A kind that the API server serves."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]


class _NoDiscovery:
    """In place of the dynamic client's own."""

    def __init__(self, client: Any, cache_file: Any) -> None: ...


class Connection:
    """An API server, and who we are to it."""

    def __init__(
        self, kubeconfig: str = "", context: str = "", *, seconds: tuple[float, float] = _SECONDS
    ) -> None:
        """Read who and where; the server is not asked yet.

        Args:
            kubeconfig: a file, or empty.
            context: of the kubeconfig, or empty for its current one.
            seconds: to connect, and to wait for an answer.

        Raises:
            InputError, OutsideError: as `connect` does.
        """
        from kubernetes.dynamic import DynamicClient  # noqa: PLC0415  48 MiB

        self._client = DynamicClient(connect(kubeconfig, context), discoverer=_NoDiscovery)
        self._seconds = seconds
        self.namespace = _namespace(kubeconfig, context)
        self._served: dict[tuple[str, str], Served] = {}

    def served(self, api_version: str, kind: str) -> Served | None:
        """How a kind is asked for; None when the server has no such kind.

        Raises:
            ApiError, OutsideError: it did not say.
        """
        known = self._served.get((api_version, kind))
        if known is not None:
            return known
        root = "apis" if "/" in api_version else "api"
        try:
            listed = self.request("get", f"/{root}/{api_version}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        for one in listed.get("resources", ()):
            if one["kind"] == kind and "/" not in one["name"]:
                found = Served(api_version, kind, one["name"], one["namespaced"])
                self._served[api_version, kind] = found
                return found
        return None

    def get(self, served: Served, name: str, namespace: str) -> Object | None:
        """An object, or None when there is none.

        Raises:
            ApiError, OutsideError: the server did not say.
        """
        try:
            return self.request("get", _path(served, name, namespace))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def apply(
        self, served: Served, body: Object, *, force: bool, dry_run: bool, manager: str = ""
    ) -> Object:
        """Server-side apply.

        Args:
            served: the object's kind.
            body: the apply configuration.
            force: take over fields of other managers.
            dry_run: only say what would become of it.
            manager: in place of ours.

        Raises:
            ApiError: 409 for conflicts, which its causes name, and for an object that
                is another one by now.
            OutsideError: the server did not answer.
        """
        metadata = body["metadata"]
        return self.request(
            "patch",
            _path(served, metadata["name"], metadata.get("namespace", "")),
            body=body,
            content_type="application/apply-patch+yaml",
            field_manager=manager or FIELD_MANAGER,
            force_conflicts=force or None,
            dry_run="All" if dry_run else None,
        )

    def patch(
        self, served: Served, name: str, namespace: str, patch: object, content_type: str
    ) -> Object:
        """A patch of another kind: application/json-patch+json, application/merge-patch+json.

        Raises:
            ApiError, OutsideError: it was not taken.
        """
        return self.request(
            "patch",
            _path(served, name, namespace),
            body=patch,
            content_type=content_type,
        )

    def request(self, method: str, path: str, **parameters: Any) -> Object:
        """Anything else, with the dynamic client's parameters; what is written is ours.

        Raises:
            ApiError: the server said no.
            OutsideError: it did not answer, or does not know us.
        """
        from kubernetes.dynamic.exceptions import DynamicApiError  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        if method != "get":
            parameters.setdefault("field_manager", FIELD_MANAGER)
        try:
            # Two numbers: of one the client takes integers alone, and waits for ever for a float.
            answer = self._client.request(
                method, path, serialize=False, _request_timeout=self._seconds, **parameters
            )
            parsed: Object = json.loads(answer.data)
        except DynamicApiError as error:
            raise _api_error(error) from error
        except (HTTPError, OSError, ValueError) as error:
            raise OutsideError(f"the API server did not answer: {_cut(str(error))}") from error
        return parsed


def _namespace(kubeconfig: str, context: str) -> str:
    """For objects whose file names none: the context's, as kubectl takes it."""
    from kubernetes import config  # noqa: PLC0415

    try:
        contexts, active = config.list_kube_config_contexts(kubeconfig or None)
    except config.ConfigException:
        # A pod has no kubeconfig.
        return _DEFAULT_NAMESPACE
    chosen = next((one for one in contexts if one["name"] == context), active)
    return chosen["context"].get("namespace") or _DEFAULT_NAMESPACE


def _path(served: Served, name: str, namespace: str) -> str:
    root = "apis" if served.group else "api"
    where = f"/namespaces/{namespace}" if served.namespaced else ""
    return f"/{root}/{served.api_version}{where}/{served.plural}/{name}"


def _api_error(error: Any) -> Exception:
    try:
        status = json.loads(error.body)
    except (TypeError, ValueError):
        status = {}
    words = _cut(str(status.get("message") or error.reason))
    if error.status == 401:
        return OutsideError(f"the API server does not know us: {words}")
    if not error.status:
        return OutsideError(f"the API server did not answer: {words}")
    causes = (status.get("details") or {}).get("causes") or ()
    return ApiError(error.status, words, tuple(causes))


def _cut(words: str) -> str:
    printable = "".join(one if one.isprintable() else " " for one in words)
    return printable if len(printable) <= _MOST_WORDS else f"{printable[:_MOST_WORDS]}…"


def missing_rule(served: Served, words: str, *verbs: str) -> str:
    """What to say to somebody whom the API server forbids something.

    Args:
        served: the kind.
        words: the server's own.
        verbs: that are needed; those of direct apply, when none is named.
    """
    needed = ", ".join(f'"{one}"' for one in verbs or ("get", "patch"))
    role = "ClusterRole" if not served.namespaced else "ClusterRole, or a Role of its namespace"
    return (
        f"forbidden ({words}); the {role} needs this rule: "
        f'{{apiGroups: ["{served.group}"], resources: ["{served.plural}"], verbs: [{needed}]}}'
    )


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
