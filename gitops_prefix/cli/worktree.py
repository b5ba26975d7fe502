"""A directory of manifests on disk, read once; `writing` is the way back.

Nothing outside the directory is read, and symbolic links are not followed. Git is
not asked: a checkout is a person's.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from gitops_prefix.errors import InputError, Problem
from gitops_prefix.render.files import is_gits_own, looks_managed
from gitops_prefix.render.ignored import IGNORE_FILE, IgnoredPaths, ignore_lines

MOST_BYTES = 5 * 1024 * 1024
SUFFIXES = (".yaml", ".yml")
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
    ignored = IgnoredPaths([*ignore_lines(read_own_file(root / IGNORE_FILE)), *exclude])
    prefix = f"{root}/"
    found = {}
    for path in _walk(str(start)):
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


def _walk(directory: str) -> Iterator[str]:
    pending = [directory]
    while pending:
        for entry in _entries(pending.pop()):
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
