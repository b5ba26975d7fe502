"""A few of the generated files; `python -m tests.render.texts` has as many as you like."""

import os
from pathlib import Path

import pytest

from tests.parts import require
from tests.render.texts import TOGETHER, check, make, read_by_npm


@pytest.mark.parametrize("part", range(3))
def test_only_marked_addresses_move_and_they_come_back(part: int):
    for first in range(80 * part, 80 * part + 80, TOGETHER):
        check(first)


def test_the_yaml_of_npm_reads_what_was_meant():
    require("npm-yaml")
    reader = Path(os.environ["NEIGHBOURS"]) / "npm-yaml"
    read, wrong = read_by_npm(((seed, make(seed)) for seed in range(1, 150, 2)), reader)
    assert (read > 99, wrong) == (True, [])
