"""The site: every page of docs/ is in its navigation, which is short where a reader begins."""

import re
import tomllib
from pathlib import Path

from tests.examples.repositories import parse

ROOT = Path(__file__).parents[2]
CONFIG = next(parse((ROOT / "mkdocs.yml").read_text()))


def pages(entry, *, deep: bool) -> list[str]:
    """The pages of a part of the navigation; of `More` only if `deep`."""
    if isinstance(entry, str):
        return [entry]
    if isinstance(entry, list):
        return [page for each in entry for page in pages(each, deep=deep)]
    return [
        page
        for title, below in entry.items()
        if deep or title != "More"
        for page in pages(below, deep=deep)
    ]


def test_every_page_is_in_the_navigation_or_linked_from_one_that_is():
    found = pages(CONFIG["nav"], deep=True)
    assert len(found) == len(set(found))
    linked = {
        target
        for page in found
        for target in re.findall(r"\]\(([a-z-]+\.md)", (ROOT / "docs" / page).read_text())
    }
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= {*found, *linked}


def test_the_first_level_is_twenty_pages_at_most():
    first = pages(CONFIG["nav"], deep=False)
    assert len(first) <= 20
    assert first[0] == "index.md"
    assert {"flux.md", "argocd.md", "laptop-and-ci.md", "nothing-happens.md"} <= set(first)


def test_the_start_page_says_in_three_sentences_what_it_is_for_and_for_whom():
    text = (ROOT / "docs" / "index.md").read_text().partition("\n\n")[2].partition("\n\n")[0]
    assert len(re.findall(r"[.](?:\s|$)", text)) == 3


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_the_tools_of_the_site_are_locked_apart_from_the_program():
    locked = (ROOT / "requirements-docs.lock").read_text()
    assert "mkdocs-material==" in locked
    assert "--hash=sha256:" in locked
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "mkdocs" not in str(project["dependencies"]) + str(project["optional-dependencies"])
    for lock in ("requirements.lock", "requirements-dev.lock"):
        assert "mkdocs" not in (ROOT / lock).read_text()


def test_nothing_foreign_is_asked_for_by_the_readers_browser():
    assert CONFIG["theme"]["font"] is False
    assert "analytics" not in CONFIG.get("extra", {})
