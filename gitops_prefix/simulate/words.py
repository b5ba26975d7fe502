"""A step in words: what happened, what was decided and why, and what a field gets."""

import difflib
from collections.abc import Iterator
from datetime import timedelta
from typing import assert_never

from gitops_prefix.decide.advertisement import INFINITY, PrefixInformation
from gitops_prefix.decide.duration import format_duration
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.render.node import Value
from gitops_prefix.simulate.scenario import (
    Announces,
    Event,
    FallsSilent,
    GitChanges,
    LinkChanges,
    Noted,
    Observed,
    Restarts,
)
from gitops_prefix.simulate.steps import Announced, Look


def event_words(event: Event) -> str:
    """What happened; the author's note behind it."""
    words = _action_words(event)
    return ": ".join(filter(None, (words, event.note)))


def _action_words(event: Event) -> str:  # noqa: PLR0911  one return a kind of event
    match event.action:
        case Observed(name, prefix):
            return f"{name} is given {prefix}"
        case Announces(router, label, advertisement):
            listed = "; ".join(map(_announced_words, advertisement.prefixes))
            return f"{label} ({router}) announces {listed or 'no prefix'}"
        case FallsSilent(router, label):
            return f"{label} ({router}) falls silent"
        case LinkChanges(interface, up):
            return f"link {interface} {'comes up' if up else 'goes down'}"
        case Restarts():
            return "the daemon restarts"
        case GitChanges(away):
            return "git cannot be reached" if away else "git can be reached again"
        case Noted():
            return ""
    assert_never(event.action)


def _announced_words(one: PrefixInformation) -> str:
    if one.valid_lifetime == 0:
        return f"{one.prefix} as withdrawn"
    if one.preferred_lifetime == 0:
        return f"{one.prefix} as deprecated"
    preferred = lifetime_words(one.preferred_lifetime)
    return f"{one.prefix} (preferred {preferred}, valid {lifetime_words(one.valid_lifetime)})"


def lifetime_words(seconds: int) -> str:
    """A lifetime as the duration it would be written as."""
    return "infinite" if seconds == INFINITY else format_duration(timedelta(seconds=seconds))


def decision_words(specification: Specification, look: Look, last: Look | None) -> Iterator[str]:
    """What was decided, and why: only what is new since the look before."""
    yield from _verdict_words(look.verdicts, last.verdicts if last else {})
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
            return ", ".join(f"{key}: {_one_line(one)}" for key, one in value.items())
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
