"""A daemon on a real repository: its own loop, with clocks and links that the test has in hand.

`House` is the one harness of the daemon. Time goes only when the test says so.

* `hears` and `looks` make one pass and return its outcome.
* `announces` lets a router speak; `lives` then runs the loop through simulated time.
* A house that is `given` its choices has no link: `hears` says what is decided.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from gitops_prefix.daemon.branch import BranchPublisher
from gitops_prefix.daemon.clocks import Clocks
from gitops_prefix.daemon.decisions import Decisions
from gitops_prefix.daemon.follow_ups import FollowUp
from gitops_prefix.daemon.listening import Listening
from gitops_prefix.daemon.loop import Loop, Pace
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.outcome import Outcome, Result
from gitops_prefix.daemon.proposals import ProposalPublisher
from gitops_prefix.decide.advertisement import INFINITY, PrefixInformation, Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import Decision, Selection, Standing
from gitops_prefix.decide.transition import NOTHING_OBSERVED, Choice
from gitops_prefix.plan.ears import Advertised, Watched
from gitops_prefix.publish.failure import Reason
from gitops_prefix.publish.message import Wording
from gitops_prefix.publish.repository import Repository
from gitops_prefix.publish.stages import Stage
from tests.decide.routers_saying import FIRST, pio, saying

A, B, C, D = (Prefix.parse(f"2001:db8:{n}::/64") for n in ("aaaa", "bbbb", "cccc", "dddd"))
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LOOK_AGAIN = 301
"""Seconds after which the branch is due for a look."""
WITHDRAWN = 0
"""The lifetime of a prefix that its router takes back."""


@dataclass
class Time:
    """Both clocks; the calendar can be set. `Loop` waits with it, and nobody sleeps."""

    seconds: float = 0.0
    set_by: timedelta = timedelta(0)
    wakes_at: float = inf
    on_wait: Callable[[], None] = lambda: None
    meanwhile: list[Callable[[], None]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.seconds

    def calendar(self) -> datetime:
        return NOON + timedelta(seconds=int(self.seconds)) + self.set_by

    @property
    def clocks(self) -> Clocks:
        return Clocks(self.monotonic, self.calendar)

    def nudge(self) -> None:
        """News: the loop looks at it when it goes round."""

    def wait(self, seconds: float) -> bool:
        """What `Wakeup.wait` is: time goes on, but not beyond the end of what is lived.

        What is to happen `meanwhile` happens during the next waits, one after the other.
        """
        self.waits.append(seconds)
        if self.meanwhile:
            self.meanwhile.pop(0)()
        self.seconds = min(self.seconds + max(seconds, 0.001), self.wakes_at)
        if self.seconds >= self.wakes_at:
            self.on_wait()
        return False


@dataclass
class Given:
    """Decisions without links: what a test says is decided, from one moment to the next."""

    default: Choice = NOTHING_OBSERVED
    by_name: Mapping[str, Choice] = field(default_factory=dict)
    watched: Mapping[str, Watched] = field(default_factory=dict)
    changed_at: float = -inf

    def follow(self, watched: Mapping[str, Watched]) -> None:
        self.watched = watched

    def decide(self) -> dict[str, Decision]:
        choices = {name: self.by_name.get(name, self.default) for name in self.watched}
        return {
            name: Decision(Selection(choice.prefix), choice, Standing.CURRENT)
            for name, choice in choices.items()
        }

    latest = decide

    def look_again_at(self) -> float:
        return inf

    def final(self) -> bool:
        return True

    def solicitations(self) -> tuple[str, ...]:
        return ()


class House:
    """One daemon.

    Attributes:
        outcomes: of every pass, with the simulated second at which it began.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        given: bool = False,
        push_branch: str | None = None,
        leads: Callable[[], bool] = lambda: True,
        wording: Wording = Wording(),  # noqa: B008
        interval: float = 300.0,
        settle: float = 0.0,
        interface: str = "",
        follow_ups: Sequence[FollowUp] = (),
        time: Time | None = None,
        listening: Listening | None = None,
    ) -> None:
        self.repository = repository
        self.interval = interval
        self.time = time or Time()
        self.metrics = Metrics()
        self.outcomes: list[tuple[float, Outcome]] = []
        self.given = Given() if given else None
        self.decisions = self.given or Decisions(self.metrics, self.time.monotonic, self.time.nudge)
        publisher = BranchPublisher(repository, leads, wording=wording)
        if push_branch is not None:
            branches = repository.push_branches(push_branch)
            publisher = ProposalPublisher(repository, branches, leads, wording=wording)
        self.loop = Loop(
            publisher,
            self.decisions,
            self.metrics,
            wakeup=self.time,
            listening=listening,
            pace=Pace(settle, interval),
            clocks=self.time.clocks,
            interface=interface,
            follow_ups=follow_ups,
        )
        self.said: dict[Router, Prefix] = {}

    def waits(self, seconds: float = LOOK_AGAIN) -> None:
        """Time goes by, and the daemon does nothing."""
        self.time.seconds += seconds

    def passes(self) -> Outcome:
        """One pass, now."""
        self.outcomes.append((self.time.seconds, self.loop.run_once()))
        return self.outcome

    def looks(self) -> Outcome:
        """One pass after the branch was due for a look."""
        self.waits(self.interval + 1)
        return self.passes()

    def announces(self, prefix: Prefix, *others: Prefix, router: Router = FIRST) -> None:
        """A router withdraws the prefix that it announced before, and announces these."""
        before = self.said.get(router)
        gone = [pio(before, WITHDRAWN, WITHDRAWN)] if before not in {None, prefix} else []
        self.said[router] = prefix
        told = [pio(each, INFINITY, INFINITY) for each in (prefix, *others)]
        self._says(router, *told, *gone)

    def withdraws(self, router: Router = FIRST) -> None:
        """A router withdraws the prefix that it announced before."""
        self._says(router, pio(self.said.pop(router), WITHDRAWN, WITHDRAWN))

    def _says(self, router: Router, *information: PrefixInformation) -> None:
        said = saying(*information)
        self.decisions.take(Advertised(router, said, self.time.seconds, repeated=False))

    def hears(self, prefix: Prefix | None = None, *, look: bool = True, **other: Prefix) -> Outcome:
        """One pass, a minute later, after a prefix was decided; None is silence.

        Args:
            prefix: for every DynamicPrefix.
            look: whether the branch is looked at first.
            other: another prefix for some, by name, with _ for -.
        """
        if self.given is None:
            self.waits(1)
            if prefix:
                self.announces(prefix)
            return self.passes()
        self.waits(60)
        choice = Choice(prefix, router=Router("eth0", "fe80::1")) if prefix else NOTHING_OBSERVED
        self.given.default = choice
        self.given.by_name = {name.replace("_", "-"): Choice(each) for name, each in other.items()}
        if look:
            self.loop.look_now()
        return self.passes()

    def lives(self, seconds: float) -> Outcome:
        """The loop as it runs, through simulated time."""
        end = self.time.seconds + seconds
        ended = False

        def stop() -> None:
            nonlocal ended
            ended = True

        self.time.wakes_at, self.time.on_wait = end, stop
        began = self.time.seconds
        for outcome in self.loop.turns():
            if outcome is not None:
                self.outcomes.append((began, outcome))
            if ended:
                break
            began = self.time.seconds
        self.time.seconds = end
        return self.outcome

    def killed(self) -> None:
        """Nothing is tidied up, but for the lock that a kernel takes back."""
        self.repository.close()

    @property
    def outcome(self) -> Outcome:
        return self.outcomes[-1][1]

    @property
    def is_right(self) -> bool:
        """Whether the branch is as it should be, and nothing waits."""
        right = self.outcome.result in {Result.PUBLISHED, Result.UNCHANGED}
        return right and self.repository.unpublished is None

    @property
    def results(self) -> list[Result]:
        return [outcome.result for _, outcome in self.outcomes]

    def tries(self, result: Result) -> list[float]:
        """When passes ended so."""
        return [second for second, outcome in self.outcomes if outcome.result is result]

    def scrape(self) -> dict[tuple[str, ...], float]:
        """Each sample by its name, without our prefix, and the values of its labels, by their names."""
        families = text_string_to_metric_families(self.metrics.exposition().decode())
        return {
            (
                sample.name.removeprefix("gitops_prefix_"),
                *(sample.labels[name] for name in sorted(sample.labels)),
            ): sample.value
            for family in families
            for sample in family.samples
            if not sample.name.endswith("_created")
        }

    def failures(self) -> dict[tuple[Stage, Reason], float]:
        return {
            (Stage(key[2]), Reason(key[1])): count
            for key, count in self.scrape().items()
            if key[0] == "publish_failures_total"
        }

    def timed(self) -> dict[str, float]:
        """How often each stage was."""
        name = "publish_duration_seconds_count"
        return {key[1]: count for key, count in self.scrape().items() if key[0] == name}


def opened(clone: Path, url: object, **options: object) -> Repository:
    """A clone that is open."""
    repository = Repository(clone, str(url), "main", **options)
    repository.open()
    return repository


@contextmanager
def at_home(clone: Path, url: object, time: Time | None = None, **options: object):
    """A house for as long as the test needs it; `options` are the repository's."""
    repository = opened(clone, url, **options)
    try:
        yield House(repository, time=time)
    finally:
        repository.close()
