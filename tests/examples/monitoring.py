"""The alerts and the dashboard of examples/monitoring, as files."""

import json
from collections.abc import Iterator

from tests.examples.repositories import ROOT, parse

HERE = ROOT / "examples" / "monitoring"


DASHBOARD = json.loads((HERE / "dashboard.json").read_text())


def document(name: str) -> dict:
    (found,) = parse((HERE / name).read_text())
    return found


RULES = [rule for group in document("rules.yaml")["groups"] for rule in group["rules"]]


def panels() -> Iterator[tuple[str, dict]]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target
