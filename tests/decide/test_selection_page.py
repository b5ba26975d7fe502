"""docs/selection.md has every verdict and every rule, and names threads that are tests."""

import re
from pathlib import Path

import pytest

from gitops_prefix.decide.candidate import RANKING
from gitops_prefix.decide.policy import Verdict
from tests.decide.kernel_scenarios import SCENARIOS as SCENARIOS_OF_THE_KERNEL
from tests.decide.threads import THREADS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "selection.md").read_text()
KERNEL_PAGE = (DOCS / "kernel.md").read_text()


def column(number, heading, page=PAGE):
    """The cells of one column of the table below a heading, without the table's head."""
    section = page.split(f"\n## {heading}\n")[1].partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in section.splitlines() if line[:1] == "|"]
    return [row[number].strip() for row in rows[2:]]


def test_each_verdict_is_explained_in_the_order_in_which_it_is_asked():
    refusals = [verdict.value for verdict in Verdict if verdict is not Verdict.CANDIDATE]

    assert column(0, "Which prefixes count") == refusals


def test_the_candidates_are_ranked_as_the_page_says():
    said = re.findall(r"^\d+\. (.+)\.$", PAGE, re.MULTILINE)

    assert [words[0].lower() + words[1:] for words in said] == [rank.rule for rank in RANKING]


SEEN = [
    thread
    for threads in column(2, "The rules, and where they were seen")
    for thread in threads.split(", ")
]


@pytest.mark.parametrize("thread", SEEN)
def test_each_thread_of_the_page_is_a_test(thread):
    assert any(thread in name for name in THREADS)


@pytest.mark.parametrize("name", THREADS)
def test_each_thread_of_the_tests_is_on_the_page(name):
    assert any(thread in name for thread in SEEN)


@pytest.mark.parametrize("scenario", column(0, "Which prefix is current", KERNEL_PAGE))
def test_each_row_of_the_kernels_page_is_a_scenario_of_the_tests(scenario):
    assert scenario in SCENARIOS_OF_THE_KERNEL
