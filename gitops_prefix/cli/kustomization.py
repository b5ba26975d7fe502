"""What is around a directory: the remote of its repository, and the kustomizations that list it."""

import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.cli.worktree import (
    Listing,
    gits_directory_around,
    list_manifests,
    read_own_file,
)
from gitops_prefix.errors import InputError, Problem, Severity
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.manifest import LOCAL_CONFIG, Manifest
from gitops_prefix.render.node import MappingNode, ScalarNode, SequenceNode
from gitops_prefix.render.parse import NotYamlError, locate, plain_value
from gitops_prefix.render.source import line_start

_REPO = "ssh://git@git.example.com/home-ops.git"
_TAKEN = "write the URL that they and the daemon reach, as in ssh://git@git.example.com/home.git"
_SCP_LIKE = re.compile(r"(?:([^/:@\s]+)@)?(\[[0-9A-Fa-f:.]+\]|[^/:@\s]+):(?!//)/?(\S+)")
"""`git@host:path`, as the copy button of a forge has it (git-clone(1))."""
FLUX_SYNC = "flux-sync.yaml"
_APPLICATION = "application.yaml"
_NAMED = r"\b(?:(?!^---)(?s:.))*?^  name: gitops-prefix\b"
_DEPLOYED = {
    "gitops-prefix": re.compile(rf"^kind: Deployment{_NAMED}".encode(), re.MULTILINE),
    FLUX_SYNC: re.compile(rf"^kind: Kustomization{_NAMED}".encode(), re.MULTILINE),
    _APPLICATION: re.compile(rf"^kind: Application{_NAMED}".encode(), re.MULTILINE),
}
"""What deploys the daemon, by the file of the templates, as these name it."""
FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""kustomize reads each of them, and refuses a directory with two."""


def find_sent(root: Path, inventory: Inventory, listing: Listing) -> Iterator[Problem]:
    """A warning for each DynamicPrefix that kustomize sends to the cluster.

    kustomize leaves out a document only by its annotation. A cluster without the definition of
    the kind then refuses all that is applied together with it.

    Args:
        root: the directory.
        inventory: of its files.
        listing: of the directory.
    """
    sent: dict[str, list[Manifest]] = {}
    for document in inventory.dynamic_prefixes.values():
        if not _is_local(document.manifest):
            sent.setdefault(document.path, []).append(document.manifest)
    if not sent:
        return
    top = root.resolve()
    files = (
        path
        for path in list_manifests(top, FILE_NAMES, listing)
        if path.rpartition("/")[2] in FILE_NAMES
    )
    for path in sorted(files):
        relative = path.removeprefix(f"{top}/")
        folder = posixpath.dirname(relative)
        for resource in _resources(read_own_file(Path(path))):
            for manifest in sent.pop(posixpath.normpath(posixpath.join(folder, resource)), ()):
                message = (
                    f"{relative} lists this DynamicPrefix, so kustomize sends it to the cluster, "
                    "and a cluster without a definition of the kind refuses everything beside it: "
                    f'add the annotation {LOCAL_CONFIG}: "true"'
                )
                yield manifest.field_problem(
                    ("metadata", "annotations"), "reaches-the-cluster", message, Severity.WARNING
                )


def _is_local(manifest: Manifest) -> bool:
    # kustomize leaves out every value but "false".
    return str(manifest.annotations.get(LOCAL_CONFIG, "false")).lower() != "false"


def _resources(content: bytes | None) -> list[str]:
    try:
        found = plain_value(locate((content or b"").decode()))
    except (NotYamlError, ValueError):
        return []
    listed = found.get("resources") if isinstance(found, dict) else None
    return [str(resource) for resource in listed] if isinstance(listed, list) else []


def missing_resources(text: str, wanted: Iterable[str]) -> list[str] | None:
    """Return the wanted resources that the file does not list; None if it cannot be read."""
    try:
        content = plain_value(locate(text))
    except (NotYamlError, ValueError):
        return None
    if content is None:
        return list(wanted)
    listed = content.get("resources") or [] if isinstance(content, dict) else None
    if not isinstance(listed, list):
        return None
    known = {str(resource).removeprefix("./").rstrip("/") for resource in listed}
    return [resource for resource in wanted if resource not in known]


def add_resources(text: str, missing: Iterable[str]) -> str | None:
    """Return the file with more resources, behind those it lists.

    None where that cannot be done line by line: a list in brackets, an anchor, another shape.
    """
    lines = [f"- {resource}" for resource in missing]
    root = locate(text)
    if root is not None and not isinstance(root, MappingNode):
        return None
    entry = root.entry("resources") if root is not None else None
    end_of_line = "\r\n" if "\r\n" in text else "\n"
    if entry is None:
        before = text if not text or text.endswith("\n") else text + end_of_line
        edited = before + end_of_line.join(["resources:", *(f"  {line}" for line in lines), ""])
    else:
        items = entry.value
        if not isinstance(items, SequenceNode) or items.flow or not items.items:
            return None
        last = items.items[-1]
        if not isinstance(last, ScalarNode):
            return None
        start = line_start(text, last.start)
        indentation = text[start : text.index("-", start)]
        end = text.find("\n", last.end)
        head, tail = (text, "") if end < 0 else (text[: end + 1], text[end + 1 :])
        head = head if head.endswith("\n") else head + end_of_line
        edited = head + "".join(f"{indentation}{line}{end_of_line}" for line in lines) + tail
    return edited if _holds(text, edited, missing) else None


def _holds(before: str, after: str, missing: Iterable[str]) -> bool:
    """Whether the only difference is the new resources."""
    try:
        old, new = plain_value(locate(before)) or {}, plain_value(locate(after))
    except (NotYamlError, ValueError):
        return False
    if not isinstance(old, dict) or not isinstance(new, dict):
        return False
    listed = old.get("resources") or []
    return isinstance(listed, list) and new == {**old, "resources": [*listed, *missing]}


class Checkout(NamedTuple):
    """The repository that the directory is in.

    Attributes:
        root: its first directory; the given one when it is in no Git repository.
        below: the given directory, from there; "." for the root.
        is_git: whether it is a Git repository.
    """

    root: Path
    below: str
    is_git: bool

    @classmethod
    def around(cls, directory: Path) -> "Checkout":
        """Find the repository of a directory, which need not exist yet.

        Raises:
            InputError: it is in Git's own directory, or in a repository without a work tree.
        """
        absolute = directory.resolve()
        gits = gits_directory_around(absolute)
        if gits is not None:
            message = f"{gits} holds Git's own files: name a directory of a clone with its files"
            raise InputError(Problem("inside-git", message))
        for parent in (absolute, *absolute.parents):
            # Unlike Path.exists, this never raises.
            if os.path.exists(parent / ".git"):  # noqa: PTH110
                return cls(parent, absolute.relative_to(parent).as_posix(), is_git=True)
        return cls(absolute, ".", is_git=False)

    def ask(self, *words: str) -> str:
        """Return what git answers; empty when it fails."""
        if not self.is_git:
            return ""
        import subprocess  # noqa: PLC0415  a check of manifests asks nothing

        environment = {name: text for name, text in os.environ.items() if name[:4] != "GIT_"}
        try:
            answer = subprocess.run(
                ["git", "-C", str(self.root), *words],
                capture_output=True,
                check=True,
                text=True,
                timeout=30,
                env=environment,
            )
        except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
            return ""
        return answer.stdout.strip()


def kustomization_of(directory: Path) -> str:
    """Return the name of the directory's kustomization, and the usual one where it has none."""
    # Unlike Path.exists, this never raises.
    there = (name for name in FILE_NAMES if os.path.exists(directory / name))  # noqa: PTH110
    return next(there, FILE_NAMES[0])


def text_of(path: Path) -> str:
    """Return the text of a file; empty when it cannot be read."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return ""


def daemon_elsewhere(checkout: Checkout) -> dict[str, str]:
    """Return what deploys the daemon, where another directory has it, with the file there."""
    here = f"{checkout.root}/" + ("" if checkout.below == "." else f"{checkout.below}/")
    found: dict[str, str] = {}
    for path in list_manifests(checkout.root):
        content = (read_own_file(Path(path)) or b"") if not path.startswith(here) else b""
        for name, pattern in _DEPLOYED.items():
            if pattern.search(content):
                found.setdefault(name, path.removeprefix(f"{checkout.root}/"))
    return found


def missing_above(checkout: Checkout, files: Iterable[str]) -> dict[str, list[str]]:
    """Return the nearest kustomization above the directory, with what it should list.

    Where a directory is applied through a kustomization, only what that lists reaches the
    cluster: here the object that makes the reconciler apply the new directory.
    """
    sync = next((path for path in (FLUX_SYNC, _APPLICATION) if path in files), None)
    folder, below = checkout.below, ""
    while sync and folder not in {"", "."}:
        folder, _, name = folder.rpartition("/")
        below = f"{name}/{below}"
        for file_name in FILE_NAMES:
            path = f"{folder}/{file_name}".removeprefix("/")
            text = text_of(checkout.root / path)
            if text:
                listed = missing_resources(text, [below.rstrip("/")]) == []
                missing = missing_resources(text, [f"{below}{sync}"])
                return {path: missing} if missing and not listed else {}
    return {}


class Origin(NamedTuple):
    """Where the daemon pushes.

    Attributes:
        note: what to know about it; empty for nothing.
    """

    url: str
    note: str = ""


def remote_of(checkout: Checkout, given: str | None) -> Origin:
    """Return the URL that the reconcilers and the daemon take.

    Raises:
        InputError: what was given is no URL with a host, no `git@host:path`, and no path.
    """
    url = checkout.ask("remote", "get-url", "origin") if given is None else given
    if given is None and not url:
        return Origin(_REPO, f"there is no remote origin: {_REPO} is a placeholder; give --repo")
    scp_like = _SCP_LIKE.fullmatch(url)
    if scp_like and "://" not in url:
        user = f"{scp_like[1]}@" if scp_like[1] else ""
        return Origin(f"ssh://{user}{scp_like[2]}/{scp_like[3]}")
    if given and not _is_place(given):
        message = (
            f'--repo "{given}" is no URL and no path: write ssh://git@git.example.com/home.git'
        )
        raise InputError(Problem("invalid-repo", message))
    if "://" not in url or url.startswith("file:"):
        if given is None:
            return Origin(_REPO, f"origin is a path on this machine: {_REPO} is a placeholder")
        return Origin(url, f"{url} is a path on this machine, where no reconciler looks; {_TAKEN}")
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    userinfo, _, place = rest.rpartition("@") if "@" in rest.partition("/")[0] else ("", "", rest)
    if scheme not in {"http", "https"}:
        user, has_password, _ = userinfo.partition(":")
        notes = [] if scheme == "ssh" else [f"no reconciler takes {scheme}://; {_TAKEN}"]
        notes += ["the password is left out"] if has_password else []
        return Origin(
            f"{scheme}://{user}@{place}" if user else f"{scheme}://{place}", "; ".join(notes)
        )
    note = (
        f"the deployment takes an ssh key, and this is {scheme}: docs/auth.md has the token's way"
    )
    # A token in it would be in the repository for everybody.
    return Origin(f"{scheme}://{place}", note if not userinfo else f"{note}; userinfo left out")


def _is_place(given: str) -> bool:
    """Whether a remote may be there: a URL with a host and a port, or a path."""
    from urllib.parse import urlsplit  # noqa: PLC0415  as below

    if "://" not in given or given.startswith("file:"):
        # Unlike Path.exists, this never raises.
        return given.startswith(("/", "file:")) or os.path.exists(given)  # noqa: PTH110
    try:
        parts = urlsplit(given)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def keyscan(url: str) -> str:
    """Return the command that prints the host's keys."""
    from urllib.parse import urlsplit  # noqa: PLC0415  only init needs it

    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "git.example.com", parts.port
    except ValueError:
        host, port = "git.example.com", None
    is_ssh = url.startswith("ssh://")
    return f"ssh-keyscan -p {port} {host}" if port and is_ssh else f"ssh-keyscan {host}"
