"""docs/selection.md says every verdict, and names scenarios that there are."""

import re
from pathlib import Path

import pytest

from gitops_prefix.decide.candidate import Verdict
from tests.decide.test_kernel import SCENARIOS as SCENARIOS_OF_THE_KERNEL
from tests.decide.test_selection import SCENARIOS

PAGE = (Path(__file__).parents[2] / "docs" / "selection.md").read_text()


def first_column(heading, page=PAGE):
    """The first cells of the table below a heading, without the table's head."""
    section = page.split(f"\n## {heading}\n")[1].partition("\n## ")[0]
    return re.findall(r"^\| (.+?) \|", section, re.MULTILINE)[1:]


def test_each_verdict_is_explained_in_the_order_in_which_it_is_asked():
    refusals = [verdict.value for verdict in Verdict if verdict is not Verdict.CANDIDATE]

    assert first_column("Which prefixes count") == refusals


@pytest.mark.parametrize("scenario", first_column("What happens, case by case"))
def test_each_row_is_a_scenario_of_the_tests(scenario):
    assert scenario in SCENARIOS


KERNEL_PAGE = (Path(__file__).parents[2] / "docs" / "kernel.md").read_text()


@pytest.mark.parametrize("scenario", first_column("Which prefix is current", KERNEL_PAGE))
def test_each_row_of_the_kernels_page_is_a_scenario_of_the_tests(scenario):
    assert scenario in SCENARIOS_OF_THE_KERNEL
