"""The watcher's thread: it listens on the links that the repository names."""

import logging
import random
import threading
from collections.abc import Callable, Collection, Mapping

from gitops_prefix.daemon.decisions import Watched
from gitops_prefix.watch.watcher import Event, Watcher

log = logging.getLogger(__name__)


class Listening:
    """Starts a watcher for the links to watch, and another when they change."""

    def __init__(
        self,
        sink: Callable[[Event], None],
        clock: Callable[[], float],
        vouched: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """Listen to nothing yet.

        Args:
            sink: takes every event, in the watcher's thread.
            clock: seconds, that only go forward.
            vouched: the addresses of routers that must be heard in a flood, too.
        """
        self._sink, self._clock, self._vouched = sink, clock, vouched
        self._watcher: Watcher | None = None
        self._thread: threading.Thread | None = None
        self.interfaces: frozenset[str] = frozenset()

    def follow(self, watched: Mapping[str, Watched]) -> None:
        """Listen on the links that these name.

        Raises:
            OutsideError: no permission for the raw socket.
        """
        interfaces = interfaces_of(watched)
        if interfaces == self.interfaces:
            return
        self.stop()
        if interfaces:
            watcher = Watcher(
                sorted(interfaces),
                self._sink,
                clock=self._clock,
                chance=random.random,
                vouched=self._vouched,
            )
            self._watcher = watcher
            self._thread = threading.Thread(
                target=_watch, args=(watcher,), name="watch", daemon=True
            )
            self._thread.start()
        self.interfaces = interfaces

    def alive(self) -> bool:
        """Whether it listens, or has nothing to listen to."""
        return self._thread is None or self._thread.is_alive()

    def stop(self) -> None:
        """Listen no more."""
        if self._watcher is not None and self._thread is not None:
            self._watcher.stop()
            self._thread.join(timeout=2)
        self._watcher = self._thread = None
        self.interfaces = frozenset()


def _watch(watcher: Watcher) -> None:
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
