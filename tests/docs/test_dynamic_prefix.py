"""docs/dynamic-prefix.md has every field that is read or written, its default, and no other."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.reading import read_specification
from gitops_prefix.decide.specification import Acquisition, Transition
from gitops_prefix.decide.status import PastPrefix, PrefixSource, Status, status_document
from tests.docs.dynamic_prefix import PAGE, SPEC, fields


def document(field: str, value: object) -> dict:
    """A DynamicPrefix that says one thing."""
    for step in reversed(field.split(".")):
        key = step.removesuffix("[]")
        value = {key: [value] if step.endswith("[]") else value}
    return {"metadata": {"name": "home-ipv6"}, "spec": value}


def unknown(field: str) -> list[str]:
    _, problems = read_specification(document(field, "?"))
    return [problem.message for problem in problems if problem.code == "unknown-field"]


@pytest.mark.parametrize("field", SPEC)
def test_a_field_of_the_page_is_read(field):
    assert unknown(field) == []


@pytest.mark.parametrize("field", SPEC)
def test_a_field_beside_it_is_not(field):
    assert unknown(f"{field}Too") != []


def test_every_field_that_is_read_is_on_the_page():
    """The reader names what it knows of each mapping, in calls of `only`."""
    source = Path(__file__).parents[2] / "gitops_prefix" / "decide" / "reading.py"
    calls = re.findall(r"\.only\(([^)]*)\)", source.read_text())
    # The sources stand in a table.
    calls += re.findall(r"^_WRITTEN.*?^}", source.read_text(), re.MULTILINE | re.DOTALL)
    read = {name for call in calls for name in re.findall(r'"(\w+)"', call)}
    written = {step.removesuffix("[]") for field in SPEC for step in field.split(".")}
    assert read == written


def test_the_defaults_are_those_of_the_page():
    defaults = dict(re.findall(r"^\| `([\w.]+)` \| `?([\w.]+)`? \|", PAGE, re.MULTILINE))
    transition = Transition()
    assert defaults["mode"] == transition.mode
    assert int(defaults["maxPrefixHistory"]) == transition.max_prefix_history
    assert int(defaults["maxChangesPerHour"]) == transition.max_changes_per_hour
    assert defaults["stabilizationWindow"] == f"{transition.stabilization_window.seconds}s"
    assert defaults["dnsDelay"] == f"{transition.dns_delay.seconds}s"
    assert transition.retention is None
    assert defaults["prefixFilter.requireGlobalUnicast"] == "true"
    assert Acquisition().require_global_unicast


def test_every_field_of_a_status_is_on_the_page():
    now = datetime(2026, 11, 23, tzinfo=UTC)
    prefix = Prefix.parse("2001:db8::/64")
    past = PastPrefix(prefix, now, now, valid_until=now)
    status = Status(prefix, PrefixSource.STATIC, now, history=(past,))
    written = status_document(replace(status, dns_prefix=prefix))
    assert {field.removesuffix("[]") for field in fields("status")} == set(written)
    assert all(f"`{key}`" in PAGE for key in written["history"][0])
