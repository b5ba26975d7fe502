"""One branch of one remote, through a bare clone without a work tree.

Two references matter: the branch as it was last seen, and our commit that is not on the
branch yet. A crash at any moment leaves nothing else behind.
"""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.clone import Clone
from gitops_prefix.publish.commit_maker import CommitMaker, Identity, Wanted
from gitops_prefix.publish.credentials import Credentials, NoCredentials, check_url, local_path
from gitops_prefix.publish.failure import (
    Failed,
    FailedError,
    Kind,
    Published,
    PushReport,
    Reason,
    failed_by,
    tolerating,
)
from gitops_prefix.publish.git import GitFailedError, why_no_repository
from gitops_prefix.publish.loan import Loan, Transport
from gitops_prefix.publish.managed_files import CommitFiles, Scope
from gitops_prefix.publish.push_branches import PushBranches, check_pattern, is_branch_name
from gitops_prefix.publish.refs import (
    ONTO,
    PROPOSED,
    TIP,
    UNPUBLISHED,
    References,
    Refs,
    Relation,
)
from gitops_prefix.publish.remote import Arrival, Remote
from gitops_prefix.publish.running import TimeLimits
from gitops_prefix.publish.scrub import scrub
from gitops_prefix.publish.signing import Signers, Signing
from gitops_prefix.publish.stages import Stage, Stages

__all__ = ["Repository", "Scope", "TimeLimits"]

_DEPTH = 50
"""How many commits below the tip are fetched to find ours there."""


class Repository:
    """The branch as it was last seen, and what we add to it."""

    def __init__(  # noqa: PLR0913  each is one option
        self,
        clone_dir: Path,
        url: str,
        branch: str,
        *,
        credentials: Credentials | None = None,
        transport: Transport = Transport(),  # noqa: B008  frozen
        author: Identity = Identity(),  # noqa: B008
        committer: Identity | None = None,
        signing: Signing | None = None,
        signers: Signers | None = None,
        scope: Scope = Scope(),  # noqa: B008
        limits: TimeLimits = TimeLimits(),  # noqa: B008
    ) -> None:
        """Name a branch. `open` touches the disk; only `fetch` and `push` use the network."""
        self.url = url
        self.branch = branch
        self._credentials = credentials or NoCredentials()
        self._committer = committer or author
        self._scope = scope
        self.stages = Stages()
        self.clone = Clone(clone_dir, serves=f"{branch} of {scrub(url)}\n")
        self._git = self.clone.git()
        people = (author, self._committer)
        self._maker = CommitMaker(self.clone, people, signing, signers, heal=self.heal)
        self._references = References(self._git)
        self.remote = Remote(
            url,
            branch,
            self._credentials,
            self.clone,
            limits,
            transport=transport,
            references=self._references,
            stages=self.stages,
        )
        self._arrival = Arrival(self.remote, self.clone, scope, self._references)
        self._files = CommitFiles(self._git, scope)
        self._moved = False

    def open(self) -> None:
        """Check the arguments, and make or repair the clone.

        Raises:
            InputError: an invalid URL, branch, directory or secret.
            OutsideError: the clone cannot be made.
        """
        check_url(self.url, self._credentials)
        if not is_branch_name(self.branch):
            raise InputError(
                Problem("invalid-branch", f'--branch "{self.branch}" is no name of a branch')
            )
        if self._scope.outside:
            message = f'--path "{self._scope.below}" leads out of the repository'
            raise InputError(Problem("invalid-path", message))
        path = local_path(self.url)
        # If the clone exists, the remote existed too: it is away now, as a server may be.
        first = path is not None and not self.clone.is_there()
        if path is not None and first and (reason := why_no_repository(path)):
            raise InputError(Problem("no-repository", f"--repo {self.url} {reason}"))
        try:
            self.clone.open()
            self._references.read()
            # A GitHub App mints its token elsewhere; if that server is away, the next fetch waits.
            with tolerating(Kind.AWAY), Loan() as loan:
                self.remote.lend(loan)
            self._maker.try_signing()
        except BaseException:
            self.close()
            raise

    def connected(self) -> AbstractContextManager[None]:
        """Have the calls of the body share one ssh connection."""
        return self.remote.line.shared()

    def close(self) -> None:
        """Release the clone's lock."""
        self.clone.close()

    @property
    def refs(self) -> Refs:
        """The references of the clone: a value, read without asking git."""
        return self._references.value

    @property
    def tip(self) -> str | None:
        """The branch's commit when it was last seen."""
        return self.refs.tip

    @property
    def unpublished(self) -> str | None:
        """Our commit that was not yet seen on the branch."""
        return self.refs.unpublished

    @property
    def base(self) -> str | None:
        """The parent of our next commit: our unpublished commit if it is ahead, else the tip."""
        return self.refs.base

    @property
    def stale(self) -> bool:
        """Whether our commit stands on something that is no longer the tip."""
        return self.refs.stale

    def waiting_since(self) -> datetime | None:
        """When the oldest commit of ours that is not on the branch was made, or None.

        When the tip moved on without our commit, only that commit counts: the commits below
        it may be somebody else's.
        """
        tip, ours = self.tip, self.unpublished
        if ours is None:
            return None
        behind = () if tip is None else ("--not", tip)
        dates = self._git.ask("log", "--format=%ct", ours, *behind).lines()
        if not dates:
            return None
        oldest = dates[0 if tip is None or self.stale else -1]
        return datetime.fromtimestamp(int(oldest), UTC)

    def fetch(self) -> bool:
        """Look at the branch, and fetch it if it moved.

        Returns:
            Whether it moved.

        Raises:
            FailedError: the remote did not answer, or refused us; or the clone was made anew.
            InputError: the remote has no such branch.
        """
        if not self.clone.path.is_dir():
            # git cannot run in a directory that is gone.
            self.heal()
        if self._moved and self._follow():
            return True
        with self.stages.enter(Stage.LOOK):
            seen = self.remote.tip()
        moved = seen != self.tip
        if moved:
            self._adopt_format(seen)
        if not moved:
            if not self._arrival.is_complete:
                with self._mending(), self.stages.enter(Stage.FETCH):
                    self._arrival.complete()
            return False
        self._fetch()
        # Known before there is a change, so that the change costs no further process.
        self._maker.fault_of(seen)
        self.clone.tidy()
        return True

    def fault_of_tip(self) -> str:
        """Why nothing may be built on the tip; empty when it may (`signers`)."""
        return "" if self.tip is None else self._maker.fault_of(self.tip)

    def _follow(self) -> bool:
        """Fetch a branch that moved under our push, without asking where it is; whether it did."""
        self._moved = False
        before = self.tip
        # The question that names what is wrong follows.
        with suppress(FailedError):
            self._fetch()
        return self.tip != before

    def _adopt_format(self, commit: str) -> None:
        try:
            made_anew = self.clone.adopt_format(commit)
        except OutsideError as error:
            raise self._local(str(error)) from error
        if made_anew:
            self._references.read()
            self._files.forget()

    def managed_files(self, commit: str) -> Mapping[str, bytes]:
        """The managed files of a commit, by path, as a byte search finds them.

        Raises:
            FailedError: the clone was made anew; a fetch fills it.
            GitFailedError: git failed for another reason.
        """
        if not self._files.knows(commit):
            with self._mending(), self.stages.enter(Stage.READ):
                self._files.read(commit)
        return self._files.of(commit)

    def why_no_directory(self, path: str) -> str:
        """What a path of the branch is, as it was last seen, if no directory; else nothing."""
        none = f"is not a directory on {self.branch}"
        if self.tip is None:
            return none
        wanted = path.strip("/")
        if self._git.ask("cat-file", "-t", f"{self.tip}:{wanted}").stdout.strip() == b"tree":
            return ""
        above = itertools.accumulate(wanted.split("/"), "{}/{}".format)
        listed = self._git.ask("--literal-pathspecs", "ls-tree", "--full-tree", self.tip, *above)
        if b" commit " not in listed.stdout:
            return none
        return f"is in a Git submodule of {self.branch}: let a run of that repository write it"

    def changed_paths(self, before: str, after: str) -> list[str]:
        """The files that differ between two commits; empty if one of them is unknown."""
        options = ("-r", "-z", "--name-only", "--no-renames")
        answer = self._git.ask("diff-tree", *options, before, after, "--")
        names = answer.stdout.decode(errors="replace").split("\0") if answer.status == 0 else []
        return [name for name in names if name]

    def commit(
        self,
        base: str,
        files: Mapping[str, bytes],
        message: str,
        moment: datetime,
        *,
        reference: str = UNPUBLISHED,
    ) -> str:
        """Make a commit in the clone, and return its id.

        Args:
            base: the parent.
            files: new contents by path; each file keeps its mode.
            message: the whole message.
            moment: author's and committer's date.
            reference: the reference that will point at the commit.

        Raises:
            FailedError: the commit cannot be signed, or its parent is not; or the clone was
                made anew, and a fetch fills it.
            GitFailedError: git failed for another reason.
        """
        refs = self.refs
        onto = (ONTO, refs.tip) if refs.tip and reference == UNPUBLISHED else None
        with self._mending(), self.stages.enter(Stage.COMMIT):
            wanted = Wanted(base, files, message, moment)
            commit = self._maker.make(wanted, reference, parent=refs.tip or base, onto=onto)
            follows = refs.tip is not None and base == refs.base
            ahead = Relation.AHEAD if onto and follows else None
            self._references.note({reference: commit, **dict([onto] if onto else ())}, ahead)
        self._files.follow(base, commit, files)
        return commit

    def push_branches(self, pattern: str) -> PushBranches:
        """Our own branches beside this one, which people review and merge.

        Args:
            pattern: a branch name; `{name}` is replaced by the name of a DynamicPrefix.

        Raises:
            InputError: the pattern gives no valid branch, or this branch.
        """
        check_pattern(pattern, self.branch)
        return PushBranches(
            pattern,
            self.remote,
            self._arrival,
            self._git,
            references=self._references,
            stages=self.stages,
            mending=self._mending,
            committer=self._committer,
        )

    def drop(self) -> None:
        """Delete the reference to our unpublished commit."""
        self._references.write({UNPUBLISHED: None})

    def restore(self, refs: Refs) -> None:
        """Set our own references to what they were: commits that were made since are dropped.

        Args:
            refs: an earlier value of `refs`.

        Raises:
            GitFailedError: nothing is changed.
        """
        names = {*refs.commits, *self.refs.commits}
        ours = (name for name in names if name in {UNPUBLISHED, ONTO} or name.startswith(PROPOSED))
        self._references.write({name: refs.commits.get(name) for name in sorted(ours)})

    def push(self) -> PushReport:
        """Push our commit. The result is `Published` only after the remote shows the commit."""
        refs = self.refs
        commit = refs.unpublished
        if commit is None:
            raise ValueError("there is nothing to push")
        # If the answer to an earlier push was lost, the branch has the commit already.
        if refs.relation is not Relation.ARRIVED:
            report = self._push(commit, refs)
            if not isinstance(report, Published):
                return report
        self.drop()
        self.clone.tidy()
        return Published(commit)

    def rehearse_push(self) -> PushReport:
        """Ask whether the remote would let us push: git's dry run, of the tip onto itself.

        It asks who we are, as a push does, and changes nothing; hooks are not asked.
        """
        tip = self.refs.tip
        if tip is None:
            raise ValueError("the branch was not fetched yet")
        return self.remote.rehearse_push(tip)

    def _push(self, commit: str, refs: Refs) -> PushReport:
        if refs.tip is None or refs.relation is not Relation.AHEAD:
            words = f"{commit[:12]} does not descend from the branch as it was last seen"
            return Failed(Reason.CONTESTED, words, Stage.PUSH)
        try:
            with self._mending():
                with self.stages.enter(Stage.PUSH):
                    report = self.remote.push(commit, seen=refs.tip)
                self._moved = isinstance(report, Failed) and report.reason is Reason.CONTESTED
                return self._confirm(report, commit)
        except (InputError, OutsideError) as error:
            return failed_by(error, self.stages.last)

    def _confirm(self, report: PushReport, commit: str) -> PushReport:
        """Ask the remote whether the commit arrived; another commit may be on top of it already."""
        if isinstance(report, Failed):
            if report.kind is Kind.AWAY:
                raise FailedError(report)
            return report
        with self.stages.enter(Stage.CONFIRM):
            seen = self.remote.tip()
            if seen == commit:
                self._references.write({TIP: commit, UNPUBLISHED: None})
                return report
            self._arrival.fetch(depth=_DEPTH)
            if self.refs.relation is Relation.ARRIVED:
                return report
        words = f"the branch shows {seen[:12]} after the push of {commit[:12]}"
        return Failed(Reason.CONTESTED, words, Stage.CONFIRM)

    def _fetch(self) -> None:
        depth = 1 if self.unpublished is None else _DEPTH
        with self._mending(), self.stages.enter(Stage.FETCH):
            self._arrival.fetch(depth=depth)

    @contextmanager
    def _mending(self) -> Iterator[None]:
        """After a failure, check the clone, and make it anew if it is damaged."""
        try:
            yield
        except (GitFailedError, FailedError) as error:
            if isinstance(error, FailedError) and error.failed.kind is not Kind.AWAY:
                raise
            if not self.heal():
                raise
            raise self._local(f"the clone was damaged and is made anew ({error})") from error

    def heal(self) -> bool:
        """Check every object of the clone, and make the clone anew if it is damaged.

        Returns:
            Whether it was damaged.

        Raises:
            FailedError: the clone cannot be made.
        """
        self._arrival.doubt()
        try:
            damaged = self.clone.heal()
        except OutsideError as error:
            raise self._local(str(error)) from error
        self._references.read()
        if damaged:
            self._files.forget()
        return damaged

    def _local(self, words: str) -> FailedError:
        return FailedError(Failed(Reason.LOCAL, words, self.stages.last))
