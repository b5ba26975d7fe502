"""What the pods are allowed, and break of the standards, and nothing beyond."""

import re

import pytest

from tests.examples.deployments import CLUSTER_MODES, COMPONENTS, built, pod_of
from tests.examples.pod_security import baseline, containers_of, restricted
from tests.examples.repositories import ROOT

PAGE = (ROOT / "docs" / "deploy.md").read_text()
THE_LINK = {"host namespaces", "hostPort", "probe or lifecycle host"}
"""Of hostNetwork: with it, a port of the container is one of the node, and listens on loopback."""
NET_RAW = {"allowPrivilegeEscalation != false", "unrestricted capabilities"}
VARIANTS = {name: (name,) for name in COMPONENTS} | {"base": (), "all": tuple(
    name for name in COMPONENTS if name not in {"persistent-clone", "kernel-source"}
)}  # fmt: skip

GOOD = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_pod_breaks_what_the_link_and_the_raw_socket_need_and_nothing_else(name):
    pod = pod_of(built(*VARIANTS[name]))
    if name == "kernel-source":
        assert restricted(pod) == baseline(pod) == THE_LINK
    else:
        assert restricted(pod) == THE_LINK | NET_RAW
        assert baseline(pod) == THE_LINK | {"non-default capabilities"}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_container_writes_to_its_volumes_alone_and_has_a_limit(name):
    """45 MiB of the daemon, 65 of a direct apply, and git's children fit in."""
    for container in containers_of(pod_of(built(*VARIANTS[name]))):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        requests, limits = container["resources"]["requests"], container["resources"]["limits"]
        # `direct-apply-*` are rights for `direct-apply`, which starts the child.
        starts_a_child = name in CLUSTER_MODES and not name.startswith("direct-apply-")
        assert mebibytes(requests["memory"]) >= (110 if starts_a_child else 45)
        assert mebibytes(limits["memory"]) >= 2 * 110
        # A CPU that is throttled would only delay the commit.
        assert "cpu" not in limits


def test_the_page_says_what_is_broken_in_the_words_of_admission():
    rows = re.findall(r"^\| (Router Advertisements|`kernel`) \| (.*) \|$", PAGE, re.MULTILINE)
    said = {source: set(re.findall(r"`([\w !=]+)`", words)) for source, words in rows}
    assert said == {"Router Advertisements": THE_LINK | NET_RAW, "`kernel`": THE_LINK}


@pytest.mark.parametrize("components", [(), ("leader-election",)], ids=["alone", "with the API"])
def test_the_page_says_what_memory_is_asked_for(components):
    (container,) = containers_of(pod_of(built(*components)))
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    pair = (requests["memory"], limits["memory"])
    assert pair in set(re.findall(r"(\d+Mi)\b[^.\d]*?(\d+Mi)", PAGE))


def mebibytes(quantity):
    assert quantity.endswith("Mi")
    return int(quantity.removesuffix("Mi"))


def test_a_pod_that_keeps_to_the_standards_breaks_nothing():
    assert restricted(GOOD) == baseline(GOOD) == set()


BROKEN = {
    "no profile": ({"securityContext": {"runAsNonRoot": True}}, "seccompProfile"),
    "root": ({"securityContext": {"runAsUser": 0}}, "runAsUser=0"),
    "perhaps root": ({"securityContext": {}}, "runAsNonRoot != true"),
    "the node's files": ({"volumes": [{"hostPath": {}}]}, "restricted volume types"),
    "the node's processes": ({"hostPID": True}, "host namespaces"),
    "nothing said": ({"containers": [{}]}, "unrestricted capabilities"),
    "a container before it": ({"initContainers": [{}]}, "allowPrivilegeEscalation != false"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_pod_that_breaks_the_standard_is_told(case):
    change, broken = BROKEN[case]
    assert broken in restricted(GOOD | change)
