"""The daemon tells the cluster of a push: reconcilers are asked, and objects have Events."""

import json
import subprocess
import sys

import pytest

from tests.apply import kubeconfigs
from tests.apply.manifests import POOL, STATIC_PREFIX
from tests.apply.rules import rules
from tests.branch import bare_repository
from tests.git_servers import free_port
from tests.gitrepo import git

SOURCE = {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository"}
ASKED = "reconcile.fluxcd.io/requestedAt"


@pytest.fixture
def remote(tmp_path):
    return bare_repository(
        tmp_path, {"prefix.yaml": STATIC_PREFIX.encode(), "pool.yaml": POOL.encode()}
    )


def once(cluster, tmp_path, remote, *options: str, user: str = "admin"):
    """Publish what is there, and leave."""
    words = [sys.executable, "-m", "gitops_prefix", "run", "--once", f"--repo={remote}"]
    words += [f"--clone-dir={tmp_path / 'clone'}", f"--kubeconfig={cluster.kubeconfig(user)}"]
    return subprocess.run(
        [*words, *options], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120
    )


def test_after_a_push_flux_is_asked_and_the_pool_has_an_event(cluster, namespace, tmp_path, remote):
    metadata = {"name": "flux-system", "namespace": namespace}
    cluster.apply({**SOURCE, "metadata": metadata, "spec": {"interval": "1m", "url": "ssh://a/b"}})
    user = cluster.account("daemon", [*rules("reconcile-flux"), *rules("events")])
    before = _events(cluster)
    options = [f"--request-reconcile=gitrepository:{namespace}/flux-system", "--events"]
    answer = once(cluster, tmp_path, remote, *options, user=user)
    assert answer.returncode == 0, answer.stderr
    live = cluster.get("gitrepository", "flux-system", namespace)
    first = live["metadata"]["annotations"][ASKED]
    [event] = [one for one in _events(cluster) if one not in before]
    commit = git(remote, "rev-parse", "main")[:12]
    assert event == f"PrefixChanged lan home: none -> 2001:db8:1::/64, published as {commit}"
    again = once(cluster, tmp_path, remote, *options, user=user)
    assert again.returncode == 0
    live = cluster.get("gitrepository", "flux-system", namespace)
    assert live["metadata"]["annotations"][ASKED] == first, "nothing was pushed, nobody is asked"


def test_who_cannot_be_asked_keeps_nothing_from_being_published(
    cluster, namespace, tmp_path, remote
):
    options = [f"--request-reconcile=application:{namespace}/none", "--events"]
    answer = once(cluster, tmp_path, remote, *options, user="stranger")
    assert answer.returncode == 0, answer.stderr
    assert "currentPrefix" in git(remote, "show", "main:prefix.yaml")
    assert 'resources: [\\"applications\\"]' in answer.stderr
    assert "Events are not made: forbidden" in answer.stderr


def test_a_cluster_that_is_away_keeps_nothing_from_being_published(tmp_path, remote):
    path = tmp_path / "kubeconfig"
    context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
    cluster = {"name": "a", "cluster": {"server": f"http://127.0.0.1:{free_port()}"}}
    kubeconfig = {
        "clusters": [cluster],
        "contexts": [context],
        "users": [{"name": "a", "user": {}}],
    }
    path.write_text(json.dumps(kubeconfig | {"current-context": "a"}))
    words = [sys.executable, "-m", "gitops_prefix", "run", "--once", f"--repo={remote}"]
    words += [f"--clone-dir={tmp_path / 'clone'}", f"--kubeconfig={path}", "--events"]
    words += ["--request-reconcile=application:argocd/apps"]
    answer = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "currentPrefix" in git(remote, "show", "main:prefix.yaml")
    assert "Application argocd/apps was not notified" in answer.stderr


@pytest.mark.parametrize(
    "case", ["no YAML", "a token that is a number", "a proxy that is a number"]
)
def test_a_kubeconfig_that_cannot_be_used_keeps_nothing_from_being_published(
    tmp_path, remote, case
):
    """Each message names it; test_doctor and test_bad_day have the other ways to break one."""
    path = tmp_path / "kubeconfig"
    if case in kubeconfigs.BROKEN:
        path.write_text(kubeconfigs.BROKEN[case])
    else:
        user, cluster, more, _ = kubeconfigs.WRONG[case]
        kubeconfigs.kubeconfig(path, {"token": kubeconfigs.TOKEN} | user, cluster, **more)
    words = [sys.executable, "-m", "gitops_prefix", "run", "--once", f"--repo={remote}"]
    words += [f"--clone-dir={tmp_path / 'clone'}", f"--kubeconfig={path}", "--events"]
    answer = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "currentPrefix" in git(remote, "show", "main:prefix.yaml")
    assert answer.stderr.count(f"Events are not made: {path}") == 1
    assert kubeconfigs.TOKEN not in answer.stderr and "Traceback" not in answer.stderr


def _events(cluster) -> list[str]:
    form = "jsonpath={range .items[*]}{.reason} {.involvedObject.name} {.message}{'\\n'}{end}"
    return cluster.kubectl("get", "events", "-n", "default", "-o", form).splitlines()
