"""git in a scrubbed environment: what it sees, where it works, and when it ends."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_prefix.publish.git import Git, GitFailedError
from gitops_prefix.publish.running import Limits, remote_limits
from tests.gitrepo import ROOT, commit_all, git
from tests.netns import until
from tests.publish.gpg_keys import GpgKey, keyrings

SECRET = "s3cret-of-nobody"
UNSHARE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A person's checkout."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.yaml").write_text("a: 1\n")
    commit_all(tree)
    return tree


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def spied(tmp_path: Path, text: str, **variables: str) -> Git:
    """A git that runs a script of ours as its ssh."""
    spy = script(tmp_path / "spy", text)
    return Git(
        tmp_path, environment={"GIT_SSH": str(spy), "GIT_SSH_VARIANT": "simple", **variables}
    )


def test_git_sees_no_variable_but_those_it_needs(tmp_path, monkeypatch):
    """GIT_* of the caller lead git elsewhere, and tokens in the environment are not its business."""
    for name, text in {
        "GIT_DIR": "/nowhere",
        "GIT_CONFIG_COUNT": "1",
        "GIT_ASKPASS": "/bin/false",
        "SSH_AUTH_SOCK": "/nowhere",
        "GITHUB_TOKEN": "secret",
        "LC_ALL": "de_DE.UTF-8",
        "HTTPS_PROXY": "http://proxy:3128",
    }.items():
        monkeypatch.setenv(name, text)
    seen = tmp_path / "seen"
    spied(tmp_path, f"env > {seen}").ask("ls-remote", "ssh://host/x")
    names = dict(line.partition("=")[::2] for line in seen.read_text().splitlines())
    assert not names.keys() & {"GIT_DIR", "GIT_ASKPASS", "SSH_AUTH_SOCK", "GITHUB_TOKEN"}
    assert "GIT_CONFIG_COUNT" not in names
    assert names["LC_ALL"] == "C"
    assert names["GIT_TERMINAL_PROMPT"] == "0"
    assert not names.get("HTTPS_PROXY"), "it is lent to those that go out (test_transport.py)"


def test_variables_are_in_no_command_line(tmp_path, monkeypatch):
    """Whoever may list the processes must not read where a key is."""
    programs, seen = tmp_path / "programs", tmp_path / "seen"
    programs.mkdir()
    # What starts git tells with what words, and its ssh looks at every process meanwhile.
    script(programs / "env", f'echo "$@" >> {seen}; exec {shutil.which("env")} "$@"')
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    look = f"cat /proc/[0-9]*/cmdline >> {seen} 2>/dev/null; exit 1"
    spied(tmp_path, look, OURS=SECRET).ask("ls-remote", "ssh://host/x")
    words = seen.read_bytes()
    assert words.count(b"ls-remote") > 1, "both were there"
    assert SECRET.encode() not in words


def test_what_we_were_started_with_is_in_no_childs_environment(tmp_path, monkeypatch):
    """Not even in that of `env`, before it becomes git."""
    monkeypatch.setenv("A_TOKEN_OF_OURS", SECRET)
    programs, seen = tmp_path / "programs", tmp_path / "seen"
    programs.mkdir()
    look = f"cat /proc/self/environ >> {seen}"
    script(programs / "env", f'{look}; exec {shutil.which("env")} "$@"')
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    spied(tmp_path, f"{look}; exit 1").ask("ls-remote", "ssh://host/x")
    words = seen.read_bytes()
    assert words.count(b"GIT_TERMINAL_PROMPT=0") == 2, "both were there"
    assert SECRET.encode() not in words


def test_what_a_container_sets_costs_no_other_program(tmp_path, monkeypatch):
    """Its variables reach git empty; `env` takes out the others, and is one more exec for each call."""
    for name in os.environ:
        monkeypatch.delenv(name)
    programs, seen = tmp_path / "programs", tmp_path / "seen"
    programs.mkdir()
    script(programs / "env", f'touch {tmp_path}/ran; exec /usr/bin/env "$@"')
    given = ("HOSTNAME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_PORT_443_TCP_ADDR", "LANG",
             "GITOPS_PREFIX_TOKEN", "PYTHON_VERSION", "https_proxy", "NOTIFY_SOCKET")  # fmt: skip
    for name in given:
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    spied(tmp_path, f"env > {seen}").ask("ls-remote", "ssh://host/x")
    assert SECRET not in seen.read_text()
    assert "GIT_TERMINAL_PROMPT=0" in seen.read_text()
    (tmp_path / "ran").unlink()
    Git(tmp_path).ask("version")
    assert not (tmp_path / "ran").exists()
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "traced"))
    Git(tmp_path).ask("version")
    assert (tmp_path / "ran").exists()
    assert not (tmp_path / "traced").exists()


def test_settings_of_the_user_do_not_count(tmp_path, tree, monkeypatch):
    """A rewritten URL, a .netrc: the result is the same on every machine."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".gitconfig").write_text('[url "/nowhere/"]\n  insteadOf = /\n')
    assert Git(tree).ask("ls-remote", str(tree)).status == 0


def test_hooks_of_the_repository_are_not_run(tmp_path, tree):
    script(tree / ".git" / "hooks" / "pre-push", f"touch {tmp_path}/ran; exit 1")
    git(tmp_path, "init", "-q", "--bare", "remote.git")
    Git(tree).run("push", "--quiet", str(tmp_path / "remote.git"), "main")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("url", ["ext::sh -c true", "git://127.0.0.1:9/x", "ftp://127.0.0.1:9/x"])
def test_only_known_protocols_are_spoken(tmp_path, url):
    """`ext::` runs a command; `git://` proves nobody's identity."""
    assert "not allowed" in Git(tmp_path).ask("ls-remote", url).stderr


@pytest.mark.parametrize("inside", ["gone", "empty"])
def test_a_directory_without_a_repository_leads_to_no_other(tree, monkeypatch, inside):
    """Neither to the one around it, nor to the one where we were started."""
    monkeypatch.chdir(tree)
    (tree / "empty").mkdir()
    with pytest.raises(GitFailedError):
        Git(tree / inside).run("rev-parse", "--git-dir")


def test_a_time_that_is_over_ends_the_whole_group(tmp_path):
    """Git, and what it started."""
    ours = spied(
        tmp_path, f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; sleep 300; true"
    )
    started = ended_early(ours, tmp_path / "pid")
    until(lambda: ended(started), "the end of what git started")


def test_a_process_that_left_the_group_is_not_waited_for(tmp_path):
    """It holds the pipes open; the answer comes all the same."""
    ours = spied(
        tmp_path,
        f"setsid sleep 300 & echo $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; sleep 300",
    )
    os.kill(ended_early(ours, tmp_path / "pid"), 9)


def ended_early(ours: Git, told: Path) -> int:
    """The process that git's ssh names in a file, after a time that was enough for this and no more."""
    for seconds in (1.0, 4.0, 16.0, 64.0):
        answer = ours.ask("ls-remote", "ssh://host/x", limits=Limits(seconds))
        assert (answer.status, answer.stderr) == (-1, f"no answer within {seconds:g} s")
        if told.exists():
            return int(told.read_text())
    raise AssertionError("git started nothing within a minute")


def require_namespace() -> None:
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine gives nobody a process namespace")


def as_init(source: str, *words: str) -> str:
    """What a script prints that is PID 1, as in a container."""
    answer = subprocess.run(
        [*UNSHARE, sys.executable, "-c", source, *words],
        capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def ended(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in {"Z", "X"}


def test_a_server_that_sends_without_end_is_ended(tmp_path):
    """Its words and its answers are bounded, so that our memory is."""
    words = spied(tmp_path, "yes spam spam >&2").ask(
        "ls-remote", "ssh://host/x", limits=remote_limits(60.0)
    )
    assert words.status == -1
    assert "the server sends more than" in words.stderr
    answer = Git(tmp_path).ask("-c", "alias.x=!yes", "x", limits=remote_limits(60.0))
    assert answer.status == -1
    assert "the server sends more than" in answer.stderr


def test_what_git_says_of_our_own_disk_is_cut_and_no_reason_to_end_it(tmp_path):
    """fsck has a line for each object of a damaged clone."""
    answer = Git(tmp_path).ask("-c", "alias.x=!seq 100000 >&2; echo done", "x")
    assert answer.status == 0
    assert answer.word() == "done"
    assert len(answer.stderr) <= 64 * 1024


def test_more_than_a_pipe_holds_goes_in_and_comes_out(tmp_path):
    git(tmp_path, "init", "-q")
    blob = b"line\n" * 400_000
    name = Git(tmp_path).run("hash-object", "-w", "--stdin", stdin=blob).word()
    assert Git(tmp_path).run("cat-file", "blob", name).stdout == blob


def test_a_git_that_reads_nothing_of_what_it_is_told_still_answers(tmp_path):
    answer = Git(tmp_path).ask("-c", "alias.x=!echo no", "x", stdin=b"line\n" * 400_000)
    assert answer.word() == "no"


def test_silence_ends_a_call_before_its_time(tmp_path):
    """A transport that only keeps the line alive is no sign of life of git's."""
    ours = spied(tmp_path, "while :; do :; done")
    answer = ours.ask("ls-remote", "ssh://host/x", limits=Limits(60.0, silence=1.0))
    assert (answer.status, answer.stderr) == (-1, "no answer within 1 s (not a byte came)")


def test_a_line_on_which_little_moves_is_not_silent(tmp_path):
    """Each packet counts: a reference advertisement that takes its time."""
    spell = (
        'for n in 1 2 3 4 5 6 7 8; do printf "003f%040d refs/heads/x%d\\n" 0 $n; sleep 0.8; done'
    )
    ours = spied(tmp_path, f"{spell}; printf 0000")

    def is_heard() -> bool:
        answer = ours.ask("ls-remote", "ssh://host/x", limits=Limits(300.0, silence=5.0))
        return "not a byte" not in answer.stderr

    # A machine that is busy may need so long before the first one.
    until(is_heard, "all that it says")


ALONE = """
import os, sys
from pathlib import Path
from gitops_prefix.publish.git import Git, Limits
spy = {"GIT_SSH": sys.argv[1], "GIT_SSH_VARIANT": "simple"}
git = Git(Path(sys.argv[2]), environment=spy)
assert os.getpid() == 1
for _ in range(3):
    assert git.ask("ls-remote", "ssh://host/x", limits=Limits(0.5)).status == -1
def states():
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat")]
    return "".join(stat.rpartition(")")[2].split()[0] for stat in stats)
# On a machine that is busy, a process ends late: the next git reaps it.
for _ in range(100):
    if "Z" not in states():
        break
    git.run("version")
print(states())
"""


def test_in_a_container_nothing_is_left_of_what_was_ended(tmp_path):
    """There we are the init, and what git leaves behind is ours to reap."""
    require_namespace()
    spy = script(tmp_path / "spy", "sleep 300 & sleep 300")
    assert "Z" not in as_init(ALONE, str(spy), str(tmp_path))


LATE = """
import os, sys
from pathlib import Path
from gitops_prefix.publish.git import Git
spy = {"GIT_SSH": sys.argv[1], "GIT_SSH_VARIANT": "simple"}
git = Git(Path(sys.argv[2]), environment=spy)
assert os.getpid() == 1
assert git.ask("ls-remote", "ssh://host/x").status == 128
left = int((Path(sys.argv[2]) / "left").read_text())
stat = Path(f"/proc/{left}/stat")
while stat.read_text().rpartition(")")[2].split()[1] != "1":
    pass
(Path(sys.argv[2]) / "go").touch()
while stat.read_text().rpartition(")")[2].split()[0] != "Z":
    pass
git.run("version")
print(stat.exists())
"""


def test_in_a_container_what_ends_after_its_git_is_reaped_with_the_next(tmp_path):
    """What ssh starts may live on for a while, and become our child."""
    require_namespace()
    wait = f"(while [ ! -e {tmp_path}/go ]; do sleep 0.1; done) >/dev/null 2>&1 </dev/null &"
    spy = script(tmp_path / "spy", f"{wait} echo $! >{tmp_path}/left")
    assert as_init(LATE, str(spy), str(tmp_path)).strip() == "False"


SIGNING = """
import os, sys
from pathlib import Path
from gitops_prefix.publish.signing import GpgSigning
assert os.getpid() == 1
def sign():
    with GpgSigning(Path(sys.argv[1])).lend():
        pass
def dead():
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat")]
    return sum("(gpg-agent) Z" in stat for stat in stats)
for _ in range(4):
    sign()
# On a slow machine an agent, or the one that started it, ends late: the next signature reaps it.
for _ in range(10):
    if dead() <= 1:
        break
    sign()
print(dead())
"""


def test_in_a_container_no_heap_of_dead_gpg_agents_is_left(tmp_path):
    """Each signature starts one, which leaves its group."""
    require_namespace()
    with keyrings() as base:
        GpgKey(base / "home").export(tmp_path / "key")
    assert int(as_init(SIGNING, str(tmp_path / "key"))) <= 1


def test_importing_us_runs_no_git(tmp_path):
    """GitPython would, with the whole environment, and so with a token in it."""
    script(tmp_path / "git", f"touch {tmp_path}/ran")
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    words = [sys.executable, "-c", "import gitops_prefix.publish.git"]
    subprocess.run(words, check=True, env=environment)
    assert not (tmp_path / "ran").exists()
