"""Which prefix is current: one DynamicPrefix's state machine (DESIGN 5).

`select` folds what the routers say, and the passing of time, into the selection.
It never lets go of a prefix for nothing: with no candidate, the current one stays
(fail static). Times are seconds of a monotonic clock; a deadline is compared as
`now < start + length`, the very sum that `look_again_at` tells, lest rounding make
us look a moment too early and then never again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf

from gitops_prefix.decide.candidate import Candidate, Verdict, best, judge
from gitops_prefix.decide.choice import Choice
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.routers import Heard, Routers, heard
from gitops_prefix.decide.specification import Acquisition, Specification
from gitops_prefix.decide.status import PrefixSource

HOUR = 3600.0
GIVEN_UP = 60.0
"""Seconds for which a prefix that was given up is taken back only for want of another."""
MOST_UNWRITTEN = 16
"""Changes that can be taken back; beyond them a window may start anew."""


class Standing(StrEnum):
    """How firmly the current prefix stands. The text is shown to users."""

    WAITING = "no prefix yet: no router has announced one that counts"
    CURRENT = "announced and current"
    STATIC = "set by spec.acquisition.static"
    FAILED_STATIC = "no longer announced; kept until another one is"
    STABILIZING = "another prefix waits for stabilizationWindow"
    HELD = "changed too often (maxChangesPerHour); held"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is remembered between two looks.

    Attributes:
        current: the prefix in use, from the repository at first.
        given_up: prefixes that another replaced, with when.
        rival: the prefix that waits out the stabilization window, with since when.
        changed_at: when the current prefix changed, within the last hour.
        unwritten: what was remembered before each change that the repository may
            not have yet, oldest first; these have no `unwritten` of their own.
    """

    current: Prefix | None = None
    given_up: tuple[tuple[Prefix, float], ...] = ()
    rival: tuple[Prefix, float] | None = None
    changed_at: tuple[float, ...] = ()
    unwritten: tuple["Selection", ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What one look came to.

    Attributes:
        selection: to remember.
        choice: for `transition.advance`.
        candidates: every announced prefix with its verdict.
        look_again_at: when time alone may change the answer; inf is never.
    """

    selection: Selection
    choice: Choice
    standing: Standing
    candidates: tuple[Candidate, ...] = ()
    look_again_at: float = inf


def adopt(selection: Selection, current: Prefix | None) -> Selection:
    """The selection, now that the repository was read and says `current`.

    * What it says already is settled.
    * A change that it has not got is taken back, with all it did: it is decided
      again, at once, and counts once.
    * What somebody else wrote counts.
    """
    if selection.current == current:
        return replace(selection, unwritten=())
    for before in reversed(selection.unwritten):
        if before.current == current:
            return before
    given_up = tuple(item for item in selection.given_up if item[0] != current)
    return replace(selection, current=current, given_up=given_up, unwritten=())


def select(
    selection: Selection, specification: Specification, routers: Routers, now: float
) -> Decision:
    """Decide which prefix is current at `now`.

    * A static prefix is itself.
    * The best candidate becomes current: at once if there is no current one, or
      the current one is no candidate any more; after the stabilization window,
      if there is one; not at all beyond `maxChangesPerHour`.
    """
    static = specification.acquisition.static
    if static is not None:
        choice = Choice(static, PrefixSource.STATIC)
        return Decision(replace(selection, current=static), choice, Standing.STATIC)
    selection = _forget_old(selection, now)
    candidates = judge(routers, specification.acquisition, now)
    wanted = best(candidates, selection.current, [prefix for prefix, _ in selection.given_up])
    selection, standing = _take(selection, specification, wanted, now)
    believed = _believed(routers, specification.acquisition)
    ends_in = _longest(heard(believed), now)
    return Decision(
        selection,
        Choice(
            selection.current if standing is not Standing.FAILED_STATIC else None,
            PrefixSource.ROUTER_ADVERTISEMENT,
            _valid_for(believed, now),
            ends_in,
        ),
        standing,
        candidates,
        min(
            _look_again_at(selection, specification, candidates, standing, now),
            # A lifetime that ends may end a past prefix (`retention: lifetime`).
            min((now + seconds for _, seconds in ends_in if seconds > 0), default=inf),
        ),
    )


def _forget_old(selection: Selection, now: float) -> Selection:
    return replace(
        selection,
        given_up=tuple(item for item in selection.given_up if now < item[1] + GIVEN_UP),
        changed_at=tuple(at for at in selection.changed_at if now < at + HOUR),
    )


def _take(
    selection: Selection, specification: Specification, wanted: Prefix | None, now: float
) -> tuple[Selection, Standing]:
    current = selection.current
    if wanted is None:
        standing = Standing.WAITING if current is None else Standing.FAILED_STATIC
        return replace(selection, rival=None), standing
    if wanted == current:
        return replace(selection, rival=None), Standing.CURRENT
    if current is None:
        return replace(selection, current=wanted, rival=None), Standing.CURRENT
    rival = selection.rival
    if rival is None or rival[0] != wanted:
        rival = (wanted, now)
    selection = replace(selection, rival=rival)
    if now < rival[1] + specification.transition.stabilization_window.total_seconds():
        return selection, Standing.STABILIZING
    if len(selection.changed_at) >= specification.transition.max_changes_per_hour:
        return selection, Standing.HELD
    given_up = tuple(item for item in selection.given_up if item[0] not in {wanted, current})
    changed = Selection(
        wanted,
        ((current, now), *given_up),
        changed_at=(*selection.changed_at, now),
        unwritten=(*selection.unwritten, replace(selection, unwritten=()))[-MOST_UNWRITTEN:],
    )
    return changed, Standing.CURRENT


def _believed(routers: Routers, acquisition: Acquisition) -> Routers:
    """The routers whose word counts for this DynamicPrefix."""
    return {
        router: state
        for router, state in routers.items()
        if router.interface in acquisition.interfaces
        and (not acquisition.routers or router.address in acquisition.routers)
    }


def _valid_for(routers: Routers, now: float) -> tuple[tuple[Prefix, float], ...] | None:
    """How long each prefix is still valid by what its routers stand by.

    None before any router was heard: after a restart, silence says nothing yet.
    """
    standing = (item for item in heard(routers) if item.state.stands_by(item.announcement, now))
    ends = _longest(standing, now)
    return tuple(item for item in ends if item[1] > 0) if routers else None


def _longest(items: Iterable[Heard], now: float) -> tuple[tuple[Prefix, float], ...]:
    """The seconds of valid lifetime left of each prefix, by the router that says most."""
    longest: dict[Prefix, float] = {}
    for item in items:
        prefix = item.announcement.information.prefix
        longest[prefix] = max(item.announcement.valid_for(now), longest.get(prefix, -inf))
    return tuple(sorted(longest.items()))


def _look_again_at(
    selection: Selection,
    specification: Specification,
    candidates: tuple[Candidate, ...],
    standing: Standing,
    now: float,
) -> float:
    moments = [at + GIVEN_UP for _, at in selection.given_up]
    moments += [one.ends_at for one in candidates if one.verdict is Verdict.CANDIDATE]
    if standing is Standing.STABILIZING and selection.rival:
        window = specification.transition.stabilization_window.total_seconds()
        moments.append(selection.rival[1] + window)
    if standing is Standing.HELD:
        moments.append(selection.changed_at[0] + HOUR)
    return min((moment for moment in moments if moment > now), default=inf)
