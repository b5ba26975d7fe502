"""The API server that the other tests stand on is a true one, and nobody else's."""

import json

import pytest

from gitops_prefix.apply.kube import Connection, NotConnectedError
from tests.custom_resources import names

POOL = """
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata: {name: lan}
spec: {blocks: [{cidr: "2001:db8::/64"}]}
"""


def test_every_custom_resource_is_served(cluster):
    served = cluster.kubectl("api-resources", "--no-headers", "-o", "name").split()
    assert set(names()) <= set(served)


def test_managers_own_what_they_apply(cluster, namespace):
    cluster.apply(POOL, manager="kustomize-controller")
    assert set(cluster.managers("ciliumloadbalancerippools", "lan")) == {"kustomize-controller"}


def test_what_is_cluster_wide_is_gone_with_its_test(cluster, namespace):
    assert not cluster.kubectl("get", "ciliumloadbalancerippools", "-o", "name")


def test_a_stranger_may_do_nothing(cluster):
    answer = cluster.ask("get", "services", user="stranger")
    assert answer.returncode and "Forbidden" in answer.stderr


@pytest.mark.parametrize(("verb", "allowed"), [("get", True), ("patch", False)])
def test_an_account_may_do_what_its_rules_say(cluster, namespace, verb, allowed):
    rules = [{"apiGroups": [""], "resources": ["services"], "verbs": ["get"]}]
    user = cluster.account("reader", rules, namespace=namespace)
    answer = cluster.ask("auth", "can-i", verb, "services", user=user)
    assert (answer.returncode == 0) is allowed


def test_a_watch_sees_every_state(cluster, namespace):
    cluster.apply(POOL)
    with cluster.watch("ciliumloadbalancerippools", "lan") as seen:
        for number in range(3):
            patch = json.dumps({"spec": {"blocks": [{"cidr": f"2001:db8:{number}::/64"}]}})
            words = ("patch", "ciliumloadbalancerippools", "lan", "--type=merge", "-p", patch)
            cluster.kubectl(*words)
    cidrs = [one["spec"]["blocks"][0]["cidr"] for one in seen]
    assert list(dict.fromkeys(cidrs)) == [
        "2001:db8::/64",
        *(f"2001:db8:{n}::/64" for n in range(3)),
    ]


def test_an_authority_that_is_not_the_servers_is_no_answer(cluster, tmp_path):
    """TLS fails before there is a status."""
    kubeconfig = json.loads(cluster.kubeconfig("admin").read_text())
    del kubeconfig["clusters"][0]["cluster"]["certificate-authority"]
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(kubeconfig))
    with pytest.raises(NotConnectedError, match="the API server did not answer"):
        Connection(str(path)).request("get", "/api/v1")
