"""What a release leaves: the branch's value, the reconciler's ownership, and no hold."""

import json
from dataclasses import replace

import pytest

from gitops_prefix.apply.fields import ObjectResult
from gitops_prefix.apply.kube_apply import apply_object
from gitops_prefix.apply.ownership import parse_reconciled
from tests.apply.live import FALLBACK, RECONCILER, RESOURCES, connect, look, release, sync
from tests.apply.manifests import (
    FOLLOWED,
    KUSTOMIZATION,
    NEW,
    OLD,
    POOL,
    SERVICE,
    A,
    B,
    configurations,
)

C = "2001:db8:c::/64"
HOLD = "kustomize.toolkit.fluxcd.io/reconcile"
REQUESTED = "reconcile.fluxcd.io/requestedAt"
TRACKED = POOL.replace(
    "annotations: {",
    'annotations: {argocd.argoproj.io/tracking-id: "NAMESPACE_apps:cilium.io/X:/lan", ',
)
APPLICATION = """
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: apps, namespace: NAMESPACE}
spec: {}
status: {sync: SYNC}
"""


def kustomization(cluster, namespace: str, revision: str) -> None:
    text = KUSTOMIZATION.replace("NAMESPACE", namespace).replace("main@sha1:REVISION", revision)
    cluster.apply(text)


def held(cluster) -> str | None:
    return look(cluster, "", "pool.yaml", "lan")["metadata"]["annotations"].get(HOLD)


def test_a_commit_that_came_while_the_object_was_held_is_applied_before_it_is_released(
    cluster, namespace
):
    """kustomize-controller skipped the object, and says that it applied the commit."""
    files = {"pool.yaml": FOLLOWED}
    sync(cluster, namespace, files, A)
    kustomization(cluster, namespace, f"main@sha1:{NEW}")
    connection = connect(cluster)
    (first,) = configurations(files, namespace, A, B)
    (second,) = configurations(files, namespace, A, B, C)
    apply_object(connection, first, FALLBACK)
    report = release(connection, second, NEW)
    assert (report.result, report.held) == (ObjectResult.RELEASED, False)
    live = look(cluster, namespace, "pool.yaml", "lan")
    assert live["spec"]["blocks"] == second.fields[0].value and held(cluster) is None
    asked = cluster.get("kustomization", "apps", namespace)["metadata"]["annotations"]
    assert REQUESTED in asked


def test_a_commit_is_applied_while_flux_is_still_waited_for(cluster, namespace):
    files = {"pool.yaml": FOLLOWED}
    sync(cluster, namespace, files, A)
    kustomization(cluster, namespace, f"main@sha1:{OLD}")
    connection = connect(cluster)
    (first,) = configurations(files, namespace, A, B)
    (second,) = configurations(files, namespace, A, B, C)
    apply_object(connection, first, FALLBACK)
    report = release(connection, second, NEW)
    assert (report.result, report.held) == (ObjectResult.WAITING, True)
    live = look(cluster, namespace, "pool.yaml", "lan")
    assert live["spec"]["blocks"] == second.fields[0].value and held(cluster) == "disabled"


REVISIONS = {
    "the branch and the commit": (f"main@sha1:{NEW}", ObjectResult.RELEASED),
    "the commit alone": (f"sha1:{NEW}", ObjectResult.RELEASED),
    "the older form": (f"main/{NEW}", ObjectResult.RELEASED),
    "the whole reference": (f"refs/heads/main@sha1:{NEW}", ObjectResult.RELEASED),
    "a tag": (f"v1.2.3@sha1:{NEW}", ObjectResult.RELEASED),
    "a pull request": (f"refs/pull/1/head@sha1:{NEW}", ObjectResult.RELEASED),
    "a commit of SHA-256": (f"main@sha256:{NEW}", ObjectResult.RELEASED),
    "detached": (f"HEAD/{NEW}", ObjectResult.RELEASED),
    "another commit": (f"main/{OLD}", ObjectResult.WAITING),
}


@pytest.mark.parametrize(("revision", "result"), REVISIONS.values(), ids=REVISIONS)
def test_each_form_of_a_revision_is_read(cluster, namespace, revision, result):
    files = {"pool.yaml": FOLLOWED}
    sync(cluster, namespace, files, A)
    kustomization(cluster, namespace, revision)
    (wanted,) = configurations(files, namespace, A, B)
    apply_object(connect(cluster), wanted, FALLBACK)
    assert release(connect(cluster), wanted, NEW).result is result


@pytest.mark.parametrize(
    "spec", [{"suspend": True}, {"sourceRef": {"kind": "OCIRepository", "name": "oci"}}]
)
def test_a_kustomization_that_follows_no_commit_is_not_waited_for(cluster, namespace, spec):
    files = {"pool.yaml": FOLLOWED}
    sync(cluster, namespace, files, A)
    kustomization(cluster, namespace, "latest@sha256:abc")
    words = ("patch", "kustomization", "apps", "-n", namespace, "--type=merge", "-p")
    cluster.kubectl(*words, json.dumps({"spec": spec}))
    (wanted,) = configurations(files, namespace, A, B)
    apply_object(connect(cluster), wanted, FALLBACK)
    assert release(connect(cluster), wanted, NEW).result is ObjectResult.RELEASED


@pytest.mark.parametrize(
    ("origin", "result"),
    [(f"main@sha1:{NEW}", ObjectResult.RELEASED), (f"main@sha1:{OLD}", ObjectResult.WAITING)],
)
def test_of_an_artifact_the_commit_that_it_was_built_from_counts(
    cluster, namespace, origin, result
):
    """`flux push artifact --revision` writes it; kustomize-controller shows it in the status."""
    files = {"pool.yaml": FOLLOWED}
    sync(cluster, namespace, files, A)
    kustomization(cluster, namespace, "latest@sha256:abc")
    spec = {"sourceRef": {"kind": "OCIRepository", "name": "oci"}}
    document = {"spec": spec, "status": {"lastAppliedOriginRevision": origin}}
    words = ("patch", "kustomization", "apps", "-n", namespace, "--type=merge", "-p")
    cluster.kubectl(*words, json.dumps(document))
    (wanted,) = configurations(files, namespace, A, B)
    apply_object(connect(cluster), wanted, FALLBACK)
    assert release(connect(cluster), wanted, NEW).result is result


def test_what_was_released_and_then_removed_from_git_goes_from_the_cluster(cluster, namespace):
    """The reconciler owns the field again, as if it had applied it."""
    files = {"service.yaml": SERVICE}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)
    connection = connect(cluster)
    apply_object(connection, wanted, FALLBACK)
    assert release(connection, wanted).result is ObjectResult.RELEASED
    owned = cluster.managers("services", "plex", namespace)
    assert "gitops-prefix" not in owned
    assert "f:lbipam.cilium.io/ips" in owned[RECONCILER]["f:metadata"]["f:annotations"]
    live = look(cluster, namespace, "service.yaml", "plex")
    bare = {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "plex", "namespace": namespace, "annotations": {"example.com/theirs": "yes"}},
        "spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]},
    }  # fmt: skip
    cluster.apply(bare, manager=RECONCILER, force=True)
    after = look(cluster, namespace, "service.yaml", "plex")["metadata"]["annotations"]
    assert "lbipam.cilium.io/ips" in live["metadata"]["annotations"]
    assert after == {"example.com/theirs": "yes"}


def test_who_may_not_ask_the_kustomization_says_which_rule_is_missing(cluster, namespace):
    files = {"pool.yaml": FOLLOWED}
    sync(cluster, namespace, files, A)
    kustomization(cluster, namespace, f"main@sha1:{NEW}")
    rules = [
        {"apiGroups": ["cilium.io"], "resources": ["*"], "verbs": ["get", "patch"]},
        {"apiGroups": ["kustomize.toolkit.fluxcd.io"], "resources": ["*"], "verbs": ["get"]},
    ]
    connection = connect(cluster, cluster.account("reads", rules, namespace=namespace))
    (wanted,) = configurations(files, namespace, A, B)
    apply_object(connection, wanted, FALLBACK)
    report = release(connection, wanted, NEW)
    assert report.result is ObjectResult.RELEASED
    assert 'resources: ["kustomizations"], verbs: ["patch"]' in report.message


SYNCS = {
    "the commit": ({"revision": NEW}, ObjectResult.RELEASED),
    "one of several sources": ({"revisions": [OLD, NEW]}, ObjectResult.RELEASED),
    "an older one": ({"revision": OLD}, ObjectResult.WAITING),
}


@pytest.mark.parametrize(("sync_status", "result"), SYNCS.values(), ids=SYNCS)
def test_argocd_is_asked_and_waited_for(cluster, namespace, sync_status, result):
    """An event on an object makes it compare with the commit that it saw last."""
    files = {"pool.yaml": TRACKED}
    sync(cluster, namespace, files, A, manager="argocd-controller")
    text = APPLICATION.replace("NAMESPACE", namespace).replace("SYNC", json.dumps(sync_status))
    cluster.apply(text)
    (wanted,) = configurations(files, namespace, A, B)
    connection = connect(cluster)
    assert apply_object(connection, wanted, FALLBACK).held
    report = release(connection, wanted, NEW)
    assert report.result is result
    waits = result is ObjectResult.WAITING
    asked = cluster.get("application", "apps", namespace)["metadata"].get("annotations") or {}
    assert (asked.get("argocd.argoproj.io/refresh") == "normal") is waits
    assert ("gitops-prefix" in cluster.managers(RESOURCES["pool.yaml"], "lan")) is waits
    assert report.waits_for == (f"Application {namespace}/apps" if waits else "")
    # After 15 minutes nobody waits.
    if waits:
        assert release(connection, wanted).result is ObjectResult.RELEASED


def test_an_application_elsewhere_is_found_by_the_reconcile_request(cluster, namespace):
    """An object names its Application alone, and Argo CD may be in any namespace."""
    files = {"pool.yaml": TRACKED.replace("NAMESPACE_apps:", "apps:")}
    sync(cluster, namespace, files, A, manager="argocd-controller")
    text = APPLICATION.replace("NAMESPACE", namespace).replace(
        "SYNC", json.dumps({"revision": OLD})
    )
    cluster.apply(text)
    (wanted,) = configurations(files, namespace, A, B)
    connection = connect(cluster)
    apply_object(connection, wanted, FALLBACK)
    asked = (parse_reconciled(f"application:{namespace}/apps"),)
    assert release(connection, wanted, NEW, asked=asked).result is ObjectResult.WAITING
    report = release(connection, wanted, NEW)
    assert report.result is ObjectResult.RELEASED
    assert "there is no Application argocd/apps" in report.message


def test_who_may_not_read_the_application_waits_and_says_which_rule_is_missing(cluster, namespace):
    files = {"pool.yaml": TRACKED}
    sync(cluster, namespace, files, A, manager="argocd-controller")
    rules = [{"apiGroups": ["cilium.io"], "resources": ["*"], "verbs": ["get", "patch"]}]
    connection = connect(cluster, cluster.account("reads", rules, namespace=namespace))
    (wanted,) = configurations(files, namespace, A, B)
    apply_object(connection, wanted, FALLBACK)
    report = release(connection, wanted, NEW)
    assert report.result is ObjectResult.WAITING
    assert 'resources: ["applications"], verbs: ["get", "patch"]' in report.message


def test_an_object_that_left_the_repository_while_it_was_held_is_an_error(cluster, namespace):
    files = {"pool.yaml": FOLLOWED}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)
    connection = connect(cluster)
    apply_object(connection, wanted, FALLBACK)
    report = release(connection, wanted, NEW, left=True)
    assert (report.result, report.held) == (ObjectResult.LEFT, False)
    assert "kubectl delete ciliumloadbalancerippools.cilium.io lan" in report.message
    assert held(cluster) is None
    assert release(connection, wanted, NEW, left=True).result is ObjectResult.UNCHANGED


def test_what_always_took_is_kept(cluster, namespace):
    files = {"pool.yaml": POOL}
    sync(cluster, namespace, files, A, manager="kubectl")
    (wanted,) = configurations(files, namespace, A, B)
    connection = connect(cluster)
    report = apply_object(connection, wanted, replace(FALLBACK, force=False, others=True))
    assert (report.result, report.held) == (ObjectResult.APPLIED, False)
    assert release(connection, wanted, NEW, keep=True).result is ObjectResult.UNCHANGED
    assert "gitops-prefix" in cluster.managers(RESOURCES["pool.yaml"], "lan")


@pytest.mark.parametrize("text", [FOLLOWED, TRACKED], ids=["by its label", "by its annotation"])
def test_always_leaves_alone_what_a_reconciler_claims(cluster, namespace, text):
    """Even where a person owns the field: the reconciler would put Git's value back."""
    files = {"pool.yaml": text}
    sync(cluster, namespace, files, A, manager="kubectl")
    (wanted,) = configurations(files, namespace, A, B)
    report = apply_object(connect(cluster), wanted, replace(FALLBACK, force=False, others=True))
    assert report.result is ObjectResult.CONFLICT and "a reconciler's" in report.message
