"""What `observe` has seen so far: decisions as the daemon makes them, and counts."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gitops_prefix.cli.sightings import Seen, Sighting
from gitops_prefix.decide.advertisement import Router, RouterAdvertisement
from gitops_prefix.decide.candidate import Verdict, judge
from gitops_prefix.decide.routers import observe
from gitops_prefix.decide.selection import Decision
from gitops_prefix.decide.specification import Specification
from gitops_prefix.plan.ears import Advertised, Ears, LinkChanged, Watched
from gitops_prefix.watch.codec import RejectReason
from gitops_prefix.watch.watcher import Dropped


@dataclass(slots=True)
class Observation:
    """Every link, and what was seen on it.

    Attributes:
        policy: the specification for a link.
        ears: follow one DynamicPrefix for each link, named after the link.
        said: the newest advertisement of each router that is remembered.
        links: whether each link is up; None when it does not exist, or is not known yet.
        dropped: packets that are not valid advertisements, by reason.
        refused: announced prefixes that are not candidates, by verdict.
        accepted: valid advertisements.
    """

    policy: Callable[[str], Specification]
    ears: Ears = field(default_factory=Ears)
    said: dict[Router, RouterAdvertisement] = field(default_factory=dict)
    links: dict[str, bool | None] = field(default_factory=dict)
    dropped: Counter[RejectReason] = field(default_factory=Counter)
    refused: Counter[Verdict] = field(default_factory=Counter)
    accepted: int = 0

    @property
    def interfaces(self) -> set[str]:
        """Every link that is known."""
        return self.ears.watched.keys() | self.links.keys()

    def decide(self, interface: str, now: float) -> Decision:
        """The decision for one link at `now`."""
        self.ears = self.ears.decide(now).written()
        for link in self.ears.solicit:
            # `observe` only listens: silence counts as if it had asked.
            self.ears = self.ears.asked(link, now)
        return self.ears.decisions[interface]

    def take(self, seen: Seen) -> Decision | None:
        """Take in what was seen; return what is decided after a packet."""
        if isinstance(seen, LinkChanged):
            self.links[seen.interface] = seen.up if seen.present else None
        if not isinstance(seen, Sighting):
            return None
        interface = seen.router.interface
        if interface not in self.ears.watched:
            watched = Watched(self.policy(interface), None)
            self.ears = self.ears.follow({**self.ears.watched, interface: watched})
        if isinstance(seen.event, Dropped):
            self.dropped[seen.event.rejected.reason] += 1
            return self.decide(interface, seen.at)
        self.accepted += 1
        advertisement = seen.event.advertisement
        # Every advertisement counts as news: `observe` shows each, the repeated ones, too.
        self._hear(seen.event._replace(repeated=False))
        decision = self.decide(interface, seen.at)
        if seen.router not in self.ears.routers:
            # In a flood of routers there is no room for one that cannot count: it is only shown.
            alone = observe({}, seen.router, advertisement, seen.at)
            shown = judge(alone, self.policy(interface).acquisition, seen.at)
            decision = replace(decision, candidates=(*decision.candidates, *shown))
        announced = {information.prefix for information in advertisement.prefixes}
        for candidate in decision.candidates:
            if (
                candidate.router == seen.router
                and candidate.prefix in announced
                and candidate.verdict is not Verdict.CANDIDATE
            ):
                self.refused[candidate.verdict] += 1
        return decision

    def counts(self) -> list[str]:
        """What was dropped and refused, most often first."""
        dropped = [f"dropped {n}: {reason}" for reason, n in self.dropped.most_common()]
        return dropped + [f"refused {n}: {verdict}" for verdict, n in self.refused.most_common()]

    def _hear(self, event: Advertised) -> None:
        self.ears = self.ears.hear(event)
        self.said[event.router] = event.advertisement
        for forgotten in self.said.keys() - self.ears.routers.keys():
            del self.said[forgotten]
