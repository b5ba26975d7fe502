"""A directory of manifests on disk: read once, written all or nothing.

Nothing outside the directory is read or written, and symbolic links are not
followed. Git is not asked: a checkout is a person's, and stays unstaged.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pathspec import GitIgnoreSpec

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.render.files import looks_managed

IGNORE_FILE = ".gitops-prefixignore"
MOST_BYTES = 5 * 1024 * 1024
SUFFIXES = (".yaml", ".yml")


def read_managed_files(
    directory: Path, *, below: str = "", exclude: Iterable[str] = ()
) -> dict[str, bytes]:
    """Every file that a byte search finds to be managed, by path from `directory`.

    Raises:
        InputError: `below` leads outside, or a file cannot be read.
    """
    root = directory.resolve()
    start = (root / below).resolve()
    if not start.is_relative_to(root) or not start.is_dir():
        raise InputError(
            Problem("invalid-path", f'--path "{below}" is no directory below {directory}')
        )
    ignored = GitIgnoreSpec.from_lines([*_ignore_lines(root), *exclude])
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


def _ignore_lines(root: Path) -> list[str]:
    content = read_own_file(root / IGNORE_FILE)
    return content.decode(errors="replace").splitlines() if content is not None else []


def read_own_file(path: Path) -> bytes | None:
    """A file of the directory itself; None when it is not there, or leads elsewhere."""
    try:
        return None if path.is_symlink() else path.read_bytes()
    except OSError:
        return None


def _walk(directory: str) -> Iterator[str]:
    pending = [directory]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != ".git":
                        pending.append(entry.path)
                elif entry.name.endswith(SUFFIXES) and entry.is_file(follow_symlinks=False):
                    yield entry.path


def _read(path: str) -> bytes | None:
    try:
        # One buffer of the right size: this runs for every file of a repository.
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  a Path an entry is dear
            size = os.fstat(file.fileno()).st_size
            return file.read(size) if size <= MOST_BYTES else None
    except OSError as error:
        raise InputError(Problem("unreadable", f"{path}: {error.strerror}")) from error


def write_files(root: Path, files: Mapping[str, bytes]) -> None:
    """Write every file, or none: all are prepared before the first is replaced.

    Modes are kept; directories are made.

    Raises:
        InputError: a path leads outside, through a symbolic link.
        OutsideError: a file cannot be written; every file is as it was.
    """
    targets = [(_target(root, path), content) for path, content in sorted(files.items())]
    prepared: list[tuple[Path, Path]] = []
    replaced: list[tuple[Path, bytes | None]] = []
    try:
        for target, content in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
            prepared.append((_prepare(target, content), target))
        for temporary, target in prepared:
            before = target.read_bytes() if target.exists() else None
            temporary.replace(target)
            replaced.append((target, before))
    except BaseException as error:  # Ctrl-C, too, must not leave half of them written
        for target, before in reversed(replaced):
            _restore(target, before)
        if not isinstance(error, OSError):
            raise
        raise OutsideError(
            f"cannot write {error.filename or root}: {error.strerror}; every file is as it was"
        ) from error
    finally:
        for temporary, _ in prepared:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _target(root: Path, path: str) -> Path:
    target = root / path
    if not target.parent.resolve().is_relative_to(root.resolve()) or target.is_symlink():
        raise InputError(
            Problem("path-outside", f"{path} leads through a symbolic link; nothing was written")
        )
    return target


def _prepare(target: Path, content: bytes) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            mode = target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask()
            os.fchmod(file.fileno(), mode)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _restore(target: Path, before: bytes | None) -> None:
    with contextlib.suppress(OSError):
        if before is None:
            target.unlink()
        else:
            target.write_bytes(before)
