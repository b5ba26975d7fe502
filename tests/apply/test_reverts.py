"""What is put back after we applied it is applied once more; put back again, it is left alone."""

import pytest

from gitops_prefix.apply.fields import LiveChange, ObjectReport, ObjectResult
from gitops_prefix.apply.policy import Reverts
from tests.apply.manifests import POOL, A, B, configurations

(FIRST,) = configurations({"pool.yaml": POOL}, "", A)
(SECOND,) = configurations({"pool.yaml": POOL}, "", A, B)


def report(standing: ObjectResult, *owners: str) -> ObjectReport:
    change = LiveChange("spec.blocks", [], [])
    return ObjectReport(
        "pool.yaml", "CiliumLoadBalancerIPPool", "", "lan", standing, "", (change,), owners
    )


def walk(*steps: tuple) -> tuple[Reverts, list[str]]:
    reverts, said = Reverts(), []
    for wanted, standing, *owners in steps:
        reverts, given_up = reverts.learn([wanted], [report(standing, *owners)])
        said += [one.message for one in given_up]
    return reverts, said


APPLIED, WOULD, SAME = ObjectResult.APPLIED, ObjectResult.WOULD_CHANGE, ObjectResult.UNCHANGED
FLUX = "kustomize-controller"
ROWS = {
    "nothing yet": ([], (True, False)),
    "applied": ([(FIRST, APPLIED)], (True, False)),
    "applied, and it stays": ([(FIRST, APPLIED), (FIRST, SAME), (FIRST, SAME)], (True, False)),
    "put back once, and applied again": ([(FIRST, APPLIED), (FIRST, APPLIED, FLUX)], (False, False)),
    "and it stays": ([(FIRST, APPLIED), (FIRST, APPLIED, FLUX), (FIRST, SAME)], (False, False)),
    "put back twice": ([(FIRST, APPLIED), (FIRST, APPLIED, FLUX), (FIRST, WOULD, FLUX)], (False, True)),
    "another value is no revert": ([(SECOND, APPLIED), (FIRST, APPLIED)], (True, False)),
    "a conflict is none either": ([(FIRST, APPLIED)] + [(FIRST, ObjectResult.CONFLICT)] * 3, (True, False)),
    "nor is what could not be applied": ([(FIRST, ObjectResult.FAILED)] * 4, (True, False)),
    "put back once with each of two values": (
        [(SECOND, APPLIED), (SECOND, APPLIED, FLUX), (FIRST, APPLIED), (FIRST, APPLIED, FLUX)],
        (False, True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_whether_it_may_be_applied_and_whether_it_is_given_up(row):
    steps, expected = ROWS[row]
    reverts, said = walk(*steps)
    assert (reverts.may_apply(FIRST), reverts.stopped(FIRST)) == expected
    assert len(said) == expected[1]


@pytest.mark.parametrize(
    ("owner", "rule"),
    [
        ("argocd-controller", "managedFieldsManagers: [gitops-prefix]"),
        ("argocd-controller", "RespectIgnoreDifferences=true"),
        (FLUX, "suspend its Kustomization"),
        ("helm-controller", "suspend its HelmRelease"),
        ("somebody", "somebody put spec.blocks back 2 times"),
    ],
)
def test_giving_up_says_which_rule_is_missing(owner, rule):
    _, (said,) = walk((FIRST, APPLIED), (FIRST, APPLIED, owner), (FIRST, WOULD, owner))
    assert rule in said and "docs/direct-apply.md" in said
