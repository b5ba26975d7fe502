"""Watches what the kernel has on links, and tells it as events. Needs no capability.

A link may be absent at the start, go down, come back with another index or be
renamed; the kernel is asked for its addresses anew. It is the kernel that solicits
routers when a link comes up. At rest it sleeps in one select, with no wake-up at all.
"""

import contextlib
import selectors
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gitops_prefix.plan.ears import Accepted, LinkChanged
from gitops_prefix.watch.accept_ra import deafness, read_settings
from gitops_prefix.watch.kernel import (
    AddressesListed,
    AddressesMissed,
    KernelSocket,
    SettingsChanged,
    Told,
)
from gitops_prefix.watch.learnt import Deaf, KernelAddress, KernelNotice, Learnt
from gitops_prefix.watch.netlink import Link, LinkSocket, Listed, Missed

KernelEvent = Accepted | Deaf | LinkChanged


@dataclass(slots=True)
class _Watch:
    """One watched link."""

    name: str
    index: int = 0
    up: bool = False
    told: bool = False
    deaf: str | None = None
    learnt: Learnt = field(default_factory=Learnt)
    changed: bool = False


class KernelWatcher:
    """Watches the named links until it is stopped; `sink` is called in its thread."""

    def __init__(
        self,
        interfaces: Iterable[str],
        sink: Callable[[KernelEvent], None],
        *,
        clock: Callable[[], float],
    ) -> None:
        """Open the sockets.

        Args:
            interfaces: the links.
            sink: told every event.
            clock: seconds of CLOCK_MONOTONIC, which is what the kernel counts by.
        """
        self._sink, self._clock = sink, clock
        self._watches = {name: _Watch(name) for name in interfaces}
        self._by_index: dict[int, _Watch] = {}
        self._listed: set[str] = set()
        self._kernel = KernelSocket()
        self._links = LinkSocket()
        self._stop_reader, self._stop_writer = socket.socketpair()

    def run(self) -> None:
        """Watch until `stop`; then close everything.

        Raises:
            OSError: a socket broke.
        """
        with contextlib.closing(self), selectors.DefaultSelector() as selector:
            selector.register(self._stop_reader, selectors.EVENT_READ, None)
            selector.register(self._links, selectors.EVENT_READ, self._read_links)
            selector.register(self._kernel, selectors.EVENT_READ, self._read_kernel)
            while True:
                ready = {key.fd: key.data for key, _ in selector.select()}
                if self._stop_reader.fileno() in ready:
                    return
                # A new link is known before its addresses are.
                for descriptor in sorted(ready, key=lambda one: one != self._links.fileno()):
                    ready[descriptor]()

    def stop(self) -> None:
        """Make `run` return, from any thread."""
        # It may have ended by itself.
        with contextlib.suppress(OSError):
            self._stop_writer.send(b"!")

    def close(self) -> None:
        """Give the sockets back; `run` does so itself."""
        self._kernel.close()
        self._links.close()
        self._stop_reader.close()
        self._stop_writer.close()

    def _read_links(self) -> None:
        for told in self._links.read():
            match told:
                case Link():
                    self._listed.add(told.name)
                    self._follow(told)
                case Missed():
                    self._listed.clear()
                case Listed():
                    for watch in self._watches.values():
                        if watch.name not in self._listed and (watch.index or not watch.told):
                            self._lose(watch)

    def _lose(self, watch: _Watch) -> None:
        self._by_index.pop(watch.index, None)
        watch.index = 0
        self._turn(watch, up=False, present=False)

    def _follow(self, link: Link) -> None:
        """Take in what became of a link: it may be ours now, or no longer."""
        known = self._by_index.get(link.ifindex)
        if known is not None and (known.name != link.name or not link.present):
            # Removed, or renamed away.
            self._lose(known)
        watch = self._watches.get(link.name)
        if watch is None or not link.present:
            return
        came = watch.index != link.ifindex
        if came:
            self._by_index.pop(watch.index, None)
            watch.index = link.ifindex
            self._by_index[link.ifindex] = watch
        if came or watch.up != link.up:
            self._turn(watch, up=link.up, present=True)

    def _turn(self, watch: _Watch, *, up: bool, present: bool) -> None:
        """A link came, went, or changed its state: what it had is told anew."""
        watch.up, watch.told = up, True
        watch.learnt.clear()
        self._sink(LinkChanged(watch.name, up, present, self._clock()))
        self._sink(Accepted(watch.name, (), self._clock()))
        if up:
            self._look(watch)
            self._kernel.ask()

    def _look(self, watch: _Watch) -> None:
        """Say whether the kernel takes anything, at first and when it changes."""
        reason = deafness(watch.name, read_settings(watch.name), watch.learnt.count)
        if reason != watch.deaf:
            watch.deaf = reason
            self._sink(Deaf(watch.name, reason, self._clock()))

    def _read_kernel(self) -> None:
        now = self._clock()
        for told in self._kernel.read():
            self._take(told, now)
        for watch in self._watches.values():
            if watch.changed:
                watch.changed = False
                self._sink(Accepted(watch.name, watch.learnt.prefixes(now), now))

    def _take(self, told: Told, now: float) -> None:
        match told:
            case KernelAddress() | KernelNotice():
                watch = self._by_index.get(told.ifindex)
                if watch is not None and watch.up:
                    self._learn(watch, told, now)
            case AddressesMissed():
                for watch in self._watches.values():
                    watch.learnt.list_anew()
            case AddressesListed():
                for watch in self._watches.values():
                    watch.learnt.listed()
                    watch.changed = True
            case SettingsChanged():
                for watch in self._by_index.values():
                    self._look(watch)

    def _learn(self, watch: _Watch, told: KernelAddress | KernelNotice, now: float) -> None:
        watch.changed = True
        if isinstance(told, KernelAddress):
            watch.learnt.take(told, now)
            self._look(watch)
            return
        watch.learnt.notice(told.information, now)
        if watch.deaf:
            self._look(watch)
