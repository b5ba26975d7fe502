"""docs/helm.md: what it sets is there, its versions are ours, and its command renders."""

import json
import re
import shlex

import pytest
from jsonschema import Draft202012Validator

from gitops_prefix import __version__
from tests.charts.rendering import CHART, METADATA, VALUES, helm, rendered
from tests.examples.repositories import ROOT, of_kind, parse

SCHEMAS = ROOT.parent / "shared" / "crds" / "schema"
PAGE = (ROOT / "docs" / "helm.md").read_text()
SETTINGS = re.findall(r"`(\w[\w.]*=\w+)`", PAGE)
COMMAND = re.search(r"^\$ (helm install (?:.*\\\n)*.*)$", PAGE, re.MULTILINE)


GOES_WITH = {
    "auth.method=token": ["repo=https://git.example.com/home.git"],
    "auth.method=githubApp": ["repo=https://github.com/me/home", "auth.githubApp.id=1234567"],
    "pullRequest.forge=auto": ["pullRequest.existingSecret=forge"],
}
"""What the page says is needed beside."""


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_the_page_sets_can_be_set(setting):
    words = ["template", "x", str(CHART), "--set", "repo=git@git.example.com:home.git"]
    for one in [*GOES_WITH.get(setting, ()), setting]:
        words += ["--set", one]
    answer = helm(*words)
    assert answer.returncode == 0, answer.stderr


def test_what_the_page_names_is_a_value():
    named = set(re.findall(r"`(\w+)[.\w]*(?:=\S+)?`", PAGE)) & set(VALUES)
    assert {"nodeSelector", "affinity", "tolerations", "args", "env", "source"} <= named


def test_the_command_installs_this_chart():
    assert COMMAND
    words = shlex.split(COMMAND[1].replace("\\\n", " "))
    assert words[:2] == ["helm", "install"]
    answer = helm("template", words[2], str(ROOT / words[3]), *words[4:])
    assert answer.returncode == 0, answer.stderr


def test_the_version_of_a_release_is_ours():
    assert f"/charts/gitops-prefix --version {__version__}`" in PAGE


MANIFESTS = [
    document
    for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    for document in parse(text)
]


@pytest.mark.parametrize("document", MANIFESTS, ids=lambda one: one["kind"])
def test_a_manifest_of_the_page_is_what_its_schema_says_and_installs(document, tmp_path):
    """As far as there is a schema; and its values are values."""
    group, _, version = document["apiVersion"].partition("/")
    schema = SCHEMAS / f"{group}_{document['kind'].lower()}_{version}.json"
    if schema.exists():
        assert not list(Draft202012Validator(json.loads(schema.read_text())).iter_errors(document))
    spec = document["spec"]
    values = spec.get("values") or spec.get("source", {}).get("helm", {}).get("valuesObject")
    assert bool(values) is (document["kind"] != "OCIRepository")
    roles = of_kind("Role", rendered(tmp_path, values))
    assert len(roles) == bool(values)


def test_the_manifests_are_for_this_chart_at_this_version():
    source, release, application = (document["spec"] for document in MANIFESTS)
    assert source["url"].rpartition("/")[2] == METADATA["name"] == application["source"]["chart"]
    assert source["ref"]["semver"] == ".".join([*__version__.split(".")[:2], "x"])
    assert application["source"]["targetRevision"] == __version__
    assert release["chartRef"]["name"] == MANIFESTS[0]["metadata"]["name"]
