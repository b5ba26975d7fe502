"""What counts as a change beside the managed fields, and whose fields may be taken over."""

import pytest

from gitops_prefix.apply.ownership import (
    Conflict,
    differences,
    is_about,
    our_fields,
    owners,
    read_conflicts,
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


def test_conflicts_are_read_from_the_causes_and_nothing_else():
    causes = [
        {
            "reason": "FieldManagerConflict",
            "field": ".spec.blocks",
            "message": 'conflict with "kustomize-controller" using cilium.io/v2',
        },
        {
            "reason": "FieldManagerConflict",
            "field": ".data.a",
            "message": 'conflict with "somebody" with subresource "status" using v1',
        },
        {"reason": "FieldValueInvalid", "field": "spec", "message": "no"},
    ]
    assert read_conflicts(causes) == (
        Conflict("kustomize-controller", ".spec.blocks"),
        Conflict("somebody", ".data.a"),
    )


@pytest.mark.parametrize(
    ("field", "path", "about"),
    [
        (".spec.blocks", ("spec", "blocks"), True),
        (".spec.blocks[0].cidr", ("spec", "blocks"), True),
        (".spec.blocksize", ("spec", "blocks"), False),
        (".spec", ("spec", "blocks"), True),
        (".sp", ("spec", "blocks"), False),
        (
            ".metadata.annotations.lbipam.cilium.io/ips",
            ("metadata", "annotations", "lbipam.cilium.io/ips"),
            True,
        ),
        (".metadata.annotations.other", ("metadata", "annotations", "lbipam.cilium.io/ips"), False),
    ],
)
def test_which_conflict_is_about_which_field(field, path, about):
    assert is_about(Conflict("somebody", field), path) is about


def live(*managers: tuple[str, dict], annotations: dict | None = None) -> dict:
    entries = [{"manager": name, "fieldsV1": fields} for name, fields in managers]
    metadata = {"resourceVersion": "7", "managedFields": entries, "annotations": annotations or {}}
    return {"metadata": metadata}


BLOCKS = {"f:spec": {"f:blocks": {}}}
HOLD = {"f:metadata": {"f:annotations": {"f:a/b~c": {}}}}
TEST = {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}


@pytest.mark.parametrize(
    ("there", "patch"),
    [
        (live(("flux", BLOCKS)), []),
        (
            live(("flux", {}), ("gitops-prefix", BLOCKS)),
            [TEST, {"op": "remove", "path": "/metadata/managedFields/1"}],
        ),
        (
            live(("gitops-prefix", BLOCKS), ("flux", {}), ("gitops-prefix", {})),
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
            live(("gitops-prefix", HOLD), ("flux", {}), annotations={"a/b~c": "off"}),
            [
                TEST,
                {"op": "remove", "path": "/metadata/annotations/a~1b~0c"},
                {"op": "remove", "path": "/metadata/managedFields/0"},
            ],
        ),
        (
            live(("gitops-prefix", BLOCKS), ("flux", HOLD), annotations={"a/b~c": "off"}),
            [TEST, {"op": "remove", "path": "/metadata/managedFields/0"}],
        ),
        (
            live(("gitops-prefix", HOLD), ("flux", {}), annotations={"a/b~c": "on"}),
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
    assert release_patch(there, {"a/b~c": "off"}) == patch


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
    there = live(("other", {"f:spec": {"f:selector": {}}}), ("flux", BLOCKS))
    assert owners(there, path) == names
