"""The managed files of a commit, read without a work tree: a byte search, then one read.

A fetch leaves file contents out at first. The second half of this module finds which of
them are missing. Git answers from the disk: it has no remote to fetch from, and lazy
fetching is off (git.py), so that it never fetches one blob after another.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from gitops_prefix.errors import InputError
from gitops_prefix.publish.git import Answer, Git, GitFailedError
from gitops_prefix.render.files import (
    AS_JSON,
    IGNORE_FILE,
    IGNORED,
    MARKER,
    MOST_BYTES,
    NEEDLES,
    TOO_LONG,
    YAML,
    IgnoredPaths,
    RepositoryFiles,
    SkippedFile,
    ignore_lines,
    is_annotated_json,
    is_gits_own,
    looks_managed,
    may_be_marked,
    unsearched,
)
from gitops_prefix.render.settings import SETTINGS_FILE, read_settings

_MOST_ARGUMENTS = 1000
_REMEMBERED_COMMITS = 4
_OWN_FILES = {SETTINGS_FILE, IGNORE_FILE}
_WIDE = "[^ -~]".join("dynamic")
"""What UTF-16 makes of a part of each needle: a command line holds no NUL."""
_MISSING = ("rev-list", "--quiet", "--objects", "--missing=print")


@dataclass(frozen=True, slots=True)
class Scope:
    """Which files of the branch count.

    Attributes:
        below: a directory, or empty for all.
        exclude: gitignore patterns, beside those of `.gitops-prefixignore`.
    """

    below: str = ""
    exclude: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Whether a path is below the directory, and is not one of git's own files."""
        if any(map(is_gits_own, path.split("/")[:-1])):
            return False
        below = self.folder
        return below == "." or path.startswith(f"{below}/")

    def searches(self, path: str) -> bool:
        """Whether the byte search has to read this file."""
        if path in _OWN_FILES:
            return True
        return may_be_marked(path) and self.holds(path)

    @property
    def folder(self) -> str:
        """The directory, as paths of the repository have it; `.` for all."""
        return posixpath.normpath(self.below or ".")

    @property
    def pathspecs(self) -> list[str]:
        """The same for git (gitglossary(7), pathspec)."""
        below = self.folder
        folder = "" if below == "." else re.sub(r"([*?\[\\])", r"\\\1", below) + "/"
        others = (f":(top,exclude)*{end}" for end in unsearched())
        return [f":(top,glob){folder}**" if folder else ":(top)", *others]

    @property
    def yaml_pathspecs(self) -> list[str]:
        """Those of YAML alone, and perhaps of directories that differ by case."""
        first, *others = self.pathspecs
        below = first.partition(")")[2].removesuffix("**")
        return [*(f":(top,glob,icase){below}**/*{end}" for end in YAML), *others]

    @property
    def outside(self) -> bool:
        """Whether the directory is outside the repository."""
        return self.folder.startswith(("/", ".."))


@dataclass(frozen=True, slots=True)
class ManagedFiles:
    """The managed files and the settings of a commit.

    Attributes:
        files: contents by path.
        ignored: the paths that do not count.
        named: the paths that the settings name, whatever their content.
    """

    files: RepositoryFiles
    ignored: IgnoredPaths
    named: IgnoredPaths


class CommitFiles:
    """Reads the managed files of commits, and remembers those of the last few."""

    def __init__(self, git: Git, scope: Scope) -> None:
        """Nothing is read yet."""
        self._git = git
        self._scope = scope
        self._known: dict[str, ManagedFiles] = {}

    def knows(self, commit: str) -> bool:
        """Whether the files of a commit are remembered."""
        return commit in self._known

    def of(self, commit: str) -> Mapping[str, bytes]:
        """The files of a commit that is remembered, by path."""
        return self._known[commit].files

    def read(self, commit: str) -> None:
        """Read the files of a commit: what differs from the last one, or else everything.

        Raises: as `read_managed_files` does.
        """
        found = None
        if self._known:
            before, known = next(reversed(self._known.items()))
            found = read_changes(self._git, before, known, commit, self._scope)
        self._remember(commit, found or read_managed_files(self._git, commit, self._scope))

    def follow(self, base: str, commit: str, files: Mapping[str, bytes]) -> None:
        """Note a commit of ours, and the contents with which it differs from its base."""
        if base in self._known:
            known = self._known[base]
            self._remember(commit, replace(known, files=known.files.updated(files)))

    def forget(self) -> None:
        """Forget everything: the clone was made anew."""
        self._known.clear()

    def _remember(self, commit: str, files: ManagedFiles) -> None:
        while len(self._known) >= _REMEMBERED_COMMITS:
            del self._known[next(iter(self._known))]
        self._known[commit] = files


def read_managed_files(git: Git, commit: str, scope: Scope) -> ManagedFiles:
    """Read the managed files and the settings of a commit, as a byte search finds them.

    Raises:
        GitFailedError: not every file could be read.
        InputError: the ignore file is too long.
    """
    own = _own_files(git, commit)
    read, long = _read(git, commit, [*own, *_search(git, commit, scope)])
    contents = {path: read.pop(path) for path in own if path in read}
    ignored = IgnoredPaths([*ignore_lines(contents.pop(IGNORE_FILE, None)), *scope.exclude])
    named = _named(contents.get(SETTINGS_FILE))
    if named.has_any:
        listed = [path for path, _ in _blobs(git, commit) if named.match_file(path)]
        more, longer = _read(git, commit, [path for path in listed if path not in read])
        read |= more
        long = [*dict.fromkeys([*long, *longer])]
    skipped = [*_long_ones(git, commit, filter(scope.holds, long), named)]
    found, left_out = _sort(
        {path: content for path, content in read.items() if scope.holds(path)}, ignored, named
    )
    files = RepositoryFiles(
        dict(sorted((contents | found).items())), sorted([*skipped, *left_out]), scope.folder
    )
    return ManagedFiles(files, ignored, named)


def _sort(
    read: Mapping[str, bytes], ignored: IgnoredPaths, named: IgnoredPaths
) -> tuple[dict[str, bytes], list[SkippedFile]]:
    """The files that count, and those that would if they were not ignored."""
    found, skipped = {}, []
    for path, content in read.items():
        if not (named.match_file(path) or looks_managed(content, path)):
            if is_annotated_json(content, path) and not ignored.match_file(path):
                skipped.append(SkippedFile(path, AS_JSON))
            continue
        if not ignored.match_file(path):
            found[path] = content
        elif named.match_file(path) or MARKER.encode() in content:
            skipped.append(SkippedFile(path, IGNORED))
    return found, skipped


def _long_ones(
    git: Git, commit: str, paths: Iterable[str], named: IgnoredPaths
) -> Iterator[SkippedFile]:
    """The files that are too long, and are named or hold a marker."""
    for path in paths:
        words = ("--literal-pathspecs", "grep", "-q", "-F", "-e", MARKER, commit, "--", path)
        if named.match_file(path) or git.ask(*words).status == 0:
            yield SkippedFile(path, TOO_LONG)


def _named(settings: bytes | None) -> IgnoredPaths:
    """The paths that the settings name; settings that are wrong are an error elsewhere."""
    try:
        return read_settings(settings).named
    except InputError:
        return IgnoredPaths(())


def read_changes(
    git: Git, before: str, known: ManagedFiles, commit: str, scope: Scope
) -> ManagedFiles | None:
    """Read the managed files of a commit by what differs from another, whose files are known.

    Returns:
        The same as `read_managed_files`; None if too much changed, or what is ignored.

    Raises:
        GitFailedError: not every file could be read.
    """
    options = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev")
    answer = git.ask("diff-tree", *options, before, commit, "--")
    words = answer.stdout.decode(errors="surrogateescape").split("\0")
    changes = dict(zip(words[1::2], words[::2], strict=False))
    if answer.status != 0 or len(changes) > _MOST_ARGUMENTS or changes.keys() & _OWN_FILES:
        return None
    # `:OLD-MODE NEW-MODE OLD-ID NEW-ID STATUS`; only regular files are read.
    regular = [path for path, change in changes.items() if change.split(" ")[1].startswith("100")]
    wanted = [
        path
        for path in regular
        if scope.searches(path) or (known.named.match_file(path) and scope.holds(path))
    ]
    read, long = _read(git, commit, wanted) if wanted else ({}, [])
    found, left_out = _sort(read, known.ignored, known.named)
    kept = {path: content for path, content in known.files.items() if path not in changes}
    skipped = [file for file in known.files.skipped if file.path not in changes]
    skipped += [*_long_ones(git, commit, long, known.named), *left_out]
    files = RepositoryFiles(dict(sorted((kept | found).items())), sorted(skipped), scope.folder)
    return ManagedFiles(files, known.ignored, known.named)


def read_modes(git: Git, commit: str, paths: Iterable[str]) -> dict[str, str]:
    """The modes of those files that the commit has, as git writes them."""
    wanted = sorted(paths)
    # A command line is limited; list everything instead.
    named = wanted if len(wanted) <= _MOST_ARGUMENTS else []
    # A name that begins with a colon is not a pattern (gitglossary(7), pathspec).
    options = ("-z", "-r", "--full-tree")
    answer = git.run("--literal-pathspecs", "ls-tree", *options, commit, "--", *named)
    entries = answer.stdout.decode(errors="surrogateescape").split("\0")
    return {entry.partition("\t")[2]: entry.split(" ")[0] for entry in entries if entry}


def _own_files(git: Git, commit: str) -> list[str]:
    """The settings files that exist; a symbolic link is not followed."""
    modes = read_modes(git, commit, (SETTINGS_FILE, IGNORE_FILE))
    return [path for path, mode in modes.items() if mode.startswith("100")]


def _search(git: Git, commit: str, scope: Scope) -> list[str]:
    needles = [word for needle in NEEDLES for word in ("-e", needle.decode())]
    found = _grep(git, "-F", *needles, commit, "--", *scope.pathspecs)
    # An expression costs several times what fixed strings do, so few files are searched by it.
    wide = _grep(git, "-E", "-e", _WIDE, commit, "--", *scope.yaml_pathspecs)
    return [*found, *wide]


def _grep(git: Git, *words: str) -> list[str]:
    """The files of a commit in which git finds something, binary files too."""
    found = git.ask("grep", "-l", "-z", *words)
    # Status 1 means "nothing found". git reports an unreadable blob and skips it.
    if found.status not in {0, 1} or "error:" in found.stderr:
        raise GitFailedError("grep", found)
    names = found.stdout.decode(errors="surrogateescape").split("\0")
    return [name.partition(":")[2] for name in names if name]


def _read(git: Git, commit: str, paths: Iterable[str]) -> tuple[dict[str, bytes], list[str]]:
    """Contents by path, and the files that are too long."""
    # A line break in a name would make two requests; such a file is skipped.
    wanted = [path for path in dict.fromkeys(paths) if "\n" not in path]
    sizes = git.run("cat-file", "--batch-check", stdin=_requests(commit, wanted)).lines()
    size_of = dict(zip(wanted, map(_size, sizes), strict=True))
    small = [path for path, size in size_of.items() if size <= MOST_BYTES]
    stdout = git.run("cat-file", "--batch", stdin=_requests(commit, small)).stdout
    contents: dict[str, bytes] = {}
    position = 0
    for path in small:
        end = stdout.index(b"\n", position)
        size = _size(stdout[position:end].decode())
        contents[path] = stdout[end + 1 : end + 1 + size]
        position = end + 1 + size + 1
    return contents, [path for path, size in size_of.items() if size > MOST_BYTES]


def _requests(commit: str, paths: Iterable[str]) -> bytes:
    text = "".join(f"{commit}:{path}\n" for path in paths)
    return text.encode(errors="surrogateescape")


def _size(line: str) -> int:
    """The size in an answer of git cat-file, which is "ID blob SIZE".

    Raises:
        GitFailedError: the tree names the object, but the clone lacks it.
    """
    words = line.split(" ")
    if len(words) != 3 or words[1] != "blob":
        raise GitFailedError("cat-file", Answer(1, b"", line))
    return int(words[2])


class MissingBlobs(NamedTuple):
    """Blobs that the clone lacks.

    Attributes:
        wanted: ids of blobs that the byte search reads.
        others: the number of blobs that nothing reads.
    """

    wanted: tuple[str, ...] = ()
    others: int = 0


def find_missing_blobs(git: Git, commit: str, scope: Scope) -> MissingBlobs:
    """The blobs of a commit's tree that the clone lacks.

    Raises:
        GitFailedError: the clone lacks a tree, too.
    """
    missing = _missing(git, "--no-walk", commit)
    if not missing:
        return MissingBlobs()
    wanted = {blob for path, blob in _blobs(git, commit) if scope.searches(path)} & missing
    return MissingBlobs(tuple(sorted(wanted)), len(missing) - len(wanted))


def has_every_tree(git: Git) -> bool:
    """Whether the clone has every reachable commit and tree; blobs may be missing."""
    answer = git.ask(*_MISSING, "--filter=blob:none", "--all")
    # A timeout says nothing about the clone.
    return answer.status < 0 or (answer.status == 0 and not answer.stdout)


def missing_from(git: Git) -> frozenset[str]:
    """Every reachable object that the clone lacks.

    Raises:
        GitFailedError: a commit cannot be read.
    """
    return _missing(git, "--all")


def _missing(git: Git, *what: str) -> frozenset[str]:
    # With --quiet, git prints missing objects only.
    return frozenset(line.removeprefix("?") for line in git.run(*_MISSING, *what).lines())


def _blobs(git: Git, commit: str) -> Iterator[tuple[str, str]]:
    """Path and id of each regular file; no symbolic links, no submodules."""
    listed = git.run("ls-tree", "-r", "-z", "--full-tree", commit).stdout
    for entry in listed.split(b"\0"):
        if entry.startswith(b"100"):
            described, _, path = entry.partition(b"\t")
            yield path.decode(errors="surrogateescape"), described.rpartition(b" ")[2].decode()
