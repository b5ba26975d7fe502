"""The remote's side of a branch: where it is, fetching it, pushing to it.

Each question names the URL; the clone's config holds none. `Arrival` fetches commits and
trees first, then only the file contents that are searched: most of a large repository is
never read here. `TIP` moves in one step when everything is here, so that a line that
breaks off leaves the old tip.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from math import ceil
from pathlib import Path

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.clone import Clone
from gitops_prefix.publish.credentials import Credentials, local_path
from gitops_prefix.publish.failure import (
    Failed,
    FailedError,
    Kind,
    PushReport,
    Reason,
    failed_by,
    read_failure,
    read_push,
)
from gitops_prefix.publish.git import Answer
from gitops_prefix.publish.http import redirect_of
from gitops_prefix.publish.loan import Loan, SharedLine, Transport
from gitops_prefix.publish.managed_files import MissingBlobs, Scope, find_missing_blobs
from gitops_prefix.publish.refs import INCOMING, TIP, References
from gitops_prefix.publish.running import (
    Limits,
    TimeLimits,
    larger_than,
    remote_limits,
    replaced_under,
)
from gitops_prefix.publish.scrub import scrub
from gitops_prefix.publish.stages import Stage, Stages
from gitops_prefix.render.files import MOST_BYTES

_ORIGIN = "origin"
_BEFORE_THE_PACK = 300
"""Bytes: git writes some 90 before it sends a pack, and more than 400 with the smallest one."""
_SSH_FAILED = 128
"""How git ends when ssh does not connect."""
_REHEARSAL_SECONDS = 15.0
"""For a push that changes nothing and runs no hook; a change that comes meanwhile waits for it."""
_LOG_SECONDS = 60.0
"""For messages of commits, which nothing waits for."""
_REDIRECTED = re.compile(r"returned error: 30[12378]\b")
_NEW_ADDRESS = re.compile(
    r"warning: redirecting to (\S+)|could not read Username for '(\S+)'"
    r"|repository '(\S+)' not found"
)
_QUESTION = "/info/refs?service=git-upload-pack"
"""What git asks a web server for first (gitprotocol-http(5))."""


class Leave(StrEnum):
    """File contents that a fetch leaves out (git-rev-list(1), --filter)."""

    CONTENTS = "blob:none"
    LONG_ONES = f"blob:limit={MOST_BYTES + 1}"
    TREES = "tree:0"


def _closed_to_us(repository: Path, reference: str) -> Path | None:
    """A directory that a push to a repository on this machine writes to, and we may not."""
    inside = repository / ".git" if (repository / ".git").is_dir() else repository
    if not (inside / "objects").is_dir():
        return None  # a linked work tree, whose repository is elsewhere
    branch = (inside / reference).parent
    while not branch.is_dir() and branch != inside:
        branch = branch.parent
    written = (inside / "objects", branch)
    return next((each for each in written if not os.access(each, os.W_OK | os.X_OK)), None)


class Remote:
    """One branch of one remote.

    Attributes:
        line: the ssh connection of a pass.
        prefixes: returns the prefix of each DynamicPrefix as the links have it now. A call ends
            that runs over an address of a prefix which was replaced meanwhile.
    """

    def __init__(  # noqa: PLR0913  all that there is to name
        self,
        url: str,
        branch: str,
        credentials: Credentials,
        clone: Clone,
        limits: TimeLimits,
        *,
        transport: Transport,
        references: References,
        stages: Stages,
    ) -> None:
        """Name a branch; nothing is sent yet."""
        path = local_path(url)
        # git runs in the clone, where a relative path would lead elsewhere.
        plain = path is not None and "://" not in url
        self._is_path = path is not None
        self._url = str(path.absolute()) if path is not None and plain else url
        self._reference = f"refs/heads/{branch}"
        self._branch = branch
        self._credentials = credentials
        self._transport = transport
        self._clone = clone
        self._limits = limits
        self._references = references
        self._stages = stages
        self.line = SharedLine(clone.directory)
        self.prefixes: Callable[[], Mapping[str, Prefix | None]] = dict

    def within(self, clone: Clone) -> "Remote":
        """The same branch, fetched into another clone, and timed apart from publications."""
        return Remote(
            self._url,
            self._branch,
            self._credentials,
            clone,
            replace(self._limits, fetch=_LOG_SECONDS),
            transport=self._transport,
            references=References(clone.git()),
            stages=Stages(),
        )

    def tip(self) -> str:
        """The commit that the branch points at now.

        Raises:
            FailedError: the remote did not answer, or refused us.
            InputError: the remote has no such branch.
        """
        for line in self._run("ls-remote", "--", self._url, self._reference).lines():
            commit, _, name = line.partition("\t")
            if name == self._reference:
                return commit
        heads = self._run("ls-remote", "--heads", "--", self._url).lines()
        known = ", ".join(line.partition("refs/heads/")[2] for line in heads[:20]) or "none"
        known = scrub(known)
        short = self._branch.removeprefix("refs/heads/")
        meant = f'. Write "{short}"' if short != self._branch else ""
        message = f'the remote has no branch "{self._branch}" (it has: {known}){meant}'
        raise InputError(Problem("no-such-branch", message))

    def fetch(self, *, depth: int, into: str, leave: Leave, anew: bool = False) -> None:
        """Fetch the branch's last `depth` commits.

        Args:
            depth: how many.
            into: the reference that will point at the last commit.
            leave: which contents to leave out, if the server supports filters.
            anew: whether to fetch again what an earlier fetch left out.

        Raises:
            FailedError: as `tip` does.
        """
        options = (f"--depth={depth}", f"--filter={leave}", *(("--refetch",) if anew else ()))
        refspec = f"+{self._reference}:{into}"
        self._fetch(*options, "--", _ORIGIN, refspec)

    def fetch_blobs(self, blobs: Iterable[str]) -> bool:
        """Fetch file contents that an earlier fetch left out, all in one request.

        Returns:
            False if the server does not give single objects; then nothing was fetched.

        Raises:
            FailedError: as `tip` does.
        """
        options = ("--no-auto-gc", f"--filter={Leave.CONTENTS}", "--stdin")
        settings = ("-c", "fetch.negotiationAlgorithm=noop")
        wanted = "".join(f"{blob}\n" for blob in blobs).encode()
        try:
            self._fetch(*options, "--", _ORIGIN, settings=settings, stdin=wanted)
        except FailedError as error:
            if "unadvertised object" in error.failed.words:
                return False
            raise
        return True

    def _fetch(self, *words: str, settings: tuple[str, ...] = (), stdin: bytes = b"") -> None:
        # git leaves contents out only for a remote with a name (gitformat-pack, promisor
        # packs). The remote has one for this call only; the clone's config stays empty.
        origin = {"url": self._url, "promisor": "true", "partialCloneFilter": Leave.CONTENTS}
        named = [
            word
            for key, text in origin.items()
            for word in ("-c", f"remote.{_ORIGIN}.{key}={text}")
        ]
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no")
        silence = self._limits.silence if self._references.value.tip else None
        limits = self._limited(self._limits.fetch, silence)
        stop = larger_than(self._limits.pack, self._clone.path, limits.stop)
        limits = replace(limits, stop=stop)
        self._run(*named, *settings, "fetch", *options, *words, limits=limits, stdin=stdin)

    def push(self, commit: str, *, seen: str) -> PushReport:
        """Add a commit to the branch, if the branch is still where it was last seen.

        A plain push would create a deleted branch again, and restore commits that somebody
        removed from its end. The lease forces nothing: the commit descends from `seen`.

        Args:
            commit: a descendant of `seen`.
            seen: the branch's commit when it was last seen.
        """
        return self._push(commit, self._reference, seen)

    def rehearse_push(self, commit: str) -> PushReport:
        """Ask whether a push of what is there already would be taken; nothing is changed."""
        report = self._push(
            commit, self._reference, commit, "--dry-run", seconds=_REHEARSAL_SECONDS
        )
        path = local_path(self._url)
        # A dry run writes nothing, so git finds out only later that it may not.
        closed = _closed_to_us(path, self._reference) if path is not None else None
        if closed is None or isinstance(report, Failed):
            return report
        words = f"{closed} cannot be written by uid {os.geteuid()}: give it the right to write"
        return Failed(Reason.AUTHENTICATION, words, Stage.PUSH)

    def heads(self, pattern: str) -> dict[str, str]:
        """The branches that match a glob, and the commit of each.

        Raises:
            FailedError: as `tip` does.
        """
        lines = self._run("ls-remote", "--", self._url, f"refs/heads/{pattern}").lines()
        pairs = (line.partition("\t") for line in lines)
        return {
            name.removeprefix("refs/heads/"): commit
            for commit, _, name in pairs
            if name.startswith("refs/heads/")
        }

    def fetch_heads(
        self, references: Mapping[str, str], *, depth: int, leave: Leave, anew: bool = False
    ) -> None:
        """Fetch the last commits of branches, each into a reference of ours.

        Args:
            references: our references, by the branch's name.
            depth: how many commits of each.
            leave: as `fetch` does.
            anew: as `fetch` does.

        Raises:
            FailedError: as `tip` does.
        """
        options = (f"--depth={depth}", f"--filter={leave}", *(("--refetch",) if anew else ()))
        refspecs = [f"+refs/heads/{name}:{ours}" for name, ours in sorted(references.items())]
        self._fetch(*options, "--", _ORIGIN, *refspecs)

    def replace(self, branch: str, commit: str, *, seen: str) -> PushReport:
        """Set a branch of ours to a commit, if the branch is still where it was last seen.

        Args:
            branch: never the managed branch itself.
            commit: the new commit.
            seen: the commit when last seen; empty if the branch must not exist.
        """
        if branch == self._branch:
            raise ValueError("the branch itself is never forced")
        return self._push(commit, f"refs/heads/{branch}", seen)

    def _push(
        self, commit: str, reference: str, seen: str, *more: str, seconds: float | None = None
    ) -> PushReport:
        lease = f"--force-with-lease={reference}:{seen}"
        options = ("--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
        refspec = f"{commit}:{reference}"
        try:
            words = ("push", *options, *more, lease, "--", self._url, refspec)
            limits = self._limited(seconds or self._limits.push, self._limits.silence)
            limits = replace(limits, patient_after=_BEFORE_THE_PACK)
            answer = self._ask(*words, limits=limits)
        except FailedError as error:
            return error.failed
        stdout = scrub(answer.stdout.decode(errors="replace"))
        report = read_push(answer.status, stdout, answer.stderr, commit)
        if isinstance(report, Failed):
            report = self._with_new_address(report)
            self._doubt(report)
        return report

    def _run(self, *arguments: str, limits: Limits | None = None, stdin: bytes = b"") -> Answer:
        answer = self._ask(*arguments, limits=limits, stdin=stdin)
        if answer.status == 0:
            return answer
        failed = read_failure(self._stages.last, answer.stderr, status=answer.status)
        failed = self._with_new_address(failed)
        self._doubt(failed)
        verb = next(word for word in ("fetch", "ls-remote") if word in arguments)
        raise FailedError(replace(failed, words=f"git {verb}: {failed.words}"))

    def _with_new_address(self, failed: Failed) -> Failed:
        """Name the address that a redirect leads to; it is asked for without credentials."""
        if not _REDIRECTED.search(failed.words):
            return failed
        follow = ("-c", "http.followRedirects=true", "-c", "credential.useHttpPath=true")
        question = (*follow, "ls-remote", "--", self._url)
        with Loan() as loan:
            self._transport.lend(loan)
            answer = self._clone.git(loan).ask(*question, limits=remote_limits(self._limits.ask))
        found = _NEW_ADDRESS.search(answer.stderr)
        address = "" if found is None else found[1] or found[2] or found[3]
        if not address or address.rstrip("/") == self._url.rstrip("/"):
            address = redirect_of(self._url, _QUESTION, self._transport.ca_file)
        where = "the server redirects, which is not followed: give the new address as --repo"
        if address:
            where = f"the repository moved to {address}: give that as --repo"
        return replace(failed, words=f"{failed.words} ({where})")

    def _doubt(self, failed: Failed) -> None:
        """Drop remembered credentials after a refusal; a hook or a protection did accept them."""
        if failed.kind is Kind.REFUSED and failed.reason not in {Reason.HOOK, Reason.PROTECTED}:
            self._credentials.doubt()

    def _ask(self, *arguments: str, limits: Limits | None = None, stdin: bytes = b"") -> Answer:
        limits = limits or self._limited(self._limits.ask, self._limits.silence)
        with Loan(connected=self.line.is_up()) as loan:
            try:
                self.lend(loan)
            except InputError as error:
                # The file was valid at the start: while a secret is replaced, we retry.
                raise FailedError(failed_by(error, self._stages.last)) from error
            except FailedError as error:
                raise FailedError(replace(error.failed, stage=self._stages.last)) from error
            if words := self.line.join(loan, limits):
                return Answer(_SSH_FAILED, b"", words)
            git = self._clone.git(loan)
            patience = f"http.lowSpeedTime={ceil(limits.quiet)}"
            answer = git.ask("-c", patience, *arguments, limits=limits, stdin=stdin)
        if answer.status < 0:
            # It hung: the next call needs another connection.
            self.line.drop()
        return answer

    def _limited(self, seconds: float, silence: float | None) -> Limits:
        stop = replaced_under(self.prefixes, lambda: self.line.group)
        limits = remote_limits(seconds, silence=silence, stop=stop)
        # With a path, the server is a child of git: it packs what may be large.
        return replace(limits, memory=None) if self._is_path else limits

    def lend(self, loan: Loan) -> None:
        """Add what git needs to reach the remote.

        Raises:
            InputError: a file that an option names cannot be read, or holds something else.
        """
        self._transport.lend(loan)
        self._credentials.lend(self._url, loan)


class Arrival:
    """Fetches the branch's tip into the clone.

    Attributes:
        is_complete: whether everything that is searched of `TIP` is known to be here.
    """

    def __init__(self, remote: Remote, clone: Clone, scope: Scope, references: References) -> None:
        self._remote = remote
        self._git = clone.git()
        self._references = references
        self._scope = scope
        # An earlier process may have left the clone incomplete, or had another --path.
        self.is_complete = False
        self._leave = Leave.CONTENTS

    def fetch(self, *, depth: int) -> None:
        """Fetch the branch's last `depth` commits, and set `TIP` to the last of them.

        Raises:
            FailedError: as `Remote.tip` does.
            GitFailedError: the clone is damaged.
        """
        self._remote.fetch(depth=depth, into=INCOMING, leave=self._leave)
        self._fill(INCOMING, depth)
        moved = f"update {TIP} {INCOMING}\ndelete {INCOMING}\n"
        self._git.run("update-ref", "--stdin", stdin=moved.encode())
        self._references.read()
        self.is_complete = True

    def bring(self, references: Mapping[str, str], *, depth: int) -> None:
        """Fetch other branches' last commits, each into a reference of ours, by the branch's name.

        Raises: as `fetch` does.
        """
        self._remote.fetch_heads(references, depth=depth, leave=Leave.CONTENTS)
        self._references.read()
        wanted = {
            blob
            for reference in references.values()
            for blob in find_missing_blobs(self._git, reference, self._scope).wanted
        }
        if wanted and not self._remote.fetch_blobs(sorted(wanted)):
            self._remote.fetch_heads(references, depth=depth, leave=Leave.LONG_ONES, anew=True)

    def complete(self) -> None:
        """Fetch the searched file contents of `TIP` that are missing.

        Raises: as `fetch` does.
        """
        self._fill(TIP, 1)
        # A fetch of everything takes the branch as it is now.
        self._references.read()
        self.is_complete = True

    def doubt(self) -> None:
        """Check again at the next look, because something failed."""
        self.is_complete = False

    def _fill(self, commit: str, depth: int) -> None:
        missing = self._missing(commit)
        # If most contents are wanted, one fetch of everything is cheaper than single objects.
        if len(missing.wanted) > missing.others and self._leave is Leave.CONTENTS:
            self._fetch_anew(commit, depth)
            missing = self._missing(commit)
        if missing.wanted and not self._remote.fetch_blobs(missing.wanted):
            self._fetch_anew(commit, depth)
            missing = self._missing(commit)
        # If all contents are here, the next tip's contents come with its trees. Otherwise the
        # server could send them as deltas against contents that we lack.
        self._leave = Leave.CONTENTS if missing.others else Leave.LONG_ONES

    def _fetch_anew(self, commit: str, depth: int) -> None:
        self._remote.fetch(depth=depth, into=commit, leave=Leave.LONG_ONES, anew=True)

    def _missing(self, commit: str) -> MissingBlobs:
        return find_missing_blobs(self._git, commit, self._scope)
