"""What the pages say is true: links lead somewhere, documents are rendered, words exist."""

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from gitops_prefix.cli.commands import COMMANDS, cli
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import PrefixSource
from gitops_prefix.decide.transition import Choice, advance
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import render
from gitops_prefix.render.settings import Settings

ROOT = Path(__file__).parents[2]
OURS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
PAGES = [*OURS, *sorted(ROOT.glob("examples/*/README.md"))]
NAME = "home-ipv6"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def snippets(page: Path) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path):
    """A relative link names a file of the repository, and its anchor a heading."""
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text()):
        if "://" in target:
            continue
        linked = (page.parent / target) if target else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert anchor in {
                re.sub(r"[^a-z0-9]+", "-", one.lower()).strip("-") for one in headings
            }


SHORT = [page for page in OURS if page.name != "CHANGELOG.md"]
"""A list of all that changed is as long as that."""


@pytest.mark.parametrize("page", SHORT, ids=name_of)
def test_a_page_stays_short(page: Path):
    """One question a page: about a hundred lines answer it, beside what options write."""
    text = re.sub(r"<!-- options of.*?<!-- end of", "", page.read_text(), flags=re.DOTALL)
    # The page of codes is a table: a row for each code.
    assert len(text.splitlines()) <= (180 if page.name == "problems.md" else 130)


def test_the_dynamic_prefix_of_the_page_is_read_without_a_problem():
    """The whole example is valid, to the last field."""
    [example] = snippets(ROOT / "docs" / "dynamic-prefix.md")
    inventory = read_inventory({"prefix.yaml": example.encode()}, Settings())
    assert not inventory.problems
    assert list(inventory.dynamic_prefixes) == [NAME]


MANIFESTS = [
    pytest.param(text, id=f"{name_of(page)}-{number}")
    for page in OURS
    # These need mode ha, or a kind of their own, and have tests of their own.
    if page.name not in {"services.md", "adding-a-kind.md"}
    for number, text in enumerate(snippets(page))
    if "kind: DynamicPrefix" not in text and "dynamic-prefix.io/name" in text
]


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_manifest_on_a_page_follows_the_prefix(manifest: str):
    """It is bound, without a warning, to the DynamicPrefix of docs/dynamic-prefix.md."""
    [prefix] = snippets(ROOT / "docs" / "dynamic-prefix.md")
    files = {"prefix.yaml": prefix.encode(), "manifest.yaml": manifest.encode()}
    inventory = read_inventory(files, Settings())
    assert not inventory.problems
    document = inventory.dynamic_prefixes[NAME]
    choice = Choice(Prefix.parse("2001:db8:1234::/64"), PrefixSource.ROUTER_ADVERTISEMENT)
    status = advance(document.specification, None, choice, datetime(2026, 11, 23, tzinfo=UTC))
    rendering = render(inventory, {NAME: status})
    assert not rendering.problems
    assert b"2001:db8:1234:0:f000::" in rendering.files["manifest.yaml"]


def test_some_manifest_is_tried():
    assert MANIFESTS


CALLS = [
    pytest.param(call, id=f"{name_of(page)}: {call}")
    for page in PAGES
    for call in dict.fromkeys(
        re.findall(r"(?:`|\$ (?:sudo )?)(gitops-prefix [a-z][^`\n]*)", page.read_text())
    )
]


@pytest.mark.parametrize("call", CALLS)
def test_a_command_that_a_page_names_has_these_options(call: str):
    """No page speaks of a command or an option that does not exist."""
    _, command, *words = shlex.split(call)
    assert command in COMMANDS
    found = cli.get_command(click.Context(cli), command)
    if isinstance(found, click.Group):
        found = found.commands[words[0]]
    known = {name for one in found.params for name in one.opts}
    used = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert used <= known
