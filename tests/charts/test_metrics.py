"""The chart's monitors and alerts: those of examples/monitoring, for this release's pods."""

import json

import pytest
from jsonschema import Draft202012Validator

from tests.charts.rendering import CHART, rendered
from tests.examples.repositories import ROOT, example, of_kind, parse
from tests.parts import require

SCHEMAS = ROOT.parent / "shared" / "crds" / "schema"
MONITORING = example("monitoring")


def metrics(**kinds):
    return {"metrics": {name: {"enabled": True} | values for name, values in kinds.items()}}


def only(kind, objects):
    (found,) = of_kind(kind, objects)
    return found


def test_the_alerts_are_those_of_the_examples(tmp_path):
    """Byte for byte: promtool tries those. And no braces of theirs are taken for Helm's."""
    alerts = (MONITORING / "rules.yaml").read_text()
    assert (CHART / "files" / "alerts.yaml").read_text() == alerts
    rule = only("PrometheusRule", rendered(tmp_path, metrics(prometheusRule={})))
    (expected,) = parse(alerts)
    assert rule["spec"] == expected


def test_a_pod_monitor_is_the_examples_for_this_release(tmp_path):
    (example,) = parse((MONITORING / "pod-monitor.yaml").read_text())
    objects = rendered(tmp_path, metrics(podMonitor={"labels": {"release": "prometheus"}}))
    monitor = only("PodMonitor", objects)
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    selected = monitor["spec"].pop("selector")["matchLabels"]
    assert selected.items() >= example["spec"].pop("selector")["matchLabels"].items()
    assert monitor["spec"] == example["spec"]
    template = only("Deployment", objects)["spec"]["template"]
    assert selected.items() <= template["metadata"]["labels"].items()


def test_a_service_monitor_asks_the_service(tmp_path):
    objects = rendered(tmp_path, metrics(service={}, serviceMonitor={"interval": "1m"}))
    monitor, service = only("ServiceMonitor", objects), only("Service", objects)
    assert (
        monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    )
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint == {
        "port": service["spec"]["ports"][0]["name"],
        "path": "/metrics",
        "interval": "1m",
    }
    assert service["spec"]["clusterIP"] == "None"


def test_a_monitor_gives_the_token_that_is_asked_for(tmp_path):
    values = metrics(podMonitor={}) | {"http": {"existingSecret": "listen"}}
    (endpoint,) = only("PodMonitor", rendered(tmp_path, values))["spec"]["podMetricsEndpoints"]
    assert endpoint["authorization"] == {"credentials": {"name": "listen", "key": "token"}}


@pytest.mark.parametrize("kind", ["PodMonitor", "PrometheusRule"])
def test_the_operator_takes_them(kind, tmp_path):
    require("shared")
    schema = json.loads((SCHEMAS / f"monitoring.coreos.com_{kind.lower()}_v1.json").read_text())
    one = only(kind, rendered(tmp_path, metrics(podMonitor={}, prometheusRule={})))
    assert not list(Draft202012Validator(schema).iter_errors(one))


@pytest.mark.parametrize("kind", ["PodMonitor", "ServiceMonitor", "PrometheusRule", "Service"])
def test_without_being_asked_for_there_is_none(kind, tmp_path):
    """A cluster without the operator refuses them."""
    assert not of_kind(kind, rendered(tmp_path))
