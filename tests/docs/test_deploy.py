"""docs/deploy.md and docs/monitoring.md list what the daemon serves, and what the deployment has."""

import json
import re
from pathlib import Path

from gitops_prefix.daemon.clocks import Clocks
from gitops_prefix.daemon.report import Progress, report
from gitops_prefix.publish.failure import MEANINGS, Reason
from gitops_prefix.publish.stages import Stage
from tests.exposition import exposed_names

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text()
MONITORING = (ROOT / "docs" / "monitoring.md").read_text()
DEPLOYMENT = (ROOT / "templates" / "common" / "gitops-prefix" / "deployment.yaml").read_text()


def test_every_metric_is_listed_with_its_labels_and_no_other_is():
    """By the names that Prometheus sees: a counter's ends in _total."""
    rows = re.findall(r"^\| `(gitops_prefix_\w+)` \| (.*?) ?\|", PAGE, re.MULTILINE)
    listed = {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    assert listed == exposed_names()


def test_the_key_is_made_as_the_deployment_wants_it():
    """The secret's name, its files and the capability are those of the template."""
    assert "create secret generic gitops-prefix-deploy-key" in PAGE
    assert "secretName: gitops-prefix-deploy-key" in DEPLOYMENT
    for file in ("identity", "known_hosts"):
        assert f"--from-file={file}" in PAGE
        assert f"/etc/gitops-prefix/ssh/{file}\n" in DEPLOYMENT
    for line in ("hostNetwork: true", "allowPrivilegeEscalation: true", "- NET_RAW"):
        assert line in DEPLOYMENT


def _table(head: str) -> dict[str, str]:
    block = MONITORING.partition(f"| {head} |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", block, re.MULTILINE))


def test_every_stage_and_reason_has_its_row():
    """Labels are a promise, and there are no others: cardinality is bounded."""
    assert list(_table("stage | does")) == [stage.value for stage in Stage]
    assert _table("reason | means") == {
        reason.value: meaning for reason, meaning in MEANINGS.items()
    }
    assert set(MEANINGS) == set(Reason)


def test_the_json_of_the_status_has_the_keys_that_are_listed():
    """In the example, in the table, and in the answer: the same, in the same order."""
    example = json.loads(MONITORING.partition("```json\n")[2].partition("```")[0])
    answer = report("x", "main", Progress(), {}, Clocks()).document()
    assert list(example) == list(answer)
    table = MONITORING.partition("| key | says |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    keys = [key for cell in cells for key in re.findall(r"`(\w+)`", cell)]
    assert keys == list(example["publication"]) == list(answer["publication"])
