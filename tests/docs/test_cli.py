"""docs/cli.md has every option of every command, as it is declared, and no other option."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gitops_prefix.cli.commands import COMMANDS, cli
from gitops_prefix.cli.reference import written

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cli.md").read_text()
EVERYWHERE = {"--config", "--help", "-h"}


def section(name: str) -> str:
    """What stands below one heading."""
    return PAGE.split(f"\n## {name}\n")[1].partition("\n## ")[0]


def rows(name: str) -> dict[str, str]:
    """Each option of a section's table with its row."""
    lines = [line for line in section(name).splitlines() if line.startswith("| `-")]
    return {
        option: line for line in lines for option in re.findall(r"`(-[-a-z0-9]+)`", first(line))
    }


def first(line: str) -> str:
    return line.split("|")[1]


def options(command: str) -> list[click.Option]:
    found = cli.get_command(click.Context(cli), command)
    return [option for option in found.params if isinstance(option, click.Option)]


def test_the_page_has_every_command_in_the_order_of_the_help():
    assert re.findall(r"^## ([a-z]+)$", PAGE, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_commands_table_has_what_its_help_lists_and_nothing_else(command):
    """What `--help` lists, not what the source declares: that is what a user sees."""
    shown = CliRunner().invoke(cli, [command, "--help"]).output
    listed = set(re.findall(r"^  (?:-h, )?(--[a-z0-9-]+)", shown, re.MULTILINE))
    assert {"--help"} <= listed
    expected = listed - EVERYWHERE
    if command == "doctor":
        # The page says whose options these are.
        assert expected == set(rows("run")) | {"--output"}
        return
    assert set(rows(command)) == expected


def test_what_stands_under_everywhere_is_in_every_command():
    assert set(rows("Everywhere")) == EVERYWHERE
    for command in COMMANDS:
        names = {name for option in options(command) for name in option.opts}
        assert ("--config" in names) is (command not in {"demo", "completion"})


@pytest.mark.parametrize("path", [path for path, _ in written()])
def test_what_is_written_from_the_options_is_current(path):
    """Otherwise: `python -m gitops_prefix.cli.reference`."""
    assert (ROOT / path).read_text() == dict(written())[path]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_default_and_choice_is_on_the_page(command):
    # doctor's options are run's.
    command = "run" if command == "doctor" else command
    for option in options(command):
        choices = option.type.choices if isinstance(option.type, click.Choice) else ()
        for text in [*choices, *([option.default] if option.show_default else [])]:
            assert f"`{text}`" in rows(command)[option.opts[0]], option.name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_but_those_everywhere_reads_its_environment_variable(command):
    for option in options(command):
        if option.opts[0] not in EVERYWHERE:
            name = option.opts[0].removeprefix("--").replace("-", "_").upper()
            assert option.envvar == f"GITOPS_PREFIX_{name}"
