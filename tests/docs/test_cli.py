"""docs/cli.md has every option of every command, its default, and no other option."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gitops_prefix.cli.commands import COMMANDS, cli

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
EVERYWHERE = {"--config", "--help", "-h"}


def section(name: str) -> str:
    """What stands below one heading."""
    return PAGE.split(f"\n## {name}\n")[1].partition("\n## ")[0]


def rows(name: str) -> dict[str, str]:
    """Each option of a section's table with its row."""
    lines = [line for line in section(name).splitlines() if line.startswith("| `-")]
    return {option: line for line in lines for option in re.findall(r"`(-[-a-z]+)`", first(line))}


def first(line: str) -> str:
    return line.split("|")[1]


def options(command: str) -> list[click.Option]:
    found = cli.get_command(click.Context(cli), command)
    return [one for one in found.params if isinstance(one, click.Option)]


def test_the_page_has_every_command_in_the_order_of_the_help():
    assert re.findall(r"^## ([a-z]+)$", PAGE, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_commands_table_has_what_its_help_lists_and_nothing_else(command):
    """What `--help` lists, not what the source declares: that is what a user sees."""
    shown = CliRunner().invoke(cli, [command, "--help"]).output
    listed = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", shown, re.MULTILINE))
    assert {"--help"} <= listed
    assert set(rows(command)) == listed - EVERYWHERE


def test_what_stands_under_everywhere_is_in_every_command():
    assert set(rows("Everywhere")) == EVERYWHERE
    for command in COMMANDS:
        names = {name for one in options(command) for name in one.opts}
        assert ("--config" in names) is (command != "demo")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_default_that_the_help_shows_is_on_the_page(command):
    for one in options(command):
        if one.show_default and "--output" not in one.opts:
            assert f"`{one.default}` |" in rows(command)[one.opts[0]], one.name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_choice_of_an_option_is_named(command):
    for one in options(command):
        for choice in one.type.choices if isinstance(one.type, click.Choice) else ():
            assert f"`{choice}`" in rows(command)[one.opts[0]], one.name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_but_those_everywhere_reads_its_environment_variable(command):
    for one in options(command):
        if one.opts[0] not in EVERYWHERE:
            expected = "GITOPS_PREFIX_" + one.opts[0].removeprefix("--").replace("-", "_").upper()
            assert one.envvar == expected
