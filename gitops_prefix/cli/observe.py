"""`observe`: Router Advertisements as they come, and what would be decided."""

import json
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from gitops_prefix.cli.exit_codes import DONE, NO
from gitops_prefix.cli.options import DURATION, config_option, option, output_option
from gitops_prefix.cli.output import Format
from gitops_prefix.decide.address import format_address
from gitops_prefix.decide.advertisement import (
    INFINITY,
    Preference,
    PrefixInformation,
    Router,
    RouterAdvertisement,
)
from gitops_prefix.decide.candidate import Verdict
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.routers import Routers, observe
from gitops_prefix.decide.selection import Decision, Selection, select
from gitops_prefix.decide.specification import Acquisition, Specification
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.watch.codec import Reason, Rejected, checksum_is_right, decode
from gitops_prefix.watch.pcap import CapturedPacket, read_capture
from gitops_prefix.watch.watcher import Advertised, Dropped, Event, Watcher

NONE_CAME = """no Router Advertisement came. Check, in this order:
  interface   is it the one the router is on, and up? (ip -6 addr, ip link)
  firewall    is ICMPv6 type 134 let in on this host? (nft list ruleset)
  RA guard    does a switch or access point drop advertisements?
  VLAN        is this host on the VLAN that the router advertises to?
  router      does it advertise at all? (rdisc6 INTERFACE asks it)"""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One packet: an advertisement, or why it is none.

    Attributes:
        at: seconds, on the clock of the link or the capture.
        when: the same moment by the calendar.
    """

    at: float
    when: datetime
    router: Router
    advertisement: RouterAdvertisement | None
    reason: str = ""


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
        _from_capture(pcap) if pcap else _from_link(interface, timeout.total_seconds() or None)
    )
    policy = _policy(routers, within, any_scope=any_scope)
    show = _print_line if form is Format.JSON else _print_text
    seen = _print_sightings(sightings, policy, count, show)
    if not seen:
        click.echo(NONE_CAME, err=True)
    return DONE if seen else NO


def _from_capture(path: Path) -> Iterator[Sighting]:
    for packet in read_capture(path):
        decoded = _decode(packet)
        router = Router(path.name, format_address(int.from_bytes(packet.source, "big")))
        when = datetime.fromtimestamp(packet.at, UTC)
        if isinstance(decoded, Rejected):
            yield Sighting(packet.at, when, router, None, str(decoded))
        else:
            yield Sighting(packet.at, when, router, decoded)


def _decode(packet: CapturedPacket) -> RouterAdvertisement | Rejected:
    """What the kernel checks on a link, then what the codec does."""
    if packet.fragmented:
        return Rejected(Reason.FRAGMENT)
    source, destination = packet.source, packet.destination
    if not checksum_is_right(packet.payload, source=source, destination=destination):
        return Rejected(Reason.CHECKSUM)
    return decode(packet.payload, source=source, hop_limit=packet.hop_limit)


def _from_link(interface: str, seconds: float | None) -> Iterator[Sighting]:
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    watcher = Watcher([interface], events.put, clock=time.monotonic, chance=random.random)
    thread = threading.Thread(target=watcher.run, name="watch", daemon=True)
    thread.start()
    until = time.monotonic() + seconds if seconds else None
    try:
        while until is None or time.monotonic() < until:
            try:
                # Not for ever: a wait without an end would not hear Ctrl-C everywhere.
                left = 3600.0 if until is None else max(0.0, until - time.monotonic())
                event = events.get(timeout=left)
            except queue.Empty:
                continue
            sighting = _sighting(event)
            if sighting is not None:
                yield sighting
    except KeyboardInterrupt:
        return
    finally:
        watcher.stop()
        thread.join(timeout=2)


def _sighting(event: Event) -> Sighting | None:
    """What an event shows; a link that changes is only told."""
    now = datetime.now(UTC)
    match event:
        case Advertised():
            return Sighting(event.at, now, event.router, event.advertisement)
        case Dropped():
            reason = f"{event.reason}: {event.detail}" if event.detail else str(event.reason)
            return Sighting(event.at, now, Router(event.interface, event.source), None, reason)
    if not event.present:
        click.echo(f"{event.interface} does not exist yet; waiting for it", err=True)
    elif not event.up:
        click.echo(f"{event.interface} is down; waiting for it", err=True)
    return None


def _policy(
    routers: tuple[str, ...], within: tuple[str, ...], *, any_scope: bool
) -> Callable[[str], Specification]:
    try:
        prefixes = tuple(Prefix.parse(text) for text in within)
    except ValueError as error:
        raise InputError(Problem("invalid-value", f"--within: {error}")) from error
    return lambda interface: Specification(
        "observe",
        Acquisition(
            interfaces=(interface,),
            routers=routers,
            require_global_unicast=not any_scope,
            within=prefixes,
        ),
    )


def _print_sightings(
    sightings: Iterable[Sighting],
    policy: Callable[[str], Specification],
    count: int,
    show: Callable[[Sighting, Decision], None],
) -> int:
    observers: dict[str, Observer] = {}
    accepted = 0
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
