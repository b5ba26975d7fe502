"""Tables of the pages against what they are tables of."""

import re
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest

from gitops_prefix.render.binding import Target
from gitops_prefix.render.manifest import (
    ADDRESS_RANGE,
    IPV6_ONLY,
    NAME,
    PARENT_POOL,
    SERVICE,
    SERVICE_ADDRESS_RANGE,
    SERVICE_SUBNET,
    SKIP_DNS,
    SUBNET,
    SUFFIX,
    VARIABLES,
)
from gitops_prefix.render.targets import TARGETS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def page(name: str) -> str:
    return (ROOT / name).read_text()


def rows(name: str) -> list[list[str]]:
    lines = [line for line in page(name).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_annotations_of_the_page_are_those_that_are_read():
    assert set(
        re.findall(r"^\| `(dynamic-prefix\.io/.*?)`", page("docs/annotations.md"), re.MULTILINE)
    ) == {
        NAME,
        ADDRESS_RANGE,
        SUBNET,
        SERVICE_ADDRESS_RANGE,
        SERVICE_SUBNET,
        SUFFIX,
        SERVICE,
        SKIP_DNS,
        IPV6_ONLY,
        VARIABLES,
        PARENT_POOL,
    }


def api_versions(target: Target) -> list[str]:
    return [f"{target.group}/{one}".removeprefix("/") for one in target.versions]


def test_the_kinds_of_the_page_are_those_of_the_table_of_targets():
    """With the versions that are served, and the field."""
    expected = {
        (
            f"{target.kind} ({', '.join(f'`{version}`' for version in api_versions(target))})",
            ", ".join(f"`{one}`" for one in target.fields),
        )
        for target in TARGETS
    }
    kinds = [row for row in rows("docs/annotations.md") if len(row) == 4 and row[0] != "kind"]
    assert {(kind, field) for kind, field, *_ in kinds} == expected


def test_the_layers_of_the_page_are_those_that_are_checked():
    """The line of arrows is import-linter's contract, and each package has a row."""
    contract = PROJECT["tool"]["importlinter"]["contracts"][0]
    layers = [layer for layer in contract["layers"] if not layer.startswith("__")]
    arrows = " -> ".join(f"({one})" if "|" in one else one for one in layers)
    assert f"`{arrows}`" in page("docs/architecture.md")
    packages = {one.parent.name for one in ROOT.glob("gitops_prefix/*/__init__.py")}
    named = {row[0].strip("`/") for row in rows("docs/architecture.md")}
    assert named - {"package", "errors.py"} == packages


DEPENDENCIES = {row[0]: row[1] for row in rows("docs/dependencies.md") if row[0] != "package"}


def test_the_dependencies_of_the_page_are_the_projects():
    declared = {re.split(r"[\[>=<]", one)[0] for one in PROJECT["project"]["dependencies"]}
    assert set(DEPENDENCIES) == declared


WORDS = {
    "Apache License Version 2.0": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""How packages without a licence expression say it."""


@pytest.mark.parametrize("package", DEPENDENCIES)
def test_a_licence_is_what_the_package_says(package):
    said = metadata(package)
    words = {said.get("License-Expression"), said.get("License")}
    words |= {one.rpartition(" :: ")[2] for one in said.get_all("Classifier") or []}
    assert DEPENDENCIES[package] in words | {WORDS.get(word) for word in words}
