"""The walk: a scenario's events and the passing of time, through the same pass as the daemon's."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b
from math import ceil, inf

from gitops_prefix.decide.advertisement import (
    KERNEL,
    SOURCE_LINK_LAYER_ADDRESS,
    WEBHOOK,
    Preference,
    PrefixInformation,
    Router,
    RouterAdvertisement,
    UnknownOption,
)
from gitops_prefix.decide.other_sources import KernelPrefix
from gitops_prefix.decide.policy import likely_source
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import Standing
from gitops_prefix.decide.status import Status
from gitops_prefix.decide.transition import Choice, due
from gitops_prefix.errors import InputError, Place, Problem
from gitops_prefix.plan.ears import (
    Accepted,
    Advertised,
    Ears,
    Given,
    LinkChanged,
    LinkEvent,
)
from gitops_prefix.plan.occasion import occasion
from gitops_prefix.plan.plan import Plan, plan, watch, would_change
from gitops_prefix.render.files import RepositoryFiles
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import Drift, Rendering, find_drift
from gitops_prefix.render.settings import Settings
from gitops_prefix.simulate.scenario import (
    Action,
    Announces,
    Event,
    FallsSilent,
    GitChanges,
    Gives,
    LinkChanges,
    LosesPackets,
    Observed,
    Restarts,
    SaysFarewell,
    Scenario,
)
from gitops_prefix.simulate.steps import Look, Step, Walk, held_fields

ANSWER = 1
"""Seconds after which routers answer a solicitation. One is sent when a link comes up and
when the daemon starts (RFC 4861 6.3.7); an answer is at most 0.5 s late (6.2.6)."""
FAREWELL = RouterAdvertisement(64, False, False, Preference.MEDIUM, 0, 0, 0, ())  # noqa: FBT003
"""The last advertisement of a router that stops (RFC 4861 6.2.5)."""
LONGEST_WAIT = 30 * 86_400.0
"""Seconds after the last event for which the walk waits for what time alone still ends."""
MOST_INSTANTS = 30_000


def walk(files: Mapping[str, bytes], settings: Settings, scenario: Scenario) -> Walk:
    """Walk through a scenario.

    * Everything that happens at one instant is one step, as a burst is one commit.
    * Between the events, go to the next moment at which a router repeats itself or
      time alone may change something.
    * Without `until`, end when there is nothing left to wait for.

    Args:
        files: the managed files, by path, without errors.
        settings: of the repository.
        scenario: what happens.

    Raises:
        InputError: so many repetitions that the walk would take hours.
    """
    world = _World(files, settings, scenario)
    events = list(scenario.events)
    at, repeated = 0.0, 0
    steps: list[Step] = []
    for _ in range(MOST_INSTANTS):
        now = [events.pop(0) for event in tuple(events) if event.at <= at]
        heard = world.take(now, at)
        step = world.look(now, at, first=not steps)
        if step is None:
            repeated += heard
        else:
            steps.append(replace(step, repeated=repeated, again=heard > 0))
            repeated = 0
        moment = world.next_moment(at, events)
        if moment == inf or (scenario.until is not None and moment > scenario.until):
            end = at if scenario.until is None else float(scenario.until)
            return world.ended(tuple(steps), end, repeated)
        at = moment
    message = f"more than {MOST_INSTANTS} moments: a longer `every`, or an earlier `until`"
    raise InputError(Problem("out-of-range", message))


class _Routers:
    """The routers of a scenario: who speaks, when next, and on which link nobody listens."""

    def __init__(self) -> None:
        self._speaking: dict[str, Announces] = {}
        self._next: dict[str, float] = {}
        self._lost: dict[str, int] = {}
        self._down: set[str] = set()

    def take(self, action: Action, at: float) -> list[LinkEvent]:
        """What the daemon hears of an event."""
        match action:
            case Announces(once=True):
                return self._say(action, at)
            case Announces():
                self._speaking[action.label] = action
                self._repeat_after(action, at)
                return self._say(action, at)
            case FallsSilent():
                self._stop(action.label)
            case SaysFarewell(router, label):
                self._stop(label)
                return self._say(Announces(router, label, (FAREWELL,)), at)
            case LosesPackets(_, label, times):
                self._lost[label] = times
            case LinkChanges(interface, up):
                (self._down.discard if up else self._down.add)(interface)
                if up:
                    self.solicit(at, interface)
                return [LinkChanged(interface, up, present=True, at=at)]
            case Restarts():
                self.solicit(at)
            case _:
                pass
        return []

    def repeat(self, at: float) -> list[LinkEvent]:
        """The advertisements that are due again and are heard."""
        labels = [label for label, moment in self._next.items() if moment <= at]
        due_now = sorted(
            (self._speaking[label] for label in labels),
            key=lambda announces: (announces.router, announces.label),
        )
        for announces in due_now:
            self._repeat_after(announces, at)
        return [event for announces in due_now for event in self._say(announces, at)]

    @property
    def next_at(self) -> float:
        """When the next router repeats itself; inf if none does."""
        return min(self._next.values(), default=inf)

    def _repeat_after(self, announces: Announces, at: float) -> None:
        self._next[announces.label] = at + announces.every if announces.every else inf

    def _stop(self, label: str) -> None:
        self._speaking.pop(label, None)
        self._next.pop(label, None)

    def _say(self, announces: Announces, at: float) -> list[LinkEvent]:
        """What is heard of it: nothing on a link that is down, or when it is lost."""
        router = announces.router
        if router.interface in self._down:
            return []
        lost = self._lost.get(announces.label, 0)
        if lost:
            self._lost[announces.label] = lost - 1
            return []
        hardware = _hardware(announces.label)
        return [
            Advertised(
                router,
                advertisement._replace(unknown=(hardware, *advertisement.unknown)),
                at,
                repeated=False,
            )
            for advertisement in announces.advertisements
        ]

    def solicit(self, at: float, interface: str | None = None) -> None:
        """The daemon asks: whoever speaks answers."""
        for label, announces in self._speaking.items():
            if interface in {None, announces.router.interface}:
                self._next[label] = at + ANSWER


def _hardware(label: str) -> UnknownOption:
    """The hardware address of a router: two behind one link-local address differ by it."""
    address = b"\x02" + blake2b(label.encode(), digest_size=5).digest()
    return UnknownOption(SOURCE_LINK_LAYER_ADDRESS, address)


class _World:
    """The repository, the routers and the daemon's memory, as they are at one moment."""

    def __init__(self, files: Mapping[str, bytes], settings: Settings, scenario: Scenario) -> None:
        self._files = RepositoryFiles.of(files)
        self._settings = settings
        self._scenario = scenario
        self._inventory = read_inventory(files, settings)
        self._known: set[tuple[str, str, Place | None]] = set(map(_key, self._inventory.problems))
        self._routers = _Routers()
        self._ears = Ears()
        self._watches = not any(isinstance(event.action, Observed) for event in scenario.events)
        self._last_event = max((event.at for event in scenario.events), default=0)
        self._shown: dict[str, object] = {}
        self._given: dict[str, Prefix] = {}
        self._gifts: dict[str, tuple[tuple[PrefixInformation, ...], float]] = {}
        self._away = False
        self._commits = self._waiting = 0

    def take(self, events: list[Event], at: float) -> int:
        """Take in what happens now; return how many repeated advertisements were heard."""
        self._given = {}
        for event in events:
            match event.action:
                case Observed(name, prefix):
                    self._given[name] = prefix
                case GitChanges(away):
                    self._away = away
                case Restarts():
                    self._ears = Ears()
                    self._hear(self._given_again(at))
                case Gives(source, prefixes):
                    self._gifts[source] = (prefixes, at)
                    self._hear(self._given_by(source, at))
            self._hear(self._routers.take(event.action, at))
            match event.action:
                case LinkChanges(interface, up=True) if KERNEL in self._gifts:
                    # The kernel asks the link's routers again.
                    self._hear(self._given_by(KERNEL, at, interface))
        repeated = self._routers.repeat(at)
        self._hear(repeated)
        return len(repeated)

    def look(self, events: list[Event], at: float, *, first: bool) -> Step | None:
        """One pass of the daemon; None when there is nothing to show."""
        now = self._calendar(at)
        watched = watch(self._inventory)
        self._ears = self._ears.follow(watched).decide(at)
        solicited = tuple(sorted(self._ears.solicit))
        for interface in solicited:
            self._ears = self._ears.asked(interface, at)
            self._routers.solicit(at, interface)
        choices = self._ears.choices | {
            name: self._choice(name, prefix) for name, prefix in self._given.items()
        }
        before = {name: followed.status for name, followed in watched.items()}
        planned = Plan()
        if first or would_change(watched, choices, now):
            planned = plan(self._inventory, choices, now)
        after = {**before, **planned.statuses}
        drift = find_drift(self._inventory) if first and planned.rendering.files else Drift()
        looks = {name: self._look(name, before[name], after[name]) for name in before}
        shown: dict[str, object] = {
            name: (look.standing, dict(look.verdicts), look.warnings)
            for name, look in looks.items()
        }
        fresh = self._fresh(planned.problems)
        pushed = self._publish(planned.rendering)
        changed = shown != self._shown
        self._shown = shown
        shows = (events, planned.rendering.files, fresh, pushed, changed, solicited)
        if not (first or any(shows)):
            return None
        return Step(
            at,
            now,
            tuple(events),
            looks,
            planned.rendering.changes,
            occasion(planned, drift),
            commit=self._commits if planned.rendering.files else 0,
            waiting=self._waiting,
            pushed=pushed,
            problems=fresh,
            solicited=solicited,
        )

    def next_moment(self, at: float, events: list[Event]) -> float:
        """When to look again; inf when there is nothing to wait for."""
        by_time = self._due(at)
        waits = [events[0].at] if events else []
        decisions = self._ears.decisions.values()
        looks = [decision.look_again_at for decision in decisions if decision.look_again_at > at]
        if self._scenario.until is None and not events:
            unsettled = any(
                decision.standing in {Standing.STABILIZING, Standing.HELD} for decision in decisions
            )
            if by_time == inf and not unsettled and self._routers.next_at < inf:
                # Routers only repeat themselves, and nothing else is to come.
                return inf
        moment = min(*waits, *looks, by_time, self._routers.next_at, inf)
        too_late = self._last_event + LONGEST_WAIT
        return inf if self._scenario.until is None and moment > too_late else moment

    def ended(self, steps: tuple[Step, ...], end: float, repeated: int) -> Walk:
        """The walk, with what the repository holds at its end."""
        specifications = {
            name: document.specification
            for name, document in self._inventory.dynamic_prefixes.items()
        }
        fields = held_fields(self._inventory)
        return Walk(self._scenario, specifications, steps, self._files, fields, end, repeated)

    def _given_again(self, at: float) -> list[LinkEvent]:
        """What the sources still say after a restart.

        An update was sent once, and is not sent again: `Ears` finds it in the repository.
        """
        sources = [source for source in self._gifts if source != WEBHOOK]
        return [event for source in sources for event in self._given_by(source, at)]

    def _given_by(self, source: str, at: float, link: str | None = None) -> list[LinkEvent]:
        """What every DynamicPrefix hears that has this source; of the kernel, also on one link."""
        prefixes, since = self._gifts[source]
        acquisitions = [
            document.specification.acquisition
            for document in self._inventory.dynamic_prefixes.values()
        ]
        names = filter(None, dict.fromkeys(each.hears_under(source) for each in acquisitions))
        if source == KERNEL:
            had = tuple(KernelPrefix(found, since, since) for found in prefixes)
            return [Accepted(name, had, at) for name in names if link in {None, name}]
        return [Given(Router(name, source), prefixes, since, at) for name in names]

    def _calendar(self, at: float) -> datetime:
        return self._scenario.start + timedelta(seconds=int(at))

    def _hear(self, events: list[LinkEvent]) -> None:
        # A policy decides what is remembered, so the first event needs one.
        if not self._ears.watched:
            self._ears = self._ears.follow(watch(self._inventory))
        for event in events:
            self._ears = self._ears.hear(event)

    def _choice(self, name: str, prefix: Prefix) -> Choice:
        acquisition = self._inventory.dynamic_prefixes[name].specification.acquisition
        return Choice(prefix, likely_source(acquisition))

    def _look(self, name: str, before: Status | None, after: Status | None) -> Look:
        decision = self._ears.decisions[name]
        verdicts = {
            (candidate.prefix, candidate.router): candidate.verdict
            for candidate in decision.candidates
        }
        standing = decision.standing
        shown = self._watches or standing is Standing.STATIC
        return Look(before, after, standing if shown else None, verdicts, decision.warnings)

    def _fresh(self, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        fresh = tuple(problem for problem in problems if _key(problem) not in self._known)
        self._known.update(map(_key, problems))
        return fresh

    def _publish(self, rendering: Rendering) -> int:
        """Commit what changed, and push if the remote is there; return how many are pushed."""
        if rendering.files:
            self._commits += 1
            self._waiting += 1
            self._files = self._files.updated(rendering.files)
            self._inventory = read_inventory(self._files, self._settings)
        if self._away:
            return 0
        pushed, self._waiting = self._waiting, 0
        return pushed

    def _due(self, at: float) -> float:
        """When time alone next changes a status, in whole seconds."""
        moments = []
        for name, document in self._inventory.dynamic_prefixes.items():
            if document.status is None:
                continue
            choice = self._ears.decisions[name].choice
            moment = due(document.specification, document.status, choice)
            if moment is not None:
                moments.append(ceil((moment - self._scenario.start).total_seconds()))
        return min((float(moment) for moment in moments if moment > at), default=inf)


def _key(problem: Problem) -> tuple[str, str, Place | None]:
    return (problem.code, problem.message, problem.place)
