"""`lab router`: a router that advertises the prefixes of its options, on a link for tests."""

import signal
import socket
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path

import click

from gitops_prefix.cli.options import DURATION, Command, Parsed, config_option, option
from gitops_prefix.cli.output import DONE
from gitops_prefix.decide.advertisement import (
    Preference,
    PrefixInformation,
    RecursiveDnsServers,
    RouterAdvertisement,
)
from gitops_prefix.decide.prefix import LINK_LOCAL, format_address, parse_address
from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.lab.router import (
    LabRouter,
    LabStep,
    Leaving,
    Port,
    Rhythm,
    default_routes,
    parse_step,
    schedule,
)

STEP = Parsed("prefixes", parse_step)
ADDRESS = Parsed("address", lambda text: parse_address(text.partition("%")[0]))
Prefixes = tuple[PrefixInformation, ...]


@click.group("lab")
@config_option
def command() -> None:
    """Rehearse on a test link, before it happens on yours."""


@command.command("router", cls=Command)
@config_option
@option("--interface", required=True, metavar="NAME", help="The link to advertise on.")
@option(
    "--prefix",
    "prefixes",
    type=STEP,
    required=True,
    multiple=True,
    metavar="PREFIX",
    help='What is advertised first, as in "2001:db8:1::/64,valid=10m,preferred=5m". '
    "May be repeated.",
)
@option(
    "--then",
    type=STEP,
    multiple=True,
    metavar="PREFIXES",
    help='What instead, after that: "+" between several, or "none". May be repeated.',
)
@option(
    "--after",
    type=DURATION,
    multiple=True,
    metavar="DURATION",
    help="How long until a --then: one for all, or one each. [default: 30s]",
)
@option(
    "--old",
    type=click.Choice([way.value for way in Leaving]),
    default=Leaving.LEFT_OUT.value,
    show_default=True,
    help="How a prefix goes.",
)
@option(
    "--interval",
    type=DURATION,
    default="10s",
    show_default=True,
    metavar="DURATION",
    help="Between advertisements.",
)
@option(
    "--count",
    type=click.IntRange(min=0),
    default=0,
    help="Leave after so many. [default: 0, no limit]",
)
@option(
    "--timeout",
    type=DURATION,
    default="0s",
    metavar="DURATION",
    help="Leave after this long. [default: never]",
)
@option(
    "--router-lifetime",
    type=DURATION,
    default="30m",
    show_default=True,
    metavar="DURATION",
    help="As a default router; 0s: it is not one.",
)
@option(
    "--preference",
    type=click.Choice(["low", "medium", "high"]),
    default="medium",
    show_default=True,
    help="RFC 4191.",
)
@option("--managed", is_flag=True, help="Addresses come by DHCPv6 (M).")
@option("--other", is_flag=True, help="Other configuration comes by DHCPv6 (O).")
@option(
    "--hop-limit",
    type=click.IntRange(0, 255),
    default=64,
    show_default=True,
    help="For the hosts to use.",
)
@option("--mtu", type=click.IntRange(1280, 65535), help="Of the link. [default: not advertised]")
@option(
    "--dns", type=ADDRESS, multiple=True, metavar="ADDRESS", help="A DNS server. May be repeated."
)
@option(
    "--source",
    type=ADDRESS,
    metavar="ADDRESS",
    help="The router's link-local address. [default: the link's own]",
)
@option("--crash", is_flag=True, help="Leave without a word, like a router that lost its power.")
@option(
    "--yes-really",
    count=True,
    help="Given twice: also where a default route shows that people use the link.",
)
def router(  # noqa: PLR0913  one parameter an option
    *,
    interface: str,
    prefixes: tuple[Prefixes, ...],
    then: tuple[Prefixes, ...],
    after: tuple[timedelta, ...],
    old: str,
    interval: timedelta,
    count: int,
    timeout: timedelta,
    router_lifetime: timedelta,
    preference: str,
    managed: bool,
    other: bool,
    hop_limit: int,
    mtu: int | None,
    dns: tuple[int, ...],
    source: int | None,
    crash: bool,
    yes_really: int,
) -> int:
    """Advertise prefixes, then others, as a router does.

    Answers solicitations, and says goodbye when it leaves (Ctrl-C, --count, --timeout).
    """
    lifetime = int(router_lifetime.total_seconds())
    if lifetime > 65535:
        raise _wrong(f"--router-lifetime: {lifetime} s does not fit 16 bits: at most 18h12m15s")
    if not interval and not count and not timeout:
        raise _wrong("--interval 0s floods the link: say when to stop, by --count or --timeout")
    first = tuple(information for step in prefixes for information in step)
    if len({information.prefix for information in first}) < len(first):
        raise _wrong("--prefix: the same prefix twice")
    said = RouterAdvertisement(
        hop_limit=hop_limit,
        managed=managed,
        other=other,
        preference=Preference[preference.upper()],
        router_lifetime=lifetime,
        reachable_time=0,
        retrans_timer=0,
        prefixes=(),
        mtu=mtu,
        dns_servers=(RecursiveDnsServers(lifetime, dns),) if dns else (),
    )
    steps = schedule(said, (first, *then), _pauses(after, len(then)), Leaving(old))
    _check_link(interface, insisted=yes_really >= 2)
    address = _source(interface, source)
    _advertise(
        interface,
        address,
        steps,
        interval=interval.total_seconds(),
        count=count,
        seconds=timeout.total_seconds() or inf,
        farewell=not crash,
    )
    return DONE


def _wrong(message: str) -> InputError:
    return InputError(Problem("invalid-value", message))


def _pauses(after: tuple[timedelta, ...], steps: int) -> list[float]:
    """Seconds before each `--then`."""
    given = [pause.total_seconds() for pause in after] or [30.0]
    if len(given) == 1:
        return given * steps
    if len(given) != steps:
        raise _wrong(f"--after is given {len(given)} times for {steps} --then: one each, or one")
    return given


def _check_link(interface: str, *, insisted: bool) -> None:
    """Refuse where it would hit people: the whole point of a rehearsal is that it does not."""
    names = [name for _, name in socket.if_nameindex()]
    if interface not in names:
        raise _wrong(f'--interface: there is no link "{interface}" (there are: {", ".join(names)})')
    routes = default_routes(interface)
    if routes and not insisted:
        message = (
            f'--interface: "{interface}" is a link that people use (default route: '
            f"{', '.join(routes)}), and this would renumber it. Rehearse on another link, "
            "or write --yes-really twice"
        )
        raise InputError(Problem("default-route", message))


def _source(interface: str, source: int | None) -> str:
    """The link-local address to speak from."""
    if source is not None:
        if not LINK_LOCAL.contains(source):
            raise _wrong(f"--source: {format_address(source)} is not link-local (fe80::/10)")
        return format_address(source)
    with suppress(OSError):
        for line in Path("/proc/net/if_inet6").read_text().splitlines():
            address, _, _, _, _, name = line.split()
            if name == interface and LINK_LOCAL.contains(int(address, 16)):
                return format_address(int(address, 16))
    raise OutsideError(
        f"{interface} has no link-local address: bring it up (ip link set {interface} up), "
        "or choose one by --source fe80::1"
    )


def _advertise(  # noqa: PLR0913  the arguments of one call above
    interface: str,
    source: str,
    steps: Sequence[LabStep],
    *,
    interval: float,
    count: int,
    seconds: float,
    farewell: bool,
) -> None:
    # SIGTERM is another way to say Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with closing(Port(interface)) as port:
        octets = socket.inet_pton(socket.AF_INET6, source)
        rhythm = Rhythm(interval, count, seconds)
        made = LabRouter(port, octets, steps, rhythm, time.monotonic, _report)
        click.echo(f"{source} advertises on {interface}; Ctrl-C ends it", err=True)
        # Ctrl-C is how one leaves, not a failure.
        with suppress(KeyboardInterrupt):
            made.run()
        if farewell:
            made.leave()
        click.echo(f"sent {made.sent}, answered {made.answered} solicitations")


def _report(step: LabStep) -> None:
    advertised = ", ".join(
        f"{said.prefix} (preferred {said.preferred_lifetime} s, valid {said.valid_lifetime} s)"
        for said in step.advertisement.prefixes
    )
    click.echo(f"{datetime.now(UTC):%H:%M:%S} {advertised or 'no prefix'}")
