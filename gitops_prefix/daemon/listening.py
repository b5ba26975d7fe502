"""The watcher's thread: it listens on the links that the repository names."""

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Acquisition, Delegation
from gitops_prefix.decide.status import PrefixSource
from gitops_prefix.errors import OutsideError
from gitops_prefix.plan.ears import Watched
from gitops_prefix.watch.advertisements import AdvertisementSource
from gitops_prefix.watch.kernel import KernelSource
from gitops_prefix.watch.watcher import (
    Event,
    LeadChanged,
    Release,
    Request,
    WatchedSource,
    Watcher,
)

log = logging.getLogger(__name__)

_Item = TypeVar("_Item")


class _Sources(NamedTuple):
    """What each source watches: links, links again, paths, leases and hosts."""

    links: frozenset[str] = frozenset()
    kernels: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    delegations: frozenset[Delegation] = frozenset()
    boxes: frozenset[str] = frozenset()


_NOTHING = _Sources()


class CannotListenError(OutsideError):
    """No permission for the raw socket: waiting gives nobody a capability."""


class SourceNeeds(NamedTuple):
    """What sources need of the machine and of this daemon.

    Attributes:
        source_dir: files are read below this directory alone; None: no file is.
        identity: where the DUID for DHCPv6 is kept.
        leads: whether this daemon is the one that speaks, of those on this repository; None:
            it is the only one.
        takes: whether a delegation that a server offers is requested; a dry run only looks.
    """

    source_dir: Path | None = None
    identity: Path | None = None
    leads: Callable[[], bool] | None = None
    takes: bool = True


class Listening:
    """One watcher for all links; it is made anew when the links change."""

    def __init__(
        self,
        sink: Callable[[Event], None],
        clock: Callable[[], float],
        vouched: Callable[[], Collection[str]] = tuple,
        surroundings: SourceNeeds = SourceNeeds(),  # noqa: B008  frozen
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """Listen to nothing yet.

        Args:
            sink: takes every event, in the watcher's thread.
            clock: seconds, that only go forward.
            vouched: the addresses of routers that must be heard in a flood, too.
            surroundings: what sources need beside.
            ended: called, in the watcher's thread, when the thread ends unforeseen.
        """
        self._ended = ended
        self._surroundings = surroundings
        self._watched: Mapping[str, Watched] = {}
        self._leased: set[str] = set()
        self._sink, self._clock, self._vouched = sink, clock, vouched
        self._watcher: Watcher | None = None
        self._thread: threading.Thread | None = None
        self._failed = False
        self._followed = _NOTHING

    def follow(self, watched: Mapping[str, Watched]) -> None:
        """Listen on the links that these name.

        Raises:
            CannotListenError: no permission for the raw socket.
        """
        self._watched = watched
        delegations = _asked(watched, lambda each: filter(None, [each.watched_delegation]))
        names = _Sources(
            # A router that renumbers says so on the link before it is asked by DHCPv6.
            interfaces_of(watched) | {each.interface for each in delegations},
            _asked(watched, lambda each: filter(None, [each.watched_kernel])),
            _asked(watched, lambda each: filter(None, [each.watched_file])),
            delegations,
            _asked(watched, lambda each: filter(None, [each.watched_fritzbox])),
        )
        if names == self._followed:
            return
        self.stop()
        sources = self._open(names)
        if sources:
            self._watcher = Watcher(sources, self._sink, clock=self._clock)
            self._thread = threading.Thread(
                target=self._watch, args=(self._watcher,), name="watch", daemon=True
            )
            self._thread.start()
        self._followed = names

    def request(self, request: Request) -> None:
        """Have the watcher carry out a request, if it listens to anything."""
        watcher = self._watcher
        if watcher is not None:
            watcher.request(request)

    def alive(self) -> bool:
        """Whether it listens, or has nothing to listen to."""
        return not self._failed and (self._thread is None or self._thread.is_alive())

    def stop(self) -> None:
        """Listen no more, without giving back what is only lent."""
        if self._watcher is not None and self._thread is not None:
            self._watcher.stop()
            self._thread.join(timeout=2)
        self._watcher = self._thread = None
        self._followed = _NOTHING

    def look_who_leads(self) -> None:
        """Have the sources that only the leader asks begin, or end. Any thread may call this."""
        self.request(LeadChanged())

    def release(self) -> None:
        """Release what is only lent: the daemon ends."""
        self.request(Release())

    def _watch(self, watcher: Watcher) -> None:
        """The thread. What ends it is logged; whoever runs the daemon then ends, too."""
        try:
            watcher.run()
        except Exception as error:  # noqa: BLE001  nothing else catches it
            log.critical("cannot listen any more: %s: %s", type(error).__name__, error)
            # The thread still lives when whoever it wakes asks.
            self._failed = True
            self._ended()

    def _hoped(self, name: str) -> Prefix | None:
        """The prefix that was delegated to a DynamicPrefix, as the repository has it."""
        status = self._watched[name].status if name in self._watched else None
        return status.current if status and status.source is PrefixSource.DHCPV6_PD else None

    def _open(self, names: _Sources) -> list[WatchedSource]:
        sources: list[WatchedSource] = []
        if names.files:
            # ctypes is 1 MiB: only for those who need it.
            from gitops_prefix.watch.prefix_file import FileSource  # noqa: PLC0415

            directory = self._surroundings.source_dir
            sources.append(FileSource(names.files, directory, calendar=time.time))
        if names.links:
            try:
                source = AdvertisementSource(
                    names.links, chance=random.random, vouched=self._vouched
                )
            except OutsideError as error:
                raise CannotListenError(str(error)) from error
            sources.append(source)
        if names.delegations:
            # hashlib loads OpenSSL: only for those who need it.
            from gitops_prefix.watch.dhcpv6 import DelegationSource  # noqa: PLC0415

            sources.append(
                DelegationSource(
                    names.delegations,
                    identity=self._surroundings.identity,
                    hoped=self._hoped,
                    speaks=self._surroundings.leads,
                    leased=self._leased,
                    chance=random.random,
                    takes=self._surroundings.takes,
                )
            )
        if names.boxes:
            # expat and http.client: only for those who need them.
            from gitops_prefix.watch.fritzbox import FritzBoxSource  # noqa: PLC0415

            sources.append(FritzBoxSource(names.boxes))
        if names.kernels:
            sources.append(KernelSource(names.kernels))
        return sources


def _asked(
    watched: Mapping[str, Watched], asked: Callable[[Acquisition], Iterable[_Item]]
) -> frozenset[_Item]:
    """What the DynamicPrefixes ask for, each thing once."""
    acquisitions = (followed.specification.acquisition for followed in watched.values())
    return frozenset(item for acquisition in acquisitions for item in asked(acquisition))


def links_of(watched: Mapping[str, Watched]) -> frozenset[str]:
    """Every link that some DynamicPrefix watches, by whatever source."""
    return _asked(watched, lambda acquisition: acquisition.links)


def interfaces_of(watched: Mapping[str, Watched]) -> frozenset[str]:
    """The links whose Router Advertisements some DynamicPrefix follows."""
    return _asked(watched, lambda acquisition: acquisition.watched_links)
