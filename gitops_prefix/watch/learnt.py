"""What the kernel learnt on one link, put together from its notices, and what it ignores.

The kernel reports prefixes (RTM_NEWPREFIX) as they are advertised, and addresses as it has
them. An address says more about the past: it was there before this program.

Whether the kernel takes Router Advertisements at all stands in /proc/sys/net/ipv6/conf;
the settings are explained in Linux's Documentation/networking/ip-sysctl.rst.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.decide.advertisement import INFINITY, PrefixInformation
from gitops_prefix.decide.other_sources import KernelPrefix
from gitops_prefix.decide.prefix import Prefix

MOST_PREFIXES = 64
"""Prefixes of one link: more are a flood. The kernel makes 16 addresses (max_addresses)."""

CONF = Path("/proc/sys/net/ipv6/conf")
_SETTINGS = ("disable_ipv6", "accept_ra", "forwarding", "accept_ra_pinfo", "max_addresses")

_TEMPORARY, _PERMANENT = 0x01, 0x80  # linux/if_addr.h
_KERNEL_RA = 2  # IFAPROT_KERNEL_RA, of linux/if_addr.h, since Linux 5.18
_CENTISECONDS = 1 << 32


class KernelAddress(NamedTuple):
    """One IPv6 address, as the kernel has it.

    Attributes:
        ifindex: of its link.
        address: 128 bits.
        length: of its prefix.
        flags: IFA_F_*, of linux/if_addr.h.
        valid_for: seconds left.
        preferred_for: seconds left.
        created, updated: hundredths of a second since the kernel started, modulo 2**32.
        present: False when it was removed.
        protocol: IFAPROT_*, of linux/if_addr.h: who made it; 0 is unknown.
    """

    ifindex: int
    address: int
    length: int
    flags: int = 0
    valid_for: int = INFINITY
    preferred_for: int = INFINITY
    created: int = 0
    updated: int = 0
    present: bool = True
    protocol: int = 0


class KernelNotice(NamedTuple):
    """A prefix that the kernel just took from a Router Advertisement."""

    ifindex: int
    information: PrefixInformation


class Deaf(NamedTuple):
    """Whether the kernel takes Router Advertisements on a link.

    Attributes:
        reason: why, and how to mend it; empty when it does take them.
    """

    interface: str
    reason: str
    at: float


class SwitchedOff(NamedTuple):
    """Whether IPv6 is off on a link, so that no source hears a router there.

    Attributes:
        reason: the fact, and how to mend it; empty when IPv6 is on again.
    """

    interface: str
    reason: str
    at: float


def is_learnt(address: KernelAddress) -> bool:
    """Whether an address shows a prefix that a router announced.

    * A permanent one was set by hand.
    * A temporary one (RFC 8981) repeats what another says, with shorter lifetimes.
    * One of a /128 names no prefix: DHCPv6 gave it (RFC 8415), or it was set by hand.
    """
    return not address.flags & (_TEMPORARY | _PERMANENT) and 0 < address.length < 128


@dataclass(slots=True)
class Learnt:
    """The prefixes of one link, as far as the kernel reported them."""

    _prefixes: dict[Prefix, KernelPrefix] = field(default_factory=dict)
    _addresses: dict[int, Prefix] = field(default_factory=dict)
    _present: set[int] = field(default_factory=set)
    _of_clients: set[int] = field(default_factory=set)
    _listed: set[int] = field(default_factory=set)

    def take(self, address: KernelAddress, now: float) -> None:
        """One address, there or gone."""
        if not address.present:
            self._lose(address.address)
            return
        self._present.add(address.address)
        self._listed.add(address.address)
        if not is_learnt(address):
            return
        if address.protocol != _KERNEL_RA:
            self._of_clients.add(address.address)
        prefix = Prefix.enclosing(address.address, address.length)
        self._addresses[address.address] = prefix
        heard_at = _moment(address.updated, now)
        old = self._prefixes.get(prefix)
        if old is not None and old.heard_at > heard_at:
            return
        information = PrefixInformation(
            prefix,
            on_link=old.information.on_link if old else True,
            autonomous=True,
            valid_lifetime=_at_first(address.valid_for, now - heard_at),
            preferred_lifetime=_at_first(address.preferred_for, now - heard_at),
        )
        appeared_at = old.appeared_at if old else _moment(address.created, now)
        self._keep(KernelPrefix(information, heard_at, appeared_at))

    def notice(self, information: PrefixInformation, now: float) -> None:
        """One prefix, as a router just announced it."""
        old = self._prefixes.get(information.prefix)
        self._keep(KernelPrefix(information, now, old.appeared_at if old else now))

    def list_anew(self) -> None:
        """A list of all addresses begins."""
        self._listed.clear()

    def listed(self) -> None:
        """The list is complete: addresses that are not on it are gone."""
        for address in self._present - self._listed:
            self._lose(address)
        self._listed.clear()

    def clear(self) -> None:
        """The link is gone, and all that was on it."""
        self._prefixes.clear()
        self._addresses.clear()
        self._present.clear()
        self._of_clients.clear()
        self._listed.clear()

    @property
    def count(self) -> int:
        """How many addresses the link has, of whatever kind."""
        return len(self._present)

    @property
    def has_client(self) -> bool:
        """Whether another client than the kernel, such as systemd-networkd, learnt an address."""
        return bool(self._of_clients)

    def prefixes(self, now: float) -> tuple[KernelPrefix, ...]:
        """What is there, and still valid or just withdrawn, in the order of prefixes."""
        self._prefixes = dict(_living(self._prefixes, now))
        return tuple(self._prefixes[prefix] for prefix in sorted(self._prefixes))

    def _keep(self, found: KernelPrefix) -> None:
        others = [known for known in self._prefixes if known != found.information.prefix]
        if len(others) >= MOST_PREFIXES:
            # A flood pushes out its own, and not the one we know.
            del self._prefixes[max(others, key=lambda known: self._prefixes[known].appeared_at)]
        self._prefixes[found.information.prefix] = found

    def _lose(self, address: int) -> None:
        self._present.discard(address)
        self._of_clients.discard(address)
        prefix = self._addresses.pop(address, None)
        if prefix is not None and prefix not in self._addresses.values():
            self._prefixes.pop(prefix, None)


def _living(
    prefixes: dict[Prefix, KernelPrefix], now: float
) -> Iterator[tuple[Prefix, KernelPrefix]]:
    for prefix, found in prefixes.items():
        lifetime = found.information.valid_lifetime
        if lifetime in {0, INFINITY} or now < found.heard_at + lifetime:
            yield prefix, found


def _moment(hundredths: int, now: float) -> float:
    """A moment of the kernel's clock, which `now` is of, too.

    The kernel counts in ticks, so a moment may seem to lie ahead by one: that is now. Two
    changes in one tick are equally old whenever they are read, so that the last one counts.
    """
    at = int(now * 100)
    age = (at - hundredths) % _CENTISECONDS
    return now if age >= _CENTISECONDS // 2 else (at - age) / 100


def _at_first(left: int, age: float) -> int:
    """The lifetime that was set `age` seconds ago; nothing left stays nothing."""
    return left if left in {0, INFINITY} else min(left + round(age), INFINITY - 1)


def deafness(
    interface: str, settings: Mapping[str, int], addresses: int = 0, *, has_client: bool = False
) -> str:
    """Why no prefix of a link reaches the kernel, and how to mend it; or nothing.

    * `accept_ra` 1, the default, means "unless forwarding": a node of a cluster forwards.
    * Beyond `max_addresses`, 16 by default, the kernel does not even report another prefix:
      an ISP that renumbers daily, with lifetimes of weeks, fills them.
    * A setting that is not there counts as one that lets prefixes in.
    * systemd-networkd and NetworkManager set `accept_ra` to 0 and take advertisements
      themselves. While such a client has an address there, nothing is wrong, and the remedy
      would make two clients fight over one link.
    """
    off = switched_off(interface, settings)
    if off:
        return off
    accept, forwarding = settings.get("accept_ra", 2), settings.get("forwarding", 0)
    most = settings.get("max_addresses", 0)
    rules = (
        (accept == 0, "accept_ra is 0", "accept_ra=2"),
        (accept == 1 and forwarding, "accept_ra is 1, and forwarding is on", "accept_ra=2"),
        (not settings.get("accept_ra_pinfo", 1), "accept_ra_pinfo is 0", "accept_ra_pinfo=1"),
        (
            0 < most <= addresses,
            f"it has {addresses} addresses there, and max_addresses is {most}",
            f"max_addresses={4 * most}",
        ),
    )
    kernel_is_off = accept == 0 or (accept == 1 and forwarding)
    for deaf, why, remedy in rules:
        if deaf and not (has_client and kernel_is_off):
            return (
                f"the kernel takes no prefix from Router Advertisements on {interface}: {why}; "
                f"`{_set(interface, remedy)}` mends it"
            )
    return ""


def switched_off(interface: str, settings: Mapping[str, int]) -> str:
    """Why no packet of IPv6 reaches anybody on a link, and how to mend it; or nothing."""
    if not settings.get("disable_ipv6", 0):
        return ""
    remedy = _set(interface, "disable_ipv6=0")
    return f"IPv6 is off on {interface}, so no router is heard: `{remedy}` mends it"


def _set(interface: str, setting: str) -> str:
    # sysctl(8): a slash where the name of the link has a dot, as in eth0.100.
    return f"sysctl -w net.ipv6.conf.{interface.replace('.', '/')}.{setting}"


def read_settings(interface: str) -> dict[str, int]:
    """The settings of a link, without those that cannot be read."""
    found = {}
    for name in _SETTINGS:
        try:
            found[name] = int((CONF / interface / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
    return found
