"""A directory of manifests on disk, read once; `writing` is the way back.

Nothing outside the directory is read, and symbolic links are not followed. In a Git work
tree, the files that Git ignores are not read: the daemon, which reads commits, does not see
them either.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from gitops_prefix.errors import InputError, Problem
from gitops_prefix.render.files import (
    IGNORE_FILE,
    IgnoredPaths,
    ignore_lines,
    is_gits_own,
    looks_managed,
)

MOST_BYTES = 5 * 1024 * 1024
SUFFIXES = (".yaml", ".yml")
_GIT_SECONDS = 30
_MOST_MANIFESTS = 64 * 1024
"""Bytes that hold most manifests whole: those cost an open, a read and a close."""


def read_managed_files(
    directory: Path, *, below: str = "", exclude: Iterable[str] = ()
) -> dict[str, bytes]:
    """Every file that a byte search finds to be managed, by path from `directory`.

    Raises:
        InputError: `below` leads outside, a file cannot be read, or the ignore file is too long.
    """
    root = directory.resolve()
    start = (root / below).resolve()
    if not start.is_relative_to(root) or not start.is_dir():
        raise InputError(
            Problem("invalid-path", f'--path "{below}" is no directory below {directory}')
        )
    listed = _listed(root)
    ignored = IgnoredPaths([*ignore_lines(read_own_file(root / IGNORE_FILE)), *exclude])
    prefix = f"{root}/"
    found = {}
    for path in walk(str(start), listed):
        content = _read(path)
        # Patterns are dear and few files are managed: the byte search comes first.
        if content is not None and looks_managed(content):
            relative = path.removeprefix(prefix)
            if not ignored.match_file(relative):
                found[relative] = content
    return dict(sorted(found.items()))


def read_own_file(path: Path) -> bytes | None:
    """A file of the directory itself; None when it is not there, leads elsewhere or is too long."""
    try:
        return _read(str(path))
    except InputError:
        return None


def _listed(root: Path) -> set[str] | None:
    """Return the manifests that Git does not ignore, and the directories that hold them.

    None when everything is to be read: outside of a work tree, in a directory that is ignored
    as a whole (who names it wants it), and where Git cannot say it.
    """
    # Unlike Path.exists, this never raises.
    if not any(os.path.exists(f"{parent}/.git") for parent in (root, *root.parents)):  # noqa: PTH110
        return None
    names = _ask_git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if names is None or (not names and _ask_git(root, "check-ignore", "-q", ".") is not None):
        return None
    listed = set()
    for name in map(os.fsdecode, names.split(b"\0")):
        path = f"{root}/{name}"
        while name.endswith(SUFFIXES) and path not in listed and len(path) >= len(str(root)):
            listed.add(path)
            path = path.rpartition("/")[0]
    return listed


def _ask_git(root: Path, *words: str) -> bytes | None:
    """Return what git answers; None when it fails, or is not there."""
    import subprocess  # noqa: PLC0415  only a work tree needs it

    # A hook runs in an environment that names another repository, and core.fsmonitor of an
    # untrusted checkout is a program.
    environment = {name: text for name, text in os.environ.items() if name[:4] != "GIT_"}
    command = ["git", "-C", str(root), "-c", "core.fsmonitor=false", *words]
    try:
        answer = subprocess.run(
            command, capture_output=True, check=True, timeout=_GIT_SECONDS, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout


def list_manifests(root: Path) -> Iterator[str]:
    """Yield the path of each YAML file below a directory that Git does not ignore."""
    return walk(str(root), _listed(root))


def walk(directory: str, listed: set[str] | None = None) -> Iterator[str]:
    """Yield the path of each YAML file below a directory.

    Args:
        directory: absolute, without symbolic links.
        listed: files and directories to keep to; None for all.

    Raises:
        InputError: a directory cannot be listed.
    """
    pending = [directory]
    while pending:
        for entry in _entries(pending.pop()):
            if listed is not None and entry.path not in listed:
                continue
            if entry.is_dir(follow_symlinks=False):
                if not is_gits_own(entry.name):
                    pending.append(entry.path)
            elif entry.name.endswith(SUFFIXES) and entry.is_file(follow_symlinks=False):
                yield entry.path


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError as error:
        raise InputError(Problem("unreadable", f"{directory}: {error.strerror}")) from error


def _read(path: str) -> bytes | None:
    """A file's content, None when it is too long; this runs for every file of a repository."""
    try:
        # What was a file when its directory was listed may be a link or a pipe by now.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            content = os.read(descriptor, _MOST_MANIFESTS)
            if len(content) < _MOST_MANIFESTS:
                return content
            if os.fstat(descriptor).st_size > MOST_BYTES:
                return None
            while more := os.read(descriptor, MOST_BYTES):
                content += more
            return content
        finally:
            os.close(descriptor)
    except OSError as error:
        raise InputError(Problem("unreadable", f"{path}: {error.strerror}")) from error


def shipped(name: str) -> Path:
    """Return a directory that comes with the package: templates, or the example of the demo.

    The wheel holds it inside the package (pyproject.toml, force-include); an editable
    install finds it beside the package.
    """
    package = Path(__file__).parents[1]
    inside = package / name
    return inside if inside.is_dir() else package.parent / name
