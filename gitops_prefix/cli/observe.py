"""`observe`: Router Advertisements as they come, and what would be decided."""

import contextlib
import queue
import sys
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import click

from gitops_prefix.cli.observe_output import (
    Screen,
    is_live,
    print_json_line,
    print_server,
    print_text,
    standing_line,
    table,
)
from gitops_prefix.cli.options import (
    DURATION,
    Command,
    complete_link,
    config_option,
    option,
    output_option,
)
from gitops_prefix.cli.output import (
    DONE,
    NO,
    OUTSIDE_FAILED,
    Format,
    colour_wish,
    print_errors,
    printable,
)
from gitops_prefix.cli.sightings import (
    CHECKS,
    Events,
    Observation,
    Seen,
    Sighting,
    findings,
    from_capture,
    from_link,
)
from gitops_prefix.decide.prefix import Prefix, format_address, parse_address
from gitops_prefix.decide.selection import Decision
from gitops_prefix.decide.specification import Acquisition, Specification
from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.plan.ears import LinkChanged
from gitops_prefix.watch.links import list_links
from gitops_prefix.watch.raw_socket import Tap

T = TypeVar("T")
Show = Callable[[Seen, Decision | None], None]

PATIENCE = 3.0
"""Seconds for which answers of DHCPv6 servers are waited for, without --timeout."""
USUAL_DELEGATION = 56
"""The length that --dhcpv6 asks for: what most providers give to a house (RIPE-690)."""
OFTEN = 0.1
"""Seconds between two pictures, at least: a flood must not spend itself on drawing."""


@click.command("observe", cls=Command)
@config_option
@option(
    "--interface",
    "interfaces",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_link,
    help="The link to listen on, unless --pcap is given. May be repeated.",
)
@option(
    "--pcap",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Read a capture instead of a link (pcap or pcapng).",
)
@option(
    "--timeout",
    type=DURATION,
    default="0s",
    metavar="DURATION",
    help='Exit after this long, as in "30s". [default: never]',
)
@option(
    "--count",
    type=click.IntRange(min=0),
    default=0,
    help="Exit after so many advertisements. [default: 0, no limit]",
)
@option(
    "--router",
    "routers",
    multiple=True,
    metavar="ADDRESS",
    help="Accept only routers with this link-local address. May be repeated.",
)
@option(
    "--within",
    multiple=True,
    metavar="PREFIX",
    help="Accept only prefixes inside this one. May be repeated.",
)
@option(
    "--dhcpv6",
    is_flag=True,
    help="Ask the DHCPv6 servers of --interface what they would delegate. Nothing is taken.",
)
@option("--any-scope", is_flag=True, help="Accept prefixes outside 2000::/3, too.")
@output_option(Format.TEXT, Format.JSON)
def command(  # noqa: PLR0913  one parameter an option
    *,
    interfaces: tuple[str, ...],
    pcap: Path | None,
    timeout: timedelta,
    count: int,
    routers: tuple[str, ...],
    within: tuple[str, ...],
    any_scope: bool,
    dhcpv6: bool,
    form: Format,
) -> int:
    """Print Router Advertisements as they come, and what would be decided.

    On a terminal, a table that counts down; elsewhere, a few lines for each.
    Exit code 1 when none came.
    """
    if bool(interfaces) == bool(pcap):
        raise click.UsageError("give --interface or --pcap")
    if dhcpv6:
        if pcap:
            raise click.UsageError("--dhcpv6 asks on a link: give --interface")
        return _ask_servers(interfaces, timeout.total_seconds() or PATIENCE, form)
    observation = Observation(_policy(routers, within, any_scope=any_scope))
    if pcap:
        _fold(from_capture(pcap), observation, count, _printer(form, observation))
        nothing = f"{printable(str(pcap))} holds no valid Router Advertisement"
    else:
        seconds = timeout.total_seconds() or None
        nothing = _listen(interfaces, observation, seconds, count, form)
    if form is Format.TEXT:
        for line in observation.counts():
            click.echo(line, err=True)
    if not observation.accepted:
        click.echo(nothing, err=True)
    return DONE if observation.accepted else NO


def _ask_servers(interfaces: tuple[str, ...], seconds: float, form: Format) -> int:
    """Print what each DHCPv6 server would delegate; code 1 when none answers.

    A link where nobody can be asked is reported, and the others are asked all the same.
    """
    from gitops_prefix.watch.dhcpv6 import ask_servers  # noqa: PLC0415  hashlib loads OpenSSL

    came, failed = False, []
    for interface in interfaces:
        try:
            for answer in ask_servers(interface, USUAL_DELEGATION, seconds, clock=time.monotonic):
                came = True
                print_server(answer, interface, form)
        except OutsideError as error:
            failed.append(Problem("outside", str(error)))
    if len(failed) == len(interfaces) and not came:
        print_errors(dict.fromkeys(failed), form)
        return OUTSIDE_FAILED
    print_errors(failed, Format.TEXT)
    if not came:
        click.echo(f"no DHCPv6 server answered within {seconds:g} s", err=True)
    return DONE if came else NO


def _listen(
    interfaces: tuple[str, ...],
    observation: Observation,
    seconds: float | None,
    count: int,
    form: Format,
) -> str:
    """Fold what comes on links; what there is to say if nothing did."""
    stdout = sys.stdout
    events: Events = queue.SimpleQueue()
    with contextlib.ExitStack() as stack:
        taps = {name: stack.enter_context(contextlib.closing(Tap(name))) for name in interfaces}
        if form is Format.TEXT and is_live(stdout):
            seen = from_link(interfaces, seconds, events, observation, 1.0)
            _listen_live(seen, observation, count, events)
        else:
            _fold(
                from_link(interfaces, seconds, events, observation),
                observation,
                count,
                _printer(form, observation),
            )
        if observation.accepted:
            return ""
        found = [line for name in interfaces for line in findings(name, taps[name].heard())]
    return "\n".join([CHECKS, *(f"Here: {printable(line)}" for line in found)])


def _listen_live(
    sightings: Generator[Seen, None, None], observation: Observation, count: int, events: Events
) -> None:
    """Fold what comes into a table, drawn anew each second; its last state stays printed."""
    screen = Screen(sys.stdout)
    colour = colour_wish() is not False
    drawn = 0.0

    def draw(seen: Seen, decision: Decision | None) -> None:
        del decision
        nonlocal drawn
        now = time.monotonic()
        if now - drawn >= OFTEN or seen is None:
            drawn = now
            screen.draw(table(observation, now, screen.size()[0], colour=colour))

    with screen.taken(lambda: events.put(None)):
        _fold(sightings, observation, count, draw)
    for line in table(observation, time.monotonic(), 0, colour=colour):
        click.echo(line)


def _printer(form: Format, observation: Observation) -> Show:
    show: Callable[[Sighting, Decision, float], None]
    show = print_json_line if form is Format.JSON else print_text
    shown: dict[str, str] = {}

    def line(seen: Seen, decision: Decision | None) -> None:
        if isinstance(seen, Sighting) and decision is not None:
            state = observation.ears.routers.get(seen.router)
            show(seen, decision, state.every if state else 0.0)
            shown[seen.router.interface] = standing_line(decision)
            return
        if form is Format.TEXT:
            # What time alone changed: a router that is gone sends nothing.
            for interface, later in observation.ears.decisions.items():
                if shown.get(interface) != standing_line(later):
                    shown[interface] = standing_line(later)
                    click.echo(f"{datetime.now(UTC):%H:%M:%S} {printable(interface)}")
                    click.echo(shown[interface])
        if isinstance(seen, LinkChanged) and not seen.up:
            words = "is down; waiting for it"
            if not seen.present:
                words = f"does not exist yet; waiting for it (there are: {list_links()})"
            click.echo(printable(f"{seen.interface} {words}"), err=True)

    return line


def _policy(
    routers: tuple[str, ...], within: tuple[str, ...], *, any_scope: bool
) -> Callable[[str], Specification]:
    prefixes = tuple(_parsed("--within", Prefix.parse, text) for text in within)
    sources = tuple(
        format_address(_parsed("--router", parse_address, text.partition("%")[0]))
        for text in routers
    )
    return lambda interface: Specification(
        "observe",
        Acquisition(
            interfaces=(interface,),
            routers=sources,
            require_global_unicast=not any_scope,
            within=prefixes,
        ),
    )


def _parsed(name: str, parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise InputError(Problem("invalid-value", f"{name}: {error}")) from error


def _fold(
    sightings: Generator[Seen, None, None] | Generator[Sighting, None, None],
    observation: Observation,
    count: int,
    show: Show,
) -> None:
    """Take in what comes and show it, until it ends, or Ctrl-C, or `count` valid ones."""
    # Ctrl-C is how one leaves, not a failure.
    with contextlib.closing(sightings), contextlib.suppress(KeyboardInterrupt):
        for seen in sightings:
            show(seen, observation.take(seen))
            if count and observation.accepted >= count:
                break
