"""In a pod nothing is named: its own account, its own namespace, and the cluster around it.

The files that the kubelet puts there are put into a mount namespace of the process's own.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from gitops_prefix.apply.election import Election, LeaseName
from gitops_prefix.apply.events import ObjectEvent, Regarding
from gitops_prefix.apply.protocol import (
    Acknowledged,
    MakeEvents,
    TryLease,
    read_answer,
    write_question,
)
from gitops_prefix.errors import OutsideError
from tests.apiserver import ApiServer
from tests.apply.rules import rules
from tests.git_servers import free_port
from tests.parts import require
from tests.pod import in_pod


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


def ask(process: subprocess.Popen, question):
    """What the child answers to one question; it ends then."""
    line, _ = process.communicate(write_question(question).decode(), timeout=120)
    return read_answer(question, line.encode())


def child(cluster: ApiServer, files: str) -> subprocess.Popen:
    words = [sys.executable, "-m", "gitops_prefix.apply.kube_child"]
    # The proxy is the Git host's, which is not the cluster's.
    environment = {**os.environ, "HTTPS_PROXY": f"http://127.0.0.1:{free_port()}"}
    environment.pop("KUBECONFIG", None)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return in_pod(cluster, files, *words, environment=environment, text=True, **pipes)


LEASE = TryLease(LeaseName("gitops-prefix"), Election("us"))


def test_the_lease_is_in_its_own_namespace(cluster, namespace, tmp_path):
    require("netns")
    files = account_files(cluster, namespace, tmp_path, rules("leader-election"))
    assert ask(child(cluster, files), LEASE).leads_until
    assert cluster.get("lease", "gitops-prefix", namespace)["spec"]["holderIdentity"] == "us"


def test_the_child_that_applies_has_the_pods_account(cluster, namespace, tmp_path):
    require("netns")
    files = account_files(cluster, namespace, tmp_path, rules("events"))
    regarding = Regarding("v1", "Service", namespace, "plex")
    event = ObjectEvent(regarding, "Tried", "Try", "it came through")
    question = MakeEvents((event.document(datetime(2026, 11, 25, tzinfo=UTC), "pod"),))
    assert ask(child(cluster, files), question) == Acknowledged()
    assert "it came through" in cluster.kubectl("get", "events", "-n", namespace)


def test_a_pod_without_a_token_is_told_what_it_lacks(cluster, namespace, tmp_path):
    require("netns")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(OutsideError, match="service account"):
        ask(child(cluster, str(empty)), LEASE)
