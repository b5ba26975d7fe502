"""Each component of examples/kustomize, as it is: its role, its variables, and the real daemon.

The namespaces and names are those that the manifests say.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.apiserver import ApiServer
from tests.apply.manifests import POOL, STATIC_PREFIX
from tests.apply.rules import documents
from tests.branch import bare_repository
from tests.examples.deployments import built, environment
from tests.netns import until
from tests.parts import require

HOME = "gitops-prefix"
FLUX = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository"}
ARGOCD = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}


def grant(cluster: ApiServer, component: str) -> str:
    """Apply its role as it stands, and nothing else; who then may."""
    roles = documents(component)
    namespaces = {HOME, *(one["metadata"].get("namespace", HOME) for one in roles)}
    for name in namespaces:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    cluster.apply(*roles)
    return cluster.account(HOME, namespace=HOME)


def variables(component: str) -> dict[str, str]:
    """Those that the component adds to the base."""
    before = environment(built())
    return {key: text for key, text in environment(built(component)).items() if key not in before}


@contextmanager
def daemon(
    cluster: ApiServer, tmp_path: Path, component: str, *options: str
) -> Iterator[tuple[subprocess.Popen, Path]]:
    require("kubectl")
    user = grant(cluster, component)
    remote = bare_repository(
        tmp_path, {"prefix.yaml": STATIC_PREFIX.encode(), "pool.yaml": POOL.encode()}
    )
    log = tmp_path / "log"
    words = [sys.executable, "-m", "gitops_prefix", "run", f"--repo={remote}"]
    words += [f"--clone-dir={tmp_path / 'clone'}", f"--kubeconfig={cluster.kubeconfig(user)}"]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [*words, *options],
            stderr=stderr,
            cwd=tmp_path,
            env={**os.environ, **variables(component)},
        )
    try:
        yield process, log
    finally:
        process.kill()
        process.wait()


ASKED = {
    "reconcile-flux": (FLUX, "flux-system", "flux-system", "reconcile.fluxcd.io/requestedAt"),
    "reconcile-argocd": (ARGOCD, "argocd", "gitops-prefix", "argocd.argoproj.io/refresh"),
}
"""The object, its namespace and name, and the annotation that it gets."""


@pytest.mark.parametrize("component", ASKED)
def test_after_a_push_the_reconciler_is_asked(cluster, namespace, tmp_path, component):
    document, where, name, annotation = ASKED[component]
    grant(cluster, component)
    cluster.apply({**document, "metadata": {"namespace": where, "name": name}, "spec": {}})
    with daemon(cluster, tmp_path, component, "--once") as (process, log):
        assert process.wait(120) == 0, log.read_text()
    live = cluster.get(document["kind"], name, where)
    assert annotation in live["metadata"]["annotations"]
    assert "was not notified" not in log.read_text()


def test_events_are_told(cluster, namespace, tmp_path):
    with daemon(cluster, tmp_path, "events", "--once") as (process, log):
        assert process.wait(120) == 0, log.read_text()
    assert "Events" not in log.read_text()
    form = "jsonpath={range .items[*]}{.reason} {.involvedObject.name}{'\\n'}{end}"
    assert "PrefixChanged lan" in cluster.kubectl("get", "events", "-n", "default", "-o", form)


def test_a_leader_is_elected_in_its_own_namespace(cluster, namespace, tmp_path):
    with daemon(cluster, tmp_path, "leader-election", f"--lease-namespace={HOME}") as (_, log):
        until(lambda: "we lead" in log.read_text(), "the lead")
        until(lambda: "published" in log.read_text(), "the commit")
        assert cluster.get("lease", HOME, HOME)["spec"]["leaseDurationSeconds"] == 15


def test_its_role_is_for_that_namespace_alone(cluster, namespace, tmp_path):
    options = [f"--lease-namespace={namespace}"]
    with daemon(cluster, tmp_path, "leader-election", *options) as (_, log):
        until(lambda: "Lease: " in log.read_text(), "the refusal")
        assert "forbidden" in log.read_text()


ALLOWED = {
    "reconcile-flux": ["--request-reconcile=gitrepository:flux-system/flux-system"],
    "reconcile-argocd": ["--request-reconcile=application:argocd/gitops-prefix"],
    "direct-apply-argocd": [
        "--request-reconcile=application:argocd/gitops-prefix",
        "--apply=fallback",
    ],
    "leader-election": ["--leader-elect", f"--lease-namespace={HOME}"],
    "events": ["--events"],
    "direct-apply-flux": [
        "--request-reconcile=gitrepository:flux-system/flux-system",
        "--apply=fallback",
    ],
}
"""The options of a component; those of another one beside it are not asked for."""


@pytest.mark.parametrize("component", ALLOWED)
def test_doctor_finds_the_rights_of_a_component(cluster, namespace, tmp_path, component):
    """The roles name the objects, so doctor asks about them by name."""
    names = [component, *(["direct-apply"] if "--apply=fallback" in ALLOWED[component] else [])]
    names += [component.replace("direct-apply", "reconcile")] * (
        "--apply=fallback" in ALLOWED[component]
    )
    (user, *_) = [grant(cluster, name) for name in names]
    files = {"prefix.yaml": STATIC_PREFIX.encode(), "pool.yaml": POOL.encode()}
    remote = bare_repository(tmp_path, files)
    words = [sys.executable, "-m", "gitops_prefix", "doctor", "--output=json", f"--repo={remote}"]
    words += [f"--kubeconfig={cluster.kubeconfig(user)}", *ALLOWED[component]]
    said = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path).stdout
    rights = [check for check in json.loads(said)["checks"] if check["name"] == "API server"]
    assert rights and {check["answer"] for check in rights} == {"ok"}, rights
