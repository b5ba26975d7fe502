"""The `spec` of a DynamicPrefix, read and checked.

A superset of jr42/dynamic-prefix-operator's and PKizzle's CustomResourceDefinition
(dynamic-prefix.io/v1alpha1), so that their users' files are read unchanged.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from gitops_prefix.decide.address import BITS, format_address, parse_address
from gitops_prefix.decide.advertisement import FILE, KERNEL, Router
from gitops_prefix.decide.fields import FieldProblem, Fields, dotted, parse_duration
from gitops_prefix.decide.parts import AddressRange, Subnet, check_suffix
from gitops_prefix.decide.prefix import GLOBAL_UNICAST, LINK_LOCAL, USUAL_LENGTH, Prefix
from gitops_prefix.errors import Severity

API_VERSION = "dynamic-prefix.io/v1alpha1"
KIND = "DynamicPrefix"
MOST_HISTORY = 10
"""The largest `maxPrefixHistory`."""
RETURN_AFTER: timedelta | None = timedelta(minutes=10)
"""How long a more preferred router has to be back: longer than a modem takes to settle."""

MOST_PATH = 4095
"""The longest path of a file: PATH_MAX of linux/limits.h, without the end."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_INTERFACE = re.compile(r"(?!\.{1,2}$)[!-.0-9;-~]{1,15}")
"""Linux's dev_valid_name, and printable: the names are in logs and on pages."""
_FILE = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[ -.0-~]+)+")
_COMMUNITY = re.compile(r"[0-9]+:[0-9]+")


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

    @property
    def watched_links(self) -> tuple[str, ...]:
        """The links whose advertisements are heard: none beside a static prefix."""
        return () if self.static else self.interfaces

    @property
    def watched_kernel(self) -> str:
        """The link whose kernel is asked, or empty."""
        return "" if self.static else self.kernel_interface

    @property
    def watched_file(self) -> str:
        """The file that is read, or empty."""
        return "" if self.static else self.file

    @property
    def speaks(self) -> bool:
        """Whether there is a source that can say a prefix."""
        return bool(self.static or self.file or self.interfaces or self.kernel_interface)

    @property
    def admits_global(self) -> bool:
        """Whether `within` leaves room for a global prefix."""
        return not self.within or any(GLOBAL_UNICAST.overlaps(outer) for outer in self.within)

    def hears(self, router: Router) -> bool:
        """Whether a router is on a link of this DynamicPrefix, by the source it asks for."""
        if router.address == FILE:
            return router.interface == self.watched_file
        if router.address == KERNEL:
            return router.interface == self.watched_kernel
        return router.interface in self.interfaces

    def believes(self, router: Router) -> bool:
        """Whether `routers` lets it count. The kernel and a file do not say who announced what."""
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


def read_specification(
    document: Mapping[str, object], prefix_length: int | None = None
) -> tuple[Specification, tuple[FieldProblem, ...]]:
    """Read a DynamicPrefix document.

    Args:
        document: the whole document, as parsed.
        prefix_length: of the current prefix, when there is one: suffixes are
            checked against it. Otherwise the static prefix has it, or /64 is assumed.

    Returns:
        The specification, with defaults in place of what is wrong, and every
        problem. It may be used only when no problem is an error.
    """
    root = Fields(document)
    if "spec" not in root:
        root.problem("spec", "missing-field", "a DynamicPrefix needs a spec")
    spec = root.mapping("spec")
    spec.only("acquisition", "addressRanges", "subnets", "transition")
    acquisition, hint = _read_acquisition(spec)
    static = acquisition.static
    length = prefix_length or (static.length if static else None) or hint
    ranges = tuple(_read_ranges(spec, length))
    subnets = tuple(_read_subnets(spec))
    specification = Specification(
        name=_read_name(root),
        acquisition=acquisition,
        ranges=ranges,
        subnets=subnets,
        transition=_read_transition(spec.mapping("transition")),
    )
    if static:
        _check_subnets(spec, specification, static)
    elif acquisition.delegated_length:
        # The delegation says how much room there is, whatever the prefix will be.
        _check_subnets(spec, specification, Prefix(0, prefix_length or USUAL_LENGTH))
    return specification, tuple(root.problems)


def _read_name(root: Fields) -> str:
    metadata = root.mapping("metadata")
    name = metadata.text("name")
    # A Kubernetes object name may hold dots (RFC 1123 subdomain), a range's may not.
    if not all(_NAME.fullmatch(label) for label in name.split(".")) or len(name) > 253:
        metadata.problem(
            "name", "invalid-name", f'"{name}" is not a name: use a-z, 0-9 and "-", at most 253'
        )
    return name


def _read_acquisition(spec: Fields) -> tuple[Acquisition, int]:
    fields = spec.mapping("acquisition")
    fields.only("routerAdvertisement", "prefixFilter", "kernel", "file", "static", "dhcpv6pd")
    advertisement = fields.mapping("routerAdvertisement")
    advertisement.only(
        "interface",
        "interfaces",
        "enabled",
        "routers",
        "preferRouters",
        "returnAfter",
        "delegatedPrefixLength",
    )
    enabled = advertisement.boolean("enabled", default=True)
    interface = advertisement.parsed("interface", _parse_interface, None)
    interfaces = [interface] if interface else []
    interfaces += advertisement.parsed_list("interfaces", _parse_interface)
    prefix_filter = fields.mapping("prefixFilter")
    prefix_filter.only("requireGlobalUnicast", "within")
    kernel, static = fields.mapping("kernel"), fields.mapping("static")
    kernel.only("interface")
    static.only("prefix")
    file = fields.mapping("file")
    file.only("path")
    if "file" in fields and "path" not in file:
        file.problem("path", "missing-field", 'a file needs its path, as in "/run/prefix"')
    if "static" in fields and "prefix" not in static:
        static.problem("prefix", "missing-field", 'a static acquisition needs its prefix, "…/64"')
    delegated = None
    if "delegatedPrefixLength" in advertisement:
        delegated = advertisement.integer("delegatedPrefixLength", USUAL_LENGTH, low=1, high=BITS)
    acquisition = Acquisition(
        interfaces=tuple(dict.fromkeys(interfaces)) if enabled else (),
        routers=advertisement.parsed_list("routers", _parse_router),
        delegated_length=delegated,
        require_global_unicast=prefix_filter.boolean("requireGlobalUnicast", default=True),
        within=prefix_filter.parsed_list("within", Prefix.parse),
        kernel_interface=kernel.parsed("interface", _parse_interface, ""),
        static=static.parsed("prefix", Prefix.parse, None),
        prefer_routers=tuple(
            dict.fromkeys(advertisement.parsed_list("preferRouters", _parse_router))
        ),
        return_after=advertisement.parsed("returnAfter", _parse_return_after, RETURN_AFTER),
        file=file.parsed("path", _parse_path, ""),
    )
    _warn_of_routers(advertisement, acquisition)
    _warn_of_static(fields, acquisition)
    return acquisition, _read_delegation(fields)


def _warn_of_routers(advertisement: Fields, acquisition: Acquisition) -> None:
    """Options about the preferred router that can never have an effect."""
    routers, preferred = set(acquisition.routers), set(acquisition.prefer_routers)
    if routers and preferred and not routers & preferred:
        advertisement.problem(
            "preferRouters",
            "prefers-nobody",
            "`routers` believes none of these; name them there",
            Severity.WARNING,
        )
    if len(routers) == 1 and "returnAfter" in advertisement:
        advertisement.problem(
            "returnAfter",
            "returns-to-nobody",
            "`routers` believes one router alone; there is no other one to return from",
            Severity.WARNING,
        )


def _warn_of_static(fields: Fields, acquisition: Acquisition) -> None:
    """A static prefix is always there, so no source below it is ever used."""
    always = "static is there, too, and always counts"
    if acquisition.static and acquisition.kernel_interface:
        message = f"spec.acquisition.kernel: {always}; the kernel is not asked"
        path = (*fields.path, "kernel")
        fields.problems.append(FieldProblem(path, "kernel-not-watched", message, Severity.WARNING))
    if acquisition.static and acquisition.file:
        message = f"spec.acquisition.file: {always}; the file is not read"
        path = (*fields.path, "file")
        fields.problems.append(FieldProblem(path, "file-not-watched", message, Severity.WARNING))


def _read_delegation(acquisition: Fields) -> int:
    """The length that a jr42 `dhcpv6pd` asks for; we only read it, and say so."""
    delegation = acquisition.mapping("dhcpv6pd")
    delegation.only("interface", "requestedPrefixLength")
    others = ("static", "file", "routerAdvertisement", "kernel")
    if "dhcpv6pd" in acquisition and not any(other in acquisition for other in others):
        path = (*acquisition.path, "dhcpv6pd")
        message = (
            "spec.acquisition.dhcpv6pd: gitops-prefix sends no DHCPv6; watch the link with "
            "routerAdvertisement: {interface: …, delegatedPrefixLength: …} instead"
        )
        acquisition.problems.append(
            FieldProblem(path, "dhcpv6pd-not-watched", message, Severity.WARNING)
        )
    return delegation.integer("requestedPrefixLength", USUAL_LENGTH, low=1, high=BITS)


def _parse_return_after(text: str) -> timedelta | None:
    return None if text == "never" else parse_duration(text)


def _parse_interface(text: str) -> str:
    if not _INTERFACE.fullmatch(text):
        raise ValueError(
            f'"{text}" cannot be a network interface: 1 to 15 characters of ASCII, without blanks, '
            '"/" and ":", as in "eth0"; `ip link` lists them'
        )
    return text


def _parse_path(text: str) -> str:
    if not _FILE.fullmatch(text) or len(text) > MOST_PATH:
        raise ValueError(
            f'"{text}" is not the path of a file: write an absolute path without ".", ".." and '
            '"//", as in "/run/prefix"'
        )
    return text


def _parse_router(text: str) -> str:
    address = parse_address(text)
    if not LINK_LOCAL.contains(address):
        raise ValueError(
            f'"{text}" is not link-local: a router advertises from its fe80:: address '
            "(RFC 4861 6.1.2); `gitops-prefix observe` shows it"
        )
    return format_address(address)


def _read_ranges(spec: Fields, prefix_length: int) -> Iterator[AddressRange]:
    names: set[str] = set()
    for item in spec.mappings("addressRanges"):
        item.only("name", "start", "end")
        name = _read_part_name(item, names)
        start, end = (
            _read_suffix(item, "start", prefix_length),
            _read_suffix(item, "end", prefix_length),
        )
        if start is None or end is None:
            continue
        if start > end:
            item.problem(
                "start",
                "range-reversed",
                f'"{item.text("start")}" is above end "{item.text("end")}"',
            )
            continue
        yield AddressRange(name, start, end)


def _read_suffix(item: Fields, key: str, prefix_length: int) -> int | None:
    if key not in item:
        item.problem(key, "missing-field", f'a range needs its {key}, as in "::f000:0:0:0"')
        return None
    suffix = item.parsed(key, parse_address, None)
    if suffix is None:
        return None
    try:
        check_suffix(suffix, prefix_length)
    except ValueError as error:
        item.problem(key, "suffix-in-prefix", str(error))
        return None
    return suffix


def _read_subnets(spec: Fields) -> Iterator[Subnet]:
    names: set[str] = set()
    for item in spec.mappings("subnets"):
        item.only("name", "offset", "prefixLength", "bgp")
        name = _read_part_name(item, names)
        if "prefixLength" not in item:
            item.problem(
                "prefixLength", "missing-field", "a subnet needs its prefixLength, as in 64"
            )
        length = item.integer("prefixLength", USUAL_LENGTH, low=1, high=BITS)
        bgp = item.mapping("bgp")
        bgp.only("advertise", "community")
        yield Subnet(
            name,
            item.integer("offset", 0, low=0, high=(1 << BITS) - 1),
            length,
            advertise=bgp.boolean("advertise", default=False),
            community=bgp.parsed("community", _parse_community, ""),
        )


def _check_subnets(spec: Fields, specification: Specification, static: Prefix) -> None:
    for index, subnet in enumerate(specification.subnets):
        try:
            subnet.within(specification.base(static))
        except ValueError as error:
            path = (*spec.path, "subnets", index)
            spec.problems.append(FieldProblem(path, "subnet-outside", f"{dotted(path)}: {error}"))


def _parse_community(text: str) -> str:
    if not _COMMUNITY.fullmatch(text):
        raise ValueError(f'"{text}" is not a BGP community: write ASN:VALUE, as in "65001:100"')
    return text


def _read_part_name(item: Fields, names: set[str]) -> str:
    name = item.text("name")
    if not _NAME.fullmatch(name) or len(name) > 63:
        item.problem(
            "name",
            "invalid-name",
            f'"{name}" is not a name: use a-z, 0-9 and "-" between them, at most 63 characters',
        )
    if name in names:
        item.problem("name", "duplicate-name", f'"{name}" is there already: names must be unique')
    names.add(name)
    return name


def _read_transition(fields: Fields) -> Transition:
    fields.only(
        "mode",
        "maxPrefixHistory",
        "stabilizationWindow",
        "retention",
        "dnsDelay",
        "maxChangesPerHour",
    )
    mode = fields.choice("mode", ("simple", "ha"), "simple")
    most = fields.integer("maxPrefixHistory", 2, low=0, high=MOST_HISTORY)
    if mode == "ha" and most == 0:
        # Between the application of the pool and of a Service, nothing would be in both.
        fields.problem(
            "maxPrefixHistory",
            "ha-needs-history",
            "with 0, mode ha leaves Services without an address between two applies: write 1",
        )
    return Transition(
        mode="ha" if mode == "ha" else "simple",
        max_prefix_history=most,
        stabilization_window=fields.parsed("stabilizationWindow", parse_duration, timedelta(0)),
        retention=fields.parsed("retention", _parse_retention, None),
        dns_delay=fields.parsed("dnsDelay", parse_duration, timedelta(0)),
        max_changes_per_hour=fields.integer("maxChangesPerHour", 12, low=1, high=3600),
    )


def _parse_retention(text: str) -> timedelta | Literal["lifetime"]:
    return "lifetime" if text == "lifetime" else parse_duration(text)
