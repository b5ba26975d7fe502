"""What the kernel learnt on one link, put together from its notices. No I/O, no clock.

The kernel tells of prefixes (RTM_NEWPREFIX) as they are advertised, and of addresses
as it has them. An address tells more about the past: it is there before we are.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from gitops_prefix.decide.advertisement import INFINITY, PrefixInformation
from gitops_prefix.decide.kernel import KernelPrefix
from gitops_prefix.decide.prefix import Prefix

MOST_PREFIXES = 64
"""Prefixes of one link: more are a flood. The kernel makes 16 addresses (max_addresses)."""

_TEMPORARY, _PERMANENT = 0x01, 0x80  # linux/if_addr.h
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


def is_learnt(address: KernelAddress) -> bool:
    """Whether an address tells of a prefix that a router announced.

    * A permanent one was set by hand.
    * A temporary one (RFC 8981) repeats what another says, with shorter lifetimes.
    * One of a /128 names no prefix: DHCPv6 gave it (RFC 8415), or it was set by hand.
    """
    return not address.flags & (_TEMPORARY | _PERMANENT) and 0 < address.length < 128


@dataclass(slots=True)
class Learnt:
    """The prefixes of one link, as far as the kernel told."""

    _prefixes: dict[Prefix, KernelPrefix] = field(default_factory=dict)
    _addresses: dict[int, Prefix] = field(default_factory=dict)
    _present: set[int] = field(default_factory=set)
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
        prefix = Prefix.enclosing(address.address, address.length)
        self._addresses[address.address] = prefix
        heard_at = now - _age(address.updated, now)
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
        appeared_at = old.appeared_at if old else now - _age(address.created, now)
        self._keep(KernelPrefix(information, heard_at, appeared_at))

    def notice(self, information: PrefixInformation, now: float) -> None:
        """One prefix, as a router just announced it."""
        old = self._prefixes.get(information.prefix)
        self._keep(KernelPrefix(information, now, old.appeared_at if old else now))

    def list_anew(self) -> None:
        """All addresses are about to be told."""
        self._listed.clear()

    def listed(self) -> None:
        """All addresses were told: others are gone."""
        for address in self._present - self._listed:
            self._lose(address)
        self._listed.clear()

    def clear(self) -> None:
        """The link is gone, and all that was on it."""
        self._prefixes.clear()
        self._addresses.clear()
        self._present.clear()
        self._listed.clear()

    @property
    def count(self) -> int:
        """How many addresses the link has, of whatever kind."""
        return len(self._present)

    def prefixes(self, now: float) -> tuple[KernelPrefix, ...]:
        """What is there, and still valid or just withdrawn, in the order of prefixes."""
        self._prefixes = dict(_living(self._prefixes, now))
        return tuple(self._prefixes[prefix] for prefix in sorted(self._prefixes))

    def _keep(self, one: KernelPrefix) -> None:
        others = [known for known in self._prefixes if known != one.information.prefix]
        if len(others) >= MOST_PREFIXES:
            # A flood pushes out its own, and not the one we know.
            del self._prefixes[max(others, key=lambda known: self._prefixes[known].appeared_at)]
        self._prefixes[one.information.prefix] = one

    def _lose(self, address: int) -> None:
        self._present.discard(address)
        prefix = self._addresses.pop(address, None)
        if prefix is not None and prefix not in self._addresses.values():
            self._prefixes.pop(prefix, None)


def _living(
    prefixes: dict[Prefix, KernelPrefix], now: float
) -> Iterator[tuple[Prefix, KernelPrefix]]:
    for prefix, one in prefixes.items():
        lifetime = one.information.valid_lifetime
        if lifetime in {0, INFINITY} or now < one.heard_at + lifetime:
            yield prefix, one


def _age(moment: int, now: float) -> float:
    """Seconds since a moment of the kernel's clock, which `now` is of, too.

    The kernel counts in ticks, so a moment may seem to lie ahead by one: that is now.
    """
    hundredths = (int(now * 100) - moment) % _CENTISECONDS
    return 0.0 if hundredths >= _CENTISECONDS // 2 else hundredths / 100


def _at_first(left: int, age: float) -> int:
    """The lifetime that was set `age` seconds ago; nothing left stays nothing."""
    return left if left in {0, INFINITY} else min(left + round(age), INFINITY - 1)
