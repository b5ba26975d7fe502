"""The child process: asked by lines, started on demand, ended when idle; its death loses nothing."""

import errno
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from gitops_prefix.apply.child import ClusterAccess, ClusterProcess, child_environment
from gitops_prefix.apply.fields import ApplyConfiguration
from gitops_prefix.apply.protocol import ApplyObjects, read_answer, write_question
from gitops_prefix.errors import InputError, OutsideError
from tests.netns import until

ECHO = """
import json, os, sys, time
for line in sys.stdin:
    if not line.strip():
        print(flush=True)
        continue
    words = json.loads(line)["with"]["configurations"][0]["file"]
    if words == "die":
        print("traceback of many lines\\nlast words https://user:secret@host/", file=sys.stderr)
        sys.exit(3)
    if words == "hang":
        time.sleep(600)
    if words == "half":
        print("{", end="", flush=True)
        os._exit(0)
    if words.startswith("babble "):
        print(words.removeprefix("babble "), flush=True)
        continue
    if words == "say much":
        print("x" * 1_000_000, file=sys.stderr)
    if words in {"input", "outside"}:
        print(json.dumps({"failed": {"words": "no", "input": words == "input"}}), flush=True)
        continue
    said = json.dumps({"pid": os.getpid(), "argv": sys.argv[1:], "environment": dict(os.environ)})
    report = {"file": words, "kind": "K", "namespace": "", "name": "n", "result": "applied"}
    print(json.dumps({"answer": {"reports": [report | {"message": said}]}}), flush=True)
"""


def asking(words: str) -> ApplyObjects:
    """A question that the child above answers by these words."""
    return ApplyObjects((ApplyConfiguration(words, "v1", "K", "", "n", "", (), {}),))


def said(process: ClusterProcess, words: str = "echo") -> dict:
    """What the child says of itself."""
    [report] = process.ask(asking(words)).reports
    assert report.file == words
    return json.loads(report.message)


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
    first, second = (said(process) for _ in range(2))
    assert first["pid"] == second["pid"]
    process.close()
    assert not process.runs


def test_what_was_closed_is_started_by_nobody_again(child):
    """A thread that is still at work when the daemon ends leaves no child behind."""
    process = child()
    said(process)
    process.close()
    with pytest.raises(OutsideError, match="about to end"):
        said(process)
    process.prepare()
    assert not process.runs


def test_it_is_ready_before_it_is_asked(child):
    process = child()
    process.prepare()
    assert process.runs


def test_nobody_asks_for_a_while_and_it_ends(child):
    process = child(idle=0.05)
    said(process)
    until(lambda: not process.runs, "the end of an idle child")
    assert said(process)


@pytest.mark.parametrize("words", ["die", "half"])
def test_a_child_that_dies_is_reported_and_the_next_one_answers(child, words):
    process = child()
    before = said(process)["pid"]
    with pytest.raises(OutsideError, match="ended before it answered"):
        said(process, words)
    assert said(process)["pid"] != before


def test_its_last_words_are_shown_without_secrets(child):
    with pytest.raises(OutsideError, match=r"last words https://host/") as error:
        said(child(), "die")
    assert "secret" not in str(error.value)


def test_a_child_that_was_killed_in_between_is_started_again(child):
    process = child()
    os.kill(said(process)["pid"], 9)
    until(lambda: not process.runs, "its end")
    assert said(process)


def test_a_child_that_hangs_is_ended_and_its_limit_is_named(child):
    process = child(seconds=0.2)
    with pytest.raises(OutsideError, match=r"took longer than 0\.2 s"):
        said(process, "hang")
    assert not process.runs


def test_a_question_under_way_can_be_interrupted_and_the_next_is_answered(child):
    """Who gives the lead up ends what it writes."""
    process, raised = child(), []

    def ask() -> None:
        with pytest.raises(OutsideError) as error:
            said(process, "hang")
        raised.append(error.value)

    process.interrupt()
    before = said(process)["pid"]
    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: process.interrupt() or raised, "the end of the question")
    asking.join()
    assert said(process)["pid"] != before


def test_who_led_when_the_question_was_made_asks_nothing_when_that_is_over(child):
    """A thread that is late has a question with an older end of the lead in it."""
    leads = [False]
    process = child(may_ask=lambda: leads[0])
    with pytest.raises(OutsideError, match="the lead ended"):
        said(process)
    leads[0] = True
    assert said(process)


def test_a_child_that_says_much_beside_its_answer_does_not_hang(child):
    assert said(child(), "say much")


@pytest.mark.parametrize(("words", "error"), [("outside", OutsideError), ("input", InputError)])
def test_what_failed_is_raised_and_the_child_stays(child, words, error):
    process = child()
    with pytest.raises(error, match="no"):
        said(process, words)
    assert process.runs


@pytest.mark.parametrize(
    "words", ["no JSON", "[]", "{}", "7", '{"answers": {}}', '{"answer": {"reports": 7}}']
)
def test_an_answer_in_another_form_is_reported(child, words):
    with pytest.raises(OutsideError, match="gave no answer"):
        said(child(), f"babble {words}")


def test_a_program_that_does_not_exist_is_reported():
    with pytest.raises(OutsideError, match="cannot be started"):
        ClusterProcess(command=("/nonexistent",)).ask(asking("echo"))


def test_the_child_gets_no_secret_of_ours_in_its_environment_or_arguments(child, monkeypatch):
    for name in ("GITOPS_PREFIX_TOKEN", "GIT_ASKPASS", "SSH_AUTH_SOCK", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    about = said(child(ClusterAccess("/etc/kubeconfig", "home")))
    assert "s3cret" not in json.dumps(about)
    assert about["argv"] == ["--kubeconfig=/etc/kubeconfig", "--context=home"]
    assert about["environment"]["KUBERNETES_SERVICE_HOST"] == "10.0.0.1"


def test_the_files_of_a_child_end_with_it(child, tmp_path, monkeypatch):
    """The client unpacks the private keys of a kubeconfig into files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    process = child()
    directory = Path(said(process)["environment"]["TMPDIR"])
    (directory / "key").write_text("PRIVATE KEY")
    os.kill(said(process)["pid"], 9)
    process.close()
    assert not [*(tmp_path / "tmp").iterdir()]


def test_what_a_killed_daemon_left_is_removed_by_the_next(child, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    left = tmp_path / "tmp" / "gitops-prefix-child-left"
    left.mkdir(parents=True)
    (left / "key").write_text("PRIVATE KEY")
    other, process = child(), child()
    others = Path(said(other)["environment"]["TMPDIR"])
    said(process)
    assert not left.exists() and others.is_dir()


def test_a_directory_that_another_child_removed_before_it_was_locked_is_made_again(
    child, monkeypatch
):
    """Two children that start at once: each removes what has no lock."""
    made = []

    def mkdtemp(**options) -> str:
        made.append(make(**options))
        if len(made) == 1:
            Path(made[0]).rmdir()
        return made[-1]

    make = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    assert said(child())["environment"]["TMPDIR"] == made[1]


SHORTAGES = {
    "descriptors": (os, "memfd_create", errno.EMFILE),
    "room": (tempfile, "mkdtemp", errno.ENOSPC),
    "processes": (subprocess, "Popen", errno.EAGAIN),
}


@pytest.mark.parametrize("shortage", SHORTAGES)
def test_a_shortage_is_reported_and_the_next_question_is_answered(child, monkeypatch, shortage):
    module, name, number = SHORTAGES[shortage]

    def refuse(*_words: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    process = child()
    with monkeypatch.context() as short:
        short.setattr(module, name, refuse)
        with pytest.raises(OutsideError, match=f"cannot be started: .*{os.strerror(number)}"):
            said(process)
    assert said(process)


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
    command = [sys.executable, "-P", "-m", "gitops_prefix.apply.kube_child"]
    command += ["--kubeconfig=/nonexistent"]
    question = ApplyObjects(())
    ended = subprocess.run(
        command, input=write_question(question), capture_output=True, timeout=120, check=True
    )
    with pytest.raises(InputError, match="/nonexistent"):
        read_answer(question, ended.stdout)
