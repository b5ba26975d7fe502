"""The forge of a remote, and the project there. PURE."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.credentials import LOOPBACK
from gitops_prefix.publish.forge import Forge
from gitops_prefix.publish.forge.gitea import Gitea
from gitops_prefix.publish.forge.github import GitHub
from gitops_prefix.publish.forge.gitlab import GitLab
from gitops_prefix.publish.scrub import scrub

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
_NAMED = frozenset({"github", "gitlab", "gitea", "forgejo", "codeberg", "bitbucket"})
"""Words in a host's name that say which forge it is."""
_COMMIT_PATHS = {"gitlab": "-/commit", "bitbucket": "commits"}
# git-clone(1): an IPv6 address stands in brackets; its colons do not end the host.
_SCP_LIKE = re.compile(r"(?:[^/:@]*@)?(?:\[([0-9A-Fa-f:.]+)\]|([^/:@\[\]]+)):(.*)")


@dataclass(frozen=True, slots=True)
class ForgeProject:
    """A project at a forge.

    Attributes:
        origin: of its web pages: scheme, host and port.
        project: the path without its first slash and without `.git`.
    """

    origin: str
    host: str
    project: str


def project_of(url: str) -> ForgeProject:
    """Return the project of a remote, by its URL.

    Raises:
        InputError: a path on this machine has no forge.
    """
    if "://" in url:
        parts = urlsplit(url)
        host = parts.hostname or ""
        # The port of ssh is not the port of the web pages.
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
    return ForgeProject(origin, host.lower(), project)


def _pages(host: str) -> str:
    return f"https://[{host}]" if ":" in host else f"https://{host}"


def commit_page(url: str, commit: str) -> str:
    """Return the address of a commit's web page; empty where no forge is known.

    An ssh remote of an unknown host is taken for a forge if its path is OWNER/NAME. GitLab and
    Bitbucket are known by their host's name; every other forge has `/commit/`, to which GitLab
    redirects, too.
    """
    try:
        place = project_of(scrub(url))
    except (InputError, ValueError):
        return ""
    words = place.host.split(".")
    known = place.host in _HOSTS or any(word in _NAMED for word in words)
    is_web = url.startswith(("http://", "https://"))
    if not known and (not is_web and place.project.count("/") != 1):
        return ""
    is_address = ":" in place.host or words[-1].isdecimal()
    if place.host in LOOPBACK or (is_address and not is_web):
        return ""
    kind = _HOSTS.get(place.host) or next((word for word in words if word in _NAMED), "")
    middle = _COMMIT_PATHS.get(kind, "commit")
    return f"{place.origin}/{quote(place.project, safe='/~')}/{middle}/{quote(commit, safe='')}"


def forge_of(url: str, base: str, *, kind: str, api: str = "") -> Forge:
    """Return the forge of a remote.

    Args:
        url: the remote.
        base: the branch that requests are for.
        kind: one of KINDS, or AUTO.
        api: the base of its API; empty for the usual one of the host.

    Raises:
        InputError: the forge is unknown, or the API's URL is invalid.
    """
    place = project_of(url)
    kind = _HOSTS.get(place.host, "") if kind == AUTO else kind
    if not kind:
        kinds = ", ".join(KINDS)
        message = f'--pull-request: the forge at "{place.host}" is unknown: write one of {kinds}'
        raise InputError(Problem("no-forge", message))
    api, project = api_of(url, kind=kind, api=api)
    return _MAKE[kind](api, project, base)


def api_of(url: str, *, kind: str, api: str = "") -> tuple[str, str]:
    """Return the base of a forge's API, and the project there.

    Raises:
        InputError: as `forge_of` does.
    """
    place = project_of(url)
    api = (api or _usual_api(kind, place)).rstrip("/")
    _check_api(api)
    project = _below(place.project, api)
    if kind != "gitlab" and project.count("/") != 1:
        message = f'--repo "{url}" names no OWNER/NAME, which {kind} needs'
        raise InputError(Problem("no-forge", message))
    return api, project


def _usual_api(kind: str, place: ForgeProject) -> str:
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
    """The project without the directory of the host in which the forge and its API live."""
    directory = urlsplit(api).path.partition("/api/")[0].strip("/")
    return project.removeprefix(f"{directory}/") if directory else project
