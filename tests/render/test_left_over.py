"""What no annotation moves any more, and still has addresses of a prefix."""

import pytest

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import render
from gitops_prefix.render.settings import Settings
from tests.render.lists import GROUP, POOL
from tests.render.repository import PREFIX, A, B, render_once
from tests.render.services import PREFIX as HA
from tests.render.services import TEN, service

METALLB = POOL.replace("cilium.io/v2", "metallb.io/v1beta1").replace(
    "CiliumLoadBalancerIPPool", "IPAddressPool"
)
CALICO = POOL.replace("cilium.io/v2", "projectcalico.org/v3").replace(
    "CiliumLoadBalancerIPPool", "IPPool"
).replace("address-range: lb", "subnet: low")  # fmt: skip
VARIABLES = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: v\n"
    '  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/variables: "true"}\n'
)
START = "2001:db8:b:0:f000::"


def rendered(text: str) -> dict[str, bytes]:
    """A repository after A and B."""
    files = {"home.yaml": HA, "one.yaml": text.encode()}
    for hour, prefix in enumerate((A, B)):
        files |= render_once(files, prefix, hour).files
    return files


def left_over(files: dict[str, bytes]) -> list[str]:
    inventory = read_inventory(files, Settings())
    statuses = {
        name: each.status for name, each in inventory.dynamic_prefixes.items() if each.status
    }
    problems = render(inventory, statuses).problems
    assert {problem.severity for problem in problems if problem.code == "left-over"} <= {"warning"}
    return [problem.message for problem in problems if problem.code == "left-over"]


def without_annotations(text: bytes) -> bytes:
    """As a person removes them, one way or the other."""
    lines = text.decode().splitlines(keepends=True)
    flow = [line for line in lines if "annotations: {dynamic-prefix.io/" not in line]
    return "".join(line for line in flow if "dynamic-prefix.io/" not in line).encode()


LEFT = {
    "a pool": (POOL + "spec: {}\n", [("spec.blocks", f"{START}-2001:db8:b:0:ffff:ffff:ffff:ffff")]),
    "a group": (GROUP + "spec: {}\n", [("spec.externalCIDRs", f"{START}/68, 2001:db8:a:0:f000::/68")]),
    "a pool of MetalLB": (METALLB + "spec: {}\n", [("spec.addresses", START)]),
    "variables": (VARIABLES, [("data.HOME_PREFIX", "2001:db8:b::/64"), ("data.HOME_NETWORK", "2001:db8:b:0")]),
    "a Service": (
        service(TEN), [("lbipam.cilium.io/ips", f"{START}10"), ("dns.alpha.kubernetes.io/target", START), ("dns.kubernetes.io/target", START)]
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), LEFT.values(), ids=LEFT)
def test_what_lost_its_annotation_is_named_with_its_entries(text, expected):
    files = rendered(text)
    assert left_over(files) == []
    files["one.yaml"] = without_annotations(files["one.yaml"])
    found = left_over(files)
    for (field, entries), message in zip(expected, found, strict=False):
        assert f"{field} still has {entries}" in message
    assert len(found) >= len(expected)


def test_a_pool_of_calico_and_its_siblings_are_named():
    files = rendered(CALICO + "spec: {}\n")
    files["one.yaml"] = files["one.yaml"].replace(b"dynamic-prefix.io/", b"example.com/")
    (current, past) = left_over(files)
    assert "spec.cidr still has 2001:db8:b:0:100::/72" in current
    assert "spec.cidr still has 2001:db8:a:0:100::/72" in past


def test_values_of_a_chart_are_no_kind_and_still_named():
    files = rendered(POOL + "spec: {}\n")
    files["release.yaml"] = (
        b"apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web}\nspec:\n"
        b"  values:\n    service:\n      - annotations: {lbipam.cilium.io/ips: '192.0.2.7, 2001:db8:a:0:f000::9'}\n"
    )
    (message,) = left_over(files)
    assert "spec.values.service" in message and "has 2001:db8:a:0:f000::9," in message


def test_values_that_are_annotated_are_not_left_over_in_any_mode():
    values = (
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web}\nspec:\n"
        "  values:\n    service:\n      annotations:\n        dynamic-prefix.io/name: home\n"
        "        dynamic-prefix.io/service-address-range: lb\n"
    )
    files = rendered(values)
    assert b"lbipam.cilium.io/ips" in files["one.yaml"] and left_over(files) == []
    files["home.yaml"] = files["home.yaml"].replace(b"mode: ha", b"mode: simple")
    assert left_over(files) == []
    files["one.yaml"] = without_annotations(files["one.yaml"])
    assert len(left_over(files)) == 3


def test_a_dynamic_prefix_that_is_gone_leaves_what_it_wrote():
    """Which prefixes it had nobody knows, so every global address counts."""
    files = rendered(POOL + "spec: {blocks: [{cidr: 192.0.2.0/24}, {cidr: 'fd00::/64'}]}\n")
    del files["home.yaml"]
    (message,) = left_over(files)
    assert "DynamicPrefix home is gone" in message
    assert f"{START}-2001" in message and "192.0.2.0" not in message and "fd00" not in message


QUIET = {
    "an address of another network": b"spec: {blocks: [{cidr: '2001:db8:c::/64'}]}\n",
    "IPv4": b"spec: {blocks: [{start: 192.0.2.1}, {start: x}, {}, 5]}\n",
    "no entry": b"spec: {}\n",
    "a name that has the word in it": b"spec: {blocks: [{cidr: 'x2001:db8:b:y'}]}\n",
    "a document that does not parse": b"spec: [2001:db8:b:\n",
    "bytes that are no text": b"\xff 2001:db8:b:\n",
}


@pytest.mark.parametrize("spec", QUIET.values(), ids=QUIET)
def test_what_is_not_of_the_prefix_is_nobodys_concern(spec: bytes):
    files = rendered(POOL + "spec: {}\n")
    files["other.yaml"] = b"apiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool\n" + spec
    assert left_over(files) == []
    assert read_inventory(files, Settings()).problems == ()


def test_a_document_of_comments_and_a_field_with_a_marker_are_not_left_over():
    files = rendered(POOL + "spec: {}\n")
    marked = b'  - cidr: "2001:db8:b::/72"  # {"$dynamicprefix": "home:low:cidr"}\n'
    files["other.yaml"] = (
        b"--- \n# 2001:db8:b:0:f000::\n---\napiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool\n"
        b"spec:\n  blocks:\n" + marked
    )
    assert left_over(files) == []


@pytest.mark.parametrize("prefix", ["2001:db8::/64", "2001:db8:0:7::/64"])
def test_zeros_inside_of_a_prefix_are_no_hindrance(prefix: str):
    files = {"home.yaml": PREFIX, "one.yaml": f"{GROUP}spec: {{}}\n".encode()}
    files |= render_once(files, Prefix.parse(prefix)).files
    files["one.yaml"] = without_annotations(files["one.yaml"])
    assert left_over(files)


def test_a_dynamic_prefix_that_cannot_be_read_is_not_gone():
    files = rendered(POOL + "spec: {}\n")
    files["home.yaml"] = files["home.yaml"].replace(b"transition:", b"transition: {mode: 5}\n#")
    assert left_over(files) == []


def test_without_a_prefix_nothing_is_left_over():
    files = {"home.yaml": PREFIX, "one.yaml": without_annotations((POOL + "spec: {}\n").encode())}
    assert left_over(files) == []
