"""Reads and checks the `spec` of a DynamicPrefix.

A superset of jr42/dynamic-prefix-operator's and PKizzle's CustomResourceDefinition
(dynamic-prefix.io/v1alpha1), so that their users' files are read unchanged.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal

from gitops_prefix.decide.fields import (
    EMPTY,
    NO_VALUE,
    FieldProblem,
    Fields,
    dotted,
    parse_duration,
)
from gitops_prefix.decide.prefix import (
    BITS,
    LINK_LOCAL,
    SHORTEST_LENGTH,
    USUAL_LENGTH,
    AddressRange,
    Prefix,
    Subnet,
    check_suffix,
    format_address,
    parse_address,
    why_never,
)
from gitops_prefix.decide.specification import (
    MOST_HISTORY,
    RETURN_AFTER,
    Acquisition,
    Delegation,
    Specification,
    Transition,
)
from gitops_prefix.errors import Severity

FRITZ_BOX = "fritz.box"
_WRITTEN = {
    "routerAdvertisement": "{interface: eth0}",
    "kernel": "{interface: eth0}",
    "dhcpv6pd": "{interface: eth0}",
    "static": '{prefix: "2001:db8:1234::/64"}',
    "file": "{path: /run/prefix}",
    "webhook": "{}",
    "fritzbox": "{}",
}
"""How each source is written at its shortest."""
_BESIDE_STATIC = {
    "kernel": "the kernel is not asked",
    "file": "the file is not read",
    "dhcpv6pd": "no server is asked",
    "webhook": "no update is taken",
    "fritzbox": "the box is not asked",
}
"""What a static prefix does to each source beside it."""
MOST_DUID = 130
"""Octets of a DUID: two of type and at most 128 (RFC 8415 11.1)."""
MOST_PATH = 4095
"""The longest path of a file: PATH_MAX of linux/limits.h, without the end."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_INTERFACE = re.compile(r"(?!\.{1,2}$)[!-.0-9;-~]{1,15}")
"""Linux's dev_valid_name, and printable: the names are in logs and on pages."""
_FILE = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[ -.0-~]+)+")
_DUID = re.compile(r"(?:[0-9A-Fa-f]{2}:)+[0-9A-Fa-f]{2}|[0-9A-Fa-f]+")
_AT_HOME = tuple(
    ip_network(block)
    for block in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)
_COMMUNITY = re.compile(r"[0-9]+:[0-9]+")


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
    name = _read_name(root)
    acquisition = _read_acquisition(spec, name)
    length = prefix_length or acquisition.usual_length
    static = acquisition.static
    subnets = tuple(_read_subnets(spec))
    ranges = tuple(_read_ranges(spec, length, subnets))
    specification = Specification(
        name=name,
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
    return specification, tuple(_without_repeats(root.problems))


def _without_repeats(problems: list[FieldProblem]) -> Iterator[FieldProblem]:
    """The problems, but for a note about an empty field that is an error for another reason."""
    wrong = {problem.path for problem in problems if problem.severity is Severity.ERROR}
    for problem in problems:
        is_note = problem.code == EMPTY and problem.severity is not Severity.ERROR
        if not (is_note and problem.path in wrong):
            yield problem


def _read_name(root: Fields) -> str:
    metadata = root.mapping("metadata")
    name = metadata.text("name")
    # A Kubernetes object name may hold dots (RFC 1123 subdomain), a range's may not.
    if not all(_NAME.fullmatch(label) for label in name.split(".")) or len(name) > 253:
        metadata.problem(
            "name", "invalid-name", f'"{name}" is not a name: use a-z, 0-9 and "-", at most 253'
        )
    return name


def _read_acquisition(spec: Fields, name: str) -> Acquisition:
    fields = spec.mapping("acquisition")
    fields.only("prefixFilter", *_WRITTEN)
    for source, written in _WRITTEN.items():
        # A source that is there has a meaning, and one without a value is not there (YAML's null).
        if source in fields.content and source not in fields:
            message = f"{NO_VALUE}: write `{source}: {written}`, or remove the line"
            fields.problem(source, EMPTY, message)
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
        delegated = advertisement.integer(
            "delegatedPrefixLength", USUAL_LENGTH, low=SHORTEST_LENGTH, high=USUAL_LENGTH
        )
    acquisition = Acquisition(
        interfaces=tuple(dict.fromkeys(interfaces)) if enabled else (),
        routers=advertisement.parsed_list("routers", _parse_router),
        delegated_length=delegated,
        require_global_unicast=prefix_filter.boolean("requireGlobalUnicast", default=True),
        within=prefix_filter.parsed_list("within", Prefix.parse),
        kernel_interface=kernel.parsed("interface", _parse_interface, ""),
        static=static.parsed("prefix", _parse_static, None),
        prefer_routers=tuple(
            dict.fromkeys(advertisement.parsed_list("preferRouters", _parse_router))
        ),
        return_after=advertisement.parsed("returnAfter", _parse_return_after, RETURN_AFTER),
        file=file.parsed("path", _parse_path, ""),
        delegation=_read_delegation(fields, name, delegated),
        webhook=name if "webhook" in fields else "",
        fritzbox=_read_fritzbox(fields),
    )
    fields.mapping("webhook").only()
    _warn_of_routers(advertisement, acquisition)
    if acquisition.require_global_unicast and not acquisition.admits_global:
        prefix_filter.problem(
            "within",
            "admits-nothing",
            "none of these has a global prefix (2000::/3), and requireGlobalUnicast wants one, so "
            "nothing counts; correct them, or write requireGlobalUnicast: false",
            Severity.WARNING,
        )
    _warn_of_static(fields, acquisition)
    return acquisition


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
    """A static prefix is always there, so no source beside it is ever used."""
    if not acquisition.static:
        return
    for source, effect in _BESIDE_STATIC.items():
        if source in fields:
            message = f"static is there, too, and always counts; {effect}"
            fields.problem(source, f"{source}-not-watched", message, Severity.WARNING)


def _read_delegation(fields: Fields, name: str, delegated: int | None) -> Delegation | None:
    asked = fields.mapping("dhcpv6pd")
    asked.only("interface", "requestedPrefixLength", "servers", "duid", "releaseOnStop")
    if "dhcpv6pd" not in fields:
        return None
    interface = asked.parsed("interface", _parse_interface, "")
    if "interface" not in asked:
        message = 'dhcpv6pd needs the link on which servers are asked, as in "eth0"'
        asked.problem("interface", "missing-field", message)
    return Delegation(
        name,
        interface,
        asked.integer(
            "requestedPrefixLength",
            delegated or USUAL_LENGTH,
            low=SHORTEST_LENGTH,
            high=USUAL_LENGTH,
        ),
        asked.parsed_list("servers", _parse_server),
        asked.parsed("duid", _parse_own_duid, ""),
        asked.boolean("releaseOnStop", default=False),
    )


def _parse_server(text: str) -> str:
    try:
        return _parse_duid(text)
    except ValueError:
        pass
    address = parse_address(text)
    if not LINK_LOCAL.contains(address):
        raise ValueError(
            f'"{text}" is neither link-local nor a DUID: a server answers from its fe80:: address; '
            "`gitops-prefix observe --dhcpv6` shows both"
        )
    return format_address(address)


def _parse_own_duid(text: str) -> str:
    """The DUID that is given, or "": the one that the daemon keeps."""
    return _parse_duid(text) if text else ""


def _parse_duid(text: str) -> str:
    """A DUID in the one form that is compared: lower case, a colon between two octets."""
    digits = text.replace(":", "").lower()
    if not _DUID.fullmatch(text) or len(digits) % 2 or not 6 <= len(digits) <= 2 * MOST_DUID:
        raise ValueError(
            f'"{text}" is not a DUID: write its octets (RFC 8415 11), as in "00:04:5a:1f:…"'
        )
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _read_fritzbox(fields: Fields) -> str:
    box = fields.mapping("fritzbox")
    box.only("address")
    return box.parsed("address", _parse_box, FRITZ_BOX) if "fritzbox" in fields else ""


def _parse_box(text: str) -> str:
    """The one name, or an address that cannot be on the internet.

    Whoever may merge must not make the daemon send requests to anybody else.
    """
    if text.lower() == FRITZ_BOX:
        return FRITZ_BOX
    try:
        address = ip_address(text)
    except ValueError:
        address = None
    if address is None or not is_at_home(address):
        raise ValueError(
            f'"{text}" is not the address of a FRITZ!Box at home: write "{FRITZ_BOX}", or a '
            'private, unique local or link-local address, as in "192.168.178.1"'
        )
    return str(address)


def is_at_home(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is private (RFC 1918), unique local (RFC 4193) or link-local."""
    return any(address in block for block in _AT_HOME if block.version == address.version)


def _parse_static(text: str) -> Prefix:
    prefix = Prefix.parse(text)
    why = why_never(prefix)
    if why:
        raise ValueError(
            f'"{text}" {why}: write the prefix that your provider gave you, as in '
            '"2001:db8:1234::/64"'
        )
    return prefix


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


def _read_ranges(
    spec: Fields, prefix_length: int, subnets: tuple[Subnet, ...]
) -> Iterator[AddressRange]:
    names: set[str] = set()
    for item in spec.mappings("addressRanges"):
        item.only("name", "start", "end", "subnet")
        name = _read_part_name(item, names)
        subnet = _read_range_subnet(item, subnets)
        length = subnet.prefix_length if subnet else prefix_length
        start, end = (_read_suffix(item, "start", length), _read_suffix(item, "end", length))
        if start is None or end is None:
            continue
        if start > end:
            item.problem(
                "start",
                "range-reversed",
                f'"{item.text("start")}" is above end "{item.text("end")}"',
            )
            continue
        yield AddressRange(name, start, end, subnet)


def _read_range_subnet(item: Fields, subnets: tuple[Subnet, ...]) -> Subnet | None:
    """The subnet that a range lies in, or None for the prefix itself."""
    if "subnet" not in item:
        return None
    name = item.text("subnet")
    found = next((subnet for subnet in subnets if subnet.name == name), None)
    if found is None:
        known = ", ".join(subnet.name for subnet in subnets) or "none"
        message = f'no subnet is named "{name}" (there are: {known})'
        item.problem("subnet", "unknown-subnet", message)
    return found


def _parse_host_part(text: str) -> int:
    """The address that a host part is written as.

    Raises:
        ValueError: there is no such address; the message has the way to write it.
    """
    try:
        return parse_address(text)
    except ValueError as error:
        alone = text.partition("/")[0]
        try:
            parse_address(alone)
        except ValueError:
            raise ValueError(f'{error}: write a host part, as in "::f000:0:0:0"') from error
        raise ValueError(f'{error}: a host part has no length: write "{alone}"') from error


def _read_suffix(item: Fields, key: str, prefix_length: int) -> int | None:
    if key not in item:
        item.problem(key, "missing-field", f'a range needs its {key}, as in "::f000:0:0:0"')
        return None
    suffix = item.parsed(key, _parse_host_part, None)
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
