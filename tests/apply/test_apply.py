"""Direct apply against a real API server: the managed fields, and nothing else of any object."""

from dataclasses import replace

import pytest

from gitops_prefix.apply.fields import ObjectResult
from gitops_prefix.apply.kube import Connection
from gitops_prefix.apply.kube_apply import apply_object
from gitops_prefix.apply.kube_child import answer
from gitops_prefix.apply.protocol import ApplyObjects, Wish
from gitops_prefix.render.node import value_at
from tests.apply.live import (
    BEFORE,
    FALLBACK,
    RECONCILER,
    RESOURCES,
    connect,
    look,
    release,
    sync,
    without,
)
from tests.apply.manifests import (
    EVERY_KIND,
    GROUP,
    MARKED,
    POOL,
    SERVICE,
    A,
    B,
    configurations,
)
from tests.custom_resources import names


@pytest.mark.parametrize("path", EVERY_KIND)
def test_the_managed_fields_of_every_kind_follow_and_nothing_else_moves(cluster, namespace, path):
    files = {path: EVERY_KIND[path]}
    sync(cluster, namespace, files, *BEFORE[path])
    (wanted,) = configurations(files, namespace, A, B)
    before = look(cluster, namespace, path, wanted.name)

    report = apply_object(connect(cluster), wanted, FALLBACK)

    after = look(cluster, namespace, path, wanted.name)
    assert report.result is ObjectResult.APPLIED, report
    assert report.owners == (RECONCILER,)
    for field in wanted.fields:
        assert value_at(after, field.path) == field.value
    paths = [one.path for one in wanted.fields]
    assert without(after, paths) == without(before, paths)
    assert apply_object(connect(cluster), wanted, FALLBACK).result is ObjectResult.UNCHANGED


def test_a_past_pool_of_calico_is_not_made(cluster, namespace):
    files = {"calico.yaml": EVERY_KIND["calico.yaml"]}
    sync(cluster, namespace, files, A)
    for wanted in configurations(files, namespace, A, B):
        apply_object(connect(cluster), wanted, FALLBACK)
    assert len(cluster.kubectl("get", "ippools.projectcalico.org", "-o", "name").split()) == 1


@pytest.mark.parametrize(
    ("manager", "force", "standing"),
    [
        (RECONCILER, True, ObjectResult.APPLIED),
        ("helm-controller", True, ObjectResult.APPLIED),
        ("argocd-controller", True, ObjectResult.APPLIED),
        ("kubectl-client-side-apply", True, ObjectResult.APPLIED),
        ("kubectl", True, ObjectResult.CONFLICT),
        ("cilium-operator", True, ObjectResult.CONFLICT),
        (RECONCILER, False, ObjectResult.CONFLICT),
        ("argocd-controller", False, ObjectResult.CONFLICT),
    ],
)
def test_whose_fields_are_taken_over_and_when(cluster, namespace, manager, force, standing):
    files = {"pool.yaml": POOL}
    sync(cluster, namespace, files, A, manager=manager)
    (wanted,) = configurations(files, namespace, A, B)
    before = look(cluster, namespace, "pool.yaml", "lan")
    report = apply_object(connect(cluster), wanted, Wish(force=force))
    assert report.result is standing
    if standing is ObjectResult.CONFLICT:
        assert manager in report.message and "spec.blocks" in report.message
        assert look(cluster, namespace, "pool.yaml", "lan") == before


def test_what_another_manager_owns_is_left_alone_and_the_rest_follows(cluster, namespace):
    files = {"service.yaml": SERVICE}
    sync(cluster, namespace, files, A)
    target = "external-dns.alpha.kubernetes.io/target"
    words = ("annotate", "service", "plex", "-n", namespace, "--overwrite")
    cluster.kubectl(*words, "--field-manager=somebody", f"{target}=example.com")
    (wanted,) = configurations(files, namespace, A, B)
    report = apply_object(connect(cluster), wanted, FALLBACK)
    annotations = look(cluster, namespace, "service.yaml", "plex")["metadata"]["annotations"]
    assert report.result is ObjectResult.APPLIED
    assert "somebody" in report.message
    assert annotations[target] == "example.com"
    assert annotations["lbipam.cilium.io/ips"].startswith("2001:db8:b:0:f000::10,2001:db8:a:")


def test_what_we_own_and_no_longer_want_is_not_deleted(cluster, namespace):
    """Applying without a field that we alone own would delete it."""
    files = {"service.yaml": SERVICE}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)
    apply_object(connect(cluster), wanted, FALLBACK)
    theirs = SERVICE.replace(
        "    example.com", '    dynamic-prefix.io/skip-external-dns-update: "true"\n    example.com'
    )
    (less,) = configurations({"service.yaml": theirs}, namespace, A, B, "2001:db8:c::/64")
    assert len(less.fields) == 1
    assert apply_object(connect(cluster), less, FALLBACK).result is ObjectResult.APPLIED
    annotations = look(cluster, namespace, "service.yaml", "plex")["metadata"]["annotations"]
    assert (
        annotations["external-dns.alpha.kubernetes.io/target"]
        == "2001:db8:b:0:f000::10,192.168.42.10"
    )


def test_what_is_not_there_is_not_made(cluster, namespace):
    for wanted in configurations(EVERY_KIND, namespace, A, B):
        report = apply_object(connect(cluster), wanted, FALLBACK)
        assert report.result is ObjectResult.MISSING, report
    assert not cluster.kubectl("get", ",".join(names(scope="Cluster")), "-o", "name")
    assert not cluster.kubectl("get", "services,helmreleases", "-n", namespace, "-o", "name")


def test_what_is_deleted_between_the_look_and_the_patch_is_not_made_anew(cluster, namespace):
    files = {"pool.yaml": POOL}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)

    class Deleting(Connection):
        def apply(self, served, body, *, force, dry_run, manager=""):
            if not dry_run:
                cluster.kubectl("delete", RESOURCES["pool.yaml"], "lan")
            return super().apply(served, body, force=force, dry_run=dry_run)

    report = apply_object(Deleting(str(cluster.kubeconfig("admin"))), wanted, FALLBACK)
    assert report.result is ObjectResult.MISSING
    assert not cluster.kubectl("get", RESOURCES["pool.yaml"], "-o", "name")


@pytest.mark.parametrize("manager", [RECONCILER, "somebody"])
def test_what_changes_between_the_look_and_the_patch_is_looked_at_again(
    cluster, namespace, manager
):
    """Somebody who took the field meanwhile keeps it, though we were about to force."""
    files = {"pool.yaml": POOL}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)

    class Meddling(Connection):
        meddled = False

        def apply(self, served, body, *, force, dry_run, manager=""):
            if not dry_run and not self.meddled:
                self.meddled = True
                meddle()
            return super().apply(served, body, force=force, dry_run=dry_run)

    def meddle():
        sync(cluster, namespace, {"pool.yaml": POOL}, "2001:db8:c::/64", manager=manager)

    report = apply_object(Meddling(str(cluster.kubeconfig("admin"))), wanted, FALLBACK)
    first = look(cluster, namespace, "pool.yaml", "lan")["spec"]["blocks"][0]["start"]
    if manager == RECONCILER:
        assert (report.result, first) == (ObjectResult.APPLIED, "2001:db8:b:0:f000::")
    else:
        assert (report.result, first) == (ObjectResult.CONFLICT, "2001:db8:c:0:f000::")


@pytest.mark.parametrize(
    "change",
    [
        {"api_version": "cilium.io/v9"},
        {"api_version": "example.com/v1"},
        {"kind": "CiliumNoSuchThing"},
    ],
)
def test_a_kind_that_is_not_installed_is_told(cluster, namespace, change):
    (wanted,) = configurations({"pool.yaml": POOL}, namespace, A)
    report = apply_object(connect(cluster), replace(wanted, **change), FALLBACK)
    assert report.result is ObjectResult.NOT_INSTALLED
    assert next(iter(change.values())) in report.message


@pytest.mark.parametrize("verbs", [[], ["get"]])
def test_forbidden_prints_the_rule_that_is_missing(cluster, namespace, verbs):
    files = {"pool.yaml": POOL}
    sync(cluster, namespace, files, A)
    rule = {"apiGroups": ["cilium.io"], "resources": ["ciliumloadbalancerippools"], "verbs": verbs}
    user = cluster.account("daemon", [rule] if verbs else (), namespace=namespace)
    (wanted,) = configurations(files, namespace, A, B)
    report = apply_object(connect(cluster, user), wanted, FALLBACK)
    assert report.result is ObjectResult.FORBIDDEN
    assert '{apiGroups: ["cilium.io"]' in report.message
    assert 'resources: ["ciliumloadbalancerippools"]' in report.message
    assert 'verbs: ["get", "patch"]' in report.message


def test_get_and_patch_are_all_the_rights_it_takes(cluster, namespace):
    files = {"pool.yaml": POOL}
    sync(cluster, namespace, files, A)
    rule = {
        "apiGroups": ["cilium.io"],
        "resources": ["ciliumloadbalancerippools"],
        "verbs": ["get", "patch"],
    }
    user = cluster.account("daemon", [rule], namespace=namespace)
    (wanted,) = configurations(files, namespace, A, B)
    connection = connect(cluster, user)
    assert apply_object(connection, wanted, FALLBACK).result is ObjectResult.APPLIED
    assert release(connection, wanted).result is ObjectResult.RELEASED


def test_an_apply_that_would_change_more_is_refused(cluster, namespace):
    """The list that a marked field stands in is applied whole: it must be the file's."""
    files = {"marked.yaml": MARKED}
    sync(cluster, namespace, files, A)
    patch = '[{"op": "replace", "path": "/spec/values/routes/0/metric", "value": 9}]'
    words = ("helmrelease", "ingress", "-n", namespace, "--field-manager=" + RECONCILER)
    cluster.kubectl("patch", *words, "--type=json", "-p", patch)
    before = look(cluster, namespace, "marked.yaml", "ingress")
    (wanted,) = configurations(files, namespace, A, B)
    report = apply_object(connect(cluster), wanted, FALLBACK)
    assert report.result is ObjectResult.REFUSED
    assert "spec.values.routes[0].metric" in report.message
    assert look(cluster, namespace, "marked.yaml", "ingress") == before


def test_a_value_that_the_schema_does_not_take_is_told_in_the_servers_words(cluster, namespace):
    files = {"service.yaml": SERVICE}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)
    ports = replace(wanted.fields[0], path=("spec", "ports"), value="nonsense")
    wrong = replace(wanted, fields=(ports,), body={"spec": {"ports": "nonsense"}})
    report = apply_object(connect(cluster), wrong, FALLBACK)
    assert report.result is ObjectResult.FAILED
    assert "ports" in report.message


def test_a_dry_run_writes_nothing(cluster, namespace):
    files = {"pool.yaml": POOL}
    sync(cluster, namespace, files, A)
    before = look(cluster, namespace, "pool.yaml", "lan")
    (wanted,) = configurations(files, namespace, A, B)
    report = apply_object(connect(cluster), wanted, Wish(force=True, dry_run=True))
    assert report.result is ObjectResult.WOULD_CHANGE
    (change,) = report.changes
    assert (change.field, change.before) == ("spec.blocks", before["spec"]["blocks"])
    assert change.after == wanted.fields[0].value
    assert look(cluster, namespace, "pool.yaml", "lan") == before


@pytest.mark.parametrize(
    ("namespaced", "annotation", "standing"),
    [
        (True, "", ObjectResult.APPLIED),
        (False, "home", ObjectResult.APPLIED),
        (False, "other", ObjectResult.ANOTHER),
    ],
)
def test_a_file_without_a_namespace_means_only_what_carries_its_annotation(
    cluster, namespace, namespaced, annotation, standing
):
    there = SERVICE.replace("NAMESPACE", "default")
    sync(cluster, namespace, {"service.yaml": there}, A)
    if annotation:
        words = ("annotate", "service", "plex", "-n", "default", "--overwrite")
        cluster.kubectl(
            *words, f"dynamic-prefix.io/name={annotation}", f"--field-manager={RECONCILER}"
        )
    named = there if namespaced else there.replace("  namespace: default\n", "")
    (wanted,) = configurations({"service.yaml": named}, namespace, A, B)
    try:
        assert apply_object(connect(cluster), wanted, FALLBACK).result is standing
    finally:
        cluster.kubectl("delete", "service", "plex", "-n", "default")


def test_what_the_server_would_make_something_else_of_is_refused(cluster, namespace):
    """It fills in what a port leaves out, so that the cluster would not hold what Git does."""
    files = {"service.yaml": SERVICE}
    sync(cluster, namespace, files, A)
    before = look(cluster, namespace, "service.yaml", "plex")
    (wanted,) = configurations(files, namespace, A, B)
    ports = replace(wanted.fields[0], path=("spec", "ports"), value=[{"name": "web", "port": 80}])
    short = replace(wanted, fields=(ports,), body={"spec": {"ports": ports.value}})
    report = apply_object(connect(cluster), short, FALLBACK)
    assert report.result is ObjectResult.REFUSED
    assert "the server would make spec.ports" in report.message
    assert look(cluster, namespace, "service.yaml", "plex") == before


def test_what_changes_all_the_time_is_told(cluster, namespace):
    files = {"pool.yaml": POOL}
    sync(cluster, namespace, files, A)
    (wanted,) = configurations(files, namespace, A, B)

    class Restless(Connection):
        changes = 0

        def apply(self, served, body, *, force, dry_run, manager=""):
            if not dry_run:
                self.changes += 1
                words = (f"example.com/n={self.changes}", "--overwrite")
                cluster.kubectl("annotate", RESOURCES["pool.yaml"], "lan", *words)
            return super().apply(served, body, force=force, dry_run=dry_run)

    report = apply_object(Restless(str(cluster.kubeconfig("admin"))), wanted, FALLBACK)
    assert report.result is ObjectResult.FAILED
    assert "changes faster" in report.message
    assert look(cluster, namespace, "pool.yaml", "lan")["spec"]["blocks"] != wanted.fields[0].value


def test_an_object_that_is_odd_keeps_no_other_from_its_turn(cluster, namespace):
    files = {"group.yaml": GROUP, "pool.yaml": POOL}
    sync(cluster, namespace, files, A)
    group, pool = configurations(files, namespace, A, B)
    question = ApplyObjects((replace(group, body="odd"), pool), FALLBACK)
    first, second = answer(question, connect(cluster)).reports
    assert (first.result, second.result) == (ObjectResult.FAILED, ObjectResult.APPLIED)
