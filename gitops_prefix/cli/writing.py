"""Files written all or none, each replaced in one step, with what it had but its content.

Nothing is written outside the directory, nor through a symbolic link. What was there
is kept beside as a second name of the same file until all is done: to take a change
back then needs no space.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gitops_prefix.errors import InputError, OutsideError, Problem


@dataclass(frozen=True, slots=True)
class _Replacement:
    """A file on its way.

    Attributes:
        new: the new content under a passing name.
        old: a passing name of what was there; None when nothing was.
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
        targets = {path: _target(root, path) for path in sorted(files)}
        for path, target in targets.items():
            made.extend(_make_directories(target.parent))
            prepared.append(_prepare(target, files[path]))
        for path, before in (read or {}).items():
            if path in targets:
                _check_unchanged(targets[path], before)
        for one in prepared:
            replaced.append(one)
            one.new.replace(one.target)
    except BaseException as error:  # Ctrl-C, too, must not leave half of them written
        _take_back(replaced, prepared, made)
        if not isinstance(error, OSError):
            raise
        raise OutsideError(
            f"cannot write {error.filename or root}: {error.strerror}; every file is as it was"
        ) from error
    _remove_passing_names(prepared)


def _target(root: Path, path: str) -> Path:
    target = root / path
    if not target.parent.resolve().is_relative_to(root.resolve()) or target.is_symlink():
        raise InputError(
            Problem("path-outside", f"{path} leads through a symbolic link; nothing was written")
        )
    return target


def _make_directories(directory: Path) -> Iterator[Path]:
    """Make a directory and those above it; yields each that was not there, deepest last."""
    missing = []
    while not directory.exists():
        missing.append(directory)
        directory = directory.parent
    for one in reversed(missing):
        one.mkdir()
        yield one


def _prepare(target: Path, content: bytes) -> _Replacement:
    new = _passing_name(target)
    old = None
    try:
        new.write_bytes(content)
        if target.exists():
            _take_after(target, new)
            old = _second_name(target)
        else:
            new.chmod(0o666 & ~_umask())
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return _Replacement(target, new, old)


def _passing_name(target: Path) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    os.close(descriptor)
    return Path(name)


def _take_after(target: Path, new: Path) -> None:
    """Owner, extended attributes (access lists are some) and mode, in this order."""
    status = target.stat()
    with contextlib.suppress(OSError):  # only root gives files away
        os.chown(new, status.st_uid, status.st_gid)
    for name in _attributes(target):
        with contextlib.suppress(OSError):  # some are the system's alone
            os.setxattr(new, name, os.getxattr(target, name))
    new.chmod(status.st_mode & 0o7777)


def _attributes(target: Path) -> list[str]:
    try:
        return os.listxattr(target)
    except OSError:  # not every file system has them
        return []


def _second_name(target: Path) -> Path:
    old = _passing_name(target)
    try:
        old.unlink()
        old.hardlink_to(target)
    except OSError:
        # Some file systems have no hard links: a copy does, while there is space.
        try:
            shutil.copy2(target, old)
        except BaseException:
            old.unlink(missing_ok=True)
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


def _take_back(
    replaced: list[_Replacement], prepared: list[_Replacement], made: list[Path]
) -> None:
    for one in reversed(replaced):
        with contextlib.suppress(OSError):
            if one.old is not None:
                one.old.replace(one.target)
            elif not one.new.exists():
                one.target.unlink(missing_ok=True)
    _remove_passing_names(prepared)
    for directory in reversed(made):
        with contextlib.suppress(OSError):
            directory.rmdir()


def _remove_passing_names(prepared: list[_Replacement]) -> None:
    for one in prepared:
        for name in (one.new, one.old):
            if name is not None:
                with contextlib.suppress(OSError):
                    name.unlink(missing_ok=True)
