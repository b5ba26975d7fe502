"""What reaches the cluster: kustomize builds it, and it is all that should."""

from pathlib import Path

import pytest

from tests.examples.repositories import (
    EXAMPLES,
    build,
    documents,
    example,
    kustomizations,
    of_kind,
    parse,
)


def test_every_kustomization_builds(repository):
    assert kustomizations(repository)
    for directory in kustomizations(repository):
        assert build(directory)


def test_no_dynamic_prefix_reaches_the_cluster(repository):
    """It is listed, and left out by config.kubernetes.io/local-config alone: so a cluster
    needs no CRD for it, even where Flux makes up a kustomization of all files."""
    listed = [
        directory
        for directory in kustomizations(repository)
        if any(
            Path(resource).name == "prefix.yaml"
            for document in parse((directory / "kustomization.yaml").read_text())
            for resource in document["resources"]
        )
    ]
    assert listed
    for directory in kustomizations(repository):
        assert not of_kind("DynamicPrefix", build(directory))


def test_what_is_bound_to_a_prefix_reaches_the_cluster(repository):
    bound = {
        (document["kind"], document["metadata"]["name"])
        for _, document in documents(repository)
        if "dynamic-prefix.io/name" in document.get("metadata", {}).get("annotations", {})
    }
    applied = {
        (document["kind"], document["metadata"]["name"])
        for directory in kustomizations(repository)
        for document in build(directory)
    }
    assert len(bound) >= 2
    assert bound <= applied


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_manifest_of_an_example_is_applied_by_somebody(name):
    """A file that no kustomization lists would be dead weight, or a mistake."""
    listed = {
        (directory / resource).resolve()
        for directory in kustomizations(example(name))
        for document in parse((directory / "kustomization.yaml").read_text())
        for resource in document["resources"]
    }
    entrances = {
        path.resolve()
        for directory in ("clusters/home", ".github/workflows")
        for path in (example(name) / directory).glob("*.yaml")
    }
    there = {
        path.resolve()
        for path in example(name).rglob("*.yaml")
        if path.name not in {"kustomization.yaml", ".pre-commit-config.yaml"}
    }
    assert there <= listed | entrances


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_path_that_a_reconciler_is_pointed_at_is_a_kustomization(name):
    """Without a kustomization.yaml Argo CD would send the DynamicPrefix to the cluster."""
    pointed = [
        document["spec"].get("path") or document["spec"].get("source", {}).get("path")
        for _, document in documents(example(name))
        if document["apiVersion"].startswith(("kustomize.toolkit.fluxcd.io", "argoproj.io"))
    ]
    assert bool(pointed) == (name in {"flux", "argocd"})
    for path in pointed:
        assert (example(name) / path / "kustomization.yaml").is_file(), path


def test_the_name_that_a_flux_kustomization_waits_for_is_another_one():
    found = [
        document for path, document in documents(example("flux")) if path.parts[0] == "clusters"
    ]
    names = {document["metadata"]["name"] for document in found}
    awaited = {
        other["name"] for document in found for other in document["spec"].get("dependsOn", [])
    }
    assert awaited <= names
