"""The one door: which exit code an error becomes, and in which form it goes out."""

import errno
import json
import os
import subprocess
import sys
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


TOO_LONG = "n" * 300
UNWRITABLE = {
    "init": ["init", TOO_LONG],
    "render": ["render", "--output-dir", TOO_LONG, "home"],
    "simulate": [
        "simulate",
        "--scenario",
        "flash-renumbering",
        "--svg",
        f"{TOO_LONG}/a.svg",
        "home",
    ],
}


@pytest.mark.parametrize("words", UNWRITABLE.values(), ids=UNWRITABLE)
def test_where_nothing_can_be_written_is_the_outside(words, nowhere, capsys):
    """A name that no file can have stands for a directory that only root may enter."""
    assert enter(["init", "home"]) == 0
    assert enter(["render", "--prefix", "home-ipv6=2001:db8:1::/64", "home"]) == 0
    before = sorted(nowhere.rglob("*"))
    capsys.readouterr()
    assert enter(words) == 3
    assert "File name too long; every file is as it was [outside]" in capsys.readouterr().err
    assert sorted(nowhere.rglob("*")) == before


CONFIGS = {
    "no YAML": ("output: [\n", "gitops-prefix.yaml:2:1: error: is no YAML"),
    "a second document": (
        "branch: main\n---\nexclude: x\n",
        "gitops-prefix.yaml:2:1: error: a second document begins here",
    ),
    "no mapping": ("- a\n", "gitops-prefix.yaml:1:1: error: must hold options"),
    "a key that no command has": ("push-brnch: x\n", 'gitops-prefix.yaml:1:1: error: "push-brnch" is no option of any command. Did you mean "push-branch"?'),
    "a flag that is a number": ("verbose: 1\n", 'gitops-prefix.yaml:1:1: error: "verbose" must be true or false'),
    "several where one can stand": ("path: [a, b]\n", 'gitops-prefix.yaml:1:1: error: "path" must be one value'),
    "a list of lists": ("exclude: [[a]]\n", 'gitops-prefix.yaml:1:1: error: "exclude" must be one value'),
    "nothing behind a key": ("interval: 5m\noutput:\n", 'gitops-prefix.yaml:2:1: error: "output" has no value behind its colon'),
    "nothing behind another command's": ("branch: ~\n", 'gitops-prefix.yaml:1:1: error: "branch" has no value behind its colon'),
    "several where another command takes one": ("# x\nbranch: [a, b]\n", 'gitops-prefix.yaml:2:1: error: "branch" must be one value'),
    "a key in two spellings": ("clone-dir: a\ncloneDir: b\n", 'gitops-prefix.yaml:2:1: error: "cloneDir" and "clone-dir" set one option twice'),
    "a key of the repository, misspelt": ("rewrites: []\n", 'gitops-prefix.yaml:1:1: error: "rewrites" is no option of any command. Did you mean "rewrite"?'),
    "the flag that names this file": ("config: x\n", 'gitops-prefix.yaml:1:1: error: "config" is no option of any command'),
    "a list of prefixes that are none": ("externalDNS: {annotationPrefixes: [5]}\n", "gitops-prefix.yaml:1:36: error: "),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), CONFIGS.values(), ids=CONFIGS)
def test_a_file_of_options_that_is_wrong(content: str, message: str, nowhere, capsys):
    (nowhere / "gitops-prefix.yaml").write_text(content)
    command = ["status"] if "verbose" not in content else ["run"]
    assert enter(command) == 2
    assert capsys.readouterr().err.startswith(message)


def test_an_option_that_the_file_gives_wrongly_is_not_called_missing(nowhere, capsys):
    (nowhere / "gitops-prefix.yaml").write_text("repo: [x]\nbranch: main\n")
    assert enter(["run"]) == 2
    said = capsys.readouterr().err
    assert said.startswith('gitops-prefix.yaml:1:1: error: "repo" must be one value')
    assert "--repo" not in said


NUMBERS = {
    "a duration without a unit": ("timeout: 5\n", "'5' is not a duration"),
    "a number with a point": ("timeout: 0.5\n", "'0.5' is not a duration"),
    "yes, for a duration": ("timeout: true\n", "'true' is not a duration"),
    "a mapping, for a number": ("count: {a: b}\n", '"count" must be one value'),
    "a number, for a file": ("pcap: 5\n", "'5' does not exist"),
}


@pytest.mark.parametrize(("content", "message"), NUMBERS.values(), ids=NUMBERS)
def test_a_setting_is_read_as_its_flag_would_be(content: str, message: str, nowhere, capsys):
    """YAML's own numbers and truths are text to an option, too."""
    (nowhere / "gitops-prefix.yaml").write_text(content)
    assert enter(["observe", "--interface", "lo"]) == 2
    assert message in capsys.readouterr().err


UNTOUCHED = {
    "another command's": "repo: x\nclone-dir: y\n",
    "of a command below a command": "routerLifetime: 1h\n",
    "the repository's": "externalDNS: {annotationPrefixes: [a.example/]}\n",
    "a manifest of that name": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
    "nothing said": "exclude: []\nrewrite: []\n",
    "one where several could stand": "exclude: a\n",
    "several": "exclude: [a, 5]\n",
    "no keys": "",
}


@pytest.mark.parametrize("content", UNTOUCHED.values(), ids=UNTOUCHED)
def test_a_file_of_options_serves_every_command(content: str, nowhere):
    (nowhere / "gitops-prefix.yaml").write_text(content)
    assert enter(["status"]) == 0


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
    "a form that a command lacks": (["status", "--output", "text2"], "not one of text, json"),
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


ANSWERS = {
    "the version": ["--version"],
    "text": ["--help"],
    "JSON": ["status", "--output", "json"],
    "an error in JSON": [*MISSING, "--output", "json"],
}


@pytest.mark.parametrize("words", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_cannot_be_written_is_a_failure_outside(words, nowhere):
    with Path("/dev/full").open("w") as full:
        answer = subprocess.run(
            [sys.executable, "-m", "gitops_prefix", *words],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=120,
        )  # fmt: skip
    words = "error: cannot write the answer: No space left on device [outside]\n"
    assert (answer.returncode, answer.stderr) == (3, words)


STATIC = """\
apiVersion: dynamic-prefix.io/v1alpha1
kind: DynamicPrefix
metadata: {{name: home}}
spec: {{acquisition: {{static: {{prefix: "{}"}}}}}}
"""
STREAMS = {
    "both are full": (">/dev/full 2>&1", ["status"], 3),
    "no answer is read, and words have no room": (">&- 2>/dev/full", ["status", "nowhere"], 3),
    "an answer that nobody wants": (">&-", ["status"], 0),
    "nothing is open": ("<&- >&- 2>&-", ["status"], 0),
    "nothing is open, for an error": ("<&- >&- 2>&-", ["status", "nowhere"], 2),
    "nothing is open, for a daemon": ("<&- >&- 2>&-", ["run", "--once", "--repo", "x.git"], 2),
    "a reader of one line": ("| head -1", ["run", "--help"], 0),
    "nobody reads an answer": ("| :", ["status"], 0),
    "nobody reads of an error": ("2>&1 | :", ["validate", "nowhere"], 2),
    "nobody reads of an error in JSON": ("| :", ["validate", "nowhere", "--output", "json"], 2),
    "nobody reads of an error in usage": ("2>&1 | :", ["run", "--nothing"], 2),
    "nobody reads of a command that is none": ("2>&1 | :", ["nothing"], 2),
    "nobody reads of files that are wrong": ("| :", ["validate", "wrong", "--output", "github"], 2),
    "nobody reads what is wrong": ("2>&1 | :", ["validate", "wrong"], 2),
    "nobody reads the diff": ("| :", ["render", "--check", "--diff", "old"], 1),
}  # fmt: skip


@pytest.mark.parametrize(("streams", "words", "code"), STREAMS.values(), ids=STREAMS)
def test_a_stream_that_is_full_or_closed_leaves_the_exit_code_true(streams, words, code, nowhere):
    """Python itself would leave with 120, and a socket would get the number of a closed stream."""
    for name, prefix in (("wrong", "2001:db8::1/64"), ("old", "2001:db8::/64")):
        if name in words:
            (nowhere / name).mkdir()
            (nowhere / name / "prefix.yaml").write_text(STATIC.format(prefix))
    command = f'set -o pipefail; "{sys.executable}" -m gitops_prefix {" ".join(words)} {streams}'
    answer = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=120
    )
    assert "Traceback" not in answer.stderr
    assert "Exception ignored" not in answer.stderr
    assert "internal" not in answer.stderr
    assert answer.returncode == code, answer


FAILURES = {
    "no descriptor left": (errno.EMFILE, "outside", "this machine: Too many open files"),
    "no process left": (errno.EAGAIN, "outside", "this machine: Resource temporarily unavailable"),
    "a socket": (errno.ENOTCONN, "internal", "internal error: OSError: "),
}


@pytest.mark.parametrize(("number", "code", "words"), FAILURES.values(), ids=FAILURES)
def test_what_is_not_the_streams_is_no_answer_that_cannot_be_written(
    number, code, words, monkeypatch, capsys
):
    """A socket, a pipe and a new process have no name either."""

    def broken(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("gitops_prefix.cli.manifests.read_managed_files", broken)
    assert enter(["validate", "--output", "json"]) == 3
    [error] = json.loads(capsys.readouterr().out)["errors"]
    assert error["code"] == code
    assert error["message"].startswith(words)


def test_a_machine_without_a_directory_for_temporary_files_is_no_bug(nowhere, monkeypatch, capsys):
    """As in a read-only container: tempfile raises this, without a path."""
    (nowhere / "a.yaml").write_text(STATIC.format("2001:db8::/64"))

    def nowhere_to_write() -> str:
        raise FileNotFoundError(
            errno.ENOENT, "No usable temporary directory found in ['/tmp', '/']"
        )

    monkeypatch.setattr("tempfile.gettempdir", nowhere_to_write)
    assert enter(["doctor", str(nowhere)]) == 3
    said = capsys.readouterr().err
    assert "error: no directory for temporary files can be written" in said
    assert "bug" not in said


def test_a_reader_that_is_gone_is_no_failure(nowhere):
    """`gitops-prefix --help | true`, with the pipe closed before the answer comes."""
    reader, writer = os.pipe()
    os.close(reader)
    answer = subprocess.run(
        [sys.executable, "-m", "gitops_prefix", "--help"],
        stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=120,
    )  # fmt: skip
    os.close(writer)
    assert (answer.returncode, answer.stderr) == (0, "")
