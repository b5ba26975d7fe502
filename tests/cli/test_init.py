"""init: what it refuses, and what it never does; what it writes is tested with the examples."""

import subprocess
import sys
from pathlib import Path

import pytest

from gitops_prefix.cli.door import enter
from tests.netns import Radvd, lab
from tests.parts import require


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()
    }


def test_what_it_writes_is_valid_and_waits(tmp_path, capsys):
    """The first `validate` after `init` has no error; a second `init` writes nothing."""
    assert enter(["init", str(tmp_path / "new" / "home")]) == 0
    written = tree(tmp_path)
    assert "new/home/prefix.yaml" in written
    assert enter(["validate", str(tmp_path / "new" / "home")]) == 0
    assert "waits-for-prefix" in capsys.readouterr().err
    assert enter(["init", str(tmp_path / "new" / "home"), "--name", "other"]) == 0
    assert "wrote" not in capsys.readouterr().out
    assert tree(tmp_path) == written


def test_a_link_is_not_written_through(tmp_path, capsys):
    """Not even one that leads nowhere, and no other file is written either."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "prefix.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert enter(["init", str(tmp_path / "home")]) == 2
    assert "[path-outside]" in capsys.readouterr().err
    assert tree(tmp_path) == {}


BREAKOUTS = {
    "a quote in the name": ["--name", 'a"b'],
    "an upper-case name": ["--name", "Home"],
    "a line break in the name": ["--name", "a\nb: c"],
    "a name that ends with a line break": ["--name", "home\n"],
    "an interface of sixteen characters": ["--interface", "e" * 16],
    "an interface with a quote": ["--interface", 'eth"0'],
    "a blank in the repository": ["--repo", "https://git.example.com/a b"],
    "a backslash in the branch": ["--branch", "a\\n"],
    "a reconciler that is none": ["--for", "helm"],
    "an interface that a script left empty": ["--interface", ""],
    "a repository that is no place": ["--repo", "nonsense"],
    "a repository without a host": ["--repo", "https://"],
    "a port that is none": ["--repo", "ssh://git@git.example.com:99999/x"],
}


@pytest.mark.parametrize("words", BREAKOUTS.values(), ids=BREAKOUTS)
def test_what_would_break_out_of_yaml_is_refused(tmp_path, words, capsys):
    assert enter(["init", str(tmp_path), *words]) == 2
    said, (option, value) = capsys.readouterr().err, words
    assert option in said
    assert '"{}"'.format(value.replace("\n", "\\n")) in said
    assert tree(tmp_path) == {}


def test_where_a_file_stands_in_the_way(tmp_path, capsys):
    """A file where a directory belongs: exit code 3, and nothing is left behind."""
    (tmp_path / "gitops-prefix").write_text("")
    assert enter(["init", str(tmp_path)]) == 3
    assert "every file is as it was" in capsys.readouterr().err
    assert tree(tmp_path) == {"gitops-prefix": b""}


def test_a_router_that_is_known_is_the_only_one_that_is_believed(tmp_path, capsys):
    assert enter(["init", str(tmp_path), "--router", "FE80::1", "--interface", "lan0"]) == 0
    text = (tmp_path / "prefix.yaml").read_text()
    assert '      interface: "lan0"\n      routers: ["fe80::1"]\n' in text
    assert enter(["validate", str(tmp_path)]) == 0


def test_without_one_the_line_is_there_as_a_comment(tmp_path):
    assert enter(["init", str(tmp_path)]) == 0
    assert (
        '# Believe this router alone: routers: ["fe80::1"]'
        in (tmp_path / "prefix.yaml").read_text()
    )


def test_a_router_is_a_link_local_address(tmp_path, capsys):
    assert enter(["init", str(tmp_path), "--router", "2001:db8::1"]) == 2
    assert "--router: " in capsys.readouterr().err
    assert tree(tmp_path) == {}


def test_interface_and_router_are_those_that_are_heard(tmp_path):
    """In a network namespace with a real router; then in silence."""
    require("netns", "radvd")
    command = [sys.executable, "-m", "gitops_prefix", "init", "--listen", "3s"]
    with lab() as made:
        with Radvd(made, tmp_path).advertising("2001:db8:1::/64"):
            heard = made.node.command(*command, str(tmp_path / "heard"))
            ended = subprocess.run(heard, check=True, capture_output=True, text=True)
        assert "2001:db8:1::/64" in ended.stderr
        text = (tmp_path / "heard" / "prefix.yaml").read_text()
        assert 'interface: "eth0"' in text
        assert '\n      routers: ["fe80::' in text

        silent = made.node.command(*command[:-1], "1s", str(tmp_path / "silent"))
        ended = subprocess.run(silent, check=True, capture_output=True, text=True)
        assert "no router announced a global prefix" in ended.stderr
        assert 'interface: "eth0"' in (tmp_path / "silent" / "prefix.yaml").read_text()
