"""Services, each with the load balancer and the DNS that it has: what is written, and what is left."""

import pytest
from ruamel.yaml import YAML

from gitops_prefix.render.load_balancers import find_default_families
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings
from tests.render.lists import POOL
from tests.render.repository import A, B, problems_of, render_once
from tests.render.services import ALPHA, BETA, IPS, PREFIX, TEN, service

METALLB = "metallb.io/loadBalancerIPs"
RANGE = "dynamic-prefix.io/service-address-range: lb"
METALLB_POOL = (
    POOL.replace("cilium.io/v2", "metallb.io/v1beta1").replace(
        "CiliumLoadBalancerIPPool", "IPAddressPool"
    )
    + "spec: {addresses: [192.0.2.0/24]}\n"
)
CILIUM_POOL = POOL + "spec: {}\n"
DUAL = "  ipFamilyPolicy: PreferDualStack\n"


def render_service(text: str, *pools: str, spec: bytes = PREFIX) -> tuple[dict, list[str]]:
    """The annotations after A and B, and the codes of all problems of the Service."""
    files = {"home.yaml": spec, "web.yaml": text.encode()}
    files |= {f"pool-{number}.yaml": pool.encode() for number, pool in enumerate(pools)}
    codes: list[str] = []
    for hour, prefix in enumerate((A, B)):
        rendering = render_once(files, prefix, hour)
        codes = [problem.code for problem in rendering.problems]
        files |= rendering.files
        assert render_once(files, prefix, hour).files == {}
    return YAML(typ="safe").load(files["web.yaml"])["metadata"]["annotations"], codes


NEW, OLD = "2001:db8:b:0:f000::10", "2001:db8:a:0:f000::10"
WRITTEN = {
    "Cilium's where nothing says which": (service(TEN), (), {IPS: f"{NEW},{OLD}"}),
    "Cilium's by its pool": (service(TEN, RANGE), (CILIUM_POOL,), {IPS: f"{NEW},{OLD}"}),
    "MetalLB's by its pool": (service(TEN, RANGE), (METALLB_POOL,), {METALLB: NEW}),
    "MetalLB's by any key of its": (
        service(TEN, "metallb.io/address-pool: home"), (), {METALLB: NEW}
    ),
    "MetalLB's older key, where it is there": (
        service(TEN, "metallb.universe.tf/loadBalancerIPs: 192.0.2.7") + DUAL, (),
        {"metallb.universe.tf/loadBalancerIPs": f"{NEW},192.0.2.7"},
    ),
    "by its class, whatever the pools": (
        service(TEN) + "  loadBalancerClass: io.cilium/l2-announcer\n", (METALLB_POOL,), {IPS: f"{NEW},{OLD}"}
    ),
    "by a class that is a number: by none": (service(TEN) + "  loadBalancerClass: 5\n", (), {IPS: f"{NEW},{OLD}"}),
    "by a class of MetalLB": (service(TEN) + "  loadBalancerClass: metallb\n", (), {METALLB: NEW}),
    "a key of the Service decides between pools": (
        service(TEN, "metallb.io/address-pool: home"), (METALLB_POOL, CILIUM_POOL), {METALLB: NEW}
    ),
    "a key of Cilium decides between pools": (
        service(TEN, RANGE, f"{IPS}: 192.0.2.7"), (METALLB_POOL, CILIUM_POOL), {IPS: f"{NEW},{OLD},192.0.2.7"}
    ),
    "Cilium's older key, where it is there": (
        service(TEN, "io.cilium/lb-ipam-ips: 192.0.2.7") + DUAL, (),
        {"io.cilium/lb-ipam-ips": f"{NEW},{OLD},192.0.2.7"},
    ),
    "MetalLB's by its key, whatever the name of its class": (
        service(TEN, f'{METALLB}: ""') + "  loadBalancerClass: example.com/lb\n", (), {METALLB: NEW}
    ),
    "an IPv4 that Cilium is asked for by the old field": (
        service(TEN) + DUAL + "  loadBalancerIP: 192.0.2.7\n", (), {IPS: f"{NEW},{OLD}"}
    ),
    "an IPv4 in the second annotation, which would not count any more": (
        service(TEN, f'{METALLB}: ""', "metallb.universe.tf/loadBalancerIPs: 192.0.2.7") + DUAL, (),
        {METALLB: f"{NEW},192.0.2.7", "metallb.universe.tf/loadBalancerIPs": f"{NEW},192.0.2.7"},
    ),
    "a pool on another range does not decide": (
        service(TEN, RANGE), (METALLB_POOL.replace("address-range: lb", "address-range: two"),),
        {IPS: f"{NEW},{OLD}"},
    ),
    "IPv4 is kept, and dual stack may follow": (
        service(TEN, f"{IPS}: 192.0.2.7") + DUAL, (), {IPS: f"{NEW},{OLD},192.0.2.7"}
    ),
    "IPv6 alone is meant": (
        service(TEN, 'dynamic-prefix.io/ipv6-only: "true"') + DUAL, (), {IPS: f"{NEW},{OLD}"}
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "pools", "expected"), WRITTEN.values(), ids=WRITTEN)
def test_the_key_of_its_load_balancer_is_written_and_no_other(text, pools, expected):
    found, codes = render_service(text, *pools)
    assert {key: found[key] for key in (IPS, METALLB, *expected) if key in found} == expected
    assert not codes


def test_what_an_earlier_version_wrote_does_not_decide():
    """It wrote Cilium's key on every Service, those of MetalLB too."""
    found, codes = render_service(service(TEN, RANGE, f'{IPS}: "{OLD}"'), METALLB_POOL)
    assert (found[METALLB], codes) == (NEW, ["unused-annotation"])


LEFT = {
    "another type": (service(TEN).replace("LoadBalancer", "ClusterIP"), "no-load-balancer"),
    "a headless Service": (service(TEN).replace("type: LoadBalancer", "clusterIP: None"), "no-load-balancer"),
    "another type, without an address to be given": (
        service().replace("LoadBalancer", "ExternalName"), "no-load-balancer"
    ),
    "a suffix that is wrong, of IPv4 alone": (
        service("dynamic-prefix.io/suffix: x") + "  ipFamilies: [IPv4]\n", "no-ipv6"
    ),
    "MetalLB refuses both": (
        service(TEN, "metallb.io/address-pool: home") + "  loadBalancerIP: 192.0.2.7\n", "load-balancer-ip"
    ),
    "MetalLB gives an IPv6 Service no IPv4": (
        service(TEN, f"{METALLB}: 192.0.2.7") + "  ipFamilies: [IPv6]\n", "no-ipv4"
    ),
    "MetalLB takes one IPv6 address": (service(TEN, f'{METALLB}: "fd00::5"'), "second-ipv6"),
    "IPv4 alone": (service(TEN) + "  ipFamilies: [IPv4]\n", "no-ipv6"),
    "a class that is not known": (service(TEN) + "  loadBalancerClass: example.com/lb\n", "no-load-balancer"),
    "Cilium would take the IPv4 away": (service(TEN) + DUAL, "ipv4-would-be-lost"),
    "by its families": (service(TEN) + "  ipFamilies: [IPv6, IPv4]\n", "ipv4-would-be-lost"),
    "MetalLB would give no address": (
        service(TEN, f'{METALLB}: ""') + "  ipFamilyPolicy: RequireDualStack\n", "ipv4-would-be-lost"
    ),
    "MetalLB gives one family no address of both": (
        service(TEN, f"{METALLB}: 192.0.2.7") + "  ipFamilyPolicy: SingleStack\n", "ipv4-would-be-lost"
    ),
    "MetalLB has no IPv6 alone": (
        service(TEN, f'{METALLB}: ""', 'dynamic-prefix.io/ipv6-only: "true"') + DUAL, "ipv4-would-be-lost"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code"), LEFT.values(), ids=LEFT)
def test_a_service_that_cannot_have_the_address_is_left_alone(text, code):
    before = YAML(typ="safe").load(text)["metadata"]["annotations"]
    assert render_service(text) == (before, [code])


def test_two_kinds_of_pool_on_one_range_are_an_error_that_names_both():
    files = {"home.yaml": PREFIX, "web.yaml": service(TEN, RANGE).encode()}
    files |= {"a.yaml": METALLB_POOL.encode(), "b.yaml": CILIUM_POOL.encode()}
    (problem,) = render_once(files, A).problems
    assert problem.code == "two-load-balancers" and problem.severity == "error"
    assert "IPAddressPool p" in problem.message and "CiliumLoadBalancerIPPool p" in problem.message


def test_a_list_that_has_ipv6_alone_follows_with_the_warning():
    """Its IPv4 is gone already; to leave it alone would take the IPv6 as well."""
    found, codes = render_service(service(TEN, f"{IPS}: {OLD}") + DUAL)
    assert found[IPS] == f"{NEW},{OLD}"
    assert codes == ["ipv4-would-be-lost", "ipv4-leaves-dns"]
    assert ALPHA not in found and BETA not in found, "a target would take the A record"


def test_a_new_target_holds_the_ipv4_of_the_old_field():
    found, _ = render_service(service(TEN) + DUAL + "  loadBalancerIP: 192.0.2.7\n")
    assert found[ALPHA] == f"{NEW},192.0.2.7"


@pytest.mark.parametrize("key", [IPS, METALLB])
def test_a_target_that_is_new_holds_the_ipv4_addresses(key):
    found, _ = render_service(service(TEN, f"{key}: 192.0.2.7"))
    assert found[ALPHA] == found[BETA] == f"{NEW},192.0.2.7"


def test_a_target_that_is_new_holds_the_ipv4_of_external_ips():
    """external-dns publishes these alone, until a target replaces them."""
    more = "  externalIPs: [192.0.2.9, 'fd00::9']\n"
    found, codes = render_service(service(TEN, f"{IPS}: 192.0.2.7") + DUAL + more)
    assert (found[ALPHA], codes) == (f"{NEW},192.0.2.9", [])


def test_external_ips_of_ipv6_alone_have_no_a_record():
    found, codes = render_service(
        service(TEN, f"{IPS}: 192.0.2.7") + DUAL + "  externalIPs: ['fd00::9']\n"
    )
    assert (found[ALPHA], codes) == (NEW, [])


def test_an_empty_target_is_none():
    found, codes = render_service(service(TEN, f"{IPS}: {OLD}", f'{ALPHA}: ""') + DUAL)
    assert (found[ALPHA], codes) == ("", ["ipv4-would-be-lost", "ipv4-leaves-dns"])


@pytest.mark.parametrize(
    "prefix", ["external-dns.alpha.kubernetes.io/", "external-dns.kubernetes.io/"]
)
def test_no_new_target_takes_the_records_of_an_internal_hostname(prefix):
    """external-dns would write the target there, in place of the addresses inside the cluster."""
    hosts = (f"{prefix}hostname: a.example,b.example", f"{prefix}internal-hostname: in.example")
    found, codes = render_service(service(TEN, *hosts))
    assert (found[IPS], codes) == (f"{NEW},{OLD}", ["ipv4-leaves-dns"])
    assert ALPHA not in found and BETA not in found
    found, codes = render_service(service(TEN, *hosts, f"{prefix}target: 192.0.2.7"))
    assert (found[f"{prefix}target"], codes) == (f"{NEW},192.0.2.7", []), "the author's own goes on"


@pytest.mark.parametrize("key", ["1: y", "true: y", "null: y", "foo.example/internal-hostname: a"])
def test_an_annotation_of_somebody_else_is_no_matter(key):
    found, codes = render_service(service(TEN, key))
    assert (found[ALPHA], codes) == (f"{NEW}", [])


ADVICE = {
    "a target that lacks the IPv4 of the Service": (
        service(TEN, f"{IPS}: 192.0.2.7", f'{ALPHA}: "{OLD}"'), "ipv4-leaves-dns"
    ),
    "a hostname beside an address": (service(TEN, f"{ALPHA}: 192.0.2.7,lb.example"), "hostname-in-target"),
    "a Service of MetalLB that names no families": (
        service(TEN, f"{METALLB}: 192.0.2.7"), "ipv4-would-be-lost"
    ),
    "Cilium's key, and MetalLB": (
        service(TEN, f"{IPS}: 192.0.2.7", "metallb.io/address-pool: home"), "unused-annotation"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code"), ADVICE.values(), ids=ADVICE)
def test_what_follows_with_a_warning(text, code):
    assert render_service(text)[1] == [code]


def test_with_metallb_dns_moves_with_the_address():
    spec = PREFIX.replace(b"mode: ha", b"mode: ha, dnsDelay: 90m")
    found, codes = render_service(service(TEN, f'{METALLB}: ""'), spec=spec)
    assert (found[METALLB], found[ALPHA], codes) == (NEW, NEW, ["no-dns-delay"])


SHARED = {
    "Cilium": ("lbipam.cilium.io/sharing-key: web",),
    "Cilium, older": ("io.cilium/lb-ipam-sharing-key: web",),
    "MetalLB": ("metallb.io/allow-shared-ip: web",),
    "MetalLB, older": ("metallb.universe.tf/allow-shared-ip: web",),
}


@pytest.mark.parametrize("keys", SHARED.values(), ids=SHARED)
def test_services_share_an_address_by_the_key_of_their_load_balancer(keys):
    shared = [TEN, *keys]
    files = {"home.yaml": PREFIX, "a.yaml": service(*shared).encode()}
    files["b.yaml"] = service(*shared, name="other").encode()
    assert not render_once(files, A).problems


def test_the_sharing_key_of_another_load_balancer_does_not_count():
    files = {"home.yaml": PREFIX}
    for name in ("web", "other"):
        keys = ("metallb.io/allow-shared-ip: web", f"lbipam.cilium.io/sharing-key: {name}")
        files[f"{name}.yaml"] = service(TEN, *keys, name=name).encode()
    assert not render_once(files, A).problems


def test_two_load_balancers_share_no_address():
    """The same word in both keys: neither knows of the other's Service."""
    files = {"home.yaml": PREFIX}
    for name, key in {
        "web": "lbipam.cilium.io/sharing-key",
        "other": "metallb.io/allow-shared-ip",
    }.items():
        files[f"{name}.yaml"] = service(TEN, f"{key}: web", name=name).encode()
    assert [found.code for found in render_once(files, A).problems] == ["address-taken"]


def test_settings_add_what_a_service_lacks():
    """A target that an earlier version wrote does not keep the configured one away."""
    files = {"home.yaml": PREFIX, "web.yaml": service(TEN, f"{ALPHA}: 192.0.2.5").encode()}
    settings = Settings(dns_annotation_prefixes=("external-dns.kubernetes.io/",))
    fields = [binding.field for binding in read_inventory(files, settings).bindings]
    assert fields == [f"metadata.annotations.{key}" for key in (IPS, ALPHA, BETA)]


def test_ha_needs_a_history():
    """Between the application of the pool and of the Service, nothing would be in both."""
    files = {"home.yaml": PREFIX.replace(b"mode: ha", b"mode: ha, maxPrefixHistory: 0")}
    (problem,) = read_inventory(files, Settings()).problems
    assert (problem.code, str(problem.place)) == ("ha-needs-history", "home.yaml:13:44")


def test_of_many_pools_on_one_range_each_is_named_beside_the_first():
    texts = [POOL.replace("name: p\n", f"name: {name}\n") for name in "pqr"]
    found = [line for line in problems_of("---\n".join(texts)) if "pools-overlap" in line]
    assert len(found) == 2
    assert all(" and CiliumLoadBalancerIPPool p (" in line for line in found)


def sharing(name: str, *annotations: str, more: str = "", namespace: str = "media") -> str:
    keys = (RANGE, "lbipam.cilium.io/sharing-key: web", *annotations)
    return service(*keys, name=name, namespace=namespace) + more


def addresses_of(*manifests: str, files: dict[str, bytes] | None = None) -> list[str]:
    """What each Service has after one rendering, and that a second one changes nothing."""
    files = files or {f"{number}.yaml": text.encode() for number, text in enumerate(manifests)}
    files = {"home.yaml": PREFIX, **files}
    rendering = render_once(files, A)
    assert not rendering.problems
    files |= rendering.files
    again = render_once(files, A)
    assert (again.files, again.problems) == ({}, ())
    names = sorted(files.keys() - {"home.yaml"})
    found = [YAML(typ="safe").load(files[name])["metadata"]["annotations"] for name in names]
    return [each.get(IPS) or each[METALLB] for each in found]


def ports(*numbers: int, protocol: str = "") -> str:
    more = f", protocol: {protocol}" if protocol else ""
    return "  ports: [" + ", ".join(f"{{port: {number}{more}}}" for number in numbers) + "]\n"


LOCAL = "  externalTrafficPolicy: Local\n"
ACROSS = "lbipam.cilium.io/sharing-cross-namespace: "
OF_METALLB = "metallb.io/allow-shared-ip: web"
TOGETHER = {
    "nothing but the key": (sharing("a"), sharing("b")),
    "three": (sharing("c"), sharing("a"), sharing("b")),
    "other ports": (sharing("a", more=ports(80)), sharing("b", more=ports(443, 8443))),
    "one port, two protocols": (
        sharing("a", more=ports(53)), sharing("b", more=ports(53, protocol="UDP"))
    ),
    "a port that is a name": (sharing("a", more="  ports: [{port: dns}, 5]\n"), sharing("b")),
    "the same pods, and their traffic stays local": (
        sharing("a", more=LOCAL + "  selector: {app: a, tier: b}\n"),
        sharing("b", more=LOCAL + "  selector: {tier: b, app: a}\n"),
    ),
    "namespaces that both allow it": (
        sharing("a", f"{ACROSS}games"), sharing("b", f'{ACROSS}"*"', namespace="games")
    ),
    "no namespace yet, in one directory": (sharing("a", namespace=""), sharing("b", namespace="")),
    "MetalLB, which looks at no namespace": (
        service(RANGE, OF_METALLB, name="a"), service(RANGE, OF_METALLB, namespace="games")
    ),
    "one has its host part": (sharing("a"), sharing("b", TEN)),
    "one has its address": (sharing("a"), sharing("b", f'{IPS}: "{OLD}"')),
}  # fmt: skip
APART = {
    "one port": (sharing("a", more=ports(80)), sharing("b", more=ports(443, 80, protocol="TCP"))),
    "two keys": (sharing("a"), sharing("b").replace("key: web", "key: dns")),
    "two namespaces": (sharing("a"), sharing("b", namespace="games")),
    "namespaces of which one allows it": (
        sharing("a", f"{ACROSS}games"), sharing("b", namespace="games")
    ),
    "two ways of traffic": (sharing("a"), sharing("b", more=LOCAL)),
    "other pods, and their traffic stays local": (
        sharing("a", more=LOCAL + "  selector: {app: a}\n"),
        sharing("b", more=LOCAL + "  selector: {app: b}\n"),
    ),
    "pods that are not known, and their traffic stays local": (
        sharing("a", more=LOCAL), sharing("b", more=LOCAL)
    ),
    "two ranges": (
        sharing("a"), sharing("b").replace("address-range: lb", "address-range: two")
    ),
    "two host parts of their authors": (sharing("a", TEN), sharing("b", TEN.replace("10", "20"))),
}  # fmt: skip


@pytest.mark.parametrize("manifests", TOGETHER.values(), ids=TOGETHER)
def test_services_of_one_sharing_key_are_given_one_address(manifests):
    assert len(set(addresses_of(*manifests))) == 1
    assert addresses_of(*manifests) == addresses_of(*reversed(manifests))


@pytest.mark.parametrize("manifests", APART.values(), ids=APART)
def test_services_that_may_not_share_are_given_two_addresses(manifests):
    assert len(set(addresses_of(*manifests))) == len(manifests)


def test_services_of_two_directories_without_a_namespace_may_not_share():
    text = [sharing(name, namespace="").encode() for name in "ab"]
    files = {"media/a.yaml": text[0], "games/b.yaml": text[1]}
    assert len(set(addresses_of(files=files))) == 2


def test_a_service_joins_only_where_all_who_are_there_share_with_it():
    """Cilium and MetalLB give a Service nothing whose port another one has on the address."""
    first, second, third = addresses_of(
        sharing("a", more=ports(80)), sharing("b", more=ports(443)), sharing("c", more=ports(443))
    )
    assert first == second != third


def test_charts_of_one_sharing_key_have_one_address_unless_their_ports_meet():
    def chart(name: str, port: int) -> bytes:
        return (
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\n"
            f"metadata: {{name: {name}, namespace: media}}\nspec:\n  values:\n    service:\n"
            f"      annotations:\n        dynamic-prefix.io/name: home\n        {RANGE}\n"
            f"        lbipam.cilium.io/sharing-key: web\n      ports: {{http: {{port: {port}}}}}\n"
        ).encode()

    def given(*numbers: int) -> list[str]:
        files = {f"{number}.yaml": chart(f"c{number}", number) for number in numbers}
        rendered = render_once({"home.yaml": PREFIX, **files}, A).files
        return [
            YAML(typ="safe").load(rendered[name])["spec"]["values"]["service"]["annotations"][IPS]
            for name in sorted(files)
        ]

    assert len(set(given(80, 443))) == 1
    files = {"home.yaml": PREFIX, "a.yaml": chart("a", 80), "b.yaml": chart("b", 80)}
    rendered = render_once(files, A).files
    assert rendered["a.yaml"].replace(b"name: a", b"name: b") != rendered["b.yaml"]


def test_services_that_have_two_addresses_keep_them_with_a_warning():
    """An earlier version gave each its own; to move one would end its connections."""
    other = OLD.replace("::10", "::20")
    a, b = sharing("a", f'{IPS}: "{OLD}"'), sharing("b", f'{IPS}: "{other}"')
    files = {"home.yaml": PREFIX, "a.yaml": a.encode(), "b.yaml": b.encode()}
    files["c.yaml"] = sharing("c", f'{IPS}: "{other}"').encode()
    for hour, prefix in enumerate((A, B)):
        rendering = render_once(files, prefix, hour)
        (problem,) = rendering.problems
        assert (problem.code, problem.severity) == ("not-shared", "warning")
        assert 'suffix: "::f000:0:0:10" on both' in problem.message
        assert "Service media/b" in problem.message and "Service media/a (a.yaml" in problem.message
        files |= rendering.files
    assert other.replace("db8:a", "db8:b").encode() in files["b.yaml"]
    apart = sharing("b", f'{IPS}: "{other}"', more=ports(80)).encode()
    files |= {"a.yaml": sharing("a", f'{IPS}: "{OLD}"', more=ports(80)).encode(), "b.yaml": apart}
    del files["c.yaml"]
    assert not render_once(files, A, 2).problems, "their ports meet, so neither could move"


BOTH = (f'{METALLB}: ""', 'metallb.universe.tf/loadBalancerIPs: ""')
DEFAULT_FAMILY = {
    "no word of families": (service(TEN, f'{METALLB}: ""'), 1),
    "two annotations": (service(TEN, *BOTH), 1),
    "one family, whichever": (service(TEN, *BOTH) + "  ipFamilyPolicy: SingleStack\n", 1),
    "IPv6": (service(TEN, *BOTH) + "  ipFamilies: [IPv6]\n", 0),
    "an IPv4 address, which has a warning of its own": (
        service(TEN, f"{METALLB}: 192.0.2.7"), 0
    ),
    "an IPv4 address in the second annotation": (
        service(TEN, BOTH[0], "metallb.universe.tf/loadBalancerIPs: 192.0.2.7"), 0
    ),
    "Cilium, which gives what it has": (service(TEN), 0),
}  # fmt: skip


@pytest.mark.parametrize(("text", "number"), DEFAULT_FAMILY.values(), ids=DEFAULT_FAMILY)
def test_a_service_of_metallb_without_a_family_is_named_once(text, number):
    inventory = read_inventory({"home.yaml": PREFIX, "web.yaml": text.encode()}, Settings())
    found = [*find_default_families(inventory.bindings)]
    assert [problem.code for problem in found] == ["family-not-named"] * number
