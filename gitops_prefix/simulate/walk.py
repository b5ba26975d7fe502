"""The fold: events and the passing of time, through the real decide and render."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil, inf

from gitops_prefix.decide.choice import Choice
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import Decision, Selection, Standing, adopt, select
from gitops_prefix.decide.status import PrefixSource, Status
from gitops_prefix.decide.transition import advance, due
from gitops_prefix.errors import InputError, Place, Problem, Severity
from gitops_prefix.render.inventory import read_inventory
from gitops_prefix.render.rendering import Rendering, render
from gitops_prefix.render.settings import Settings
from gitops_prefix.simulate.held import held
from gitops_prefix.simulate.link import Links
from gitops_prefix.simulate.scenario import Event, GitChanges, Observed, Restarts, Scenario
from gitops_prefix.simulate.steps import Look, Step, Walk

LONGEST_WAIT = 30 * 86_400.0
"""Seconds for which it waits for what time alone still ends, behind the last event."""
MOST_INSTANTS = 30_000


def walk(files: Mapping[str, bytes], settings: Settings, scenario: Scenario) -> Walk:
    """Walk through a scenario.

    * What happens at one instant is one step, as a burst is one commit.
    * Between the events, go to the next moment at which a router repeats itself or
      time alone may change something.
    * Without `until`, end when nothing is to be waited for any more.

    Args:
        files: the managed files, by path, without errors.
        settings: of the repository.
        scenario: what happens.

    Raises:
        InputError: so many repetitions that it would take hours.
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
            at = at if scenario.until is None else float(scenario.until)
            specifications = {
                name: one.specification for name, one in world.inventory.dynamic_prefixes.items()
            }
            fields = held(world.inventory)
            return Walk(scenario, specifications, tuple(steps), world.files, fields, at, repeated)
        at = moment
    message = f"more than {MOST_INSTANTS} moments: a longer `every`, or an earlier `until`"
    raise InputError(Problem("out-of-range", message))


class _World:
    """The repository, the links and the daemon's memory, as they are at one moment."""

    def __init__(self, files: Mapping[str, bytes], settings: Settings, scenario: Scenario) -> None:
        self.files = dict(files)
        self._settings = settings
        self._scenario = scenario
        self.inventory = read_inventory(files, settings)
        self._known: set[tuple[str, str, Place | None]] = {
            (one.code, one.message, one.place) for one in self.inventory.problems
        }
        self._links = Links()
        self._watches = not any(isinstance(one.action, Observed) for one in scenario.events)
        self._last_event = max((event.at for event in scenario.events), default=0)
        self._selections: dict[str, Selection] = {}
        self._decisions: dict[str, Decision] = {}
        self._shown: dict[str, object] = {}
        self._observed: dict[str, Prefix] = {}
        self._away = False
        self._commits = self._waiting = 0

    def take(self, events: list[Event], at: float) -> int:
        """What happens now; how many repeated advertisements were heard."""
        self._observed = {}
        for event in events:
            match event.action:
                case Observed(name, prefix):
                    self._observed[name] = prefix
                case GitChanges(away):
                    self._away = away
                case Restarts():
                    self._selections = {}
            self._links.take(event.action, at)
        return self._links.repeat(at)

    def look(self, events: list[Event], at: float, *, first: bool) -> Step | None:
        """One pass of the daemon; None when there is nothing to tell."""
        now = self._calendar(at)
        before = {name: one.status for name, one in self.inventory.dynamic_prefixes.items()}
        after, problems = self._decide(at, now)
        rendering = Rendering()
        if not problems and (first or after != before):
            rendering = render(self.inventory, {n: s for n, s in after.items() if s is not None})
            problems = list(rendering.problems)
        wrong = any(one.severity is Severity.ERROR for one in problems)
        after = before if wrong else after
        looks = {name: self._look(name, before[name], after[name]) for name in before}
        shown: dict[str, object] = {
            name: (one.standing, dict(one.verdicts)) for name, one in looks.items()
        }
        fresh = self._fresh(problems)
        pushed = self._publish(rendering)
        self._adopt(after)
        told = first or events or rendering.files or fresh or pushed or shown != self._shown
        self._shown = shown
        if not told:
            return None
        return Step(
            at, now, tuple(events), looks, rendering.changes,
            commit=self._commits if rendering.files else 0,
            waiting=self._waiting, pushed=pushed, problems=fresh,
        )  # fmt: skip

    def next_moment(self, at: float, events: list[Event]) -> float:
        """When to look again; inf when there is nothing to wait for."""
        by_time = self._due(at)
        waits = [events[0].at] if events else []
        looks = [one.look_again_at for one in self._decisions.values() if one.look_again_at > at]
        if self._scenario.until is None and not events:
            unsettled = any(
                one.standing in {Standing.STABILIZING, Standing.HELD}
                for one in self._decisions.values()
            )
            if by_time == inf and not unsettled and self._links.next_at < inf:
                # Routers repeat themselves, and nothing else is to come.
                return inf
        moment = min(*waits, *looks, by_time, self._links.next_at, inf)
        too_late = self._last_event + LONGEST_WAIT
        return inf if self._scenario.until is None and moment > too_late else moment

    def _calendar(self, at: float) -> datetime:
        return self._scenario.start + timedelta(seconds=int(at))

    def _decide(self, at: float, now: datetime) -> tuple[dict[str, Status | None], list[Problem]]:
        after: dict[str, Status | None] = {}
        problems = []
        for name, document in self.inventory.dynamic_prefixes.items():
            status = document.status
            selection = adopt(
                self._selections.get(name, Selection()), status.current if status else None
            )
            decision = select(selection, document.specification, self._links.heard, at)
            self._selections[name] = decision.selection
            self._decisions[name] = decision
            choice = self._choice(name, decision)
            try:
                after[name] = advance(document.specification, status, choice, now)
            except ValueError as error:
                problems.append(Problem("does-not-fit", str(error), document.place))
                after[name] = status
        return after, problems

    def _choice(self, name: str, decision: Decision) -> Choice:
        prefix = self._observed.get(name)
        if prefix is None:
            return decision.choice
        static = self.inventory.dynamic_prefixes[name].specification.acquisition.static
        source = PrefixSource.STATIC if prefix == static else PrefixSource.ROUTER_ADVERTISEMENT
        return Choice(prefix, source)

    def _look(self, name: str, before: Status | None, after: Status | None) -> Look:
        decision = self._decisions[name]
        verdicts = {(one.prefix, one.router): one.verdict for one in decision.candidates}
        standing = decision.standing
        told = self._watches or standing is Standing.STATIC
        return Look(before, after, standing if told else None, verdicts)

    def _fresh(self, problems: list[Problem]) -> tuple[Problem, ...]:
        keys = [(one.code, one.message, one.place) for one in problems]
        fresh = [one for key, one in zip(keys, problems, strict=True) if key not in self._known]
        self._known.update(keys)
        return tuple(fresh)

    def _publish(self, rendering: Rendering) -> int:
        """Commit what changed, and push when the remote is there; how many that pushes."""
        if rendering.files:
            self._commits += 1
            self._waiting += 1
            self.files |= rendering.files
            self.inventory = read_inventory(self.files, self._settings)
        if self._away:
            return 0
        pushed, self._waiting = self._waiting, 0
        return pushed

    def _adopt(self, after: Mapping[str, Status | None]) -> None:
        for name, status in after.items():
            current = status.current if status else None
            self._selections[name] = adopt(self._selections[name], current)

    def _due(self, at: float) -> float:
        """When time alone next changes a status, in whole seconds."""
        moments = []
        for name, document in self.inventory.dynamic_prefixes.items():
            if document.status is None:
                continue
            moment = due(document.specification, document.status, self._decisions[name].choice)
            if moment is not None:
                moments.append(ceil((moment - self._scenario.start).total_seconds()))
        return min((float(one) for one in moments if one > at), default=inf)
