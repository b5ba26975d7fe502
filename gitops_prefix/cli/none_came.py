"""No Router Advertisement came: what this host knows of the reason, and what to check."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

CHECKS = """no Router Advertisement came. Check, in this order:
  interface   is it the one the router is on, and up? (ip -6 addr, ip link)
  firewall    is ICMPv6 type 134 let in on this host? (nft list ruleset, ip6tables -L)
  RA guard    does a switch, an access point or a bridge with multicast snooping drop it?
  VLAN        is this host on the VLAN that the router advertises to?
  router      does it advertise at all? (rdisc6 INTERFACE asks it)"""


def findings(
    interface: str,
    before_firewall: Counter[int],
    *,
    sysfs: Path = Path("/sys/class/net"),
    proc: Path = Path("/proc"),
) -> list[str]:
    """What is visibly wrong with a link, a sentence each; empty when nothing is.

    Args:
        interface: its name.
        before_firewall: what `watch.tap` saw of advertisements, by VLAN.
        sysfs: where links are told of.
        proc: where the kernel tells of IPv6.
    """
    if not (sysfs / interface).exists():
        there = ", ".join(sorted(path.name for path in sysfs.glob("*"))) or "none"
        return [f"there is no link {interface} (there are: {there})"]
    return [
        *_link(sysfs / interface, interface),
        *_ipv6(proc, interface),
        *_seen(before_firewall, interface, _read(sysfs / interface / "master" / "uevent")),
    ]


def _link(link: Path, name: str) -> Iterator[str]:
    if not int(_read(link / "flags") or "0x1", 16) & 1:
        yield f"{name} is down: ip link set {name} up"
    elif _read(link / "carrier") == "0":
        yield f"{name} has no carrier: is the cable in, and the other end up?"


def _ipv6(proc: Path, name: str) -> Iterator[str]:
    settings = proc / "sys" / "net" / "ipv6" / "conf"
    if not settings.exists():
        yield "this host has no IPv6 at all (ipv6.disable=1?)"
        return
    if _read(settings / name / "disable_ipv6") == "1":
        yield f"IPv6 is off on {name}: sysctl -w net.ipv6.conf.{name}.disable_ipv6=0"
        return
    lines = _read(proc / "net" / "if_inet6").splitlines()
    if not any(line.split()[-1] == name and line.startswith("fe8") for line in lines):
        yield f"{name} has no link-local address, so that nobody can be asked"


def _seen(before_firewall: Counter[int], name: str, master: str) -> Iterator[str]:
    bridge = next((line[10:] for line in master.splitlines() if line[:10] == "INTERFACE="), "")
    if bridge:
        yield f"{name} is a port of {bridge}, which takes its packets: listen on {bridge}"
        return
    for vlan, count in sorted(before_firewall.items()):
        if vlan:
            yield f"{count} came on {name} tagged for VLAN {vlan}: listen on a link of that VLAN"
        else:
            yield f"{count} reached {name}, and this host dropped them: look at its firewall"


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        # A link that is down has no carrier to read, for one.
        return ""
