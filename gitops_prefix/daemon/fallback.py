"""PURE: when the daemon applies directly, and when it gives back (DESIGN 6).

A state machine over what each pass came to and the time. It remembers two things:
since when Git is behind, and whether something of ours may still be in the cluster.
"""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from math import inf


class ApplyMode(StrEnum):
    """What `--apply` takes."""

    NEVER = "never"
    FALLBACK = "fallback"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class ApplyPolicy:
    """Whether and when.

    Attributes:
        after: how long Git must be behind before reconcilers are overridden, in seconds.
    """

    mode: ApplyMode = ApplyMode.NEVER
    after: float = 60.0


class Git(Enum):
    """What the last pass says about the branch."""

    RIGHT = "it holds what was decided"
    PUBLISHED = "it does since this pass"
    BEHIND = "our commit waits"
    UNKNOWN = "it could not be read, or is not ours to write"


class Action(Enum):
    """What to do now."""

    NOTHING = "nothing"
    PREPARE = "have the child ready"
    APPLY = "apply, and leave alone what a reconciler owns"
    OVERRIDE = "apply, and hold the reconcilers"
    RELEASE = "give back"


@dataclass(frozen=True, slots=True)
class Fallback:
    """What is remembered.

    Attributes:
        policy: as configured.
        behind_since: since when our commit waits; None when none does.
        owing: whether something of ours may be in the cluster. At the start it may: the
            daemon before us may have been killed. After a publication, too: another
            daemon may have applied, and be gone.
        commit: what is to be in the cluster, as Git names it.
        applied: what was last applied without overriding anybody.
    """

    policy: ApplyPolicy
    git: Git = Git.UNKNOWN
    behind_since: float | None = None
    owing: bool = True
    commit: str = ""
    applied: str = ""

    def see(self, git: Git, commit: str, now: float) -> "Fallback":
        """After a pass.

        Args:
            git: what it says about the branch.
            commit: what it stands for: ours, or the tip.
            now: when the pass began.
        """
        if git is Git.UNKNOWN:
            # A person may break the repository while our commit waits: it is not published.
            return replace(self, git=git)
        since = None
        if git is Git.BEHIND:
            since = now if self.behind_since is None else self.behind_since
        owing = self.owing or git is Git.PUBLISHED
        return replace(self, git=git, behind_since=since, commit=commit, owing=owing)

    def action(self, now: float) -> Action:
        """What to do now."""
        if self.policy.mode is ApplyMode.NEVER or self.git is Git.UNKNOWN:
            return Action.NOTHING
        if self.git is Git.BEHIND and now >= self.overrides_at:
            return Action.OVERRIDE
        if self.policy.mode is ApplyMode.ALWAYS and self.applied != self.commit:
            return Action.APPLY
        if self.git is Git.BEHIND:
            return Action.PREPARE
        return Action.RELEASE if self.owing else Action.NOTHING

    def begin(self, action: Action) -> "Fallback":
        """Before an action: an apply that fails half-way has touched something all the same."""
        return replace(self, owing=True) if action in {Action.APPLY, Action.OVERRIDE} else self

    def done(self, action: Action, commit: str) -> "Fallback":
        """After an action that succeeded, for what `commit` holds."""
        match action:
            case Action.APPLY:
                return replace(self, applied=commit)
            case Action.RELEASE:
                return replace(self, owing=False)
            case _:
                return self

    @property
    def cares(self) -> bool:
        """Whether anything is to be done, now or later."""
        return self.action(inf) is not Action.NOTHING

    @property
    def overrides_at(self) -> float:
        """When reconcilers are overridden, if nothing else happens; inf is never."""
        if self.behind_since is None or self.policy.mode is ApplyMode.NEVER:
            return inf
        return self.behind_since + self.policy.after
