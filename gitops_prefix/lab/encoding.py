"""A RouterAdvertisement to the IPv6 packet that says it, built by scapy.

The inverse of `watch.codec.decode`, by another hand.
"""

from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)

from gitops_prefix.decide.address import format_address
from gitops_prefix.decide.advertisement import Preference, RouterAdvertisement

_PREFERENCE_BITS = {Preference.MEDIUM: 0, Preference.HIGH: 1, Preference.LOW: 3}
"""RFC 4191 2.1, read as two's complement there."""


def encode(advertisement: RouterAdvertisement, *, source: str, hardware_address: str = "") -> bytes:
    """The IPv6 packet to all nodes (RFC 4861 4.2), checksum and all.

    Prefixes, MTU and DNS servers are the options that it knows.

    Args:
        advertisement: what to say.
        source: the router's link-local address.
        hardware_address: as `02:00:00:00:00:01`, told to the hosts; empty is not told.
    """
    packet = IPv6(src=source, dst="ff02::1", hlim=255) / ICMPv6ND_RA(
        chlim=advertisement.hop_limit,
        M=advertisement.managed,
        O=advertisement.other,
        # RFC 4191 2.2: (00) when the router lifetime is zero.
        prf=_PREFERENCE_BITS[advertisement.preference] if advertisement.router_lifetime else 0,
        routerlifetime=advertisement.router_lifetime,
        reachabletime=advertisement.reachable_time,
        retranstimer=advertisement.retrans_timer,
    )
    if hardware_address:
        packet /= ICMPv6NDOptSrcLLAddr(lladdr=hardware_address)
    if advertisement.mtu is not None:
        packet /= ICMPv6NDOptMTU(mtu=advertisement.mtu)
    for information in advertisement.prefixes:
        packet /= ICMPv6NDOptPrefixInfo(
            prefix=format_address(information.prefix.network),
            prefixlen=information.prefix.length,
            L=information.on_link,
            A=information.autonomous,
            validlifetime=information.valid_lifetime,
            preferredlifetime=information.preferred_lifetime,
        )
    for told in advertisement.dns_servers:
        packet /= ICMPv6NDOptRDNSS(
            lifetime=told.lifetime, dns=[format_address(server) for server in told.servers]
        )
    return bytes(packet)
