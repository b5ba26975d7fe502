"""docs/messages.md: the message it shows is the one that is written, and its template works."""

import re
from pathlib import Path

from click.testing import CliRunner

from gitops_prefix.cli.commands import cli
from gitops_prefix.publish.message import MessageTemplate, template_variables
from tests.publish.occasions import OCCASION

PAGE = (Path(__file__).parents[2] / "docs" / "messages.md").read_text()


def block(language: str) -> str:
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


def test_the_message_that_is_shown_is_what_the_command_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, _, message = block("console").partition("\n")
    answer = CliRunner().invoke(cli, call.split()[2:])
    assert answer.stdout == message


def test_the_template_that_is_shown_works():
    text = MessageTemplate(block("jinja"), "t.j2").write(OCCASION)
    assert text.startswith("chore(ipv6): home-ipv6 is 2001:db8:2::/64\n")
    assert "\nfe80::1 on eth0 announced it, in place of 2001:db8:1::/64.\n" in text
    assert "\nEdited by hand, and rendered again:\n" in text


def test_the_table_has_every_variable_and_each_of_its_parts():
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    listed = {
        name: set(re.findall(r"`(\w+)`", text))
        for key, text in rows
        for name in re.findall(r"`(\w+)`", key)
    }
    seen = template_variables(OCCASION)
    parts = {
        name: set(seen[name][0]) if name in {"prefixes", "changes"} else set() for name in seen
    }
    assert listed == parts
