"""The one door: which exit code an error becomes, and in which form it goes out."""

import json
from pathlib import Path

import pytest

from gitops_prefix.cli.door import enter

MISSING = ["render", "--prefix", "nobody=2001:db8::/64"]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("OUTPUT", "CONFIG", "PREFIX"):
        monkeypatch.delenv(f"GITOPS_PREFIX_{name}", raising=False)
    return tmp_path


FORMS = {
    "nothing said": ([], None, None, "text"),
    "a flag": (["--output", "json"], None, None, "json"),
    "a flag with an equals sign": (["--output=json"], None, None, "json"),
    "the last flag counts": (["--output=text", "--output", "json"], None, None, "json"),
    "the environment": ([], "json", None, "json"),
    "an empty variable says nothing": ([], "", None, "text"),
    "the file": ([], None, "output: json\n", "json"),
    "the environment is before the file": ([], "text", "output: json\n", "text"),
    "the flag is before the environment": (["--output", "json"], "text", None, "json"),
    "workflow commands": (["--output", "github"], None, None, "github"),
}


@pytest.mark.parametrize(("words", "variable", "file", "form"), FORMS.values(), ids=FORMS)
def test_errors_go_out_in_the_form_that_was_asked_for(
    words, variable, file, form, nowhere, monkeypatch, capsys
):
    """Flag, then environment, then file; JSON and GitHub on stdout, text on stderr."""
    if variable is not None:
        monkeypatch.setenv("GITOPS_PREFIX_OUTPUT", variable)
    if file is not None:
        (nowhere / "gitops-prefix.yaml").write_text(file)
    assert enter([*MISSING, *words]) == 2
    out, err = capsys.readouterr()
    if form == "json":
        [error] = json.loads(out)["errors"]
        assert list(error) == ["path", "line", "column", "code", "message"]
        assert (error["path"], error["line"], error["column"]) == (None, 0, 0)
    elif form == "github":
        assert out.startswith("::error title=unknown-dynamic-prefix::--prefix nobody")
    else:
        assert out == ""
        assert err.startswith("error: --prefix nobody=2001:db8::/64: there is no DynamicPrefix")


def test_a_file_of_options_that_is_named(nowhere, capsys):
    (nowhere / "mine.yaml").write_text("output: json\n")
    assert enter([*MISSING, "--config", "mine.yaml"]) == 2
    assert json.loads(capsys.readouterr().out)["errors"]


@pytest.mark.parametrize("variable", ["xml", ""])
def test_a_command_without_output_ignores_the_variable(variable, monkeypatch, capsys):
    """What is no format must not become a traceback while an error is told."""
    monkeypatch.setenv("GITOPS_PREFIX_OUTPUT", variable)
    assert enter(["init", "--name", 'a"b']) == 2
    assert capsys.readouterr().err.startswith("error: ")


CONFIGS = {
    "no YAML": ("output: [\n", "gitops-prefix.yaml:2:1: error: is no YAML"),
    "no mapping": ("- a\n", "gitops-prefix.yaml:1:1: error: must hold options"),
    "a list of prefixes that are none": ("externalDNS: {annotationPrefixes: [5]}\n", "gitops-prefix.yaml: error: "),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), CONFIGS.values(), ids=CONFIGS)
def test_a_file_of_options_that_is_wrong(content: str, message: str, nowhere, capsys):
    (nowhere / "gitops-prefix.yaml").write_text(content)
    assert enter(["status"]) == 2
    assert capsys.readouterr().err.startswith(message)


def test_the_outside_that_fails_is_3(nowhere, capsys):
    """A directory stands where a file is to be written."""
    (nowhere / "out" / "prefix.yaml" / "x").mkdir(parents=True)
    (nowhere / "prefix.yaml").write_text("# dynamic-prefix.io/\n")
    assert enter(["render", "--output-dir", "out", "--output", "json"]) == 3
    [error] = json.loads(capsys.readouterr().out)["errors"]
    assert error["code"] == "outside"
    assert "every file is as it was" in error["message"]


def test_usage_is_2_and_help_is_0(capsys):
    assert enter(["--help"]) == 0
    assert "Exit codes" in capsys.readouterr().out
    assert enter(["status", "--nope"]) == 2
    assert "No such option" in capsys.readouterr().err


USAGE = {
    "an option nearly right": (["validate", "--outputt=x", "--output", "json"], "--output"),
    "a value that is none": (["render", "--prefix", "x", "--output", "json"], "NAME=PREFIX"),
    "a directory that is not there": (["status", "nowhere", "--output=json"], "nowhere"),
    "a command nearly right": (["rende", "--output", "json"], 'Did you mean "render"?'),
    "an option that is required": (["run", "--output", "json"], "--output"),
}


@pytest.mark.parametrize(("words", "part"), USAGE.values(), ids=USAGE)
@pytest.mark.parametrize("form", ["json", "github"])
def test_usage_errors_obey_output_too(words, part, form, capsys):
    """One object a program can read, and nothing beside it; exit code 2."""
    assert enter([word.replace("json", form) for word in words]) == 2
    out, err = capsys.readouterr()
    assert err == ""
    if form == "json":
        [error] = json.loads(out)["errors"]
        assert (error["path"], error["code"]) == (None, "usage")
        assert part in error["message"]
    else:
        assert out.startswith("::error title=usage::")
        assert out.count("\n") == 1


NEARLY = {
    "a command": (["validat"], 'Did you mean "validate"?'),
    "an option": (["render", "--chek"], "Did you mean"),
    "a form": (["render", "--output", "jsn"], 'Did you mean "json"?'),
    "a form that a command lacks": (["status", "--output", "text2"], "none of text, json"),
    "a reconciler": (["init", "--for", "fluxx"], 'Did you mean "flux"?'),
}


@pytest.mark.parametrize(("words", "hint"), NEARLY.values(), ids=NEARLY)
def test_what_is_nearly_right_is_named(words, hint, capsys):
    assert enter(words) == 2
    assert hint in capsys.readouterr().err


def test_a_bug_of_ours_is_told_in_the_form_that_was_asked_for(monkeypatch, capsys):
    """No traceback, exit code 3."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr("gitops_prefix.cli.manifests.read_managed_files", broken)
    monkeypatch.delenv("GITOPS_PREFIX_DEBUG", raising=False)
    assert enter(["validate", "--output", "json"]) == 3
    [error] = json.loads(capsys.readouterr().out)["errors"]
    assert error["code"] == "internal"
    assert "ZeroDivisionError: by nought" in error["message"]
