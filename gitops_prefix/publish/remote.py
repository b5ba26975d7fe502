"""The remote's side of a branch: where it is, fetching it, pushing to it.

Each question names the URL; the clone's config holds none. `Arrival` fetches commits and
trees first, then only the file contents that are searched: most of a large repository is
never read here. `TIP` moves in one step when everything is here, so that a line that
breaks off leaves the old tip.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

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
from gitops_prefix.publish.loan import Loan, Transport
from gitops_prefix.publish.managed_files import MOST_BYTES, MissingBlobs, Scope, find_missing_blobs
from gitops_prefix.publish.refs import INCOMING, TIP, References
from gitops_prefix.publish.running import Limits, remote_limits
from gitops_prefix.publish.scrub import scrub
from gitops_prefix.publish.stages import Stages

_ORIGIN = "origin"


class Leave(StrEnum):
    """File contents that a fetch does without (git-rev-list(1), --filter)."""

    CONTENTS = "blob:none"
    LONG_ONES = f"blob:limit={MOST_BYTES + 1}"


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long the remote may take, in seconds.

    A line that is dead is noticed sooner, by ssh and by http; these end the rest.

    Attributes:
        ask: for a question, or the few kilobytes of a push.
        fetch: for a fetch, over a slow line.
        silence: for a fetch that sends nothing, once the branch was fetched before. The first
            fetch may take longer: the server has to prepare all of it.
    """

    ask: float = 60.0
    fetch: float = 600.0
    silence: float = 30.0


class Remote:
    """One branch of one remote."""

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
        """Name a branch; nothing is asked yet."""
        path = local_path(url)
        # Git runs in the clone, where a relative path would lead elsewhere.
        plain = path is not None and "://" not in url
        self._url = str(path.absolute()) if path is not None and plain else url
        self._reference = f"refs/heads/{branch}"
        self._branch = branch
        self._credentials = credentials
        self._transport = transport
        self._clone = clone
        self._limits = limits
        self._references = references
        self._stages = stages

    def tip(self) -> str:
        """Where the branch is now.

        Raises:
            FailedError: the remote did not answer, or refuses us.
            InputError: it has no such branch.
        """
        for line in self._run("ls-remote", "--", self._url, self._reference).lines():
            commit, _, name = line.partition("\t")
            if name == self._reference:
                return commit
        heads = self._run("ls-remote", "--heads", "--", self._url).lines()
        known = ", ".join(line.partition("refs/heads/")[2] for line in heads[:20]) or "none"
        known = scrub(known)
        message = f'the remote has no branch "{self._branch}" (it has: {known})'
        raise InputError(Problem("no-such-branch", message))

    def fetch(self, *, depth: int, into: str, leave: Leave, anew: bool = False) -> None:
        """Bring the branch's last `depth` commits.

        Args:
            depth: how many.
            into: the reference that is to be the last of them.
            leave: which contents to do without, where the server can leave any out.
            anew: whether to ask for what was left out before, too.

        Raises:
            FailedError: as `tip` does.
        """
        options = (f"--depth={depth}", f"--filter={leave}", *(("--refetch",) if anew else ()))
        refspec = f"+{self._reference}:{into}"
        self._fetch(*options, "--", _ORIGIN, refspec)

    def fetch_blobs(self, blobs: Iterable[str]) -> bool:
        """Bring file contents that an earlier fetch did without, all at once.

        Returns:
            Whether the server gives single objects; if not, none came.

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
        # A remote with a name may leave contents out (gitformat-pack, promisor packs); it
        # has one for this call alone, and the clone's config stays empty.
        origin = {"url": self._url, "promisor": "true", "partialCloneFilter": Leave.CONTENTS}
        named = [
            word
            for key, text in origin.items()
            for word in ("-c", f"remote.{_ORIGIN}.{key}={text}")
        ]
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no")
        silence = self._limits.silence if self._references.value.tip else None
        limits = remote_limits(self._limits.fetch, silence=silence)
        self._run(*named, *settings, "fetch", *options, *words, limits=limits, stdin=stdin)

    def push(self, commit: str, *, seen: str) -> PushReport:
        """Add a commit to the branch, if it still is where it was seen.

        A plain push would make a branch anew that was deleted, and bring back what was taken
        away from its end. Nothing is forced by it: what is pushed comes after what was seen.

        Args:
            commit: stands on `seen`.
            seen: where the branch was.
        """
        return self._push(commit, self._reference, seen)

    def heads(self, pattern: str) -> dict[str, str]:
        """The branches that match a glob, and where they are now.

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
        """Bring the last commits of branches, each to a reference of ours.

        Args:
            references: of ours, by the branch's name.
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
        """Put a branch of ours to a commit, if it still is where it was seen.

        Args:
            branch: never the one that is kept true.
            commit: what it is to be.
            seen: what it was, or empty when it must not be there.
        """
        if branch == self._branch:
            raise ValueError("the branch itself is never forced")
        return self._push(commit, f"refs/heads/{branch}", seen)

    def _push(self, commit: str, reference: str, seen: str) -> PushReport:
        lease = f"--force-with-lease={reference}:{seen}"
        options = ("--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
        refspec = f"{commit}:{reference}"
        try:
            answer = self._ask("push", *options, lease, "--", self._url, refspec)
        except FailedError as error:
            return error.failed
        stdout = scrub(answer.stdout.decode(errors="replace"))
        report = read_push(answer.status, stdout, answer.stderr, commit)
        if isinstance(report, Failed):
            self._doubt(report)
        return report

    def _run(self, *arguments: str, limits: Limits | None = None, stdin: bytes = b"") -> Answer:
        answer = self._ask(*arguments, limits=limits, stdin=stdin)
        if answer.status == 0:
            return answer
        failed = read_failure(self._stages.last, answer.stderr, status=answer.status)
        self._doubt(failed)
        verb = next(word for word in ("fetch", "ls-remote") if word in arguments)
        raise FailedError(replace(failed, words=f"git {verb}: {failed.words}"))

    def _doubt(self, failed: Failed) -> None:
        """A refusal may be for who we are; but a hook, or a protection, knew us well."""
        if failed.kind is Kind.REFUSED and failed.reason not in {Reason.HOOK, Reason.PROTECTED}:
            self._credentials.doubt()

    def _ask(self, *arguments: str, limits: Limits | None = None, stdin: bytes = b"") -> Answer:
        limits = limits or remote_limits(self._limits.ask)
        with Loan() as loan:
            try:
                self.lend(loan)
            except InputError as error:
                # It was good when we started: a secret that is being replaced comes back.
                raise FailedError(failed_by(error, self._stages.last)) from error
            except FailedError as error:
                raise FailedError(replace(error.failed, stage=self._stages.last)) from error
            return self._clone.git(loan).ask(*arguments, limits=limits, stdin=stdin)

    def lend(self, loan: Loan) -> None:
        """Lend git what it needs to reach the remote.

        Raises:
            InputError: something that was named cannot be read, or is something else.
        """
        self._transport.lend(loan)
        self._credentials.lend(self._url, loan)


class Arrival:
    """Brings the branch's tip into the clone."""

    def __init__(self, remote: Remote, clone: Clone, scope: Scope, references: References) -> None:
        self._remote = remote
        self._git = clone.git()
        self._references = references
        self._scope = scope
        # Another process of ours may have left anything, and searched elsewhere.
        self.is_complete = False
        self._leave = Leave.CONTENTS

    def fetch(self, *, depth: int) -> None:
        """Bring the branch's last `depth` commits, and let `TIP` be the last of them.

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
        """Bring other branches' last commits, each to a reference of ours, by the branch's name.

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
        """Fetch what is searched of `TIP` and is not here.

        Raises: as `fetch` does.
        """
        self._fill(TIP, 1)
        self.is_complete = True

    def doubt(self) -> None:
        """Look again next time: something failed."""
        self.is_complete = False

    def _fill(self, commit: str, depth: int) -> None:
        missing = self._missing(commit)
        # One request for each of many costs both sides more than to send everything.
        if len(missing.wanted) > missing.others and self._leave is Leave.CONTENTS:
            self._fetch_anew(commit, depth)
            missing = self._missing(commit)
        if missing.wanted and not self._remote.fetch_blobs(missing.wanted):
            self._fetch_anew(commit, depth)
            missing = self._missing(commit)
        # With all of a tip here, the next one's contents come along with its trees;
        # without, the server could send them as changes to what is not here.
        self._leave = Leave.CONTENTS if missing.others else Leave.LONG_ONES

    def _fetch_anew(self, commit: str, depth: int) -> None:
        self._remote.fetch(depth=depth, into=commit, leave=Leave.LONG_ONES, anew=True)

    def _missing(self, commit: str) -> MissingBlobs:
        return find_missing_blobs(self._git, commit, self._scope)
