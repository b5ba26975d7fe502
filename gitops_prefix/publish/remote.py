"""The remote's side of a branch: where it is, fetching it, pushing to it.

Each question names the URL anew and nothing of it is kept in the clone's config.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.clone import Clone
from gitops_prefix.publish.credentials import Credentials, local_path
from gitops_prefix.publish.failure import Reason, reason_of
from gitops_prefix.publish.git import Answer
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.managed_files import MOST_BYTES
from gitops_prefix.publish.push_report import PushReport, Refused, read_failure, read_push
from gitops_prefix.publish.scrub import scrub
from gitops_prefix.publish.stages import Stage
from gitops_prefix.publish.transport import Transport

_ORIGIN = "origin"


class Leave(StrEnum):
    """File contents that a fetch does without (git-rev-list(1), --filter)."""

    CONTENTS = "blob:none"
    LONG_ONES = f"blob:limit={MOST_BYTES + 1}"


class UnreachableError(OutsideError):
    """The remote did not answer; waiting may help."""


class RefusedError(OutsideError):
    """The remote will not have us until something changes."""


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long the remote may take, in seconds.

    A line that is dead is noticed sooner, by ssh and by http; these end the rest.

    Attributes:
        ask: for a question, or the few kilobytes of a push.
        fetch: for a branch that was never fetched, over a slow line.
    """

    ask: float = 60.0
    fetch: float = 600.0


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

    def tip(self) -> str:
        """Where the branch is now.

        Raises:
            UnreachableError: the remote did not answer.
            RefusedError: it refuses us, or there is no such repository.
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
            UnreachableError, RefusedError: as `tip` does.
        """
        options = (f"--depth={depth}", f"--filter={leave}", *(("--refetch",) if anew else ()))
        refspec = f"+{self._reference}:{into}"
        self._fetch(*options, "--", _ORIGIN, refspec)

    def fetch_blobs(self, blobs: Iterable[str]) -> bool:
        """Bring file contents that an earlier fetch did without, all at once.

        Returns:
            Whether the server gives single objects; if not, none came.

        Raises:
            UnreachableError, RefusedError: as `tip` does.
        """
        options = ("--no-auto-gc", f"--filter={Leave.CONTENTS}", "--stdin")
        settings = ("-c", "fetch.negotiationAlgorithm=noop")
        wanted = "".join(f"{blob}\n" for blob in blobs).encode()
        try:
            self._fetch(*options, "--", _ORIGIN, settings=settings, stdin=wanted)
        except (RefusedError, UnreachableError) as error:
            if "unadvertised object" in str(error):
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
        seconds = self._limits.fetch
        self._run(*named, *settings, "fetch", *options, *words, seconds=seconds, stdin=stdin)

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
            UnreachableError, RefusedError: as `tip` does.
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
            UnreachableError, RefusedError: as `tip` does.
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
        except RefusedError as error:
            return Refused(str(error))
        stdout = scrub(answer.stdout.decode(errors="replace"))
        report = read_push(answer.status, stdout, answer.stderr, commit)
        if isinstance(report, Refused) and _is_about_us(report.words):
            self._credentials.doubt()
        return report

    def _run(self, *arguments: str, seconds: float | None = None, stdin: bytes = b"") -> Answer:
        answer = self._ask(*arguments, seconds=seconds, stdin=stdin)
        if answer.status == 0:
            return answer
        failure = read_failure(answer.status, answer.stderr)
        refused = isinstance(failure, Refused)
        if refused:
            self._credentials.doubt()
        kind = RefusedError if refused else UnreachableError
        verb = next(word for word in ("fetch", "ls-remote") if word in arguments)
        raise kind(f"git {verb}: {failure.words}")

    def _ask(self, *arguments: str, seconds: float | None = None, stdin: bytes = b"") -> Answer:
        seconds = self._limits.ask if seconds is None else seconds
        with Loan() as loan:
            try:
                self.lend(loan)
            except InputError as error:
                # It was good when we started: a secret that is being replaced comes back.
                raise RefusedError(str(error)) from error
            return self._clone.git(loan).ask(*arguments, seconds=seconds, stdin=stdin)

    def lend(self, loan: Loan) -> None:
        """Lend git what it needs to reach the remote.

        Raises:
            InputError: something that was named cannot be read, or is something else.
        """
        self._transport.lend(loan)
        self._credentials.lend(self._url, loan)


def _is_about_us(words: str) -> bool:
    """Whether a refused push may be for who we are: a hook, or a protection, knew us well."""
    reason = reason_of(Stage.PUSH, words, otherwise=Reason.REFUSED)
    return reason not in {Reason.HOOK, Reason.PROTECTED}
