"""One valid Router Advertisement, bytes to values, against scapy's dissection."""

from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)

from bench.ratio import measure, show
from gitops_prefix.decide.advertisement import RouterAdvertisement
from gitops_prefix.watch.codec import decode

_MANY = 200


def main() -> None:
    """What a usual home router sends: two prefixes, MTU, DNS and its link-layer address."""
    packet = (
        IPv6(src="fe80::1", dst="ff02::1", hlim=255)
        / ICMPv6ND_RA(routerlifetime=1800)
        / ICMPv6NDOptPrefixInfo(prefix="2001:db8:1234::", prefixlen=64)
        / ICMPv6NDOptPrefixInfo(prefix="fd00::", prefixlen=64)
        / ICMPv6NDOptMTU(mtu=1492)
        / ICMPv6NDOptRDNSS(dns=["2001:db8:1234::53"])
        / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:01")
    )
    payload = bytes(packet)[40:]
    source = bytes.fromhex("fe80000000000000" + "0000000000000001")
    if not isinstance(decode(payload, source=source, hop_limit=255), RouterAdvertisement):
        raise SystemExit("the advertisement was refused")

    def ours() -> None:
        for _ in range(_MANY):
            decode(payload, source=source, hop_limit=255)

    def theirs() -> None:
        for _ in range(_MANY):
            ICMPv6ND_RA(payload)

    whole = bytes(packet)

    def theirs_with_header() -> None:
        for _ in range(_MANY):
            IPv6(whole)

    row = "1 a Router Advertisement decoded, faster than scapy"
    show(row, measure(ours, theirs, 20), ">= 40 x", faster=True)
    # We check the hop limit and the source, which scapy has only with the header.
    show(
        "1 the same, scapy with the IPv6 header",
        measure(ours, theirs_with_header, 20),
        "",
        faster=True,
    )
