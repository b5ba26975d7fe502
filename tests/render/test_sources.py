"""A DynamicPrefix that nothing can say a prefix to is an error, and one half heard a warning."""

import pytest

from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings

HEAD = """\
apiVersion: dynamic-prefix.io/v1alpha1
kind: DynamicPrefix
metadata: {name: home}
spec:
  subnets: [{name: dmz, offset: 1, prefixLength: 72}]
"""
ADVERTISED = "routerAdvertisement: {interface: eth0}"
ASKED = "dhcpv6pd: {interface: eth0, requestedPrefixLength: 56}"
ROWS = {
    "nothing": ("{}", ["no-source"]),
    "no link": ("{routerAdvertisement: {}}", ["no-source"]),
    "only a filter": ("{prefixFilter: {requireGlobalUnicast: true}}", ["no-source"]),
    "off": (f"{{{ADVERTISED[:-1]}, enabled: false}}}}", ["no-source"]),
    "another mistake first": ("{routerAdvertisement: 5}", ["wrong-type"]),
    "advertisements": (f"{{{ADVERTISED}}}", []),
    "the kernel": ("{kernel: {interface: eth0}}", []),
    "a file": ("{file: {path: /run/prefix}}", []),
    "static": ('{static: {prefix: "2001:db8::/64"}}', []),
    "an operator's request alone": (f"{{{ASKED}}}", []),
    "beside advertisements": (
        f"{{{ADVERTISED}, {ASKED}}}",
        ["fallback-may-not-fit"],
    ),
    "beside the length": (
        f"{{{ADVERTISED[:-1]}, delegatedPrefixLength: 56}}, {ASKED}}}",
        [],
    ),
    "beside advertisements of no link": (
        f"{{routerAdvertisement: {{enabled: true}}, {ASKED}}}",
        ["no-link"],
    ),
    "beside advertisements that are off": (
        f"{{routerAdvertisement: {{enabled: false}}, {ASKED}}}",
        [],
    ),
    "a kernel of no link beside advertisements": (f"{{kernel: {{}}, {ADVERTISED}}}", ["no-link"]),
    "a kernel of no link beside a static prefix": (
        '{kernel: {}, static: {prefix: "2001:db8::/64"}}',
        ["kernel-not-watched"],
    ),
    **{
        f"{source} without a value": (f"{{{source}: , {ADVERTISED}}}", ["empty-field"])
        for source in ("kernel", "dhcpv6pd", "static", "file", "webhook", "fritzbox")
    },
    "advertisements without a value": ("{routerAdvertisement: , webhook: {}}", ["empty-field"]),
    "an interface without a value": (
        "{routerAdvertisement: {interface: }}",
        ["empty-field", "no-source"],
    ),
    "a server's link without a value": ("{dhcpv6pd: {interface: }}", ["missing-field"]),
}


@pytest.mark.parametrize(("acquisition", "codes"), ROWS.values(), ids=ROWS)
def test_what_can_say_a_prefix(acquisition, codes):
    text = f"{HEAD}  acquisition: {acquisition}\n"
    problems = read_inventory({"home.yaml": text.encode()}, Settings()).problems
    assert [problem.code for problem in problems] == codes


def test_a_document_without_an_acquisition_has_no_source():
    [problem] = read_inventory({"home.yaml": HEAD.encode()}, Settings()).problems
    assert (problem.code, problem.place.line) == ("no-source", 5)
