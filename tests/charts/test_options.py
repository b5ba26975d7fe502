"""Every option of `run` can be set by the chart, and none that is not there."""

import json
import re

import pytest
from click import Choice, Context, Option

from gitops_prefix.cli.commands import cli
from tests.charts.rendering import CHART, rendered
from tests.examples.repositories import of_kind, parse

NO_USE_IN_A_POD = {"--config", "--help", "--once", "--wait"}
"""The chart's own file; and what makes a daemon that leaves, which would be started again."""
OPTIONS = json.loads((CHART / "values.schema.json").read_text())["properties"]["options"]
TEMPLATE = (CHART / "templates" / "_options.tpl").read_text()


def of_run():
    command = cli.get_command(Context(cli), "run")
    assert command is not None
    found = {one.opts[0]: one for one in command.params if isinstance(one, Option)}
    return {name: one for name, one in found.items() if name not in NO_USE_IN_A_POD}


def by_a_value_of_its_own():
    found = set(re.findall(r"^(GITOPS_PREFIX_\w+):", TEMPLATE, re.MULTILINE))
    return {name for name, one in of_run().items() if one.envvar in found}


def test_each_variable_is_an_option():
    found = set(re.findall(r"GITOPS_PREFIX_\w+(?=:)", TEMPLATE))
    command = cli.get_command(Context(cli), "run")
    assert command is not None
    assert found <= {one.envvar for one in command.params}


def test_each_other_option_is_known_to_the_schema_and_nothing_else_is():
    """What has a value of its own would silently count before `options`: the schema refuses it.

    Both files are written from the options: `python -m gitops_prefix.cli.reference`.
    """
    known = {f"--{name}" for name in OPTIONS["properties"]}
    assert OPTIONS["additionalProperties"] is False
    assert known == of_run().keys() - by_a_value_of_its_own()


@pytest.mark.parametrize("name", OPTIONS["properties"])
def test_the_schema_says_what_an_option_takes(name):
    option, schema = of_run()[f"--{name}"], OPTIONS["properties"][name]
    if option.is_flag:
        assert schema == {"type": "boolean"}
    elif option.multiple:
        assert schema == {"type": "array", "items": {"type": "string"}}
    elif isinstance(option.type, Choice):
        assert schema == {"enum": list(option.type.choices)}
    elif option.metavar == "DURATION":
        assert schema == {"$ref": "#/$defs/optionDuration"}
    else:
        assert schema == {"type": "string"}


def test_options_reach_the_daemon_by_a_file_and_new_ones_make_a_new_pod(tmp_path):
    first = rendered(tmp_path, {"options": {"interval": "1m", "exclude": ["a", "b"]}})
    (config,) = of_kind("ConfigMap", first)
    (options,) = parse(config["data"]["gitops-prefix.yaml"])
    assert options == {"interval": "1m", "exclude": ["a", "b"]}
    second = rendered(tmp_path, {"options": {"interval": "2m"}})
    (before, after) = (
        of_kind("Deployment", each)[0]["spec"]["template"] for each in (first, second)
    )
    assert before["metadata"]["annotations"] != after["metadata"]["annotations"]
    (container,) = after["spec"]["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    (mount,) = [one for one in container["volumeMounts"] if one["name"] == "config"]
    assert environment["GITOPS_PREFIX_CONFIG"] == f"{mount['mountPath']}/gitops-prefix.yaml"


def test_flags_stand_behind_run_and_variables_beside_ours(tmp_path):
    values = {"args": ["--interval=1m"], "env": [{"name": "HTTPS_PROXY", "value": "http://proxy"}]}
    (deployment,) = of_kind("Deployment", rendered(tmp_path, values))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["run", "--interval=1m"]
    assert values["env"][0] in container["env"]
