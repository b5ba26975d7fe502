"""The result of a walk: its steps, each with everything to show, in values and in words."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from gitops_prefix.decide.advertisement import (
    INFINITY,
    KERNEL,
    ROUTE_INFORMATION,
    PrefixInformation,
    Router,
    RouterAdvertisement,
)
from gitops_prefix.decide.candidate import Oddity
from gitops_prefix.decide.fields import format_duration
from gitops_prefix.decide.policy import Verdict
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.selection import Standing
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import Problem
from gitops_prefix.plan.occasion import Occasion
from gitops_prefix.render.binding import Change
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.node import Value
from gitops_prefix.simulate.scenario import (
    Announces,
    Event,
    FallsSilent,
    GitChanges,
    Gives,
    LinkChanges,
    LosesPackets,
    Noted,
    Observed,
    Restarts,
    SaysFarewell,
    Scenario,
)

Announced = Mapping[tuple[Prefix, Router], Verdict]
"""Every announced prefix of every router, with its verdict."""


@dataclass(frozen=True, slots=True)
class Look:
    """One DynamicPrefix at one step.

    Attributes:
        standing: how firm its prefix is; None where prefixes are given, not watched.
        verdicts: of what is announced.
        warnings: what is odd about the routers.
    """

    before: Status | None
    after: Status | None
    standing: Standing | None
    verdicts: Announced
    warnings: tuple[Oddity, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A moment at which something happened or changed.

    Attributes:
        at: seconds from the start.
        events: what happened outside; empty when time alone changed something.
        looks: by name of the DynamicPrefix.
        changes: what a commit would change; empty is no commit.
        occasion: what the commit is about.
        commit: number of the commit from 1, or 0.
        waiting: commits that are not pushed yet.
        pushed: commits that this step pushes.
        problems: new at this step; an error leaves everything as it was.
        repeated: advertisements since the step before that changed nothing.
        again: whether a router repeated itself at this very moment.
        solicited: the links whose routers were asked: silence counts only after that.
    """

    at: float
    when: datetime
    events: tuple[Event, ...]
    looks: Mapping[str, Look]
    changes: tuple[Change, ...] = ()
    occasion: Occasion = field(default_factory=Occasion)
    commit: int = 0
    waiting: int = 0
    pushed: int = 0
    problems: tuple[Problem, ...] = ()
    repeated: int = 0
    again: bool = False
    solicited: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldField:
    """A managed field, and what it holds."""

    path: str
    document: int
    kind: str
    namespace: str
    name: str
    field: str
    value: Value


@dataclass(frozen=True, slots=True)
class Walk:
    """A whole simulation.

    Attributes:
        specifications: by name.
        files: every managed file as it would be at the end.
        held: what each managed field then holds.
        end: seconds from the start.
        repeated: advertisements after the last step that changed nothing.
    """

    scenario: Scenario
    specifications: Mapping[str, Specification]
    steps: tuple[Step, ...]
    files: Mapping[str, bytes]
    held: tuple[HeldField, ...]
    end: float
    repeated: int = 0

    @property
    def commits(self) -> int:
        """How many commits it took."""
        return sum(1 for step in self.steps if step.commit)

    @property
    def refused(self) -> bool:
        """Whether an error kept a step from being published."""
        return any(
            problem.severity is problem.severity.ERROR
            for step in self.steps
            for problem in step.problems
        )


def held_fields(inventory: Inventory) -> tuple[HeldField, ...]:
    """Each managed field with its value, by path, document and field.

    The value is looked up by the field's dotted name alone, so a kind that `render`
    learns to write is shown without a change here.
    """
    found = {
        (binding.manifest.path, binding.manifest.span.number, binding.field): binding
        for binding in inventory.bindings
    }
    return tuple(
        HeldField(
            path,
            document,
            binding.kind,
            binding.namespace,
            binding.name,
            field,
            value_at(binding.manifest.content, field),
        )
        for (path, document, field), binding in sorted(found.items(), key=lambda item: item[0])
    )


def value_at(value: Value, field: str) -> Value:
    """The value at a dotted path, `spec.blocks` or `a[0].b`; keys may hold dots.

    None if there is nothing.
    """
    if not field:
        return value
    if isinstance(value, list):
        index, bracket, rest = field.removeprefix("[").partition("]")
        if not (bracket and index.isdigit() and int(index) < len(value)):
            return None
        return value_at(value[int(index)], rest.removeprefix("."))
    if not isinstance(value, dict):
        return None
    for key in value:
        name = str(key)
        rest = field.removeprefix(name)
        if field.startswith(name) and (not rest or rest[0] in ".["):
            found = value_at(value[key], rest.removeprefix("."))
            if found is not None:
                return found
    return None


def event_words(event: Event) -> str:
    """What happened; the author's note behind it."""
    words = _action_words(event)
    return ": ".join(filter(None, (words, event.note)))


def _action_words(event: Event) -> str:  # noqa: C901, PLR0911  one return a kind of event
    match event.action:
        case Observed(name, prefix):
            return f"{name} is given {prefix}"
        case Announces(router, label, advertisements):
            packets = ", and in another packet ".join(map(_packet_words, advertisements))
            once = " once" if event.action.once else ""
            return f"{label} ({router}) announces{once} {packets}"
        case FallsSilent(router, label):
            return f"{label} ({router}) falls silent"
        case SaysFarewell(router, label):
            return f"{label} ({router}) says farewell: router lifetime 0, no prefix"
        case LosesPackets(router, label, times):
            return f"{label} ({router}) is not heard the next {_times(times)}"
        case Gives(source, prefixes):
            listed = "; ".join(map(_announced_words, prefixes)) or "no prefix"
            return f"{source} {'has' if source == KERNEL else 'gives'} {listed}"
        case LinkChanges(interface, up):
            return f"link {interface} {'comes up' if up else 'goes down'}"
        case Restarts():
            return "the daemon restarts"
        case GitChanges(away):
            return "git cannot be reached" if away else "git can be reached again"
        case Noted():
            return ""
    assert_never(event.action)


def _packet_words(advertisement: RouterAdvertisement) -> str:
    listed = [_announced_words(information) for information in advertisement.prefixes]
    if not listed:
        has_routes = any(option.type == ROUTE_INFORMATION for option in advertisement.unknown)
        listed = ["only routes" if has_routes else "no prefix"]
    if not advertisement.router_lifetime:
        listed.append("router lifetime 0")
    return "; ".join(listed)


def _times(times: int) -> str:
    return "time" if times == 1 else f"{times} times"


def _announced_words(announced: PrefixInformation) -> str:
    if announced.valid_lifetime == 0:
        return f"{announced.prefix} as withdrawn"
    if announced.preferred_lifetime == 0:
        return f"{announced.prefix} as deprecated"
    preferred = lifetime_words(announced.preferred_lifetime)
    valid = lifetime_words(announced.valid_lifetime)
    return f"{announced.prefix} (preferred {preferred}, valid {valid})"


def lifetime_words(seconds: int) -> str:
    """A lifetime as the duration it would be written as."""
    return "infinite" if seconds == INFINITY else format_duration(timedelta(seconds=seconds))


def decision_words(specification: Specification, look: Look, last: Look | None) -> Iterator[str]:
    """What was decided, and why: only what is new since the look before."""
    yield from _verdict_words(look.verdicts, last.verdicts if last else {})
    for oddity in look.warnings:
        if last is None or oddity not in last.warnings:
            yield f"warning: {oddity}"
    yield from _status_words(specification, look.before, look.after)
    standing_is_new = last is None or last.standing is not look.standing
    if look.standing is not None and standing_is_new:
        yield str(look.standing)
    elif last is None and look.after is None:
        yield "no prefix yet"


def _verdict_words(verdicts: Announced, before: Announced) -> Iterator[str]:
    for (prefix, router), verdict in sorted(verdicts.items()):
        if before.get((prefix, router)) is not verdict:
            yield f"{prefix} from {router}: {verdict}"
    for (prefix, router), _ in sorted(before.items()):
        if (prefix, router) not in verdicts:
            yield f"{prefix} from {router}: not heard any more"


def _status_words(
    specification: Specification, before: Status | None, after: Status | None
) -> Iterator[str]:
    if after is None:
        return
    transition = specification.transition
    old = before.prefixes if before else ()
    if before is None:
        yield f"{after.current} is its first prefix"
    elif before.current != after.current:
        yield f"{before.current} -> {after.current}"
    elif before.source is not after.source:
        yield f"{after.current} is now said by {after.source}"
    for prefix in old:
        if prefix not in after.prefixes:
            moved = before is not None and before.current != after.current
            kept = f"maxPrefixHistory {transition.max_prefix_history}"
            why = kept if moved else f"retention {_retention(specification)}"
            yield f"{prefix} leaves the history ({why})"
    if before is None or before.dns_target == after.dns_target:
        if after.dns_prefix and (before is None or before.current != after.current):
            delay = format_duration(transition.dns_delay)
            yield f"DNS targets stay on {after.dns_prefix} for {delay} (dnsDelay)"
    elif transition.mode == "ha":
        yield f"DNS targets move to {after.dns_target}"


def _retention(specification: Specification) -> str:
    retention = specification.transition.retention
    return format_duration(retention) if isinstance(retention, timedelta) else str(retention)


def items(value: Value) -> list[str]:
    """A value as a line for each item; a scalar or mapping is one."""
    if value is None:
        return []
    return [_one_line(item) for item in value] if isinstance(value, list) else [_one_line(value)]


def _one_line(value: Value) -> str:
    match value:
        case dict():
            return ", ".join(f"{key}: {_one_line(item)}" for key, item in value.items())
        case list():
            return f"[{', '.join(map(_one_line, value))}]"
        case bool():
            return "true" if value else "false"
        case _:
            return "".join(c if c.isprintable() else "?" for c in str(value))


def item_changes(before: Value, after: Value) -> list[str]:
    """The items with what comes and goes: "+ …", "- …" and "  …"."""
    lines = difflib.ndiff(items(before), items(after))
    return [line for line in lines if not line.startswith("?")]
