"""`observe`: Router Advertisements as they come, and what would be decided."""

import contextlib
import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import click

from gitops_prefix.cli.exit_codes import DONE, NO
from gitops_prefix.cli.options import DURATION, config_option, option, output_option
from gitops_prefix.cli.output import Format
from gitops_prefix.cli.sightings import Sighting, from_capture, from_link
from gitops_prefix.decide.address import format_address, parse_address
from gitops_prefix.decide.advertisement import (
    INFINITY,
    Preference,
    PrefixInformation,
)
from gitops_prefix.decide.candidate import Verdict
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.routers import Routers, observe
from gitops_prefix.decide.selection import Decision, Selection, select
from gitops_prefix.decide.specification import Acquisition, Specification
from gitops_prefix.errors import InputError, Problem

T = TypeVar("T")

NONE_CAME = """no Router Advertisement came. Check, in this order:
  interface   is it the one the router is on, and up? (ip -6 addr, ip link)
  firewall    is ICMPv6 type 134 let in on this host? (nft list ruleset)
  RA guard    does a switch or access point drop advertisements?
  VLAN        is this host on the VLAN that the router advertises to?
  router      does it advertise at all? (rdisc6 INTERFACE asks it)"""


@dataclass(slots=True)
class Observer:
    """Folds sightings into decisions, exactly as the daemon does."""

    specification: Specification
    routers: Routers = field(default_factory=dict)
    selection: Selection = field(default_factory=Selection)

    def take(self, sighting: Sighting) -> Decision:
        """What is decided once `sighting` was heard."""
        if sighting.advertisement is not None:
            self.routers = observe(
                self.routers, sighting.router, sighting.advertisement, sighting.at
            )
        decision = select(self.selection, self.specification, self.routers, sighting.at)
        self.selection = decision.selection
        return decision


@click.command("observe")
@config_option
@option("--interface", default="", metavar="NAME", help="The link to listen on.")
@option(
    "--pcap",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Read a capture instead of a link (pcap or pcapng; needs gitops-prefix[lab]).",
)
@option(
    "--timeout",
    type=DURATION,
    default="0s",
    metavar="DURATION",
    help='Leave after this long, as in "30s". [default: never]',
)
@option(
    "--count",
    type=click.IntRange(min=0),
    default=0,
    help="Leave after so many. [default: 0, no limit]",
)
@option(
    "--router",
    "routers",
    multiple=True,
    metavar="ADDRESS",
    help="Believe only this link-local source. May be repeated.",
)
@option(
    "--within",
    multiple=True,
    metavar="PREFIX",
    help="Count only prefixes inside this one. May be repeated.",
)
@option("--any-scope", is_flag=True, help="Count prefixes outside 2000::/3 too.")
@output_option(Format.TEXT, Format.JSON)
def command(  # noqa: PLR0913  one parameter an option
    *,
    interface: str,
    pcap: Path | None,
    timeout: timedelta,
    count: int,
    routers: tuple[str, ...],
    within: tuple[str, ...],
    any_scope: bool,
    form: Format,
) -> int:
    """Print Router Advertisements as they come, and what would be decided.

    Exit code 1 when none came.
    """
    if bool(interface) == bool(pcap):
        raise click.UsageError("give --interface or --pcap")
    sightings = (
        from_capture(pcap) if pcap else from_link(interface, timeout.total_seconds() or None)
    )
    policy = _policy(routers, within, any_scope=any_scope)
    show = _print_line if form is Format.JSON else _print_text
    seen = _print_sightings(sightings, policy, count, show)
    if not seen:
        click.echo(f"{pcap} holds no valid Router Advertisement" if pcap else NONE_CAME, err=True)
    return DONE if seen else NO


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


def _print_sightings(
    sightings: Generator[Sighting, None, None],
    policy: Callable[[str], Specification],
    count: int,
    show: Callable[[Sighting, Decision], None],
) -> int:
    observers: dict[str, Observer] = {}
    accepted = 0
    # Ctrl-C is how one leaves, not a failure.
    with contextlib.closing(sightings), contextlib.suppress(KeyboardInterrupt):
        for sighting in sightings:
            interface = sighting.router.interface
            observer = observers.setdefault(interface, Observer(policy(interface)))
            show(sighting, observer.take(sighting))
            accepted += sighting.advertisement is not None
            if count and accepted >= count:
                break
    return accepted


def _print_line(sighting: Sighting, decision: Decision) -> None:
    click.echo(json.dumps(sighting_document(sighting, decision)))


def sighting_document(sighting: Sighting, decision: Decision) -> dict[str, object]:
    """One line of `--output json` (DESIGN 7)."""
    advertisement = sighting.advertisement
    current = decision.selection.current
    return {
        "time": sighting.when.isoformat().replace("+00:00", "Z"),
        "interface": sighting.router.interface,
        "router": sighting.router.address,
        "accepted": advertisement is not None,
        "reason": sighting.reason or None,
        "router_lifetime": advertisement.router_lifetime if advertisement else None,
        "preference": advertisement.preference.name.lower() if advertisement else None,
        "prefixes": [
            {
                "prefix": str(information.prefix),
                "on_link": information.on_link,
                "autonomous": information.autonomous,
                "valid_lifetime": information.valid_lifetime,
                "preferred_lifetime": information.preferred_lifetime,
                "candidate": verdict is Verdict.CANDIDATE,
                "reason": str(verdict),
            }
            for information, verdict in _verdicts(sighting, decision)
        ],
        "current": str(current) if current else None,
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


def _print_text(sighting: Sighting, decision: Decision) -> None:
    clock = f"{sighting.when:%H:%M:%S}"
    advertisement = sighting.advertisement
    if advertisement is None:
        click.echo(f"{clock} {sighting.router} ", nl=False)
        click.secho(f"dropped: {sighting.reason}", fg="yellow")
        return
    preference = advertisement.preference
    named = "" if preference is Preference.MEDIUM else f", {preference.name.lower()} preference"
    click.secho(f"{clock} {sighting.router}", bold=True, nl=False)
    click.echo(f"  router for {advertisement.router_lifetime} s{named}")
    for information, verdict in _verdicts(sighting, decision):
        lifetimes = (
            f"preferred {_lifetime(information.preferred_lifetime)}, "
            f"valid {_lifetime(information.valid_lifetime)}"
        )
        click.echo(f"  {information.prefix!s:<30} {lifetimes:<38} ", nl=False)
        click.secho(str(verdict), fg="green" if verdict is Verdict.CANDIDATE else "yellow")
    current = decision.selection.current
    click.echo(f"  current: {current or 'none'} ({decision.standing})")


def _lifetime(seconds: int) -> str:
    return "for ever" if seconds == INFINITY else f"{seconds} s"
