"""Files written all or none, each replaced in one step; only its content changes.

Nothing is written outside the directory, nor through a symbolic link. The old file keeps
a second, temporary name until all files are written, so restoring it needs no space.
"""

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.errors import InputError, OutsideError, Problem

_UNUSED = (f"{random}{number}" for random in (os.urandom(6).hex(),) for number in itertools.count())
"""Ends of temporary names."""


class _Replacement(NamedTuple):
    """A file to replace.

    Attributes:
        new: a temporary name of the new content.
        old: a temporary name of the old file; None when there was no file.
    """

    target: Path
    new: Path
    old: Path | None


def write_files(
    root: Path, files: Mapping[str, bytes], *, read: Mapping[str, bytes] | None = None
) -> None:
    """Write every file, or none: all are prepared before the first is replaced.

    Mode is kept, and owner and extended attributes as far as they may be; directories
    are made. A file with several hard links gets the new content under this name only.

    Args:
        root: the directory.
        files: content by path.
        read: what some of them held when they were read; by now it must not be another.

    Raises:
        InputError: a path leads outside, through a symbolic link.
        OutsideError: a file cannot be written, or was changed by somebody else since it
            was read; every file is as it was.
    """
    made: list[Path] = []
    prepared: list[_Replacement] = []
    replaced: list[_Replacement] = []
    try:
        targets = _targets(root, files)
        for path, target in targets.items():
            made.extend(_make_directories(target.parent))
            prepared.append(_prepare(target, files[path]))
        for path, before in (read or {}).items():
            if path in targets:
                _check_unchanged(targets[path], before)
        for replacement in prepared:
            replaced.append(replacement)
            replacement.new.replace(replacement.target)
    except BaseException as error:  # Ctrl-C, too, must not leave half of them written
        _restore(replaced, prepared, made)
        if not isinstance(error, OSError):
            raise
        raise OutsideError(
            f"cannot write {error.filename or root}: {error.strerror}; every file is as it was"
        ) from error
    _remove(replacement.old for replacement in prepared)


def _targets(root: Path, files: Mapping[str, bytes]) -> dict[str, Path]:
    """Where each file is.

    Raises:
        InputError: a path leads outside, through a symbolic link.
    """
    resolved = root.resolve()
    inside: dict[Path, bool] = {}
    targets = {}
    for path in sorted(files):
        target = root / path
        directory = target.parent
        if directory not in inside:
            inside[directory] = directory.resolve().is_relative_to(resolved)
        if not inside[directory] or target.is_symlink():
            message = f"{path} leads through a symbolic link; nothing was written"
            raise InputError(Problem("path-outside", message))
        targets[path] = target
    return targets


def _make_directories(directory: Path) -> Iterator[Path]:
    """Make a directory and those above it; yields each new directory, deepest last."""
    missing = []
    while not directory.exists():
        missing.append(directory)
        directory = directory.parent
    for new in reversed(missing):
        new.mkdir()
        yield new


def _prepare(target: Path, content: bytes) -> _Replacement:
    new, descriptor = _create_beside(target)
    try:
        try:
            _write_all(descriptor, content)
            exists = _take_after(target, descriptor)
        finally:
            os.close(descriptor)
        return _Replacement(target, new, _second_name(target) if exists else None)
    except BaseException:
        _remove((new,))
        raise


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _create_beside(target: Path) -> tuple[Path, int]:
    """A new file with a temporary name in the target's directory, open for writing."""
    while True:
        path = _temporary_name(target)
        try:
            return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue


def _temporary_name(target: Path) -> Path:
    # Not tempfile: its import costs what fifty files cost.
    return target.with_name(f".{target.name[:100]}.{next(_UNUSED)}")


def _take_after(target: Path, descriptor: int) -> bool:
    """Set owner, extended attributes (access lists are some) and mode, in this order.

    Returns:
        Whether there is a file to take them from; a new file has the usual mode.
    """
    try:
        status = target.stat()
    except FileNotFoundError:
        os.fchmod(descriptor, 0o666 & ~_umask())
        return False
    ours = os.fstat(descriptor)
    if (ours.st_uid, ours.st_gid) != (status.st_uid, status.st_gid):
        with contextlib.suppress(OSError):  # only root may change an owner
            os.fchown(descriptor, status.st_uid, status.st_gid)
    for name in _attributes(target):
        with contextlib.suppress(OSError):  # some belong to the system
            os.setxattr(descriptor, name, os.getxattr(target, name))
    os.fchmod(descriptor, status.st_mode & 0o7777)
    return True


def _attributes(target: Path) -> list[str]:
    try:
        return os.listxattr(target)
    except OSError:  # not every file system has them
        return []


def _second_name(target: Path) -> Path:
    old = _temporary_name(target)
    try:
        old.hardlink_to(target)
    except OSError:
        # Some file systems have no hard links: a copy does, while there is space.
        import shutil  # noqa: PLC0415  rarely needed

        try:
            shutil.copy2(target, old)
        except BaseException:
            _remove((old,))
            raise
    return old


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _check_unchanged(target: Path, before: bytes) -> None:
    try:
        unchanged = target.read_bytes() == before
    except FileNotFoundError:
        unchanged = False
    if not unchanged:
        raise OutsideError(
            f"{target} was changed by somebody else meanwhile; every file is as it was: run again"
        )


def _restore(replaced: list[_Replacement], prepared: list[_Replacement], made: list[Path]) -> None:
    for replacement in reversed(replaced):
        with contextlib.suppress(OSError):
            if replacement.old is not None:
                replacement.old.replace(replacement.target)
            elif not replacement.new.exists():
                replacement.target.unlink(missing_ok=True)
    _remove(name for replacement in prepared for name in (replacement.new, replacement.old))
    for directory in reversed(made):
        with contextlib.suppress(OSError):
            directory.rmdir()


def _remove(names: Iterable[Path | None]) -> None:
    """Remove temporary names, as far as they exist."""
    for name in names:
        if name is not None:
            with contextlib.suppress(OSError):
                name.unlink(missing_ok=True)
