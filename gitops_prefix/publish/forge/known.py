"""Which forge a remote is at, and which project there. PURE."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.credentials import LOOPBACK
from gitops_prefix.publish.forge.forge import Forge
from gitops_prefix.publish.forge.gitea import Gitea
from gitops_prefix.publish.forge.github import GitHub
from gitops_prefix.publish.forge.gitlab import GitLab

AUTO = "auto"
_HOSTS = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "gitea.com": "gitea",
    "codeberg.org": "forgejo",
}
_MAKE: Mapping[str, Callable[[str, str, str], Forge]] = {
    "github": GitHub,
    "gitlab": GitLab,
    "gitea": Gitea,
    "forgejo": Gitea,
}
_BELOW = {"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1", "forgejo": "/api/v1"}
KINDS = tuple(_MAKE)
# git-clone(1): an IPv6 address stands in brackets, whose colons end no host.
_SCP_LIKE = re.compile(r"(?:[^/:@]*@)?(?:\[([0-9A-Fa-f:.]+)\]|([^/:@\[\]]+)):(.*)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a remote is.

    Attributes:
        origin: of its pages: scheme, host and port.
        project: the path without a slash at its begin and without `.git`.
    """

    origin: str
    host: str
    project: str


def place_of(url: str) -> Place:
    """Where a remote is, by its URL.

    Raises:
        InputError: a path on this machine has no forge.
    """
    if "://" in url:
        parts = urlsplit(url)
        host = parts.hostname or ""
        # The port of ssh says nothing about the pages.
        is_web = parts.scheme in {"http", "https"}
        origin = f"{parts.scheme}://{parts.netloc}" if is_web else _pages(host)
        path = parts.path
    else:
        found = _SCP_LIKE.fullmatch(url)
        host, path = (found[1] or found[2], found[3]) if found else ("", "")
        origin = _pages(host)
    project = path.strip("/").removesuffix(".git").rstrip("/")
    if not host or not project:
        message = f'--repo "{url}" is at no forge: give an https or ssh URL, or no --pull-request'
        raise InputError(Problem("no-forge", message))
    return Place(origin, host.lower(), project)


def _pages(host: str) -> str:
    return f"https://[{host}]" if ":" in host else f"https://{host}"


def forge_of(url: str, base: str, *, kind: str, api: str = "") -> Forge:
    """The forge of a remote.

    Args:
        url: the remote.
        base: the branch that requests are for.
        kind: one of KINDS, or AUTO.
        api: the base of its API; empty for the usual one of that host.

    Raises:
        InputError: it is not known, or its API cannot be meant.
    """
    place = place_of(url)
    kind = _HOSTS.get(place.host, "") if kind == AUTO else kind
    if not kind:
        message = (
            f'--pull-request: what "{place.host}" is, is not known: write one of {", ".join(KINDS)}'
        )
        raise InputError(Problem("no-forge", message))
    api, project = api_of(url, kind=kind, api=api)
    return _MAKE[kind](api, project, base)


def api_of(url: str, *, kind: str, api: str = "") -> tuple[str, str]:
    """The base of a forge's API, and the project there.

    Raises:
        InputError: as `forge_of` does.
    """
    place = place_of(url)
    api = (api or _usual_api(kind, place)).rstrip("/")
    _check_api(api)
    project = _below(place.project, api)
    if kind != "gitlab" and project.count("/") != 1:
        message = f'--repo "{url}" names no OWNER/NAME, which {kind} needs'
        raise InputError(Problem("no-forge", message))
    return api, project


def _usual_api(kind: str, place: Place) -> str:
    if kind == "github" and place.host == "github.com":
        return "https://api.github.com"
    return place.origin + _BELOW[kind]


def _check_api(api: str) -> None:
    try:
        parts = urlsplit(api)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in api
        _ = parts.port
    except ValueError:
        valid = False
    if not valid:
        message = '--forge-url is no URL of an API: write "https://git.example.com/api/v4"'
        raise InputError(Problem("invalid-forge-url", message))
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        message = f"--forge-url {api} would send the token in the clear: use https"
        raise InputError(Problem("token-over-http", message))


def _below(project: str, api: str) -> str:
    """The project of a forge that lives in a directory of its host, as its API does."""
    directory = urlsplit(api).path.partition("/api/")[0].strip("/")
    return project.removeprefix(f"{directory}/") if directory else project
