"""The way to an API server: a kubeconfig, or the service account of the pod, and the proxy.

The proxy is read from the environment as curl and kubectl read it: the client's own reading
forgets no_proxy, takes the proxy of http for https, and sends no password.
"""

import os
from typing import TYPE_CHECKING

from gitops_prefix.errors import InputError, OutsideError, Problem

if TYPE_CHECKING:
    from kubernetes.client import ApiClient
from base64 import b64encode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote


def connect(kubeconfig: str = "", context: str = "") -> "ApiClient":
    """A client, by the given file, else $KUBECONFIG, else the pod's account, else ~/.kube/config.

    Nothing is sent yet.

    Args:
        kubeconfig: a file, or empty.
        context: of the kubeconfig, or empty for its current one.

    Raises:
        InputError: the kubeconfig is none, or lacks the context; or the proxy is none.
        OutsideError: the pod has no account.
    """
    from kubernetes import client, config  # noqa: PLC0415  48 MiB

    configuration = client.Configuration()
    # We have our own way of trying again, and its pace.
    configuration.retries = False
    in_pod = not (kubeconfig or context or os.environ.get("KUBECONFIG"))
    in_pod = in_pod and bool(os.environ.get("KUBERNETES_SERVICE_HOST"))
    if in_pod:
        # The way there is the cluster's; the proxy of the environment is the Git host's.
        configuration.proxy = None
    else:
        proxy = read_proxy(os.environ)
        configuration.proxy, configuration.no_proxy, configuration.proxy_headers = proxy
    try:
        if in_pod:
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(
                kubeconfig or None, context or None, client_configuration=configuration
            )
    except config.ConfigException as error:
        if in_pod:
            raise OutsideError(f"this pod has no service account token: {error}") from error
        named = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        message = f"{named}: {error}: name a kubeconfig, and one of its contexts"
        raise InputError(Problem("invalid-kubeconfig", message)) from error
    except Exception as error:  # what a broken file makes of the loader: KeyError, YAMLError, ...
        named = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        message = (
            f"{named} is no kubeconfig ({type(error).__name__}): `kubectl config view` reads one"
        )
        raise InputError(Problem("invalid-kubeconfig", message)) from error
    return client.ApiClient(configuration)


class ApiProxy(NamedTuple):
    """The proxy for https.

    Attributes:
        url: without user and password; None for none.
        exceptions: what no_proxy lists.
        headers: that show it who we are.
    """

    url: str | None
    exceptions: str | None
    headers: dict[str, str]


def read_proxy(environment: Mapping[str, str]) -> ApiProxy:
    """The proxy of an environment.

    Raises:
        InputError: its address is none.
    """
    from urllib3.exceptions import LocationParseError  # noqa: PLC0415  the client's, 3 MiB
    from urllib3.util import parse_url  # noqa: PLC0415

    def named(name: str) -> str | None:
        return environment.get(name) or environment.get(name.upper())

    text, exceptions = named("https_proxy"), named("no_proxy")
    if text is None:
        return ApiProxy(None, exceptions, {})
    try:
        url = parse_url(text if "://" in text else f"http://{text}")
    except LocationParseError as error:
        # Without its text: a password may be in it.
        message = "https_proxy is no address of a proxy: write http://HOST:PORT"
        raise InputError(Problem("invalid-proxy", message)) from error
    return ApiProxy(url._replace(auth=None).url, exceptions, _headers(url.auth))


def _headers(auth: str | None) -> dict[str, str]:
    """RFC 7617, of the user and password of a URL."""
    if auth is None:
        return {}
    return {"Proxy-Authorization": f"Basic {b64encode(unquote(auth).encode()).decode()}"}
