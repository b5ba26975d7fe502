"""`plan.ears` behind a lock, with the metrics and the log of what was heard and decided.

The watcher's thread calls `take` for every event. The loop's thread calls `follow` after
each look at the repository, and `decide` when it wakes. The lock is held for
microseconds: nothing here does I/O but the log, and one question to the kernel when a router goes.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from functools import partial
from math import inf
from types import MappingProxyType
from typing import Any, NamedTuple

from gitops_prefix.daemon.logs import OnceEvery
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.decide.advertisement import KERNEL, PrefixInformation, Router
from gitops_prefix.decide.policy import Verdict, sources_of
from gitops_prefix.decide.routers import MOST_ROUTERS, Routers
from gitops_prefix.decide.selection import HOUR, Decision, Standing
from gitops_prefix.decide.status import PrefixSource
from gitops_prefix.plan.ears import Accepted, Advertised, Ears, Given, LinkChanged, Watched
from gitops_prefix.watch.links import Reach, list_links, reach
from gitops_prefix.watch.watcher import (
    AnswersRead,
    Deaf,
    Dropped,
    Event,
    Flooded,
    LeaseNotice,
    Solicited,
    SourceFailed,
    SwitchedOff,
)

log = logging.getLogger(__name__)

_FIRM = frozenset({Standing.CURRENT, Standing.STATIC})

OTHERS = "other"
"""The label of routers beyond those that have a name of their own in the metrics."""
_NOBODY = frozenset({Standing.WAITING, Standing.FAILED_STATIC})
"""What a decision is before anything was heard."""
_NOTHING_YET = {
    PrefixSource.DHCPV6_PD: "no DHCPv6 server has answered yet",
    PrefixSource.FRITZBOX: "the FRITZ!Box has not answered yet",
    PrefixSource.WEBHOOK: "no update was received yet",
    PrefixSource.FILE: "no file was read yet",
    PrefixSource.ROUTER_ADVERTISEMENT: "no router was heard yet",
    PrefixSource.KERNEL: "the kernel has reported no prefix yet",
}
_SILENT = frozenset({Standing.WAITING, Standing.LISTENING, Standing.FAILED_STATIC, Standing.GONE})
"""Nobody announces a prefix that counts."""


class WatchedLink(NamedTuple):
    """A link that is watched.

    Attributes:
        present: whether there is a link of this name.
        since: when that began, on the clock of the decisions.
    """

    name: str
    present: bool
    up: bool
    since: float


class Overheard(NamedTuple):
    """What the links say at a moment.

    Attributes:
        at: the moment, on the clock that the routers' times are of.
    """

    at: float = 0.0
    routers: Routers = MappingProxyType({})
    links: tuple[WatchedLink, ...] = ()
    leases: tuple[LeaseNotice, ...] = ()


SILENCE = Overheard()
"""Nothing is watched."""


def _left(at: float, clock: Callable[[], float]) -> float:
    """Seconds until a moment; 0 once it is past."""
    return max(0.0, at - clock())


class Decisions:
    """What was heard and decided, for every thread.

    Attributes:
        changed_at: when a decision last changed, on the clock given.
    """

    def __init__(
        self,
        metrics: Metrics,
        clock: Callable[[], float],
        wake: Callable[[], None],
        reach: Callable[[str, str], Reach] = reach,
    ) -> None:
        """Have heard nothing yet.

        Args:
            metrics: what is counted.
            clock: seconds, that only go forward.
            wake: has the loop look at the decisions.
            reach: whether the kernel reaches a router, by its link and address.
        """
        self._metrics = metrics
        self._reach = reach
        self._clock = clock
        self._wake = wake
        self._lock = threading.Lock()
        self._once, self._once_an_hour = OnceEvery(), OnceEvery(HOUR)
        self._unasked: set[str] = set()
        self._ears = Ears()
        self._labelled: set[Router] = set()
        self._links: dict[str, WatchedLink] = {}
        self._gone: set[Router] = set()
        self._leases: dict[str, LeaseNotice] = {}
        self._unheard: set[str] = set()
        self._shown: set[str] = set()
        self._warned: dict[str, str] = {}
        self.changed_at = -inf

    def take(self, event: Event) -> None:
        """Take in one event of the watcher; wake the loop if a decision changed."""
        takers: Mapping[type[Any], Callable[[Any], None]] = {
            Advertised: self._hear,
            Accepted: self._hear_kernel,
            Given: self._hear_source,
            SourceFailed: self._count_failed_source,
            LeaseNotice: self._note_lease,
            LinkChanged: self._follow_link,
            Dropped: self._count_dropped,
            Flooded: self._count_flood,
            Deaf: self._note_kernel,
            SwitchedOff: self._note_switch,
            Solicited: self._note_solicitation,
            AnswersRead: self._note_silence,
        }
        takers[type(event)](event)

    def follow(self, watched: Mapping[str, Watched]) -> None:
        """Take over specifications and statuses: the repository is the database."""
        with self._lock:
            self._ears = self._ears.follow(watched)
            # A link that nobody watches any more says nothing about what this daemon hears.
            acquisitions = [each.specification.acquisition for each in watched.values()]
            links = frozenset[str]().union(*(each.links for each in acquisitions))
            self._links = {name: link for name, link in self._links.items() if name in links}
            for name in self._leases.keys() - watched.keys():
                del self._leases[name]
                self._metrics.lease_valid.remove(name)
                self._metrics.lease_renew.remove(name)

    def decide(self) -> Mapping[str, Decision]:
        """The decision for each DynamicPrefix, now."""
        with self._lock:
            self._decide(self._clock())
            return self._ears.decisions

    def final(self) -> bool:
        """Whether nothing that a burst still brings can change what was decided."""
        with self._lock:
            return self._ears.final

    def solicitations(self) -> tuple[str, ...]:
        """The links on which a solicitation is due; a `Solicited` event says what became of it."""
        with self._lock:
            return tuple(sorted(self._ears.solicit))

    def latest(self) -> Mapping[str, Decision]:
        """The last decision for each DynamicPrefix, without deciding anew."""
        with self._lock:
            return self._ears.decisions

    def vouched(self) -> frozenset[str]:
        """The addresses of the routers that must be heard even in a flood."""
        with self._lock:
            return frozenset(router.address for router in self._ears.vouched)

    def has_link(self) -> bool:
        """Whether a link is up, or none is watched."""
        states = [*self._links.values()]
        return not states or any(link.up for link in states)

    def overheard(self) -> Overheard:
        """What the links say now. Any thread may ask."""
        with self._lock:
            links, leases = tuple(self._links.values()), tuple(self._leases.values())
            return Overheard(self._clock(), self._ears.routers, links, leases)

    def hears(self) -> bool:
        """Whether a link or a file says something that counts, or none is asked.

        What speaks only to the daemon that leads says nothing about who could lead.
        """
        with self._lock:
            standings = {name: found.standing for name, found in self._ears.decisions.items()}
            asked = [
                standings[name]
                for name, followed in self._ears.watched.items()
                if name in standings
                and followed.specification.acquisition.says_to_followers
                and standings[name] is not Standing.STATIC
            ]
        return not asked or any(standing not in _SILENT for standing in asked)

    def look_again_at(self) -> float:
        """When time alone may change a decision, on the clock given; inf if never."""
        with self._lock:
            return self._ears.look_again_at

    def _decide(self, now: float) -> bool:
        """Decide, and show what is new.

        Returns:
            Whether a decision changed, or time alone may change one sooner than before.
        """
        before, followed, due = self._ears.decisions, self._ears.vouched, self._ears.look_again_at
        self._ears = self._ears.decide(now)
        self._show_gone(followed, now)
        for name, decision in self._ears.decisions.items():
            known = before.get(name)
            self._measure_standing(name, decision)
            if known is None or known.standing is not decision.standing or self._spoke(name):
                self._show_standing(name, decision)
            if known is None or known.candidates != decision.candidates:
                self._show_verdicts(name, known, decision)
            for oddity in decision.warnings:
                if known is None or oddity not in known.warnings:
                    log.warning("%s: %s", name, oddity)
        differs = self._ears.differs(before)
        if differs:
            self.changed_at = now
        return differs or self._ears.look_again_at < due

    def _hear(self, event: Advertised) -> None:
        router = event.router
        with self._lock:
            before = self._ears
            news = before.is_news(event)
            if news:
                self._show_refusals(router, event.advertisement.prefixes, event.at)
            self._ears = before.hear(event)
            remembered = self._ears is not before
            sooner = remembered and self._ears.is_due_sooner(before, router)
            changed = (news or sooner) and remembered and self._decide(event.at)
            # The loop has to solicit, or to wake up earlier.
            changed = changed or sooner or bool(self._ears.solicit)
            label = router.address if remembered and self._may_label(router) else OTHERS
        self._metrics.advertisements.labels(router.interface, label).inc()
        if changed:
            self._wake()

    def _hear_kernel(self, event: Accepted) -> None:
        router = Router(event.interface, KERNEL)
        just_now = [found.information for found in event.prefixes if found.heard_at == event.at]
        self._take_in(event, router, just_now)

    def _hear_source(self, event: Given) -> None:
        found = ", ".join(str(information.prefix) for information in event.prefixes)
        log.debug("%s gives %s", event.source, found)
        self._take_in(event, event.source, event.prefixes)

    def _take_in(
        self, event: Accepted | Given, source: Router, news: Collection[PrefixInformation]
    ) -> None:
        with self._lock:
            self._show_refusals(source, news, event.at)
            self._ears = self._ears.hear(event)
            changed = self._decide(event.at)
        if changed:
            self._wake()

    def _count_failed_source(self, event: SourceFailed) -> None:
        self._metrics.source_failures.labels(event.source.address).inc()
        held_back = self._once.admit(f"{event.source} {event.reason}", event.at)
        if held_back is not None:
            log.warning("the %s does not count: %s", event.source, event.reason)

    def _note_lease(self, event: LeaseNotice) -> None:
        with self._lock:
            before = self._leases.get(event.name)
            self._leases = {**self._leases, event.name: event}
        if before is None or before.state != event.state:
            log.debug("%s: DHCPv6 on %s is %s", event.name, event.interface, event.state)
        found = [prefix for prefix, _ in event.prefixes]
        if found and (before is None or found != [prefix for prefix, _ in before.prefixes]):
            fits = any(prefix.length == event.length for prefix in found)
            asked = "" if fits else f" (a /{event.length} was asked for)"
            listed = ", ".join(map(str, found))
            verb = "delegated" if event.taken else "offered, and not taken (--dry-run),"
            log.info("%s: %s is %s by %s%s", event.name, listed, verb, event.server, asked)
            for part in event.excluded:
                words = "%s: the server keeps %s for the link to this node (RFC 6603)"
                log.info(words, event.name, part)
        until = max((end for _, end in event.prefixes), default=-inf)
        for gauge, at in (
            (self._metrics.lease_valid, until),
            (self._metrics.lease_renew, event.renew_at if event.prefixes else -inf),
        ):
            gauge.labels(event.name).set_function(partial(_left, at, self._clock))

    def _note_solicitation(self, event: Solicited) -> None:
        link = event.interface
        if not event.refused:
            log.debug("solicited the routers of %s", link)
            if link in self._unasked:
                self._unasked.discard(link)
                log.info("the routers of %s are solicited again", link)
        else:
            held_back = self._once_an_hour.admit(f"{link} {event.refused}", event.at)
            if held_back is not None:
                self._unasked.add(link)
                words = "cannot solicit the routers of %s: %s; their prefixes count to their ends"
                log.warning(words, link, event.refused, extra={"held_back": held_back})
        with self._lock:
            sent = not event.refused
            self._ears = self._ears.asked(event.interface, event.at, sent=sent, read=False)
            self._decide(event.at)
        # The loop has to look at the decision when the answer is overdue.
        self._wake()

    def _note_silence(self, event: AnswersRead) -> None:
        with self._lock:
            self._ears = self._ears.heard_out(event.interface, event.asked_at)
            self._decide(event.at)
        self._wake()

    def _follow_link(self, event: LinkChanged) -> None:
        link = WatchedLink(event.interface, event.present, event.up, event.at)
        with self._lock:
            known = self._links.get(event.interface)
            if known is not None and (known.present, known.up) == (event.present, event.up):
                # The watcher was made anew, and reports every link.
                self._ears = self._ears.hear(event)
                self._wake()
                return
            self._links = {**self._links, event.interface: link}
            self._ears = self._ears.hear(event)
        self._metrics.link_up.labels(event.interface).set(event.up)
        if event.up:
            log.info("link %s is up", event.interface)
        else:
            state = "is down" if event.present else "does not exist yet"
            others = "" if event.present else f" (there are: {list_links()})"
            log.warning("link %s %s; waiting for it%s", event.interface, state, others)
        self._wake()

    def _show_refusals(
        self, router: Router, announced: Collection[PrefixInformation], now: float
    ) -> None:
        for name, prefix, verdict in self._ears.refusals(router, announced):
            self._metrics.refusals.labels(name, verdict.name.lower()).inc()
            held_back = self._once.admit(f"{name} {verdict}", now)
            if held_back is not None:
                extra = {"router": str(router), "held_back": held_back}
                log.info("%s: refused %s: %s", name, prefix, verdict, extra=extra)

    def _may_label(self, router: Router) -> bool:
        """Whether a router is counted by its own name: a flood must not fill the metrics."""
        if len(self._labelled) < MOST_ROUTERS or router in self._ears.vouched:
            self._labelled.add(router)
        return router in self._labelled

    def _count_dropped(self, event: Dropped) -> None:
        router, reason = event.router, event.rejected.reason
        self._metrics.dropped.labels(router.interface, reason).inc()
        held_back = self._once.admit(f"{router.interface} {reason}", event.at)
        if held_back is not None:
            extra = {
                "interface": router.interface,
                "source": router.address,
                "held_back": held_back,
            }
            log.warning("dropped a packet: %s", reason, extra=extra)

    def _count_flood(self, event: Flooded) -> None:
        self._metrics.floods.inc()
        held_back = self._once.admit("flood", event.at)
        if held_back is not None:
            log.warning(
                "more advertisements than can be read: for now only the routers that policy "
                "names, or that announce a current prefix, are heard",
                extra={"held_back": held_back},
            )

    def _note_kernel(self, event: Deaf) -> None:
        self._metrics.kernel_accepts.labels(event.interface).set(not event.reason)
        self._warn(event, "advertised prefixes reach the kernel on %s")

    def _note_switch(self, event: SwitchedOff) -> None:
        self._warn(event, "IPv6 is on again on %s")

    def _warn(self, event: Deaf | SwitchedOff, well: str) -> None:
        """Log a reason once: two sources may report the same of a link."""
        if not event.reason:
            self._warned.pop(event.interface, None)
            log.info(well, event.interface)
        elif self._warned.get(event.interface) != event.reason:
            self._warned[event.interface] = event.reason
            log.warning("%s", event.reason)

    def _show_gone(self, followed: Collection[Router], now: float) -> None:
        """Log when a router that counts goes, with the kernel's opinion, and when it is back."""
        routers = self._ears.routers
        for router in sorted(self._gone):
            state = routers.get(router)
            if state is None:
                self._gone.discard(router)
            elif not state.is_gone(now):
                self._gone.discard(router)
                log.info("the router %s is there again", router)
        for router in sorted(followed):
            state = routers.get(router)
            if state is not None and router not in self._gone and state.is_gone(now):
                self._gone.add(router)
                opinion = self._reach(router.interface, router.address)
                log.warning(
                    "the router %s is gone: it answered none of two solicitations; %s",
                    router,
                    opinion,
                )

    def _spoke(self, name: str) -> bool:
        """Whether this is the first decision after a router was heard."""
        return name in self._unheard and bool(self._ears.routers)

    def _show_standing(self, name: str, decision: Decision) -> None:
        if decision.standing in _NOBODY and not self._ears.routers and name not in self._shown:
            # A daemon that starts has just begun to listen: nothing is wrong yet.
            self._unheard.add(name)
            acquisition = self._ears.watched[name].specification.acquisition
            words = [_NOTHING_YET[source] for source in sources_of(acquisition)]
            log.info("%s: listening; %s", name, ", ".join(words))
            return
        self._unheard.discard(name)
        self._shown.add(name)
        firm = decision.standing in _FIRM
        extra = {"current": str(decision.current or "")}
        level = logging.INFO if firm else logging.WARNING
        if decision.standing is Standing.CONTESTED:
            # A person has to give each link a DynamicPrefix of its own.
            level = logging.ERROR
        log.log(level, "%s: %s", name, decision.standing, extra=extra)

    def _measure_standing(self, name: str, decision: Decision) -> None:
        standing = decision.standing
        # Of two daemons that contest each other, one hears the current prefix.
        is_heard = standing is Standing.CONTESTED and decision.choice.router is not None
        self._metrics.announced.labels(name).set(standing in _FIRM or is_heard)
        self._metrics.router_gone.labels(name).set(standing is Standing.GONE)
        self._metrics.degraded.labels(name).set(standing in {Standing.HELD, Standing.CONTESTED})

    def _show_verdicts(self, name: str, known: Decision | None, decision: Decision) -> None:
        """Count the refused prefixes, and log each verdict that changed."""
        verdicts = _verdicts(decision)
        before = _verdicts(known) if known else {}
        refused = Counter(verdicts.values())
        for verdict in Verdict:
            if verdict is not Verdict.CANDIDATE:
                self._metrics.refused.labels(name, verdict.name.lower()).set(refused[verdict])
        for (prefix, router), verdict in verdicts.items():
            if before.get((prefix, router)) is not verdict:
                log.debug("%s: %s from %s: %s", name, prefix, router, verdict)
        for prefix, router in before.keys() - verdicts.keys():
            log.debug("%s: %s from %s: not heard any more", name, prefix, router)


def _verdicts(decision: Decision) -> dict[tuple[object, Router], Verdict]:
    return {
        (candidate.prefix, candidate.router): candidate.verdict for candidate in decision.candidates
    }
