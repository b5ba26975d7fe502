"""The chart: it lints, its version is ours, and by default it is the base of examples/kustomize."""

import json
import tarfile

import pytest
from jsonschema import Draft7Validator

from gitops_prefix import __version__
from tests.charts.rendering import CHART, METADATA, VALUES, helm, plain, rendered
from tests.examples.deployments import COMPONENTS, built, workload

SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def test_its_version_is_the_programs():
    assert METADATA["appVersion"] == METADATA["version"] == __version__


def test_it_lints_strictly():
    answer = helm("lint", "--strict", str(CHART))
    assert answer.returncode == 0, answer.stdout
    assert "[ERROR]" not in answer.stdout + answer.stderr
    assert "[WARNING]" not in answer.stdout + answer.stderr


def test_its_package_is_named_as_the_release_looks_for_it(tmp_path):
    """And holds nothing but the chart."""
    assert helm("package", str(CHART), "--destination", str(tmp_path)).returncode == 0
    with tarfile.open(tmp_path / f"gitops-prefix-{__version__}.tgz") as archive:
        packaged = {name.partition("/")[2] for name in archive.getnames()}
    files = {path.relative_to(CHART).as_posix() for path in CHART.rglob("*") if path.is_file()}
    assert packaged == files


def comparable(objects):
    """By kind: what kustomize and Helm write in another order is one thing."""
    found = {}
    for one in map(plain, objects):
        spec = one.get("spec", {}).get("template", {}).get("spec", {})
        for container in spec.get("containers", ()):
            container["env"] = {each["name"]: each["value"] for each in container["env"]}
            container["volumeMounts"] = {each["name"]: each for each in container["volumeMounts"]}
        if spec:
            spec["volumes"] = {each["name"]: each for each in spec["volumes"]}
        found[one["kind"], one["metadata"]["name"]] = one
    return found


MODES = {
    (): {},
    ("daemonset",): {"kind": "DaemonSet"},
    ("kernel-source",): {"source": "kernel"},
    ("https-token",): {
        "repo": "https://git.example.com/home-ops.git",
        "auth": {"method": "token"},
    },
    ("persistent-clone",): {"persistence": {"enabled": True}},
    ("direct-apply",): {"apply": {"mode": "fallback"}},
    ("direct-apply", "direct-apply-services", "direct-apply-configmaps", "direct-apply-flux"): {
        "apply": {
            "mode": "fallback",
            "serviceNamespaces": ["default"],
            "configMapNamespaces": ["flux-system"],
            "kustomizationNamespaces": ["flux-system"],
        }
    },
    ("events",): {"events": True},
    ("reconcile-flux",): {"requestReconcile": ["gitrepository:flux-system/flux-system"]},
    ("direct-apply", "reconcile-argocd", "direct-apply-argocd"): {
        "apply": {"mode": "fallback"},
        "requestReconcile": ["application:argocd/gitops-prefix"],
    },
    ("leader-election",): {"leaderElection": {"enabled": True}},
}
"""Components of the base, and the values that do the same."""


def test_every_component_has_its_values():
    """But for the dashboard's, which is no business of a release's."""
    assert {name for names in MODES for name in names} == set(COMPONENTS) - {"monitoring"}


@pytest.mark.parametrize("components", MODES, ids="+".join)
def test_it_is_the_base_of_the_examples_with_its_components(components, tmp_path):
    """Only the namespace is Helm's own business, and when an image is pulled its default."""
    base = comparable(one for one in built(*components) if one["kind"] != "Namespace")
    chart = comparable(rendered(tmp_path, MODES[components]))
    (container,) = workload(list(chart.values()))["spec"]["template"]["spec"]["containers"]
    assert container.pop("imagePullPolicy") == "IfNotPresent"
    # Of the release, whose name is by default the one that the component takes.
    assert container["env"].pop("GITOPS_PREFIX_LEASE_NAME", "gitops-prefix") == "gitops-prefix"
    assert container["env"].pop("GITOPS_PREFIX_APPLY_AFTER", "60s") == "60s"
    assert chart == base


def test_an_application_is_read_for_direct_apply_alone(tmp_path):
    """To ask for a look, `patch` is enough."""
    values = {"requestReconcile": ["application:argocd/gitops-prefix"]}
    (role,) = (one for one in rendered(tmp_path, values) if one["kind"] == "Role")
    assert [rule["verbs"] for rule in role["rules"]] == [["patch"]]


def objects_of(schema, path=()):
    """Every object that the schema describes, with the path of its values."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    if "properties" in schema:
        yield path, schema
        for name, each in schema["properties"].items():
            yield from objects_of(each, (*path, name))


def test_the_schema_is_one():
    Draft7Validator.check_schema(SCHEMA)


def test_the_schema_knows_the_values_and_no_others():
    """A misspelt value is refused, everywhere."""
    for path, schema in objects_of(SCHEMA):
        assert schema["additionalProperties"] is False, path
        found = VALUES
        for name in path:
            found = found[0] if isinstance(found, list) else found[name]
        if path not in {("resources",), ("options",)}:
            assert set(schema["properties"]) - {"global"} == set(found), path
