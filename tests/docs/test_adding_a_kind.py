"""docs/adding-a-kind.md: its kind is built and rendered, and what it names is there."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.render import targets
from tests.render.repository import PREFIX, render_once

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-kind.md").read_text()
HOME = PREFIX.replace(b"name: home\n", b"name: home-ipv6\n").replace(
    b"name: lb", b"name: loadbalancers"
)


LONGER = {
    "calico_pool",  # copies whole documents
    "config_map",  # has its own table of variables
    "service",  # has addresses and DNS, and claims a host part
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_kind_of_the_page_renders_what_the_page_says(monkeypatch: pytest.MonkeyPatch):
    """One file and one line in the table: nothing else names it."""
    module = ModuleType("antrea_pool")
    exec(compile(blocks("python")[0], "docs/adding-a-kind.md", "exec"), module.__dict__)
    monkeypatch.setattr(targets, "TARGETS", (*targets.TARGETS, module.TARGET))
    before, after = blocks("yaml")
    files = {"home.yaml": HOME, "pool.yaml": before.encode()}
    rendering = render_once(files, Prefix.parse("2001:db8:1234::/64"))
    assert rendering.problems == ()
    assert rendering.files["pool.yaml"].decode() == after


def test_the_page_names_every_kind_that_there_is():
    """And no file that is not there."""
    named = set(re.findall(r"`(\w+\.py)`", PAGE))
    there = {path.name for path in (ROOT / "gitops_prefix/render/targets").glob("[a-z]*.py")}
    assert named == there


def test_every_kind_is_in_the_contract_and_below_its_size():
    """Kinds do not import each other; those with more than a list of addresses are longer."""
    contract = (ROOT / "pyproject.toml").read_text()
    for path in (ROOT / "gitops_prefix/render/targets").glob("[a-z]*.py"):
        assert f"gitops_prefix.render.targets.{path.stem}" in contract
        assert len(path.read_text().splitlines()) <= 100 or path.stem in LONGER
