"""What is applied: the managed fields of objects in a cluster, with the values that the commit holds."""

import pytest

from gitops_prefix.apply.protocol import ApplyObjects, read_question, write_question
from tests.apply.manifests import EVERY_KIND, MARKED, POOL, SERVICE, A, B, configurations

FIELDS = {
    "pool.yaml": ["spec.blocks"],
    "group.yaml": ["spec.externalCIDRs"],
    "bgp.yaml": ["spec.advertisements"],
    "service.yaml": [
        "metadata.annotations.lbipam.cilium.io/ips",
        "metadata.annotations.external-dns.alpha.kubernetes.io/target",
    ],
    "metallb.yaml": ["spec.addresses"],
    "calico.yaml": ["spec.cidr"],
    "marked.yaml": ["spec.values.address", "spec.values.routes"],
}


def leaves(body: object, path: str = "") -> list[str]:
    if not isinstance(body, dict):
        return [path.removeprefix(".")]
    return [leaf for key, one in body.items() for leaf in leaves(one, f"{path}.{key}")]


@pytest.mark.parametrize("path", FIELDS)
def test_each_kind_sends_its_managed_fields_and_no_other(path):
    (wanted,) = configurations({path: EVERY_KIND[path]}, "media", A, B)
    assert leaves(wanted.body) == FIELDS[path]


def test_a_config_map_sends_the_variables_and_not_its_authors_keys():
    (wanted,) = configurations({"a.yaml": EVERY_KIND["variables.yaml"]}, "media", A, B)
    keys = wanted.body["data"]
    assert keys["HOME_PREFIX"] == B and keys["HOME_LAN_CIDR"] == "2001:db8:b:0:f000::/68"
    assert all(key.startswith("HOME_") for key in keys)


def test_a_list_holds_its_authors_entries_too_and_current_before_past():
    (wanted,) = configurations({"a.yaml": EVERY_KIND["group.yaml"]}, "", A, B)
    first, second, theirs = wanted.body["spec"]["externalCIDRs"]
    assert (first, second, theirs) == (
        "2001:db8:b:0:f000::/68",
        "2001:db8:a:0:f000::/68",
        "192.168.42.0/24",
    )


ELSEWHERE = {
    "it waits for a first prefix": (POOL, ()),
    "kustomize keeps it local": (
        POOL.replace("annotations: {", 'annotations: {config.kubernetes.io/local-config: "true", '),
        (A,),
    ),
    "Helm values are no object": (
        'ip: "2001:db8:0:0:f000::1"  # {"$dynamicprefix": "home:lan:start"}\n',
        (A,),
    ),
    "a kustomization is none either": (
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nmetadata: {name: a}\n"
        'namePrefix: "2001:db8::/64"  # {"$dynamicprefix": "home:prefix"}\n',
        (A,),
    ),
}


@pytest.mark.parametrize("why", ELSEWHERE)
def test_what_is_not_applied(why):
    text, prefixes = ELSEWHERE[why]
    assert not configurations({"a.yaml": text}, "", *prefixes)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("name: plex", "name: ../../secrets/token"),
        ("name: plex", "name: a%2Fb"),
        ("name: plex", "name: ''"),
        ("namespace: NAMESPACE", "namespace: a/b"),
        ("namespace: NAMESPACE", "namespace: .."),
        ("name: ingress", "name: .."),
        ("helm.toolkit.fluxcd.io/v2", "../v2"),
        ("helm.toolkit.fluxcd.io/v2", "v2/../v2"),
        ("kind: HelmRelease", "kind: Helm/Release"),
    ],
)
def test_what_could_lead_elsewhere_in_a_url_is_no_object(key, text):
    files = {"a.yaml": SERVICE, "b.yaml": MARKED}
    changed = {path: one.replace(key, text, 1) for path, one in files.items()}
    assert changed != files
    kept = configurations(files, "media", A), configurations(changed, "media", A)
    assert len(kept[1]) < len(kept[0])


def test_a_dynamic_prefix_is_never_applied():
    assert {one.kind for one in configurations(EVERY_KIND, "media", A, B)} == {
        "CiliumLoadBalancerIPPool",
        "CiliumCIDRGroup",
        "CiliumBGPAdvertisement",
        "Service",
        "IPAddressPool",
        "IPPool",
        "ConfigMap",
        "HelmRelease",
    }


def test_a_configuration_comes_through_the_pipe_as_it_was():
    for wanted in configurations(EVERY_KIND, "media", A, B):
        question = ApplyObjects((wanted,))
        assert read_question(write_question(question)) == question
