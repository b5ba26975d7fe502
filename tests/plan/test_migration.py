"""From an operator's live objects to manifests: statuses stay, records go, the rest is listed."""

from typing import Any

import pytest

from gitops_prefix.plan.migration import migrate
from gitops_prefix.render.parse import locate, plain_value
from gitops_prefix.render.source import Source
from tests.plan.live_objects import ADVERTISEMENT, POOL, PREFIX, SERVICE, changed, prefix, service

GATEWAY = "gateway.networking.k8s.io/gateway-name"
FLUX = {"helm.toolkit.fluxcd.io/name": "plex", "helm.toolkit.fluxcd.io/namespace": "media"}
HELM = {"app.kubernetes.io/managed-by": "Helm"}


def moved(*objects: dict[str, Any]) -> tuple[dict[str, list[Any]], str]:
    """The documents by file, and the notes."""
    result = migrate([*objects])
    documents = {}
    for path, text in result.files.items():
        source = Source(path, text)
        documents[path] = [
            plain_value(locate(text[span.start : span.end])) for span in source.documents()
        ]
    return documents, "\n".join(result.notes)


def test_a_whole_house_is_moved_and_nothing_of_it_changes_an_address():
    documents, notes = moved(PREFIX, POOL, ADVERTISEMENT, SERVICE, {"kind": "ConfigMap"})
    [home] = documents["prefix.yaml"]
    assert home["metadata"]["annotations"] == {"config.kubernetes.io/local-config": "true"}
    assert home["status"]["currentPrefix"] == "2001:db8:1200::/64"
    assert [past["prefix"] for past in home["status"]["history"]] == ["2001:db8:1100::/64"]
    [pool] = documents["ciliumloadbalancerippool.yaml"]
    assert pool == {
        "apiVersion": POOL["apiVersion"],
        "kind": POOL["kind"],
        "metadata": {
            "name": "pool",
            "labels": {"mine": "yes"},
            "annotations": {
                "dynamic-prefix.io/name": "home-ipv6",
                "dynamic-prefix.io/subnet": "dmz",
            },
        },
        "spec": POOL["spec"],
    }
    [dns] = documents["service.yaml"]
    assert dns["spec"] == {"type": "LoadBalancer", "ports": [{"port": 53, "protocol": "UDP"}]}
    assert "dynamic-prefix.io/managed-ips" not in dns["metadata"]["annotations"]
    [advertisement] = documents["ciliumbgpadvertisement.yaml"]
    assert advertisement["metadata"] == {
        "name": "dp-home-ipv6-dmz",
        "annotations": {"dynamic-prefix.io/name": "home-ipv6", "dynamic-prefix.io/subnet": "dmz"},
    }
    assert "spec.blocks" not in notes, "the pool is right already"
    assert "is not a list of mappings" not in notes
    assert "1 objects without an annotation" in notes
    assert "pool is applied from Git already" in notes


SPEC = {
    "acquisition.dhcpv6pd.interface": ("acquisition", "dhcpv6pd"),
    "acquisition.dhcpv6pd.requestedPrefixLength": "delegatedPrefixLength: 56",
    "acquisition.routerAdvertisement.interface": ("acquisition", "routerAdvertisement"),
    "acquisition.routerAdvertisement.enabled": ("acquisition", "routerAdvertisement", "enabled"),
    "acquisition.prefixFilter.requireGlobalUnicast": ("acquisition", "prefixFilter"),
    "addressRanges[].name/start/end": ("addressRanges",),
    "subnets[].name/offset/prefixLength": ("subnets",),
    "subnets[].bgp.advertise/community": ("subnets",),
    "transition.mode/maxPrefixHistory": ("transition",),
}
STATUS = {
    "currentPrefix": ("currentPrefix",),
    "prefixSource": ("prefixSource",),
    "history": ("history",),
    "addressRanges[].name/start/end": ("addressRanges",),
    "subnets[].name/cidr": ("subnets",),
    "conditions": ("conditions",),
    "leaseExpiresAt": "leaseExpiresAt",
    "addressRanges[].cidr": "addressRanges[].cidr",
    "subnets[].bgpAdvertisement": "subnets[].bgpAdvertisement",
    "conditions[].observedGeneration": "conditions[].observedGeneration",
    "the operator's own conditions": "BGPAdvertisementReady",
}


@pytest.mark.parametrize(
    ("part", "answer"),
    [*(("spec", answer) for answer in SPEC.values()), *(("status", a) for a in STATUS.values())],
    ids=[*(f"spec.{field}" for field in SPEC), *(f"status.{field}" for field in STATUS)],
)
def test_every_field_of_both_definitions_is_kept_or_named(part, answer):
    """A path is kept with its meaning; words say what became of it."""
    documents, notes = moved(PREFIX)
    if isinstance(answer, str):
        assert answer in notes
        return
    value: Any = documents["prefix.yaml"][0][part]
    for step in answer:
        value = value[step]
    assert value


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([prefix("spec", "future", to={"a": "b"})], "spec.future has no counterpart"),
        ([prefix("status", "future", to="b")], "status.future has no counterpart"),
        ([prefix("status")], "has no prefix in its status"),
        ([prefix("status", "currentPrefix", to="")], "has no prefix in its status"),
        ([prefix("status", "currentPrefix", to="banana")], "[invalid-value]"),
        ([prefix("spec", "subnets", 0, "offset", to=4096)], "[subnet-outside]"),
        ([prefix("spec", "acquisition", "dhcpv6pd")], "lies outside 2001:db8:1200::/64"),
        ([prefix("spec", "addressRanges", 0, "start", to="1::")], "[suffix-in-prefix]"),
        ([prefix("metadata", "finalizers")], "left out"),
        (
            [changed(PREFIX, "apiVersion", to="dynamic-prefix.io/v1"), POOL],
            "so one was made up",
        ),
        ([PREFIX, changed(POOL, "metadata", "annotations", "dynamic-prefix.io/name")], "left out"),
        (
            [PREFIX, changed(POOL, "metadata", "labels", "dynamic-prefix.io/parent-pool", to="p")],
            "holds a past prefix: left out",
        ),
        ([PREFIX, service(labels={GATEWAY: "web"})], "made by Gateway web"),
        ([PREFIX, service(labels=FLUX)], "made by HelmRelease media/plex"),
        ([PREFIX, service(labels=HELM)], "made by a Helm release"),
        (
            [PREFIX, service(annotations={"meta.helm.sh/release-name": "x"})],
            "made by the Helm release x",
        ),
        (
            [PREFIX, service(ownerReferences=[{"kind": "Istio", "name": "i"}])],
            "made by Istio i",
        ),
        (
            [PREFIX, service(labels=HELM)],
            'dynamic-prefix.io/suffix: "::f000:0:0:6"',
        ),
        (
            [PREFIX, changed(ADVERTISEMENT, "metadata", "labels", "mine", to="yes")],
            "goes with it",
        ),
        (
            [PREFIX, service(labels=HELM, annotations={"lbipam.cilium.io/ips": ""})],
            "made by a Helm release",
        ),
        (
            [PREFIX, service(labels=HELM, annotations={"dynamic-prefix.io/suffix": "::9"})],
            'dynamic-prefix.io/suffix: "::9"',
        ),
        (
            [PREFIX, changed(POOL, "spec", "blocks", to=[])],
            'the first `render` changes spec.blocks from [] to [{"cidr": "2001:db8:',
        ),
        (
            [PREFIX, changed(POOL, "spec", "blocks", to=None)],
            'the first `render` writes spec.blocks [{"cidr": "2001:db8:',
        ),
    ],
)
def test_what_cannot_be_moved_as_it_is_is_named(objects, words):
    assert words in moved(*objects)[1]


def test_an_advertisement_that_was_not_there_selects_what_the_pool_does():
    documents, _ = moved(PREFIX, POOL)
    [advertisement] = documents["ciliumbgpadvertisement.yaml"]
    [entry] = advertisement["spec"]["advertisements"]
    assert entry["selector"] == {"matchLabels": {"zone": "dmz"}}
    assert entry["attributes"] == {"communities": {"standard": ["65001:100"]}}


def test_without_subnets_the_length_that_was_asked_for_is_not_taken_over():
    documents, _ = moved(prefix("spec", "subnets"))
    [home] = documents["prefix.yaml"]
    assert "delegatedPrefixLength" not in home["spec"]["acquisition"]["routerAdvertisement"]


SMALL = {
    **PREFIX,
    "spec": {
        "acquisition": {"routerAdvertisement": {"interface": "eth0"}},
        "subnets": [{"name": "dmz", "prefixLength": 64, "bgp": {"advertise": True}}],
    },
    "status": {"currentPrefix": "2001:db8:1200::/64"},
}


def test_what_is_not_there_is_not_missed():
    """No community, no conditions, no ports, and an owner that is the DynamicPrefix itself."""
    owned = service(ownerReferences=[{"kind": "DynamicPrefix", "name": "home-ipv6"}])
    documents, notes = moved(SMALL, changed(owned, "spec", "ports"))
    [advertisement] = documents["ciliumbgpadvertisement.yaml"]
    assert "attributes" not in advertisement["spec"]["advertisements"][0]
    assert documents["service.yaml"][0]["spec"] == {"type": "LoadBalancer"}
    assert "no counterpart" not in notes
    assert "the operator's: left out" not in notes


def test_values_keep_their_type():
    odd = {"a": None, "b": True, "c": 1.5, "d": [], "e": {}, "f": [[1], {"g": "no"}], "h": "yes"}
    documents, _ = moved(PREFIX, changed(POOL, "spec", "odd", to=odd))
    [pool] = documents["ciliumloadbalancerippool.yaml"]
    assert pool["spec"]["odd"] == odd


INGRESS = ("status", "loadBalancer", "ingress")
ODD = {
    "a subnet that is a word": (prefix("spec", "subnets", to=["x"]), "spec.subnets"),
    "subnets that are a word": (prefix("spec", "subnets", to="x"), "spec.subnets"),
    "bgp that is a word": (prefix("spec", "subnets", 0, "bgp", to="yes"), "bgp of subnet dmz"),
    "a range that is a number": (
        prefix("status", "addressRanges", to=[1]),
        "status.addressRanges",
    ),
    "conditions that are a number": (prefix("status", "conditions", to=5), "status.conditions"),
    "a subnet in a status that is a number": (
        prefix("status", "subnets", to=[1]),
        "status.subnets",
    ),
    "an owner that is a word": (service(ownerReferences=["x"]), "metadata.ownerReferences"),
    "owners that are a word": (service(ownerReferences="x"), "metadata.ownerReferences"),
    "an ingress that is a word": (changed(SERVICE, *INGRESS, to=["x"]), "loadBalancer.ingress"),
}


@pytest.mark.parametrize(("odd", "note"), ODD.values(), ids=ODD)
def test_what_is_no_list_of_mappings_is_noted(odd, note):
    others = [] if odd["kind"] == "DynamicPrefix" else [PREFIX]
    documents, notes = moved(odd, *others)
    assert note in notes
    assert "prefix.yaml" in documents


def test_an_ingress_without_an_address_gives_no_host_part():
    gateway = service(labels={GATEWAY: "web"}, annotations={"lbipam.cilium.io/ips": ""})
    odd = changed(gateway, *INGRESS, to=[{"ip": None}, {"hostname": "a.example"}])
    _, notes = moved(PREFIX, odd)
    assert "Gateway web" in notes
    assert "suffix" not in notes.split("Gateway web")[1].splitlines()[0]


def test_a_port_that_is_a_number_stays_as_it_is():
    documents, _ = moved(PREFIX, changed(SERVICE, "spec", "ports", to=[53]))
    assert documents["service.yaml"][0]["spec"]["ports"] == [53]


WIDE = {"currentPrefix": "2001:db8:1200::/56", "prefixSource": "dhcpv6-pd"}
HOST_PARTS = {
    "in a prefix of 56 bits": (WIDE, "lb", "2001:db8:1200:0:f000::6", "::f000:0:0:6"),
    "in a later /64 of it": (WIDE, "", "2001:db8:1200:ab::6", "::ab:0:0:0:6"),
    "a local address first": (WIDE, "", "fd00::1,2001:db8:1200:ab::6", "::ab:0:0:0:6"),
    "of a past prefix": ({}, "lb", "2001:db8:1100:0:f000::7", "::f000:0:0:7"),
    "of a range that is not there": ({}, "gone", "2001:db8:1200:0:f000::9", "::f000:0:0:9"),
    "without a status": (None, "lb", "2001:db8:1200:0:f000::8", "::f000:0:0:8"),
}


@pytest.mark.parametrize(("status", "part", "held", "suffix"), HOST_PARTS.values(), ids=HOST_PARTS)
def test_a_host_part_is_what_is_behind_the_prefix(status, part, held, suffix):
    owner = {**PREFIX, "status": status} if status != {} else PREFIX
    annotations = {"lbipam.cilium.io/ips": held, "dynamic-prefix.io/service-address-range": part}
    _, notes = moved(owner, service(labels=HELM, annotations=annotations))
    assert f'dynamic-prefix.io/suffix: "{suffix}"' in notes


def test_an_address_of_no_prefix_gives_no_host_part():
    stranger = changed(
        service(labels=HELM, annotations={"lbipam.cilium.io/ips": "fd00::1"}), *INGRESS, to=[]
    )
    _, notes = moved(PREFIX, stranger)
    assert "has fd00::1, which is not of its DynamicPrefix: write dynamic-prefix.io/suffix" in notes
    assert "dynamic-prefix.io/suffix:" not in notes
