"""What the reconcilers need of our manifests, in `init`, the examples and the components alike."""

import pytest

from tests.examples.deployments import built, environment
from tests.examples.repositories import documents, example, init, of_kind

EVERYWHERE = ("argocd", "ci", "flux", "plain")


def found(name, tmp_path):
    """The documents of an example, or of what `init` writes."""
    directory = (
        init(tmp_path / name, "--for", name.removeprefix("init-")) if "-" in name else example(name)
    )
    return [document for _, document in documents(directory)]


def role_of(name):
    (role,) = of_kind("Role", built(f"reconcile-{name}"))
    (rule,) = role["rules"]
    return role["metadata"]["namespace"], rule["resourceNames"]


@pytest.mark.parametrize("name", ["argocd", "init-argocd"])
def test_an_application_keeps_what_direct_apply_wrote(name, tmp_path):
    applications = of_kind("Application", found(name, tmp_path))
    for application in applications:
        spec = application["spec"]
        assert spec["syncPolicy"]["retry"]["refresh"] is True
        assert "ServerSideApply=true" in spec["syncPolicy"]["syncOptions"]
        (ignored,) = spec["ignoreDifferences"]
        assert ignored == {"group": "*", "kind": "*", "managedFieldsManagers": ["gitops-prefix"]}
        assert "RespectIgnoreDifferences=true" in spec["syncPolicy"]["syncOptions"]
    assert applications


@pytest.mark.parametrize("name", [*EVERYWHERE, "init-flux", "init-argocd"])
def test_a_dynamic_prefix_stays_out_of_kustomize_and_out_of_a_plain_directory(name, tmp_path):
    (prefix,) = of_kind("DynamicPrefix", found(name, tmp_path))
    assert prefix["metadata"]["annotations"] == {
        "config.kubernetes.io/local-config": "true",
        "argocd.argoproj.io/hook": "Skip",
    }


@pytest.mark.parametrize("name", ["argocd", "init-argocd"])
def test_the_application_of_the_component_applies_what_is_managed(name, tmp_path):
    (application,) = [
        document
        for document in of_kind("Application", found(name, tmp_path))
        if document["metadata"]["name"] == "gitops-prefix"
    ]
    assert application["spec"]["source"]["path"] in {"network", "."}
    assert role_of("argocd") == ("argocd", ["gitops-prefix"])
    asked = environment(built("reconcile-argocd"))["GITOPS_PREFIX_REQUEST_RECONCILE"]
    assert asked == "application:argocd/gitops-prefix"


@pytest.mark.parametrize("name", ["flux", "init-flux"])
def test_the_git_repository_of_the_component_is_the_one_that_is_applied(name, tmp_path):
    documented = found(name, tmp_path)
    sources = {
        document["spec"]["sourceRef"]["name"]
        for document in documented
        if document["apiVersion"].startswith("kustomize.toolkit.fluxcd.io")
    }
    written = {document["metadata"]["name"] for document in of_kind("GitRepository", documented)}
    assert sources == written | {"flux-system"} == {"flux-system"}
    assert role_of("flux") == ("flux-system", ["flux-system"])
    asked = environment(built("reconcile-flux"))["GITOPS_PREFIX_REQUEST_RECONCILE"]
    assert asked == "gitrepository:flux-system/flux-system"
