"""examples/kustomize: each component does one thing, and they go together."""

import pytest
from click import Context

from gitops_prefix.cli.commands import cli
from tests.examples.deployments import (
    CLUSTER_MODES,
    COMPONENTS,
    KUSTOMIZE,
    built,
    container_of,
    environment,
    pod_of,
    workload,
)
from tests.examples.repositories import build, of_kind, parse

RBAC = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def identities(objects):
    return {
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in objects
    }


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_goes_with_the_base_alone(name):
    assert identities(built()) - identities(built(name)) <= {
        ("Deployment", "gitops-prefix", "gitops-prefix")
    }


def test_all_components_that_go_together_do():
    """A claim is one pod's: persistent-clone and the DaemonSet exclude each other."""
    for left_out in ("persistent-clone", "daemonset"):
        assert workload(built(*(name for name in COMPONENTS if name != left_out)))


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_token_comes_with_what_needs_one_and_nothing_else_does(name):
    objects = built(name)
    assert pod_of(objects)["automountServiceAccountToken"] is (name in CLUSTER_MODES)
    assert bool(RBAC & {one["kind"] for one in objects}) is (name in CLUSTER_MODES)
    (account,) = of_kind("ServiceAccount", objects)
    assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", CLUSTER_MODES)
def test_a_role_is_the_daemons_and_nothing_in_it_is_a_wildcard(name):
    objects = built(name)
    roles = [one for one in objects if one["kind"] in {"Role", "ClusterRole"}]
    bindings = [one for one in objects if one["kind"] in {"RoleBinding", "ClusterRoleBinding"}]
    (account,) = of_kind("ServiceAccount", objects)
    assert {(one["roleRef"]["kind"], one["roleRef"]["name"]) for one in bindings} == {
        (one["kind"], one["metadata"]["name"]) for one in roles
    }
    for binding in bindings:
        assert binding["subjects"] == [
            {
                "kind": "ServiceAccount",
                "name": account["metadata"]["name"],
                "namespace": account["metadata"]["namespace"],
            }
        ]
    for role in roles:
        for rule in role["rules"]:
            words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert "*" not in words
            assert not words & {"secrets", "delete", "deletecollection", "escalate", "bind"}


def test_a_kernels_daemon_has_no_capability_and_keeps_everything_else():
    (before, after) = (container_of(built()), container_of(built("kernel-source")))
    assert after["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
    }
    assert after.pop("command") == ["python", "-m", "gitops_prefix"]
    del before["securityContext"], after["securityContext"]
    assert after == before


def test_a_daemon_set_is_the_deployment_on_each_node():
    before, after = workload(built()), workload(built("daemonset"))
    assert (before["kind"], after["kind"]) == ("Deployment", "DaemonSet")
    assert before["spec"]["template"] == after["spec"]["template"]
    assert after["spec"].keys() == {"selector", "template", "updateStrategy"}
    # The port of the node is one, so the old pod goes before the new one comes.
    assert after["spec"]["updateStrategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_a_claim_takes_the_place_of_the_clone_that_goes_with_the_pod():
    objects = built("persistent-clone")
    (claim,) = of_kind("PersistentVolumeClaim", objects)
    (clone,) = [one for one in pod_of(objects)["volumes"] if one["name"] == "clone"]
    assert clone == {
        "name": "clone",
        "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]},
    }


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_daemon_knows_each_option(name):
    command = cli.get_command(Context(cli), "run")
    assert command is not None
    assert environment(built(name)).keys() <= {one.envvar for one in command.params}


@pytest.mark.parametrize("name", ["flux", "argocd"])
def test_an_overlay_sets_the_repository_and_asks_its_reconciler(name):
    overlay = build(KUSTOMIZE / "overlays" / name)
    assert identities(overlay) == identities(built(f"reconcile-{name}"))
    assert environment(overlay)["GITOPS_PREFIX_REPO"].startswith("ssh://")


def test_the_overlay_of_a_daemon_set_elects_a_leader():
    overlay = build(KUSTOMIZE / "overlays" / "daemonset")
    assert workload(overlay)["kind"] == "DaemonSet"
    assert identities(overlay) == identities(built("daemonset", "leader-election"))
    variables = environment(overlay)
    assert variables["GITOPS_PREFIX_LEADER_ELECT"] == "true"
    assert variables["GITOPS_PREFIX_REPO"].startswith("ssh://")


@pytest.mark.parametrize(
    "path", sorted(KUSTOMIZE.rglob("*.yaml")), ids=lambda path: str(path.relative_to(KUSTOMIZE))
)
def test_no_key_stands_twice(path):
    """kustomize would take the last one, and say nothing."""
    assert list(parse(path.read_text()))


def test_every_file_of_a_component_is_used():
    for component in (KUSTOMIZE / "components").iterdir():
        text = (component / "kustomization.yaml").read_text()
        for path in component.iterdir():
            assert path.name == "kustomization.yaml" or f"{path.name}\n" in text, path
