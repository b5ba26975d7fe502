"""The coming prefixes are rehearsed: what the next change would refuse is refused now."""

from datetime import UTC, datetime

import pytest

from gitops_prefix.errors import Problem
from gitops_prefix.plan.plan import advance_all, read_repository, rehearse
from gitops_prefix.render.rendering import render
from tests.plan.repository import HOME

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
POOL = """\
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata:
  name: pool
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: pool}
"""
HELD = 'status: {currentPrefix: "2001:db8:a::/64"}\n'
MARKED = '{"$dynamicprefix": "home:pool:%s"}'
ADDRESS = f"2001:db8:a:0:f000::84  # {MARKED % 'address:::f000:0:0:84'}\n"
CIDRS = f'["2001:db8:a:0:f000::/68"]  # {MARKED % "cidrs"}\n'
LAST = 'spec:\n  blocks:\n    - cidr: "3ffe:0:4::/48"\n'
"""A block of the user's own, in the last prefix that is imagined."""

METALLB = POOL.replace("cilium.io/v2", "metallb.io/v1beta1").replace(
    "CiliumLoadBalancerIPPool", "IPAddressPool"
)
NEXT = 'spec:\n  addresses: ["3ffe:0:1::/48"]\n'
"""Addresses of the user's own, in the first prefix that is imagined."""


def rehearsed(**texts: str) -> tuple[Problem, ...]:
    """What a rehearsal finds."""
    files = {f"{name}.yaml": text.encode() for name, text in texts.items()}
    inventory = read_repository(files)
    before = {name: each.status for name, each in inventory.dynamic_prefixes.items()}
    advanced = advance_all(inventory, before, {}, NOON)
    rendering = render(inventory, advanced.statuses)
    return rehearse(inventory, advanced.statuses, rendering.problems)


def foreseen(**texts: str) -> list[tuple[str, str, int]]:
    """Code, file and line of that."""
    problems = rehearsed(**texts)
    return [(problem.code, problem.place.path, problem.place.line) for problem in problems]


ROWS = {
    "nothing is in the way": ({"home": HOME + HELD, "pool": POOL}, []),
    "one far ahead, at its line of now": (
        {"home": HOME + HELD, "pool": f"{POOL}spec: {{}}\n---\n{POOL}{LAST}"},
        [("overlap", "pool.yaml", 15)],
    ),
    "one in a file that has an error of this kind already": (
        {
            "home": HOME + HELD,
            "pool": POOL + "spec: {blocks: none}\n",
        },
        [],
    ),
    "a pool of MetalLB, and nothing in the way": ({"home": HOME + HELD, "pool": METALLB}, []),
    "a second pool of MetalLB that has the next prefix": (
        {
            "home": HOME + HELD,
            "pool": f"{METALLB}---\n{METALLB.replace('name: pool', 'name: other')}{NEXT}",
        },
        [("overlap", "pool.yaml", 13)],
    ),
    "no DynamicPrefix": ({"pool": POOL}, []),
    "no prefix yet": ({"home": HOME, "pool": POOL}, []),
    "an anchor that is inside of another value": (
        {"home": HOME + HELD, "env": f"a: &k\n  b: {ADDRESS}c:\n  <<: *k\n  b: 1\nd: {CIDRS}"},
        [],
    ),
    "a line break that parsers read differently": (
        {"home": HOME + HELD, "nets": f'n: {CIDRS}x: "a\u2028b"\n', "pool": POOL},
        [("edit-refused", "nets.yaml", 2)],
    ),
    "the same before the first prefix": (
        {"home": HOME, "nets": f'n: []  # {MARKED % "cidrs"}\nx: "a\u2028b"\n'},
        [("edit-refused", "nets.yaml", 2)],
    ),
    "a prefix that does not fit a link, before the first one": (
        {"home": f"{HOME}  subnets: [{{name: far, offset: 9, prefixLength: 64}}]\n"},
        [("may-not-fit", "home.yaml", 4)],
    ),
    "a delegation that is shorter than asked for": (
        {
            "home": HOME.replace(
                "routerAdvertisement: {interface: eth0}",
                "dhcpv6pd: {interface: eth0, requestedPrefixLength: 56}",
            )
            + "  subnets: [{name: far, offset: 9, prefixLength: 64}]\n",
        },
        [("delegation-may-not-fit", "home.yaml", 4)],
    ),
    "a delegation that may be one bit longer": (
        {
            "home": HOME.replace(
                "routerAdvertisement: {interface: eth0}",
                "dhcpv6pd: {interface: eth0, requestedPrefixLength: 63}",
            )
            + "  subnets: [{name: second, offset: 1, prefixLength: 64}]\n",
        },
        [("delegation-may-not-fit", "home.yaml", 4)],
    ),
    "a delegation that has room in any length": (
        {
            "home": HOME.replace(
                "routerAdvertisement: {interface: eth0}",
                "dhcpv6pd: {interface: eth0, requestedPrefixLength: 56}",
            )
        },
        [],
    ),
    "a static prefix of another length": (
        {
            "home": HOME.replace(
                "routerAdvertisement: {interface: eth0}", 'static: {prefix: "2001:db8::/56"}'
            )
            + "  subnets: [{name: far, offset: 9, prefixLength: 64}]\n",
        },
        [],
    ),
}


@pytest.mark.parametrize(("texts", "expected"), ROWS.values(), ids=ROWS)
def test_the_next_prefix_is_refused_before_it_comes(texts, expected):
    assert foreseen(**texts) == expected


REMEDIES = {
    "routerAdvertisement: {interface: eth0}": "set routerAdvertisement.delegatedPrefixLength to",
    "kernel: {interface: eth0}": "set routerAdvertisement.delegatedPrefixLength to",
    "dhcpv6pd: {interface: eth0}": "write dhcpv6pd.requestedPrefixLength",
    "dhcpv6pd: {interface: eth0, requestedPrefixLength: 62}": "a /62 is asked for: write dhcpv6pd.",
    "dhcpv6pd: {interface: eth0}\n  kernel: {interface: eth1}": "is asked for: write dhcpv6pd.",
    "fritzbox: {address: fritz.box}": "the source has to say a shorter prefix than a /64",
    "webhook: {}": "the source has to say a shorter prefix than a /64",
    "file: {path: /run/prefix}": "the source has to say a shorter prefix than a /64",
}


@pytest.mark.parametrize(("source", "words"), REMEDIES.items(), ids=REMEDIES)
def test_what_may_not_fit_has_the_remedy_of_its_source(source, words):
    text = HOME.replace("routerAdvertisement: {interface: eth0}", source)
    text += "  subnets: [{name: far, offset: 9, prefixLength: 64}]\n"
    found = {problem.code: problem.message for problem in rehearsed(home=text)}
    assert words in found["may-not-fit"]
