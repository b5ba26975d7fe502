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

from gitops_prefix.decide.candidate import Candidate, Verdict, announcer, best, judge
from gitops_prefix.decide.choice import Choice
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.routers import Heard, Routers, heard
from gitops_prefix.decide.specification import Acquisition, Specification
from gitops_prefix.decide.status import PrefixSource

HOUR = 3600.0
GIVEN_UP = 60.0
"""Seconds for which a prefix that was given up is taken back only for want of another."""
GRACE = 5.0
"""Seconds that other routers are given to speak, after the first of a link did.

Whoever heard our solicitation has answered by then (RFC 4861 10): it is sent within 1 s
(MAX_RTR_SOLICITATION_DELAY), answered within 0.5 s (MAX_RA_DELAY_TIME), or 3 s after
the router's last one (MIN_DELAY_BETWEEN_RAS)."""
MOST_UNWRITTEN = 16
"""Changes that can be taken back; beyond them a window may start anew."""


class Standing(StrEnum):
    """How firmly the current prefix stands. The text is shown to users."""

    WAITING = "no prefix yet: no router has announced one that counts"
    CURRENT = "announced and current"
    STATIC = "set by spec.acquisition.static"
    FAILED_STATIC = "no longer announced; kept until another one is"
    LISTENING = "not announced yet; other routers have a few seconds to do so"
    STABILIZING = "another prefix waits for stabilizationWindow"
    HELD = "changed too often (maxChangesPerHour); held"


_UNHEARD = frozenset({Standing.FAILED_STATIC, Standing.LISTENING})
"""The current prefix stands, but not because a router says so."""

SETTLED = frozenset({Standing.CURRENT, Standing.STATIC, Standing.HELD})
"""Nothing that the link may say within seconds is waited for."""


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
    * A current prefix that no router has mentioned yet is given GRACE to be heard.
    """
    static = specification.acquisition.static
    if static is not None:
        choice = Choice(static, PrefixSource.STATIC)
        return Decision(replace(selection, current=static), choice, Standing.STATIC)
    selection = _forget_old(selection, now)
    candidates = judge(routers, specification.acquisition, now)
    wanted = best(candidates, selection.current, [prefix for prefix, _ in selection.given_up])
    believed = _believed(routers, specification.acquisition)
    listening_until = _listening_until(believed, specification.acquisition, selection.current)
    selection, standing = _take(selection, specification, wanted, now, listening_until)
    ends_in = _longest(heard(believed), now)
    return Decision(
        selection,
        Choice(
            selection.current if standing not in _UNHEARD else None,
            PrefixSource.KERNEL
            if specification.acquisition.kernel
            else PrefixSource.ROUTER_ADVERTISEMENT,
            _valid_for(believed, now),
            ends_in,
            announcer(candidates, selection.current) if selection.current else None,
        ),
        standing,
        candidates,
        min(
            _look_again_at(selection, specification, candidates, standing, now),
            listening_until if standing is Standing.LISTENING else inf,
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


def _listening_until(believed: Routers, acquisition: Acquisition, current: Prefix | None) -> float:
    """Until when a current prefix that nobody announced or withdrew yet is kept.

    After a start, or when a link came up, the first router to be heard need not be the
    one that announces the current prefix. Once it was heard, or all routers that are
    believed were, there is nothing to wait for.
    """
    said = any(current in state.announcements for state in believed.values())
    heard_all = set(acquisition.routers) and set(acquisition.routers) <= {
        router.address for router in believed
    }
    if said or heard_all or not believed:
        return -inf
    return min(state.known_since for state in believed.values()) + GRACE


def _take(
    selection: Selection,
    specification: Specification,
    wanted: Prefix | None,
    now: float,
    listening_until: float,
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
    window = specification.transition.stabilization_window.total_seconds()
    if now < max(listening_until, rival[1] + window):
        early = Standing.LISTENING if now < listening_until else Standing.STABILIZING
        return selection, early
    if len(selection.changed_at) >= specification.transition.max_changes_per_hour:
        return selection, Standing.HELD
    return _change(selection, current, wanted, now), Standing.CURRENT


def _change(selection: Selection, current: Prefix, wanted: Prefix, now: float) -> Selection:
    given_up = tuple(item for item in selection.given_up if item[0] not in {wanted, current})
    return Selection(
        wanted,
        ((current, now), *given_up),
        changed_at=(*selection.changed_at, now),
        unwritten=(*selection.unwritten, replace(selection, unwritten=()))[-MOST_UNWRITTEN:],
    )


def _believed(routers: Routers, acquisition: Acquisition) -> Routers:
    """The routers whose word counts for this DynamicPrefix."""
    return {
        router: state
        for router, state in routers.items()
        if acquisition.hears(router) and acquisition.believes(router)
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
