"""The child process: asked by lines, started on demand, ended when idle; its death loses nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_prefix.apply.child import ClusterAccess, ClusterProcess, child_environment
from gitops_prefix.errors import OutsideError
from tests.netns import until

ECHO = """
import json, os, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    if asked["operation"] == "die":
        print("traceback of many lines\\nlast words https://user:secret@host/", file=sys.stderr)
        sys.exit(3)
    if asked["operation"] == "hang":
        time.sleep(600)
    if asked["operation"] == "half":
        print("{", end="", flush=True)
        os._exit(0)
    if asked["operation"] == "babble":
        print(asked["arguments"]["words"], flush=True)
        continue
    if asked["operation"] == "say much":
        print("x" * 1_000_000, file=sys.stderr)
    if asked["operation"] == "fail":
        print(json.dumps({"error": "no", "kind": "outside"}), flush=True)
        continue
    answer = {"pid": os.getpid(), "argv": sys.argv[1:], "environment": dict(os.environ), **asked}
    print(json.dumps({"answer": answer}), flush=True)
"""


@pytest.fixture
def child(tmp_path: Path):
    """A child that says back what it is asked."""
    program = tmp_path / "child.py"
    program.write_text(ECHO)
    made = []

    def make(*access: ClusterAccess, **options) -> ClusterProcess:
        made.append(ClusterProcess(*access, command=(sys.executable, str(program)), **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_it_is_started_when_it_is_asked_and_stays_for_the_next_question(child):
    process = child()
    assert not process.runs
    first, second = (process.ask("echo", {"a": n}) for n in range(2))
    assert first["pid"] == second["pid"] and second["arguments"] == {"a": 1}
    process.close()
    assert not process.runs


def test_what_was_closed_is_started_by_nobody_again(child):
    """A thread that is still at work when the daemon ends leaves no child behind."""
    process = child()
    process.ask("echo", {})
    process.close()
    with pytest.raises(OutsideError, match="about to end"):
        process.ask("echo", {})
    process.prepare()
    assert not process.runs


def test_it_is_ready_before_it_is_asked(child):
    process = child()
    process.prepare()
    assert process.runs


def test_nobody_asks_for_a_while_and_it_ends(child):
    process = child(idle=0.05)
    process.ask("echo", {})
    until(lambda: not process.runs, "the end of an idle child")
    assert process.ask("echo", {})["operation"] == "echo"


@pytest.mark.parametrize("operation", ["die", "half"])
def test_a_child_that_dies_is_told_and_the_next_one_answers(child, operation):
    process = child()
    before = process.ask("echo", {})["pid"]
    with pytest.raises(OutsideError, match="ended before it answered"):
        process.ask(operation, {})
    assert process.ask("echo", {})["pid"] != before


def test_its_last_words_are_told_without_secrets(child):
    with pytest.raises(OutsideError, match=r"last words https://host/") as error:
        child().ask("die", {})
    assert "secret" not in str(error.value)


def test_a_child_that_was_killed_in_between_is_started_again(child):
    process = child()
    os.kill(process.ask("echo", {})["pid"], 9)
    until(lambda: not process.runs, "its end")
    assert process.ask("echo", {})


def test_a_child_that_hangs_is_ended(child):
    process = child(seconds=0.2)
    with pytest.raises(OutsideError):
        process.ask("hang", {})
    assert not process.runs


def test_a_child_that_says_much_beside_its_answer_does_not_hang(child):
    assert child().ask("say much", {})["operation"] == "say much"


def test_what_failed_outside_is_told_and_the_child_stays(child):
    process = child()
    with pytest.raises(OutsideError, match="no"):
        process.ask("fail", {})
    assert process.runs


@pytest.mark.parametrize("words", ["no JSON", "[]", "{}", "7", '{"answers": {}}'])
def test_an_answer_that_is_none_is_told(child, words):
    with pytest.raises(OutsideError, match="gave no answer"):
        child().ask("babble", {"words": words})


def test_a_program_that_is_not_there_is_told():
    with pytest.raises(OutsideError, match="cannot be started"):
        ClusterProcess(command=("/nonexistent",)).ask("echo", {})


def test_the_child_gets_no_secret_of_ours_in_its_environment_or_arguments(child, monkeypatch):
    for name in ("GITOPS_PREFIX_TOKEN", "GIT_ASKPASS", "SSH_AUTH_SOCK", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    said = child(ClusterAccess("/etc/kubeconfig", "home")).ask("echo", {})
    assert "s3cret" not in json.dumps(said)
    assert said["argv"] == ["--kubeconfig=/etc/kubeconfig", "--context=home"]
    assert said["environment"]["KUBERNETES_SERVICE_HOST"] == "10.0.0.1"


@pytest.mark.parametrize(
    ("access", "variables", "inherits"),
    [
        (ClusterAccess(), {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False),
        (ClusterAccess(), {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBECONFIG": "/k"}, True),
        (ClusterAccess("/k"), {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True),
        (ClusterAccess("", "home"), {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True),
        (ClusterAccess(), {}, True),
    ],
)
def test_a_pods_own_api_server_is_behind_no_proxy(access, variables, inherits):
    """So that the password of the Git host's goes nowhere else."""
    proxy = {"HTTPS_PROXY": "http://me:s3cret@proxy.example.com", "no_proxy": "*"}
    inherited = child_environment({**variables, **proxy}, access)
    assert {key: inherited[key] for key in proxy if key in inherited} == (proxy if inherits else {})


def test_the_true_child_ends_with_its_standard_input():
    """When the daemon is killed, the pipe closes."""
    command = [
        sys.executable,
        "-P",
        "-m",
        "gitops_prefix.apply.kube_child",
        "--kubeconfig=/nonexistent",
    ]
    request = json.dumps(
        {"operation": "apply", "arguments": {"configurations": [], "force": False, "dryRun": True}}
    )
    ended = subprocess.run(
        command, input=request + "\n", capture_output=True, text=True, timeout=60, check=True
    )
    answer = json.loads(ended.stdout)
    assert answer["kind"] == "input" and "/nonexistent" in answer["error"]
