"""What a commit is about: which DynamicPrefixes move, and which fields, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.status import Status
from gitops_prefix.plan.plan import Plan
from gitops_prefix.render.binding import Change, NamedField
from gitops_prefix.render.rendering import Drift


class Changed(NamedField, Protocol):
    """A managed field that changed."""

    @property
    def path(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class StatusChange:
    """One DynamicPrefix, before and after the commit.

    Attributes:
        router: whose advertisement decided, when one is known.
    """

    name: str
    previous: Status | None
    current: Status
    router: Router | None = None

    @property
    def moved(self) -> bool:
        """Whether another prefix is current than before."""
        return self.previous is None or self.previous.current != self.current.current


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a commit is about.

    Attributes:
        transitions: every DynamicPrefix whose status changes.
        changes: every managed field that changes.
        standing: every DynamicPrefix, with the status that it then has.
        by_hand: the subset of `changes` that revert a manual edit.
        first: the subset of `changes` that were never rendered before.
    """

    transitions: Sequence[StatusChange] = ()
    changes: Sequence[Changed] = ()
    standing: Sequence[StatusChange] = ()
    by_hand: Sequence[Changed] = ()
    first: Sequence[Changed] = ()


def occasion(planned: Plan, drift: Drift = Drift()) -> Occasion:  # noqa: B008  frozen
    """The occasion of the commit that writes a plan.

    Args:
        planned: what is written.
        drift: the fields that were not what the statuses in the files render.
    """
    changes = planned.rendering.changes
    return Occasion(
        transitions(planned),
        changes,
        tuple(
            StatusChange(name, status, status, planned.routers.get(name))
            for name, status in planned.statuses.items()
        ),
        _among(changes, drift.by_hand),
        _among(changes, drift.first),
    )


def transitions(planned: Plan) -> tuple[StatusChange, ...]:
    """Every DynamicPrefix whose status decides something else than the files say."""
    return tuple(
        StatusChange(name, planned.before.get(name), status, planned.routers.get(name))
        for name, status in sorted(planned.statuses.items())
        if not status.same_decision(planned.before.get(name))
    )


def _among(changes: Sequence[Change], found: Sequence[Change]) -> tuple[Change, ...]:
    """The changes to fields that drifted, as the commit makes them."""
    by_field = {_key(change): change for change in changes}
    return tuple(by_field[key] for key in map(_key, found) if key in by_field)


def _key(change: Change) -> tuple[str, int, str]:
    return (change.path, change.document, change.field)
