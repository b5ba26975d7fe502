"""The way to an API server: a kubeconfig, or the service account of the pod, and the proxy.

The proxy is read from the environment as curl and kubectl read it: the client's own reading
ignores no_proxy, takes the proxy of http for https, and sends no password. What the client
would ignore in a kubeconfig is refused: nobody acts as somebody else than the file says.
"""

import logging
import os
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from gitops_prefix import __version__
from gitops_prefix.apply.protocol import AT_ONCE
from gitops_prefix.errors import InputError, OutsideError, Problem

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration

_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_USER_AGENT = f"gitops-prefix/{__version__}"
_IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")
_FILES = ("tokenFile", "client-certificate", "client-key")
_TEXTS = ("token", "client-certificate-data", "client-key-data", "username", "password")


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
    # A connection for each thread, whatever the number of cores: none is made for one request.
    configuration.connection_pool_maxsize = AT_ONCE
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


def own_namespace() -> str:
    """The namespace of the pod that we are in, or `default`."""
    with suppress(OSError):
        return _OWN_NAMESPACE.read_text(encoding="utf-8").strip()
    return "default"


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
        if url := _mapping(entry.cluster).get("proxy-url"):
            # As kubectl: it counts for every host.
            proxy = read_proxy({"https_proxy": str(url)}, "proxy-url")
        configuration.proxy, configuration.no_proxy, configuration.proxy_headers = proxy
        _refuse(named, _problems(entry))
        with _quiet():
            config.load_kube_config(
                kubeconfig or None, context or None, client_configuration=configuration
            )
    except InputError:
        raise
    except config.ConfigException as error:
        # Its words quote whole entries, with their tokens.
        words = str(error).partition("/{")[0]
        raise _invalid(f"{named}: {words}: name a kubeconfig, and one of its contexts") from None
    except FileNotFoundError as error:
        words = f"{named} names the file {error.filename}, and there is none: write it, or its path"
        raise _invalid(words) from None
    except Exception as error:  # noqa: BLE001  a broken file makes KeyError, YAMLError, ...
        # Without the error's words and its traceback: they may hold a token.
        words = (
            f"{named} is no kubeconfig ({type(error).__name__}): `kubectl config view` reads one"
        )
        raise _invalid(words) from None
    known = configuration.api_key.get("authorization") or configuration.cert_file
    if "exec" in entry.user and not known:
        command = entry.user["exec"]["command"]
        raise _invalid(
            f"{named}: the program {command!r}, which the kubeconfig names for credentials, "
            "failed: run it by hand"
        )
    _load_certificates(named, configuration)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client from logging what we report ourselves, in words of its own."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _load_certificates(named: str, configuration: "Configuration") -> None:
    """Read the certificates now: a broken one would look like a server that does not answer.

    Raises:
        InputError: a file holds no certificate, or a key that does not belong to it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    what = "its certificate-authority is no certificate in PEM"
    try:
        if configuration.ssl_ca_cert:
            context.load_verify_locations(configuration.ssl_ca_cert)
        what = "its client-certificate and client-key are not PEM, or do not belong together"
        if configuration.cert_file:
            # No password: nobody is there to be asked for one.
            context.load_cert_chain(configuration.cert_file, configuration.key_file, password="")
    except OSError as error:
        # ssl.SSLError, without words of the file.
        reason = getattr(error, "reason", None) or type(error).__name__
        raise _invalid(f"{named}: {what} ({reason}): fetch the kubeconfig anew") from None


class _Entry(NamedTuple):
    """What a kubeconfig says about one context; None where it says nothing.

    Attributes:
        missing: the name of a context that is not there, and those that are; else empty.
    """

    context: str
    user: Any
    cluster: Any
    missing: str = ""


def _read_entry(kubeconfig: str, context: str) -> _Entry:
    from kubernetes.config import kube_config  # noqa: PLC0415

    merged = kube_config.KubeConfigMerger(kubeconfig or kube_config.KUBE_CONFIG_DEFAULT_LOCATION)
    if merged.config is None:
        named = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        raise _invalid(f"{named}: there is no such file: give --kubeconfig, or set KUBECONFIG")
    document = merged.config.value
    chosen = context or document.get("current-context")
    contexts = document.get("contexts")
    found = _named(contexts, chosen)
    if not found:
        names = ", ".join(str(getattr(each, "value", each)["name"]) for each in contexts or ())
        wanted = f"no context {chosen}" if chosen else "no current-context"
        return _Entry("", None, None, f"{wanted} (it has: {names or 'none'})")
    both = _mapping(found.get("context"))
    return _Entry(
        str(chosen),
        _named(document.get("users"), both.get("user")).get("user"),
        _named(document.get("clusters"), both.get("cluster")).get("cluster"),
    )


def _named(entries: Any, name: Any) -> Mapping[str, Any]:
    # The merger wraps what it read from several files.
    plain = (getattr(entry, "value", entry) for entry in entries or ())
    return next((entry for entry in plain if entry["name"] == name), {})


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _is_address(server: Any) -> bool:
    try:
        if any(letter.isspace() or not letter.isprintable() for letter in server):
            return False
        url = urlsplit(server)
        # The port is read when it is asked for.
        return url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except (AttributeError, TypeError, ValueError):
        return False


def _refuse(named: str, problems: Iterator[str]) -> None:
    for problem in problems:
        raise _invalid(f"{named}: {problem}")


def _problems(entry: _Entry) -> Iterator[str]:
    """What the client would ignore, or stumble over: nobody becomes anonymous, or somebody else."""
    if entry.missing:
        yield f"there is {entry.missing}: name one with --context, or set current-context"
    if entry.user is None:
        yield f"the context {entry.context} names a user that is not there: add the user"
    if entry.cluster is None:
        yield f"the context {entry.context} names a cluster that is not there: add the cluster"
    server = _mapping(entry.cluster).get("server")
    if not _is_address(server):
        yield f"the cluster's server is {server!r}: write https://HOST:PORT"
    user = _mapping(entry.user)
    yield from _wrong_shapes(entry)
    if keys := [key for key in _IMPERSONATION if user.get(key)]:
        yield (
            f"the user has {', '.join(keys)}, and we do not impersonate: "
            "name a user that has the rights itself"
        )
    if "auth-provider" in user:
        yield "the user has an auth-provider, which kubectl has removed: use exec, or a token"
    if "exec" in user and not _mapping(user["exec"]).get("command"):
        yield "the user's exec names no command: write the program that prints credentials"
    yield from _wrong_credentials(user)


def _wrong_shapes(entry: _Entry) -> Iterator[str]:
    if not isinstance(_mapping(entry.cluster).get("proxy-url", ""), str):
        yield "the cluster's proxy-url is no text: write http://HOST:PORT"
    if not isinstance(entry.user, Mapping | None):
        yield f"the user of the context {entry.context} is no mapping: write its keys below it"
    user = _mapping(entry.user)
    if bool(user.get("username")) != bool(user.get("password")):
        yield "the user has a username or a password, and not both: add the other one"


def _wrong_credentials(user: Mapping[str, Any]) -> Iterator[str]:
    for key in (*_FILES, *_TEXTS):
        if user.get(key) is not None and not isinstance(user[key], str):
            # Without its value: it may be a token.
            yield f"the user's {key} is no text: put it into quotes"
    for key in _FILES:
        path = Path(user.get(key) or ".")
        if path.is_absolute() and not path.is_file():
            yield f"the user's {key} is {path}, and there is no such file: write it, or its path"
    for kind, other in (("certificate", "key"), ("key", "certificate")):
        has, needs = (
            user.get(f"client-{each}") or user.get(f"client-{each}-data") for each in (kind, other)
        )
        if has and not needs:
            yield f"the user has a client-{kind} and no client-{other}: add it"


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
