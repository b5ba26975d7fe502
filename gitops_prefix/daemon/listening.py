"""The watchers' threads: they listen on the links that the repository names."""

import logging
import random
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from gitops_prefix.daemon.decisions import Event
from gitops_prefix.errors import OutsideError
from gitops_prefix.plan.ears import Watched
from gitops_prefix.watch.watcher import Watcher

log = logging.getLogger(__name__)


class CannotListenError(OutsideError):
    """No permission for the raw socket: waiting gives nobody a capability."""


class _Watches(Protocol):
    """What runs in a thread until it is stopped."""

    def run(self) -> None: ...

    def stop(self) -> None: ...


class _Ear:
    """One kind of watcher: it is started for the links to watch, and anew when they change."""

    def __init__(self, name: str, make: Callable[[list[str]], _Watches]) -> None:
        self._name, self._make = name, make
        self._watcher: _Watches | None = None
        self._thread: threading.Thread | None = None
        self._interfaces: frozenset[str] = frozenset()

    def follow(self, interfaces: frozenset[str]) -> None:
        if interfaces == self._interfaces:
            return
        self.stop()
        if interfaces:
            watcher = self._make(sorted(interfaces))
            self._watcher = watcher
            self._thread = threading.Thread(
                target=_watch, args=(watcher,), name=self._name, daemon=True
            )
            self._thread.start()
        self._interfaces = interfaces

    def alive(self) -> bool:
        return self._thread is None or self._thread.is_alive()

    def stop(self) -> None:
        if self._watcher is not None and self._thread is not None:
            self._watcher.stop()
            self._thread.join(timeout=2)
        self._watcher = self._thread = None
        self._interfaces = frozenset()


class Listening:
    """Listens to advertisements on a raw socket, and to the kernel by netlink."""

    def __init__(
        self,
        sink: Callable[[Event], None],
        clock: Callable[[], float],
        vouched: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """Listen to nothing yet.

        Args:
            sink: takes every event, in a watcher's thread.
            clock: seconds, that only go forward.
            vouched: the addresses of routers that must be heard in a flood, too.
        """
        self._sink, self._clock, self._vouched = sink, clock, vouched
        self._link = _Ear("watch", self._watch_links)
        self._kernel = _Ear("watch-kernel", self._watch_kernel)

    def follow(self, watched: Mapping[str, Watched]) -> None:
        """Listen on the links that these name.

        Raises:
            CannotListenError: no permission for the raw socket.
        """
        try:
            self._link.follow(interfaces_of(watched))
        except OutsideError as error:
            raise CannotListenError(str(error)) from error
        self._kernel.follow(kernel_interfaces_of(watched))

    def alive(self) -> bool:
        """Whether it listens, or has nothing to listen to."""
        return self._link.alive() and self._kernel.alive()

    def stop(self) -> None:
        """Listen no more."""
        self._link.stop()
        self._kernel.stop()

    def _watch_links(self, interfaces: list[str]) -> Watcher:
        return Watcher(
            interfaces, self._sink, clock=self._clock, chance=random.random, vouched=self._vouched
        )

    def _watch_kernel(self, interfaces: list[str]) -> _Watches:
        # pyroute2 is 8 MiB: only for those who need it (docs/dependencies.md).
        from gitops_prefix.watch.kernel_watcher import KernelWatcher  # noqa: PLC0415

        return KernelWatcher(interfaces, self._sink, clock=self._clock)


def _watch(watcher: _Watches) -> None:
    """The thread. What ends it is logged: all that /healthz says is that it ended."""
    try:
        watcher.run()
    except Exception as error:  # noqa: BLE001  the last one to hear of it
        log.critical("cannot listen any more: %s: %s", type(error).__name__, error)


def interfaces_of(watched: Mapping[str, Watched]) -> frozenset[str]:
    """The links whose Router Advertisements some DynamicPrefix follows."""
    return frozenset(
        interface
        for one in watched.values()
        if one.specification.acquisition.static is None
        for interface in one.specification.acquisition.interfaces
    )


def kernel_interfaces_of(watched: Mapping[str, Watched]) -> frozenset[str]:
    """The links whose prefixes, as the kernel took them, some DynamicPrefix follows."""
    return frozenset(
        filter(None, (one.specification.acquisition.kernel for one in watched.values()))
    )
