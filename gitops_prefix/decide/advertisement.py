"""What a router says: values of RFC 4861 and its options, and nothing else.

`watch.codec` builds them from bytes. They are NamedTuples: a network may send
thousands a second, and these cost a third of a frozen dataclass to build.
"""

from enum import IntEnum
from typing import NamedTuple

from gitops_prefix.decide.prefix import Prefix

INFINITY = 0xFFFFFFFF
"""A lifetime of all one bits never ends (RFC 4861 4.6.2)."""

KERNEL = "kernel"
"""The address under which the prefixes of the kernel are kept, whoever announced them."""
FILE = "file"
"""The address under which the prefixes of a file are kept; its path is the interface."""
DHCPV6_PD = "dhcpv6-pd"
WEBHOOK = "webhook"
"""The addresses for what a DHCPv6 server and an HTTP update gave to one DynamicPrefix; its name is
the interface."""
FRITZBOX = "fritzbox"
"""The address for what a FRITZ!Box said; its own address is the interface."""
GIVING = frozenset({DHCPV6_PD, FRITZBOX, WEBHOOK, FILE})
"""The sources that give all their prefixes at once."""
_NOT_ROUTERS = GIVING | {KERNEL}


class Preference(IntEnum):
    """Default router preference (RFC 4191 2.1); the reserved value counts as medium."""

    LOW = -1
    MEDIUM = 0
    HIGH = 1


class Router(NamedTuple):
    """Who sent it: a link-local source on an interface.

    Attributes:
        interface: the name of the link, as the kernel has it; the constants say what it is for
            a source of GIVING.
        address: the link-local source, as RFC 5952 writes it; or KERNEL, or one of GIVING.
    """

    interface: str
    address: str

    @property
    def advertises(self) -> bool:
        """Whether it sends Router Advertisements. The kernel and the sources of GIVING do not."""
        return self.address not in _NOT_ROUTERS

    @property
    def gives(self) -> bool:
        """Whether it is a source that is on no link, and gives all its prefixes at once."""
        return self.address in GIVING

    def __str__(self) -> str:
        if self.gives:
            return f"{self.address} {self.interface}"
        return f"{self.address}%{self.interface}"


class PrefixInformation(NamedTuple):
    """A Prefix Information option (RFC 4861 4.6.2). Lifetimes in seconds.

    Attributes:
        router_address: R flag (RFC 6275 7.2): the option also carries an address of the router.
        pd_preferred: P flag (RFC 9762): hosts should ask for a prefix of their own by DHCPv6.
        excluded: the part that a DHCPv6 server keeps for the link to us (RFC 6603).
    """

    prefix: Prefix
    on_link: bool
    autonomous: bool
    valid_lifetime: int
    preferred_lifetime: int
    router_address: bool = False
    pd_preferred: bool = False
    excluded: Prefix | None = None


class RecursiveDnsServers(NamedTuple):
    """An RDNSS option (RFC 8106 5.1). Lifetime in seconds."""

    lifetime: int
    servers: tuple[int, ...]


class Pref64(NamedTuple):
    """A PREF64 option (RFC 8781 4): the NAT64 prefix. Lifetime in seconds."""

    prefix: Prefix
    lifetime: int


SOURCE_LINK_LAYER_ADDRESS = 1
"""The option type of RFC 4861 4.6.1: the hardware address of who sends."""
ROUTE_INFORMATION = 24
"""The option type of RFC 4191 2.3."""


class UnknownOption(NamedTuple):
    """An option that we do not read, kept as it came (RFC 4861 4.6: skip it)."""

    type: int
    body: bytes


class IgnoredOption(NamedTuple):
    """An option that had to be ignored while the rest of the packet counts."""

    type: int
    reason: str


class RouterAdvertisement(NamedTuple):
    """A Router Advertisement (RFC 4861 4.2), valid by its 6.1.2.

    Attributes:
        hop_limit: Cur Hop Limit; 0 is unspecified.
        managed: M flag: addresses by DHCPv6.
        other: O flag: other configuration by DHCPv6.
        preference: RFC 4191.
        router_lifetime: seconds as a default router; 0 is "not one", and says
            nothing about the prefixes.
        reachable_time: milliseconds; 0 is unspecified.
        retrans_timer: milliseconds; 0 is unspecified.
        prefixes: every Prefix Information option, in the order sent.
        snac_router: the router connects a stub network, such as Thread
            (draft-ietf-6man-snac-router-ra-flag).
    """

    hop_limit: int
    managed: bool
    other: bool
    preference: Preference
    router_lifetime: int
    reachable_time: int
    retrans_timer: int
    prefixes: tuple[PrefixInformation, ...]
    mtu: int | None = None
    dns_servers: tuple[RecursiveDnsServers, ...] = ()
    pref64: tuple[Pref64, ...] = ()
    unknown: tuple[UnknownOption, ...] = ()
    ignored: tuple[IgnoredOption, ...] = ()
    snac_router: bool = False
