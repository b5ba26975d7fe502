"""Pools taken together: what two of them give away, a whole prefix, and an empty pool."""

import pytest

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import render
from gitops_prefix.render.settings import Settings
from tests.render.repository import PREFIX, A, B, render_once

HEADS = {
    "Cilium": ("cilium.io/v2", "CiliumLoadBalancerIPPool"),
    "MetalLB": ("metallb.io/v1beta1", "IPAddressPool"),
    "Calico": ("projectcalico.org/v3", "IPPool"),
}
ODD, LOW = "dynamic-prefix.io/address-range: odd", "dynamic-prefix.io/subnet: low"
FOUR = {"Cilium": "{blocks: [{cidr: 192.0.2.0/24}]}", "MetalLB": "{addresses: [192.0.2.0/24]}"}


def pool(
    kind: str, name: str = "one", annotation: str = ODD, spec: str = "", space: str = ""
) -> bytes:
    version, written = HEADS[kind]
    metadata = f"name: {name}, " + (f"namespace: {space}, " if space else "")
    return (
        f"apiVersion: {version}\nkind: {written}\nmetadata:\n  {{{metadata}annotations: "
        f"{{dynamic-prefix.io/name: home, {annotation}}}}}\nspec: {spec or FOUR.get(kind, '{}')}\n"
    ).encode()  # fmt: skip


def found(
    *pools: bytes, spec: bytes = PREFIX, render_first: bool = True
) -> list[tuple[str, str, str]]:
    """Code, severity and file of each problem, after A and B; or before there is a prefix."""
    files = {"home.yaml": spec} | {f"{number}.yaml": text for number, text in enumerate(pools)}
    if render_first:
        files |= render_once(files, A).files
        problems = render_once(files, B, 1).problems
    else:
        problems = render(read_inventory(files, Settings()), {}).problems
    return [
        (each.code, each.severity.value, str(each.place).partition(":")[0]) for each in problems
    ]


TWO_RANGES = PREFIX.replace(
    b'end: "::a"}', b'end: "::a"}\n    - {name: wide, start: "::9", end: "::c"}'
)
WIDE = "dynamic-prefix.io/address-range: wide"
OWN = {"Cilium": "{blocks: [{cidr: 198.51.100.0/24}]}", "MetalLB": "{addresses: [198.51.100.0/24]}"}
WEIGHS = {"Cilium": "warning", "MetalLB": "error"}


@pytest.mark.parametrize("render_first", [True, False], ids=["rendered", "before the first prefix"])
@pytest.mark.parametrize("kind", WEIGHS)
def test_two_pools_with_addresses_in_common_are_named(kind: str, render_first: bool):
    pools = (pool(kind, spec=OWN[kind]), pool(kind, "two"))
    expected = [("pools-overlap", WEIGHS[kind], "1.yaml")]
    assert found(*pools, render_first=render_first) == expected


EFFECTS = {
    "Cilium": "Cilium then stops using the newer one",
    "MetalLB": "MetalLB then reads no configuration at all",
}


@pytest.mark.parametrize("kind", WEIGHS)
def test_what_an_overlap_does_is_said(kind: str):
    files = {
        "home.yaml": PREFIX,
        "0.yaml": pool(kind),
        "1.yaml": pool(kind, "two"),
    }
    [problem] = render_once(files, A).problems
    assert EFFECTS[kind] in problem.message


@pytest.mark.parametrize("kind", WEIGHS)
def test_ranges_that_overlap_in_part_and_entries_of_the_author_count_too(kind: str):
    expected = [("pools-overlap", WEIGHS[kind], "1.yaml")]
    assert found(pool(kind, spec=OWN[kind]), pool(kind, "two", WIDE), spec=TWO_RANGES) == expected
    assert found(pool(kind), pool(kind, "two", LOW)) == expected


def test_the_message_names_both_pools_and_an_address():
    files = {"home.yaml": PREFIX, "a.yaml": pool("MetalLB"), "b.yaml": pool("MetalLB", "two", LOW)}
    (problem,) = render_once(files, A).problems
    assert "IPAddressPool two and IPAddressPool one (a.yaml:5:19)" in problem.message
    assert "192.0.2.0" in problem.message


def test_an_error_holds_back_the_second_pool_alone():
    files = {"home.yaml": PREFIX, "a.yaml": pool("MetalLB"), "b.yaml": pool("MetalLB", "two", LOW)}
    rendering = render_once(files, A)
    assert {*rendering.files} == {"home.yaml", "a.yaml"}
    assert rendering.held_paths == {"b.yaml"}


APART = {
    "other addresses": (pool("MetalLB", spec=OWN["MetalLB"]), pool("MetalLB", "two", LOW)),
    "a base and its overlay": (pool("MetalLB", space="m"), pool("MetalLB")),
    "two kinds": (pool("MetalLB"), pool("Cilium", "two")),
    "Calico's": (pool("Calico", annotation=LOW, spec="{}"), pool("Calico", "two", LOW, "{}")),
}


@pytest.mark.parametrize("pools", APART.values(), ids=APART)
def test_pools_that_do_not_touch_are_no_problem(pools):
    assert found(*pools) == []


@pytest.mark.parametrize("render_first", [True, False], ids=["rendered", "before the first prefix"])
@pytest.mark.parametrize("kind", HEADS)
def test_a_pool_of_the_whole_prefix_is_a_warning(kind: str, render_first: bool):
    raw = pool(kind, annotation="")
    assert found(raw, render_first=render_first) == [("raw-prefix", "warning", "0.yaml")]


def test_a_marker_may_give_away_the_whole_prefix_too():
    text = (
        "apiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool\nmetadata: {name: one}\nspec:\n"
        '  blocks:\n  - cidr: ""  # {"$dynamicprefix": "home:prefix"}\n'
    )
    assert found(text.encode()) == [("raw-prefix", "warning", "0.yaml")]


def test_a_group_of_the_whole_prefix_gives_nothing_away():
    text = pool("Cilium", annotation="", spec="{}").replace(b"LoadBalancerIPPool", b"CIDRGroup")
    assert found(text) == []


@pytest.mark.parametrize("spec", ["{}", "{addresses: []}", "{addresses: }"])
def test_an_empty_pool_of_metallb_is_a_warning_until_the_first_prefix(spec: str):
    empty = pool("MetalLB", spec=spec)
    assert found(empty, render_first=False) == [("empty-pool", "warning", "0.yaml")]
    assert found(empty) == []


def test_a_field_that_cannot_be_edited_is_known_by_what_it_has():
    """An alias: the imagined prefix leads to no other list."""
    alias = pool("MetalLB", spec="{own: &own [192.0.2.0/24], addresses: *own}")
    assert found(alias, pool("MetalLB", "two", LOW), render_first=False) == [
        ("pools-overlap", "error", "1.yaml")
    ]


LINKS = [Prefix.parse(f"2001:db8:a:{link}::/64") for link in (7, 8)]
IN_SUBNET = (
    PREFIX.replace(b"{interface: eth0}", b"{interface: eth0, delegatedPrefixLength: 60}")
    .replace(b"low, offset: 1, prefixLength: 72", b"low, offset: 15, prefixLength: 64")
    .replace(b'end: "::a"', b'end: "::a", subnet: low')
)
ONCE = {
    "a subnet, Cilium": ("Cilium", LOW, '{blocks: [{cidr: "2001:db8:a:f::/64"}]}'),
    "a range, Cilium": ("Cilium", ODD, '{blocks: [{start: "2001:db8:a:f::5", stop: "2001:db8:a:f::a"}]}'),
    "a subnet, MetalLB": ("MetalLB", LOW, '{addresses: ["2001:db8:a:f::/64"]}'),
    "a range, MetalLB": ("MetalLB", ODD, '{addresses: ["2001:db8:a:f::5-2001:db8:a:f::a"]}'),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["simple", "ha"])
@pytest.mark.parametrize(("kind", "annotation", "spec"), ONCE.values(), ids=ONCE)
def test_two_links_of_one_delegation_have_one_subnet(kind, annotation, spec, mode):
    """The link's /64 changes, the delegation around it stays: a block is not written twice."""
    marked = 'a: ""  # {"$dynamicprefix": "home:low:addresses:::9"}\n'
    empty = "{blocks: []}" if kind == "Cilium" else "{addresses: []}"
    files = {
        "home.yaml": IN_SUBNET + f"  transition: {{mode: {mode}}}\n".encode(),
        "pool.yaml": pool(kind, annotation=annotation, spec=empty),
        "a.yaml": marked.encode(),
    }
    for hour, link in enumerate(LINKS):
        files |= render_once(files, link, hour).files
    assert files["pool.yaml"] == pool(kind, annotation=annotation, spec=spec)
    assert files["a.yaml"].decode() == marked.replace('""', '"2001:db8:a:f::9"')


MISPLACED = {
    "at the root": ("blocks: []\n", "blocks: CiliumLoadBalancerIPPool has no such field"),
    "as older versions call it": ("spec: {cidrs: []}\n", "spec.cidrs: CiliumLoadBalancerIPPool has no"),
    "misspelt": ("spec: {blcoks: []}\n", "spec.blcoks: CiliumLoadBalancerIPPool has no such field"),
    "an alias for the spec": ("x: &x {}\nspec: *x\n", ""),
    "nothing behind it": ("spec: {blocks: }\n", ""),
    "another field alone": ("spec: {disabled: false, 5: x, ? [a] : b}\n", ""),
    "both": ("spec: {blocks: [], cidrs: []}\n", ""),
}  # fmt: skip


@pytest.mark.parametrize(("end", "said"), MISPLACED.values(), ids=MISPLACED)
def test_a_list_of_a_pool_at_a_wrong_place_is_a_warning(end: str, said: str):
    """The range goes to spec.blocks all the same."""
    head = pool("Cilium").decode().partition("spec:")[0]
    files = {"home.yaml": PREFIX, "p.yaml": f"{head}{end}".encode()}
    problems = read_inventory(files, Settings()).problems
    messages = [each.message for each in problems if each.code == "unknown-field"]
    assert [message.startswith(said) for message in messages] == [True] * bool(said)
    assert all("is spec.blocks: remove it, or write it there" in each for each in messages)
