"""Watches links in one thread: one loop, and a source for each way to learn a prefix.

A source is one module: `advertisements`, `kernel`, `prefix_file`, `dhcpv6`, `fritzbox`.
`WatchedSource` is the contract of them all.
What a source learns it returns as events; the watcher hands them to its sink, in order.
"""

import contextlib
import select
import socket
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from math import inf
from typing import NamedTuple, Protocol, TypeAlias

from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.plan.ears import Accepted, Advertised, Given, LinkChanged
from gitops_prefix.watch.advertisements import AnswersRead, Dropped, Flooded, Solicit, Solicited
from gitops_prefix.watch.learnt import Deaf, SwitchedOff
from gitops_prefix.watch.links import Links, LinkState

__all__ = [
    "AnswersRead",
    "Deaf",
    "Dropped",
    "Event",
    "Flooded",
    "LeadChanged",
    "LeaseNotice",
    "Release",
    "Request",
    "Solicit",
    "Solicited",
    "SourceFailed",
    "SwitchedOff",
    "WatchedSource",
    "Watcher",
]


class SourceFailed(NamedTuple):
    """A source has no answer, or one that does not count; what it said before still counts."""

    source: Router
    reason: str
    at: float


class LeaseNotice(NamedTuple):
    """What a DHCPv6 server delegates to a DynamicPrefix, and what is due.

    Attributes:
        name: of the DynamicPrefix.
        interface: the link of the server.
        length: that was asked for.
        state: what the exchange is at.
        duid: ours.
        server: its DUID; empty before a server was chosen.
        prefixes: each with the end of its valid lifetime, on the watcher's clock.
        excluded: the parts of them that the server keeps for the link to us (RFC 6603).
        renew_at: T1; inf if never.
        rebind_at: T2; inf if never.
        taken: whether the prefixes were requested; a dry run takes none.
    """

    name: str
    interface: str
    length: int
    state: str
    duid: str
    server: str
    prefixes: tuple[tuple[Prefix, float], ...]
    excluded: tuple[Prefix, ...]
    renew_at: float
    rebind_at: float
    at: float
    taken: bool = True


class Release(NamedTuple):
    """The request to release what is only lent: the daemon ends."""


class LeadChanged(NamedTuple):
    """The request to look whether this daemon leads, because that changed."""


Event: TypeAlias = (
    Advertised
    | Dropped
    | Flooded
    | Solicited
    | AnswersRead
    | Accepted
    | Deaf
    | SwitchedOff
    | Given
    | SourceFailed
    | LeaseNotice
    | LinkChanged
)
Request: TypeAlias = Solicit | Release | LeadChanged

LONGEST_WAIT = 86400.0
"""Seconds: poll(2) takes no more than 24 days, and a lease may last longer."""


class WatchedSource(Protocol):
    """One way to learn a prefix: sockets and timers of its own, and no thread.

    Every method is called in the watcher's thread, and none blocks. `now` is seconds of the
    watcher's clock, which only goes forward.
    """

    @property
    def interfaces(self) -> Collection[str]:
        """The links to follow; a source without links (an HTTP update, a file) has none."""

    def filenos(self) -> Collection[int]:
        """The descriptors to wait for; they may be others after each call of a method."""

    def next_at(self) -> float:
        """When `ready` is due though nothing came: a timer, a retry; inf is never."""

    def follow(self, link: LinkState, now: float) -> Iterable[Event]:
        """Take in a change of a watched link, also of another source's link.

        It is called before `ready` may read packets of that link.
        """

    def ready(self, now: float) -> Iterable[Event]:
        """Read a bounded batch and do what is due.

        It is called when a descriptor is readable or `next_at` has passed.
        """

    def overhear(self, event: Advertised, now: float) -> None:
        """Take in an advertisement that another source heard, unless it repeats the last one."""

    def take(self, request: Request, now: float) -> None:
        """Carry out a request, now or soon; a request that is another source's is ignored."""

    def close(self) -> None:
        """Close what `filenos` names; nothing is called afterwards."""


class Watcher:
    """Runs sources until it is stopped.

    `sink` is called in the watcher's thread and must not block for long: while it blocks, the
    kernel buffers a few hundred packets, and drops the rest.
    """

    def __init__(
        self,
        sources: Sequence[WatchedSource],
        sink: Callable[[Event], None],
        *,
        clock: Callable[[], float],
    ) -> None:
        """Take over the sources; `run` closes them.

        Args:
            sources: at least one.
            sink: is called with every event.
            clock: seconds of CLOCK_MONOTONIC, by which the kernel counts, too.
        """
        self._sources, self._sink, self._clock = sources, sink, clock
        self._links = Links({name for source in sources for name in source.interfaces})
        self._requests: deque[Request] = deque()
        self._stopped = False
        self._woken, self._waker = socket.socketpair()

    def run(self) -> None:
        """Watch until `stop`; then close everything.

        Raises:
            OSError: a socket broke.
        """
        with contextlib.closing(self):
            while not self._stopped:
                self._turn(self._wait())
            self._carry_out(self._clock())

    def request(self, request: Request) -> None:
        """Have the sources carry out a request soon, from any thread."""
        self._requests.append(request)
        self._wake()

    def stop(self) -> None:
        """Make `run` return, from any thread."""
        self._stopped = True
        self._wake()

    def close(self) -> None:
        """Close every socket; `run` does so itself."""
        for source in self._sources:
            source.close()
        self._links.close()
        self._woken.close()
        self._waker.close()

    def _wake(self) -> None:
        # The loop may have ended by itself.
        with contextlib.suppress(OSError):
            self._waker.send(b"!", socket.MSG_DONTWAIT)

    def _wait(self) -> set[int]:
        """The descriptors that are readable; empty when a source's time has come."""
        poll = select.poll()
        for fileno in (self._woken.fileno(), self._links.fileno()):
            poll.register(fileno, select.POLLIN)
        for source in self._sources:
            for fileno in source.filenos():
                poll.register(fileno, select.POLLIN)
        at = min((source.next_at() for source in self._sources), default=inf)
        timeout = None if at == inf else min(max(0.0, at - self._clock()), LONGEST_WAIT) * 1000
        return {fileno for fileno, _ in poll.poll(timeout)}

    def _turn(self, readable: set[int]) -> None:
        now = self._clock()
        if self._woken.fileno() in readable:
            self._woken.recv(4096)
        # A new link is known before its packets and addresses are read.
        if self._links.fileno() in readable:
            for state in self._links.read():
                self._follow(state, now)
        self._carry_out(now)
        for source in self._sources:
            if source.next_at() <= now or not readable.isdisjoint(source.filenos()):
                self._report(source.ready(now), now)

    def _follow(self, link: LinkState, now: float) -> None:
        # Whoever hears of a link may rely on it: each source listens there by then.
        followed = [(*source.follow(link, now),) for source in self._sources]
        self._sink(LinkChanged(link.interface, link.up, link.present, now))
        for events in followed:
            self._report(events, now)

    def _carry_out(self, now: float) -> None:
        while self._requests:
            request = self._requests.popleft()
            for source in self._sources:
                source.take(request, now)

    def _report(self, events: Iterable[Event], now: float) -> None:
        for event in events:
            self._sink(event)
            if isinstance(event, Advertised) and not event.repeated:
                for source in self._sources:
                    source.overhear(event, now)
