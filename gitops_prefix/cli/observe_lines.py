"""`observe` line by line: as JSON, or as text that a pipe or a log keeps."""

import json
from collections.abc import Iterator

import click

from gitops_prefix.cli.sightings import Sighting
from gitops_prefix.cli.terminal import printable
from gitops_prefix.decide.address import format_address
from gitops_prefix.decide.advertisement import (
    INFINITY,
    Preference,
    PrefixInformation,
    RouterAdvertisement,
)
from gitops_prefix.decide.candidate import Verdict
from gitops_prefix.decide.selection import Decision

_SOURCE_LINK_LAYER_ADDRESS = 1


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
    current = decision.current
    click.echo(f"  current: {current or 'none'} ({decision.standing})")


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
            if option.type == _SOURCE_LINK_LAYER_ADDRESS
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
