"""One branch of one remote, through a bare clone without a work tree.

Two references matter: what the branch was when last seen, and our own commit that is
not on it yet. A crash at any instant leaves nothing else behind.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pathspec import GitIgnoreSpec

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.clone import Clone
from gitops_prefix.publish.credentials import Credentials, NoCredentials, check_url, local_path
from gitops_prefix.publish.fast_import import Identity, fast_import_stream
from gitops_prefix.publish.git import NETWORK_SECONDS, Answer, Git, GitFailedError
from gitops_prefix.publish.push_report import (
    Moved,
    Published,
    PushReport,
    Refused,
    read_failure,
    read_push,
)
from gitops_prefix.render.files import NEEDLES
from gitops_prefix.render.settings import SETTINGS_FILE

IGNORE_FILE = ".gitops-prefixignore"
MOST_BYTES = 5 * 1024 * 1024
_TIP = "refs/remotes/origin/tip"
_UNPUBLISHED = "refs/gitops-prefix/unpublished"
_REMEMBERED_COMMITS = 4


class UnreachableError(OutsideError):
    """The remote did not answer; waiting may help."""


class RefusedError(OutsideError):
    """The remote will not have us until something changes."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which files of the branch count.

    Attributes:
        below: a directory, or empty for all.
        exclude: gitignore patterns, beside those of `.gitops-prefixignore`.
    """

    below: str = ""
    exclude: tuple[str, ...] = ()


class Repository:
    """The branch as last seen, and what we add to it."""

    def __init__(  # noqa: PLR0913  all that there is to name
        self,
        clone_dir: Path,
        url: str,
        branch: str,
        *,
        credentials: Credentials | None = None,
        author: Identity = Identity(),  # noqa: B008  frozen
        scope: Scope = Scope(),
    ) -> None:
        """Name a branch; `open` touches the disk, and only `fetch` and `push` the network."""
        self.url = url
        self.branch = branch
        self._credentials = credentials or NoCredentials()
        self._author = author
        self._scope = scope
        self._clone = Clone(clone_dir)
        self._git = Git(self._clone.path)
        self._files: dict[str, Mapping[str, bytes]] = {}

    def open(self) -> None:
        """Check what was given, and make or mend the clone.

        Raises:
            InputError: a URL, branch or directory that cannot be meant.
            OutsideError: the clone cannot be made.
        """
        check_url(self.url, self._credentials)
        if Git(Path("/")).ask("check-ref-format", "--branch", self.branch).status != 0:
            raise InputError(
                Problem("invalid-branch", f'--branch "{self.branch}" is no name of a branch')
            )
        path = local_path(self.url)
        if path is not None and not _is_repository(path):
            message = f"--repo {self.url} is no Git repository: name one, or make it with git init"
            raise InputError(Problem("no-repository", message))
        self._clone.open()

    def close(self) -> None:
        """Let the clone go."""
        self._clone.close()

    @property
    def tip(self) -> str | None:
        """The branch's commit when it was last seen."""
        return self._resolve(_TIP)

    @property
    def unpublished(self) -> str | None:
        """Our commit that is not on the branch yet."""
        return self._resolve(_UNPUBLISHED)

    @property
    def stale(self) -> bool:
        """Whether our commit stands on something that is no longer the tip."""
        tip, ours = self.tip, self.unpublished
        if tip is None or ours is None:
            return False
        return self._git.ask("merge-base", "--is-ancestor", tip, ours).status != 0

    @property
    def base(self) -> str | None:
        """What the next commit stands on: ours while it is good, else the tip."""
        ours = self.unpublished
        return ours if ours is not None and not self.stale else self.tip

    def fetch(self) -> bool:
        """Look at the branch, and fetch it if it moved.

        Returns:
            Whether it moved.

        Raises:
            UnreachableError: the remote did not answer.
            RefusedError: it refuses us, or there is no such repository.
            InputError: it has no such branch.
        """
        seen = self._ask_tip()
        if seen == self.tip:
            return False
        self._remote(
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--depth=1",
            "--",
            self.url,
            f"+refs/heads/{self.branch}:{_TIP}",
        )
        return True

    def managed_files(self, commit: str) -> Mapping[str, bytes]:
        """The files of a commit that a byte search finds to be managed, by path.

        Raises:
            OutsideError: the clone is damaged; it was made anew, and a fetch mends it.
        """
        if commit not in self._files:
            try:
                files = self._read_managed_files(commit)
            except GitFailedError as error:
                self._files.clear()
                self._clone.remake()
                raise UnreachableError(
                    f"the clone was damaged and is made anew ({error})"
                ) from error
            while len(self._files) >= _REMEMBERED_COMMITS:
                del self._files[next(iter(self._files))]
            self._files[commit] = files
        return self._files[commit]

    def commit(self, base: str, files: Mapping[str, bytes], message: str, moment: datetime) -> str:
        """Make a commit of ours; the branch does not know it yet.

        Args:
            base: its parent.
            files: new contents; each keeps its mode.
            message: the whole message.
            moment: author's and committer's date.

        Returns:
            Its id.
        """
        modes = self._modes(base, files)
        stream = fast_import_stream(
            _UNPUBLISHED,
            base,
            {path: (modes.get(path, "100644"), content) for path, content in files.items()},
            message,
            self._author,
            moment,
        )
        answer = self._git.run(
            "fast-import", "--quiet", "--force", "--date-format=raw", stdin=stream
        )
        commit = answer.word()
        known = self._files.get(base)
        if known is not None:
            self._files[commit] = {**known, **files}
        return commit

    def drop(self) -> None:
        """Forget our commit."""
        self._git.run("update-ref", "-d", _UNPUBLISHED)

    def push(self) -> PushReport:
        """Push our commit; "published" is said only after the remote shows it."""
        commit = self.unpublished
        if commit is None:
            raise ValueError("there is nothing to push")
        target = f"{commit}:refs/heads/{self.branch}"
        answer = self._ask_remote(
            "push", "--porcelain", "--no-verify", "--no-follow-tags", "--", self.url, target
        )
        stdout = answer.stdout.decode(errors="replace")
        report = read_push(answer.status, stdout, answer.stderr, commit)
        if not isinstance(report, Published):
            return report
        try:
            seen = self._ask_tip()
        except RefusedError as error:
            return Refused(str(error))
        except UnreachableError as error:
            return read_failure(-1, str(error))
        if seen != commit:
            return Moved(f"the branch shows {seen[:12]} after the push of {commit[:12]}")
        self._git.run("update-ref", _TIP, commit)
        self.drop()
        return report

    def _ask_tip(self) -> str:
        answer = self._remote("ls-remote", "--", self.url, f"refs/heads/{self.branch}")
        for line in answer.lines():
            commit, _, name = line.partition("\t")
            if name == f"refs/heads/{self.branch}":
                return commit
        heads = self._remote("ls-remote", "--heads", "--", self.url).lines()
        known = ", ".join(line.partition("refs/heads/")[2] for line in heads[:20]) or "none"
        message = f'the remote has no branch "{self.branch}" (it has: {known})'
        raise InputError(Problem("no-such-branch", message))

    def _remote(self, *arguments: str) -> Answer:
        answer = self._ask_remote(*arguments)
        if answer.status == 0:
            return answer
        failure = read_failure(answer.status, answer.stderr)
        kind = RefusedError if isinstance(failure, Refused) else UnreachableError
        raise kind(f"git {arguments[0]}: {failure.words}")

    def _ask_remote(self, *arguments: str) -> Answer:
        environment = self._credentials.environment(self.url, self._clone.private)
        git = Git(self._clone.path, environment=environment)
        return git.ask(*arguments, seconds=NETWORK_SECONDS)

    def _resolve(self, reference: str) -> str | None:
        answer = self._git.ask("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
        return answer.word() if answer.status == 0 else None

    def _read_managed_files(self, commit: str) -> dict[str, bytes]:
        needles = [word for needle in NEEDLES for word in ("-e", needle.decode())]
        found = self._git.ask(
            "grep", "-l", "-z", "-I", "-F", *needles, commit, "--", "*.yaml", "*.yml"
        )
        if found.status not in {0, 1} or (found.status == 1 and found.stderr.strip()):
            raise GitFailedError("grep", found)
        names = found.stdout.decode(errors="surrogateescape").split("\0")
        paths = [name.partition(":")[2] for name in names if name]
        contents = self._read(commit, [SETTINGS_FILE, IGNORE_FILE, *paths])
        lines = contents.pop(IGNORE_FILE, b"").decode(errors="replace").splitlines()
        ignored = GitIgnoreSpec.from_lines([*lines, *self._scope.exclude])
        below = f"{self._scope.below.strip('/')}/" if self._scope.below.strip("/.") else ""
        return {
            path: content
            for path, content in sorted(contents.items())
            if path == SETTINGS_FILE or (path.startswith(below) and not ignored.match_file(path))
        }

    def _read(self, commit: str, paths: Iterable[str]) -> dict[str, bytes]:
        """Contents by path; what is not there, or too big, is left out."""
        # A line break in a name would be two requests; such a file is left alone.
        wanted = [path for path in dict.fromkeys(paths) if "\n" not in path]
        requests = "".join(f"{commit}:{path}\n" for path in wanted)
        answer = self._git.run(
            "cat-file", "--batch", stdin=requests.encode(errors="surrogateescape")
        )
        contents: dict[str, bytes] = {}
        position = 0
        for path in wanted:
            end = answer.stdout.index(b"\n", position)
            header = answer.stdout[position:end].split(b" ")
            position = end + 1
            if header[-1] == b"missing":
                continue
            size = int(header[2])
            if header[1] == b"blob" and size <= MOST_BYTES:
                contents[path] = answer.stdout[position : position + size]
            position += size + 1
        return contents

    def _modes(self, commit: str, paths: Iterable[str]) -> dict[str, str]:
        answer = self._git.run(
            "--literal-pathspecs", "ls-tree", "-z", "-r", commit, "--", *sorted(paths)
        )
        entries = answer.stdout.decode(errors="surrogateescape").split("\0")
        return {entry.partition("\t")[2]: entry.split(" ")[0] for entry in entries if entry}


def _is_repository(path: Path) -> bool:
    if not path.is_dir():
        return False
    answer = Git(path.absolute()).ask("rev-parse", "--git-dir")
    return answer.status == 0
