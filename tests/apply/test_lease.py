"""The Lease in a real API server: candidates that ask their child process for it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from gitops_prefix.apply.child import ClusterAccess, ClusterProcess
from gitops_prefix.apply.election import Durations, Election, LeaseName, LeaseStep
from gitops_prefix.apply.protocol import ReleaseLease, TryLease
from gitops_prefix.errors import InputError, OutsideError
from tests.apiserver import ADMIN, ApiServer, api_server
from tests.apply.rules import rules, without_one
from tests.netns import until

DURATIONS = Durations(6.0, 4.0, 0.2)
"""For what waits until a record ages, or a lead ends."""
LONG = Durations(120.0, 80.0, 0.2)
"""Else: a lead does not end because this machine is slow."""


class Contender:
    """A candidate that tries when the test says so."""

    def __init__(
        self, name: str, kubeconfig: object, namespace: str, durations: Durations = LONG
    ) -> None:
        self.process = ClusterProcess(ClusterAccess(str(kubeconfig)))
        self.lease = LeaseName("gitops-prefix", namespace)
        self.election = Election(name, durations)

    def tries(self) -> bool:
        """Try once; whether it leads."""
        self.election = self.process.ask(TryLease(self.lease, self.election))
        return self.leads()

    def is_answered(self) -> bool:
        """Try once; whether the server answered in time."""
        with suppress(OutsideError):
            self.tries()
            return True
        return False

    def wins(self) -> bool:
        """Try once; whether it leads. A server that is busy may be late."""
        return self.is_answered() and self.leads()

    def leads(self) -> bool:
        return self.election.leads(time.monotonic())

    def release(self) -> None:
        self.election = self.process.ask(ReleaseLease(self.lease, self.election))


@pytest.fixture
def contender(cluster, namespace) -> Iterator:
    """Makes candidates; their processes end with the test."""
    made = []

    def make(name: str, user: str = ADMIN, kubeconfig=None, durations=LONG) -> Contender:
        where = kubeconfig or cluster.kubeconfig(user)
        made.append(Contender(name, where, namespace, durations))
        return made[-1]

    yield make
    for one in made:
        one.process.close()


def spec(cluster: ApiServer, namespace: str) -> dict:
    return cluster.get("lease", "gitops-prefix", namespace)["spec"]


def test_one_leads_and_the_other_waits_until_the_record_ages(cluster, namespace, contender):
    """As after kill -9: nobody gives anything up."""
    first, second = (contender(name, durations=DURATIONS) for name in "ab")
    until(first.wins, "the first")
    began = time.monotonic()
    until(second.is_answered, "that the second sees it")
    assert not second.leads()
    before = spec(cluster, namespace)
    assert before["holderIdentity"] == "a" and before["leaseDurationSeconds"] == 6
    until(second.wins, "the second")
    assert time.monotonic() - began > 5
    after = spec(cluster, namespace)
    assert (before["leaseTransitions"], after["leaseTransitions"]) == (0, 1)
    assert after["holderIdentity"] == "b"
    until(first.is_answered, "that the first sees it")
    assert not first.leads()


def test_what_is_given_up_is_taken_at_once(cluster, namespace, contender):
    first, second = contender("a"), contender("b")
    assert first.tries() and not second.tries()
    first.release()
    assert not first.leads() and spec(cluster, namespace)["holderIdentity"] == ""
    assert second.tries()


def test_a_release_with_an_old_version_counts_too(cluster, namespace, contender):
    """A renewal whose answer was lost: the Lease is read again first."""
    first = contender("a")
    assert first.tries()
    old = first.election
    assert first.tries()
    first.election = old
    first.release()
    assert spec(cluster, namespace)["holderIdentity"] == ""


def test_a_follower_that_ends_leaves_it_alone(cluster, namespace, contender):
    first, second = contender("a"), contender("b")
    assert first.tries() and not second.tries()
    second.release()
    assert spec(cluster, namespace)["holderIdentity"] == "a"


def test_who_cannot_work_gives_it_up_and_does_not_take_it_before_another_may(contender):
    first, second = contender("a"), contender("b")
    assert first.tries()
    first.election = Election(**{**_fields(first.election), "fit": False})
    assert first.tries(), "what it writes is ended before"
    assert first.election.step(time.monotonic()) is LeaseStep.RELEASE
    assert not second.tries()
    first.release()
    assert not first.leads() and not first.tries()
    assert second.tries()


def _fields(election: Election) -> dict:
    return {name: getattr(election, name) for name in election.__dataclass_fields__}


def test_a_lease_that_somebody_else_takes_ends_our_lead(cluster, namespace, contender):
    """By hand, say; it is followed as any other, and taken when nobody renews it."""
    first = contender("a")
    assert first.tries()
    stolen = json.dumps({"spec": {"holderIdentity": "me", "leaseDurationSeconds": 2}})
    words = ("patch", "lease", "gitops-prefix", "-n", namespace, "--type=merge", "-p", stolen)
    cluster.kubectl(*words)
    assert not first.tries() and first.election.record.holder == "me"
    until(first.tries, "the return")
    assert spec(cluster, namespace)["leaseTransitions"] == 1


def test_the_rules_of_the_example_are_enough(cluster, namespace, contender):
    user = cluster.account("leader", rules("leader-election"), namespace=namespace)
    first = contender("a", user)
    assert first.tries() and first.tries()
    first.release()


@pytest.mark.parametrize(
    ("lacking", "rest"), [*without_one(rules("leader-election"))], ids=lambda one: str(one)[:14]
)
def test_and_none_of_them_is_too_much(cluster, namespace, contender, lacking, rest):
    """Without it something fails, and the message says what."""
    user = cluster.account("lacking", rest, namespace=namespace)
    first = contender("a", user)
    with pytest.raises(OutsideError, match=f'cannot {lacking.split()[0]} resource "leases"'):
        assert first.tries() and first.tries()


def test_a_lead_ends_without_the_server_and_comes_back_with_it(tmp_path):
    """It ends by the clock: nobody has to say so."""
    with ExitStack() as stack:
        server = stack.enter_context(api_server(tmp_path / "server"))
        first = Contender("a", server.kubeconfig(ADMIN), "default", DURATIONS)
        stack.callback(first.process.close)
        until(first.wins, "the lead")
        with frozen(server):
            with pytest.raises(OutsideError):
                first.tries()
            until(lambda: not first.leads(), "the end")
        until(first.wins, "the return")


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


def test_a_kubeconfig_without_a_cluster_is_one_message(tmp_path):
    broken = tmp_path / "kubeconfig"
    broken.write_text("{}")
    first = Contender("a", broken, "default")
    with pytest.raises(InputError, match="kubeconfig"):
        first.tries()
    first.process.close()


def test_a_token_that_is_renewed_in_its_file_counts(cluster, tmp_path, contender):
    """Whoever holds the Lease for weeks outlives many a token."""
    document = json.loads(cluster.kubeconfig(ADMIN).read_text())
    (user,) = document["users"]
    token, user["user"] = user["user"]["token"], {"tokenFile": str(tmp_path / "token")}
    (tmp_path / "token").write_text("of-yesterday")
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(document))
    first = contender("a", kubeconfig=path)
    with pytest.raises(OutsideError, match="does not know us"):
        first.tries()
    (tmp_path / "token").write_text(token)
    assert first.tries()
