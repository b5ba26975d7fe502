"""What counts as a change beside the managed fields, and whose fields may be taken over."""

import pytest

from gitops_prefix.apply.ownership import (
    claim_of,
    differences,
    our_fields,
    owners,
    release_patch,
)

MANAGED = (("spec", "blocks"), ("metadata", "annotations", "ours"), ("spec", "routes", 0, "via"))

SAME = {
    "nothing": ({"spec": {"a": 1}}, {"spec": {"a": 1}}),
    "a managed field": ({"spec": {"blocks": [1]}}, {"spec": {"blocks": [2, 3]}}),
    "a managed field that appears": ({}, {"spec": {"blocks": [2]}}),
    "the first annotation": ({"metadata": {}}, {"metadata": {"annotations": {"ours": "x"}}}),
    "a field of an item": (
        {"spec": {"routes": [{"via": 1, "m": 5}]}},
        {"spec": {"routes": [{"via": 2, "m": 5}]}},
    ),
    "what the server counts": (
        {"metadata": {"resourceVersion": "1", "generation": 1}},
        {"metadata": {"resourceVersion": "2", "generation": 2, "managedFields": [{}]}},
    ),
}
OTHER = {
    "metadata.annotations.theirs": (
        {"metadata": {"annotations": {"theirs": "a"}}},
        {"metadata": {"annotations": {"theirs": "b", "ours": "x"}}},
    ),
    "spec.selector": ({"spec": {"selector": {}}}, {"spec": {"selector": None}}),
    "spec.routes[0].m": (
        {"spec": {"routes": [{"via": 1, "m": 5}]}},
        {"spec": {"routes": [{"via": 1, "m": 6}]}},
    ),
    "spec.routes": (
        {"spec": {"routes": [{"via": 1}]}},
        {"spec": {"routes": [{"via": 1}, {"via": 2}]}},
    ),
    "spec.disabled": ({"spec": {}}, {"spec": {"disabled": False}}),
    "metadata.labels.a": ({"metadata": {}}, {"metadata": {"labels": {"a": "b"}}}),
}


@pytest.mark.parametrize("what", SAME)
def test_what_may_differ(what):
    assert not differences(*SAME[what], MANAGED)


@pytest.mark.parametrize("path", OTHER)
def test_what_must_not(path):
    before, after = OTHER[path]
    if path == "spec.selector":
        # A mapping that goes is one whose entries go; an empty one had none.
        assert not differences(before, after, MANAGED)
    else:
        assert differences(before, after, MANAGED) == [path]
        assert differences(after, before, MANAGED) == [path]


def live(*managers: tuple[str, dict], annotations: dict | None = None) -> dict:
    entries = [{"manager": name, "fieldsV1": fields} for name, fields in managers]
    metadata = {"resourceVersion": "7", "managedFields": entries, "annotations": annotations or {}}
    return {"metadata": metadata}


BLOCKS = {"f:spec": {"f:blocks": {}}}
KEY = "kustomize.toolkit.fluxcd.io/reconcile"
HOLD = {"f:metadata": {"f:annotations": {f"f:{KEY}": {}}}}
TEST = {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}


@pytest.mark.parametrize(
    ("there", "patch"),
    [
        (live(("other", BLOCKS)), []),
        (
            live(("other", {}), ("gitops-prefix", BLOCKS)),
            [TEST, {"op": "remove", "path": "/metadata/managedFields/1"}],
        ),
        (
            live(("gitops-prefix", BLOCKS), ("other", {}), ("gitops-prefix", {})),
            [
                TEST,
                {"op": "remove", "path": "/metadata/managedFields/2"},
                {"op": "remove", "path": "/metadata/managedFields/0"},
            ],
        ),
        (
            live(("gitops-prefix", BLOCKS)),
            [TEST, {"op": "replace", "path": "/metadata/managedFields", "value": [{}]}],
        ),
        (
            live(("gitops-prefix", HOLD), ("other", {}), annotations={KEY: "disabled"}),
            [
                TEST,
                {
                    "op": "remove",
                    "path": "/metadata/annotations/kustomize.toolkit.fluxcd.io~1reconcile",
                },
                {"op": "remove", "path": "/metadata/managedFields/0"},
            ],
        ),
        (
            live(("gitops-prefix", BLOCKS), ("other", HOLD), annotations={KEY: "disabled"}),
            [TEST, {"op": "remove", "path": "/metadata/managedFields/0"}],
        ),
        (
            live(("gitops-prefix", HOLD), ("other", {}), annotations={KEY: "enabled"}),
            [TEST, {"op": "remove", "path": "/metadata/managedFields/0"}],
        ),
    ],
    ids=[
        "not ours",
        "last",
        "two entries",
        "alone",
        "our hold",
        "their hold",
        "hold that was changed",
    ],
)
def test_a_release_removes_our_entries_and_holds_and_no_value(there, patch):
    assert release_patch(there) == patch


BY_LABEL = {"kustomize.toolkit.fluxcd.io/name": "apps"}
APPLIES = {"manager": "kustomize-controller", "operation": "Apply", "apiVersion": "v2"}
STATUS = APPLIES | {"subresource": "status", "fieldsV1": {"f:status": {}}}


def entries(*given: dict) -> dict:
    return {"metadata": {"resourceVersion": "7", "labels": BY_LABEL, "managedFields": [*given]}}


@pytest.mark.parametrize(
    ("given", "heir"),
    [
        ([APPLIES | {"fieldsV1": {"f:spec": {"f:disabled": {}}}}], 1),
        ([STATUS, APPLIES | {"fieldsV1": {"f:spec": {"f:disabled": {}}}}], 2),
        ([APPLIES | {"operation": "Update", "fieldsV1": {}}, APPLIES | {"fieldsV1": {"f:spec": {"f:disabled": {}}}}], 2),
        ([APPLIES | {"apiVersion": "v2alpha1", "fieldsV1": {}}], None),
        ([{"manager": "argocd-controller", "operation": "Apply", "apiVersion": "v2", "fieldsV1": {}}], None),
        ([STATUS], None),
    ],
    ids=["theirs", "not of the status", "an apply before an update", "another version", "another reconciler", "only the status"],
)  # fmt: skip
def test_our_entry_is_merged_into_the_reconcilers(given, heir):
    ours = {"manager": "gitops-prefix", "operation": "Apply", "apiVersion": "v2"}
    annotations = {"f:ips": {}, f"f:{KEY}": {}}
    ours["fieldsV1"] = BLOCKS | {"f:metadata": {"f:annotations": annotations}}
    replaced = [step for step in release_patch(entries(ours, *given)) if step["op"] == "replace"]
    merged = {
        "f:spec": {"f:disabled": {}, "f:blocks": {}},
        "f:metadata": {"f:annotations": {"f:ips": {}}},
    }
    pointer = f"/metadata/managedFields/{heir}/fieldsV1"
    expected = [{"op": "replace", "path": pointer, "value": merged}]
    assert replaced == (expected if heir else [])


@pytest.mark.parametrize(
    ("metadata", "reconciled"),
    [
        ({}, None),
        ({"labels": BY_LABEL}, "None"),
        (
            {"labels": BY_LABEL | {"kustomize.toolkit.fluxcd.io/namespace": "flux-system"}},
            "Kustomization flux-system/apps",
        ),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "a"}}, "None"),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "apps:/Service:media/plex"}},
            "Application argocd/apps",
        ),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "team_apps:/Service:media/plex"}},
            "Application team/apps",
        ),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "apps"}}, None),
    ],
)
def test_which_reconciler_claims_an_object(metadata, reconciled):
    claim = claim_of({"metadata": metadata})
    assert (str(claim.reconciled) if claim else None) == reconciled


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        (BLOCKS, {("spec", "blocks")}),
        (
            {"f:metadata": {"f:annotations": {".": {}, "f:a/b": {}}}},
            {("metadata", "annotations", "a/b")},
        ),
        ({"f:spec": {"f:ports": {'k:{"port":80}': {".": {}, "f:name": {}}}}}, {("spec", "ports")}),
        ({"f:metadata": {"f:finalizers": {'v:"x"': {}}}}, {("metadata", "finalizers")}),
        (
            {"f:spec": {"f:containers": {'k:{"name":"a"}': {"f:env": {'k:{"name":"b"}': {}}}}}},
            {("spec", "containers")},
        ),
    ],
)
def test_what_is_ours_is_a_path_that_the_object_has(fields, paths):
    """What is left out of the next apply would be deleted, were it not found."""
    assert our_fields(live(("gitops-prefix", fields), ("flux", {"f:spec": {"f:no": {}}}))) == paths


@pytest.mark.parametrize(
    ("path", "names"),
    [(("spec", "blocks"), ["flux"]), (("spec",), ["flux", "other"]), (("spec", "none"), [])],
)
def test_who_owns_a_field(path, names):
    """Also as a part of it."""
    there = live(("other", {"f:spec": {"f:selector": {}}}), ("flux", BLOCKS))
    assert owners(there, path) == names


def test_an_atomic_mapping_is_owned_with_all_that_it_holds():
    assert owners(live(("flux", {"f:spec": {}})), ("spec", "blocks")) == ["flux"]
