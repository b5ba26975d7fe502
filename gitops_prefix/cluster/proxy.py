"""Which proxy an API server is behind: as curl and kubectl read the environment.

The client's own reading forgets no_proxy, takes http's proxy for https, and sends no password.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from gitops_prefix.errors import InputError, Problem


class Proxy(NamedTuple):
    """The proxy for https.

    Attributes:
        url: without user and password; None for none.
        exceptions: what no_proxy lists.
        headers: that show it who we are.
    """

    url: str | None
    exceptions: str | None
    headers: dict[str, str]


def read_proxy(environment: Mapping[str, str]) -> Proxy:
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
        return Proxy(None, exceptions, {})
    try:
        url = parse_url(text if "://" in text else f"http://{text}")
    except LocationParseError as error:
        # Without its text: a password may be in it.
        message = "https_proxy is no address of a proxy: write http://HOST:PORT"
        raise InputError(Problem("invalid-proxy", message)) from error
    return Proxy(url._replace(auth=None).url, exceptions, _headers(url.auth))


def _headers(auth: str | None) -> dict[str, str]:
    """RFC 7617, of the user and password of a URL."""
    if auth is None:
        return {}
    return {"Proxy-Authorization": f"Basic {b64encode(unquote(auth).encode()).decode()}"}
