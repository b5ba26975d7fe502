"""A release on a real API server: installed, changed back and forth, and gone without a trace."""

import os
import subprocess

import pytest
from ruamel.yaml import YAML

from tests.apiserver import ADMIN
from tests.charts.rendering import CHART, REPO
from tests.parts import require

STEPS = {
    "another branch": {"branch": "other"},
    "two, of which one publishes": {"replicas": 2, "leaderElection": {"enabled": True}},
    "one again, and direct apply": {"apply": {"mode": "always"}},
    "a claim": {"persistence": {"enabled": True}},
    "the kernel's word, and options": {"source": "kernel", "options": {"interval": "1m"}},
    "one on each node": {"kind": "DaemonSet"},
    "as at first": {},
}
KINDS = "deployments,daemonsets,configmaps,serviceaccounts,services,roles,rolebindings"


@pytest.fixture
def helm(cluster, namespace, tmp_path):
    require("helm")

    def run(*words, values=None):
        file = tmp_path / "values.yaml"
        with file.open("w") as stream:
            YAML(typ="safe").dump({"repo": REPO} | (values or {}), stream)
        given = ["--values", str(file)] if values is not None else []
        return subprocess.run(
            ["helm", *words, "--namespace", namespace, *given],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "KUBECONFIG": str(cluster.kubeconfig(ADMIN)),
            },
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout

    return run


def labelled(cluster, namespace, kinds=KINDS):
    words = ["get", kinds, "-o", "name", "-l", "app.kubernetes.io/managed-by=Helm"]
    return set(cluster.kubectl(*words, "-n", namespace).split())


def cluster_wide(cluster, namespace):
    found = cluster.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name").split()
    return {name.partition("/")[2] for name in found if f"/{namespace}:" in name}


def test_a_release_is_changed_back_and_forth_and_leaves_nothing(cluster, namespace, helm):
    """Fields that the server has set meanwhile stand in no way; nor does what another kind left."""
    helm("install", "gitops-prefix", str(CHART), values={})
    first = labelled(cluster, namespace)
    assert first == {"deployment.apps/gitops-prefix", "serviceaccount/gitops-prefix"}
    for name, values in STEPS.items():
        helm("upgrade", "gitops-prefix", str(CHART), values=values)
        wide = cluster_wide(cluster, namespace)
        assert bool(wide) is (name == "one again, and direct apply"), name
        assert wide <= {f"{namespace}:gitops-prefix-direct-apply"}
    assert labelled(cluster, namespace) == first
    # It may have commits that wait, so it is not Helm's to remove.
    claim = cluster.get("persistentvolumeclaim", "gitops-prefix-clone", namespace)
    assert "deletionTimestamp" not in claim["metadata"]
    strategy = cluster.get("deployment", "gitops-prefix", namespace)["spec"]["strategy"]
    assert strategy == {"type": "Recreate"}
    helm("uninstall", "gitops-prefix")
    assert not labelled(cluster, namespace)


def test_two_releases_of_one_namespace_do_not_meet(cluster, namespace, helm):
    values = {"apply": {"mode": "fallback"}, "leaderElection": {"enabled": True}}
    for release in ("lan", "guests"):
        helm("install", release, str(CHART), values=values)
    deployments = labelled(cluster, namespace, "deployments")
    assert deployments == {
        f"deployment.apps/{release}-gitops-prefix" for release in ("lan", "guests")
    }
    leases = {
        one["value"]
        for release in ("lan", "guests")
        for container in cluster.get("deployment", f"{release}-gitops-prefix", namespace)["spec"][
            "template"
        ]["spec"]["containers"]
        for one in container["env"]
        if one["name"] == "GITOPS_PREFIX_LEASE_NAME"
    }
    assert leases == {"lan-gitops-prefix", "guests-gitops-prefix"}


MAY = {
    "patch gitrepositories/flux-system": True,
    "patch kustomizations/network": True,
    "patch gitrepositories/other": False,
    "get kustomizations/any": True,
    "patch kustomizations/any": True,
    "get gitrepositories/flux-system": False,
    "patch ciliumloadbalancerippools/any": True,
    "get services/any": True,
    "get configmaps/any": False,
    "create services": False,
    "delete ciliumloadbalancerippools/any": False,
    "get secrets/any": False,
    "create events.events.k8s.io": True,
    "create leases.coordination.k8s.io": True,
    "update leases.coordination.k8s.io/gitops-prefix": True,
    "update leases.coordination.k8s.io/other": False,
    "delete leases.coordination.k8s.io/gitops-prefix": False,
}


def test_the_account_may_do_what_its_modes_need_and_nothing_else(cluster, namespace, helm):
    """Every mode at once, as the server answers for the pod's account."""
    values = {
        "requestReconcile": [
            f"gitrepository:{namespace}/flux-system",
            f"kustomization:{namespace}/network",
        ],
        "events": True,
        "apply": {"mode": "fallback", "serviceNamespaces": [namespace]},
        "leaderElection": {"enabled": True},
    }
    account = f"--as=system:serviceaccount:{namespace}:gitops-prefix"
    words = [(*right.split(), "-n", namespace, account) for right in MAY]
    before = [cluster.ask("auth", "can-i", *one).returncode == 0 for one in words]
    assert not any(before)
    helm("install", "gitops-prefix", str(CHART), values=values)
    after = [cluster.ask("auth", "can-i", *one).returncode == 0 for one in words]
    assert dict(zip(MAY, after, strict=True)) == MAY


NOTES = {
    "an ssh key": ({}, ["ssh://git@git.example.com/home-ops.git", "create secret generic gitops-prefix-deploy-key", "NET_RAW", "pod-security.kubernetes.io/enforce=privileged"]),
    "a token": ({"repo": "https://host/x", "auth": {"method": "token"}}, ["create secret generic gitops-prefix-token --from-file=token=token"]),
    "an App": ({"repo": "https://github.com/o/n", "auth": {"method": "githubApp", "githubApp": {"id": "1"}}}, ["create secret generic gitops-prefix-github-app --from-file=private-key.pem=private-key.pem"]),
    "the kernel": ({"source": "kernel"}, ["the node's network:"]),
}  # fmt: skip


@pytest.mark.parametrize("case", NOTES)
def test_the_notes_say_what_is_still_to_do(case, helm):
    values, lines = NOTES[case]
    notes = helm("install", "gitops-prefix", str(CHART), values=values).partition("NOTES:\n")[2]
    for line in lines:
        assert line in notes


def test_the_notes_ask_for_nothing_that_is_not_needed(helm):
    values = {"source": "static", "repo": "/srv/home.git", "auth": {"method": "none"}}
    notes = helm("install", "gitops-prefix", str(CHART), values=values).partition("NOTES:\n")[2]
    assert "secret" not in notes
    assert "pod-security" not in notes
