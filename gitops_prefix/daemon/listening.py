"""The watcher's thread: it listens on the links that the repository names."""

import random
import threading
from collections.abc import Callable, Mapping

from gitops_prefix.daemon.decisions import Watched
from gitops_prefix.watch.watcher import Event, Watcher


class Listening:
    """Starts a watcher for the links to watch, and another when they change."""

    def __init__(
        self, sink: Callable[[Event], None], clock: Callable[[], float], override: str = ""
    ) -> None:
        """Listen to nothing yet.

        Args:
            sink: takes every event, in the watcher's thread.
            clock: seconds, that only go forward.
            override: a link to watch whatever the repository names, or empty.
        """
        self._sink, self._clock, self._override = sink, clock, override
        self._watcher: Watcher | None = None
        self._thread: threading.Thread | None = None
        self.interfaces: frozenset[str] = frozenset()

    def follow(self, watched: Mapping[str, Watched]) -> None:
        """Listen on the links that these name.

        Raises:
            OutsideError: no permission for the raw socket.
        """
        interfaces = interfaces_of(watched, self._override)
        if interfaces == self.interfaces:
            return
        self.stop()
        if interfaces:
            self._watcher = Watcher(
                sorted(interfaces), self._sink, clock=self._clock, chance=random.random
            )
            self._thread = threading.Thread(target=self._watcher.run, name="watch", daemon=True)
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


def interfaces_of(watched: Mapping[str, Watched], override: str = "") -> frozenset[str]:
    """The links whose Router Advertisements some DynamicPrefix follows."""
    named = {
        interface
        for one in watched.values()
        if one.specification.acquisition.static is None
        for interface in one.specification.acquisition.interfaces
    }
    return frozenset({override} if override and named else named)
