"""Whether the kernel takes Router Advertisements on a link: /proc/sys/net/ipv6/conf.

What the settings mean stands in Linux's Documentation/networking/ip-sysctl.rst.
"""

from collections.abc import Mapping
from pathlib import Path

CONF = Path("/proc/sys/net/ipv6/conf")
_NAMES = ("disable_ipv6", "accept_ra", "forwarding", "accept_ra_pinfo", "max_addresses")


def deafness(interface: str, settings: Mapping[str, int], addresses: int = 0) -> str:
    """Why the kernel takes no prefix on a link, and how to mend it; or nothing.

    * `accept_ra` 1, the default, means "unless forwarding": a node of a cluster forwards.
    * Beyond `max_addresses`, 16 by default, another prefix is not even told: an ISP that
      renumbers daily, with lifetimes of weeks, fills them.
    * A setting that is not there is taken for what lets prefixes in.
    """
    accept, forwarding = settings.get("accept_ra", 2), settings.get("forwarding", 0)
    most = settings.get("max_addresses", 0)
    rules = (
        (settings.get("disable_ipv6", 0), "disable_ipv6 is 1", "disable_ipv6=0"),
        (accept == 0, "accept_ra is 0", "accept_ra=2"),
        (accept == 1 and forwarding, "accept_ra is 1, and forwarding is on", "accept_ra=2"),
        (not settings.get("accept_ra_pinfo", 1), "accept_ra_pinfo is 0", "accept_ra_pinfo=1"),
        (
            0 < most <= addresses,
            f"it has {addresses} addresses there, and max_addresses is {most}",
            f"max_addresses={4 * most}",
        ),
    )
    for deaf, why, remedy in rules:
        if deaf:
            # sysctl(8): a slash where the name of the link has a dot, as in eth0.100.
            name = interface.replace(".", "/")
            return (
                f"the kernel takes no prefix from Router Advertisements on {interface}: {why}; "
                f"`sysctl -w net.ipv6.conf.{name}.{remedy}` mends it"
            )
    return ""


def read_settings(interface: str) -> dict[str, int]:
    """The settings of a link, without those that cannot be read."""
    found = {}
    for name in _NAMES:
        try:
            found[name] = int((CONF / interface / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
    return found
