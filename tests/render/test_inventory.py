"""What an inventory says of its fields: to people, to JSON, and to a cluster."""

from gitops_prefix.render.binding import change_document
from gitops_prefix.render.inventory import describe
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings
from tests.render.repository import PREFIX, A, B, render_once

GROUP = b"""\
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata:
  name: lan
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/subnet: low}
spec:
  externalCIDRs: []
"""
MAP = b"""\
apiVersion: v1
kind: ConfigMap
metadata:
  name: words
  namespace: flux
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/variables: "true"}
data: {HOME_PREFIX: x}
"""
POOL = b"""\
apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  name: pods
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: lb}
spec: {cidr: x}
"""


def files() -> dict[str, bytes]:
    """B is current, A is past."""
    found = {"home.yaml": PREFIX, "group.yaml": GROUP}
    for hour, prefix in enumerate((A, B)):
        found |= render_once(found, prefix, hour).files
    return found


def test_a_dynamic_prefix_is_described_with_its_fields():
    (home,) = describe(read_inventory(files(), Settings()))
    document = home.document()
    assert (document["name"], document["path"]) == ("home", "home.yaml")
    assert (document["current"], document["source"]) == (str(B), "router-advertisement")
    assert document["history"] == [
        {
            "prefix": str(A),
            "acquired_at": "2026-11-24T12:00:00Z",
            "deprecated_at": "2026-11-24T13:00:00Z",
            "state": "draining",
        }
    ]
    assert document["bindings"] == [
        {
            "path": "group.yaml",
            "kind": "CiliumCIDRGroup",
            "namespace": "",
            "name": "lan",
            "field": "spec.externalCIDRs",
        }
    ]


def test_a_dynamic_prefix_without_a_prefix_is_described_too():
    (home,) = describe(read_inventory({"home.yaml": PREFIX}, Settings()))
    document = home.document()
    assert (document["current"], document["history"], document["conditions"]) == (None, [], [])


def test_a_change_is_a_document():
    changes = render_once({"home.yaml": PREFIX, "group.yaml": GROUP}, A).changes
    assert change_document(changes[0]) == {
        "path": "group.yaml",
        "document": 0,
        "kind": "CiliumCIDRGroup",
        "namespace": "",
        "name": "lan",
        "field": "spec.externalCIDRs",
        "before": [],
        "after": ["2001:db8:a:0:100::/72"],
    }


def test_what_an_object_in_a_cluster_has_of_a_field():
    """A whole field, our keys of a mapping, or nothing: siblings are objects of their own."""
    found = {"home.yaml": PREFIX, "a.yaml": GROUP, "b.yaml": MAP, "c.yaml": POOL}
    group, words, cidr, siblings = read_inventory(found, Settings()).bindings
    assert group.fields_in_cluster == (("spec", "externalCIDRs"),)
    assert words.fields_in_cluster[:2] == (("data", "HOME_PREFIX"), ("data", "HOME_NETWORK"))
    assert cidr.fields_in_cluster == (("spec", "cidr"),)
    assert siblings.fields_in_cluster == ()


def test_the_networks_of_each_part_are_listed_current_then_past():
    files = {"home.yaml": PREFIX}
    assert describe(read_inventory(files, Settings()))[0].lists == {}
    for hour, prefix in enumerate((A, B)):
        files |= render_once(files, prefix, hour).files
    (home,) = describe(read_inventory(files, Settings()))
    assert home.lists["lb"] == ("2001:db8:b:0:f000::/68", "2001:db8:a:0:f000::/68")
    assert home.lists["low"] == ("2001:db8:b:0:100::/72", "2001:db8:a:0:100::/72")
    assert len(home.lists["odd"]) == 8
