"""What the sources beside Router Advertisements say, as one more router's word.

Nobody can ask them: what they say is final. A file, a DHCPv6 server, an HTTP update and a
FRITZ!Box give all their prefixes at once (`given`).

The kernel (`accept`) does not say who announced a prefix, and keeps what a newer advertisement
leaves out for its whole lifetime (RFC 4861 6.3.4), which is the outage of RFC 8978. So
it counts when a prefix appeared, and when it was last repeated:

* Nothing else was repeated since: it stands. Silence says nothing.
* Another of its kind, global or not, appeared since: it is left out, until it is
  repeated. Two that appeared together are two routers, not a renumbering.
* Another was repeated since: it stands until it is overdue.

Times are seconds of a monotonic clock.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from gitops_prefix.decide.advertisement import KERNEL, Preference, PrefixInformation, Router
from gitops_prefix.decide.announcement import LONGEST_INTERVAL, Announcement
from gitops_prefix.decide.prefix import GLOBAL_UNICAST, Prefix
from gitops_prefix.decide.routers import Routers, RouterState

TOGETHER = 5.0
"""Seconds within which several routers answer one solicitation (RFC 4861 10)."""
SAME = 0.5
"""Seconds within which two notices are of one advertisement: a router waits 3 before its
next (MIN_DELAY_BETWEEN_RAS, RFC 4861 10)."""
UNKNOWN_INTERVAL = LONGEST_INTERVAL / 3
"""Seconds: with it, what was heard once is overdue after the longest interval."""


@dataclass(frozen=True, slots=True)
class GivenState(RouterState):
    """What a source says that gives all its prefixes at once."""

    @property
    def answers(self) -> bool:
        """No: such a source says by itself what changed."""
        return False


def given(
    routers: Routers,
    source: Router,
    prefixes: Iterable[PrefixInformation],
    since: float,
    now: float,
) -> Routers:
    """The routers, now that a source gives these prefixes, and no others.

    Args:
        routers: as they were before.
        source: which source.
        prefixes: every prefix, with the lifetimes it had at `since`.
        since: when the source wrote them.
        now: when they were read.
    """
    before = routers.get(source)
    state = GivenState(
        Preference.MEDIUM,
        now,
        before.known_since if before else now,
        {found.prefix: Announcement(found, since) for found in prefixes},
    )
    return {**routers, source: state}


class KernelPrefix(NamedTuple):
    """One prefix that the kernel has.

    Attributes:
        information: with the lifetimes it had when it was last repeated.
        heard_at: when it was last repeated.
        appeared_at: when it came first.
    """

    information: PrefixInformation
    heard_at: float
    appeared_at: float


@dataclass(frozen=True, slots=True)
class KernelState(RouterState):
    """What the kernel has on one link.

    Attributes:
        appeared: when each prefix came, or came back after it had fallen silent.
    """

    appeared: Mapping[Prefix, float] = field(default_factory=dict)

    @property
    def answers(self) -> bool:
        """No: the kernel asks routers by itself."""
        return False


def accept(
    routers: Routers,
    interface: str,
    prefixes: Iterable[KernelPrefix],
    now: float,
    counts: Callable[[PrefixInformation], bool] = lambda _: True,
) -> Routers:
    """The routers, now that the kernel has these prefixes on a link, and no others.

    A kernel without any is silent, not a router that withdraws: nothing was announced
    yet, or nothing is any more. What does not count, by policy, leaves no other one out.
    """
    router = Router(interface, KERNEL)
    before = routers.get(router)
    others = {known: state for known, state in routers.items() if known != router}
    kept = {held.information.prefix: held for held in prefixes}
    if not kept:
        return others
    appeared = dict(_appearances(before, kept))
    announcements = {prefix: _announce(before, held) for prefix, held in kept.items()}
    rivals = {
        prefix: held
        for prefix, held in announcements.items()
        if held.information.preferred_lifetime and counts(held.information)
    }
    others[router] = KernelState(
        Preference.MEDIUM,
        now,
        before.known_since if before else now,
        {prefix: _stand(held, rivals, appeared) for prefix, held in announcements.items()},
        appeared=appeared,
    )
    return others


def _appearances(
    before: RouterState | None, kept: Mapping[Prefix, KernelPrefix]
) -> Iterator[tuple[Prefix, float]]:
    known = before.appeared if isinstance(before, KernelState) else {}
    for prefix, held in kept.items():
        previous = before.announcements.get(prefix) if before else None
        if previous is None:
            yield prefix, held.appeared_at
        elif held.heard_at > previous.overdue_at:
            # It fell silent and came back: an ISP that returns to an old prefix.
            yield prefix, held.heard_at
        else:
            yield prefix, known.get(prefix, held.appeared_at)


def _announce(before: RouterState | None, held: KernelPrefix) -> Announcement:
    previous = before.announcements.get(held.information.prefix) if before else None
    if previous is None:
        return Announcement(held.information, held.heard_at, UNKNOWN_INTERVAL)
    gap = held.heard_at - previous.heard_at
    # A solicited advertisement comes out of turn: the rhythm is forgotten slowly.
    every = max(gap, previous.every / 2) if gap > SAME else previous.every
    return Announcement(held.information, held.heard_at, min(every, UNKNOWN_INTERVAL))


def _stand(
    held: Announcement,
    rivals: Mapping[Prefix, Announcement],
    appeared: Mapping[Prefix, float],
) -> Announcement:
    """The announcement, left out as far as the others of its kind say so."""
    ours = held.information.prefix
    others = [
        (other, appeared[prefix])
        for prefix, other in rivals.items()
        if prefix != ours
        and GLOBAL_UNICAST.covers(prefix) == GLOBAL_UNICAST.covers(ours)
        and other.heard_at > held.heard_at + SAME
    ]
    if not others:
        return held
    newcomers = [at for _, at in others if at > max(held.heard_at, appeared[ours] + TOGETHER)]
    if newcomers:
        return replace(held, left_at=min(newcomers))
    return replace(held, left_at=min(other.heard_at for other, _ in others), came_back=True)
