"""Publishing to branches of ours, which others merge: one commit each, on the tip."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gitops_prefix.daemon.branch import statuses_at
from gitops_prefix.daemon.outcome import (
    Committed,
    Decided,
    Invalid,
    NotLeading,
    Outcome,
    Proposed,
    Ready,
    Result,
    Seen,
    Stopped,
    Unconfirmed,
    UpToDate,
    invalid,
    never_seen,
    result_of,
    stopped_by,
)
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import InputError, OutsideError
from gitops_prefix.plan.occasion import Occasion, StatusChange, occasion, transitions
from gitops_prefix.plan.plan import Left, Plan
from gitops_prefix.publish.failure import Failed
from gitops_prefix.publish.forge.sync import BranchProposal, decision_of, proposal
from gitops_prefix.publish.message import PROPOSED_TO, Trailer, Wording, one_line
from gitops_prefix.publish.push_branches import PushBranches, problem_of
from gitops_prefix.publish.refs import Refs
from gitops_prefix.publish.repository import Repository
from gitops_prefix.render.binding import FieldIdentity
from gitops_prefix.render.rendering import find_drift, managed_fields, render

_WORST_FIRST = (Result.UNREACHABLE, Result.CONTESTED, Result.REFUSED, Result.HELD)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One branch, and what it is to hold.

    Attributes:
        planned: the plan, for the DynamicPrefixes of this branch alone.
    """

    branch: str
    transitions: tuple[StatusChange, ...]
    planned: Plan

    @property
    def files(self) -> Mapping[str, bytes]:
        """The files that differ from the tip's."""
        return self.planned.rendering.files


class ProposalPublisher:
    """Makes branches of ours hold what was decided."""

    def __init__(
        self,
        repository: Repository,
        branches: PushBranches,
        leads: Callable[[], bool] = lambda: True,
        *,
        wording: Wording = Wording(),  # noqa: B008  frozen
    ) -> None:
        """Publish nothing yet.

        Args:
            repository: whose branch is kept true.
            branches: which the commits go to.
            leads: whether this daemon publishes; asked before each commit and each push.
            wording: of the commits' messages.
        """
        trailer = Trailer(PROPOSED_TO, one_line(repository.branch))
        self.repository = repository
        self._branches = branches
        self._leads = leads
        self._wording = replace(wording, trailers=(*wording.trailers, trailer))
        # What the last pass left.
        self._managed: frozenset[FieldIdentity] | None = None
        # What our waiting commits decided. The clone may be lost; this is not.
        self._waiting: Mapping[str, Status] = {}

    def look(self) -> Stopped | None:
        """Ask the remote where the branch and ours are, and fetch what is new."""
        try:
            self.repository.fetch()
            self._branches.look()
        except (InputError, OutsideError) as error:
            return stopped_by(error, self.repository.stages.last)
        return None

    def read(self) -> Seen | Stopped | Invalid:
        """Read the tip, and what our branches hold."""
        repository, refs = self.repository, self.repository.refs
        try:
            if refs.tip is None:
                return never_seen(repository.stages.last)
            files = repository.managed_files(refs.tip)
            return Seen(refs, refs.tip, files, self._left(refs.tip, self._holding(refs)))
        except InputError as error:
            return invalid(error.problems, repository.stages.last)
        except OutsideError as error:
            return stopped_by(error, repository.stages.last)

    def commit(
        self, seen: Seen, planned: Plan, now: datetime
    ) -> Ready | Stopped | Invalid | NotLeading:
        """Commit for each branch what it does not hold yet."""
        try:
            branches = {name: self._branches.branch_of(name) for name in planned.statuses}
            misnamed = problem_of(branches, self.repository.branch)
            problems = (*planned.problems, *filter(None, (misnamed,)))
            if planned.invalid or misnamed:
                return invalid(problems, self.repository.stages.last)
            return self._commit(seen, planned, _by_branch(planned, branches), now)
        except OutsideError as error:
            return stopped_by(error, self.repository.stages.last)

    def push(self, ready: Ready, away: Stopped | None) -> Outcome:
        """Put each branch to its commit. The worst failure counts."""
        self._managed = ready.managed
        waiting = sorted(self._branches.waiting())
        self._waiting = ready.decided.statuses if waiting else {}
        if waiting and not self._leads():
            return NotLeading(ready.decided.problems)
        failures = [away.failed] if away else []
        pushed = False
        for branch in waiting if away is None else ():
            report = self._branches.push(branch)
            pushed = pushed or not isinstance(report, Failed)
            failures += [report] if isinstance(report, Failed) else []
        # A forge may answer while git does not: it shows only what was pushed.
        decided = replace(ready.decided, proposals=self._shown(ready.decided.proposals))
        if not failures:
            return Proposed(decided, ready.commit) if pushed else UpToDate(decided)
        failed = min(failures, key=lambda failed: _WORST_FIRST.index(result_of(failed)))
        problems = (*(away.problems if away else ()), *decided.problems)
        if ready.commit:
            return Committed(decided, ready.commit, failed, problems)
        return Unconfirmed(decided, failed, problems)

    def _commit(
        self, seen: Seen, planned: Plan, wanted: list[_Wanted], now: datetime
    ) -> Ready | NotLeading:
        holding = self._holding(seen.refs)
        new = [each for each in wanted if not self._is_right(each, seen, holding)]
        for branch in self._branches.waiting().keys() - {each.branch for each in wanted}:
            self._branches.drop(branch)
        if new and not self._leads():
            return NotLeading(planned.problems)
        for each in wanted:
            if each not in new:
                self._keep(each, holding)
        problems = list(planned.problems)
        occasions, commits = [], []
        for each in new:
            about = occasion(each.planned, find_drift(planned.inventory, self._managed))
            message = self._wording.write(about)
            problems += filter(None, (message.problem,))
            place = self._branches.place(each.branch)
            made = self.repository.commit(seen.base, each.files, message.text, now, reference=place)
            occasions.append(about)
            commits.append(made)
        decided = Decided(
            seen.base,
            planned.statuses,
            planned.described,
            tuple(problems),
            _together(occasions),
            tuple(change for each in new for change in each.planned.rendering.changes),
            tuple(self._propose(each) for each in wanted),
            planned.held,
        )
        waits = next(iter([*commits, *self._branches.waiting().values()]), "")
        return Ready(decided, waits, bool(commits), managed_fields(planned.inventory))

    def _holding(self, refs: Refs) -> dict[str, str]:
        """The commit that counts for each branch.

        It is ours that waits, unless the remote's decides the same: another daemon may
        have been first, at a moment of its own.
        """
        holding = dict(refs.pushed)
        for branch, commit in refs.proposed.items():
            if branch in holding and self._decided(holding[branch]) == self._decided(commit):
                continue
            holding[branch] = commit
        return holding

    def _decided(self, commit: str) -> dict[str, Prefix]:
        statuses = statuses_at(self.repository, commit)
        return {name: status.current for name, status in statuses.items()}

    def _left(self, base: str, holding: Mapping[str, str]) -> Left:
        """What our branches hold: on this tip, or on an older one."""
        dropped: dict[str, Status] = dict(self._waiting)
        waiting: dict[str, Status] = {}
        for branch, commit in sorted(holding.items()):
            statuses = statuses_at(self.repository, commit)
            if self._branches.apart:
                name = self._branches.name_of(branch)
                statuses = {key: status for key, status in statuses.items() if key == name}
            stands = self._branches.parent(commit) == base
            (waiting if stands else dropped).update(statuses)
        return Left(dropped, waiting, proposed=True)

    def _is_right(self, wanted: _Wanted, seen: Seen, holding: Mapping[str, str]) -> bool:
        """Whether nothing is left to propose, or the branch holds it already."""
        commit = holding.get(wanted.branch)
        return not wanted.files or (commit is not None and self._holds(commit, seen, wanted))

    def _keep(self, wanted: _Wanted, holding: Mapping[str, str]) -> None:
        """Drop our commit that waits for a branch which is right without it."""
        branch = wanted.branch
        right = holding[branch] if wanted.files else ""
        if self._branches.waiting().get(branch, right) != right:
            self._branches.drop(branch)

    def _propose(self, wanted: _Wanted) -> BranchProposal:
        """What a branch holds now, in the words of its commit, which a restart does not change."""
        branch = wanted.branch
        if not wanted.files:
            return BranchProposal(branch)
        commit = (self._branches.seen() | self._branches.waiting())[branch]
        decision = decision_of(wanted.transitions, wanted.planned.rendering.changes)
        return proposal(branch, commit, self._branches.message(commit), decision)

    def _holds(self, commit: str, seen: Seen, wanted: _Wanted) -> bool:
        """Whether a branch needs no other commit; what others added to it is theirs."""
        held = self.repository.managed_files(commit)
        parent = self._branches.parent(commit)
        if parent is None:
            return all(held.get(path) == content for path, content in wanted.files.items())
        return parent == seen.base and held == {**seen.files, **wanted.files}

    def _shown(self, proposals: tuple[BranchProposal, ...]) -> tuple[BranchProposal, ...]:
        """The proposals that a forge is to show: not what somebody else goes on with."""
        seen = self._branches.seen()
        return tuple(
            each
            for each in proposals
            if each.branch in seen
            and (
                not each.commit
                or (
                    each.commit == seen[each.branch]
                    and self._branches.parent(seen[each.branch]) is not None
                )
            )
        )


def _together(occasions: list[Occasion]) -> Occasion:
    """The occasions of several commits as one."""
    return Occasion(
        tuple(move for about in occasions for move in about.transitions),
        tuple(change for about in occasions for change in about.changes),
        by_hand=tuple(change for about in occasions for change in about.by_hand),
        first=tuple(change for about in occasions for change in about.first),
    )


def _by_branch(planned: Plan, branches: Mapping[str, str]) -> list[_Wanted]:
    moves = transitions(planned)
    wanted = []
    for branch in sorted(set(branches.values())):
        names = {name for name, its in branches.items() if its == branch}
        part = planned
        if names != planned.statuses.keys():
            statuses = {name: planned.statuses[name] for name in names}
            rendering = render(planned.inventory, statuses)
            part = replace(planned, statuses=statuses, rendering=rendering)
        wanted.append(_Wanted(branch, tuple(move for move in moves if move.name in names), part))
    return wanted
