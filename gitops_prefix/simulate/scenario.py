"""What happens in a simulation, and when: values only.

Times are whole seconds from the start.
"""

from dataclasses import dataclass
from datetime import datetime

from gitops_prefix.decide.advertisement import Router, RouterAdvertisement
from gitops_prefix.decide.prefix import Prefix


@dataclass(frozen=True, slots=True)
class Observed:
    """A prefix is simply taken as observed, as `render --prefix` does."""

    name: str
    prefix: Prefix


@dataclass(frozen=True, slots=True)
class Announces:
    """A router advertises, and repeats it until it says something else.

    Attributes:
        label: what the scenario calls it.
        every: seconds between repetitions; 0 is never.
    """

    router: Router
    label: str
    advertisement: RouterAdvertisement
    every: int = 0


@dataclass(frozen=True, slots=True)
class FallsSilent:
    """A router stops advertising, without a last word."""

    router: Router
    label: str


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


Action = Observed | Announces | FallsSilent | LinkChanges | Restarts | GitChanges | Noted


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
