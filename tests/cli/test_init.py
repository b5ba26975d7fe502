"""init: what it refuses, and what it never does; what it writes is tested with the examples."""

from pathlib import Path

import pytest

from gitops_prefix.cli.door import enter


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
