"""A scenario file, read and checked: docs/simulate.md lists its fields.

Read strictly: an unknown field is an error, since half of a scenario is of no use.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gitops_prefix.decide.advertisement import (
    INFINITY,
    KERNEL,
    ROUTE_INFORMATION,
    Preference,
    PrefixInformation,
    Router,
    RouterAdvertisement,
    UnknownOption,
)
from gitops_prefix.decide.fields import FieldProblem, Fields, nearest, parse_duration
from gitops_prefix.decide.prefix import LINK_LOCAL, Prefix, format_address, parse_address
from gitops_prefix.decide.specification import SOURCE_FIELD
from gitops_prefix.decide.status import parse_time
from gitops_prefix.errors import InputError, Place, Problem, Severity
from gitops_prefix.render.node import Node, duplicate_keys, nearest_node
from gitops_prefix.render.parse import NotYamlError, locate, plain_value
from gitops_prefix.render.source import Source
from gitops_prefix.simulate.scenario import (
    Action,
    Announces,
    Event,
    FallsSilent,
    GitChanges,
    Gives,
    LinkChanges,
    LosesPackets,
    Noted,
    Restarts,
    SaysFarewell,
    Scenario,
    StandIns,
)

VALID_LIFETIME, PREFERRED_LIFETIME = 2_592_000, 604_800
"""Seconds, when the scenario does not say: RFC 4861 6.2.1's defaults."""
ROUTER_LIFETIME = 1800
LONGEST_ROUTER_LIFETIME = 65_535
"""Seconds: the field has 16 bits (RFC 4861 4.2)."""
EVERY = 600
MOST_LOST = 1000
MOST_SECONDS = 366 * 86_400
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_FLAGS = {"on-link", "autonomous"}
_ACTIONS = ("announces", "packets", "farewell", "silent", "lost", "gives", "link", "daemon", "git")
_WITHOUT_ROUTER = {"gives", "link", "daemon", "git"}
_PACKET = ("announces", "routes", "lifetime")
_BESIDE = {
    "announces": {"routes", "lifetime", "every", "once"},
    "packets": {"every", "once"},
    "gives": {"source"},
    "link": {"interface"},
}
"""The fields that say something beside an action."""


@dataclass(frozen=True, slots=True)
class _Sender:
    """A router of the scenario, as its events use it: its events may say otherwise."""

    router: Router
    label: str
    preference: Preference = Preference.MEDIUM
    lifetime: int = ROUTER_LIFETIME
    every: int = EVERY
    valid: int = VALID_LIFETIME
    preferred: int = PREFERRED_LIFETIME
    snac: bool = False


def read_scenario(path: str, content: bytes, stand_ins: StandIns, now: datetime) -> Scenario:
    """Read a scenario file.

    Args:
        path: for messages.
        content: of the file.
        stand_ins: for what it leaves open.
        now: when it starts, unless it says a time of the day itself.

    Raises:
        InputError: with every problem in it, each at its line and column.
    """
    try:
        source = Source.decode(path, content)
        root = locate(source.text)
        value = plain_value(root)
    except UnicodeDecodeError as error:
        raise InputError(Problem("not-utf8", "is not UTF-8: save it so", Place(path))) from error
    except NotYamlError as error:
        problem = Problem("not-yaml", f"does not parse: {error}", source.place(error.offset))
        raise InputError(problem) from error
    except ValueError as error:
        raise InputError(Problem("not-yaml", f"does not parse: {error}", Place(path))) from error
    if root is None or not isinstance(value, dict):
        message = "must be a mapping with events: docs/simulate.md shows one"
        raise InputError(Problem("wrong-type", message, Place(path, 1, 1)))
    fields = Fields(value)
    scenario = _Reader(stand_ins, now).read(fields)
    problems = [
        *_twice(source, root),
        *(_placed(source, root, problem) for problem in fields.problems),
    ]
    if problems:
        raise InputError(*problems)
    return scenario


def _twice(source: Source, root: Node) -> Iterator[Problem]:
    for key in duplicate_keys(root):
        message = f'"{key.text}" is here twice in one mapping: keep one of them'
        yield Problem("duplicate-key", message, source.place(key.start))


def _placed(source: Source, root: Node, problem: FieldProblem) -> Problem:
    node = nearest_node(root, problem.path)
    return Problem(problem.code, problem.message, source.place(node.start), Severity.ERROR)


class _Reader:
    """Reads one scenario; an event's time may count from the one before it."""

    def __init__(self, stand_ins: StandIns, now: datetime) -> None:
        self._stand_ins = stand_ins
        self._start = now
        self._senders: dict[str, _Sender] = {}

    def read(self, fields: Fields) -> Scenario:
        fields.only("title", "start", "until", "routers", "events")
        self._start = fields.parsed("start", self._parse_start, self._start)
        routers = fields.mapping("routers")
        for label in map(str, routers.content):
            self._senders[label] = self._read_sender(label, routers.mapping(label))
        if not any(True for _ in fields.mappings("events")) and not fields.problems:
            fields.problem("events", "missing-field", "a scenario needs events")
        events: list[Event] = []
        for item in fields.mappings("events"):
            after = events[-1].at if events else 0
            events.append(self._read_event(item, after))
        until = fields.parsed("until", parse_seconds, None) if "until" in fields else None
        if until is not None and events and until < events[-1].at:
            fields.problem("until", "out-of-range", "the last event comes later: raise it")
        return Scenario(fields.text("title"), self._start, tuple(events), until)

    def _parse_start(self, text: str) -> datetime:
        clock = _CLOCK.fullmatch(text)
        if not clock:
            return parse_time(text)
        midnight = self._start.replace(hour=0, minute=0, second=0)
        moment = midnight + _of_day(clock)
        return moment if moment >= self._start else moment + timedelta(days=1)

    def _read_sender(self, label: str, fields: Fields) -> _Sender:
        fields.only(
            "address", "interface", "preference", "lifetime", "every", "valid", "preferred", "snac"
        )
        router = Router(
            fields.text("interface", self._stand_ins.interface),
            fields.parsed("address", _parse_link_local, self._stand_ins.router),
        )
        names = [preference.name.lower() for preference in Preference]
        preference = Preference[fields.choice("preference", names, "medium").upper()]
        valid, preferred = _read_lifetimes(fields, VALID_LIFETIME, PREFERRED_LIFETIME)
        return _Sender(
            router,
            label,
            preference,
            _read_router_lifetime(fields, ROUTER_LIFETIME),
            _read_every(fields, EVERY),
            valid,
            preferred,
            fields.boolean("snac", default=False),
        )

    def _read_event(self, fields: Fields, after: int) -> Event:
        beside = {field for fields_beside in _BESIDE.values() for field in fields_beside}
        fields.only("at", "note", "router", *sorted(beside), *_ACTIONS)
        at = self._read_moment(fields, after)
        note = " ".join(fields.text("note").split())
        named = [key for key in _ACTIONS if key in fields]
        if len(named) > 1:
            fields.problem(named[1], "invalid-value", f"{named[0]} is there too: one an event")
        if not named and "note" not in fields:
            fields.problem(
                None, "missing-field", f"an event needs one of {', '.join(_ACTIONS)}, or a note"
            )
        for key in sorted(beside):
            if named and key in fields and key not in _BESIDE.get(named[0], ()):
                fields.problem(key, "invalid-value", f"says nothing beside {named[0]}")
        return Event(at, self._read_action(fields, named[0]) if named else Noted(), note)

    def _read_moment(self, fields: Fields, after: int) -> int:
        if "at" not in fields:
            fields.problem("at", "missing-field", 'an event needs a time, as in "4h10m" or "04:10"')
            return after

        def parse(text: str) -> int:
            clock = _CLOCK.fullmatch(text)
            if not clock:
                return parse_seconds(text)
            before = self._start + timedelta(seconds=after)
            moment = before.replace(hour=0, minute=0, second=0) + _of_day(clock)
            moment += timedelta(days=moment < before)
            return int((moment - self._start).total_seconds())

        at = fields.parsed("at", parse, after)
        if at < after:
            fields.problem(
                "at", "out-of-range", f'"{fields.text("at")}" lies before the event above it'
            )
            return after
        return at

    def _read_action(self, fields: Fields, named: str) -> Action:
        if named in _WITHOUT_ROUTER:
            return self._read_without_router(fields, named)
        return self._read_of_router(fields, named)

    def _read_without_router(self, fields: Fields, named: str) -> Action:
        if named == "link":
            up = fields.choice("link", ("up", "down"), "up") == "up"
            return LinkChanges(fields.text("interface", self._stand_ins.interface), up)
        if named == "gives":
            return self._read_gift(fields)
        if named == "daemon":
            fields.choice("daemon", ("restarts",), "restarts")
            return Restarts()
        return GitChanges(fields.choice("git", ("away", "back"), "back") == "away")

    def _read_of_router(self, fields: Fields, named: str) -> Action:
        sender = self._sender(fields)
        if named in {"silent", "farewell"}:
            if not fields.boolean(named, default=True):
                fields.problem(named, "invalid-value", "false says nothing: leave the event out")
            stops = FallsSilent if named == "silent" else SaysFarewell
            return stops(sender.router, sender.label)
        if named == "lost":
            times = fields.integer("lost", 1, low=1, high=MOST_LOST)
            return LosesPackets(sender.router, sender.label, times)
        packets = tuple(fields.mappings("packets")) if named == "packets" else (fields,)
        if not packets:
            fields.problem("packets", "missing-field", "needs a packet, as in {announces: [A]}")
        for packet in packets:
            if named == "packets":
                packet.only(*_PACKET)
        return Announces(
            sender.router,
            sender.label,
            tuple(self._read_packet(packet, sender) for packet in packets),
            _read_every(fields, sender.every),
            fields.boolean("once", default=False),
        )

    def _read_gift(self, fields: Fields) -> Gives:
        """What a source has: prefixes that never end, or with their lifetimes."""
        named = {field: source for source, field in SOURCE_FIELD.items()} | {KERNEL: KERNEL}
        source = fields.choice("source", tuple(named), "file")
        if "source" not in fields:
            known = ", ".join(named)
            fields.problem("source", "missing-field", f"gives needs a source: {known}")
        nobody = _Sender(Router("", ""), "", valid=INFINITY, preferred=INFINITY)
        return Gives(named[source], tuple(self._read_prefixes(fields, nobody, "gives")))

    def _read_packet(self, fields: Fields, sender: _Sender) -> RouterAdvertisement:
        return RouterAdvertisement(
            64, False, False, sender.preference,  # noqa: FBT003  M and O
            _read_router_lifetime(fields, sender.lifetime), 0, 0,
            tuple(self._read_prefixes(fields, sender)),
            unknown=tuple(map(_route, fields.parsed_list("routes", Prefix.parse))),
            snac_router=sender.snac,
        )  # fmt: skip

    def _sender(self, fields: Fields) -> _Sender:
        label = fields.text("router")
        if label in self._senders:
            return self._senders[label]
        known = list(self._senders)
        if not label and len(known) == 1:
            return self._senders[known[0]]
        code = "invalid-value" if label else "missing-field"
        listed = ", ".join(known) or "none: add routers"
        fields.problem(
            "router",
            code,
            f'"{label}" is not in routers (there is: {listed}){nearest(label, known)}',
        )
        stand_in = Router(self._stand_ins.interface, self._stand_ins.router)
        return _Sender(stand_in, label)

    def _read_prefixes(
        self, fields: Fields, sender: _Sender, key: str = "announces"
    ) -> Iterator[PrefixInformation]:
        """Each item of a list: a prefix alone, or with its lifetimes and flags."""
        items = fields.content.get(key, [])
        if isinstance(items, list):
            whole = [item if isinstance(item, dict) else {"prefix": item} for item in items]
            fields = replace(fields, content={**fields.content, key: whole})
        seen = set()
        for item in fields.mappings(key):
            item.only("prefix", "valid", "preferred", "flags")
            if "prefix" not in item:
                item.problem("prefix", "missing-field", 'a prefix, or a letter such as "A"')
                continue
            prefix = item.parsed("prefix", self._stand_ins.prefix, None)
            valid, preferred = _read_lifetimes(item, sender.valid, sender.preferred)
            flags = set(item.parsed_list("flags", _parse_flag)) if "flags" in item else _FLAGS
            if prefix in seen:
                item.problem("prefix", "invalid-value", f"{prefix} is there already")
            elif prefix is not None:
                seen.add(prefix)
                yield PrefixInformation(
                    prefix, "on-link" in flags, "autonomous" in flags, valid, preferred
                )


def _of_day(clock: re.Match[str]) -> timedelta:
    hours, minutes, seconds = (int(part or 0) for part in clock.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _read_lifetimes(fields: Fields, valid: int, preferred: int) -> tuple[int, int]:
    """The valid and the preferred lifetime of a prefix; the arguments are the defaults."""
    valid = fields.parsed("valid", _parse_lifetime, valid)
    preferred = fields.parsed("preferred", _parse_lifetime, min(preferred, valid))
    if preferred > valid:
        # RFC 4862 5.5.3 c: such an option is ignored.
        fields.problem("preferred", "out-of-range", "longer than valid: hosts ignore that")
    return valid, preferred


def _read_router_lifetime(fields: Fields, default: int) -> int:
    lifetime = fields.parsed("lifetime", parse_seconds, default)
    if lifetime > LONGEST_ROUTER_LIFETIME:
        message = f"at most {LONGEST_ROUTER_LIFETIME}s: the field has 16 bits (RFC 4861 4.2)"
        fields.problem("lifetime", "out-of-range", message)
    return lifetime


def _route(prefix: Prefix) -> UnknownOption:
    """A Route Information option (RFC 4191 2.3) of medium preference, for half an hour."""
    body = bytes([prefix.length, 0]) + ROUTER_LIFETIME.to_bytes(4) + prefix.network.to_bytes(16)
    return UnknownOption(ROUTE_INFORMATION, body)


def _read_every(fields: Fields, default: int) -> int:
    every = fields.parsed("every", parse_seconds, default)
    if "every" in fields and not 3 <= every <= 86_400:
        fields.problem("every", "out-of-range", "from 3s (RFC 4861 6.2.1) to 24h")
    return every


def parse_seconds(text: str) -> int:
    """A duration of whole seconds, at most a year.

    Raises:
        ValueError: `text` is not such a duration.
    """
    seconds = parse_duration(text).total_seconds()
    if seconds != int(seconds) or seconds > MOST_SECONDS:
        raise ValueError(f'"{text}" is not a time here: whole seconds, at most 366 days')
    return int(seconds)


def _parse_lifetime(text: str) -> int:
    return INFINITY if text == "infinite" else parse_seconds(text)


def _parse_flag(text: str) -> str:
    if text not in _FLAGS:
        known = sorted(_FLAGS)
        raise ValueError(f'"{text}" is not one of {", ".join(known)}{nearest(text, known)}')
    return text


def _parse_link_local(text: str) -> str:
    address = parse_address(text)
    if not LINK_LOCAL.contains(address):
        raise ValueError(f'"{text}" is not link-local: write "fe80::1", for example')
    return format_address(address)
