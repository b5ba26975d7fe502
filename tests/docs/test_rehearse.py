"""docs/rehearse.md has every option of `lab router`, its default, and no other option."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gitops_prefix.cli.commands import cli
from gitops_prefix.cli.lab import command
from gitops_prefix.lab.router import parse_step

PAGE = (Path(__file__).parents[2] / "docs" / "rehearse.md").read_text()
OPTIONS = [
    one
    for one in command.commands["router"].params
    if isinstance(one, click.Option) and "--config" not in one.opts
]
ROWS = {
    option: line
    for line in PAGE.splitlines()
    for option in re.findall(r"^\| `(--[-a-z]+)`(?: [A-Z]+)? \|", line)
}


def test_the_table_has_what_the_help_lists_and_nothing_else():
    shown = CliRunner().invoke(cli, ["lab", "router", "--help"]).output
    listed = set(re.findall(r"^  (--[a-z-]+)", shown, re.MULTILINE)) - {"--config", "--help"}
    assert listed == {one.opts[0] for one in OPTIONS}
    assert set(ROWS) == listed


@pytest.mark.parametrize("one", OPTIONS, ids=lambda one: one.opts[0])
def test_defaults_and_choices_are_on_the_page(one):
    row = ROWS[one.opts[0]]
    if one.show_default:
        assert f"`{one.default}` |" in row
    for choice in one.type.choices if isinstance(one.type, click.Choice) else ():
        assert f"`{choice}`" in row


def test_the_prefix_of_the_page_is_read():
    [unusual] = re.findall(r"`(2001:db8:1::/64,[^`]*)`", PAGE)
    [read] = parse_step(unusual)
    assert (read.valid_lifetime, read.preferred_lifetime, read.autonomous) == (600, 0, False)
