"""`template`: the message as it would be, for given prefixes or made-up ones."""

import json
import shutil
from pathlib import Path

import pytest

from gitops_prefix.cli.door import enter
from tests.gitrepo import ROOT

CHANGE = "2001:db8:1::/64 -> 2001:db8:2::/64"


@pytest.fixture
def tree(tmp_path, monkeypatch) -> Path:
    """A checkout with a first prefix."""
    shutil.copytree(ROOT / "examples" / "plain", tmp_path / "tree")
    monkeypatch.chdir(tmp_path / "tree")
    assert enter(["render", "--prefix", "home-ipv6=2001:db8:1::/64"]) == 0
    return tmp_path / "tree"


def shown(capsys, *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert enter(["template", *words]) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def files(tree: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def test_a_prefix_that_is_given_is_the_new_one(tree, capsys):
    before = files(tree)
    text = shown(capsys, "--prefix", "home-ipv6=2001:db8:2::/64")
    assert text.startswith(f"prefix(home-ipv6): {CHANGE}\n\nnetwork/cidr-group.yaml: ")
    assert text.endswith(
        "Previous-Prefix: 2001:db8:1::/64\nCurrent-Prefix: 2001:db8:2::/64\n"
        "Prefix-Source: router-advertisement\n"
    )
    assert files(tree) == before, "nothing is written"


def test_without_one_it_is_made_up(tree, capsys):
    assert "2001:db8:1::/64 -> 2001:db8:5678::/64" in shown(capsys)


def test_without_a_status_both_are(tree, capsys):
    shutil.copy(ROOT / "examples" / "plain" / "prefix.yaml", tree / "prefix.yaml")
    assert "2001:db8:1234::/64 -> 2001:db8:5678::/64" in shown(capsys)


def test_without_a_dynamic_prefix_it_is_the_shipped_example(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "2001:db8:1234::/64 -> 2001:db8:5678::/64" in shown(capsys)


def test_the_shipped_example_takes_a_prefix_too(tmp_path, monkeypatch, capsys):
    """Who has no manifests yet sees what their prefix would read like."""
    monkeypatch.chdir(tmp_path)
    given = ("--prefix", "home-ipv6=2001:db8:9::/64")
    assert shown(capsys, *given).splitlines()[0] == (
        "prefix(home-ipv6): 2001:db8:1234::/64 -> 2001:db8:9::/64"
    )
    assert '"office"' in shown(capsys, "--prefix", "office=2001:db8:9::/64", code=2)


def test_the_options_of_run_count(tree, capsys):
    (tree / "t.j2").write_text("{{ prefixes[0].router }}\n")
    words = ["--message-template", "t.j2", "--skip-ci", "--trailer", "A: b", "--trailer", "C: d"]
    text = shown(capsys, *words)
    assert text.startswith("fe80::1 [skip ci]\n\nDynamic-Prefix: home-ipv6\n")
    assert text.endswith("\nA: b\nC: d\n")


def test_trailers_in_the_variable_are_lines(tree, capsys, monkeypatch):
    """A trailer has blanks in it."""
    monkeypatch.setenv("GITOPS_PREFIX_TRAILER", "A: b c\nSigned-off-by: Bot <b@x>\n")
    assert shown(capsys).endswith("\nA: b c\nSigned-off-by: Bot <b@x>\n")


def test_json_holds_the_message(tree, capsys):
    text = shown(capsys, "--output", "json")
    assert json.loads(text) == {"message": shown(capsys)}


BAD = {
    "a template that fails": ("{{ nobody }}", [], "t.j2:1:4: error: "),
    "a template that is none": ("{{ subject", [], "t.j2:1:1: error: "),
    "a template that is not there": (None, [], "--message-template t.j2: No such file"),
    "a trailer of ours": ("x", ["--trailer", "Current-Prefix: ::/0"], "choose another key"),
    "a trailer that is none": ("x", ["--trailer", "a b"], 'write "Key: value"'),
    "a prefix of nobody": ("x", ["--prefix", "home=2001:db8::/64"], "Did you mean"),
}


@pytest.mark.parametrize(("template", "words", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_one_message(tree, capsys, template, words, message):
    if template is not None:
        (tree / "t.j2").write_text(template)
    text = shown(capsys, "--message-template", "t.j2", *words, code=2)
    assert message in text
    assert len(text.splitlines()) == 1


def test_a_template_in_latin_1_is_told(tree, capsys):
    (tree / "t.j2").write_bytes(b"Pr\xe4fix")
    assert "is not UTF-8" in shown(capsys, "--message-template", "t.j2", code=2)
