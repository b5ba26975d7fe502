"""How `observe` shows what it sees: lines, or a table that is drawn anew on a terminal.

The alternate screen, as `less` and `top` use it: a resize leaves no half-wrapped lines behind, and
the terminal is restored at the end. Six sequences, no library; see docs/dependencies.md.
"""

import json
import os
import signal
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import isinf
from typing import TYPE_CHECKING, TextIO

import click

from gitops_prefix.cli.output import Format, printable
from gitops_prefix.cli.sightings import Observation, Sighting
from gitops_prefix.decide.advertisement import (
    INFINITY,
    SOURCE_LINK_LAYER_ADDRESS,
    Preference,
    PrefixInformation,
    Router,
    RouterAdvertisement,
)
from gitops_prefix.decide.policy import Verdict
from gitops_prefix.decide.prefix import format_address
from gitops_prefix.decide.selection import Decision, Standing
from gitops_prefix.watch.links import reach

if TYPE_CHECKING:
    from gitops_prefix.watch.dhcpv6 import ServerAnswer
    from gitops_prefix.watch.dhcpv6_codec import DelegatedPrefix

_ENTER = "\x1b[?1049h\x1b[?25l"  # the alternate screen, no cursor
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


def print_server(answer: "ServerAnswer", interface: str, form: Format) -> None:
    """What a DHCPv6 server would delegate, in one line."""
    message = answer.message
    if form is Format.JSON:
        line = {
            "interface": interface,
            "server": answer.source,
            "duid": message.server.hex(":"),
            "preference": message.preference,
            "prefixes": [
                {
                    "prefix": str(each.prefix),
                    "valid_lifetime": each.valid,
                    "preferred_lifetime": each.preferred,
                    "excluded": str(each.excluded) if each.excluded else None,
                }
                for each in answer.prefixes
            ],
            "reason": answer.refusal,
        }
        click.echo(json.dumps(line))
        return
    offered = [_offered_words(each) for each in answer.prefixes] or [answer.refusal]
    who = f"{answer.source}%{printable(interface)} (DUID {message.server.hex(':')})"
    click.echo(f"{who}, preference {message.preference}: {'; '.join(offered)}")


def _offered_words(offered: "DelegatedPrefix") -> str:
    kept = f", and keeps {offered.excluded}" if offered.excluded else ""
    return f"{offered.prefix}, valid {offered.valid} s, preferred {offered.preferred} s{kept}"


def is_live(stream: TextIO) -> bool:
    """Whether it is a terminal that can be drawn on."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Screen:
    """Whole pictures, one after the other."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def size(self) -> tuple[int, int]:
        """Columns and rows, as they are now."""
        columns, rows = os.get_terminal_size(self._stream.fileno())
        return max(columns, 20), max(rows, 4)

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines, which fit, and nothing else."""
        rows = self.size()[1]
        if len(lines) > rows:
            hidden = len(lines) - rows + 1
            lines = [*lines[: rows - 1], f"... {hidden} more lines"]
        drawn = f"{_REST_OF_LINE}\n".join(lines)
        self._write(_HOME + drawn + _REST_OF_LINE + _REST_OF_SCREEN)

    def _write(self, text: str) -> None:
        # A link may have a name that the terminal's encoding has not.
        encoding = self._stream.encoding or "ascii"
        self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self._stream.flush()

    @contextmanager
    def taken(self, resized: Callable[[], None]) -> Iterator[None]:
        """Have the terminal; `resized` is called from a signal handler."""
        handlers = {
            signal.SIGWINCH: lambda *_: resized(),
            # `kill`: leave as by Ctrl-C.
            signal.SIGTERM: signal.default_int_handler,
        }
        kept = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        self._write(_ENTER)
        try:
            yield
        finally:
            self._write(_LEAVE)
            for number, handler in kept.items():
                signal.signal(number, handler)


def print_json_line(sighting: Sighting, decision: Decision, interval: float) -> None:
    """One object, one line."""
    click.echo(json.dumps(sighting_document(sighting, decision, interval)))


def sighting_document(sighting: Sighting, decision: Decision, interval: float) -> dict[str, object]:
    """One line of `--output json`; the interval is 0 before the router was heard twice."""
    advertisement = sighting.advertisement
    current = decision.current
    return {
        "time": sighting.when.isoformat().replace("+00:00", "Z"),
        "interface": sighting.router.interface,
        "router": sighting.router.address,
        "accepted": advertisement is not None,
        "reason": sighting.reason or None,
        "router_lifetime": advertisement.router_lifetime if advertisement else None,
        "preference": advertisement.preference.name.lower() if advertisement else None,
        "snac_router": advertisement.snac_router if advertisement else None,
        "interval": round(interval, 1) if interval else None,
        "prefixes": [
            {
                "prefix": str(information.prefix),
                "on_link": information.on_link,
                "autonomous": information.autonomous,
                "router_address": information.router_address,
                "pd_preferred": information.pd_preferred,
                "valid_lifetime": information.valid_lifetime,
                "preferred_lifetime": information.preferred_lifetime,
                "candidate": verdict is Verdict.CANDIDATE,
                "reason": str(verdict),
            }
            for information, verdict in _verdicts(sighting, decision)
        ],
        "current": str(current) if current else None,
        "standing": str(decision.standing),
        "warnings": [str(oddity) for oddity in decision.warnings],
    }


def _verdicts(
    sighting: Sighting, decision: Decision
) -> Iterator[tuple[PrefixInformation, Verdict]]:
    verdicts = {
        candidate.prefix: candidate.verdict
        for candidate in decision.candidates
        if candidate.router == sighting.router
    }
    for information in sighting.advertisement.prefixes if sighting.advertisement else ():
        yield information, verdicts[information.prefix]


def print_text(sighting: Sighting, decision: Decision, interval: float) -> None:
    """A few lines for a reader."""
    clock = f"{sighting.when:%H:%M:%S}"
    router = printable(str(sighting.router))
    advertisement = sighting.advertisement
    if advertisement is None:
        click.echo(f"{clock} {router} ", nl=False)
        click.secho(f"dropped: {sighting.reason}", fg="yellow")
        return
    click.secho(f"{clock} {router}", bold=True, nl=False)
    click.echo(
        f"  router for {advertisement.router_lifetime} s{every(interval)}{besides(advertisement)}"
    )
    for information, verdict in _verdicts(sighting, decision):
        lifetimes = (
            f"preferred {_lifetime(information.preferred_lifetime)}, "
            f"valid {_lifetime(information.valid_lifetime)}"
        )
        click.echo(f"  {information.prefix!s:<30} {lifetimes:<38} ", nl=False)
        colour = "green" if verdict is Verdict.CANDIDATE else "yellow"
        click.secho(f"{verdict}{flags(information)}", fg=colour)
    for oddity in decision.warnings:
        if oddity.router == sighting.router:
            click.secho(f"  warning: {printable(str(oddity))}", fg="yellow")
    click.echo(standing_line(decision))


def standing_line(decision: Decision) -> str:
    """What is current, and how firmly it stands."""
    return f"  current: {decision.current or 'none'} ({decision.standing})"


def every(interval: float) -> str:
    """The observed interval of a router; nothing before it was heard twice."""
    return f", every {interval:.0f} s" if interval else ""


def besides(said: RouterAdvertisement) -> str:
    """What else it says, each part behind a comma; what is usual or unsaid is left out."""
    parts = [
        f"{said.preference.name.lower()} preference" * (said.preference is not Preference.MEDIUM),
        "router of a stub network (SNAC)" * said.snac_router,
        "addresses by DHCPv6" * said.managed,
        "other configuration by DHCPv6" * said.other,
        f"hop limit {said.hop_limit}" * bool(said.hop_limit),
        f"MTU {said.mtu}" if said.mtu is not None else "",
        f"reachable for {said.reachable_time} ms" * bool(said.reachable_time),
        f"retransmit after {said.retrans_timer} ms" * bool(said.retrans_timer),
        *(
            f"DNS {' '.join(map(format_address, dns.servers))} for {_lifetime(dns.lifetime)}"
            for dns in said.dns_servers
        ),
        *(f"NAT64 {nat64.prefix} for {nat64.lifetime} s" for nat64 in said.pref64),
        *(
            f"hardware address {option.body.hex(':')}"
            if option.type == SOURCE_LINK_LAYER_ADDRESS
            else f"option {option.type}"
            for option in said.unknown
        ),
        *(f"ignored: {option.reason}" for option in said.ignored),
    ]
    return "".join(f", {part}" for part in parts if part)


def flags(information: PrefixInformation) -> str:
    """The flags of a prefix that are not as most routers set them, each behind a comma."""
    unusual = ["not on-link"] * (not information.on_link)
    unusual += ["not autonomous"] * (not information.autonomous)
    unusual += ["with an address of the router (R)"] * information.router_address
    unusual += ["hosts should ask for a prefix by DHCPv6 (P)"] * information.pd_preferred
    return "".join(f", {words}" for words in unusual)


def _lifetime(seconds: int) -> str:
    return "for ever" if seconds == INFINITY else f"{seconds} s"


_STATES = {True: "up", False: "down; waiting for it", None: "does not exist; waiting for it"}
_WIDE = 64
"""Columns of a table with its prefixes and lifetimes beside each other."""
Styled = tuple[str, str | None]
"""A line and its colour."""


def table(observation: Observation, now: float, width: int, *, colour: bool) -> list[str]:
    """Every line, none wider than `width` columns; 0 is any width. What is longer is wrapped."""
    return [
        click.style(line, fg=name) if name and colour else line
        for text, name in _lines(observation, now, width)
        for line in _wrapped(text, width)
    ]


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of plain characters that fit; all but the first are indented by two more."""
    text = printable(text)
    if not width or len(text) <= width:
        return [text]
    indent = min(len(text) - len(text.lstrip()) + 2, width // 10)
    return textwrap.wrap(text, width, subsequent_indent=" " * indent) or [""]


def _lines(observation: Observation, now: float, width: int) -> Iterator[Styled]:
    for interface in sorted(observation.interfaces):
        if interface in observation.links:
            up = observation.links[interface]
            yield f"{interface}: {_STATES[up]}", None if up else "yellow"
        routers = sorted(router for router in observation.said if router.interface == interface)
        if not routers:
            yield "  no Router Advertisement yet", "yellow"
            continue
        decision = observation.decide(interface, now)
        firm = decision.current is not None and decision.standing is not Standing.GONE
        yield standing_line(decision), "green" if firm else "yellow"
        for oddity in decision.warnings:
            yield f"  warning: {oddity}", "yellow"
        for router in routers:
            yield from _router(observation, router, decision, now, width)
    yield "", None
    yield f"valid advertisements: {observation.accepted}", None
    for count in observation.counts():
        yield count, "yellow"


def _router(
    observation: Observation, router: Router, decision: Decision, now: float, width: int
) -> Iterator[Styled]:
    said, state = observation.said[router], observation.ears.routers[router]
    left = _left(state.heard_at + said.router_lifetime - now)
    role = f"default router for {left}" if said.router_lifetime else "no default router"
    if state.is_gone(now):
        role = f"gone: {reach(router.interface, router.address)}"
    yield "", None
    ago = f"{_left(now - state.heard_at)} ago{every(state.every)}"
    yield f"  {router.address}  heard {ago}, {role}{besides(said)}", None
    narrow = 0 < width < _WIDE
    if not narrow:
        yield f"    {'prefix':<28} {'preferred':>10} {'valid':>10}  verdict", None
    unusual = {information.prefix: flags(information) for information in said.prefixes}
    for candidate in decision.candidates:
        if candidate.router != router:
            continue
        announced = state.announcements[candidate.prefix]
        mark = ">" if candidate.prefix == decision.current else " "
        preferred, valid = _left(announced.preferred_for(now)), _left(announced.valid_for(now))
        colour = "green" if candidate.verdict is Verdict.CANDIDATE else "yellow"
        verdict = f"{candidate.verdict}{unusual.get(candidate.prefix, '')}"
        row = f"  {mark} {candidate.prefix!s:<28} {preferred:>10} {valid:>10}"
        if narrow:
            yield f"  {mark} {candidate.prefix}", colour
            yield f"    preferred {preferred}, valid {valid}", colour
            yield f"    {verdict}", colour
        elif 0 < width < len(row) + 2 + len(verdict):
            yield row, colour
            yield f"      {verdict}", colour
        else:
            yield f"{row}  {verdict}", colour


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
