"""The process that holds the Lease, against a real API server."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.apiserver import ADMIN, ApiServer, api_server
from tests.apply.rules import rules, without_one
from tests.netns import until

LEASE, RENEW, RETRY = 6.0, 4.0, 0.2


class Process:
    """A candidate in a process of its own, and the last that it said."""

    def __init__(self, popen: subprocess.Popen, path) -> None:
        self.popen, self._path = popen, path

    def lines(self) -> list[dict]:
        return [
            json.loads(line) for line in self._path.read_text().splitlines() if line.endswith("}")
        ]

    def leads(self) -> bool:
        said = [one["until"] for one in self.lines() if "until" in one]
        return bool(said) and said[-1] is not None and time.monotonic() < said[-1]

    def errors(self) -> list[str]:
        return [one["error"] for one in self.lines() if "error" in one]


@contextmanager
def candidate(
    cluster: ApiServer, namespace: str, tmp_path, name: str, user: str = ADMIN, kubeconfig=None
) -> Iterator[Process]:
    path = tmp_path / f"{name}.lines"
    words = [sys.executable, "-m", "gitops_prefix.apply.kube_lease", "--name=gitops-prefix"]
    words += [f"--namespace={namespace}", f"--kubeconfig={kubeconfig or cluster.kubeconfig(user)}"]
    words += [f"--lease={LEASE}", f"--renew={RENEW}", f"--retry={RETRY}"]
    with path.open("w") as out:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=out)
    try:
        yield Process(process, path)
    finally:
        process.stdin.close()
        process.kill()
        process.wait()


def spec(cluster: ApiServer, namespace: str) -> dict:
    return cluster.get("lease", "gitops-prefix", namespace)["spec"]


def test_one_leads_and_the_other_waits_until_it_is_killed(cluster, namespace, tmp_path):
    """kill -9: nobody gives anything up, and the record ages."""
    with candidate(cluster, namespace, tmp_path, "a") as first:
        until(first.leads, "the first", 30)
        with candidate(cluster, namespace, tmp_path, "b") as second:
            until(lambda: len(second.lines()) > 3, "the second", 30)
            assert not any(one["until"] for one in second.lines())
            before = spec(cluster, namespace)
            first.popen.kill()
            until(second.leads, "the second", 30)
            after = spec(cluster, namespace)
    assert second.lines()[0]["holder"] == before["holderIdentity"] != after["holderIdentity"]
    assert (before["leaseTransitions"], after["leaseTransitions"]) == (0, 1)
    assert before["leaseDurationSeconds"] == LEASE


@pytest.mark.parametrize("how", ["SIGTERM", "the daemon is gone"])
def test_who_ends_gives_it_up(cluster, namespace, tmp_path, how):
    with candidate(cluster, namespace, tmp_path, "a") as first:
        until(first.leads, "the first", 30)
        if how == "SIGTERM":
            first.popen.send_signal(signal.SIGTERM)
        else:
            first.popen.stdin.close()
        assert first.popen.wait(30) == 0
    assert spec(cluster, namespace)["holderIdentity"] == ""


def test_a_follower_that_ends_leaves_it_alone(cluster, namespace, tmp_path):
    with candidate(cluster, namespace, tmp_path, "a") as first:
        until(first.leads, "the first", 30)
        with candidate(cluster, namespace, tmp_path, "b") as second:
            until(second.lines, "the second", 30)
            second.popen.terminate()
            assert second.popen.wait(30) == 0
        assert spec(cluster, namespace)["holderIdentity"] == first.lines()[-1]["holder"]


def test_a_lease_that_somebody_else_takes_ends_our_lead(cluster, namespace, tmp_path):
    """By hand, say; it is followed as any other, and taken when nobody renews it."""
    with candidate(cluster, namespace, tmp_path, "a") as first:
        until(first.leads, "the first", 30)
        stolen = {"spec": {"holderIdentity": "me", "leaseDurationSeconds": 2}}
        cluster.kubectl(
            "patch",
            "lease",
            "gitops-prefix",
            "-n",
            namespace,
            "--type=merge",
            "-p",
            json.dumps(stolen),
        )
        until(lambda: not first.leads(), "the loss", 30)
        assert first.lines()[-1] == {"until": None, "holder": "me"}
        until(first.leads, "the return", 30)
    assert spec(cluster, namespace)["leaseTransitions"] == 1


def test_the_rules_of_the_example_are_enough(cluster, namespace, tmp_path):
    user = cluster.account("leader", rules("leader-election"), namespace=namespace)
    with candidate(cluster, namespace, tmp_path, "a", user) as first:
        until(first.leads, "the first", 30)
        until(lambda: len(first.lines()) > 3, "a renewal", 30)
        assert first.errors() == []


@pytest.mark.parametrize(
    ("lacking", "rest"), [*without_one(rules("leader-election"))], ids=lambda one: str(one)[:14]
)
def test_and_none_of_them_is_too_much(cluster, namespace, tmp_path, lacking, rest):
    """Without it something fails, and the message says what."""
    user = cluster.account("lacking", rest, namespace=namespace)
    with candidate(cluster, namespace, tmp_path, "a", user) as first:
        until(first.errors, "the refusal", 30)
        assert f'cannot {lacking.split()[0]} resource "leases"' in first.errors()[0]


def test_a_lead_ends_without_the_server_and_comes_back_with_it(tmp_path):
    """It ends by the clock: nobody has to say so."""
    with ExitStack() as stack:
        server = stack.enter_context(api_server(tmp_path / "server"))
        first = stack.enter_context(candidate(server, "default", tmp_path, "a"))
        until(first.leads, "the lead", 30)
        with frozen(server):
            until(lambda: not first.leads(), "the end", 30)
            until(first.errors, "the reason", 30)
        until(first.leads, "the return", 60)


@contextmanager
def frozen(server: ApiServer) -> Iterator[None]:
    """It takes connections, and answers nobody."""
    port = server.url.rpartition(":")[2]
    [pid] = subprocess.run(
        ["pgrep", "-f", f"secure-port={port}"], capture_output=True, text=True, check=True
    ).stdout.split()
    os.kill(int(pid), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(int(pid), signal.SIGCONT)


def test_without_a_server_nobody_leads(tmp_path):
    broken = tmp_path / "kubeconfig"
    broken.write_text("{}")
    words = [sys.executable, "-m", "gitops_prefix.apply.kube_lease", f"--kubeconfig={broken}"]
    ended = subprocess.run(
        [*words, "--lease=3", "--renew=2", "--retry=1"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 3
    assert "kubeconfig" in json.loads(ended.stdout)["error"]
    assert ended.stderr == ""


def test_a_token_that_is_renewed_in_its_file_counts(cluster, namespace, tmp_path):
    """Whoever holds the Lease for weeks outlives many a token."""
    document = json.loads(cluster.kubeconfig(ADMIN).read_text())
    (user,) = document["users"]
    token, user["user"] = user["user"]["token"], {"tokenFile": str(tmp_path / "token")}
    (tmp_path / "token").write_text("of-yesterday")
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(document))
    with candidate(cluster, namespace, tmp_path, "a", kubeconfig=path) as one:
        until(one.errors, "the refusal", 30)
        assert "does not know us" in one.errors()[0]
        (tmp_path / "token").write_text(token)
        until(one.leads, "the lead", 30)
