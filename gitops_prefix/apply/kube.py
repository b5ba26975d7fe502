"""One API server; what it answers is turned into our words here.

kubernetes.io, "Kubernetes API Concepts". The dynamic client sends the requests. Its own
discovery is not used: it would keep a cache file under a name in /tmp that everybody can
guess, and list every group that exists.
"""

import copy
import json
import time  # noqa: TID251  the clock of a process of its own; commands use it, too
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any
from urllib.parse import urlencode

from gitops_prefix.apply.kube_config import connect
from gitops_prefix.apply.ownership import FIELD_MANAGER, Object
from gitops_prefix.errors import OutsideError

_DEFAULT_NAMESPACE = "default"
_SECONDS = (5.0, 20.0)
"""To connect, and to wait for an answer."""
_LISTED_SECONDS, _REFUSED_SECONDS, _FAILED_SECONDS, _LIST_SECONDS = 30.0, 600.0, 5.0, 10.0
"""How long a list is good for, that it was refused, and that it failed; how long it may take."""
_MOST_WORDS = 500
_A_PAGE = 500
_NO_OBJECT = "the API server's answer is no object: does the kubeconfig's server lead to one?"


class ApiError(OutsideError):
    """The API server said no.

    Attributes:
        status: of HTTP: 403 forbidden, 404 not found, 409 conflict.
        causes: as in the Status that it answered with.
        retry_after: seconds that it asked us to wait; 0 when it did not.
    """

    def __init__(
        self,
        status: int,
        message: str,
        causes: tuple[Mapping[str, str], ...] = (),
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.causes = causes
        self.retry_after = retry_after


class NotConnectedError(OutsideError):
    """There is no connection to the API server: no other request will have one either."""


class NotLeadingError(OutsideError):
    """Our lead ended before the write; nothing was written."""


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
    """An API server, and who we are to it. Threads may share one."""

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
        self._ends, self._leads_until = inf, inf
        self.namespace = _namespace(kubeconfig, context)
        self._served: dict[tuple[str, str], Served] = {}
        self._lists: dict[str, tuple[float, list[Object] | OutsideError]] = {}

    def limited(self, seconds: float = inf, leads_until: float = inf) -> "Connection":
        """The same connection for one piece of work.

        Args:
            seconds: for all its requests together.
            leads_until: by the monotonic clock: no write begins after that.
        """
        limited = copy.copy(self)
        limited._ends = time.monotonic() + seconds  # noqa: SLF001  a copy of ourselves
        limited._leads_until = leads_until  # noqa: SLF001
        return limited

    def served(self, api_version: str, kind: str) -> Served | None:
        """How a kind is asked for; None when the server has no such kind.

        Raises:
            ApiError, OutsideError: the server did not say.
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
        try:
            for resource in listed.get("resources") or ():
                if resource["kind"] == kind and "/" not in resource["name"]:
                    found = Served(api_version, kind, resource["name"], resource["namespaced"])
                    self._served[api_version, kind] = found
                    return found
        except (LookupError, TypeError) as error:
            raise OutsideError(_NO_OBJECT) from error
        return None

    def get(self, served: Served, name: str, namespace: str) -> Object | None:
        """An object, or None when it does not exist.

        Raises:
            ApiError, OutsideError: the server did not say.
        """
        try:
            return _whole(self.request("get", _path(served, name, namespace)))
        except ApiError as error:
            if error.status == 404:
                # A kind that was removed is asked for anew.
                self._served.pop((served.api_version, served.kind), None)
                return None
            raise

    def list_if_allowed(self, path: str) -> list[Object]:
        """The items of a list of half a minute ago at most; none where there is no right to them.

        Raises:
            ApiError, OutsideError: the server did not say, and never did.
        """
        until, known = self._lists.get(path, (-inf, None))
        if time.monotonic() > until:
            good_for = _LISTED_SECONDS
            try:
                known = self.limited(_LIST_SECONDS).request("get", path).get("items") or []
            except OutsideError as error:
                status = error.status if isinstance(error, ApiError) else 0
                if status in {403, 404}:
                    good_for, known = _REFUSED_SECONDS if status == 403 else _LISTED_SECONDS, []
                else:
                    # An answer that is older says more than none.
                    good_for = _FAILED_SECONDS
                    known = known if isinstance(known, list) else error
            self._lists[path] = time.monotonic() + good_for, known
        if isinstance(known, OutsideError):
            raise known
        return known or []

    def apply(
        self, served: Served, body: Object, *, force: bool, dry_run: bool, manager: str = ""
    ) -> Object:
        """Server-side apply.

        Args:
            served: the object's kind.
            body: the apply configuration.
            force: take over fields of other managers.
            dry_run: only say what would become of the object.
            manager: in place of ours.

        Raises:
            ApiError: 409 for conflicts, which its causes name, and for an object that
                was changed or created again meanwhile.
            OutsideError: the server did not answer.
        """
        metadata = body["metadata"]
        applied = self.request(
            "patch",
            _path(served, metadata["name"], metadata.get("namespace", "")),
            body=body,
            content_type="application/apply-patch+yaml",
            field_manager=manager or FIELD_MANAGER,
            force_conflicts=force or None,
            dry_run="All" if dry_run else None,
        )
        return _whole(applied)

    def patch(
        self, served: Served, name: str, namespace: str, patch: object, content_type: str
    ) -> Object:
        """A patch of another kind: application/json-patch+json, application/merge-patch+json.

        Raises:
            ApiError, OutsideError: the patch was not taken.
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
            NotConnectedError: nobody is there to say anything.
            NotLeadingError: it would be a write, and our lead ended.
            OutsideError: the server did not answer, or does not know us.
        """
        from kubernetes.dynamic.exceptions import DynamicApiError  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        if method != "get":
            parameters.setdefault("field_manager", FIELD_MANAGER)
        now = time.monotonic()
        if method != "get" and not parameters.get("dry_run") and now >= self._leads_until:
            raise NotLeadingError("we do not lead any more: nothing was written")
        left = self._ends - now
        if left <= 0:
            raise OutsideError("the API server took too long to answer")
        try:
            # Two numbers: of one the client takes integers alone, and waits for ever for a float.
            answer = self._client.request(
                method,
                path,
                serialize=False,
                _request_timeout=tuple(min(seconds, left) for seconds in self._seconds),
                **parameters,
            )
            text = answer.data
        except DynamicApiError as error:
            raise self._api_error(error) from None
        except (HTTPError, OSError) as error:
            raise _no_answer(error) from error
        except ValueError as error:
            # Without its words and its traceback: a header, which is quoted, holds a token.
            kind = type(error).__name__
            raise OutsideError(
                f"the API server was not asked: the credentials are no header ({kind})"
            ) from None
        try:
            parsed = json.loads(text)
        except ValueError as error:
            raise OutsideError(f"the API server's answer is no JSON: {_cut(str(error))}") from error
        if not isinstance(parsed, dict):
            raise OutsideError(_NO_OBJECT)
        return parsed

    def _api_error(self, error: Any) -> Exception:
        """The error for an answer; without our token, which a server may repeat."""
        configuration = self._client.client.configuration
        bearer = str(configuration.api_key.get("authorization") or "").rpartition(" ")[2]
        body = error.body or ""
        body = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
        for secret in filter(None, (bearer, configuration.password)):
            body = body.replace(secret, "***")
        return _api_error(error, body)


def missing_rule(served: Served, words: str, *verbs: str) -> str:
    """What to say to somebody whom the API server forbids something: the rule, to be pasted.

    Args:
        served: the kind.
        words: the server's own.
        verbs: that are needed; those of direct apply, when none is named.
    """
    needed = ", ".join(f'"{verb}"' for verb in verbs or ("get", "patch"))
    role = "ClusterRole" if not served.namespaced else "ClusterRole, or a Role of its namespace"
    return (
        f"forbidden ({words}); the {role} needs this rule: "
        f'{{apiGroups: ["{served.group}"], resources: ["{served.plural}"], verbs: [{needed}]}}'
    )


# Of all namespaces at once, which is a ClusterRole's to allow.
_SERVICES = Served("v1", "Service", "services", namespaced=False)


def list_services(connection: Connection, *, a_page: int = _A_PAGE) -> Iterator[Object]:
    """Every Service of every namespace, page by page, so that no answer is huge.

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
            if error.status != 403:
                raise
            raise OutsideError(missing_rule(_SERVICES, str(error), "list")) from error
        items, metadata = page.get("items") or [], page.get("metadata") or {}
        if not (isinstance(items, list) and isinstance(metadata, dict)):
            raise OutsideError(_NO_OBJECT)
        yield from items
        following = metadata.get("continue")
        if not following:
            return
        query["continue"] = following


def _namespace(kubeconfig: str, context: str) -> str:
    """For objects whose file names none: the context's, as kubectl takes it."""
    from kubernetes import config  # noqa: PLC0415

    try:
        contexts, active = config.list_kube_config_contexts(kubeconfig or None)
    except config.ConfigException:
        # A pod has no kubeconfig.
        return _DEFAULT_NAMESPACE
    chosen = next((entry for entry in contexts if entry["name"] == context), active)
    return chosen["context"].get("namespace") or _DEFAULT_NAMESPACE


def _path(served: Served, name: str, namespace: str) -> str:
    root = "apis" if served.group else "api"
    where = f"/namespaces/{namespace}" if served.namespaced else ""
    return f"/{root}/{served.api_version}{where}/{served.plural}/{name}"


def _whole(found: Object) -> Object:
    """An object that has what every object has.

    Raises:
        OutsideError: it has not; something else than an API server answered.
    """
    metadata = found.get("metadata")
    if (
        not isinstance(metadata, dict)
        or not isinstance(metadata.get("name"), str)
        or not isinstance(metadata.get("annotations"), dict | None)
        or not isinstance(metadata.get("labels"), dict | None)
        or not isinstance(metadata.get("managedFields"), list | None)
    ):
        raise OutsideError(_NO_OBJECT)
    return found


def _no_answer(error: Exception) -> OutsideError:
    """A server that is not there concerns every object; one that hangs, maybe this one alone."""
    from urllib3.exceptions import (  # noqa: PLC0415
        ConnectTimeoutError,
        NewConnectionError,
        ProxyError,
    )

    gone = isinstance(error, ConnectTimeoutError | NewConnectionError | ProxyError)
    kind = NotConnectedError if gone else OutsideError
    return kind(f"the API server did not answer: {_cut(str(error))}")


def _api_error(error: Any, body: str) -> Exception:
    try:
        status = json.loads(body)
    except ValueError:
        status = {}
    status = status if isinstance(status, dict) else {}
    words = _cut(str(status.get("message") or error.reason))
    if error.status == 401:
        return OutsideError(f"the API server does not know us: {words}")
    if not error.status:
        # What the client makes of a failure of TLS.
        return NotConnectedError(f"the API server did not answer: {words}")
    details = status.get("details")
    details = details if isinstance(details, dict) else {}
    listed = details.get("causes")
    causes = (
        tuple(each for each in listed or () if isinstance(each, dict))
        if isinstance(listed, list)
        else ()
    )
    return ApiError(error.status, words, causes, _retry_after(error, details))


def _retry_after(error: Any, details: Mapping[str, Any]) -> float:
    """RFC 9110, 10.2.3, in seconds, as the API server sends it; also in the Status."""
    headers = {key.lower(): value for key, value in dict(error.headers or {}).items()}
    for text in (headers.get("retry-after"), details.get("retryAfterSeconds")):
        if str(text).isdecimal():
            return min(float(str(text)), 300.0)
    return 0.0


def _cut(words: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in words)
    return printable if len(printable) <= _MOST_WORDS else f"{printable[:_MOST_WORDS]}…"
