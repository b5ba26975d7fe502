"""Is this a link that people live on? A rehearsal there would renumber them.

The sign is a default route on the link, or on one that shares its frames: the bridge
that it is a port of, a macvlan on top of it or below it. A VLAN is another link.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

_SYSFS = Path("/sys/class/net")
_REJECT = 0x200
"""RTF_REJECT: the kernel's own "no route", which every host has (linux/route.h)."""
_WIDEST = {4: 1, 6: 3}
"""Routes this short are default routes by another name: VPNs split 0.0.0.0/0 in two."""


def default_routes(
    interface: str, proc: Path = Path("/proc/net"), sysfs: Path = _SYSFS
) -> list[str]:
    """Where default routes show that the link is in use, such as `IPv4 on br0`."""
    links = same_frames(interface, sysfs)
    routes = [*_ipv4(_lines(proc / "route")[1:]), *_ipv6(_lines(proc / "ipv6_route"))]
    return sorted({f"{family} on {link}" for family, link in routes if link in links})


def same_frames(interface: str, sysfs: Path = _SYSFS) -> set[str]:
    """The link itself, and every other that sends and hears the same frames."""
    found: set[str] = set()
    waiting = [interface]
    while waiting:
        link = waiting.pop()
        if link not in found:
            found.add(link)
            waiting += _neighbours(sysfs, link)
    return found


def _neighbours(sysfs: Path, link: str) -> Iterator[str]:
    upper = [path.name.removeprefix("upper_") for path in (sysfs / link).glob("upper_*")]
    lower = [path.name.removeprefix("lower_") for path in (sysfs / link).glob("lower_*")]
    yield from (name for name in upper if not _is_vlan(sysfs, name))
    if not _is_vlan(sysfs, link):
        yield from lower


def _is_vlan(sysfs: Path, link: str) -> bool:
    return "DEVTYPE=vlan" in _lines(sysfs / link / "uevent")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        # No IPv4, no IPv6, or no such link.
        return []


def _ipv4(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, _, _, flags, _, _, _, mask, *_ = line.split()
        (network_mask,) = struct.unpack("<I", bytes.fromhex(mask))
        if not int(flags, 16) & _REJECT and network_mask.bit_count() <= _WIDEST[4]:
            yield "IPv4", name


def _ipv6(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        destination, length, _, _, _, _, _, _, flags, name = line.split()
        global_too = bytes.fromhex(destination)[0] in {0, 0x20, 0x80}
        if int(length, 16) <= _WIDEST[6] and global_too and not int(flags, 16) & _REJECT:
            yield "IPv6", name
