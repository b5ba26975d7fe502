"""Each mode of examples/kustomize works with exactly its role, and with nothing less.

The Lease's, the reconcile request's and the Events' are in their own tests; here are direct
apply's, and that no component gives a right that no mode of the daemon uses.
"""

import pytest

from gitops_prefix.apply.fields import ObjectResult
from gitops_prefix.apply.kube import Connection
from gitops_prefix.apply.kube_apply import apply_object
from gitops_prefix.apply.protocol import Wish
from tests.apply.live import BEFORE, RESOURCES, release, sync
from tests.apply.manifests import (
    EVERY_KIND,
    FOLLOWED,
    KUSTOMIZATION,
    NEW,
    OLD,
    A,
    B,
    configurations,
)
from tests.apply.rules import documents, rules

PLURALS = {path: resource.partition(".")[0] for path, resource in RESOURCES.items()}
COVERED = [path for path in EVERY_KIND if path != "marked.yaml"]
"""What a marker binds may be of any kind: its rule is its author's to add."""
PARTS = ("direct-apply", "direct-apply-services", "direct-apply-configmaps", "direct-apply-flux")
DIRECT = [rule for part in PARTS for rule in rules(part)]


def rules_without(plural: str, *verbs: str) -> list[dict]:
    """The role without some verbs for one resource."""
    rest = []
    for rule in DIRECT:
        others = [one for one in rule["resources"] if one != plural]
        if plural in rule["resources"]:
            left = [one for one in rule["verbs"] if one not in verbs]
            rest.append({**rule, "resources": [plural], "verbs": left or ["watch"]})
        if others:
            rest.append({**rule, "resources": others})
    return rest


def connected(cluster, namespace, given) -> Connection:
    user = cluster.account("applies", given, namespace=namespace)
    return Connection(str(cluster.kubeconfig(user)))


@pytest.mark.parametrize("path", COVERED)
def test_direct_apply_and_giving_back_need_what_the_role_has(cluster, namespace, path):
    files = {path: EVERY_KIND[path]}
    sync(cluster, namespace, files, *BEFORE[path])
    (wanted,) = configurations(files, namespace, A, B)
    connection = connected(cluster, namespace, DIRECT)
    assert apply_object(connection, wanted, Wish(force=True)).result is ObjectResult.APPLIED
    assert release(connection, wanted).result is ObjectResult.RELEASED


@pytest.mark.parametrize("verb", ["get", "patch"])
@pytest.mark.parametrize("path", COVERED)
def test_and_no_verb_of_it_can_be_left_out(cluster, namespace, path, verb):
    """The message has the rule, ready to be pasted."""
    files = {path: EVERY_KIND[path]}
    sync(cluster, namespace, files, *BEFORE[path])
    (wanted,) = configurations(files, namespace, A, B)
    connection = connected(cluster, namespace, rules_without(PLURALS[path], verb))
    refused = apply_object(connection, wanted, Wish(force=True))
    assert refused.result is ObjectResult.FORBIDDEN
    assert f'resources: ["{PLURALS[path]}"]' in refused.message


@pytest.mark.parametrize(
    ("given", "standing"),
    [
        (DIRECT, ObjectResult.WAITING),
        (rules_without("kustomizations", "get"), ObjectResult.RELEASED),
    ],
    ids=["with the role", "without this of it"],
)
def test_flux_is_waited_for_by_who_may_read_its_kustomization(cluster, namespace, given, standing):
    files = {"pool.yaml": FOLLOWED}
    sync(cluster, namespace, files, A)
    cluster.apply(KUSTOMIZATION.replace("NAMESPACE", namespace).replace("REVISION", OLD))
    (wanted,) = configurations(files, namespace, A, B)
    connection = connected(cluster, namespace, given)
    apply_object(connection, wanted, Wish(force=True))
    assert release(connection, wanted, NEW).result is standing


def test_the_role_names_every_kind_that_follows_by_annotation_and_no_other():
    """Beside Flux's Kustomizations, which are waited for and asked to reconcile."""
    verbs = {name: rule["verbs"] for rule in DIRECT for name in rule["resources"]}
    assert verbs.pop("kustomizations") == ["get", "list", "patch"]
    assert verbs == {PLURALS[path]: ["get", "patch"] for path in COVERED}


@pytest.mark.parametrize(
    ("component", "verbs"),
    {
        **{part: {"get", "patch"} for part in PARTS},
        "direct-apply-flux": {"get", "list", "patch"},
        "events": {"create"},
        "leader-election": {"create", "get", "update"},
        "direct-apply-argocd": {"get"},
        "reconcile-argocd": {"patch"},
        "reconcile-flux": {"patch"},
    }.items(),
)
def test_a_component_gives_these_verbs_alone(component, verbs):
    assert {verb for rule in rules(component) for verb in rule["verbs"]} == verbs


@pytest.mark.parametrize("component", PARTS[1:])
def test_what_is_in_a_namespace_is_a_role_of_that_namespace(component):
    """A right to every ConfigMap of a cluster is a right to the cluster."""
    kinds = {
        (document["kind"], bool(document["metadata"].get("namespace")))
        for document in documents(component)
    }
    assert kinds == {("Role", True), ("RoleBinding", True)}
