"""The specification of a DynamicPrefix as values, and where the parts of it lie.

A reference names a DynamicPrefix, or a range or subnet of it. It binds a manifest to a
prefix, whoever wrote it down: an annotation or a marker. `reading` makes the values.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, NamedTuple, TypeAlias

from gitops_prefix.decide.advertisement import (
    DHCPV6_PD,
    FILE,
    FRITZBOX,
    KERNEL,
    WEBHOOK,
    Router,
)
from gitops_prefix.decide.prefix import (
    BITS,
    GLOBAL_UNICAST,
    USUAL_LENGTH,
    AddressRange,
    PlacedRange,
    PlacedSubnet,
    Prefix,
    Subnet,
    host_mask,
)
from gitops_prefix.decide.status import Status

API_VERSION = "dynamic-prefix.io/v1alpha1"
KIND = "DynamicPrefix"
MOST_HISTORY = 10
"""The largest `maxPrefixHistory`."""
RETURN_AFTER: timedelta | None = timedelta(minutes=10)
"""How long a more preferred router has to be back: longer than a modem takes to settle."""

SOURCE_FIELD = {
    DHCPV6_PD: "dhcpv6pd",
    FRITZBOX: "fritzbox",
    WEBHOOK: "webhook",
    FILE: "file",
}
"""The field of each source that gives all its prefixes at once."""


class Delegation(NamedTuple):
    """What is asked of DHCPv6 servers (RFC 8415), for one DynamicPrefix.

    Attributes:
        name: of the DynamicPrefix: it has a lease of its own.
        interface: the link on which servers are asked.
        length: the hint for the length of the prefix.
        servers: link-local sources and DUIDs ("00:01:…") that are believed; empty is all.
        duid: who asks, as "00:04:…"; empty is the one that the daemon keeps.
        release_on_stop: whether the lease is released when the daemon stops.
    """

    name: str
    interface: str
    length: int
    servers: tuple[str, ...] = ()
    duid: str = ""
    release_on_stop: bool = False


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Where the prefix comes from, and which ones count.

    Attributes:
        interfaces: links whose Router Advertisements are heard; empty for no link.
        routers: link-local sources that are believed; empty is all.
        delegated_length: length of the delegation that the link's prefix is a part of.
        require_global_unicast: only 2000::/3 counts.
        within: only prefixes inside one of these count; empty is all.
        kernel_interface: the link whose kernel-accepted prefixes count, or empty.
        file: the absolute path of the file whose prefixes count, or empty.
        delegation: what is asked of DHCPv6 servers, or None.
        webhook: the name under which HTTP updates are sent, or empty.
        fritzbox: the address of the FRITZ!Box that is asked, or empty.
        static: the prefix, when nothing is to be watched.
        prefer_routers: link-local sources in the order in which they are preferred;
            empty is by RFC 4191's preference.
        return_after: how long a prefix of a more preferred router has to stand before
            it is taken again; None is never.
    """

    interfaces: tuple[str, ...] = ()
    routers: tuple[str, ...] = ()
    delegated_length: int | None = None
    require_global_unicast: bool = True
    within: tuple[Prefix, ...] = ()
    kernel_interface: str = ""
    static: Prefix | None = None
    prefer_routers: tuple[str, ...] = ()
    return_after: timedelta | None = RETURN_AFTER
    file: str = ""
    delegation: Delegation | None = None
    webhook: str = ""
    fritzbox: str = ""

    @property
    def watched_links(self) -> tuple[str, ...]:
        """The links whose advertisements are heard: none beside a static prefix."""
        return () if self.static else self.interfaces

    @property
    def links(self) -> frozenset[str]:
        """Every link that is watched, by whatever source."""
        asked = self.watched_delegation
        names = {*self.watched_links, self.watched_kernel, asked.interface if asked else ""}
        return frozenset(names - {""})

    @property
    def watched_kernel(self) -> str:
        """The link whose kernel is asked, or empty."""
        return "" if self.static else self.kernel_interface

    @property
    def watched_file(self) -> str:
        """The file that is read, or empty."""
        return "" if self.static else self.file

    @property
    def says_to_followers(self) -> bool:
        """Whether a daemon that does not lead hears its sources.

        A DHCPv6 server is asked by the one that leads alone, and that one takes updates.
        """
        return not (self.watched_delegation or self.watched_webhook)

    @property
    def usual_length(self) -> int:
        """The length that the prefix will have, as far as the specification says it."""
        if self.static:
            return self.static.length
        return self.delegation.length if self.delegation else USUAL_LENGTH

    @property
    def speaks(self) -> bool:
        """Whether there is a source that can say a prefix."""
        return bool(
            self.static
            or self.delegation
            or self.fritzbox
            or self.webhook
            or self.file
            or self.interfaces
            or self.kernel_interface
        )

    @property
    def watched_delegation(self) -> Delegation | None:
        """What is asked of DHCPv6 servers, if anything is."""
        return None if self.static else self.delegation

    @property
    def watched_webhook(self) -> str:
        """The name under which HTTP updates are taken, or empty."""
        return "" if self.static else self.webhook

    @property
    def watched_fritzbox(self) -> str:
        """The FRITZ!Box that is asked, or empty."""
        return "" if self.static else self.fritzbox

    @property
    def admits_global(self) -> bool:
        """Whether `within` leaves room for a global prefix."""
        return not self.within or any(GLOBAL_UNICAST.overlaps(outer) for outer in self.within)

    def hears(self, router: Router) -> bool:
        """Whether a router is on a link of this DynamicPrefix, by the source it asks for."""
        if router.advertises:
            return router.interface in self.interfaces
        return bool(router.interface) and router.interface == self.hears_under(router.address)

    def hears_under(self, address: str) -> str:
        """Under what this DynamicPrefix hears the source of this address; empty if it does not."""
        delegation = self.watched_delegation
        return {
            KERNEL: self.watched_kernel,
            FILE: self.watched_file,
            WEBHOOK: self.watched_webhook,
            FRITZBOX: self.watched_fritzbox,
            DHCPV6_PD: delegation.name if delegation else "",
        }[address]

    def believes(self, router: Router) -> bool:
        """Whether `routers` admits it; only advertisements say who announced a prefix."""
        return not self.routers or not router.advertises or router.address in self.routers

    def names(self, router: Router) -> bool:
        """Whether `routers` names it."""
        return router.address in self.routers

    def level(self, router: Router, preference: int) -> int:
        """How far down the router is in the order of preference; 0 or less is the top."""
        if not self.prefer_routers:
            return -preference
        if router.address in self.prefer_routers:
            return self.prefer_routers.index(router.address)
        return len(self.prefer_routers)


@dataclass(frozen=True, slots=True)
class Transition:
    """How one prefix gives way to the next.

    Attributes:
        mode: "ha" keeps Services on both prefixes and moves their DNS.
        max_prefix_history: how many past prefixes stay, 0 to 10.
        stabilization_window: how long a new prefix must stay before it is taken.
        retention: a prefix leaves the history this long after its deprecation;
            "lifetime" when its advertised valid lifetime ends; None never.
        dns_delay: the DNS target moves this long after the address was added.
        max_changes_per_hour: beyond it the current prefix is held.
    """

    mode: Literal["simple", "ha"] = "simple"
    max_prefix_history: int = 2
    stabilization_window: timedelta = timedelta(0)
    retention: timedelta | Literal["lifetime"] | None = None
    dns_delay: timedelta = timedelta(0)
    max_changes_per_hour: int = 12


@dataclass(frozen=True, slots=True)
class Specification:
    """A checked DynamicPrefix spec."""

    name: str
    acquisition: Acquisition = field(default_factory=Acquisition)
    ranges: tuple[AddressRange, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    transition: Transition = field(default_factory=Transition)

    def base(self, prefix: Prefix) -> Prefix:
        """What subnets are carved from: `prefix`, or the delegation it is a part of.

        A prefix shorter than the delegation is its own base.
        """
        delegated = self.acquisition.delegated_length
        return prefix.supernet(min(delegated or prefix.length, prefix.length))


Placed: TypeAlias = PlacedRange | PlacedSubnet | Prefix
"""What a reference means inside one prefix."""


class Reference(NamedTuple):
    """A DynamicPrefix and a part of it; without a part, the whole prefix.

    Attributes:
        address_range: name of a range, or empty.
        subnet: name of a subnet, or empty.
    """

    dynamic_prefix: str
    address_range: str = ""
    subnet: str = ""

    def placed(self, specification: Specification, status: Status) -> tuple[Placed, ...]:
        """What this means in the current prefix, then in each past one.

        Args:
            specification: of the DynamicPrefix.
            status: any of its statuses; one that lacks the part gives nothing.
        """
        if self.address_range:
            return tuple(self._ranges(specification, status))
        if self.subnet:
            return tuple(self.subnets(specification, status))
        return status.prefixes

    def _ranges(self, specification: Specification, status: Status) -> Iterator[PlacedRange]:
        for placed in status.ranges:
            if placed.name != self.address_range:
                continue
            yield placed
            first, *past_networks = networks_of(placed, specification, status)
            host_parts = placed.unplaced(first.length)
            for network in past_networks:
                # A range may not fit a past prefix that was longer; it never stood there.
                try:
                    yield host_parts.within(network)
                except ValueError:
                    continue

    def subnets(self, specification: Specification, status: Status) -> Iterator[PlacedSubnet]:
        """The subnet in the current prefix, then in each past one."""
        for placed in status.subnets:
            if placed.name != self.subnet:
                continue
            yield placed
            base = specification.base(status.current)
            # It may lie outside the base, where somebody changed the length of the delegation or
            # edited the status. It moves all the same: what stood in past prefixes stays ours.
            offset = placed.cidr.network - base.network
            for past in status.history:
                moved = specification.base(past.prefix)
                network = moved.network + offset
                if moved.length == base.length and 0 <= network < 1 << BITS:
                    yield PlacedSubnet(placed.name, Prefix(network, placed.cidr.length))


def places_in(specification: Specification, prefix: Prefix, part: Prefix) -> tuple[str, ...]:
    """The subnets and ranges that reach into a part of a prefix, as words for people.

    Args:
        specification: whose subnets and ranges.
        prefix: that would be current. What does not fit it has no place in it.
        part: of that prefix.
    """
    first, last = part.network, part.network | host_mask(part.length)
    base = specification.base(prefix)
    found = []
    for subnet in specification.subnets:
        with suppress(ValueError):
            placed = subnet.within(base)
            if placed.cidr.overlaps(part):
                found.append(f"subnet {subnet.name} ({placed.cidr})")
    for named in specification.ranges:
        with suppress(ValueError):
            network = named.subnet.within(base).cidr if named.subnet else prefix
            placed_range = named.within(network)
            if placed_range.start <= last and first <= placed_range.end:
                found.append(f"range {named.name}")
    return tuple(found)


def prefix_around(placed: PlacedRange, prefixes: Sequence[Prefix]) -> Prefix:
    """The prefix that a range of a status lies in.

    A range of a status that was edited by hand may lie in none of its prefixes: then it is the
    one of their length.
    """
    inside = (prefix for prefix in prefixes if prefix.contains(placed.start))
    return next(inside, Prefix.enclosing(placed.start, prefixes[0].length))


def networks_of(
    placed: PlacedRange, specification: Specification, status: Status
) -> tuple[Prefix, ...]:
    """What the host parts of a range are added to: now, then in each past prefix.

    A range that names a subnet lies in that subnet of the delegation, once the status has it.
    """
    for named in specification.ranges:
        if named.name == placed.name and named.subnet:
            reference = Reference(specification.name, subnet=named.subnet.name)
            subnets = [each.cidr for each in reference.subnets(specification, status)]
            if subnets and subnets[0].contains(placed.start):
                return tuple(subnets)
    return status.prefixes
