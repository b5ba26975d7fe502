"""One pass: from the repository and the observations to a commit on the remote."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from gitops_prefix.daemon.decisions import Watched
from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.choice import Choice
from gitops_prefix.decide.replay import replay
from gitops_prefix.decide.status import Status
from gitops_prefix.decide.transition import advance
from gitops_prefix.errors import InputError, Problem, Severity
from gitops_prefix.render.described import Described, describe
from gitops_prefix.render.inventory import Inventory, read_inventory
from gitops_prefix.render.rendering import Rendering, render
from gitops_prefix.render.settings import SETTINGS_FILE, read_settings

Observe = Callable[[Mapping[str, Watched]], Mapping[str, Choice]]
"""Takes what the repository says, and answers what the link says."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass wants to write.

    Attributes:
        inventory: what the files hold; None when they cannot be read.
        before: the statuses in the files.
        statuses: the statuses to be.
        rendering: the edits, empty when everything stands right already.
        problems: errors, each of which stops the DynamicPrefixes' publication, and notes.
        described: every DynamicPrefix, with its status to be and what is bound to it.
        inventory: of the files.
        routers: by DynamicPrefix, whose advertisement decided for its current prefix.
    """

    before: Mapping[str, Status | None]
    statuses: Mapping[str, Status]
    rendering: Rendering
    problems: tuple[Problem, ...]
    described: tuple[Described, ...] = ()
    inventory: Inventory = field(default_factory=Inventory)
    routers: Mapping[str, Router] = field(default_factory=dict)


def plan(
    files: Mapping[str, bytes],
    observe: Observe,
    now: datetime,
    unpublished: Mapping[str, Status] | None = None,
    standing: Mapping[str, Status] | None = None,
) -> Plan:
    """What to write to a tip that holds `files`.

    * Read what the files hold.
    * Make again what dropped commits of ours had decided.
    * Ask what the link says, and advance each status.
    * Render.

    Args:
        files: the managed files of the tip, by path.
        observe: what the link says.
        now: by the calendar, in UTC.
        unpublished: the statuses of our commits that a moved tip made us drop.
        standing: the statuses of our commits that stand on this tip, and are not on it yet.
    """
    try:
        inventory = read_inventory(files, read_settings(files.get(SETTINGS_FILE)))
    except InputError as error:
        return Plan({}, {}, Rendering(), error.problems)
    before = {name: one.status for name, one in inventory.dynamic_prefixes.items()}
    errors = [one for one in inventory.problems if one.severity is Severity.ERROR]
    if errors:
        return Plan(before, {}, Rendering(), inventory.problems)
    caught_up = _catch_up(inventory, unpublished or {})
    caught_up |= {name: one for name, one in (standing or {}).items() if name in caught_up}
    choices = observe(
        {
            name: Watched(one.specification, caught_up[name])
            for name, one in inventory.dynamic_prefixes.items()
        }
    )
    statuses, misfits = _advance(inventory, caught_up, choices, now)
    if misfits:
        return Plan(before, {}, Rendering(), misfits)
    rendering = render(inventory, statuses)
    described = describe(inventory, statuses)
    routers = {
        name: choice.router
        for name, choice in choices.items()
        if choice.router and name in statuses and choice.prefix == statuses[name].current
    }
    return Plan(before, statuses, rendering, rendering.problems, described, inventory, routers)


def _catch_up(inventory: Inventory, unpublished: Mapping[str, Status]) -> dict[str, Status | None]:
    caught_up = {name: one.status for name, one in inventory.dynamic_prefixes.items()}
    for name in caught_up.keys() & unpublished.keys():
        document = inventory.dynamic_prefixes[name]
        # The tip's specification may not fit what was decided under an older one: then
        # the link is asked alone, and if that does not fit either, it is told.
        with suppress(ValueError):
            caught_up[name] = replay(document.specification, document.status, unpublished[name])
    return caught_up


def _advance(
    inventory: Inventory,
    before: Mapping[str, Status | None],
    choices: Mapping[str, Choice],
    now: datetime,
) -> tuple[dict[str, Status], tuple[Problem, ...]]:
    statuses: dict[str, Status] = {}
    misfits = []
    for name, document in inventory.dynamic_prefixes.items():
        try:
            status = advance(document.specification, before[name], choices[name], now)
        except ValueError as error:
            misfits.append(Problem("does-not-fit", str(error), document.place))
        else:
            if status is not None:
                statuses[name] = status
    return statuses, tuple(misfits)
