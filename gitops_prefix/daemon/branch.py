"""Publishing to the branch itself: our commit stands on the branch's tip, and is pushed there."""

from collections.abc import Callable, Mapping
from datetime import datetime

from gitops_prefix.daemon.outcome import (
    Committed,
    Decided,
    Invalid,
    NotLeading,
    Outcome,
    Pushed,
    Ready,
    Rehearsed,
    Seen,
    Stopped,
    Unconfirmed,
    UpToDate,
    invalid,
    never_seen,
    stopped_by,
)
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import InputError, OutsideError
from gitops_prefix.plan.occasion import Occasion, occasion
from gitops_prefix.plan.plan import Left, Plan
from gitops_prefix.publish.failure import Failed, Published, Reason, failed_by
from gitops_prefix.publish.message import Wording
from gitops_prefix.publish.repository import Repository
from gitops_prefix.publish.stages import Stage
from gitops_prefix.render.binding import FieldIdentity
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import Drift, find_drift, managed_fields
from gitops_prefix.render.settings import Settings


class BranchPublisher:
    """Makes the branch hold what was decided."""

    def __init__(
        self,
        repository: Repository,
        leads: Callable[[], bool] = lambda: True,
        *,
        wording: Wording = Wording(),  # noqa: B008  frozen
    ) -> None:
        """Publish nothing yet.

        Args:
            repository: whose branch it is.
            leads: whether this daemon publishes; asked before each commit and each push.
            wording: of the commits' messages.
        """
        self.repository = repository
        self._leads = leads
        self._wording = wording
        # What the last pass left: the managed fields, and the commit that holds them.
        self._managed: frozenset[FieldIdentity] | None = None
        self._last = ""
        # What our waiting commit decided. The clone may be lost; this is not.
        self._waiting: Mapping[str, Status] = {}

    def look(self) -> Stopped | None:
        """Ask the remote where the branch is, and fetch what is new."""
        try:
            self.repository.fetch()
        except (InputError, OutsideError) as error:
            return stopped_by(error, self.repository.stages.last)
        return None

    def read(self) -> Seen | Stopped | Invalid:
        """Read our own waiting commit, or the tip with what a commit on an older tip decided."""
        repository, refs = self.repository, self.repository.refs
        try:
            if refs.base is None:
                return never_seen(repository.stages.last)
            files = repository.managed_files(refs.base)
            dropped = self._waiting
            if refs.stale and refs.unpublished:
                dropped = statuses_at(repository, refs.unpublished)
            return Seen(refs, refs.base, files, Left(dropped))
        except InputError as error:
            return invalid(error.problems, repository.stages.last)
        except OutsideError as error:
            return stopped_by(error, repository.stages.last)

    def commit(
        self, seen: Seen, planned: Plan, now: datetime
    ) -> Ready | Stopped | Invalid | NotLeading:
        """Commit a plan on what was read; drop a commit of ours that stands on an older tip."""
        stage = self.repository.stages.last
        if planned.invalid:
            return invalid(planned.problems, stage)
        if planned.rendering.files and not self._leads():
            return NotLeading(planned.problems)
        try:
            return self._commit(seen, planned, now)
        except OutsideError as error:
            return stopped_by(error, self.repository.stages.last)

    def push(self, ready: Ready, away: Stopped | None) -> Outcome:
        """Push our commit."""
        decided = ready.decided
        self._managed = ready.managed
        self._last = ready.commit if ready.made else decided.base
        self._waiting = decided.statuses if ready.commit else {}
        if ready.commit and not self._leads():
            return NotLeading(decided.problems)
        if away is not None:
            problems = (*away.problems, *decided.problems)
            if ready.commit:
                return Committed(decided, ready.commit, away.failed, problems)
            return Unconfirmed(decided, away.failed, problems)
        if not ready.commit:
            return UpToDate(decided)
        before = self.repository.tip or ""
        try:
            report = self.repository.push()
        except OutsideError as error:
            report = failed_by(error, self.repository.stages.last)
        if isinstance(report, Published):
            self._waiting = {}
            return Pushed(decided, ready.commit, before)
        return Committed(decided, ready.commit, report, decided.problems)

    def _commit(self, seen: Seen, planned: Plan, now: datetime) -> Ready:
        repository, files = self.repository, planned.rendering.files
        problems, about, commit = planned.problems, Occasion(), ""
        if files:
            # Nobody else edited what the last pass left.
            ours = seen.base == self._last
            drift = Drift() if ours else find_drift(planned.inventory, self._managed)
            about = occasion(planned, drift)
            message = self._wording.write(about)
            problems = (*problems, *filter(None, (message.problem,)))
            commit = repository.commit(seen.base, files, message.text, now)
        elif seen.refs.stale:
            repository.drop()
        decided = Decided(
            seen.base,
            planned.statuses,
            planned.described,
            problems,
            about,
            planned.rendering.changes,
            held=planned.held,
        )
        waits = commit or repository.unpublished or ""
        return Ready(decided, waits, bool(commit), managed_fields(planned.inventory))


class RehearsingPublisher:
    """Plans as `BranchPublisher` does, and neither commits nor pushes: `run --dry-run`."""

    def __init__(self, publisher: BranchPublisher) -> None:
        """Rehearse for this publisher."""
        self.repository = publisher.repository
        self.look = publisher.look
        self.read = publisher.read

    def commit(
        self, seen: Seen, planned: Plan, now: datetime
    ) -> Ready | Stopped | Invalid | NotLeading:
        """Say what a commit would hold; `made` is whether a commit would be made."""
        del now
        if planned.invalid:
            return invalid(planned.problems, self.repository.stages.last)
        changes = bool(planned.rendering.files)
        decided = Decided(
            seen.base,
            planned.statuses,
            planned.described,
            planned.problems,
            occasion(planned, Drift()) if changes else Occasion(),
            planned.rendering.changes,
            held=planned.held,
        )
        return Ready(decided, made=changes)

    def push(self, ready: Ready, away: Stopped | None) -> Outcome:
        """Report what would be pushed."""
        decided = ready.decided
        if away is not None:
            return Unconfirmed(decided, away.failed, (*away.problems, *decided.problems))
        if not ready.made:
            return UpToDate(decided)
        files = ", ".join(dict.fromkeys(change.path for change in decided.changes))
        count = len(decided.changes)
        fields = f"{count} {'field' if count == 1 else 'fields'} would change ({files})"
        words = f"a dry run: {fields if count else 'the status alone would change'}"
        return Rehearsed(decided, Failed(Reason.REHEARSED, words, Stage.PUSH))


def statuses_at(repository: Repository, commit: str) -> dict[str, Status]:
    """The statuses that a commit of ours holds.

    Raises:
        OutsideError: the commit cannot be read.
    """
    inventory = read_inventory(repository.managed_files(commit), Settings())
    return {
        name: document.status
        for name, document in inventory.dynamic_prefixes.items()
        if document.status is not None
    }
