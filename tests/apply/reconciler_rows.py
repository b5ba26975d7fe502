"""What reconcilers do with fields of ours: a row for each."""

from tests.apply.reconcilers import SSA

FLUX_ROWS = {
    "nothing": ({}, False, False, True),
    "ssa: Merge": ({SSA: "Merge"}, False, False, True),
    "ssa: IfNotPresent": ({SSA: "IfNotPresent"}, False, True, False),
    "ssa: Ignore": ({SSA: "Ignore"}, False, True, False),
    "the Kustomization suspended": ({}, True, True, False),
}
"""Annotations in Git, whether it is suspended; whether the field stays, and Git's next one comes."""
TRUST = [{"group": "*", "kind": "*", "managedFieldsManagers": ["gitops-prefix"]}]
POINTER = [{"group": "*", "kind": "*", "jsonPointers": ["/spec/blocks"]}]
RESPECT, SERVER_SIDE = "RespectIgnoreDifferences=true", "ServerSideApply=true"
ARGOCD_ROWS = {
    "nothing": ([], [SERVER_SIDE], False, False, True),
    "nothing, client-side": ([], [], False, False, True),
    "our manager trusted": (TRUST, [SERVER_SIDE], True, False, True),
    "and respected": (TRUST, [SERVER_SIDE, RESPECT], True, True, True),
    "and respected, client-side": (TRUST, [RESPECT], True, True, True),
    "the field ignored for good": (POINTER, [SERVER_SIDE, RESPECT], True, True, False),
}
"""ignoreDifferences, syncOptions; whether the field stays when Argo CD looks, and when it syncs
for another reason; and whether Git's next value comes, once ours is given back."""
