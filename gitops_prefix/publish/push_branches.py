"""Branches of ours, which people review before they merge them.

There is one for each DynamicPrefix, or one for all. Each holds one commit of ours on a tip
of the managed branch. So a branch whose last commit is ours holds nobody else's work and
may be replaced; any other branch is left as it is.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.commit_maker import Identity
from gitops_prefix.publish.failure import (
    Failed,
    FailedError,
    Kind,
    Published,
    PushReport,
    Reason,
    failed_by,
)
from gitops_prefix.publish.git import Git, GitFailedError
from gitops_prefix.publish.message import PROPOSED_TO
from gitops_prefix.publish.refs import PROPOSED, PUSHED, References
from gitops_prefix.publish.remote import Arrival, Remote
from gitops_prefix.publish.scrub import scrub
from gitops_prefix.publish.stages import Stage, Stages

PLACEHOLDER = "{name}"
_REMEMBERED_COMMITS = 200
_DEPTH = 2
"""Our commit and its parent."""


@dataclass(frozen=True, slots=True)
class _Commit:
    committer: str
    parents: tuple[str, ...]
    message: str


Mending: TypeAlias = Callable[[], AbstractContextManager[None]]


class PushBranches:
    """What our branches hold at the remote, and what they are to hold."""

    def __init__(  # noqa: PLR0913  the parts of one repository
        self,
        pattern: str,
        remote: Remote,
        arrival: Arrival,
        git: Git,
        *,
        references: References,
        stages: Stages,
        mending: Mending,
        committer: Identity,
    ) -> None:
        """Nothing is asked yet.

        Args:
            pattern: a branch name; `{name}` is replaced by the name of a DynamicPrefix.
            remote: holds the branches.
            arrival: fetches them.
            git: in the clone.
            references: of the clone.
            stages: entered for each stage.
            mending: checks the clone after a failure.
            committer: marks commits of ours.
        """
        self._pattern = pattern
        self._remote = remote
        self._arrival = arrival
        self._git = git
        self._references = references
        self._read_before: dict[str, _Commit] = {}
        self._stages = stages
        self._mending = mending
        self._committer = committer

    @property
    def apart(self) -> bool:
        """Whether each DynamicPrefix has its own branch."""
        return PLACEHOLDER in self._pattern

    def branch_of(self, name: str) -> str:
        """The branch for a DynamicPrefix."""
        return self._pattern.replace(PLACEHOLDER, name)

    def name_of(self, branch: str) -> str | None:
        """The DynamicPrefix of a branch; None if one branch serves all."""
        before, _, after = self._pattern.partition(PLACEHOLDER)
        return branch.removeprefix(before).removesuffix(after) if self.apart else None

    def look(self) -> None:
        """Look at our branches, and fetch what is new on them.

        Raises:
            FailedError: the remote did not answer, or refused us.
        """
        with self._stages.enter(Stage.LOOK):
            heads = self._remote.heads(self._pattern.replace(PLACEHOLDER, "*"))
        seen = self.seen()
        self._references.write({PUSHED + gone: None for gone in seen.keys() - heads.keys()})
        news = {branch: PUSHED + branch for branch in heads if heads[branch] != seen.get(branch)}
        if news:
            with self._mending(), self._stages.enter(Stage.FETCH):
                self._arrival.bring(news, depth=_DEPTH)

    def seen(self) -> dict[str, str]:
        """The commit of each branch of ours, as last seen at the remote."""
        return self._references.value.pushed

    def waiting(self) -> dict[str, str]:
        """The commit of ours that waits for each branch: the remote was not yet seen to have it."""
        return self._references.value.proposed

    def parent(self, commit: str) -> str | None:
        """The parent of a commit of ours; None if the commit is not ours."""
        found = self._read(commit)
        ours = self._committer.wrote(found.committer) and f"\n{PROPOSED_TO}: " in found.message
        return found.parents[0] if ours and len(found.parents) == 1 else None

    def message(self, commit: str) -> str:
        """The whole message of a commit."""
        return self._read(commit).message

    def place(self, branch: str) -> str:
        """The reference of a new commit for a branch, until it is pushed."""
        return PROPOSED + branch

    def drop(self, branch: str) -> None:
        """Delete the reference to our commit that waits for a branch."""
        self._references.write({PROPOSED + branch: None})

    def push(self, branch: str) -> PushReport:
        """Set a branch to our commit that waits for it.

        A branch that ends with somebody else's commit is not replaced: the result is `held`.
        """
        commit, seen = self.waiting()[branch], self.seen().get(branch, "")
        if seen == commit:
            # The answer to an earlier push was lost.
            self.drop(branch)
            return Published(commit)
        if seen and self.parent(seen) is None:
            return Failed(Reason.HELD, self._whose(branch, seen), Stage.PUSH)
        try:
            with self._mending():
                return self._replace(branch, commit, seen)
        except (InputError, OutsideError) as error:
            return failed_by(error, self._stages.last)

    def _replace(self, branch: str, commit: str, seen: str) -> PushReport:
        with self._stages.enter(Stage.PUSH):
            report = self._remote.replace(branch, commit, seen=seen)
        if isinstance(report, Failed):
            if report.kind is Kind.AWAY:
                raise FailedError(report)
            return report
        with self._stages.enter(Stage.CONFIRM):
            there = self._remote.heads(branch).get(branch, "nothing")
        if there != commit:
            words = f"{branch} shows {there[:12]} after the push of {commit[:12]}"
            return Failed(Reason.CONTESTED, words, Stage.CONFIRM)
        self._references.write({PUSHED + branch: commit, PROPOSED + branch: None})
        return report

    def _whose(self, branch: str, commit: str) -> str:
        whose = scrub(self._read(commit).committer)
        return (
            f'the branch "{branch}" ends with {commit[:12]}, committed by {whose}: it is left as '
            "it is; merge it, or delete it, and the change is proposed anew"
        )

    def _read(self, commit: str) -> _Commit:
        if commit not in self._read_before:
            while len(self._read_before) >= _REMEMBERED_COMMITS:
                del self._read_before[next(iter(self._read_before))]
            # The raw object: git log shows no parent where the history ends.
            raw = self._git.run("cat-file", "commit", commit).stdout.decode(errors="replace")
            self._read_before[commit] = _parse(raw)
        return self._read_before[commit]


def _parse(raw: str) -> _Commit:
    """The parts of a commit object (git-cat-file(1))."""
    head, _, message = raw.partition("\n\n")
    committer = re.search(r"^committer (.*>) \d+ [-+]\d+$", head, re.MULTILINE)
    parents = tuple(re.findall(r"^parent ([0-9a-f]+)$", head, re.MULTILINE))
    return _Commit(committer[1] if committer else "", parents, message)


@lru_cache(maxsize=1000)
def is_branch_name(name: str) -> bool:
    """Whether a name is a valid branch name (git-check-ref-format(1)).

    Raises:
        GitFailedError: git could not run; the next call asks again.
    """
    answer = Git(Path("/")).ask("check-ref-format", "--branch", name)
    if answer.status < 0:
        raise GitFailedError("check-ref-format", answer)
    return answer.status == 0


def check_pattern(pattern: str, base: str) -> None:
    """Check that a pattern gives valid branches, and never the managed branch.

    Raises:
        InputError: says what to write instead.
    """
    sample = pattern.replace(PLACEHOLDER, "name")
    valid = is_branch_name(sample)
    if not valid or pattern.count(PLACEHOLDER) > 1 or {"{", "}"} & set(sample):
        message = (
            f'--push-branch "{pattern}" gives no name of a branch: write one, as in '
            '"gitops-prefix/{name}"'
        )
        raise InputError(Problem("invalid-branch", message))
    if pattern in {base, PLACEHOLDER}:
        message = (
            f'--push-branch "{pattern}" must be another branch than --branch, and begin or end '
            'with a word of its own: write "gitops-prefix/{name}"'
        )
        raise InputError(Problem("invalid-branch", message))
    if _is_in_the_way(base, pattern):
        other = "prefix/{name}" if base.startswith("gitops-prefix") else "gitops-prefix/{name}"
        message = (
            f'--push-branch "{pattern}" and --branch "{base}" cannot both be there: git has no '
            f'branch below another one: give --push-branch "{other}"'
        )
        raise InputError(Problem("invalid-branch", message))


def _is_in_the_way(base: str, branch: str) -> bool:
    """Whether one name is a folder of the other (git-check-ref-format(1), "hierarchical")."""
    return base.startswith(f"{branch}/") or branch.startswith(f"{base}/")


def problem_of(branches: Mapping[str, str], base: str) -> Problem | None:
    """The first branch that is invalid, or the managed branch itself; by DynamicPrefix."""
    for name, branch in sorted(branches.items()):
        if branch == base or _is_in_the_way(base, branch) or not is_branch_name(branch):
            message = (
                f'the DynamicPrefix "{name}" would have the branch "{branch}", which cannot be: '
                "rename it, or give another --push-branch"
            )
            return Problem("invalid-branch", message)
    return None
