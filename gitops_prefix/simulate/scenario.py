"""What happens in a simulation, and when: values only. Times are whole seconds from the start.

A scenario that names no link, no router address and no literal prefix fits every
repository: `A` is the prefix that is current there, and `B`, `C` and so on are other
prefixes that the policy admits too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gitops_prefix.decide.advertisement import PrefixInformation, Router, RouterAdvertisement
from gitops_prefix.decide.prefix import USUAL_LENGTH, Prefix
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status

_FIRST = Prefix.parse("2001:db8:1234::/64")
_LETTER = re.compile(r"[A-Z]")
_SITE = 48
"""What an ISP's next prefix differs in, when there is room: another /48 (RFC 6177)."""
_LETTER_BITS = 5


@dataclass(frozen=True, slots=True)
class Observed:
    """A prefix is simply taken as observed, as `render --prefix` does."""

    name: str
    prefix: Prefix


@dataclass(frozen=True, slots=True)
class Announces:
    """A router advertises, and repeats this until it says something else.

    Attributes:
        label: what the scenario calls the router. Two routers may share an address.
        advertisements: the packets that are sent at one time: a router may spread its
            options over several (RFC 4861 9).
        every: seconds between repetitions; 0 is never.
        once: whether the router repeats its earlier words afterwards, and not this.
    """

    router: Router
    label: str
    advertisements: tuple[RouterAdvertisement, ...]
    every: int = 0
    once: bool = False


@dataclass(frozen=True, slots=True)
class FallsSilent:
    """A router stops advertising, without a last word."""

    router: Router
    label: str


@dataclass(frozen=True, slots=True)
class SaysFarewell:
    """A router stops with a final advertisement: lifetime 0, no prefixes (RFC 4861 6.2.5)."""

    router: Router
    label: str


@dataclass(frozen=True, slots=True)
class LosesPackets:
    """What a router sends the next `times` times does not arrive, asked for or not."""

    router: Router
    label: str
    times: int


@dataclass(frozen=True, slots=True)
class Gives:
    """A source says all that it has: a DHCPv6 server, a FRITZ!Box, an update, a file, the kernel.

    Attributes:
        source: KERNEL, or one of `advertisement.GIVING`.
        prefixes: with their lifetimes from now on.
    """

    source: str
    prefixes: tuple[PrefixInformation, ...]


@dataclass(frozen=True, slots=True)
class LinkChanges:
    """A link of the machine that watches goes down or comes up."""

    interface: str
    up: bool


@dataclass(frozen=True, slots=True)
class Restarts:
    """The daemon ends and begins again: what it heard is forgotten."""


@dataclass(frozen=True, slots=True)
class GitChanges:
    """The remote cannot be reached, or can again."""

    away: bool


@dataclass(frozen=True, slots=True)
class Noted:
    """Words for the reader; nothing happens."""


Action = (
    Observed
    | Announces
    | FallsSilent
    | SaysFarewell
    | LosesPackets
    | Gives
    | LinkChanges
    | Restarts
    | GitChanges
    | Noted
)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens.

    Attributes:
        at: seconds from the start.
        note: the author's words about it, or empty.
    """

    at: int
    action: Action
    note: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Events, in the order of time.

    Attributes:
        start: by the calendar, in UTC.
        until: seconds from the start at which it ends; None while time alone still
            changes something.
    """

    title: str
    start: datetime
    events: tuple[Event, ...]
    until: int | None = None


@dataclass(frozen=True, slots=True)
class StandIns:
    """The values for what a scenario leaves open."""

    interface: str = "eth0"
    router: str = "fe80::1"
    current: Prefix = _FIRST
    within: tuple[Prefix, ...] = ()

    def prefix(self, text: str) -> Prefix:
        """A prefix in CIDR notation, or a letter.

        Raises:
            ValueError: it is neither, or the policy leaves no room for such a letter.
        """
        if not _LETTER.fullmatch(text):
            return Prefix.parse(text)
        steps = ord(text) - ord("A")
        outer = max(
            (outer.length for outer in self.within if outer.covers(self.current)), default=0
        )
        unit = min(max(_SITE, outer + _LETTER_BITS), self.current.length)
        if steps and unit - _LETTER_BITS < outer:
            raise ValueError(
                f'"{text}" finds no room in prefixFilter.within: write the prefix out instead'
            )
        # Another bit of the subnet's number each time, and never one outside `within`.
        network = self.current.network ^ steps << (128 - unit)
        return Prefix(network, self.current.length)


def stand_ins(
    specifications: Mapping[str, Specification], statuses: Mapping[str, Status | None]
) -> StandIns:
    """The stand-ins of a repository: those of its first DynamicPrefix that watches a link."""
    for name, specification in sorted(specifications.items()):
        acquisition = specification.acquisition
        links = (*acquisition.interfaces, *filter(None, [acquisition.kernel_interface]))
        if not links or acquisition.static:
            continue
        status = statuses.get(name)
        return StandIns(
            links[0],
            next(iter(acquisition.routers), "fe80::1"),
            status.current if status else _first(acquisition.within),
            acquisition.within,
        )
    return StandIns()


def _first(within: tuple[Prefix, ...]) -> Prefix:
    if not within or any(outer.covers(_FIRST) for outer in within):
        return _FIRST
    return Prefix(within[0].network, max(USUAL_LENGTH, within[0].length))
