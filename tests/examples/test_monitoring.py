"""Alerts and the dashboard ask for what is there, and fire when they say they do."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.publish.failure import Reason
from gitops_prefix.publish.stages import Stage
from tests.examples.monitoring import DASHBOARD, HERE, RULES, document, panels
from tests.examples.repositories import ROOT, build, of_kind, parse
from tests.examples.schemas import errors, schema_of
from tests.exposition import labels_by_name
from tests.parts import require

SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
FROM_PROMETHEUS = {"job", "instance", "le"}


def served() -> dict[str, set[str]]:
    """Every name in the exposition, with its labels."""
    labels = labels_by_name()
    return {
        family.name + suffix: set(labels[family.name])
        for family in text_string_to_metric_families(Metrics().exposition().decode())
        if family.name in labels
        for suffix in SUFFIXES[family.type]
    }


def asked() -> dict[str, str]:
    """Every expression, by who asks."""
    alerts = {rule["alert"]: rule["expr"] for rule in RULES}
    drawn = {f"{title} {target['refId']}": target["expr"] for title, target in panels()}
    notes = [one for one in DASHBOARD["annotations"]["list"] if "expr" in one]
    variables = [one["query"]["query"] for one in DASHBOARD["templating"]["list"][1:]]
    return {
        **alerts,
        **drawn,
        **{one["name"]: one["expr"] for one in notes},
        **{text: text for text in variables},
    }


@pytest.mark.parametrize("expression", asked().values(), ids=asked().keys())
def test_what_is_asked_for_is_served(expression):
    """Names and labels; a stage or reason that is selected is one that is counted."""
    known = served()
    names = set(re.findall(r"\bgitops_prefix_\w+", expression))
    assert names
    assert names <= known.keys()
    groups = re.findall(r"\bby \(([^)]*)\)", expression)
    selectors = re.findall(r"(\w+)\s*[=!]~?\"([^\"]*)\"", expression)
    used = {label.strip() for group in groups for label in group.split(",")}
    used |= {label for label, _ in selectors}
    assert used <= FROM_PROMETHEUS.union(*(known[name] for name in names))
    selected = dict(selectors)
    assert set(filter(None, selected.get("reason", "").split("|"))) <= set(Reason)
    assert set(filter(None, selected.get("stage", "").split("|"))) <= set(Stage)


def test_somebody_is_called_for_what_somebody_must_mend():
    """What passes by itself shows by how long a change waits; a broken clone heals.

    A repository with errors has an alert of its own, and a dry run is what somebody asked for.
    """
    passes = {"contested", "dns", "local", "server", "timeout", "unreachable"}
    called = set(
        re.findall(
            r"[a-z]+", asked()["GitopsPrefixRefused"].partition('reason=~"')[2].partition('"')[0]
        )
    )
    assert called == set(Reason) - passes - {"invalid", "rehearsed"}


@pytest.mark.parametrize(("title", "target"), list(panels()))
def test_a_legend_names_labels_that_are_left(title, target):
    legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
    groups = re.findall(r"\bby \(([^)]*)\)", target["expr"])
    if groups:
        assert legend <= {label.strip() for label in groups[0].split(",")}, title


def test_every_metric_but_those_told_otherwise_is_on_the_dashboard():
    """The two that are left out say again what another one does."""
    drawn = " ".join(asked().values())
    missing = {
        name
        for name in served()
        if not name.endswith(("_sum", "_count", "_bucket")) and name not in drawn
    }
    assert missing == {
        "gitops_prefix_refused_prefixes",
        "gitops_prefix_pending_since_timestamp_seconds",
    }


def promtool(*words: str, directory: Path = HERE) -> str:
    require("promtool")
    answer = subprocess.run(
        ["promtool", *words],
        cwd=directory,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_promtool_reads_the_rules_and_the_configuration_that_names_them():
    assert f"{len(RULES)} rules found" in promtool("check", "rules", "rules.yaml")
    promtool("check", "config", "prometheus.yaml")


def test_each_alert_fires_when_it_should_and_only_then():
    """rules-test.yaml: values over time, and what is told at a moment."""
    assert "SUCCESS" in promtool("test", "rules", "rules-test.yaml")


def test_each_alert_has_a_moment_at_which_it_fires_and_one_at_which_it_does_not():
    cases = [
        case for group in document("rules-test.yaml")["tests"] for case in group["alert_rule_test"]
    ]
    alerts = {rule["alert"] for rule in RULES}
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == alerts


def test_prometheus_can_read_every_expression_of_the_dashboard(tmp_path):
    """With Grafana's variables filled in, each is a rule that promtool takes."""
    rules = [
        {"record": f"panel:{number}", "expr": re.sub(r"\[\$__\w+\]", "[5m]", target["expr"])}
        for number, (_, target) in enumerate(panels())
    ]
    group = {"groups": [{"name": "dashboard", "rules": rules}]}
    (tmp_path / "rules.yaml").write_text(json.dumps(group))
    promtool("check", "rules", "rules.yaml", directory=tmp_path)


def test_the_operator_gets_the_same_rules():
    assert document("prometheus-rule.yaml")["spec"] == document("rules.yaml")


@pytest.mark.parametrize("name", ["prometheus-rule.yaml", "pod-monitor.yaml"])
def test_the_operators_kinds_are_what_their_schemas_say(name):
    require("shared")
    found = document(name)
    assert not errors(json.loads(schema_of(found).read_text()), found)


def test_the_monitor_finds_the_pods_of_every_deployment_here():
    """By their label and the name of their port."""
    monitor = document("pod-monitor.yaml")["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    deployments = list((ROOT / "examples").rglob("gitops-prefix/deployment.yaml"))
    deployments += (ROOT / "examples" / "kustomize").rglob("deployment.yaml")
    assert len(deployments) >= 3
    for path in deployments:
        (deployment,) = parse(path.read_text())
        template = deployment["spec"]["template"]
        assert monitor["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        ports = [one for each in template["spec"]["containers"] for one in each["ports"]]
        assert endpoint["port"] in {port["name"] for port in ports}


def test_kustomize_makes_the_dashboard_a_config_map_that_grafana_finds():
    built = build(HERE)
    (config_map,) = of_kind("ConfigMap", built)
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(config_map["data"]["gitops-prefix.json"]) == DASHBOARD
    assert {one["kind"] for one in built} == {"ConfigMap", "PodMonitor", "PrometheusRule"}


def test_panels_have_numbers_of_their_own_and_do_not_overlap():
    """Grafana would move them about."""
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_alert_has_its_row_in_the_docs():
    page = (ROOT / "docs" / "monitoring.md").read_text()
    assert re.findall(r"^\| `(GitopsPrefix\w+)`", page, re.MULTILINE) == [
        rule["alert"] for rule in RULES
    ]
