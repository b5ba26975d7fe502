"""Which links are not for rehearsals: those whose frames reach a default route."""

from pathlib import Path

import pytest

from gitops_prefix.lab.router import default_routes

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
V4 = "{}\t{}\t0102A8C0\t{}\t0\t0\t0\t{}\t0\t0\t0\n"
V6 = "{} {} 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 {} {:>8}\n"
ZERO = "0" * 32


def v4(link: str, destination="00000000", mask="00000000", flags="0003") -> tuple[str, str]:
    return HEAD + V4.format(link, destination, flags, mask), ""


def v6(link: str, destination=ZERO, length="00", flags="00450003") -> tuple[str, str]:
    return HEAD, V6.format(destination, length, flags, link)


# name: (routes, links as {link: [what it stands on]}, VLANs), what is found for test0
CASES = {
    "nothing at all": (("", ""), {}, [], []),
    "IPv4": (v4("test0"), {}, [], ["IPv4 on test0"]),
    "IPv6": (v6("test0"), {}, [], ["IPv6 on test0"]),
    "half of IPv4, as VPNs do": (v4("test0", mask="00000080"), {}, [], ["IPv4 on test0"]),
    "2000::/3": (v6("test0", "2" + "0" * 31, "03"), {}, [], ["IPv6 on test0"]),
    "of another link": (v6("eth0"), {}, [], []),
    "a network of IPv4": (v4("test0", "0001A8C0", "00FFFFFF"), {}, [], []),
    "a network of IPv6": (v6("test0", "2001" + "0" * 28, "40"), {}, [], []),
    "multicast": (v6("test0", "ff" + "0" * 30, "08"), {}, [], []),
    "the kernel's own no": (v6("test0", flags="00200200"), {}, [], []),
    "a bridge that it is a port of": (v4("br0"), {"br0": ["test0"]}, [], ["IPv4 on br0"]),
    "a macvlan on top": (v6("mv0"), {"mv0": ["test0"]}, [], ["IPv6 on mv0"]),
    "a macvlan, and its base": (v6("eth0"), {"test0": ["eth0"]}, [], ["IPv6 on eth0"]),
    "another port's macvlan": (
        v6("mv0"), {"br0": ["test0", "eth0"], "mv0": ["eth0"]}, [], ["IPv6 on mv0"],
    ),
    "a VLAN, and its base": (v6("eth0"), {"test0": ["eth0"]}, ["test0"], []),
    "a VLAN on top": (v6("test0.7"), {"test0.7": ["test0"]}, ["test0.7"], []),
    "the bridge on a VLAN": (
        v6("br0"), {"br0": ["test0"], "test0": ["eth0"]}, ["test0"], ["IPv6 on br0"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("routes", "links", "vlans", "found"), CASES.values(), ids=list(CASES))
def test_a_default_route_in_reach_is_found(routes, links, vlans, found, tmp_path: Path):
    for name, content in zip(("route", "ipv6_route"), routes, strict=True):
        if content:
            (tmp_path / name).write_text(content)
    for upper, lowers in links.items():
        for lower in lowers:
            (tmp_path / upper / f"lower_{lower}").mkdir(parents=True)
            (tmp_path / lower / f"upper_{upper}").mkdir(parents=True)
    for name in vlans:
        (tmp_path / name / "uevent").write_text("DEVTYPE=vlan\nINTERFACE=x\n")
    assert default_routes("test0", tmp_path, tmp_path) == found
