"""A checkout is untrusted input, too: nothing outside of it is read or written, and errors have their place.

What a commit can hold is tried in tests/publish/test_hostile_repository.py; this is what a file system can.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from bench.home_repository import POOL, PREFIX
from gitops_prefix.cli.door import enter

COMMANDS = [
    ["validate"],
    ["status"],
    ["render", "--prefix", "home-ipv6=2001:db8:9::/64", "--now", "2026-11-24T12:00:00Z"],
]
POOL_A = POOL.format(number=1)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A managed file that nobody may touch."""
    path = tmp_path / "outside" / "canary.yaml"
    path.parent.mkdir()
    path.write_text(POOL_A)
    return path


@pytest.fixture
def tree(tmp_path: Path, monkeypatch) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "prefix.yaml").write_text(PREFIX)
    monkeypatch.chdir(tree)
    return tree


def link(target: str):
    return lambda tree: (tree / "a.yaml").symlink_to(target)


def folder(name: str):
    def make(tree: Path) -> None:
        (tree / name).mkdir(parents=True)
        (tree / name / "a.yaml").write_text(POOL_A)

    return make


def sparse(tree: Path) -> None:
    (tree / "a.yaml").write_text(POOL_A)
    os.truncate(tree / "a.yaml", 100 << 20)


def settings_from_outside(tree: Path) -> None:
    (tree / ".gitops-prefixignore").symlink_to("/dev/zero")


ODD = {
    "a link to a file outside": link("../outside/canary.yaml"),
    "a link to a secret": link("/etc/passwd"),
    "a link to our own environment": link("/proc/self/environ"),
    "a link that never ends": link("/dev/zero"),
    "a link that dangles": link("nowhere"),
    "a link to itself": link("a.yaml"),
    "a linked directory": lambda tree: (tree / "a").symlink_to("../outside"),
    "a linked root": lambda tree: (tree / "a").symlink_to("/"),
    "a ring of directories": lambda tree: (tree / "a").symlink_to("."),
    "a pipe": lambda tree: os.mkfifo(tree / "a.yaml"),
    "a pipe for patterns": lambda tree: os.mkfifo(tree / ".gitops-prefixignore"),
    "patterns without an end": settings_from_outside,
    "git's own": folder(".git"),
    "git's own, in capitals": folder(".GIT"),
    "git's own, by its short name": folder("apps/git~1"),
    "100 MiB": sparse,
}


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_it_is_passed_over(tree, outside, capsys, make, command):
    """The DynamicPrefix beside it is served as ever."""
    make(tree)
    assert enter([*command]) == 0
    assert "pool-1" not in capsys.readouterr().out
    assert outside.read_text() == POOL_A


NAMES = ["a\n::error::b.yaml", "bell\x07.yaml", "-rf.yaml", "--check.yaml", "\x1b[2J.yaml", "'\"`$(x).yaml", "\udcff.yaml", "a:1:1.yaml", "::error::.yaml"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_name_is_shown_in_one_line_that_no_terminal_obeys(tree, capfd, name, command):
    """Also where something is wrong with the file."""
    (tree / name).write_text(POOL_A)
    (tree / "wrong").mkdir()
    (tree / "wrong" / name).write_text(POOL_A.replace("loadbalancers", "nope"))
    assert enter([*command]) == 2
    captured = capfd.readouterr()
    for line in (captured.out + captured.err).splitlines():
        assert line.isprintable()
        assert not line.startswith("::")


@pytest.mark.parametrize("name", [*NAMES, "  ::error::.yaml"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_so_is_that_of_a_wrong_file_and_of_an_object_in_the_first_folder(
    tree, capfd, name, command
):
    """The place of an error begins its line, and so does a file that is rendered."""
    named = '"x\\n::error::y\\a"'
    (tree / "right.yaml").write_text(POOL_A.replace("pool-1", named))
    (tree / name).write_text(POOL_A.replace("loadbalancers", "nope").replace("pool-1", named))
    assert enter([*command]) == 2
    captured = capfd.readouterr()
    for line in (captured.out + captured.err).splitlines():
        assert line.isprintable()
        assert not line.lstrip().startswith("::")


@pytest.mark.parametrize(
    "setting",
    ["output-dir: ../elsewhere", "outputDir: /tmp/elsewhere", "output_dir: ~/../x/../../.."],
)
def test_settings_that_are_found_write_nowhere_else(tree, outside, capsys, setting):
    """Whoever asks for a merge writes that file, and the machine that checks it is not theirs."""
    (tree / "gitops-prefix.yaml").write_text(f"{setting}\n")
    assert enter([*COMMANDS[2]]) == 2
    assert "is outside of this directory: give it on the command line" in capsys.readouterr().err
    assert not (tree.parent / "elsewhere").exists()


def test_settings_that_are_found_may_stay_inside(tree, outside):
    (tree / "gitops-prefix.yaml").write_text("output-dir: rendered\n")
    assert enter([*COMMANDS[2]]) == 0
    assert (tree / "rendered" / "prefix.yaml").exists()


@pytest.mark.parametrize(
    "text",
    ["a: " + "[" * 10000, "- " * 10000 + "a", "1: 2\n", "? [a]\n: b\n", "\0", "a: &a [*a]\n"],
)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_settings_that_make_no_sense_are_told_or_pass(tree, capsys, text, command):
    """And never end in a traceback."""
    (tree / "gitops-prefix.yaml").write_text(text)
    code = enter([*command])
    assert code in {0, 2}
    assert (code == 2) is ("gitops-prefix.yaml" in capsys.readouterr().err)


EVERYWHERE = [
    ["validate"], ["validate", "{home}"], ["status"], ["status", "--url", "http://127.0.0.1:1"],
    ["render"], ["render", "--check"], ["template"], ["simulate", "--list"], ["migrate"],
    ["observe", "--interface", "lo", "--count", "1", "--timeout", "1ms"], ["init"], ["init", "new"],
    ["apply"], ["adopt"], ["doctor"], ["run", "--once", "--repo", "x.git"], ["run"],
    ["lab", "router", "--interface", "lo"],
]  # fmt: skip
NAMED = [
    ["validate", "--config", "{closed}/x.yaml"], ["render", "{home}", "--path", "../closed/x"],
    ["validate", "{closed}"], ["status", "{closed}/x"], ["migrate", "{closed}/x.yaml"],
    ["simulate", "{home}", "--scenario", "{closed}/x.yaml"], ["observe", "--pcap", "{closed}/x"],
    ["apply", "{home}", "--kubeconfig", "{closed}/x"], ["adopt", "{home}", "--kubeconfig", "{closed}/x"],
    ["template", "{home}", "--message-template", "{closed}/x"],
    ["run", "--once", "--repo", "{closed}/x.git"], ["run", "--once", "--repo", "file://{closed}/x.git"],
    ["run", "--once", "--repo", "x.git", "--events", "--kubeconfig", "{closed}/x"],
    ["run", "--once", "--repo", "https://x.example/y", "--token-file", "{closed}/x"],
]  # fmt: skip
_IN_PROCESS = """
import json, os, sys
from gitops_prefix.cli.door import enter
os.chdir(sys.argv[1]), os.chmod(sys.argv[2], int(sys.argv[3], 8))
for words in json.loads(sys.argv[4]):
    print("#", enter(words), *words, file=sys.stderr, flush=True)
"""


@pytest.mark.skipif(os.geteuid() == 0 and not which("setpriv"), reason="root may look everywhere")
@pytest.mark.parametrize(
    ("commands", "inside", "mode"),
    [(EVERYWHERE, True, "0"), (EVERYWHERE, True, "444"), (NAMED, False, "0")],
    ids=["the current directory", "one that only lists its names", "a directory that is named"],
)
def test_a_directory_that_nobody_may_search_has_words(tmp_path, commands, inside, mode):
    """Its settings could be there, so no command goes on without them."""
    home, closed = tmp_path / "home", tmp_path / "closed"
    home.mkdir()
    closed.mkdir()
    (home / "prefix.yaml").write_text(PREFIX)
    where = [[word.format(home=home, closed=closed) for word in words] for words in commands]
    here = closed if inside else tmp_path
    program = [sys.executable, "-c", _IN_PROCESS, str(here), str(closed), mode, json.dumps(where)]
    # Root may do all, unless it gives these rights away.
    less = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    answer = subprocess.run(
        [*(less if os.geteuid() == 0 else ()), *program],
        check=False, capture_output=True, text=True,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
    )  # fmt: skip
    closed.chmod(0o755)
    assert "internal error" not in answer.stderr
    codes = [line for line in answer.stderr.splitlines() if line.startswith("# ")]
    assert [line[:4] for line in codes] == ["# 2 "] * len(commands), answer.stderr
    if inside:
        assert answer.stderr.count("the current directory cannot be searched") == len(commands)


@pytest.mark.parametrize(
    "words", [each for each in EVERYWHERE if each[0] not in {"run", "observe", "lab"}], ids=" ".join
)
def test_a_directory_that_is_gone_has_words(tree, tmp_path, monkeypatch, capsys, words):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    gone.rmdir()
    code = enter([word.format(home=tree) for word in words])
    monkeypatch.chdir(tree)
    text = capsys.readouterr().err
    assert "internal" not in text
    asks_elsewhere = "{home}" in words or "--list" in words
    assert code == (0 if asks_elsewhere else 3 if "--url" in words else 2), text
    if words in (["validate"], ["init"], ["render"], ["status"], ["template"], ["migrate"]):
        assert "the current directory is gone: change to one that is there" in text
