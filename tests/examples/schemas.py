"""The schemas of the custom resources, and what they find wrong with a document."""

from pathlib import Path

from jsonschema import Draft202012Validator

from tests.examples.repositories import ROOT

CRDS = ROOT.parent / "shared" / "crds"


def schema_of(document: dict) -> Path:
    group, _, version = document["apiVersion"].partition("/")
    return CRDS / "schema" / f"{group}_{document['kind'].lower()}_{version}.json"


def errors(schema: dict, document: dict) -> list[str]:
    found = Draft202012Validator(schema).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]
