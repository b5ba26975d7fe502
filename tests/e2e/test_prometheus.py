"""A real Prometheus asks a real daemon: its rules evaluate, and its panels have something to draw."""

import json
import re
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode

import pytest

from tests.e2e.hooks import declines
from tests.examples.monitoring import HERE, RULES, panels
from tests.git_servers import free_port, start_here
from tests.gitrepo import example, git
from tests.netns import until
from tests.parts import require
from tests.static_source import A, B, fixed

Ask = Callable[..., dict]
NEEDS_A_LINK = {"Advertisements", "What does not count", "Links", "Directly applied", "Lease"}
"""The prefix here is static, and nothing is applied."""


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Ask]:
    """It watches a daemon whose first change was published, and whose second a hook declines."""
    require("promtool")
    remote, tree = example("plain", tmp_path), tmp_path / "tree"
    fixed(tree, A)
    ports = free_port(), free_port()
    text = (HERE / "prometheus.yaml").read_text().replace("localhost:8080", f"127.0.0.1:{ports[0]}")
    settings = tmp_path / "prometheus.yaml"
    settings.write_text(
        f"global: {{evaluation_interval: 1s}}\n{text}".replace(
            "scrape_interval: 30s", "scrape_interval: 1s"
        )
    )
    (tmp_path / "rules.yaml").write_text((HERE / "rules.yaml").read_text())
    daemon = [sys.executable, "-m", "gitops_prefix", "run", "--repo", str(remote)]
    daemon += ["--clone-dir", str(tmp_path / "clone"), "--interval", "1s"]
    daemon += ["--listen", f"127.0.0.1:{ports[0]}"]
    server = ["prometheus", f"--config.file={settings}", f"--storage.tsdb.path={tmp_path / 'tsdb'}"]
    server += [f"--web.listen-address=127.0.0.1:{ports[1]}"]

    def ask(path: str, **query: str) -> dict:
        url = f"http://127.0.0.1:{ports[1]}/api/v1/{path}?{urlencode(query)}"
        try:
            with urllib.request.urlopen(url) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            # While it starts it has no time; what it does not understand is a 400.
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise AssertionError(error.read().decode()) from error
            return {}
        except URLError:
            return {}

    with ExitStack() as stack:
        for words, name in ((daemon, "daemon"), (server, "prometheus")):
            log = stack.enter_context((tmp_path / f"{name}.log").open("w"))
            stack.enter_context(start_here(*words, stdout=log, stderr=log))
        published = 'gitops_prefix_publish_duration_seconds_count{stage="whole"} > 0'
        until(lambda: seen(ask, published), "the first prefix is published")
        declines(remote)
        git(tree, "pull", "-q", "origin", "main")
        fixed(tree, B)
        until(lambda: seen(ask, "gitops_prefix_pending_change_age_seconds > 2"), "it waits")
        yield ask


def seen(ask: Ask, expression: str) -> list[dict]:
    return ask("query", query=expression).get("result", [])


def test_rules_and_panels_over_what_a_daemon_really_serves(prometheus):
    """No rule fails to evaluate, no query of the dashboard is refused, and those that can, draw."""
    rules = until(lambda: evaluated(prometheus), "every rule was evaluated")
    assert [(one["name"], one["health"]) for one in rules] == [
        (one["alert"], "ok") for one in RULES
    ]
    # It fires after five minutes of this, and no other does.
    until(lambda: noticed(prometheus) == {"GitopsPrefixRefused"}, "the hook is noticed")
    until(lambda: empty_panels(prometheus) == NEEDS_A_LINK, "what every panel but these draws")
    (failures,) = seen(prometheus, "gitops_prefix_publish_failures_total")
    assert (failures["metric"]["stage"], failures["metric"]["reason"]) == ("push", "hook")


def empty_panels(ask: Ask) -> set[str]:
    """The titles of those that have nothing to draw."""
    empty = set()
    for title, target in panels():
        expression = re.sub(r"\[\$__\w+\]", "[1m]", target["expr"]).replace("$job", ".*")
        if not seen(ask, expression):
            empty.add(title)
    return empty


def noticed(ask: Ask) -> set[str]:
    return {rule["name"] for rule in evaluated(ask) if rule["state"] != "inactive"}


def evaluated(ask: Ask) -> list[dict]:
    groups = ask("rules").get("groups", [])
    rules = [rule for group in groups for rule in group["rules"]]
    return rules if rules and all(rule["health"] != "unknown" for rule in rules) else []
