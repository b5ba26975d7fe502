"""What the link says, turned into a decision for each DynamicPrefix.

The watcher's thread calls `take` for every event; the loop's thread calls
`configure` after each look at the repository and `decide` when it wakes. The lock
is held for microseconds: nothing in here does I/O but the log.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import inf

from gitops_prefix.daemon.logs import OncePerMinute
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.decide.advertisement import KERNEL, PrefixInformation, Router
from gitops_prefix.decide.candidate import Verdict, refusal
from gitops_prefix.decide.kernel import accept
from gitops_prefix.decide.routers import MOST_ROUTERS, Routers, forget, observe
from gitops_prefix.decide.selection import Decision, Selection, Standing, adopt, select
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.decide.vouched import Followed, vouched
from gitops_prefix.watch.learnt import Accepted, Deaf
from gitops_prefix.watch.watcher import Advertised, Dropped, Flooded, LinkChanged

log = logging.getLogger(__name__)

Event = Advertised | Dropped | LinkChanged | Flooded | Accepted | Deaf

OTHERS = "other"
"""What routers are counted as, beyond those that have a name in the metrics."""
MOST_STRANGERS = MOST_ROUTERS // 2
"""Routers of a link beyond which one of whom nothing can count is not remembered."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One DynamicPrefix, as last read from the repository."""

    specification: Specification
    status: Status | None

    def on(self, interface: str) -> "Watched":
        """The same, listened for on `interface` in place of the links it names."""
        acquisition = self.specification.acquisition
        if not interface:
            return self
        if acquisition.interfaces:
            acquisition = replace(acquisition, interfaces=(interface,))
        if acquisition.kernel_interface:
            acquisition = replace(acquisition, kernel_interface=interface)
        return replace(self, specification=replace(self.specification, acquisition=acquisition))


class Decisions:
    """The routers heard, and the decision they come to for each DynamicPrefix."""

    def __init__(
        self, metrics: Metrics, clock: Callable[[], float], wake: Callable[[], None]
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._wake = wake
        self._lock = threading.Lock()
        self._once = OncePerMinute()
        self._routers: Routers = {}
        self._watched: dict[str, Watched] = {}
        self._selections: dict[str, Selection] = {}
        self._decisions: dict[str, Decision] = {}
        self._vouched: frozenset[Router] = frozenset()
        self._labelled: set[Router] = set()
        self._links: dict[str, tuple[bool, bool]] = {}

    def take(self, event: Event) -> None:
        """Take in one event of a watcher; wake the loop if a decision changed."""
        match event:
            case Advertised():
                self._hear(event)
            case Dropped():
                self._count(event)
            case LinkChanged():
                self._follow(event)
            case Flooded():
                self._resist(event)
            case Accepted():
                self._accept(event)
            case Deaf():
                self._warn(event)

    def configure(self, watched: Mapping[str, Watched]) -> None:
        """Take over specifications and statuses: the repository is the database."""
        with self._lock:
            self._watched = dict(watched)
            self._selections = {
                name: adopt(
                    self._selections.get(name, Selection()),
                    one.status.current if one.status else None,
                )
                for name, one in watched.items()
            }

    def decide(self) -> dict[str, Decision]:
        """The decision for each DynamicPrefix, now.

        `configure` takes back what the repository did not get: a decision that could
        not be written is made again.
        """
        with self._lock:
            return self._decide(self._clock())

    def vouched(self) -> frozenset[str]:
        """The addresses of the routers that must be heard whatever else comes."""
        with self._lock:
            return frozenset(router.address for router in self._vouched)

    def latest(self) -> dict[str, Decision]:
        """The decisions as last made, for those who only look."""
        with self._lock:
            return dict(self._decisions)

    def look_again_at(self) -> float:
        """When time alone may change a decision, on the clock given; inf is never."""
        with self._lock:
            return min((one.look_again_at for one in self._decisions.values()), default=inf)

    def _decide(self, now: float) -> dict[str, Decision]:
        decisions = {
            name: select(self._selections[name], watched.specification, self._routers, now)
            for name, watched in self._watched.items()
        }
        for name, decision in decisions.items():
            before = self._decisions.get(name)
            self._selections[name] = decision.selection
            if before is None or before.standing is not decision.standing:
                self._tell(name, decision)
            if before is None or _verdicts(before) != _verdicts(decision):
                self._show_refused(name, decision)
        self._decisions = decisions
        self._vouched = vouched(
            self._routers,
            [
                Followed(watched.specification.acquisition, decisions[name].selection.current)
                for name, watched in self._watched.items()
            ],
        )
        return decisions

    def _hear(self, event: Advertised) -> None:
        router = event.router
        with self._lock:
            # Who was pushed out may come back by repeating itself.
            news = not event.repeated or router not in self._routers
            admitted = news and self._admit(router, event.advertisement.prefixes, event.at)
            if not (admitted or router in self._routers or self._has_room(router.interface)):
                self._metrics.advertisements.labels(router.interface, OTHERS).inc()
                return
            self._routers = observe(
                self._routers, router, event.advertisement, event.at, self._vouched
            )
            changed = news and self._differs(event.at)
            label = router.address if self._may_label(router) else OTHERS
        self._metrics.advertisements.labels(router.interface, label).inc()
        if changed:
            self._wake()

    def _accept(self, event: Accepted) -> None:
        router = Router(event.interface, KERNEL)
        just_now = [one.information for one in event.prefixes if one.heard_at == event.at]
        with self._lock:
            self._admit(router, just_now, event.at)
            counts = partial(self._counts, router)
            self._routers = accept(self._routers, event.interface, event.prefixes, event.at, counts)
            changed = self._differs(event.at)
        if changed:
            self._wake()

    def _counts(self, router: Router, information: PrefixInformation) -> bool:
        """Whether some policy lets a prefix of the kernel count."""
        acquisitions = (one.specification.acquisition for one in self._watched.values())
        return any(refusal(router, information, one) is None for one in acquisitions)

    def _warn(self, event: Deaf) -> None:
        self._metrics.kernel_accepts.labels(event.interface).set(not event.reason)
        if event.reason:
            log.warning("%s", event.reason)
        else:
            log.info("the kernel takes Router Advertisements on %s", event.interface)

    def _admit(self, router: Router, announced: Collection[PrefixInformation], now: float) -> bool:
        """Whether policy lets any prefix count; what it refuses is counted and logged."""
        admitted = False
        for name, watched in self._watched.items():
            acquisition = watched.specification.acquisition
            if acquisition.static is not None or not acquisition.hears(router):
                continue
            for information in announced:
                verdict = refusal(router, information, acquisition)
                if verdict is None:
                    admitted = True
                    continue
                self._metrics.refusals.labels(name, verdict.name.lower()).inc()
                held_back = self._once.admit(f"{name} {verdict}", now)
                if held_back is not None:
                    log.info(
                        "%s: refused %s: %s",
                        name,
                        information.prefix,
                        verdict,
                        extra={"router": str(router), "held_back": held_back},
                    )
        return admitted

    def _has_room(self, interface: str) -> bool:
        on_link = sum(router.interface == interface for router in self._routers)
        return on_link < MOST_STRANGERS

    def _may_label(self, router: Router) -> bool:
        """Whether it is counted by its own name: a flood must not fill the metrics."""
        if len(self._labelled) < MOST_ROUTERS or router in self._vouched:
            self._labelled.add(router)
        return router in self._labelled

    def _resist(self, event: Flooded) -> None:
        self._metrics.floods.inc()
        held_back = self._once.admit("flood", event.at)
        if held_back is not None:
            log.warning(
                "more advertisements than can be read: for now only the routers that policy "
                "names, or that announce a current prefix, are heard",
                extra={"held_back": held_back},
            )

    def _differs(self, now: float) -> bool:
        """Whether the routers now come to another choice than was last told."""
        before = {name: one.choice.prefix for name, one in self._decisions.items()}
        standing = {name: one.standing for name, one in self._decisions.items()}
        decisions = self._decide(now)
        return any(
            before.get(name) != one.choice.prefix or standing.get(name) is not one.standing
            for name, one in decisions.items()
        )

    def _count(self, event: Dropped) -> None:
        self._metrics.dropped.labels(event.interface, event.reason).inc()
        held_back = self._once.admit(f"{event.interface} {event.reason}", event.at)
        if held_back is not None:
            log.warning(
                "dropped a packet: %s",
                event.reason,
                extra={
                    "interface": event.interface,
                    "source": event.source,
                    "held_back": held_back,
                },
            )

    def _follow(self, event: LinkChanged) -> None:
        state_now = (event.present, event.up)
        if self._links.get(event.interface) == state_now:
            # The other watcher said so already.
            return
        self._links[event.interface] = state_now
        self._metrics.link_up.labels(event.interface).set(event.up)
        if event.up:
            log.info("link %s is up", event.interface)
        else:
            state = "is down" if event.present else "does not exist yet"
            log.warning("link %s %s; waiting for it", event.interface, state)
        if not event.up:
            # A router that was unplugged says nothing more; what it said is no news.
            with self._lock:
                self._routers = forget(self._routers, event.interface)
        self._wake()

    def _tell(self, name: str, decision: Decision) -> None:
        firm = decision.standing in {Standing.CURRENT, Standing.STATIC}
        self._metrics.announced.labels(name).set(firm)
        self._metrics.degraded.labels(name).set(decision.standing is Standing.HELD)
        level = logging.INFO if firm else logging.WARNING
        log.log(
            level,
            "%s: %s",
            name,
            decision.standing,
            extra={"current": str(decision.selection.current or "")},
        )

    def _show_refused(self, name: str, decision: Decision) -> None:
        refused = _verdicts(decision)
        for verdict in Verdict:
            if verdict is not Verdict.CANDIDATE:
                self._metrics.refused.labels(name, verdict.name.lower()).set(refused[verdict])


def _verdicts(decision: Decision) -> Counter[Verdict]:
    return Counter(candidate.verdict for candidate in decision.candidates)
