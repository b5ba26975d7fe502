"""What a pass writes: each status moves on, and the manifests follow."""

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, cast

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.prefix import USUAL_LENGTH
from gitops_prefix.decide.specification import MOST_HISTORY, Acquisition, Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.decide.transition import Choice, advance, imagined_prefix, replay, settle
from gitops_prefix.errors import InputError, Place, Problem, Severity
from gitops_prefix.render.inventory import Described, Inventory, describe
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import Rendering, find_refusals, render
from gitops_prefix.render.settings import SETTINGS_FILE, read_settings

if TYPE_CHECKING:
    from gitops_prefix.plan.ears import Watched

_MOST_STEPS = MOST_HISTORY + 2
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Left:
    """What commits of ours decided that is not on the branch.

    Attributes:
        dropped: statuses of commits whose tip has moved on: their changes are made again.
        waiting: statuses of commits that stand on the tip: taken over as they are.
        proposed: whether they are proposals that others may merge. A proposal that is
            given up for the prefix that the tip still has leaves nothing in the history.
    """

    dropped: Mapping[str, Status] = field(default_factory=dict)
    waiting: Mapping[str, Status] = field(default_factory=dict)
    proposed: bool = False

    def without(self, names: set[str]) -> "Left":
        """The same, but for some DynamicPrefixes."""
        return Left(
            {name: status for name, status in self.dropped.items() if name not in names},
            {name: status for name, status in self.waiting.items() if name not in names},
            self.proposed,
        )


NOTHING_LEFT = Left()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass writes.

    Attributes:
        inventory: what the files hold.
        before: the statuses in the files.
        statuses: the statuses to write; a DynamicPrefix that an error holds back has none.
        rendering: the edits; empty when nothing has to change.
        problems: errors, each of which holds back a part, and notes.
        described: each DynamicPrefix with the status to write and what is bound to it.
        routers: by DynamicPrefix, the router whose advertisement decided.
        held: the DynamicPrefixes that an error holds back.
    """

    inventory: Inventory = field(default_factory=Inventory)
    before: Mapping[str, Status | None] = field(default_factory=dict)
    statuses: Mapping[str, Status] = field(default_factory=dict)
    rendering: Rendering = field(default_factory=Rendering)
    problems: tuple[Problem, ...] = ()
    described: tuple[Described, ...] = ()
    routers: Mapping[str, Router] = field(default_factory=dict)
    held: frozenset[str] = frozenset()

    @property
    def invalid(self) -> bool:
        """Whether the pass stops: the parts of the repository cannot be distinguished."""
        return self.inventory.stopped


class Advanced(NamedTuple):
    """The statuses after what was observed, and each that does not fit."""

    statuses: dict[str, Status]
    misfits: tuple[Problem, ...]


def read_repository(files: Mapping[str, bytes]) -> Inventory:
    """What managed files hold, by the settings among them; a wrong setting is a problem."""
    try:
        return read_inventory(files, read_settings(files.get(SETTINGS_FILE)))
    except InputError as error:
        return Inventory(problems=error.problems, stopped=True)


def plan(
    inventory: Inventory, choices: Mapping[str, Choice], now: datetime, left: Left = NOTHING_LEFT
) -> Plan:
    """What to write to a tip that holds `inventory`.

    * Make again what dropped commits of ours decided.
    * Advance each status by what was decided since.
    * Forget a proposal that is given up for the prefix that the tip still has.
    * Render. An error holds back its field or document, or its DynamicPrefix with all that
      follows it.

    Args:
        inventory: of the files on the tip.
        choices: what was decided, by DynamicPrefix.
        now: by the calendar, in UTC.
        left: what commits of ours decided that is not on the tip.
    """
    before = {name: document.status for name, document in inventory.dynamic_prefixes.items()}
    if inventory.stopped:
        return Plan(inventory, before, problems=inventory.problems)
    statuses, misfits = _advance_left(inventory, choices, now, left)
    returned = {
        name for name in statuses if left.proposed and _returns(name, left, before, statuses)
    }
    if returned:
        statuses, misfits = _advance_left(inventory, choices, now, left.without(returned))
    rendering = render(inventory, statuses)
    misfitting = {problem.place for problem in misfits}
    held = rendering.held | {
        name
        for name, document in inventory.dynamic_prefixes.items()
        if document.place in misfitting
    }
    statuses = {name: each for name, each in statuses.items() if name not in rendering.held}
    return Plan(
        inventory,
        before,
        statuses,
        rendering,
        (*rendering.problems, *misfits),
        describe(inventory, statuses),
        {
            name: choice.router
            for name, choice in choices.items()
            if choice.router and name in statuses and choice.prefix == statuses[name].current
        },
        held,
    )


def rehearse(
    inventory: Inventory, statuses: Mapping[str, Status], known: Collection[Problem] = ()
) -> tuple[Problem, ...]:
    """What the coming prefixes would be refused for.

    A field is edited only when its value changes. So what prevents an edit (an alias, an
    anchor) shows at the next prefix, and the field then stays behind its DynamicPrefix.
    Every DynamicPrefix walks through imagined prefixes until its oldest one is dropped. The
    first and the last are rendered: those between differ in the length of lists alone.

    Args:
        inventory: of the files.
        statuses: by name, as the files should have them.
        known: problems of the files as they are, which are not repeated.
    """
    reported = {(problem.code, problem.place and problem.place.path) for problem in known}
    found: dict[tuple[str, Place | None], Problem] = {}
    walking, steps = statuses, _steps(inventory)
    examined: set[Hashable] = set()
    for number in range(steps):
        walking, misfits = _imagine_next(inventory, walking, number)
        found |= {(problem.code, problem.place): problem for problem in misfits}
        is_rendered = number in {0, steps - 1} and not inventory.stopped
        refusals = find_refusals(inventory, walking, examined) if is_rendered else []
        for problem in filter(_refuses, refusals):
            if (problem.code, problem.place and problem.place.path) not in reported:
                found.setdefault((problem.code, problem.place), _foreseen(problem))
    return (*found.values(), *_other_delegations(inventory, statuses))


def _other_delegations(inventory: Inventory, statuses: Mapping[str, Status]) -> Iterator[Problem]:
    """A note where a longer prefix than the one that is asked for would not do.

    `requestedPrefixLength` is a hint to the server (RFC 8415, 18.2.1). The first prefix shows
    what it delegates.
    """
    for name, document in inventory.dynamic_prefixes.items():
        specification = document.specification
        asked = specification.acquisition.watched_delegation
        # Beside advertisements the fallback to their /64 has a warning of its own.
        if not asked or name in statuses or specification.acquisition.watched_links:
            continue
        for length in range(asked.length + 1, USUAL_LENGTH + 1):
            choice = Choice(imagined_prefix(specification, length, 0))
            try:
                advance(specification, None, choice, _LONG_AGO)
            except ValueError as error:
                message = (
                    f"the server may delegate a /{length} where a /{asked.length} is asked for, "
                    f"and then {error}"
                )
                place = document.place
                yield Problem("delegation-may-not-fit", message, place, Severity.NOTE)
                break


def _steps(inventory: Inventory) -> int:
    """As many prefixes as it takes to fill every history, and to drop its oldest prefix."""
    histories = [
        document.specification.transition.max_prefix_history
        for document in inventory.dynamic_prefixes.values()
    ]
    return max(histories) + 2 if histories else 0


def _imagine_next(
    inventory: Inventory, statuses: Mapping[str, Status], number: int
) -> tuple[dict[str, Status], list[Problem]]:
    """Each status in an imagined prefix after the last one, and what would not fit."""
    following: dict[str, Status] = {}
    misfits = []
    for index, (name, document) in enumerate(inventory.dynamic_prefixes.items()):
        before, specification = statuses.get(name), document.specification
        if before is None and number:
            continue
        usual = specification.acquisition.usual_length
        length = before.current.length if before else usual
        choice = Choice(imagined_prefix(specification, length, index * _MOST_STEPS + number))
        moment = (before and before.acquired_at) or _LONG_AGO
        try:
            # A choice with a prefix is never without a status after it.
            following[name] = cast("Status", advance(specification, before, choice, moment))
        except ValueError as error:
            message = f"{error}; {_remedy(specification.acquisition, length)}"
            misfits.append(Problem("may-not-fit", message, document.place, Severity.WARNING))
    return following, misfits


def _remedy(acquisition: Acquisition, length: int) -> str:
    """What gives a prefix the room that one of this length, the likely one, has not."""
    if acquisition.watched_delegation:
        words = "write dhcpv6pd.requestedPrefixLength, as in 56, or a smaller offset"
        return f"a /{length} is asked for: {words}"
    if acquisition.watched_links or acquisition.watched_kernel:
        words = "set routerAdvertisement.delegatedPrefixLength to what the ISP delegates"
        return f"a link's prefix is a /{length}: {words}"
    return f"the source has to say a shorter prefix than a /{length}, or write a smaller offset"


def _refuses(problem: Problem) -> bool:
    return problem.severity is Severity.ERROR


def _foreseen(problem: Problem) -> Problem:
    message = f"{problem.message} (nothing has to change here today; the next prefix is refused)"
    return replace(problem, message=message)


def watch(inventory: Inventory, left: Left = NOTHING_LEFT) -> "dict[str, Watched]":
    """The DynamicPrefixes, with the statuses that the next decision starts from."""
    from gitops_prefix.plan.ears import Watched  # noqa: PLC0415  commands that hear nothing

    return {
        name: Watched(
            document.specification,
            left.waiting.get(name)
            or _catch_up(document.specification, document.status, left.dropped.get(name)),
        )
        for name, document in inventory.dynamic_prefixes.items()
    }


def advance_all(
    inventory: Inventory,
    before: Mapping[str, Status | None],
    observed: Mapping[str, Sequence[Choice]],
    now: datetime,
) -> Advanced:
    """The status of each DynamicPrefix, after what was observed.

    Args:
        inventory: has the specifications.
        before: the statuses to start from.
        observed: what was observed of each, oldest first. Where nothing was, the status
            only follows its specification, and time ends nothing.
        now: by the calendar, in UTC.
    """
    statuses: dict[str, Status] = {}
    misfits: list[Problem] = []
    for name, document in inventory.dynamic_prefixes.items():
        try:
            status = _advance(document.specification, before[name], observed.get(name, ()), now)
        except ValueError as error:
            misfits.append(Problem("does-not-fit", str(error), document.place))
            continue
        if status is not None:
            statuses[name] = status
    return Advanced(statuses, tuple(misfits))


def would_change(
    watched: "Mapping[str, Watched]", choices: Mapping[str, Choice], now: datetime
) -> bool:
    """Whether a plan would write another status than the repository has.

    A choice that does not fit its DynamicPrefix counts too: the plan reports it.
    """
    return any(_differs(followed, choices[name], now) for name, followed in watched.items())


def _advance_left(
    inventory: Inventory, choices: Mapping[str, Choice], now: datetime, left: Left
) -> Advanced:
    caught_up = {name: followed.status for name, followed in watch(inventory, left).items()}
    observed = {name: (choice,) for name, choice in choices.items()}
    return advance_all(inventory, caught_up, observed, now)


def _returns(
    name: str, left: Left, before: Mapping[str, Status | None], statuses: Mapping[str, Status]
) -> bool:
    """Whether what was proposed is given up for the prefix that the tip still has."""
    proposed, tip = left.waiting.get(name, left.dropped.get(name)), before[name]
    if proposed is None or tip is None:
        return False
    return statuses[name].current == tip.current != proposed.current


def _differs(followed: "Watched", choice: Choice, now: datetime) -> bool:
    try:
        return advance(followed.specification, followed.status, choice, now) != followed.status
    except ValueError:
        return True


def _catch_up(
    specification: Specification, status: Status | None, dropped: Status | None
) -> Status | None:
    """The status of the tip, after the changes that our dropped commit had made."""
    if dropped is None:
        return status
    # Those changes may not fit the specification of the new tip. Then only what is
    # observed now counts, and if that does not fit either, the plan reports it.
    with suppress(ValueError):
        return replay(specification, status, dropped)
    return status


def _advance(
    specification: Specification,
    status: Status | None,
    observed: Sequence[Choice],
    now: datetime,
) -> Status | None:
    for choice in observed:
        status = advance(specification, status, choice, now)
    if status is None or observed:
        return status
    return settle(specification, status)
