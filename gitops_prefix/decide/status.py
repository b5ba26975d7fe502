"""The `status` of a DynamicPrefix: what was decided, as the repository remembers it.

It is the only state that matters. `read_status` and `status_document` are inverse
to each other; the latter's order is the order in the file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from gitops_prefix.decide.fields import FieldProblem, Fields
from gitops_prefix.decide.prefix import (
    PlacedRange,
    PlacedSubnet,
    Prefix,
    format_address,
    parse_address,
    why_never,
)

LAST_YEAR = 9000


class PrefixSource(StrEnum):
    """Where the current prefix was learnt (`status.prefixSource`)."""

    DHCPV6_PD = "dhcpv6-pd"
    ROUTER_ADVERTISEMENT = "router-advertisement"
    KERNEL = "kernel"
    FILE = "file"
    FRITZBOX = "fritzbox"
    WEBHOOK = "webhook"
    STATIC = "static"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PastPrefix:
    """A prefix that was current once and stays in the manifests for a while.

    Attributes:
        acquired_at: when it became current, if it is known.
        deprecated_at: when another took its place, if it is known.
        valid_until: when its last advertised valid lifetime ends; kept only for
            `retention: lifetime`.
        state: "draining", as the operators' CustomResourceDefinition has it.
    """

    prefix: Prefix
    acquired_at: datetime | None
    deprecated_at: datetime | None
    valid_until: datetime | None = None
    state: str = "draining"


class Condition(NamedTuple):
    """A Kubernetes condition (meta/v1 Condition)."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """What a DynamicPrefix holds.

    Attributes:
        current: the prefix in use.
        acquired_at: when it became current, if it is known.
        history: newest first; never holds `current`, nor a prefix twice.
        dns_prefix: the past prefix that DNS targets still show (`dnsDelay`);
            None once they show the current one.
    """

    current: Prefix
    source: PrefixSource
    acquired_at: datetime | None
    ranges: tuple[PlacedRange, ...] = ()
    subnets: tuple[PlacedSubnet, ...] = ()
    history: tuple[PastPrefix, ...] = ()
    conditions: tuple[Condition, ...] = ()
    dns_prefix: Prefix | None = None

    @property
    def prefixes(self) -> tuple[Prefix, ...]:
        """The current prefix, then the past ones, newest first."""
        return (self.current, *(past.prefix for past in self.history))

    @property
    def dns_target(self) -> Prefix:
        """The prefix that DNS targets show."""
        return self.dns_prefix or self.current

    def same_decision(self, other: "Status | None") -> bool:
        """Whether only conditions differ, which is never worth a commit."""
        return other is not None and replace(self, conditions=()) == replace(other, conditions=())


def read_status(document: Mapping[str, object]) -> tuple[Status | None, tuple[FieldProblem, ...]]:
    """Read the status of a DynamicPrefix document, ours or an operator's.

    Returns:
        The status, or None while no prefix was acquired, and every problem. It
        may be used only when there is no problem.
    """
    fields = Fields(document).mapping("status")
    current = fields.parsed("currentPrefix", _parse_held, None)
    if current is None:
        return None, tuple(fields.problems)
    sources = [source.value for source in PrefixSource]
    status = Status(
        current=current,
        source=PrefixSource(fields.choice("prefixSource", sources, PrefixSource.UNKNOWN)),
        acquired_at=fields.parsed("acquiredAt", parse_time, None),
        ranges=tuple(_read_ranges(fields)),
        subnets=tuple(_read_subnets(fields)),
        history=tuple(_read_history(fields, current)),
        conditions=tuple(_read_conditions(fields)),
        dns_prefix=fields.parsed("dnsPrefix", _parse_held, None),
    )
    return status, tuple(fields.problems)


def _parse_held(text: str) -> Prefix:
    prefix = Prefix.parse(text)
    why = why_never(prefix)
    if why:
        message = f'"{text}" {why}: remove the status, and gitops-prefix writes it anew'
        raise ValueError(message)
    return prefix


def _read_ranges(fields: Fields) -> Iterator[PlacedRange]:
    for item in fields.mappings("addressRanges"):
        start = item.parsed("start", parse_address, None)
        end = item.parsed("end", parse_address, None)
        if start is None or end is None or start > end:
            item.problem(
                None, "invalid-status", "a range in the status needs start and end, in order"
            )
        else:
            yield PlacedRange(item.text("name"), start, end)


def _read_subnets(fields: Fields) -> Iterator[PlacedSubnet]:
    for item in fields.mappings("subnets"):
        cidr = item.parsed("cidr", Prefix.parse, None)
        if cidr is None:
            item.problem(None, "invalid-status", "a subnet in the status needs its cidr")
        else:
            yield PlacedSubnet(item.text("name"), cidr)


def _read_history(fields: Fields, current: Prefix) -> Iterator[PastPrefix]:
    seen = {current}
    for item in fields.mappings("history"):
        prefix = item.parsed("prefix", _parse_held, None)
        if prefix is None:
            item.problem(None, "invalid-status", "a past prefix needs its prefix")
        elif prefix in seen:
            item.problem(
                "prefix", "invalid-status", f"{prefix} is there already; remove this entry"
            )
        else:
            seen.add(prefix)
            yield PastPrefix(
                prefix,
                acquired_at=item.parsed("acquiredAt", parse_time, None),
                deprecated_at=item.parsed("deprecatedAt", parse_time, None),
                valid_until=item.parsed("validUntil", parse_time, None),
                state=item.text("state", "draining"),
            )


def _read_conditions(fields: Fields) -> Iterator[Condition]:
    for item in fields.mappings("conditions"):
        yield Condition(
            type=item.text("type"),
            status=item.text("status"),
            reason=item.text("reason"),
            message=item.text("message"),
            last_transition_time=item.parsed("lastTransitionTime", parse_time, None),
        )


def status_document(status: Status) -> dict[str, object]:
    """The status as plain YAML values, in the order they are written."""
    return _without_none(
        {
            "currentPrefix": str(status.current),
            "prefixSource": status.source.value,
            "acquiredAt": format_time(status.acquired_at),
            "dnsPrefix": str(status.dns_prefix) if status.dns_prefix else None,
            "addressRanges": [
                {
                    "name": placed.name,
                    "start": format_address(placed.start),
                    "end": format_address(placed.end),
                    "cidrs": [str(cidr) for cidr in placed.cidrs],
                }
                for placed in status.ranges
            ],
            "subnets": [
                {"name": placed.name, "cidr": str(placed.cidr)} for placed in status.subnets
            ],
            "history": [_past_document(past) for past in status.history],
            "conditions": [_condition_document(condition) for condition in status.conditions],
        }
    )


def _past_document(past: PastPrefix) -> dict[str, object]:
    return _without_none(
        {
            "prefix": str(past.prefix),
            "acquiredAt": format_time(past.acquired_at),
            "deprecatedAt": format_time(past.deprecated_at),
            "validUntil": format_time(past.valid_until),
            "state": past.state,
        }
    )


def _condition_document(condition: Condition) -> dict[str, object]:
    return _without_none(
        {
            "type": condition.type,
            "status": condition.status,
            "reason": condition.reason,
            "message": condition.message,
            "lastTransitionTime": format_time(condition.last_transition_time),
        }
    )


def _without_none(fields: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in fields.items() if value is not None}


def parse_time(text: str) -> datetime:
    """An RFC 3339 time, in UTC and whole seconds.

    Raises:
        ValueError: it is no time, or says no zone.
    """
    try:
        moment = datetime.fromisoformat(text.upper())  # RFC 3339 5.6: "t" and "z", too
        # A date must bear a century added to it (a retention, a lifetime).
        if moment.tzinfo is not None and moment.year < LAST_YEAR:
            return moment.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f'"{text}" is not a time: write RFC 3339, as in "2026-11-23T10:00:00Z"')


def format_time(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC and whole seconds; nothing stays nothing."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
