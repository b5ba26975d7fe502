"""Each manifest is what its real CustomResourceDefinition says, before a prefix and after."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.examples.repositories import EXAMPLES, ROOT, documents, parse
from tests.parts import require

CRDS = ROOT.parent / "shared" / "crds"
KNOWN = {
    "argoproj.io",
    "cilium.io",
    "kustomize.toolkit.fluxcd.io",
    "source.toolkit.fluxcd.io",
}
WITHOUT_A_SCHEMA = {"CiliumNetworkPolicy"}


def schema_of(document: dict) -> Path:
    group, _, version = document["apiVersion"].partition("/")
    return CRDS / "schema" / f"{group}_{document['kind'].lower()}_{version}.json"


def errors(schema: dict, document: dict) -> list[str]:
    found = Draft202012Validator(schema).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


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
    assert len(rendered) == 3
    for path, document in rendered.items():
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
