"""An anchored value that is marked is edited, and its aliases follow; their places are reported."""

import re

import pytest

from gitops_prefix.render.binding import change_document
from gitops_prefix.render.parse import locate, plain_value
from tests.render.repository import PREFIX, A, B, C, render_once


def marked(text: str) -> str:
    return re.sub(r"<(\w+:[\w:-]+)>", r'# {"$dynamicprefix": "\1"}', text)


FOLLOWS = {
    "a string": ("a: &x 2001:db8:a::/64 <home:prefix>\nb: *x\nc: [*x]\n", ["2:4", "3:5"]),
    "a list": ("a: &x <home:cidrs>\n- 2001:db8:a::/64\nb: *x\n", ["3:4"]),
    "inside an anchored mapping": ("a: &x\n  b: 2001:db8:a::/64 <home:prefix>\nc: *x\n", ["3:4"]),
    "a merge": ("a: &x\n  b: 2001:db8:a::/64 <home:prefix>\nc:\n  <<: *x\n  d: 1\n", ["4:7"]),
    "an anchor inside": ("a: <home:rewrite>\n  b: &x 2001:db8:a::1\nc: *x\n", ["3:4"]),
    "a key": ("a: &x 2001:db8:a::/64 <home:prefix>\n*x : 1\n", ["2:1"]),
    "the last anchor of a name before it": (
        "a: &x 2001:db8:a::/64 <home:prefix>\nb: *x\nd: &x 5\nc: *x\n",
        ["2:4"],
    ),
    "an anchor of the name behind it": (
        "b: &x 5\nc: *x\na: &x 2001:db8:a::/64 <home:prefix>\nd: *x\n",
        ["4:4"],
    ),
    "no alias of its own": ("a: &x 2001:db8:a::/64 <home:prefix>\ny: &y 1\nb: *y\n", []),
}


@pytest.mark.parametrize(("text", "places"), FOLLOWS.values(), ids=FOLLOWS)
def test_the_aliases_follow(text: str, places: list[str]):
    files = {"home.yaml": PREFIX, "a.yaml": marked(text).encode()}
    rendering = render_once(files, A)
    assert "a.yaml" not in rendering.files
    files |= rendering.files
    rendering = render_once(files, B, 1)
    assert rendering.problems == ()
    assert rendering.files["a.yaml"] == files["a.yaml"].replace(b"db8:a:", b"db8:b:")
    (change,) = [change for change in rendering.changes if change.path == "a.yaml"]
    assert list(change.aliases) == [f"a.yaml:{place}" for place in places]
    assert ("aliases" in change_document(change)) == bool(places)


A_RANGE = "metadata: {name: a, annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: lb}}\n"
GROUP = "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\n" + A_RANGE
POOL = "apiVersion: cilium.io/v2\nkind: CiliumLoadBalancerIPPool\n" + A_RANGE
VARIABLES = (
    "apiVersion: v1\nkind: ConfigMap\n"
    "metadata: {name: a, annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/variables: 'true'}}\n"
)
HA = PREFIX + b"  transition: {mode: ha}\n"
SERVICE = """apiVersion: v1
kind: Service
metadata:
  name: web
  annotations:
    dynamic-prefix.io/name: home
    dynamic-prefix.io/suffix: "::f000:0:0:10"
    dynamic-prefix.io/ipv6-only: "true"
    dynamic-prefix.io/skip-external-dns-update: "true"
    lbipam.cilium.io/ips: &x ""
spec:
  type: LoadBalancer
env:
  HOST: *x
x: *x
"""
ANNOTATED = {
    "a list": (GROUP + "spec:\n  externalCIDRs: &x\n  - 192.0.2.0/24\nx: *x\n", ["7:4"]),
    "a list in brackets": (GROUP + "spec: {externalCIDRs: &x [192.0.2.0/24]}\nx: *x\n", ["5:4"]),
    "an item of theirs": (
        GROUP + "spec: {externalCIDRs: [&x 192.0.2.0/24, 10.0.0.0/8]}\nx: *x\n",
        ["5:4"],
    ),
    "a Service's address": (SERVICE, ["14:9", "15:4"]),
    "what is around it": (GROUP + "spec: &x\n  externalCIDRs: []\nx: *x\n", ["6:4"]),
    "blocks": (POOL + "spec:\n  blocks: &x []\nx: [*x]\n", ["6:5"]),
    "a variable": (VARIABLES + "data:\n  HOME_NETWORK: &x ''\nx: *x\n", ["6:4"]),
}


@pytest.mark.parametrize(("text", "places"), ANNOTATED.values(), ids=ANNOTATED)
def test_the_aliases_of_what_annotations_manage_follow(text: str, places: list[str]):
    files = {"home.yaml": HA, "a.yaml": text.encode()}
    rendering = render_once(files, A)
    assert rendering.problems == ()
    [aliases] = {change.aliases for change in rendering.changes if change.path == "a.yaml"}
    assert list(aliases) == [f"a.yaml:{place}" for place in places]
    files |= rendering.files
    assert render_once(files, A, 1).files == {}
    files |= render_once(files, B, 2).files
    assert "db8:b:" in str(plain_value(locate(files["a.yaml"].decode()))["x"])


def test_an_alias_of_what_holds_the_address_of_a_service_is_refused():
    """It may be a second Service, which would get the address of the first."""
    text = SERVICE.replace("annotations:", "annotations: &y").replace("&x", "") + "y: *y\n"
    files = {"home.yaml": HA, "a.yaml": text.replace("*x", "a").encode()}
    rendering = render_once(files, A)
    assert [str(problem) for problem in rendering.problems] == [
        "a.yaml:16:4: *y repeats the mapping of metadata.annotations.lbipam.cilium.io/ips, and may "
        "make a second Service with its address: write the annotations out here"
    ]
    assert "a.yaml" not in rendering.files


REMOVED = {
    "the only anchor of its name": "",
    "the second anchor of its name": "z: &x 1\n",
}


@pytest.mark.parametrize("first", REMOVED.values(), ids=REMOVED)
def test_an_alias_never_gets_another_anchor(first: str):
    """Without a history the second item would leave with its anchor, while its list follows."""
    prefix = PREFIX + b"  transition: {maxPrefixHistory: 1}\n"
    text = marked(
        "a: &y <home:lb:all-cidrs>\n- 2001:db8:b:0:f000::/68\n- &x 2001:db8:a:0:f000::/68\n"
    )
    files = {"home.yaml": prefix, "a.yaml": f"{first}{text}b: *x\nc: *y\n".encode()}
    for hour, past in enumerate((A, B)):
        files["home.yaml"] = render_once(files, past, hour).files["home.yaml"]
    files["home.yaml"] = files["home.yaml"].replace(b"maxPrefixHistory: 1", b"maxPrefixHistory: 0")
    rendering = render_once(files, C, 2)
    assert [problem.code for problem in rendering.problems] == ["edit-refused"]
    assert "a.yaml" not in rendering.files


def test_a_value_that_is_an_alias_is_refused():
    text = marked("a: &x 2001:db8:a::/64\nb: *x <home:prefix>\n")
    files = {"home.yaml": PREFIX, "a.yaml": text.encode()}
    assert [problem.code for problem in render_once(files, B).problems] == ["marker-misplaced"]
