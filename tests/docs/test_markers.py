"""docs/markers.md: its examples are what rendering makes of them, its table is the grammar."""

import re
from pathlib import Path

import pytest

from gitops_prefix.render.marker import FIELDS
from tests.render.repository import PREFIX, A, B, render_once

PAGE = (Path(__file__).parents[2] / "docs" / "markers.md").read_text()


EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("before", "after"), [*zip(EXAMPLES[::2], EXAMPLES[1::2], strict=True)])
def test_an_example_becomes_what_the_page_says(before: str, after: str):
    spec = PREFIX.replace(b"name: home\n", b"name: home-ipv6\n")
    spec = spec.replace(b"name: lb", b"name: loadbalancers")
    files = {"home.yaml": spec, "values.yaml": before.encode()}
    for hour, prefix in enumerate((A, B)):
        files |= render_once(files, prefix, hour).files
    assert files["values.yaml"].decode() == after


def test_every_field_has_its_row():
    cells = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    assert {field for cell in cells for field in re.findall(r"`([-\w]+)`", cell)} == set(FIELDS)
