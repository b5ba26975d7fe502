"""adopt: the host part that a Service has in the cluster becomes its suffix in the repository."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gitops_prefix.decide.prefix import parse_address
from gitops_prefix.render.adoption import LiveService, adopt, read_live_services
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings
from tests.render.repository import A, B, C, render_once

HOME = b"""\
apiVersion: dynamic-prefix.io/v1alpha1
kind: DynamicPrefix
metadata: {name: home}
spec:
  acquisition:
    routerAdvertisement: {interface: eth0}
  addressRanges:
    - {name: lb, start: "::f000:0:0:0", end: "::ffff:ffff:ffff:ffff"}
  subnets:
    - {name: low, offset: 1, prefixLength: 72}
  transition: {mode: MODE}
"""
CURRENT, PAST, ELSEWHERE = "2001:db8:b:0", "2001:db8:a:0", "2001:db8:f:0"
SUFFIX = "dynamic-prefix.io/suffix"


def repository(*manifests: str, mode: str = "ha") -> dict[str, bytes]:
    """B is current, A is past."""
    files = {"home.yaml": HOME.replace(b"MODE", mode.encode())}
    for hour, prefix in enumerate((A, B)):
        files |= render_once(files, prefix, hour).files
    return files | {f"{number}.yaml": text.encode() for number, text in enumerate(manifests)}


def service(
    *annotations: str, name: str = "web", namespace: str = "media", part: str = "lb"
) -> str:
    bound = ["dynamic-prefix.io/name: home"]
    bound += [f"dynamic-prefix.io/service-address-range: {part}"] if part else []
    lines = "".join(f"    {one}\n" for one in (*bound, *annotations))
    where = f"  namespace: {namespace}\n" if namespace else ""
    return (
        f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}  # its name\n{where}"
        f"  annotations:\n{lines}spec:\n  type: LoadBalancer\n"
    )


def live(*held: str, name: str = "web", namespace: str = "media", asked=()) -> LiveService:
    read = (tuple(map(parse_address, one)) for one in (held, asked))
    return LiveService(namespace, name, *read)


def adopted(files: dict[str, bytes], *services: LiveService):
    return adopt(read_inventory(files, Settings()), services)


def suffixes(files: dict[str, bytes], *services: LiveService) -> list[str | None]:
    """The suffix of each manifest afterwards, or None."""
    rendering = adopted(files, *services)
    assert not [str(one) for one in rendering.problems if one.severity == "error"]
    after = files | rendering.files
    return [
        YAML(typ="safe").load(after[path])["metadata"]["annotations"].get(SUFFIX)
        for path in sorted(after)
        if path != "home.yaml"
    ]


TEN = f"{CURRENT}:f000::10"
ADOPTED = {
    "what its status has": (service(), live(TEN)),
    "beside an IPv4 and a ULA": (service(), live("fd00::1", TEN)),
    "in a past prefix, when it has none in the current one": (
        service(),
        live(f"{PAST}:f000::10"),
    ),
    "in the current prefix before another one in the past": (
        service(),
        live(f"{PAST}:f000::11", TEN),
    ),
    "what it asks for, when its status has nothing": (service(), live(asked=[TEN])),
    "what its status has before what it asks for": (
        service(),
        live(TEN, asked=[f"{CURRENT}:f000::11"]),
    ),
    "without a range": (service(part=""), live(TEN)),
    "by its name, where kustomize adds the namespace": (service(namespace=""), live(TEN)),
    "the one that the repository pins already": (
        service(f'lbipam.cilium.io/ips: "{TEN}"'),
        live(TEN),
    ),
    "whatever other entries it lists": (
        service('lbipam.cilium.io/ips: "192.0.2.7,fd00::7"'),
        live(TEN),
    ),
    "which another one shares by its key": (
        service("lbipam.cilium.io/sharing-key: one"),
        live(TEN),
    ),
}


@pytest.mark.parametrize(("manifest", "one"), ADOPTED.values(), ids=ADOPTED)
@pytest.mark.parametrize("mode", ["simple", "ha"])
def test_a_service_keeps_its_host_part(mode, manifest, one):
    """In mode simple, too: first adopt, then change the mode."""
    assert suffixes(repository(manifest, mode=mode), one) == ["::f000:0:0:10"]


def test_a_host_part_in_a_subnet_counts_from_the_subnet():
    manifest = service("dynamic-prefix.io/service-subnet: low", part="")
    assert suffixes(repository(manifest), live("2001:db8:b:0:100::9")) == ["::9"]


STAYS = {
    "an address in no prefix of ours": (service(), [live("fd00::1")], "no-present-address"),
    "an address in a prefix of long ago": (
        service(),
        [live(f"{ELSEWHERE}:f000::10")],
        "no-present-address",
    ),
    "no address at all": (service(), [live()], "no-present-address"),
    "outside its range": (service(), [live(f"{CURRENT}::10")], "host-part-outside"),
    "outside its range, before what it asks for": (
        service(),
        [live(f"{CURRENT}::10", asked=[TEN])],
        "host-part-outside",
    ),
    "two in one prefix": (
        service(),
        [live(TEN, f"{CURRENT}:f000::11")],
        "several-host-parts",
    ),
    "another suffix": (
        service(f'{SUFFIX}: "::f000:0:0:9"'),
        [live(TEN)],
        "host-part-differs",
    ),
    "another address in the repository": (
        service(f'lbipam.cilium.io/ips: "{CURRENT}:f000::9"'),
        [live(TEN)],
        "host-part-differs",
    ),
    "not in the cluster": (service(), [live(TEN, name="other")], "not-in-cluster"),
    "in another namespace": (service(), [live(TEN, namespace="other")], "not-in-cluster"),
    "one of two namespaces": (
        service(namespace=""),
        [live(TEN), live(f"{CURRENT}:f000::11", namespace="other")],
        "namespace-unknown",
    ),
}


@pytest.mark.parametrize(("manifest", "services", "code"), STAYS.values(), ids=STAYS)
def test_what_cannot_be_told_for_sure_stays_and_is_told(manifest, services, code):
    rendering = adopted(repository(manifest), *services)
    assert rendering.files == {}
    assert code in [one.code for one in rendering.problems]
    assert all(one.severity != "error" for one in rendering.problems)


CHART = """\
kind: HelmRelease
metadata: {name: web, namespace: media}
spec:
  values:
    annotations:
      dynamic-prefix.io/name: home
      dynamic-prefix.io/service-address-range: lb
"""
NAMED = "      dynamic-prefix.io/service: media/web\n"
ABSENT = {
    "a Service": (service(), "it stays as it is"),
    "what a chart makes": (CHART, "as in dynamic-prefix.io/service: media/plex"),
    "what a chart makes, by its name": (CHART + NAMED, "it stays as it is"),
}


@pytest.mark.parametrize(("manifest", "words"), ABSENT.values(), ids=ABSENT)
def test_of_a_service_that_is_not_in_the_cluster_the_name_is_asked_for(manifest: str, words: str):
    """Nobody knows how a chart names its Service."""
    rendering = adopted(repository(manifest), live(TEN, name="other"))
    [message] = [each.message for each in rendering.problems if each.code == "not-in-cluster"]
    assert message.endswith(words)


def test_a_suffix_that_is_right_stays_and_says_nothing():
    rendering = adopted(repository(service(f'{SUFFIX}: "::f000:0:0:10"')), live(TEN))
    assert (rendering.files, rendering.unchanged, rendering.problems) == ({}, 1, ())


def test_two_services_on_one_host_part_are_told_and_neither_moves():
    """The cluster shares it by a key that MetalLB reads; here it would be an error."""
    files = repository(service(), service(name="dns"), service(name="mail"))
    lives = (live(TEN), live(TEN, name="dns"), live(f"{CURRENT}:f000::25", name="mail"))
    rendering = adopted(files, *lives)
    assert set(rendering.files) == {"2.yaml"}
    told = [str(one) for one in rendering.problems]
    assert [one.code for one in rendering.problems] == ["host-part-taken"] * 2
    assert "Service media/web and Service media/dns (1.yaml) are both on host part" in told[1]


def test_a_host_part_that_the_repository_gave_away_is_not_adopted_again():
    files = repository(service(), service(f'{SUFFIX}: "::f000:0:0:10"', name="dns"))
    rendering = adopted(files, live(TEN))
    assert rendering.files == {}
    assert "host-part-taken" in [one.code for one in rendering.problems]


def test_a_base_and_its_overlay_get_the_same():
    assert suffixes(repository(service(), service()), live(TEN)) == ["::f000:0:0:10"] * 2


def test_two_documents_without_a_namespace_may_be_two_services():
    files = repository(service(namespace=""), service(namespace=""))
    rendering = adopted(files, live(TEN))
    assert rendering.files == {}
    assert [one.code for one in rendering.problems] == ["namespace-unknown"] * 2


def test_a_service_that_the_repository_lacks_is_told():
    """An allocated host part might meet its address."""
    rendering = adopted(repository(service()), live(TEN), live(f"{CURRENT}::7", name="plex"))
    assert [str(one) for one in rendering.problems] == [
        "Service media/plex has 2001:db8:b::7 of home, and the repository has no such Service with "
        'dynamic-prefix.io/name: "home"; add it to keep the address'
    ]


def test_without_a_prefix_nothing_is_adopted():
    files = {"home.yaml": HOME.replace(b"MODE", b"ha"), "0.yaml": service().encode()}
    assert adopted(files, live(TEN)).files == {}


def test_other_documents_are_left_alone():
    """A pool, a Service that follows nothing, and one that is none of Kubernetes'."""
    bare = service().replace("dynamic-prefix.io/name: home\n    ", "", 1)
    pool = service().replace("kind: Service", "kind: CiliumLoadBalancerIPPool")
    odd = service().replace("apiVersion: v1", "apiVersion: serving.knative.dev/v1", 1)
    rendering = adopted(repository(pool, odd), live(TEN))
    assert rendering.files == {}
    assert adopted(repository(bare), live(TEN)).files == {}


STYLES = {
    "block": service("lbipam.cilium.io/ips: 192.0.2.7  # the old one"),
    "quoted keys": service('"lbipam.cilium.io/ips": "192.0.2.7"'),
    "CRLF": service().replace("\n", "\r\n"),
    "no last line break": service().removesuffix("\n"),
    "behind another document": f"---\na: 1\n---\n{service()}---\nb: 2\n",
}


@pytest.mark.parametrize("manifest", STYLES.values(), ids=STYLES)
def test_nothing_but_the_suffix_changes(manifest):
    files = repository(manifest)
    after = adopted(files, live(TEN)).files["0.yaml"].decode()
    assert others(after) == others(manifest)
    assert after.count("::f000:0:0:10") == 1


OURS = (
    "dynamic-prefix.io/name: home",
    "dynamic-prefix.io/service-address-range: lb",
    "dynamic-prefix.io/service: media/web",
)
PLACES = {
    "a HelmRelease": "spec:\n  values:\n    app:\n      annotations:\n        {0}\n        {1}\n        {2}\n",
    "a Gateway": "spec:\n  infrastructure:\n    annotations:\n      {0}\n      {1}\n      {2}",
    "an EnvoyProxy": "spec: {{kubernetes: {{envoyService: {{annotations: {{{0}, {1}, {2}}}}}}}}}\n",
    "an Application": "spec:\n  helm:\n    valuesObject:\n      svc:\n          {0} # ours\n          {1}\n          {2}\n\n",
    "an item": "services:\n- annotations:\n    {0}\n    # a comment\n    {1}\n    {2}\n  port: 1\n",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_suffix_is_written_wherever_the_annotations_are_and_nothing_else_changes(place):
    text = f"kind: Any\n{place.format(*OURS)}"
    rendering = adopted(repository(text), live(TEN))
    assert rendering.problems == ()
    suffix = re.escape(f'{SUFFIX}: "::f000:0:0:10"')
    assert re.sub(rf"(, |\n *){suffix}", "", rendering.files["0.yaml"].decode(), count=1) == text


def others(text: str) -> str:
    """Every line but the suffix's."""
    return "".join(line for line in text.splitlines(keepends=True) if SUFFIX not in line)


def test_braces_stay_braces():
    metadata = "{name: web, namespace: media, annotations: {dynamic-prefix.io/name: home}}"
    manifest = f"apiVersion: v1\nkind: Service\nmetadata: {metadata}\n"
    after = adopted(repository(manifest), live(TEN)).files["0.yaml"].decode()
    assert after == manifest.replace(": home}", f': home, {SUFFIX}: "::f000:0:0:10"}}')


HOST_PARTS = st.integers(0xF000 << 48, (1 << 64) - 1)


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(HOST_PARTS, st.sampled_from([A, B]))))
def test_whoever_moves_to_mode_ha_keeps_every_host_part(services):
    """Adopt, change the mode, renumber: current first, and the address it had is still there."""
    files = repository(*(service(name=name) for name in services), mode="simple")
    lives = [
        LiveService("media", name, (prefix.network + host_part,))
        for name, (host_part, prefix) in services.items()
    ]
    rendering = adopted(files, *lives)
    files |= rendering.files
    again = adopted(files, *lives)
    assert again.files == {}
    taken = len({one for one, _ in services.values()}) < len(services)
    assert taken or again.unchanged == len(services)
    files["home.yaml"] = files["home.yaml"].replace(b"{mode: simple}", b"{mode: ha}")
    files |= render_once(files, C, 9).files
    for number, (host_part, prefix) in enumerate(services.values()):
        annotations = YAML(typ="safe").load(files[f"{number}.yaml"])["metadata"]["annotations"]
        if SUFFIX in annotations:
            ips = [parse_address(one) for one in annotations["lbipam.cilium.io/ips"].split(",")]
            assert ips[0] == C.network + host_part
            assert prefix.network + host_part in ips


OBJECTS = {
    "its status": (
        {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}, {"ip": "2001:db8::7"}]}}},
        ["2001:db8::7"],
        [],
    ),
    "a host name": ({"status": {"loadBalancer": {"ingress": [{"hostname": "a.example"}]}}}, [], []),
    "Cilium's annotation": (
        {"metadata": {"annotations": {"lbipam.cilium.io/ips": "192.0.2.7, 2001:db8::7"}}},
        [],
        ["2001:db8::7"],
    ),
    "MetalLB's annotations": (
        {
            "metadata": {
                "annotations": {
                    "metallb.universe.tf/loadBalancerIPs": "2001:db8::8",
                    "metallb.io/loadBalancerIPs": "2001:db8::7",
                }
            }
        },
        [],
        ["2001:db8::7", "2001:db8::8"],
    ),
    "the specification's": ({"spec": {"loadBalancerIP": "2001:db8::7"}}, [], ["2001:db8::7"]),
    "nothing": ({"status": {"loadBalancer": {}}, "metadata": {"annotations": None}}, [], []),
    "null": ({"status": {"loadBalancer": {"ingress": None}}}, [], []),
}


@pytest.mark.parametrize(("document", "held", "asked"), OBJECTS.values(), ids=OBJECTS)
def test_what_a_live_service_says(document, held, asked):
    one = {
        "metadata": {"namespace": "media", "name": "web", **document.get("metadata", {})},
        "spec": {"type": "LoadBalancer", **document.get("spec", {})},
        "status": document.get("status", {}),
    }
    (found,) = read_live_services([one])
    assert found._replace(ipv4=()) == live(*held, asked=asked)


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "ExternalName", None])
def test_other_types_of_services_are_none(kind):
    metadata = {"namespace": "media", "name": "web"}
    assert read_live_services([{"metadata": metadata, "spec": {"type": kind}}]) == ()


ALIASED = """\
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: media
  labels: &shared {dynamic-prefix.io/name: home}
  annotations: *shared
"""


def test_annotations_that_are_an_alias_are_refused_with_their_place():
    """Nothing is written at all, then: one of many would be half a change."""
    rendering = adopted(repository(ALIASED, service(name="dns")), live(TEN))
    assert rendering.files == {}
    assert [str(one.place) for one in rendering.problems if one.code == "edit-refused"] == [
        "0.yaml:7:16"
    ]


def test_a_suffix_that_is_no_address_is_left_to_validate():
    manifest = service(f'{SUFFIX}: "ten"')
    assert adopted(repository(manifest, mode="simple"), live(TEN)).files == {}


def test_a_range_that_no_prefix_has_room_for_yet_adopts_nothing():
    """Its DynamicPrefix was given it since the last commit of the daemon's."""
    files = repository(service(part="new"))
    text = files["home.yaml"].decode()
    added = '    - {name: new, start: "::e000:0:0:0", end: "::e000:0:0:ff"}\n  subnets:'
    files["home.yaml"] = text.replace("  subnets:", added, 1).encode()
    assert adopted(files, live(f"{CURRENT}:e000::7")).files == {}


def test_a_reference_that_is_wrong_adopts_nothing():
    """The inventory has said so already."""
    assert adopted(repository(service(part="unknown")), live(TEN)).files == {}


PINNED = {
    "Cilium's, which holds nothing yet": (service(), {"lbipam.cilium.io/ips": f"{TEN},192.0.2.7"}),
    "Cilium's, which holds IPv6": (
        service(f"lbipam.cilium.io/ips: {TEN}"), {"lbipam.cilium.io/ips": f"{TEN},192.0.2.7"}
    ),
    "MetalLB's": (
        service("metallb.io/address-pool: home"), {"metallb.io/loadBalancerIPs": f"{TEN},192.0.2.7"}
    ),
    "an IPv4 that is there already": (
        service("lbipam.cilium.io/ips: 192.0.2.8"), {"lbipam.cilium.io/ips": "192.0.2.8"}
    ),
}  # fmt: skip


@pytest.mark.parametrize(("manifest", "expected"), PINNED.values(), ids=PINNED)
def test_a_dual_stack_service_keeps_its_ipv4(manifest, expected):
    """In mode ha the annotation is exclusive: what is not in it, the Service loses."""
    files = repository(manifest + "  ipFamilyPolicy: PreferDualStack\n", mode="simple")
    found = live(TEN)._replace(ipv4=("192.0.2.7",))
    after = files | adopted(files, found).files
    annotations = YAML(typ="safe").load(after["0.yaml"])["metadata"]["annotations"]
    assert annotations[SUFFIX] == "::f000:0:0:10"
    assert {key: annotations.get(key) for key in expected} == expected


def test_a_service_of_another_load_balancer_gets_no_list():
    manifest = (
        service() + "  ipFamilyPolicy: PreferDualStack\n  loadBalancerClass: example.com/lb\n"
    )
    after = adopted(repository(manifest), live(TEN)._replace(ipv4=("192.0.2.7",))).files
    assert b"192.0.2.7" not in after["0.yaml"]


METALLB_POOL = "metallb.io/address-pool: home"
NOT_SHOWN = {
    "Cilium, and a policy that something else adds": (service(), live(TEN), f"{TEN},192.0.2.7"),
    "Cilium, and a cluster of IPv4": (service(), live(), "192.0.2.7"),
    "MetalLB, and a policy that something else adds": (
        service(METALLB_POOL), live(TEN), f"{TEN},192.0.2.7"
    ),
    "MetalLB, and a cluster of IPv4: both families would take it away": (
        service(METALLB_POOL), live(), None
    ),
    "IPv6 alone is meant": (service() + "  ipFamilies: [IPv6]\n", live(TEN), None),
}  # fmt: skip


@pytest.mark.parametrize(("manifest", "found", "expected"), NOT_SHOWN.values(), ids=NOT_SHOWN)
def test_the_cluster_says_what_families_a_service_has(manifest, found, expected):
    """No manifest shows what charts, patches and defaults add."""
    files = repository(manifest, mode="simple")
    after = files | adopted(files, found._replace(ipv4=("192.0.2.7",))).files
    annotations = YAML(typ="safe").load(after["0.yaml"])["metadata"]["annotations"]
    lists = [annotations.get(key) for key in ("lbipam.cilium.io/ips", "metallb.io/loadBalancerIPs")]
    assert [text for text in lists if text] == ([expected] if expected else [])


def test_the_ipv4_of_a_live_service_is_read():
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}, {"ip": TEN}, {"hostname": "x"}]}}
    (found,) = read_live_services(
        [{"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer"}, "status": status}]
    )
    assert (found.ipv4, found.held) == (("192.0.2.7",), (parse_address(TEN),))


CHART = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: media}
spec:
  values:
    annotations:
      dynamic-prefix.io/name: home
      dynamic-prefix.io/service-address-range: lb
"""


def test_a_service_of_a_chart_is_adopted_where_its_annotations_are():
    named = f"{CHART}      dynamic-prefix.io/service: media/web\n"
    rendering = adopted(repository(named), live(TEN))
    assert rendering.files["0.yaml"].decode() == f'{named}      {SUFFIX}: "::f000:0:0:10"\n'


def test_a_service_of_a_chart_without_a_name_is_reported_with_the_remedy():
    rendering = adopted(repository(CHART), live(TEN))
    assert rendering.files == {}
    assert "dynamic-prefix.io/service" in rendering.problems[0].message
