"""`run`'s options about the cluster: bad ones are one message, before anything is done."""

import pytest

from gitops_prefix.apply.lease import Candidacy
from gitops_prefix.apply.ownership import parse_reconciled
from gitops_prefix.cli.assembly import assemble
from gitops_prefix.cli.door import enter
from gitops_prefix.cli.options import read_settings
from gitops_prefix.cli.settings import RunSettings

REFUSED = {
    "a lease no longer than its renewal": (
        ["--leader-elect", "--lease-duration", "10s"],
        "invalid-lease",
    ),
    "a renewal no longer than a try": (
        ["--leader-elect", "--renew-deadline", "2s"],
        "invalid-lease",
    ),
    "a try that jitter makes too late": (
        ["--leader-elect", "--retry-period", "9s"],
        "invalid-lease",
    ),
    "a try of no time": (["--leader-elect", "--retry-period", "0s"], "invalid-lease"),
    "a lease for one pass": (["--leader-elect", "--once"], "invalid-lease"),
    "no kind": (["--request-reconcile", "a/b"], "KIND:NAMESPACE/NAME"),
    "a kind of no reconciler": (["--request-reconcile", "pod:a/b"], "KIND:NAMESPACE/NAME"),
    "a name that leads elsewhere": (
        ["--request-reconcile", "gitrepository:a/../b"],
        "KIND:NAMESPACE/NAME",
    ),
    "a push that others merge": (
        ["--request-reconcile", "gitrepository:a/b", "--push-branch", "ours"],
        "invalid-notify",
    ),
}


@pytest.mark.parametrize(("options", "said"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_go_is_told_before_anything_is_done(tmp_path, capsys, options, said):
    clone = tmp_path / "clone"
    assert enter(["run", "--repo", str(tmp_path), "--clone-dir", str(clone), *options]) == 2
    assert said in capsys.readouterr().err
    assert not clone.exists()


def test_the_durations_are_client_gos():
    seconds = {"lease": 15.0, "renew": 10.0, "retry": 2.0}
    assert Candidacy() == Candidacy("gitops-prefix", "", **seconds)


def made(**given):
    return assemble(read_settings(RunSettings, given))


def test_without_leader_elect_nobody_is_a_candidate(tmp_path):
    """Whatever else is said of a Lease: a chart may say it always."""
    assert made(repo=str(tmp_path), lease_name="mine").candidacy is None
    candidacy = made(repo=str(tmp_path), lease_name="mine", leader_elect=True).candidacy
    assert candidacy == Candidacy("mine")


def test_who_is_named_twice_is_asked_once_and_in_order(tmp_path):
    first, second = map(parse_reconciled, ("gitrepository:a/b", "kustomization:a/b"))
    telling = made(repo=str(tmp_path), request_reconcile=(first, second, first)).telling
    assert telling.request_reconcile == (first, second)


def test_a_variable_may_name_several(monkeypatch, tmp_path, capsys):
    """Blanks separate them; the second one is wrong here."""
    monkeypatch.setenv("GITOPS_PREFIX_REQUEST_RECONCILE", "gitrepository:a/b pod:c/d")
    assert enter(["run", "--repo", str(tmp_path)]) == 2
    assert '"pod:c/d" is not KIND:NAMESPACE/NAME' in capsys.readouterr().err
