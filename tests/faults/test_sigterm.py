"""SIGTERM while the remote hangs, at each stage: the daemon leaves in time, and nothing is half done.

Each case is a real process, over a real server that stops at a stage. All hang at the same time,
since each is given its grace.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.faults.house import hook, is_whole, remote_home
from tests.git_servers import TOKEN, USER, listener, new_key, ssh_server, start_here, web_server
from tests.gitrepo import git
from tests.netns import until
from tests.static_source import fixed

A = "2001:db8:aaaa::/64"
LEAVES_WITHIN = 10.0
SLACK = 50.0
"""Seconds that a loaded machine may add."""
ARRIVE = "touch {reached}; exec sleep 90"
SECOND = 'n=$(cat {calls} 2>/dev/null); echo "$n." >{calls}; [ -z "$n" ] || '
"""upload-pack is asked twice: for the look, and for the fetch."""
HOOKS = {
    "in a hook, before the branch moves": "pre-receive",
    "after the last byte, when the branch has moved": "post-receive",
}
OVER_SSH = {
    "after the login": ARRIVE,
    "in the pack of a fetch": SECOND
    + f'{{{{ sh -c "$wanted" | dd bs=1 count=700 status=none; {ARRIVE}; }}}}',
    "before the pack of a push": f'case "$wanted" in git-receive-pack*) {ARRIVE};; esac',
    **dict.fromkeys(HOOKS, ""),
}
OVER_HTTPS = {
    "in the pack of a fetch": f'"$@" | dd bs=1 count=300 status=none; {ARRIVE}',
    **dict.fromkeys(HOOKS, ""),
}


class Login(NamedTuple):
    """A server, and the daemon's credentials."""

    url: str
    words: tuple[str, ...]


@dataclass
class Hanging:
    """A daemon, and whether the server has stopped it yet."""

    name: str
    directory: Path
    process: subprocess.Popen
    reached: Callable[[], object]
    code: int
    took: float = 0.0

    def leaves(self) -> None:
        """Send SIGTERM, and measure how long it takes, whatever the test does meanwhile."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(LEAVES_WITHIN + SLACK + 60)
        self.took = time.monotonic() - began

    @property
    def left(self) -> list[str]:
        """What runs on its clone."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().decode(errors="replace").replace("\0", " ")
            except OSError:
                continue
            if str(self.directory / "clone") in words:
                found.append(words)
        return found


def run(stack: ExitStack, directory: Path, login: Login, *more: str) -> subprocess.Popen:
    words = [sys.executable, "-m", "gitops_prefix", "run", "--repo", login.url, *login.words]
    words += ["--clone-dir", str(directory / "clone"), *more]
    log = stack.enter_context((directory / "log").open("w"))
    return stack.enter_context(start_here(*words, stderr=log))


def stops(directory: Path, text: str) -> str:
    return text.format(reached=directory / "reached", calls=directory / "calls")


def over_ssh(stack: ExitStack, tmp_path: Path) -> list[Hanging]:
    server = stack.enter_context(ssh_server(tmp_path / "sshd"))
    cases = []
    for number, (name, text) in enumerate(OVER_SSH.items()):
        directory = house_of(tmp_path / f"ssh{number}", name)
        gate = directory / "gate"
        script = f'#!/bin/sh\nwanted="$SSH_ORIGINAL_COMMAND"\n{stops(directory, text)}\n'
        gate.write_text(f'{script}exec sh -c "$wanted"\n')
        gate.chmod(0o755)
        with (server.directory / "authorized_keys").open("a") as allowed:
            allowed.write(f'command="{gate}" {new_key(directory / "key")}')
        words = ("--ssh-key", str(directory / "key"))
        words += ("--known-hosts", str(server.credentials.known_hosts))
        login = Login(server.url(directory / "remote.git"), words)
        cases.append(started(stack, f"ssh, {name}", directory, login))
    directory = house_of(tmp_path / "silent-ssh", "")
    cases.append(silent(stack, "ssh, before the banner", directory, login, "ssh://robot@"))
    return cases


def over_https(stack: ExitStack, tmp_path: Path) -> list[Hanging]:
    server = stack.enter_context(web_server(tmp_path / "httpd"))
    gate = server.directory / "gate"
    gate.write_text('#!/bin/sh\n[ -x ./gate ] && exec ./gate "$@"\nexec "$@"\n')
    gate.chmod(0o755)
    with (server.directory / ".gitconfig").open("a") as settings:
        settings.write(f"[uploadpack]\n  packObjectsHook = {gate}\n")
    token = tmp_path / "token"
    token.write_text(TOKEN)
    words = ("--token-file", str(token), "--username", USER, "--ca-file", str(server.authority))
    cases = []
    for number, (name, text) in enumerate(OVER_HTTPS.items()):
        directory = house_of(tmp_path / f"https{number}", name)
        if text:
            there = directory / "remote.git" / "gate"
            there.write_text(f"#!/bin/sh\n{stops(directory, text)}\n")
            there.chmod(0o755)
        (server.repositories / f"{number}.git").symlink_to(directory / "remote.git")
        login = Login(f"{server.url}/{number}.git", words)
        cases.append(started(stack, f"https, {name}", directory, login))
    directory = house_of(tmp_path / "silent-https", "")
    cases.append(silent(stack, "https, before a byte", directory, login, "https://"))
    return cases


def house_of(directory: Path, name: str) -> Path:
    """A repository with something to publish, whose server may stop in a hook."""
    directory.mkdir()
    remote = remote_home(directory)
    fixed(directory / "tree", A)
    if name in HOOKS:
        hook(remote, HOOKS[name], stops(directory, ARRIVE))
    return directory


def started(stack: ExitStack, name: str, directory: Path, login: Login) -> Hanging:
    # With --once, whoever waits for the exit code must not take it for done.
    once = "pre-receive" in HOOKS.get(name.partition(", ")[2], "") and name.startswith("ssh")
    process = run(stack, directory, login, *(("--once",) if once else ()))
    return Hanging(name, directory, process, (directory / "reached").exists, 3 if once else 0)


def silent(stack: ExitStack, name: str, directory: Path, login: Login, scheme: str) -> Hanging:
    nobody = stack.enter_context(listener())
    nobody.settimeout(120)
    url = f"{scheme}127.0.0.1:{nobody.getsockname()[1]}/home.git"
    process = run(stack, directory, login._replace(url=url))
    return Hanging(name, directory, process, lambda: stack.enter_context(nobody.accept()[0]), 0)


def test_sigterm_at_each_stage_of_a_fetch_and_a_push(tmp_path):
    with ExitStack() as stack:
        cases = [*over_ssh(stack, tmp_path), *over_https(stack, tmp_path)]
        leaving = [threading.Thread(target=case.leaves) for case in cases]
        for case, thread in zip(cases, leaving, strict=True):
            until(case.reached, case.name, 120)
            thread.start()
        for thread in leaving:
            thread.join()
        for case in cases:
            logged = (case.directory / "log").read_text()
            assert (case.name, case.process.returncode) == (case.name, case.code), logged
            assert "Traceback" not in logged, case.name
            assert case.took < LEAVES_WITHIN + SLACK, case.name
            until(lambda case=case: not case.left, f"{case.name}: nothing is left")
            remote = case.directory / "remote.git"
            git(remote, "fsck", "--connectivity-only")
            ours = git(remote, "log", "--format=%s", "main").startswith("prefix(")
            assert ours == ("has moved" in case.name), case.name
            assert is_whole(remote) if ours else True
            clone = case.directory / "clone" / "repository.git"
            git(clone, "fsck", "--connectivity-only")
        print({case.name: round(case.took, 1) for case in cases})
