"""The way to an API server: a kubeconfig, or the service account of the pod, and the proxy.

The proxy is read from the environment as curl and kubectl read it: the client's own reading
ignores no_proxy, takes the proxy of http for https, and sends no password. What the client
would ignore in a kubeconfig is refused: nobody acts as somebody else than the file says.
"""

import os
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from gitops_prefix import __version__
from gitops_prefix.errors import InputError, OutsideError, Problem

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration

_USER_AGENT = f"gitops-prefix/{__version__}"
_IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")


def connect(kubeconfig: str = "", context: str = "") -> "ApiClient":
    """A client, by the given file, else $KUBECONFIG, else the pod's account, else ~/.kube/config.

    Nothing is sent yet.

    Args:
        kubeconfig: a file, or empty.
        context: of the kubeconfig, or empty for its current one.

    Raises:
        InputError: the kubeconfig or the proxy cannot be used; the message says why.
        OutsideError: the pod has no account.
    """
    from kubernetes import client  # noqa: PLC0415  48 MiB

    configuration = client.Configuration()
    # We have our own way of trying again, and its pace.
    configuration.retries = False
    if not (kubeconfig or context or os.environ.get("KUBECONFIG")) and bool(
        os.environ.get("KUBERNETES_SERVICE_HOST")
    ):
        _load_account(configuration)
    else:
        _load_kubeconfig(configuration, kubeconfig, context)
    _strip_token(configuration)
    made = client.ApiClient(configuration)
    made.user_agent = _USER_AGENT
    return made


def _load_account(configuration: "Configuration") -> None:
    from kubernetes import config  # noqa: PLC0415

    # The way there is inside the cluster; the proxy of the environment is the Git host's.
    configuration.proxy = None
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException as error:
        raise OutsideError(f"this pod has no service account token: {error}") from error


def _load_kubeconfig(configuration: "Configuration", kubeconfig: str, context: str) -> None:
    from kubernetes import config  # noqa: PLC0415

    named = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    proxy = read_proxy(os.environ)
    try:
        entry = _read_entry(kubeconfig, context)
        if url := entry.cluster.get("proxy-url"):
            # As kubectl: it counts for every host.
            proxy = read_proxy({"https_proxy": str(url)}, "proxy-url")
        configuration.proxy, configuration.no_proxy, configuration.proxy_headers = proxy
        _refuse_impersonation(named, entry.user)
        config.load_kube_config(
            kubeconfig or None, context or None, client_configuration=configuration
        )
    except InputError:
        raise
    except config.ConfigException as error:
        # Its words quote whole entries, with their tokens.
        words = str(error).partition("/{")[0]
        raise _invalid(f"{named}: {words}: name a kubeconfig, and one of its contexts") from None
    except Exception as error:  # noqa: BLE001  a broken file makes KeyError, YAMLError, ...
        # Without the error's words and its traceback: they may hold a token.
        words = (
            f"{named} is no kubeconfig ({type(error).__name__}): `kubectl config view` reads one"
        )
        raise _invalid(words) from None
    known = configuration.api_key.get("authorization") or configuration.cert_file
    if "exec" in entry.user and not known:
        command = (entry.user["exec"] or {}).get("command")
        raise _invalid(
            f"{named}: the program {command!r}, which the kubeconfig names for credentials, "
            "failed: run it by hand"
        )


class _Entry(NamedTuple):
    """What a kubeconfig says about one context."""

    user: Mapping[str, Any]
    cluster: Mapping[str, Any]


def _read_entry(kubeconfig: str, context: str) -> _Entry:
    from kubernetes.config import kube_config  # noqa: PLC0415

    merged = kube_config.KubeConfigMerger(kubeconfig or kube_config.KUBE_CONFIG_DEFAULT_LOCATION)
    document = merged.config.value if merged.config is not None else {}
    chosen = context or document.get("current-context")
    found = _named(document.get("contexts"), chosen).get("context") or {}
    return _Entry(
        _named(document.get("users"), found.get("user")).get("user") or {},
        _named(document.get("clusters"), found.get("cluster")).get("cluster") or {},
    )


def _named(entries: Any, name: Any) -> Mapping[str, Any]:
    # The merger wraps what it read from several files.
    plain = (getattr(entry, "value", entry) for entry in entries or ())
    return next((entry for entry in plain if entry["name"] == name), {})


def _refuse_impersonation(named: str, user: Mapping[str, Any]) -> None:
    keys = [key for key in _IMPERSONATION if user.get(key)]
    if keys:
        raise _invalid(
            f"{named}: the user has {', '.join(keys)}, and we do not impersonate: "
            "name a user that has the rights itself"
        )


def _strip_token(configuration: "Configuration") -> None:
    """Cut what `echo TOKEN > FILE` adds, now and whenever the token is read again."""
    read_again = configuration.refresh_api_key_hook

    def strip(changed: "Configuration") -> None:
        if read_again is not None:
            read_again(changed)
            # The loader puts itself back in place.
            changed.refresh_api_key_hook = strip
        token = changed.api_key.get("authorization")
        if token:
            changed.api_key["authorization"] = token.strip()

    strip(configuration)


def _invalid(message: str) -> InputError:
    return InputError(Problem("invalid-kubeconfig", message))


class ApiProxy(NamedTuple):
    """The proxy for https.

    Attributes:
        url: without user and password; None without a proxy.
        exceptions: what no_proxy lists.
        headers: that show the proxy who we are.
    """

    url: str | None
    exceptions: str | None
    headers: dict[str, str]


def read_proxy(environment: Mapping[str, str], name: str = "https_proxy") -> ApiProxy:
    """The proxy of an environment.

    Args:
        environment: the variables.
        name: how a person names the proxy's address.

    Raises:
        InputError: the address cannot be read.
    """
    from urllib3.exceptions import LocationParseError  # noqa: PLC0415  the client's, 3 MiB
    from urllib3.util import parse_url  # noqa: PLC0415

    def variable(key: str) -> str | None:
        return environment.get(key) or environment.get(key.upper())

    text, exceptions = variable("https_proxy"), variable("no_proxy")
    if text is None:
        return ApiProxy(None, exceptions, {})
    try:
        url = parse_url(text if "://" in text else f"http://{text}")
    except LocationParseError:
        # Without its text: a password may be in it.
        message = f"{name} is no address of a proxy: write http://HOST:PORT"
        raise InputError(Problem("invalid-proxy", message)) from None
    if urlsplit(url.url).scheme not in {"http", "https"}:
        message = f"{name} names a proxy of the scheme {url.scheme}: only http and https are spoken"
        raise InputError(Problem("invalid-proxy", message))
    return ApiProxy(url._replace(auth=None).url, exceptions, _headers(url.auth))


def _headers(auth: str | None) -> dict[str, str]:
    """RFC 7617, of the user and password of a URL."""
    if auth is None:
        return {}
    return {"Proxy-Authorization": f"Basic {b64encode(unquote(auth).encode()).decode()}"}
