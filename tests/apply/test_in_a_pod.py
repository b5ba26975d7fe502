"""In a pod nothing is named: its own account, its own namespace, and the cluster around it.

The files that the kubelet puts there are put into a mount namespace of the process's own.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

from gitops_prefix.apply.events import ObjectEvent, Regarding
from tests.apiserver import ApiServer
from tests.apply.rules import rules
from tests.git_servers import free_port
from tests.parts import require

ENTER = """\
mount -t tmpfs pod /run
mkdir -p /run/secrets/kubernetes.io
ln -s "$1" /run/secrets/kubernetes.io/serviceaccount
shift
exec "$@"
"""


def account_files(cluster: ApiServer, namespace: str, tmp_path, given: list) -> str:
    """Token, authority and namespace, as the kubelet mounts them."""
    user = cluster.account("pod", given, namespace=namespace)
    kubeconfig = json.loads(cluster.kubeconfig(user).read_text())
    directory = tmp_path / "account"
    directory.mkdir()
    (directory / "token").write_text(kubeconfig["users"][0]["user"]["token"])
    (directory / "ca.crt").write_text(cluster.authority.read_text())
    (directory / "namespace").write_text(namespace)
    return str(directory)


def in_pod(cluster: ApiServer, files: str, *words: str, **options) -> subprocess.Popen:
    _, _, port = cluster.url.rpartition(":")
    where = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port}
    # The Git host's, which is none of the cluster's.
    where["HTTPS_PROXY"] = f"http://127.0.0.1:{free_port()}"
    ours = {key: text for key, text in os.environ.items() if key != "KUBECONFIG"}
    command = ["unshare", "--mount", "sh", "-c", ENTER, "sh", files, sys.executable, *words]
    return subprocess.Popen(command, env={**ours, **where}, stdin=subprocess.PIPE, **options)


def test_the_lease_is_in_its_own_namespace(cluster, namespace, tmp_path):
    require("netns")
    files = account_files(cluster, namespace, tmp_path, rules("leader-election"))
    words = ["-m", "gitops_prefix.apply.kube_lease", "--name=gitops-prefix"]
    words += ["--lease=6", "--renew=4", "--retry=0.2"]
    process = in_pod(cluster, files, *words, stdout=subprocess.PIPE, text=True)
    try:
        said = json.loads(process.stdout.readline())
        assert said.get("until"), said
        assert cluster.get("lease", "gitops-prefix", namespace)["spec"]["holderIdentity"]
    finally:
        process.stdin.close()
        process.stdout.close()
        assert process.wait(30) == 0
    assert cluster.get("lease", "gitops-prefix", namespace)["spec"]["holderIdentity"] == ""


def test_the_child_that_applies_has_the_pods_account(cluster, namespace, tmp_path):
    require("netns")
    files = account_files(cluster, namespace, tmp_path, rules("events"))
    process = in_pod(
        cluster, files, "-m", "gitops_prefix.apply.kube_child", stdout=subprocess.PIPE, text=True
    )
    event = ObjectEvent(
        Regarding("v1", "Service", namespace, "plex"), "Tried", "Try", "it came through"
    )
    told = [event.document(datetime(2026, 11, 25, tzinfo=UTC), "pod")]
    request = {"operation": "events", "arguments": {"events": told}}
    answer, _ = process.communicate(json.dumps(request) + "\n", timeout=60)
    assert json.loads(answer) == {"answer": {}}
    assert "it came through" in cluster.kubectl("get", "events", "-n", namespace)


def test_a_pod_without_a_token_is_told_what_it_lacks(cluster, namespace, tmp_path):
    require("netns")
    empty = tmp_path / "empty"
    empty.mkdir()
    process = in_pod(
        cluster, str(empty), "-m", "gitops_prefix.apply.kube_lease", "--lease=6", "--renew=4",
        "--retry=1", stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    answer, _ = process.communicate(timeout=60)
    assert "service account" in json.loads(answer)["error"]
    assert process.returncode == 3
