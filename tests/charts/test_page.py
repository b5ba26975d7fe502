"""docs/helm.md: what it sets is there, its versions are ours, and its command renders."""

import re
import shlex

import pytest

from gitops_prefix import __version__
from tests.charts.rendering import CHART, VALUES, helm
from tests.examples.repositories import ROOT

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
