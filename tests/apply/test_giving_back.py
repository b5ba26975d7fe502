"""Giving back: nothing is ever deleted or empty on the way, and reconcilers go on as before."""

import time
from types import SimpleNamespace

import pytest

from gitops_prefix.apply.fields import ObjectResult
from gitops_prefix.apply.kube import ApiError, Connection
from gitops_prefix.apply.kube_apply import apply_object
from gitops_prefix.apply.protocol import Wish
from gitops_prefix.render.node import value_at
from tests.apply.live import BEFORE, FALLBACK, RECONCILER, RESOURCES, connect, look, release, sync
from tests.apply.manifests import (
    BY_FLUX,
    EVERY_KIND,
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

HOLD = "kustomize.toolkit.fluxcd.io/reconcile"


@pytest.mark.parametrize("path", EVERY_KIND)
def test_a_field_keeps_its_value_from_the_apply_to_the_reconcilers_own(cluster, namespace, path):
    """Apply B, release, and the reconciler applies B: after the first step it is always B."""
    files = {path: EVERY_KIND[path]}
    sync(cluster, namespace, files, *BEFORE[path])
    (wanted,) = configurations(files, namespace, A, B)
    connection = connect(cluster)
    apply_object(connection, wanted, FALLBACK)
    with cluster.watch(RESOURCES[path], wanted.name, wanted.namespace) as seen:
        assert release(connection, wanted).result is ObjectResult.RELEASED
        sync(cluster, namespace, files, A, B)
    for state in seen:
        for field in wanted.fields:
            assert value_at(state, field.path) == field.value
    managers = cluster.managers(RESOURCES[path], wanted.name, wanted.namespace)
    assert "gitops-prefix" not in managers and RECONCILER in managers
    assert release(connection, wanted).result is ObjectResult.UNCHANGED


def test_after_a_release_nobody_has_a_conflict(cluster, namespace):
    files = {"pool.yaml": POOL}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)
    connection = connect(cluster)
    apply_object(connection, wanted, FALLBACK)
    release(connection, wanted)
    other = POOL.replace("192.168.42.0/24", "192.168.43.0/24")
    cluster.apply(other, manager=RECONCILER)
    assert look(cluster, namespace, "pool.yaml", "lan")["spec"]["blocks"] == [
        {"cidr": "192.168.43.0/24"}
    ]


def test_a_sole_owner_gives_back_too(cluster, namespace):
    """Where nobody else owns anything, managedFields is emptied, not left as it was."""
    files = {"pool.yaml": POOL}
    sync(cluster, namespace, files, A)
    patch = '[{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]'
    cluster.kubectl("patch", RESOURCES["pool.yaml"], "lan", "--type=json", "-p", patch)
    (wanted,) = configurations(files, namespace, A, B)
    connection = connect(cluster)
    assert apply_object(connection, wanted, FALLBACK).result is ObjectResult.APPLIED
    assert release(connection, wanted).result is ObjectResult.RELEASED
    live = look(cluster, namespace, "pool.yaml", "lan")
    assert "gitops-prefix" not in cluster.managers(RESOURCES["pool.yaml"], "lan")
    assert live["spec"]["blocks"] == wanted.fields[0].value
    assert live["spec"]["serviceSelector"] == {"matchLabels": {"pool": "lan"}}


def test_flux_is_held_in_the_same_patch_and_let_go_in_the_same_patch(cluster, namespace):
    files = {"pool.yaml": BY_FLUX}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)
    connection = connect(cluster)
    with cluster.watch(RESOURCES["pool.yaml"], "lan") as seen:
        apply_object(connection, wanted, FALLBACK)
        release(connection, wanted)
    held = [
        (one["spec"]["blocks"] == wanted.fields[0].value, one["metadata"]["annotations"].get(HOLD))
        for one in seen
    ]
    assert list(dict.fromkeys(held)) == [(False, None), (True, "disabled"), (True, None)]


@pytest.mark.parametrize("value", ["disabled", "enabled"])
def test_a_hold_that_its_author_set_stays_theirs(cluster, namespace, value):
    files = {"pool.yaml": BY_FLUX.replace("annotations: {", f"annotations: {{{HOLD}: {value}, ")}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)
    connection = connect(cluster)
    for step in (
        lambda: apply_object(connection, wanted, FALLBACK),
        lambda: release(connection, wanted),
    ):
        assert step().result in {ObjectResult.APPLIED, ObjectResult.RELEASED}
        assert (
            look(cluster, namespace, "pool.yaml", "lan")["metadata"]["annotations"][HOLD] == value
        )


def test_without_force_nobody_is_held(cluster, namespace):
    files = {"pool.yaml": BY_FLUX}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)
    apply_object(connect(cluster), wanted, Wish())
    assert HOLD not in look(cluster, namespace, "pool.yaml", "lan")["metadata"]["annotations"]


def test_entries_of_every_version_are_given_back(cluster, namespace):
    """An object that was applied as v2alpha1 and as v2 has an entry for each."""
    files = {"service.yaml": SERVICE}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)
    connection = connect(cluster)
    apply_object(connection, wanted, FALLBACK)
    words = ("annotate", "service", "plex", "-n", namespace, "--field-manager=gitops-prefix")
    cluster.kubectl(*words, "example.com/by-update=1")
    entries = look(cluster, namespace, "service.yaml", "plex")["metadata"]["managedFields"]
    assert [one["manager"] for one in entries].count("gitops-prefix") == 2
    assert release(connection, wanted).result is ObjectResult.RELEASED
    live = look(cluster, namespace, "service.yaml", "plex")
    assert "gitops-prefix" not in {one["manager"] for one in live["metadata"]["managedFields"]}
    assert live["metadata"]["annotations"]["example.com/by-update"] == "1"


def test_what_is_gone_is_not_made_to_be_released(cluster, namespace):
    (wanted,) = configurations({"pool.yaml": POOL}, namespace, A)
    assert release(connect(cluster), wanted).result is ObjectResult.MISSING
    assert not cluster.kubectl("get", RESOURCES["pool.yaml"], "-o", "name")


@pytest.mark.parametrize(
    ("revision", "commit", "standing"),
    [
        (OLD, NEW, ObjectResult.WAITING),
        (NEW, NEW, ObjectResult.RELEASED),
        (OLD, "", ObjectResult.RELEASED),
        ("", NEW, ObjectResult.RELEASED),
    ],
    ids=["Flux is behind", "Flux has it", "not waited for", "no such Kustomization"],
)
def test_flux_is_held_until_it_has_the_commit(cluster, namespace, revision, commit, standing):
    """Let go before, it would put the old value back until it fetches."""
    files = {"pool.yaml": FOLLOWED}
    sync(cluster, namespace, files, A)
    if revision:
        cluster.apply(KUSTOMIZATION.replace("NAMESPACE", namespace).replace("REVISION", revision))
    (wanted,) = configurations(files, namespace, A, B)
    connection = connect(cluster)
    apply_object(connection, wanted, FALLBACK)
    assert release(connection, wanted, commit).result is standing
    live = look(cluster, namespace, "pool.yaml", "lan")
    held = live["metadata"]["annotations"].get(HOLD)
    assert held == ("disabled" if standing is ObjectResult.WAITING else None)
    assert live["spec"]["blocks"] == wanted.fields[0].value


def kustomization(namespace: str, name: str, revision: str) -> str:
    """A Kustomization that has the pool in its inventory, among others."""
    text = KUSTOMIZATION.replace("NAMESPACE", namespace).replace("REVISION", revision)
    ids = ("_other_cilium.io_CiliumLoadBalancerIPPool", "_lan_cilium.io_CiliumLoadBalancerIPPool")
    entries = ", ".join(f'{{id: "{each}", v: v2}}' for each in ids)
    text = text.replace("status: {", f"status: {{inventory: {{entries: [{entries}]}}, ")
    return text.replace("name: apps", f"name: {name}")


def test_several_kustomizations_on_one_object_are_named_and_all_waited_for(cluster, namespace):
    """Each applies the object: one that is behind would put the old value back."""
    files = {"pool.yaml": FOLLOWED}
    sync(cluster, namespace, files, A)
    cluster.apply(kustomization(namespace, "apps", NEW), kustomization(namespace, "more", OLD))
    (wanted,) = configurations(files, namespace, A, B)
    connection = connect(cluster)
    both = f"Kustomization {namespace}/apps, Kustomization {namespace}/more all apply it"
    assert both in apply_object(connection, wanted, FALLBACK).message
    report = release(connection, wanted, NEW)
    assert report.result is ObjectResult.WAITING and f"{namespace}/more has" in report.message
    cluster.apply(kustomization(namespace, "more", NEW))
    report = release(connection, wanted, NEW)
    assert report.result is ObjectResult.RELEASED and both in report.message
    for name in ("apps", "more"):
        found = cluster.get("kustomizations", name, namespace)
        assert "reconcile.fluxcd.io/requestedAt" in found["metadata"]["annotations"]


@pytest.mark.parametrize("listed_before", [False, True])
def test_kustomizations_that_cannot_be_listed_now_are_not_passed_over(
    cluster, namespace, listed_before, monkeypatch
):
    """One that is not seen would put the old value back; the list of before still counts."""
    files = {"pool.yaml": FOLLOWED}
    sync(cluster, namespace, files, A)
    cluster.apply(kustomization(namespace, "apps", NEW), kustomization(namespace, "more", OLD))
    (wanted,) = configurations(files, namespace, A, B)

    class Failing(Connection):
        fails = not listed_before

        def request(self, method, path, **parameters):
            if path.endswith("/kustomizations") and self.fails:
                raise ApiError(503, "busy", ())
            return super().request(method, path, **parameters)

    connection = Failing(str(cluster.kubeconfig("admin")))
    assert apply_object(connection, wanted, FALLBACK).result is ObjectResult.APPLIED
    connection.fails = True
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 60)
    monkeypatch.setattr("gitops_prefix.apply.kube.time", later)
    report = release(connection, wanted, NEW)
    assert report.result is ObjectResult.WAITING
    assert ("more has" if listed_before else "can be listed: busy") in report.message
    assert release(connection, wanted).result is ObjectResult.RELEASED, "at the end of the patience"


def test_a_right_to_read_kustomizations_is_not_needed(cluster, namespace):
    files = {"pool.yaml": FOLLOWED}
    sync(cluster, namespace, files, A)
    cluster.apply(KUSTOMIZATION.replace("NAMESPACE", namespace).replace("REVISION", OLD))
    rule = {
        "apiGroups": ["cilium.io"],
        "resources": [RESOURCES["pool.yaml"]],
        "verbs": ["get", "patch"],
    }
    connection = connect(cluster, cluster.account("daemon", [rule], namespace=namespace))
    (wanted,) = configurations(files, namespace, A, B)
    apply_object(connection, wanted, FALLBACK)
    assert release(connection, wanted, NEW).result is ObjectResult.RELEASED


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        (403, ObjectResult.RELEASED),
        (404, ObjectResult.RELEASED),
        (429, ObjectResult.WAITING),
        (500, ObjectResult.WAITING),
        (503, ObjectResult.WAITING),
    ],
)
def test_a_server_that_is_busy_says_nothing_about_flux(cluster, namespace, status, standing):
    files = {"pool.yaml": FOLLOWED}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)

    class Busy(Connection):
        def request(self, method, path, **parameters):
            if "/kustomizations/" in path:
                raise ApiError(status, "not now", ())
            return super().request(method, path, **parameters)

    connection = Busy(str(cluster.kubeconfig("admin")))
    apply_object(connection, wanted, FALLBACK)
    assert release(connection, wanted, NEW).result is standing


@pytest.mark.parametrize(
    ("changes", "standing"), [(1, ObjectResult.RELEASED), (99, ObjectResult.FAILED)]
)
def test_what_changes_meanwhile_is_looked_at_again(cluster, namespace, changes, standing):
    """The patch tests the version: an entry that moved in the list is not taken for ours."""
    files = {"pool.yaml": POOL}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)

    class Restless(Connection):
        left = changes

        def patch(self, *arguments):
            if self.left:
                self.left -= 1
                words = ("annotate", RESOURCES["pool.yaml"], "lan", "--overwrite")
                cluster.kubectl(*words, f"example.com/n={self.left}", "--field-manager=another")
            return super().patch(*arguments)

    connection = Restless(str(cluster.kubeconfig("admin")))
    apply_object(connection, wanted, FALLBACK)
    assert release(connection, wanted).result is standing
    managers = cluster.managers(RESOURCES["pool.yaml"], "lan")
    assert {"another", RECONCILER} <= set(managers)
    assert ("gitops-prefix" in managers) is (standing is ObjectResult.FAILED)
    assert look(cluster, namespace, "pool.yaml", "lan")["spec"]["blocks"] == wanted.fields[0].value


def test_what_may_not_be_patched_is_told_with_the_rule(cluster, namespace):
    files = {"pool.yaml": POOL}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)
    apply_object(connect(cluster), wanted, FALLBACK)
    rule = {"apiGroups": ["cilium.io"], "resources": [RESOURCES["pool.yaml"]], "verbs": ["get"]}
    user = cluster.account("reader", [rule], namespace=namespace)
    report = release(connect(cluster, user), wanted)
    assert report.result is ObjectResult.FORBIDDEN and 'verbs: ["get", "patch"]' in report.message
