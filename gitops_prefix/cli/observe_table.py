"""The live table of `observe`, as lines of text. Pure: the time and the width are arguments."""

from collections.abc import Iterator
from math import isinf

import click

from gitops_prefix.cli.observation import Observation
from gitops_prefix.cli.observe_lines import besides, every, flags
from gitops_prefix.cli.terminal import printable
from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.candidate import Verdict
from gitops_prefix.decide.selection import Decision

_STATES = {True: "up", False: "down; waiting for it", None: "does not exist; waiting for it"}
Styled = tuple[str, str | None]
"""A line and its colour."""


def table(observation: Observation, now: float, width: int, *, colour: bool) -> list[str]:
    """Every line, none wider than `width` columns; 0 is any width."""
    return [
        click.style(_cut(text, width), fg=name) if name and colour else _cut(text, width)
        for text, name in _lines(observation, now)
    ]


def _cut(text: str, width: int) -> str:
    """One line of plain characters that fits."""
    text = printable(text)
    return text if not width or len(text) <= width else text[: max(0, width - 3)] + "..."


def _lines(observation: Observation, now: float) -> Iterator[Styled]:
    for interface in sorted(observation.interfaces):
        if interface in observation.links:
            up = observation.links[interface]
            yield f"{interface}: {_STATES[up]}", None if up else "yellow"
        routers = sorted(router for router in observation.said if router.interface == interface)
        if not routers:
            yield "  no Router Advertisement yet", "yellow"
            continue
        decision = observation.decide(interface, now)
        current = decision.current
        colour = "green" if current else "yellow"
        yield f"  current: {current or 'none'} ({decision.standing})", colour
        for router in routers:
            yield from _router(observation, router, decision, now)
    yield "", None
    yield f"valid advertisements: {observation.accepted}", None
    for count in observation.counts():
        yield count, "yellow"


def _router(
    observation: Observation, router: Router, decision: Decision, now: float
) -> Iterator[Styled]:
    said, state = observation.said[router], observation.ears.routers[router]
    left = _left(state.heard_at + said.router_lifetime - now)
    role = f"default router for {left}" if said.router_lifetime else "no default router"
    yield "", None
    ago = f"{_left(now - state.heard_at)} ago{every(state.every)}"
    yield f"  {router.address}  heard {ago}, {role}{besides(said)}", None
    yield f"    {'prefix':<28} {'preferred':>10} {'valid':>10}  verdict", None
    unusual = {information.prefix: flags(information) for information in said.prefixes}
    for candidate in decision.candidates:
        if candidate.router != router:
            continue
        announced = state.announcements[candidate.prefix]
        mark = ">" if candidate.prefix == decision.current else " "
        lifetimes = (
            f"{_left(announced.preferred_for(now)):>10} {_left(announced.valid_for(now)):>10}"
        )
        colour = "green" if candidate.verdict is Verdict.CANDIDATE else "yellow"
        verdict = f"{candidate.verdict}{unusual.get(candidate.prefix, '')}"
        yield f"  {mark} {candidate.prefix!s:<28} {lifetimes}  {verdict}", colour


def _left(seconds: float) -> str:
    """Seconds, as in `3h59m58s`; what is over is `0s`."""
    if isinf(seconds):
        return "for ever"
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")]
    first = next((index for index, (number, _) in enumerate(parts) if number), 3)
    return "".join(f"{number}{unit}" for number, unit in parts[first : first + 3])
