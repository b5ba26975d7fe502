"""The references of the clone, as one value.

`References.read` asks git once, when the clone is opened or healed, or after a fetch. Our
own writes then replace the value: the lock of the clone excludes every other writer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType

from gitops_prefix.publish.git import Git

TIP = "refs/remotes/origin/tip"
"""The branch's commit when it was last seen."""
UNPUBLISHED = "refs/gitops-prefix/unpublished"
"""Our commit that the branch was not yet seen to have."""
ONTO = "refs/gitops-prefix/onto"
"""The tip that our commit was made for. A branch that was reset to an older commit has
another tip, although our commit still descends from it: a push would restore the commits
that somebody removed."""
INCOMING = "refs/gitops-prefix/incoming"
"""A tip that is being fetched, until all that is needed of it is here."""
PUSHED = "refs/remotes/origin/pushed/"
"""Below it: branches of ours, as last seen at the remote."""
PROPOSED = "refs/gitops-prefix/proposed/"
"""Below it: commits of ours that wait to be pushed to a branch of ours."""


class Relation(Enum):
    """How our unpublished commit relates to the tip."""

    NONE = auto()
    """There is no such commit, or no tip."""
    AHEAD = auto()
    """It was made for this tip, and descends from it."""
    ARRIVED = auto()
    """The tip holds it."""
    STALE = auto()
    """It stands on something that is no longer the tip."""


@dataclass(frozen=True, slots=True)
class Refs:
    """The references at one moment.

    Attributes:
        commits: the commit of each reference, by the reference's full name.
        relation: of the unpublished commit to the tip.
    """

    commits: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    relation: Relation = Relation.NONE

    @property
    def tip(self) -> str | None:
        """The branch's commit when it was last seen."""
        return self.commits.get(TIP)

    @property
    def unpublished(self) -> str | None:
        """Our commit that was not yet seen on the branch."""
        return self.commits.get(UNPUBLISHED)

    @property
    def base(self) -> str | None:
        """The parent of our next commit: our unpublished commit if it is ahead, else the tip."""
        if self.tip is None or self.relation is Relation.AHEAD:
            return self.unpublished
        return self.tip

    @property
    def stale(self) -> bool:
        """Whether our commit stands on something that is no longer the tip."""
        return self.relation is Relation.STALE

    @property
    def pushed(self) -> dict[str, str]:
        """Each branch of ours with its commit, as last seen at the remote."""
        return self._below(PUSHED)

    @property
    def proposed(self) -> dict[str, str]:
        """Each branch with a commit of ours that the remote was not yet seen to have."""
        return self._below(PROPOSED)

    def _below(self, folder: str) -> dict[str, str]:
        return {
            name.removeprefix(folder): commit
            for name, commit in self.commits.items()
            if name.startswith(folder)
        }


class References:
    """Reads and writes the references of one clone.

    Attributes:
        value: what git said last, plus our own writes since then.
    """

    def __init__(self, git: Git) -> None:
        """Nothing is read yet."""
        self._git = git
        self.value = Refs()

    def read(self) -> None:
        """Read every reference, by one question."""
        answer = self._git.ask("for-each-ref", "--format=%(objectname) %(refname)", "refs")
        pairs = (line.split(" ", 1) for line in answer.lines()) if answer.status == 0 else ()
        self._replace({name: commit for commit, name in pairs})

    def write(self, changes: Mapping[str, str | None]) -> None:
        """Set references, or delete those whose commit is None, in one transaction.

        Raises:
            GitFailedError: none of them is changed.
        """
        known = self.value.commits
        lines = [
            f"delete {name}\n" if commit is None else f"update {name} {commit}\n"
            for name, commit in changes.items()
            if known.get(name) != commit
        ]
        if lines:
            self._git.run("update-ref", "--stdin", stdin="".join(lines).encode())
            self.note(changes)

    def note(self, changes: Mapping[str, str | None], relation: Relation | None = None) -> None:
        """Take over what another git command of ours wrote.

        Args:
            changes: as `write` has them.
            relation: of the unpublished commit to the tip, when it is known; None: git is asked.
        """
        commits = {**self.value.commits, **changes}
        kept = {name: commit for name, commit in commits.items() if commit is not None}
        self._replace(kept, relation)

    def _replace(self, commits: Mapping[str, str], relation: Relation | None = None) -> None:
        relation = self._relate(commits) if relation is None else relation
        self.value = Refs(MappingProxyType(commits), relation)

    def _relate(self, commits: Mapping[str, str]) -> Relation:
        tip, ours = commits.get(TIP), commits.get(UNPUBLISHED)
        if tip is None or ours is None:
            return Relation.NONE
        # A clone of an earlier version has no note; then ancestry alone counts.
        if commits.get(ONTO) in {None, tip} and self._holds(ours, tip):
            return Relation.AHEAD
        return Relation.ARRIVED if self._holds(tip, ours) else Relation.STALE

    def _holds(self, commit: str, ancestor: str) -> bool:
        """Whether a commit equals or descends from another, as far as the history is fetched."""
        return self._git.ask("merge-base", "--is-ancestor", ancestor, commit).status == 0
