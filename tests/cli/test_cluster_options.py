"""`run`'s options about the cluster: bad ones are one message, before anything is done."""

import pytest

from gitops_prefix.apply.lease import Candidacy
from gitops_prefix.apply.ownership import parse_reconciled
from gitops_prefix.cli.door import enter
from gitops_prefix.cli.leader_options import make_candidacy
from gitops_prefix.cli.telling_options import make_telling

REFUSED = {
    "a lease no longer than its renewal": (
        ["--leader-elect", "--lease-duration", "10s"],
        "invalid-lease",
    ),
    "a renewal no longer than a try": (
        ["--leader-elect", "--renew-deadline", "2s"],
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


def test_without_leader_elect_nobody_is_a_candidate():
    """Whatever else is said of a Lease: a chart may say it always."""
    given = dict.fromkeys(
        ("lease_name", "lease_namespace", "lease_duration", "renew_deadline", "retry_period")
    )
    assert make_candidacy(leader_elect=False, **given) is None


def test_who_is_named_twice_is_asked_once_and_in_order():
    first, second = map(parse_reconciled, ("gitrepository:a/b", "kustomization:a/b"))
    telling = make_telling(request_reconcile=(first, second, first), events=False)
    assert telling.request_reconcile == (first, second)


def test_a_variable_may_name_several(monkeypatch, tmp_path, capsys):
    """Blanks separate them; the second one is wrong here."""
    monkeypatch.setenv("GITOPS_PREFIX_REQUEST_RECONCILE", "gitrepository:a/b pod:c/d")
    assert enter(["run", "--repo", str(tmp_path)]) == 2
    assert '"pod:c/d" is not KIND:NAMESPACE/NAME' in capsys.readouterr().err
