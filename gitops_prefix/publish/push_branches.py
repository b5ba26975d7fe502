"""Branches of ours, which people look at before they merge them.

One for each DynamicPrefix, or one for all. Each holds one commit of ours, on a tip of
the branch that is kept true: so a branch whose last commit is ours holds nothing that
is somebody else's, and may be replaced. Any other is left as it is.
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
"""Our commit, and what it stands on."""


@dataclass(frozen=True, slots=True)
class _Commit:
    committer: str
    parents: tuple[str, ...]
    message: str


Mending: TypeAlias = Callable[[], AbstractContextManager[None]]


class PushBranches:
    """What is on our branches at the remote, and what is to be."""

    def __init__(  # noqa: PLR0913  all that it is joined to
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
        """Join it to a clone; nothing is asked yet.

        Args:
            pattern: a branch's name, in which `{name}` stands for a DynamicPrefix's.
            remote: where they are.
            arrival: brings what is on them.
            git: in the clone.
            references: of the clone.
            stages: told what is under way.
            mending: after a failure, looks whether the clone is damaged.
            committer: of what is ours.
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
        """Whether each DynamicPrefix has a branch of its own."""
        return PLACEHOLDER in self._pattern

    def branch_of(self, name: str) -> str:
        """The branch for a DynamicPrefix."""
        return self._pattern.replace(PLACEHOLDER, name)

    def name_of(self, branch: str) -> str | None:
        """The DynamicPrefix that a branch is for, when each has its own."""
        before, _, after = self._pattern.partition(PLACEHOLDER)
        return branch.removeprefix(before).removesuffix(after) if self.apart else None

    def look(self) -> None:
        """See where our branches are now, and bring what is new on them.

        Raises:
            FailedError: the remote did not answer, or refuses us.
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
        """Each branch of ours with its commit, as last seen at the remote."""
        return self._references.value.pushed

    def waiting(self) -> dict[str, str]:
        """Each branch with a commit of ours that the remote was not yet seen to have."""
        return self._references.value.proposed

    def parent(self, commit: str) -> str | None:
        """What a commit of ours stands on; None when it is not ours."""
        found = self._read(commit)
        ours = self._committer.wrote(found.committer) and f"\n{PROPOSED_TO}: " in found.message
        return found.parents[0] if ours and len(found.parents) == 1 else None

    def message(self, commit: str) -> str:
        """The whole message of a commit."""
        return self._read(commit).message

    def place(self, branch: str) -> str:
        """The reference that a new commit for a branch goes to, until it is pushed."""
        return PROPOSED + branch

    def drop(self, branch: str) -> None:
        """Forget our commit that waits for a branch."""
        self._references.write({PROPOSED + branch: None})

    def push(self, branch: str) -> PushReport:
        """Put a branch to our commit that waits for it.

        A branch that holds somebody else's commit is `held`: that commit is not thrown away.
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
            # The raw object: where the clone ends, git log shows no parent.
            raw = self._git.run("cat-file", "commit", commit).stdout.decode(errors="replace")
            self._read_before[commit] = _parse(raw)
        return self._read_before[commit]


def _parse(raw: str) -> _Commit:
    """What stands in a commit object (git-cat-file(1))."""
    head, _, message = raw.partition("\n\n")
    committer = re.search(r"^committer (.*>) \d+ [-+]\d+$", head, re.MULTILINE)
    parents = tuple(re.findall(r"^parent ([0-9a-f]+)$", head, re.MULTILINE))
    return _Commit(committer[1] if committer else "", parents, message)


@lru_cache(maxsize=1000)
def is_branch_name(name: str) -> bool:
    """Whether git takes a name for a branch's (git-check-ref-format(1)).

    Raises:
        GitFailedError: git could not run; the next call asks again.
    """
    answer = Git(Path("/")).ask("check-ref-format", "--branch", name)
    if answer.status < 0:
        raise GitFailedError("check-ref-format", answer)
    return answer.status == 0


def check_pattern(pattern: str, base: str) -> None:
    """Refuse a pattern that could not give branches, or would give the one that is kept true.

    Raises:
        InputError: with what to write instead.
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


def problem_of(branches: Mapping[str, str], base: str) -> Problem | None:
    """What is wrong with the branches that the names in a repository give; by name."""
    for name, branch in sorted(branches.items()):
        if branch == base or not is_branch_name(branch):
            message = (
                f'the DynamicPrefix "{name}" would have the branch "{branch}", which cannot be: '
                "rename it, or give another --push-branch"
            )
            return Problem("invalid-branch", message)
    return None
