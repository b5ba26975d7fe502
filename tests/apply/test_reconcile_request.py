"""A reconcile request changes one annotation of one object, with one right."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from gitops_prefix.apply.events import ReconcileRequest
from gitops_prefix.apply.kube import Connection
from gitops_prefix.apply.kube_child import answer
from gitops_prefix.apply.ownership import parse_reconciled, pause_of
from gitops_prefix.apply.protocol import Acknowledged
from gitops_prefix.errors import OutsideError
from gitops_prefix.publish.http import Refused, Unreachable
from tests.apply.rules import rules

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
OBJECTS = {
    "gitrepository": (
        {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository"},
        "flux-system",
        "reconcile-flux",
    ),
    "kustomization": (
        {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization"},
        "network",
        None,
    ),
    "application": (
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"},
        "gitops-prefix",
        "reconcile-argocd",
    ),
}
"""The object, and the component of the examples that may annotate it by that name."""


def rule(kind: str) -> dict:
    """The one right that a request needs."""
    document, name, _ = OBJECTS[kind]
    return {
        "apiGroups": [document["apiVersion"].partition("/")[0]],
        "resources": [parse_reconciled(f"{kind}:a/b").plural],
        "resourceNames": [name],
        "verbs": ["patch"],
    }


def request_for(kind, name, cluster, namespace, user="admin", now=NOON) -> ReconcileRequest:
    connection = Connection(str(cluster.kubeconfig(user)))
    return ReconcileRequest(
        parse_reconciled(f"{kind}:{namespace}/{name}"),
        lambda question: answer(question, connection),
        lambda: now,
    )


@pytest.fixture(params=OBJECTS)
def kind(request, cluster, namespace):
    """Each kind, with an object of it in the cluster."""
    document, name, _ = OBJECTS[request.param]
    metadata = {"name": name, "namespace": namespace, "annotations": {"theirs": "stays"}}
    cluster.apply({**document, "metadata": metadata, "spec": {"suspend": False}}, manager="person")
    return request.param


def look(cluster, namespace, kind) -> dict:
    return cluster.get(OBJECTS[kind][0]["kind"], OBJECTS[kind][1], namespace)


def test_one_annotation_is_added_and_nothing_else_changes(cluster, namespace, kind):
    before = look(cluster, namespace, kind)
    assert request_for(kind, OBJECTS[kind][1], cluster, namespace).notify(None) is None
    after = look(cluster, namespace, kind)
    key, value = (
        ("argocd.argoproj.io/refresh", "normal")
        if kind == "application"
        else ("reconcile.fluxcd.io/requestedAt", "2026-11-25T12:00:00.000000Z")
    )
    assert after["metadata"]["annotations"] == {"theirs": "stays", key: value}
    assert after["spec"] == before["spec"]
    assert "gitops-prefix" in cluster.managers(
        OBJECTS[kind][0]["kind"], OBJECTS[kind][1], namespace
    )


def test_each_request_of_flux_is_a_new_one(cluster, namespace):
    """A value that is there already asks for nothing."""
    repository = parse_reconciled("gitrepository:flux-system/a")
    assert repository.annotation(NOON) != repository.annotation(NOON + timedelta(microseconds=1))


@pytest.mark.parametrize("kind", [kind for kind, one in OBJECTS.items() if one[2]])
def test_the_role_of_the_example_is_that_one_right(kind):
    assert rules(OBJECTS[kind][2]) == [rule(kind)]


def test_it_is_enough(cluster, namespace, kind):
    user = cluster.account("asks", [rule(kind)], namespace=namespace)
    assert request_for(kind, OBJECTS[kind][1], cluster, namespace, user).notify(None) is None


def test_without_it_the_rule_that_is_missing_is_shown(cluster, namespace, kind):
    user = cluster.account("other", namespace=namespace)
    refused = request_for(kind, OBJECTS[kind][1], cluster, namespace, user).notify(None)
    assert isinstance(refused, Refused)
    assert f'resources: ["{rule(kind)["resources"][0]}"]' in refused.words
    assert 'verbs: ["patch"]' in refused.words


def test_another_name_is_not_ours_to_touch(cluster, namespace, kind):
    user = cluster.account("asks", [rule(kind)], namespace=namespace)
    refused = request_for(kind, "another", cluster, namespace, user).notify(None)
    assert isinstance(refused, Refused)
    assert "forbidden" in refused.words


def test_an_object_that_is_not_there_is_told(cluster, namespace):
    refused = request_for("application", "none", cluster, namespace).notify(None)
    assert refused == Refused(f"there is no Application {namespace}/none")


def test_a_process_that_does_not_answer_is_asked_again_later():
    def ask(question):
        raise OutsideError("it hangs")

    request = ReconcileRequest(parse_reconciled("application:argocd/apps"), ask, lambda: NOON)
    assert request.notify(None) == Unreachable("it hangs")
    assert request.name == "Application argocd/apps"


PAUSED = {
    "no word of sync": ("application", {}, "no automated sync"),
    "a sync policy of options alone": (
        "application", {"syncPolicy": {"syncOptions": ["ServerSideApply=true"]}}, "no automated sync"
    ),
    "switched off": (
        "application", {"syncPolicy": {"automated": {"enabled": False}}}, "no automated sync"
    ),
    "automated": ("application", {"syncPolicy": {"automated": {}}}, ""),
    "a suspended source": ("gitrepository", {"suspend": True}, "suspended"),
    "a suspended Kustomization": ("kustomization", {"suspend": True}, "suspended"),
    "a source": ("gitrepository", {"suspend": False}, ""),
    "no specification": ("kustomization", None, ""),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "spec", "words"), PAUSED.values(), ids=PAUSED)
def test_what_waits_for_a_person_is_reported(kind, spec, words):
    """The commit is published, and nothing in the cluster would say why it does not come."""
    found = pause_of({**OBJECTS[kind][0], "spec": spec})
    assert words in found and bool(found) is bool(words)


def test_a_remark_is_logged_and_is_no_failure(caplog):
    request = ReconcileRequest(
        parse_reconciled("application:argocd/apps"),
        lambda _: Acknowledged(remark="so"),
        lambda: NOON,
    )
    logger = logging.getLogger("gitops_prefix")
    logger.addHandler(caplog.handler)
    try:
        assert request.notify(None) is None
    finally:
        logger.removeHandler(caplog.handler)
    assert "Application argocd/apps: so" in caplog.messages
