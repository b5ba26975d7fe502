"""A pass when changes go to branches of ours, and are merged by others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from gitops_prefix.daemon.publication import (
    Observe,
    Outcome,
    Publication,
    Result,
    outcome_of,
)
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import Severity
from gitops_prefix.plan.occasion import StatusChange, occasion, transitions
from gitops_prefix.plan.plan import Left, Plan, plan, read_repository, watch
from gitops_prefix.publish.failure import Published
from gitops_prefix.publish.forge.sync import Proposal, decision_of, proposal
from gitops_prefix.publish.message import PROPOSED_TO, Trailer, Wording, one_line
from gitops_prefix.publish.push_branches import PushBranches, problem_of
from gitops_prefix.publish.repository import Repository
from gitops_prefix.publish.stages import Stage
from gitops_prefix.render.drift import find_drift, managed_fields
from gitops_prefix.render.rendering import Rendering, render

_WORST_FIRST = (
    Result.UNREACHABLE,
    Result.CONTESTED,
    Result.REFUSED,
    Result.HELD,
    Result.PUBLISHED,
    Result.UNCHANGED,
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One branch, and what it is to hold.

    Attributes:
        planned: as the whole plan, for the DynamicPrefixes of this branch.
    """

    branch: str
    transitions: tuple[StatusChange, ...]
    planned: Plan

    @property
    def rendering(self) -> Rendering:
        """The edits."""
        return self.planned.rendering


class Proposals(Publication):
    """Makes branches of ours hold what was decided, each as one commit on the branch's tip."""

    def __init__(
        self,
        repository: Repository,
        branches: PushBranches,
        may_publish: Callable[[], bool] = lambda: True,
        *,
        wording: Wording = Wording(),  # noqa: B008  frozen
    ) -> None:
        """As a publication, with the branches that commits go to."""
        trailer = Trailer(PROPOSED_TO, one_line(repository.branch))
        wording = replace(wording, trailers=(*wording.trailers, trailer))
        super().__init__(repository, may_publish, wording=wording)
        self._branches = branches

    def _here(self) -> object:
        return self.repository.tip, self._branches.seen()

    def _ask(self) -> None:
        super()._ask()
        self._branches.look()

    def _commit(self, observe: Observe, now: datetime) -> Outcome:
        """Plan on the tip, with what our branches know; commit what they do not hold yet."""
        base = self.repository.tip
        if base is None:
            return self._never_seen()
        holding = self._holding()
        files = self.repository.managed_files(base)
        planned = self._plan(files, observe, now, self._read_held(base, holding))
        branches = {name: self._branches.branch_of(name) for name in planned.statuses}
        misnamed = problem_of(branches, self.repository.branch)
        problems = (*planned.problems, *((misnamed,) if misnamed else ()))
        if any(problem.severity is Severity.ERROR for problem in problems):
            return self._invalid(problems)
        wanted = _by_branch(planned, branches)
        for branch in self._branches.waiting().keys() - {one.branch for one in wanted}:
            self._branches.drop(branch)
        new = [one for one in wanted if not self._is_right(one, files, base, holding)]
        if new and not self._may_publish():
            return Outcome(Result.FOLLOWING, problems=problems)
        made = {one.branch for one in new}
        for one in wanted:
            if one.branch not in made:
                self._keep(one, holding)
        occasions = [
            occasion(one.planned, find_drift(planned.inventory, self._known)) for one in new
        ]
        messages = [self._wording.write(occasion) for occasion in occasions]
        commits = [
            self._make(one, base, message.text, now)
            for one, message in zip(new, messages, strict=True)
        ]
        self._known = managed_fields(planned.inventory)
        self._waiting = planned.statuses if self._branches.waiting() else {}
        failed = tuple(message.problem for message in messages if message.problem)
        return Outcome(
            Result.UNCHANGED,
            commit=next(iter([*commits, *self._branches.waiting().values()]), ""),
            base=base,
            statuses=planned.statuses,
            transitions=tuple(moved for one in new for moved in one.transitions),
            changes=tuple(change for one in new for change in one.rendering.changes),
            problems=(*problems, *failed),
            described=planned.described,
            by_hand=tuple(change for occasion in occasions for change in occasion.by_hand),
            proposals=tuple(self._propose(one) for one in wanted),
        )

    def _holding(self) -> dict[str, str]:
        """The commit of each branch that counts: ours that waits, unless theirs decides the same.

        Another daemon may have been there first, with moments of its own.
        """
        seen, waiting = self._branches.seen(), self._branches.waiting()
        for branch, commit in waiting.items():
            if branch in seen and self._decided(seen[branch]) == self._decided(commit):
                continue
            seen[branch] = commit
        return seen

    def _decided(self, commit: str) -> dict[str, Prefix]:
        return {name: status.current for name, status in self._statuses(commit).items()}

    def _read_held(self, base: str, holding: Mapping[str, str]) -> Left:
        # What a lost clone had decided is still known here.
        dropped: dict[str, Status] = dict(self._waiting)
        waiting: dict[str, Status] = {}
        for branch, commit in sorted(holding.items()):
            statuses = self._statuses(commit)
            if self._branches.apart:
                name = self._branches.name_of(branch)
                statuses = {key: one for key, one in statuses.items() if key == name}
            stands = self._branches.parent(commit) == base
            (waiting if stands else dropped).update(statuses)
        return Left(dropped, waiting)

    def _plan(
        self, files: Mapping[str, bytes], observe: Observe, now: datetime, left: Left
    ) -> Plan:
        inventory = read_repository(files)
        choices = observe(watch(inventory, left))
        with self.repository.stages.enter(Stage.RENDER):
            planned = plan(inventory, choices, now, left)
            returned = {
                name
                for name, status in {**left.dropped, **left.waiting}.items()
                if _returns(planned, name, status)
            }
            return plan(inventory, choices, now, left.without(returned)) if returned else planned

    def _is_right(
        self, wanted: _Wanted, files: Mapping[str, bytes], base: str, holding: Mapping[str, str]
    ) -> bool:
        """Whether nothing is left to propose, or the branch holds it already."""
        edited, commit = wanted.rendering.files, holding.get(wanted.branch)
        return not edited or (commit is not None and self._holds(commit, base, files, edited))

    def _keep(self, wanted: _Wanted, holding: Mapping[str, str]) -> None:
        """Of ours that waits for a branch that is right, nothing is left to do."""
        branch = wanted.branch
        right = holding[branch] if wanted.rendering.files else ""
        if self._branches.waiting().get(branch, right) != right:
            self._branches.drop(branch)

    def _make(self, wanted: _Wanted, base: str, message: str, now: datetime) -> str:
        place = self._branches.place(wanted.branch)
        return self.repository.commit(base, wanted.rendering.files, message, now, reference=place)

    def _propose(self, wanted: _Wanted) -> Proposal:
        """What a branch holds now, in the words of its commit: after a restart ours were others."""
        branch = wanted.branch
        if not wanted.rendering.files:
            return Proposal(branch)
        commit = (self._branches.seen() | self._branches.waiting())[branch]
        decision = decision_of(wanted.transitions, wanted.rendering.changes)
        return proposal(branch, commit, self._branches.message(commit), decision)

    def _holds(
        self, commit: str, base: str, files: Mapping[str, bytes], edited: Mapping[str, bytes]
    ) -> bool:
        """Whether a branch needs no other commit; what others added to it is theirs."""
        held = self.repository.managed_files(commit)
        parent = self._branches.parent(commit)
        if parent is None:
            return all(held.get(path) == content for path, content in edited.items())
        return parent == base and held == {**files, **edited}

    def _push(self, outcome: Outcome) -> Outcome:
        """Put each branch to its commit; the worst that happens is what the pass came to."""
        if self._branches.waiting() and not self._may_publish():
            return replace(outcome, result=Result.FOLLOWING, statuses=None)
        outcomes = [outcome]
        for branch in sorted(self._branches.waiting()):
            report = self._branches.push(branch)
            if isinstance(report, Published):
                outcomes.append(Outcome(Result.PUBLISHED))
            else:
                outcomes.append(outcome_of(report))
        worst = min(outcomes, key=lambda one: _WORST_FIRST.index(one.result))
        failed = replace(outcome, result=worst.result, words=worst.words, failure=worst.failure)
        return self._without_unpushed(failed)

    def _hold_back(self, outcome: Outcome, away: Outcome) -> Outcome:
        """Also what a forge shows waits for the remote: its API may be there while git is not."""
        return self._without_unpushed(super()._hold_back(outcome, away))

    def _without_unpushed(self, outcome: Outcome) -> Outcome:
        seen = self._branches.seen()
        proposals = (one for one in outcome.proposals if one.branch in seen)
        shown = tuple(one for one in proposals if self._shows(one, seen[one.branch]))
        return replace(outcome, proposals=shown)

    def _shows(self, one: Proposal, seen: str) -> bool:
        """Whether a forge is to show it: what somebody else goes on with is theirs to show."""
        if not one.commit:
            return True
        return one.commit == seen and self._branches.parent(seen) is not None


def _returns(planned: Plan, name: str, held: Status) -> bool:
    """Whether a prefix that was proposed is given up for the one that was never left."""
    before, status = planned.before.get(name), planned.statuses.get(name)
    if before is None or status is None:
        return False
    return status.current == before.current != held.current


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
        moved = tuple(one for one in moves if one.name in names)
        wanted.append(_Wanted(branch, moved, part))
    return wanted
