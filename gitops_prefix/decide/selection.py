"""Which prefix is current: one DynamicPrefix's state machine.

`select` says which prefix should be current, from what the routers said and the time.
It changes nothing that is remembered: what it proposes becomes the current prefix when
`adopt` is given a status of the repository that says so. The current prefix is never
released for nothing: with no candidate it stays (fail static).

Times are seconds of a clock that only goes forward. A deadline is compared as
`now < start + length`, the very sum that `look_again_at` returns: rounding could
otherwise make us look a moment too early, and then never again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import NamedTuple

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.candidate import (
    Candidate,
    Oddity,
    Pick,
    announcer,
    best,
    excluded,
    judge,
    of_first_source,
    warnings,
)
from gitops_prefix.decide.policy import Verdict, likely_source, source_of
from gitops_prefix.decide.prefix import Prefix, is_global
from gitops_prefix.decide.routers import Heard, Routers, RouterState, heard
from gitops_prefix.decide.specification import Acquisition, Specification
from gitops_prefix.decide.status import PrefixSource
from gitops_prefix.decide.transition import Choice

HOUR = 3600.0
GIVEN_UP = 60.0
"""Seconds for which a prefix that was given up is taken back only for want of another."""
GRACE = 5.0
"""Seconds that other routers are given to speak, after the first of a link did.

Whoever heard our solicitation has answered by then (RFC 4861 10): it is sent within 1 s
(MAX_RTR_SOLICITATION_DELAY), answered within 0.5 s (MAX_RA_DELAY_TIME), or 3 s after
the router's last one (MIN_DELAY_BETWEEN_RAS)."""


MOST_UNDONE = 2
"""How often another daemon may undo one change of ours within an hour: two daemons of one
repository that hear different prefixes would otherwise undo each other's commits for ever."""


class Standing(StrEnum):
    """How firmly the current prefix stands. The text is shown to users."""

    WAITING = "no prefix yet: no source has said one that counts"
    CURRENT = "announced and current"
    STATIC = "set by spec.acquisition.static"
    FAILED_STATIC = "no longer announced; kept until another one is"
    GONE = "router gone: it does not answer any more; kept until another one is announced"
    LISTENING = "not announced yet; other routers have a few seconds to do so"
    STABILIZING = "another prefix waits for stabilizationWindow"
    HELD = "changed too often (maxChangesPerHour); held"
    CONTESTED = (
        "contested-by-another-daemon: it hears another prefix, and each undid what the other "
        "wrote; held until the link announces another prefix, or somebody changes the status"
    )


_UNHEARD = frozenset({Standing.FAILED_STATIC, Standing.GONE, Standing.LISTENING})
"""The current prefix stands, but not because a router says so."""

SETTLED = frozenset({Standing.CURRENT, Standing.STATIC, Standing.HELD, Standing.CONTESTED})
"""Nothing is waited for that the link may say within seconds."""


class Waiting(NamedTuple):
    """A prefix that must be announced for a while before it is taken, and since when it is."""

    prefix: Prefix
    since: float


class ProposedChange(NamedTuple):
    """What was proposed: `adopt` looks for it in the repository."""

    prefix: Prefix
    router: Router | None
    at: float


class UndoneChange(NamedTuple):
    """A change that one daemon made and another undid, and when it was undone."""

    prefix: Prefix
    at: tuple[float, ...]


class Question(NamedTuple):
    """A Router Solicitation that has to be sent to all routers of a link (RFC 4861 6.3.7).

    Attributes:
        router: the one that is in doubt.
        at: since when the solicitation is due.
    """

    interface: str
    router: Router
    at: float


@dataclass(frozen=True, slots=True)
class Selection:
    """What is remembered of one DynamicPrefix between two decisions.

    Attributes:
        current: the prefix in use, as the repository has it.
        home: the router that announced it last.
        given_up: prefixes that another replaced, with when.
        rival: the prefix that waits out the stabilization window.
        returning: the prefix of a more preferred router that waits out `returnAfter`.
        changed_at: when the current prefix changed, within the last hour.
        proposed: the change that the repository may not have yet.
        published: the prefix of our last change, while it is current.
        undone: the change of ours that another daemon undid within the last hour.
        overruled: our change that undid what somebody else wrote within the last hour.
        looked_at: when it was decided last.
    """

    current: Prefix | None = None
    given_up: tuple[tuple[Prefix, float], ...] = ()
    rival: Waiting | None = None
    changed_at: tuple[float, ...] = ()
    home: Router | None = None
    returning: Waiting | None = None
    proposed: ProposedChange | None = None
    published: Prefix | None = None
    undone: UndoneChange | None = None
    overruled: UndoneChange | None = None
    looked_at: float = -inf


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer at one moment.

    Attributes:
        selection: to remember until the next decision.
        choice: for `transition.advance`.
        candidates: every announced prefix with its verdict.
        look_again_at: when time alone may change the answer; inf is never.
        solicit: the solicitations that are due: silence counts only once they were
            sent (`routers.solicited`) and stayed unanswered.
        warnings: what is odd about the routers.
    """

    selection: Selection
    choice: Choice
    standing: Standing
    candidates: tuple[Candidate, ...] = ()
    look_again_at: float = inf
    solicit: tuple[Question, ...] = ()
    warnings: tuple[Oddity, ...] = ()

    @property
    def current(self) -> Prefix | None:
        """The prefix that should be current: what is proposed, else what stands."""
        proposed = self.selection.proposed
        return proposed.prefix if proposed else self.selection.current


def adopt(
    selection: Selection, current: Prefix | None, past: tuple[Prefix, ...] | None = None
) -> Selection:
    """The selection, now that the repository was read and says `current`.

    * A change that was proposed and is there now counts: the old prefix was given up.
    * A change that is not there was not made, and is proposed again.
    * What somebody else wrote is current, and nothing was given up for it.

    Args:
        selection: what was remembered.
        current: the prefix in the repository.
        past: the history in the repository, which shows who wrote the prefix; None if
            none is kept.
    """
    before, proposed = selection.current, selection.proposed
    if current == before:
        return replace(selection, proposed=None)
    if proposed is None or proposed.prefix != current:
        given_up = tuple(item for item in selection.given_up if item[0] != current)
        return replace(
            selection,
            current=current,
            given_up=given_up,
            home=None,
            proposed=None,
            published=None,
            undone=_undone(selection, current, past),
        )
    overruled = _overruled(selection, proposed, past)
    if before is None:
        return replace(
            selection,
            current=current,
            home=proposed.router,
            proposed=None,
            published=current,
            overruled=overruled,
        )
    given_up = tuple(item for item in selection.given_up if item[0] not in {current, before})
    return Selection(
        current,
        ((before, proposed.at), *given_up),
        changed_at=(*selection.changed_at, proposed.at),
        home=proposed.router,
        published=current,
        undone=selection.undone,
        overruled=overruled,
        looked_at=selection.looked_at,
    )


def _overruled(
    selection: Selection, proposed: ProposedChange, past: tuple[Prefix, ...] | None
) -> UndoneChange | None:
    """What is remembered of changes of others that ours undid, now that `proposed` is there.

    The history says what was replaced: the branch may have moved since it was last looked at.
    """
    replaced = past[0] if past else selection.current
    if replaced is None or replaced == selection.published:
        # There was nothing, or it was our own change.
        return None
    overruled = selection.overruled
    earlier = overruled.at if overruled and overruled.prefix == proposed.prefix else ()
    return UndoneChange(proposed.prefix, (*earlier, proposed.at))


def _undone(
    selection: Selection, current: Prefix | None, past: tuple[Prefix, ...] | None
) -> UndoneChange | None:
    """What is remembered of undone changes, now that somebody else wrote `current`.

    A daemon puts the prefix that it replaces into the history. A person who reverts a
    commit, or edits the status, does not: then nothing is contested any more.
    """
    before, undone = selection.current, selection.undone
    if current is None or (past is not None and before not in past):
        return None
    if before is None or before != selection.published or selection.proposed:
        # It was not our change, or our link itself says something else by now.
        return undone
    earlier = undone.at if undone and undone.prefix == before else ()
    return UndoneChange(before, (*earlier, selection.looked_at))


def select(
    selection: Selection, specification: Specification, routers: Routers, now: float
) -> Decision:
    """Decide which prefix is current at `now`.

    * A static prefix is itself.
    * Of several sources the first that has a candidate counts (`policy.SOURCES`); a
      later one is used while the earlier ones have nothing.
    * The best candidate becomes current: at once if there is no current one, or
      the current one is no candidate any more; after the stabilization window,
      if there is one; not at all beyond `maxChangesPerHour`.
    * A current prefix that no router has mentioned yet is given GRACE to be heard.
    * The prefix of a more preferred router is taken once it stood for `returnAfter`.
    """
    acquisition = specification.acquisition
    if acquisition.static is not None:
        return _select_static(selection, acquisition.static, now)
    selection = _forget_old(selection, now)
    believed = _believed(routers, acquisition)
    candidates = judge(routers, acquisition, now)
    announced = tuple(heard(believed))
    selection = replace(selection, home=_home(selection, candidates))
    eligible = of_first_source(_eligible(candidates, selection, acquisition))
    pick = _pick(selection, eligible, acquisition)
    wanted = best(eligible, pick)
    wanted, selection = _return(selection, eligible, wanted, acquisition, now)
    listening_until = _listening_until(believed, acquisition, selection.current, wanted)
    selection, standing = _take(selection, specification, wanted, now, listening_until)
    if standing in _FIRM_OR_FAILED:
        standing = _gone(standing, selection, routers, eligible, now)
    if standing is Standing.CURRENT and _insisted(selection):
        standing = Standing.CONTESTED
    ends_in = _longest(announced, now)
    current = _current(selection)
    home = _doubted_home(selection, routers, standing)
    # A file and a router may have the same prefix: the source that counts is named.
    announcing = current and (announcer(eligible, current) or announcer(candidates, current))
    return Decision(
        selection,
        # Before any router was heard, after a restart, silence says nothing yet.
        Choice(
            current if standing not in _UNHEARD else None,
            source_of(announcing) if announcing else likely_source(acquisition),
            _valid_for(announced, now) if believed else None,
            ends_in,
            announcing or None,
        ),
        standing,
        candidates,
        min(
            _look_again_at(selection, specification, candidates, standing, now),
            listening_until if standing is Standing.LISTENING else inf,
            home.state.asked.waits_for(home.state.doubtful_at, now) if home else inf,
            # A lifetime that ends may end a past prefix (`retention: lifetime`).
            min((now + seconds for _, seconds in ends_in if seconds > 0), default=inf),
        ),
        _solicit(candidates, home, now),
        (*warnings(believed, now), *excluded(specification, announced, current)),
    )


_FIRM_OR_FAILED = frozenset({Standing.CURRENT, Standing.FAILED_STATIC})


def _insisted(selection: Selection) -> bool:
    """Whether the current prefix is our change, which another daemon undid, and then held.

    It holds because we undid its own change twice.
    """
    undone, overruled = selection.undone, selection.overruled
    return (
        undone is not None
        and overruled is not None
        and not selection.proposed
        and len(overruled.at) >= MOST_UNDONE
        and selection.current == selection.published == undone.prefix == overruled.prefix
    )


def _select_static(selection: Selection, static: Prefix, now: float) -> Decision:
    proposed = ProposedChange(static, None, now) if static != selection.current else None
    choice = Choice(static, PrefixSource.STATIC)
    return Decision(replace(selection, proposed=proposed), choice, Standing.STATIC)


def _current(selection: Selection) -> Prefix | None:
    return selection.proposed.prefix if selection.proposed else selection.current


def _forget_old(selection: Selection, now: float) -> Selection:
    return replace(
        selection,
        given_up=tuple(item for item in selection.given_up if now < item[1] + GIVEN_UP),
        changed_at=tuple(at for at in selection.changed_at if now < at + HOUR),
        proposed=None,
        undone=_forget_undone(selection.undone, now),
        overruled=_within_hour(selection.overruled, now),
        looked_at=now,
    )


def _forget_undone(undone: UndoneChange | None, now: float) -> UndoneChange | None:
    """What was undone within the last hour; once it is contested, it stays so."""
    is_contested = undone is not None and len(undone.at) >= MOST_UNDONE
    return undone if is_contested else _within_hour(undone, now)


def _within_hour(undone: UndoneChange | None, now: float) -> UndoneChange | None:
    if undone is None:
        return None
    at = tuple(moment for moment in undone.at if now < moment + HOUR)
    return undone._replace(at=at) if at else None


def _home(selection: Selection, candidates: tuple[Candidate, ...]) -> Router | None:
    """The router that announced the current prefix last.

    After a start that is the router that mentions it, even one that withdraws it.
    """
    if selection.current is None:
        return None
    announcing = announcer(candidates, selection.current)
    mentioning = (found.router for found in candidates if found.prefix == selection.current)
    return announcing or selection.home or next(mentioning, None)


def _eligible(
    candidates: tuple[Candidate, ...], selection: Selection, acquisition: Acquisition
) -> list[Candidate]:
    """The candidates, without the local ones where a global prefix is current.

    A local prefix reaches nobody outside: it never replaces a global one, whether one
    is announced now or not. Only a policy that admits no global prefix says otherwise.
    """
    current, home = selection.current, selection.home
    # Of a router that does not answer any more, no other prefix takes over: it is about to be gone.
    mute = {found.router for found in candidates if found.prefix == current and found.unanswered}
    counting = [
        found
        for found in candidates
        # The prefix of a router that is gone may stay, but it replaces no other router's.
        if found.verdict is Verdict.CANDIDATE
        and (not found.silent or current in {None, found.prefix} or found.router == home)
        and (found.prefix == current or found.router not in mute)
    ]
    if current is None or not is_global(current) or not acquisition.admits_global:
        return counting
    return [found for found in counting if is_global(found.prefix)]


def _pick(selection: Selection, eligible: list[Candidate], acquisition: Acquisition) -> Pick:
    return Pick(
        selection.current,
        selection.home,
        [prefix for prefix, _ in selection.given_up],
        acquisition,
        any(found.default_router for found in eligible),
    )


def _return(
    selection: Selection,
    eligible: list[Candidate],
    wanted: Candidate | None,
    acquisition: Acquisition,
    now: float,
) -> tuple[Candidate | None, Selection]:
    """What is wanted, and who waits to be: a more preferred router that is back."""
    rival = _preferred_rival(selection, eligible, wanted, acquisition)
    if rival is None or acquisition.return_after is None:
        return wanted, replace(selection, returning=None)
    returning = selection.returning
    if returning is None or returning.prefix != rival.prefix:
        returning = Waiting(rival.prefix, now)
    selection = replace(selection, returning=returning)
    given_up = any(rival.prefix == prefix for prefix, _ in selection.given_up)
    if given_up or now < returning.since + acquisition.return_after.total_seconds():
        return wanted, selection
    return rival, selection


def _preferred_rival(
    selection: Selection,
    eligible: list[Candidate],
    wanted: Candidate | None,
    acquisition: Acquisition,
) -> Candidate | None:
    """The candidate of a more preferred router than the current prefix has."""
    if wanted is None or wanted.prefix != selection.current:
        return None

    def level(found: Candidate) -> int:
        return acquisition.level(found.router, found.preference)

    ours = min(level(found) for found in eligible if found.prefix == selection.current)
    rivals = [
        found
        for found in eligible
        if level(found) < ours
        and not found.gone
        and is_global(found.prefix) is is_global(wanted.prefix)
    ]
    pick = _pick(replace(selection, current=None, home=None, given_up=()), rivals, acquisition)
    return best(rivals, pick)


def _listening_until(
    believed: Routers,
    acquisition: Acquisition,
    current: Prefix | None,
    wanted: Candidate | None,
) -> float:
    """Until when a current prefix that nobody announced or withdrew yet is kept.

    After a start, or when a link came up, the first router to be heard need not be the
    one that announces the current prefix. Once it was heard, or all routers that are
    believed were, there is nothing to wait for. A source of GIVING says at once all that it has.
    """
    if wanted is not None and wanted.router.gives:
        return -inf
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
    wanted: Candidate | None,
    now: float,
    listening_until: float,
) -> tuple[Selection, Standing]:
    current = selection.current
    if wanted is None:
        standing = Standing.WAITING if current is None else Standing.FAILED_STATIC
        return replace(selection, rival=None), standing
    if wanted.prefix == current:
        return replace(selection, rival=None), Standing.CURRENT
    proposed = ProposedChange(wanted.prefix, wanted.router, now)
    if current is None:
        return replace(selection, proposed=proposed, rival=None), Standing.CURRENT
    rival = selection.rival
    if rival is None or rival.prefix != wanted.prefix:
        rival = Waiting(wanted.prefix, now)
    selection = replace(selection, rival=rival)
    window = specification.transition.stabilization_window.total_seconds()
    if now < max(listening_until, rival.since + window):
        early = Standing.LISTENING if now < listening_until else Standing.STABILIZING
        return selection, early
    brake = _brake(selection, specification, wanted.prefix)
    if brake is not None:
        return selection, brake
    return replace(selection, proposed=proposed), Standing.CURRENT


def _brake(selection: Selection, specification: Specification, wanted: Prefix) -> Standing | None:
    """Why the current prefix is held although another one is wanted."""
    undone = selection.undone
    if undone and undone.prefix == wanted and len(undone.at) >= MOST_UNDONE:
        return Standing.CONTESTED
    if len(selection.changed_at) >= specification.transition.max_changes_per_hour:
        return Standing.HELD
    return None


def _gone(
    standing: Standing,
    selection: Selection,
    routers: Routers,
    eligible: list[Candidate],
    now: float,
) -> Standing:
    """The standing, if the router of the current prefix is gone and nothing else is there."""
    if selection.proposed:
        return standing
    if standing is Standing.CURRENT:
        announcing = [found for found in eligible if found.prefix == selection.current]
        return Standing.GONE if all(found.silent for found in announcing) else standing
    home = routers.get(selection.home) if selection.home else None
    return Standing.GONE if home and home.is_gone(now) else standing


class _Doubted(NamedTuple):
    """The router of the current prefix."""

    router: Router
    state: RouterState


def _doubted_home(selection: Selection, routers: Routers, standing: Standing) -> _Doubted | None:
    """The router of a current prefix that is announced no more; None if it need not be asked.

    Whether the router is gone, or only its prefix, is for the standing to say.
    """
    home = routers.get(selection.home) if selection.home else None
    if selection.home is None or home is None or standing is not Standing.FAILED_STATIC:
        return None
    return _Doubted(selection.home, home) if home.answers else None


def _solicit(
    candidates: tuple[Candidate, ...], home: _Doubted | None, now: float
) -> tuple[Question, ...]:
    """The solicitations that are due; one on a link serves all its routers."""
    asked = [(found.router, found.ask_at) for found in candidates]
    if home is not None:
        asked.append((home.router, home.state.asked.due_at(home.state.doubtful_at)))
    due: dict[str, Question] = {}
    for router, ask_at in asked:
        if ask_at <= now:
            due.setdefault(router.interface, Question(router.interface, router, ask_at))
    return tuple(due.values())


def _believed(routers: Routers, acquisition: Acquisition) -> Routers:
    """The routers whose word counts for this DynamicPrefix."""
    return {
        router: state
        for router, state in routers.items()
        if acquisition.hears(router) and acquisition.believes(router)
    }


def _valid_for(announced: Iterable[Heard], now: float) -> tuple[tuple[Prefix, float], ...]:
    """How long each prefix is still valid by what its routers stand by."""
    standing = (item for item in announced if item.state.stands_by(item.announcement, now))
    return tuple(item for item in _longest(standing, now) if item[1] > 0)


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
    moments += [found.ends_at for found in candidates if found.verdict is Verdict.CANDIDATE]
    return_after = specification.acquisition.return_after
    if selection.returning and return_after is not None:
        moments.append(selection.returning.since + return_after.total_seconds())
    if standing is Standing.STABILIZING and selection.rival:
        window = specification.transition.stabilization_window.total_seconds()
        moments.append(selection.rival.since + window)
    if standing is Standing.HELD:
        moments.append(selection.changed_at[0] + HOUR)
    if standing is Standing.CONTESTED and selection.overruled:
        moments.append(selection.overruled.at[0] + HOUR)
    return min((moment for moment in moments if moment > now), default=inf)
