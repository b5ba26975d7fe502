"""Pod Security admission of a real API server: what a namespace must allow, and no more."""

import json
import re
from functools import cache

import pytest

from tests.charts.rendering import rendered
from tests.examples.deployments import COMPONENTS, built, pod_of
from tests.examples.pod_security import baseline, restricted
from tests.netns import until

VARIANTS = {
    "advertisements": (),
    "kernel": ("kernel-source",),
    "on each node": ("daemonset",),
    "with a claim": ("persistent-clone",),
    "direct apply": ("direct-apply", "events"),
}


@cache
def _variant(name):
    return json.dumps(pod_of(built(*VARIANTS[name])))


def variant(name):
    """The pod's specification, the caller's own; kustomize builds it once."""
    return json.loads(_variant(name))


PRIVILEGED = {"hostNetwork": True, "containers": [{"name": "any", "image": "any"}]}


def enforce(cluster, namespace, level):
    """Have the server hold a namespace to a level. It learns its own labels a moment later."""
    labels = {"pod-security.kubernetes.io/enforce": level}
    path = f"/api/v1/namespaces/{namespace}"
    status, answer = cluster.request("PATCH", path, {"metadata": {"labels": labels}})
    assert status == 200, answer
    refuses = level != "privileged"
    until(lambda: bool(refusals(cluster, namespace, PRIVILEGED)) is refuses, f"the level {level}")


def refusals(cluster, namespace, pod):
    """The checks that the pod fails, by the words of the server; none when it is admitted."""
    path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All&fieldValidation=Strict"
    status, answer = cluster.request(
        "POST", path, {"metadata": {"name": "gitops-prefix"}, "spec": pod}
    )
    if status == 201:
        return set()
    assert "violates PodSecurity" in answer["message"], answer
    said = answer["message"].partition("violates PodSecurity")[2].partition(": ")[2]
    return set(re.findall(r"(?:^|, )([\w!= -]+?) \(", said))


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(
    ("level", "standard"), [("restricted", restricted), ("baseline", baseline)]
)
def test_the_server_refuses_what_the_standard_says_and_nothing_else(
    cluster, namespace, name, level, standard
):
    """And tests/examples/test_pod_security.py says what that is."""
    pod = variant(name)
    enforce(cluster, namespace, level)
    assert refusals(cluster, namespace, pod) == standard(pod) != set()


@pytest.mark.parametrize("name", VARIANTS)
def test_the_namespace_of_the_examples_admits_it(cluster, namespace, name):
    enforce(cluster, namespace, "privileged")
    assert not refusals(cluster, namespace, variant(name))


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("level", ["restricted", "baseline"])
def test_without_the_nodes_network_the_rest_is_restricted(cluster, namespace, name, level):
    """What a pod keeps when hostNetwork and NET_RAW are taken from it."""
    pod = variant(name)
    pod["hostNetwork"] = False
    (container,) = pod["containers"]
    container["securityContext"]["allowPrivilegeEscalation"] = False
    container["securityContext"]["capabilities"].pop("add", None)
    for probe in ("livenessProbe", "readinessProbe"):
        container[probe]["httpGet"].pop("host", None)
    enforce(cluster, namespace, level)
    assert not refusals(cluster, namespace, pod)


CHARTS = {
    "routerAdvertisement": {},
    "kernel": {"source": "kernel"},
    "static": {"source": "static"},
    "every mode": {
        "source": "static",
        "apply": {"mode": "fallback"},
        "events": True,
        "leaderElection": {"enabled": True},
        "persistence": {"enabled": True},
        "signing": {"existingSecret": "signing"},
        "options": {"interval": "1m"},
    },
}


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize(
    ("level", "standard"), [("restricted", restricted), ("baseline", baseline)]
)
def test_the_server_refuses_of_the_chart_what_the_standard_says(
    cluster, namespace, tmp_path, name, level, standard
):
    """Without the node's network it refuses nothing, whatever else is switched on."""
    values = CHARTS[name]
    pod = pod_of(rendered(tmp_path, values))
    enforce(cluster, namespace, level)
    assert refusals(cluster, namespace, pod) == standard(pod)
    assert (standard(pod) == set()) is (values.get("source") == "static")


@pytest.mark.parametrize("component", [None, *COMPONENTS])
def test_the_server_takes_every_object_as_it_is(cluster, namespace, component):
    """Strictly: a field that it does not know is an error. Prometheus' kinds it does not have."""
    objects = [
        one
        for one in built(*filter(None, [component]))
        if not one["apiVersion"].startswith("monitoring.coreos.com/")
    ]
    for one in objects:
        if one["metadata"].get("namespace"):
            one["metadata"]["namespace"] = namespace
    words = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    answer = cluster.kubectl(*words, stdin="\n---\n".join(map(json.dumps, objects)))
    assert answer.count("(server dry run)") == len(objects)
