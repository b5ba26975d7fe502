"""Each manifest is what its real CustomResourceDefinition says, before a prefix and after."""

import json

import pytest

from tests.examples.repositories import EXAMPLES, ROOT, documents, parse
from tests.examples.schemas import CRDS, errors, schema_of
from tests.parts import require

KNOWN = {
    "argoproj.io",
    "cilium.io",
    "kustomize.toolkit.fluxcd.io",
    "source.toolkit.fluxcd.io",
}
WITHOUT_A_SCHEMA = {"CiliumNetworkPolicy"}


def test_every_custom_resource_is_what_its_schema_says(repository):
    require("shared")
    checked = 0
    for path, document in documents(repository):
        group = document["apiVersion"].partition("/")[0]
        if group not in KNOWN or document["kind"] in WITHOUT_A_SCHEMA:
            continue
        assert not errors(json.loads(schema_of(document).read_text()), document), path
        checked += 1
    assert checked >= 2


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("step", ["first", "second"])
def test_what_is_rendered_is_what_its_schema_says_too(name, step):
    require("shared")
    rendered = dict(documents(ROOT / "tests" / "golden" / "examples" / name / step))
    custom = {path: each for path, each in rendered.items() if each["apiVersion"] != "v1"}
    assert len(custom) == 3
    for path, document in custom.items():
        if document["kind"] != "DynamicPrefix":
            assert not errors(json.loads(schema_of(document).read_text()), document), path


@pytest.mark.parametrize("operator", ["jr42", "pkizzle"])
def test_a_dynamic_prefix_is_one_that_the_operators_accept_too(repository, operator):
    """Their users' files work here, and the way back stays open."""
    require("shared")
    crd = CRDS / "crd" / f"dynamic-prefix.io_dynamicprefixes.{operator}.yaml"
    (definition,) = parse(crd.read_text())
    (version,) = definition["spec"]["versions"]
    (found,) = [each for _, each in documents(repository) if each["kind"] == "DynamicPrefix"]
    assert not errors(version["schema"]["openAPIV3Schema"]["properties"]["spec"], found["spec"])
