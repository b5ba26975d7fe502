"""What `observe` knows so far: decisions as the daemon makes them, and counts."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from gitops_prefix.cli.sightings import Seen, Sighting
from gitops_prefix.decide.advertisement import Router, RouterAdvertisement
from gitops_prefix.decide.candidate import Verdict
from gitops_prefix.decide.routers import Routers, observe
from gitops_prefix.decide.selection import Decision, Selection, select
from gitops_prefix.decide.specification import Specification
from gitops_prefix.watch.codec import Reason, Rejected
from gitops_prefix.watch.watcher import LinkChanged


@dataclass(slots=True)
class Observer:
    """Folds the sightings of one link into decisions.

    Attributes:
        said: the newest advertisement of each router that is remembered.
    """

    specification: Specification
    routers: Routers = field(default_factory=dict)
    selection: Selection = field(default_factory=Selection)
    said: dict[Router, RouterAdvertisement] = field(default_factory=dict)

    def take(self, sighting: Sighting) -> Decision:
        """What is decided once `sighting` was heard."""
        if sighting.advertisement is not None:
            self.routers = observe(
                self.routers, sighting.router, sighting.advertisement, sighting.at
            )
            self.said[sighting.router] = sighting.advertisement
            for forgotten in self.said.keys() - self.routers.keys():
                del self.said[forgotten]
        return self.look(sighting.at)

    def look(self, now: float) -> Decision:
        """What is decided at `now`."""
        decision = select(self.selection, self.specification, self.routers, now)
        self.selection = decision.selection
        return decision


@dataclass(slots=True)
class Observation:
    """Every link, and what came on it.

    Attributes:
        policy: the specification for a link.
        links: whether each is up; None when it does not exist, or was not heard of yet.
        dropped: packets that are no valid advertisement, by reason.
        refused: announced prefixes that are no candidates, by verdict.
        accepted: valid advertisements.
    """

    policy: Callable[[str], Specification]
    observers: dict[str, Observer] = field(default_factory=dict)
    links: dict[str, bool | None] = field(default_factory=dict)
    dropped: Counter[Reason] = field(default_factory=Counter)
    refused: Counter[Verdict] = field(default_factory=Counter)
    accepted: int = 0

    def observer(self, interface: str) -> Observer:
        """Of one link."""
        if interface not in self.observers:
            self.observers[interface] = Observer(self.policy(interface))
        return self.observers[interface]

    def take(self, seen: Seen) -> Decision | None:
        """Take in what was seen; what is decided, if it was a packet."""
        if isinstance(seen, LinkChanged):
            self.links[seen.interface] = seen.up if seen.present else None
        if not isinstance(seen, Sighting):
            return None
        decision = self.observer(seen.router.interface).take(seen)
        if isinstance(seen.heard, Rejected):
            self.dropped[seen.heard.reason] += 1
            return decision
        self.accepted += 1
        announced = {information.prefix for information in seen.heard.prefixes}
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
