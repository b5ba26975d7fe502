"""A directory of manifests on disk: read once, and written all or none.

Nothing outside the directory is read or written, and symbolic links are not followed. In a
Git work tree, the files that Git ignores are not read: the daemon, which reads commits, does
not see them either. A file is replaced in one step, and only its content changes: the old
file keeps a second, temporary name until all files are written, so restoring it needs no space.
"""

import contextlib
import itertools
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.render.files import (
    AS_JSON,
    IGNORE_FILE,
    IGNORED,
    MARKER,
    MOST_BYTES,
    NESTED,
    NOT_CHECKED_OUT,
    TOO_LONG,
    IgnoredPaths,
    RepositoryFiles,
    SkippedFile,
    ignore_lines,
    is_annotated_json,
    is_gits_own,
    is_yaml,
    looks_managed,
    may_be_marked,
)

_GIT_SECONDS = 30
_MOST_SEARCHED = 64 * 1024 * 1024
"""Bytes of a file that is too long, which are searched for a marker."""
_MOST_MANIFESTS = 64 * 1024
"""Bytes that hold most manifests whole: those cost an open, a read and a close."""

_UNUSED = (f"{random}{number}" for random in (os.urandom(6).hex(),) for number in itertools.count())
"""Ends of temporary names."""


class Listing(NamedTuple):
    """What Git says of a directory, which takes a process of its own.

    Attributes:
        kept: the files that Git does not ignore, and the directories that hold them; None when
            everything is to be read.
    """

    kept: set[str] | None

    @classmethod
    def of(cls, root: Path) -> "Listing":
        """What Git says now."""
        return cls(_listed(root.resolve()))


def read_managed_files(  # noqa: PLR0913  each is one filter
    directory: Path,
    *,
    below: str = "",
    exclude: Iterable[str] = (),
    or_else: Callable[[bytes], bool] | None = None,
    named: IgnoredPaths | None = None,
    listing: Listing | None = None,
) -> RepositoryFiles:
    """Every file that a byte search finds to be managed, by path from `directory`.

    Args:
        directory: of the manifests.
        below: a directory inside of it, or empty.
        exclude: gitignore patterns.
        or_else: says of another YAML file's content whether it is wanted as well.
        named: files of any kind and content that are wanted as well.
        listing: of the directory, if Git was asked already.

    Raises:
        InputError: `below` leads outside, a file that is not ignored cannot be read, or the
            ignore file is too long.
    """
    root = directory.resolve()
    start = (root / below).resolve()
    if not start.is_relative_to(root) or not start.is_dir():
        raise InputError(
            Problem("invalid-path", f'--path "{below}" is no directory below {directory}')
        )
    listed = (listing or Listing.of(root)).kept
    ignored = IgnoredPaths([*ignore_lines(read_own_file(root / IGNORE_FILE)), *exclude])
    cut = len(f"{root}/")
    found: dict[str, bytes] = {}
    skipped = [
        SkippedFile(path[cut:], NOT_CHECKED_OUT) for path in _empty_submodules(start, listed)
    ]
    links: list[str] = []
    nested = [*_other_repositories(start, root, listed)]
    for path in walk(
        str(start), listed, links, lambda path: ignored.match_file(path[cut:]), nested
    ):
        is_named = named is not None and named.match_file(path[cut:])
        if not is_named and not may_be_marked(path):
            continue
        content = _read_unless(path, ignored, path[cut:])
        # Patterns are dear and few files are managed: the byte search comes first.
        if content is None:
            if is_named or _holds_marker(path):
                skipped.append(SkippedFile(path[cut:], TOO_LONG))
        elif is_named or looks_managed(content, path) or _is_wanted(or_else, content, path):
            if not ignored.match_file(path[cut:]):
                found[path[cut:]] = content
            elif is_named or MARKER.encode() in content:
                skipped.append(SkippedFile(path[cut:], IGNORED))
        elif is_annotated_json(content, path):
            skipped.append(SkippedFile(path[cut:], AS_JSON))
    unread = filter(None, map(_first_managed, nested))
    skipped += [SkippedFile(path[cut:], NESTED) for path in unread]
    skipped = [
        file
        for file in skipped
        if file.reason in {IGNORED, TOO_LONG} or not ignored.match_file(file.path)
    ]
    return RepositoryFiles(
        dict(sorted(found.items())),
        sorted(skipped),
        start.relative_to(root).as_posix(),
        sorted(
            link[cut:]
            for link in links
            if _leads_out(link, root) and not ignored.match_file(link[cut:])
        ),
    )


def _other_repositories(start: Path, root: Path, listed: set[str] | None) -> Iterator[str]:
    """The directory where a search of a work tree starts, if a submodule or the like has it."""
    below = itertools.takewhile(lambda folder: folder != root, (start, *start.parents))
    if listed is not None and any(os.path.lexists(folder / ".git") for folder in below):
        yield str(start)


def _empty_submodules(start: Path, listed: set[str] | None) -> Iterator[str]:
    """The same, if it is a submodule without files; git lists no other empty directory."""
    if listed is not None and str(start) in listed and not _entries(str(start)):
        yield str(start)


def _first_managed(folder: str) -> str | None:
    """A managed file of another repository, which is read here for a warning alone."""
    for path in walk(folder, is_ignored=lambda _: True):
        if is_yaml(path) and looks_managed(read_own_file(Path(path)) or b"", path):
            return path
    return None


def _leads_out(link: str, root: Path) -> bool:
    """Whether a link leads to a YAML file or a directory that is not read in its own place."""
    target = os.path.realpath(link)
    wanted = is_yaml(link) or os.path.isdir(target)  # noqa: PTH112  unlike Path.is_dir, never raises
    return wanted and not Path(target).is_relative_to(root)


def _read_unless(path: str, ignored: IgnoredPaths, relative: str) -> bytes | None:
    """A file's content; nothing of a file that is ignored and cannot be read."""
    try:
        return _read(path)
    except InputError:
        if ignored.match_file(relative):
            return b""
        raise


def _is_wanted(or_else: Callable[[bytes], bool] | None, content: bytes, path: str) -> bool:
    return or_else is not None and is_yaml(path) and or_else(content)


def _holds_marker(path: str) -> bool:
    """Whether a file that is too long to be read holds a marker in its first part."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  as `_read`: for many files
            return MARKER.encode() in file.read(_MOST_SEARCHED)
    except OSError:
        return False


def read_own_file(path: Path) -> bytes | None:
    """A file of the directory itself; None when it is not there, leads elsewhere or is too long."""
    try:
        return _read(str(path))
    except InputError:
        return None


def _listed(root: Path) -> set[str] | None:
    """Return the files that Git does not ignore, and the directories that hold them.

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
        while path not in listed and len(path) >= len(str(root)):
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


def gits_directory_around(path: Path) -> Path | None:
    """Return the bare repository or the `.git` that a directory is or is in; None for neither."""
    for directory in (path, *path.parents):
        # Unlike Path.exists, this never raises.
        if all(os.path.exists(directory / name) for name in ("HEAD", "objects", "refs")):  # noqa: PTH110
            return directory
        # A work tree, and it may lie in the bare repository that it belongs to.
        if os.path.lexists(directory / ".git"):
            return None
    return None


def list_manifests(
    root: Path, names: Collection[str] = (), listing: Listing | None = None
) -> Iterator[str]:
    """Yield the path of each YAML file below a directory that Git does not ignore.

    Args:
        root: absolute, without symbolic links.
        names: of files that are YAML without its ending.
        listing: of the directory, if Git was asked already.
    """
    for path in walk(str(root), (listing or Listing.of(root)).kept):
        if is_yaml(path) or path.rpartition("/")[2] in names:
            yield path


def walk(
    directory: str,
    listed: set[str] | None = None,
    links: list[str] | None = None,
    is_ignored: Callable[[str], bool] | None = None,
    nested: list[str] | None = None,
) -> Iterator[str]:
    """Yield the path of each file below a directory.

    Args:
        directory: absolute, without symbolic links.
        listed: files and directories to keep to; None for all.
        links: gets the symbolic links, which are not followed.
        is_ignored: whether a file is ignored: a directory that cannot be listed does no harm then.
        nested: gets the directories that are repositories of their own, in a work tree.

    Raises:
        InputError: a directory cannot be listed.
    """
    pending = [directory]
    while pending:
        folder = pending.pop()
        try:
            entries = _entries(folder)
        except InputError:
            if is_ignored is None or not is_ignored(f"{folder}/_"):
                raise
            continue
        for entry in entries:
            if listed is not None and entry.path not in listed:
                if nested is not None and entry.name == ".git" and folder != directory:
                    nested.append(folder)
                continue
            if links is not None and entry.is_symlink():
                links.append(entry.path)
            if entry.is_dir(follow_symlinks=False):
                pending += _entered(entry)
            elif entry.is_file(follow_symlinks=False):
                yield entry.path


def _entered(directory: os.DirEntry[str]) -> list[str]:
    """The path of a directory, unless nothing in it is a manifest."""
    # A virtual environment (PEP 405) holds programs: the source of ours has markers.
    in_environment = os.path.exists(f"{directory.path}/pyvenv.cfg")  # noqa: PTH110  never raises
    return [] if in_environment or is_gits_own(directory.name) else [directory.path]


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError as error:
        raise _unreadable(directory, error) from error


def _unreadable(path: str, error: OSError) -> InputError:
    remedy = f"give yourself the right to read it, or name it in {IGNORE_FILE}"
    return InputError(Problem("unreadable", f"{path}: {error.strerror}: {remedy}"))


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
        raise _unreadable(path, error) from error


def shipped(name: str) -> Path:
    """Return a directory that comes with the package: templates, or the example of the demo.

    An editable install finds it beside the package. A wheel holds what is YAML in one archive:
    as files, `validate` would read them in a virtual environment inside somebody's repository.
    """
    package = Path(__file__).parents[1]
    archive, inside = package / "shipped.zip", package / name
    if inside.is_dir():
        return inside
    return _unpacked(archive) / name if archive.is_file() else package.parent / name


@cache
def _unpacked(archive: Path) -> Path:
    """Unpack the wheel's archive for this process."""
    # These cost a command that needs no shipped file a tenth of its start.
    import atexit  # noqa: PLC0415
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415
    from zipfile import ZipFile  # noqa: PLC0415

    directory = Path(tempfile.mkdtemp(prefix="gitops-prefix-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    with ZipFile(archive) as files:
        files.extractall(directory)
    return directory


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
    resolved = str(root.resolve()).rstrip("/") + "/"
    inside: dict[Path, bool] = {}
    targets = {}
    for path in sorted(files):
        target = root / path
        directory = target.parent
        if directory not in inside:
            inside[directory] = f"{os.path.realpath(directory)}/".startswith(resolved)
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
