"""The workflows: each job may do what it needs, and an image is scanned before it is pushed."""

import re

import pytest

from tests.examples.deployments import built, container_of
from tests.examples.repositories import ROOT, parse

WORKFLOWS = {
    path.stem: next(parse(path.read_text()))
    for path in sorted((ROOT / ".github/workflows").iterdir())
}
MORE_THAN_TO_READ = {
    ("docs", "publish"): {"pages": "write", "id-token": "write"},
    ("image", "try"): {"security-events": "write"},
    ("image", "publish"): {"packages": "write", "id-token": "write", "attestations": "write"},
    ("release", "publish"): {"id-token": "write"},
    ("release", "chart"): {"packages": "write", "id-token": "write", "attestations": "write"},
}
JOBS = [(name, job) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"]]


def steps(workflow, job):
    return WORKFLOWS[workflow]["jobs"][job].get("steps", [])


def using(workflow, job, action):
    (found,) = [one for one in steps(workflow, job) if one.get("uses", "").startswith(f"{action}@")]
    return found


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_job_may_read_and_else_only_what_this_table_says(workflow, job):
    assert WORKFLOWS[workflow]["permissions"] == {"contents": "read"}
    permissions = dict(WORKFLOWS[workflow]["jobs"][job].get("permissions", {}))
    assert permissions.pop("contents", "read") == "read"
    assert permissions == MORE_THAN_TO_READ.get((workflow, job), {})


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_no_script_holds_what_a_stranger_may_have_written(workflow, job):
    """An expression is pasted into the script: what it needs comes by the environment."""
    for step in steps(workflow, job):
        assert "${{" not in step.get("run", ""), step


UNPINNED = {"pypa/gh-action-pypi-publish"}
"""docs/flaws.md says why."""


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_an_action_is_pinned_by_its_commit(workflow, job):
    """A tag can be moved to other code; a commit cannot."""
    for action in (step["uses"] for step in steps(workflow, job) if "uses" in step):
        name, _, commit = action.partition("@")
        assert name in UNPINNED or re.fullmatch("[0-9a-f]{40}", commit), action


def test_nothing_is_pushed_that_was_not_scanned():
    scan = using("image", "try", "anchore/scan-action")["with"]
    assert scan["fail-build"] is True
    assert (scan["severity-cutoff"], scan["only-fixed"]) == ("high", True)
    report = using("image", "try", "github/codeql-action/upload-sarif")
    assert report["if"].startswith("always()")
    assert WORKFLOWS["image"]["jobs"]["publish"]["needs"] == "try"


def test_only_a_tag_is_pushed_and_with_it_what_it_was_made_of():
    build = using("image", "publish", "docker/build-push-action")["with"]
    assert build["push"] == "${{ startsWith(github.ref, 'refs/tags/v') }}"
    assert (build["sbom"], build["provenance"]) == (True, "mode=max")
    for action in ("docker/login-action", "actions/attest-build-provenance"):
        assert using("image", "publish", action)["if"] == "startsWith(github.ref, 'refs/tags/v')"


def test_the_image_is_tried_as_it_is_deployed():
    (script,) = [one["run"] for one in steps("image", "try") if "hardened()" in one.get("run", "")]
    security = container_of(built())["securityContext"]
    assert security["readOnlyRootFilesystem"] and "--read-only" in script
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["NET_RAW"]}
    assert "--cap-drop ALL" in script and "--cap-add NET_RAW" in script


def test_a_chart_is_released_after_its_tests():
    assert WORKFLOWS["release"]["jobs"]["chart"]["needs"] == ["ci", "try"]
    (push,) = [one["run"] for one in steps("release", "chart") if "run" in one]
    assert 'helm push chart/*.tgz "oci://$CHARTS"' in push
