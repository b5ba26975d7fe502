"""The managed files of a commit, read without a work tree: a byte search, then one read."""

from collections.abc import Iterable
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from gitops_prefix.publish.git import Answer, Git, GitFailedError
from gitops_prefix.render.files import NEEDLES
from gitops_prefix.render.settings import SETTINGS_FILE

IGNORE_FILE = ".gitops-prefixignore"
MOST_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Scope:
    """Which files of the branch count.

    Attributes:
        below: a directory, or empty for all.
        exclude: gitignore patterns, beside those of `.gitops-prefixignore`.
    """

    below: str = ""
    exclude: tuple[str, ...] = ()


def read_managed_files(git: Git, commit: str, scope: Scope) -> dict[str, bytes]:
    """The files that a byte search finds to be managed, by path, and the settings.

    Raises:
        GitFailedError: not every file could be read.
    """
    contents = _read(git, commit, [*_own_files(git, commit), *_search(git, commit)])
    lines = contents.pop(IGNORE_FILE, b"").decode(errors="replace").splitlines()
    ignored = GitIgnoreSpec.from_lines([*lines, *scope.exclude])
    below = f"{scope.below.strip('/')}/" if scope.below.strip("/.") else ""
    return {
        path: content
        for path, content in sorted(contents.items())
        if path == SETTINGS_FILE or (path.startswith(below) and not ignored.match_file(path))
    }


def read_modes(git: Git, commit: str, paths: Iterable[str]) -> dict[str, str]:
    """The modes of those files that the commit has, as git writes them."""
    answer = git.run("--literal-pathspecs", "ls-tree", "-z", "-r", commit, "--", *sorted(paths))
    entries = answer.stdout.decode(errors="surrogateescape").split("\0")
    return {entry.partition("\t")[2]: entry.split(" ")[0] for entry in entries if entry}


def _own_files(git: Git, commit: str) -> list[str]:
    """The settings, when they are files; a symbolic link is not followed."""
    modes = read_modes(git, commit, (SETTINGS_FILE, IGNORE_FILE))
    return [path for path, mode in modes.items() if mode.startswith("100")]


def _search(git: Git, commit: str) -> list[str]:
    needles = [word for needle in NEEDLES for word in ("-e", needle.decode())]
    options = ("-l", "-z", "-I", "-F", *needles)
    found = git.ask("grep", *options, commit, "--", "*.yaml", "*.yml")
    # Status 1 is "nothing found"; a blob that cannot be read is told, and passed over.
    if found.status not in {0, 1} or "error:" in found.stderr:
        raise GitFailedError("grep", found)
    names = found.stdout.decode(errors="surrogateescape").split("\0")
    return [name.partition(":")[2] for name in names if name]


def _read(git: Git, commit: str, paths: Iterable[str]) -> dict[str, bytes]:
    """Contents by path; what is too big is left out."""
    # A line break in a name would be two requests; such a file is left alone.
    wanted = [path for path in dict.fromkeys(paths) if "\n" not in path]
    requests = "".join(f"{commit}:{path}\n" for path in wanted)
    stdout = git.run("cat-file", "--batch", stdin=requests.encode(errors="surrogateescape")).stdout
    contents: dict[str, bytes] = {}
    position = 0
    for path in wanted:
        end = stdout.index(b"\n", position)
        header = stdout[position:end].split(b" ")
        position = end + 1
        if header[-1] == b"missing":
            raise GitFailedError("cat-file", Answer(1, b"", f"{path} is missing"))
        size = int(header[2])
        if header[1] == b"blob" and size <= MOST_BYTES:
            contents[path] = stdout[position : position + size]
        position += size + 1
    return contents
