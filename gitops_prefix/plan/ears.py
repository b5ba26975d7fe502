"""Events of the links in, a decision for each DynamicPrefix out.

`Ears` is a value: each method returns the next one. Times are seconds of a clock that
only goes forward.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import NamedTuple, TypeAlias

from gitops_prefix.decide.advertisement import (
    DHCPV6_PD,
    INFINITY,
    KERNEL,
    WEBHOOK,
    PrefixInformation,
    Router,
    RouterAdvertisement,
)
from gitops_prefix.decide.candidate import Followed, vouched
from gitops_prefix.decide.other_sources import KernelPrefix, accept, given
from gitops_prefix.decide.policy import Verdict, refusal
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.routers import (
    MOST_ROUTERS,
    Routers,
    answers_read,
    ask_anew,
    forget,
    observe,
    solicited,
)
from gitops_prefix.decide.selection import Decision, Selection, adopt, select
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import PrefixSource, Status
from gitops_prefix.decide.transition import Choice

MOST_STRANGERS = MOST_ROUTERS // 2
"""Routers of one link above which a router is not remembered if none of its prefixes can count."""


class Advertised(NamedTuple):
    """A valid Router Advertisement was received.

    Attributes:
        at: seconds, on the watcher's clock.
        repeated: whether it equals, byte for byte, the last one of this router.
    """

    router: Router
    advertisement: RouterAdvertisement
    at: float
    repeated: bool


class Accepted(NamedTuple):
    """The prefixes that the kernel has on a link, all of them."""

    interface: str
    prefixes: tuple[KernelPrefix, ...]
    at: float


class Given(NamedTuple):
    """The prefixes that a source has that gives all of them at once: a server, a box, a file.

    Attributes:
        source: one of `advertisement.GIVING`, and which one.
        since: when it was written or said: the lifetimes count from then.
    """

    source: Router
    prefixes: tuple[PrefixInformation, ...]
    since: float
    at: float


class LinkChanged(NamedTuple):
    """A watched link came up, went down or disappeared."""

    interface: str
    up: bool
    present: bool
    at: float


LinkEvent: TypeAlias = Advertised | Accepted | Given | LinkChanged


@dataclass(frozen=True, slots=True)
class Watched:
    """One DynamicPrefix as the repository has it: what it asks for, and its status."""

    specification: Specification
    status: Status | None

    @property
    def past(self) -> tuple[Prefix, ...] | None:
        """The prefixes of the history; None if the transition keeps none."""
        if self.status is None or not self.specification.transition.max_prefix_history:
            return None
        return self.status.prefixes[1:]

    def on(self, interface: str) -> "Watched":
        """The same DynamicPrefix, with `interface` in place of the links it names."""
        acquisition = self.specification.acquisition
        if not interface:
            return self
        if acquisition.interfaces:
            acquisition = replace(acquisition, interfaces=(interface,))
        if acquisition.kernel_interface:
            acquisition = replace(acquisition, kernel_interface=interface)
        if acquisition.delegation:
            delegation = acquisition.delegation._replace(interface=interface)
            acquisition = replace(acquisition, delegation=delegation)
        return replace(self, specification=replace(self.specification, acquisition=acquisition))


class RefusedPrefix(NamedTuple):
    """An announced prefix that the policy of a DynamicPrefix refuses."""

    name: str
    prefix: Prefix
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Ears:
    """What was heard on the links, and what was last decided.

    Attributes:
        routers: what each router last said.
        watched: the DynamicPrefixes, as the repository last had them.
        selections: what is remembered of each DynamicPrefix between two decisions.
        decisions: the last decision for each DynamicPrefix.
        vouched: the routers that must be heard even in a flood.
    """

    routers: Routers = field(default_factory=dict)
    watched: Mapping[str, Watched] = field(default_factory=dict)
    selections: Mapping[str, Selection] = field(default_factory=dict)
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    vouched: frozenset[Router] = frozenset()

    def follow(self, watched: Mapping[str, Watched]) -> "Ears":
        """Take over specifications and statuses, as the repository has them.

        A decision that the repository does not have is rolled back: the next `decide`
        makes it again, and it does not count twice.
        """
        selections = {
            name: adopt(
                self.selections.get(name, Selection()),
                followed.status.current if followed.status else None,
                followed.past,
            )
            for name, followed in watched.items()
        }
        acquisitions = [
            each.specification.acquisition
            for each in watched.values()
            # Beside a static prefix nobody listens.
            if each.specification.acquisition.static is None
        ]
        links = frozenset[str]().union(*(each.links for each in acquisitions))
        # A file or a link that is watched no more must not count by what it once said, should it
        # be watched again.
        routers = {
            router: state
            for router, state in self.routers.items()
            if any(each.hears(router) for each in acquisitions)
            or (router.advertises and router.interface in links)
        }
        known = _recall(routers, self._outrun(watched), watched.values())
        return replace(self, watched=dict(watched), selections=selections, routers=known)

    def _outrun(self, watched: Mapping[str, Watched]) -> frozenset[str]:
        """The DynamicPrefixes of which another daemon took an update after this one did."""
        return frozenset(
            name
            for name, followed in watched.items()
            if name in self.watched
            and self.watched[name].status != followed.status
            and not self.selections.get(name, Selection()).proposed
        )

    def written(self) -> "Ears":
        """The same, after every decision was carried out, for those who have no repository."""
        selections = {
            name: adopt(decision.selection, decision.current)
            for name, decision in self.decisions.items()
        }
        return replace(self, selections=selections)

    def hear(self, event: LinkEvent) -> "Ears":
        """Take in one event; `decide` says what follows from it.

        Returns:
            `self` if the event adds nothing, or comes from a router that there is no
            room for.
        """
        match event:
            case Advertised():
                return self._hear_router(event)
            case Accepted():
                return self._hear_kernel(event)
            case Given():
                source, prefixes = event.source, event.prefixes
                routers = given(self.routers, source, prefixes, event.since, event.at)
                return replace(self, routers=routers)
            case LinkChanged(up=False):
                # After a router was unplugged, what it said before is out of date.
                return replace(self, routers=forget(self.routers, event.interface))
            case _:
                routers = ask_anew(self.routers, event.interface)
                return self if routers == self.routers else replace(self, routers=routers)

    def is_news(self, event: Advertised) -> bool:
        """Whether an advertisement may change a decision, and does not merely renew lifetimes."""
        known = self.routers.get(event.router)
        return known is None or not known.is_renewed_by(event.advertisement, event.at)

    def is_due_sooner(self, before: "Ears", router: Router) -> bool:
        """Whether the silence of a router that counts means something sooner than was decided.

        An advertisement that only repeats the last one may show that the router's interval is
        shorter than was assumed `before`.
        """
        known, state = before.routers.get(router), self.routers.get(router)
        if known is None or state is None or known.every == state.every:
            return False
        return router in self.vouched and state.doubtful_at < self.look_again_at

    def asked(self, interface: str, at: float, *, sent: bool = True, read: bool = True) -> "Ears":
        """Note that a solicitation was sent on a link: from now on silence means something.

        Where answers may wait unread in a socket, it means something only after `heard_out`.
        """
        routers = solicited(self.routers, interface, at, sent=sent, read=read)
        return replace(self, routers=routers)

    def heard_out(self, interface: str, asked_at: float) -> "Ears":
        """Note that all was read that came in answer to what was sent by `asked_at`."""
        return replace(self, routers=answers_read(self.routers, interface, asked_at))

    def decide(self, now: float) -> "Ears":
        """Decide for each DynamicPrefix at `now`: the answer is in `decisions`."""
        decisions = {
            name: select(self.selections[name], followed.specification, self.routers, now)
            for name, followed in self.watched.items()
        }
        selections = {name: decision.selection for name, decision in decisions.items()}
        followed = [
            Followed(watched.specification.acquisition, decisions[name].current)
            for name, watched in self.watched.items()
        ]
        return replace(
            self,
            decisions=decisions,
            selections=selections,
            vouched=vouched(self.routers, followed),
        )

    @property
    def choices(self) -> dict[str, Choice]:
        """The prefix that was last decided for each DynamicPrefix."""
        return {name: decision.choice for name, decision in self.decisions.items()}

    @property
    def solicit(self) -> frozenset[str]:
        """The links on which a solicitation is due: silence does not count before `asked`."""
        return frozenset(
            question.interface
            for decision in self.decisions.values()
            for question in decision.solicit
        )

    @property
    def look_again_at(self) -> float:
        """When time alone may change a decision; inf if never."""
        return min((decision.look_again_at for decision in self.decisions.values()), default=inf)

    @property
    def final(self) -> bool:
        """Whether nothing that a burst still brings can change what was decided anew.

        That is so when one router replaced its own prefix in one advertisement, and no
        other DynamicPrefix listens to that router: the new prefix is then current, and
        the current prefix stays. A Reply that withdraws the prefix of the lease and delegates
        another is the same, if no other DynamicPrefix is watched: its lease is renewed by a
        Reply of its own. The kernel reports prefix by prefix, and a file says
        nothing of the prefix it replaced, so they never are.
        """
        moved = [name for name in self.watched if self._moves(name)]
        if len(moved) != 1:
            return False
        router = self.decisions[moved[0]].choice.router
        if router is None or not self._replaced(moved[0], router):
            return False
        others = [
            followed.specification.acquisition
            for name, followed in self.watched.items()
            if name != moved[0] and followed.specification.acquisition.static is None
        ]
        if router.address == DHCPV6_PD:
            return not others
        return router.advertises and not any(acquisition.hears(router) for acquisition in others)

    def differs(self, before: Mapping[str, Decision]) -> bool:
        """Whether a prefix, its source, or how firmly it stands is another than in `before`."""
        return any(
            name not in before
            or before[name].choice[:2] != decision.choice[:2]
            or before[name].standing is not decision.standing
            for name, decision in self.decisions.items()
        )

    def refusals(
        self, router: Router, announced: Collection[PrefixInformation]
    ) -> tuple[RefusedPrefix, ...]:
        """The prefixes that the policy of a DynamicPrefix on this link refuses."""
        return tuple(
            RefusedPrefix(name, prefix, verdict)
            for name, prefix, verdict in self._judged(router, announced)
            if verdict is not None
        )

    def _judged(
        self, router: Router, announced: Collection[PrefixInformation]
    ) -> Iterator[tuple[str, Prefix, Verdict | None]]:
        for name, followed in self.watched.items():
            acquisition = followed.specification.acquisition
            if acquisition.static is None and acquisition.hears(router):
                for information in announced:
                    yield name, information.prefix, refusal(router, information, acquisition)

    def _moves(self, name: str) -> bool:
        """Whether the repository has another prefix, or none yet."""
        status, decided = self.watched[name].status, self.decisions[name].choice.prefix
        return decided is not None and (status is None or status.current != decided)

    def _replaced(self, name: str, router: Router) -> bool:
        """Whether this router announced the prefix of the repository, and does no more."""
        status = self.watched[name].status
        return status is not None and any(
            candidate.prefix == status.current
            and candidate.router == router
            and candidate.verdict is not Verdict.CANDIDATE
            for candidate in self.decisions[name].candidates
        )

    def _hear_router(self, event: Advertised) -> "Ears":
        router = event.router
        if not (router in self.routers or self._has_room(router.interface) or self._admits(event)):
            return self
        routers = observe(self.routers, router, event.advertisement, event.at, self.vouched)
        # Written out: `replace` costs a tenth of what a repeated advertisement does.
        return Ears(routers, self.watched, self.selections, self.decisions, self.vouched)

    def _hear_kernel(self, event: Accepted) -> "Ears":
        counts = partial(self._counts, Router(event.interface, KERNEL))
        routers = accept(self.routers, event.interface, event.prefixes, event.at, counts)
        return replace(self, routers=routers)

    def _has_room(self, interface: str) -> bool:
        return sum(router.interface == interface for router in self.routers) < MOST_STRANGERS

    def _admits(self, event: Advertised) -> bool:
        """Whether any prefix of the advertisement can count."""
        judged = self._judged(event.router, event.advertisement.prefixes)
        return any(verdict is None for _, _, verdict in judged)

    def _counts(self, router: Router, information: PrefixInformation) -> bool:
        """Whether the policy of any DynamicPrefix admits a prefix of the kernel."""
        acquisitions = (followed.specification.acquisition for followed in self.watched.values())
        return any(
            refusal(router, information, acquisition) is None for acquisition in acquisitions
        )


def _recall(routers: Routers, outrun: Collection[str], watched: Iterable[Watched]) -> Routers:
    """Hear again what an HTTP update said before a restart, or to another daemon.

    An update is sent when the prefix changes, and not when this daemon starts; the repository
    has it.

    Args:
        routers: what was heard.
        outrun: the DynamicPrefixes whose status is newer than what was heard.
        watched: the DynamicPrefixes.
    """
    for each in watched:
        source = Router(each.specification.acquisition.watched_webhook, WEBHOOK)
        status = each.status
        if not source.interface or status is None:
            continue
        if source in routers and each.specification.name not in outrun:
            continue
        if status.source is PrefixSource.WEBHOOK:
            routers = given(routers, source, [given_for_ever(status.current)], 0.0, 0.0)
    return routers


def given_for_ever(prefix: Prefix) -> PrefixInformation:
    """What is given without a lifetime: it stands until something else is given."""
    return PrefixInformation(
        prefix,
        on_link=True,
        autonomous=True,
        valid_lifetime=INFINITY,
        preferred_lifetime=INFINITY,
    )
