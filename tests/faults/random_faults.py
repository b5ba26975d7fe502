"""Random faults for as long as you like, drawn by a seed; and whether all is right after them.

`python -m tests.faults.random_faults SECONDS [SEED]`: `gitops-prefix run` over a real sshd, a file
that names the prefix, and one fault after the other. The seed is printed: the same seed draws
the same faults. In the end every fault is mended, and the branch must hold the last prefix, all
commits of others, and a history in which each change of ours follows the one before.
"""

import getpass
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import pairwise
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings
from tests.faults.house import hook, is_whole, remote_home, somebody_pushes
from tests.faults.wire import wire
from tests.git_servers import free_port, ssh_server
from tests.gitrepo import git
from tests.netns import until

# What stands before git at the server; the file `mode` says what is wrong with it.
GATE = """#!/bin/sh
mode=$(cat {mode} 2>/dev/null)
case "$mode" in
  hangs) exec sleep 600;;
  closes) exit 1;;
  refuses) echo "ERROR: You are not allowed to push code to this project." >&2; exit 1;;
  busy) echo "remote: rate limit exceeded, try again later" >&2; exit 1;;
  chatters) yes "spam spam spam" >&2; exit 1;;
  drips) while sleep 1; do printf x; done;;
  silent-after) case "$SSH_ORIGINAL_COMMAND" in
      git-receive-pack*) exec sleep 600;;
    esac;;
esac
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""
PATIENCE = 600.0
"""Seconds for what must happen; the machine may have other work."""
MODES = ("hangs", "closes", "refuses", "busy", "chatters", "drips", "silent-after")


class Home:
    """A house with a daemon that is a process, and everything that may go wrong with it."""

    def __init__(self, directory: Path, stack: ExitStack, seed: int) -> None:
        self.chance = random.Random(seed)
        self.directory = directory
        self.remote = remote_home(directory)
        self.tree = directory / "tree"
        self.source = directory / "source" / "prefix"
        self.source.parent.mkdir()
        self._follow_a_file()
        server = stack.enter_context(ssh_server(directory / "sshd"))
        self.mode = directory / "mode"
        gate = directory / "gate"
        gate.write_text(GATE.format(mode=self.mode))
        gate.chmod(0o755)
        allowed = server.directory / "authorized_keys"
        allowed.write_text(f'command="{gate}" {allowed.read_text()}')
        self.line = stack.enter_context(wire(server.port))
        known = (server.directory / "known_hosts").read_text()
        known_hosts = directory / "known_hosts"
        known_hosts.write_text(known.replace(f":{server.port} ", f":{self.line.port} "))
        self.key = server.directory / "deploy"
        self.known_hosts = known_hosts
        self.url = f"ssh://{getpass.getuser()}@127.0.0.1:{self.line.port}{self.remote}"
        self.port = free_port()
        self.log = stack.enter_context((directory / "log").open("w"))
        self.theirs: list[str] = []
        self.number = 0
        self.slowest_end = 0.0
        self.process = self._start()
        stack.callback(self._end)

    def _follow_a_file(self) -> None:
        path = self.tree / "prefix.yaml"
        source = f"file:\n      path: {self.source}"
        text = path.read_text().replace("routerAdvertisement:\n      interface: eth0", source)
        path.write_text(f"{text.rstrip()}\n  transition:\n    maxChangesPerHour: 3600\n")
        git(self.tree, "commit", "-qam", "a file")
        git(self.tree, "push", "-q", "origin", "main")

    def _start(self) -> "subprocess.Popen[bytes]":
        words = [sys.executable, "-m", "gitops_prefix", "run", "--repo", self.url]
        words += ["--clone-dir", str(self.directory / "clone"), "--interval", "10s"]
        words += ["--ssh-key", str(self.key), "--known-hosts", str(self.known_hosts)]
        words += ["--source-dir", str(self.source.parent), "--listen", f"127.0.0.1:{self.port}"]
        return subprocess.Popen(words, stderr=self.log)

    def _end(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)

    @property
    def prefix(self) -> str:
        return f"2001:db8:{0x1000 + self.number:x}::/64"

    def renumbers(self) -> None:
        self.number += 1
        new = self.source.with_suffix(".new")
        new.write_text(f"{self.prefix}\n")
        new.replace(self.source)

    def _sends(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def is_killed(self) -> None:
        self._sends(signal.SIGKILL)
        self.process.wait(PATIENCE)
        time.sleep(self.chance.uniform(0, 2))
        self.process = self._start()

    def is_restarted(self) -> None:
        """Once it answers: before that, Python itself may still be starting, and SIGTERM kills."""
        until(self.answers, "its pages", PATIENCE)
        self._sends(signal.SIGTERM)
        began = time.monotonic()
        if code := self.process.wait(PATIENCE):
            raise SystemExit(f"SIGTERM is exit code 0, and not {code}")
        self.slowest_end = max(self.slowest_end, time.monotonic() - began)
        self.process = self._start()

    def is_stopped(self) -> None:
        self._sends(signal.SIGSTOP)
        time.sleep(self.chance.uniform(1, 5))
        self._sends(signal.SIGCONT)

    def somebody_pushes(self) -> None:
        with suppress(subprocess.CalledProcessError):
            self.theirs.append(somebody_pushes(self.tree, f"theirs{self.number}.txt"))

    def clone_is_damaged(self) -> None:
        packs = [*(self.directory / "clone").rglob("*.pack")]
        for path in packs[:1]:
            with suppress(OSError):
                path.chmod(0o600)
                path.write_bytes(b"damaged")

    def clone_is_packed(self) -> None:
        clone = self.directory / "clone" / "repository.git"
        subprocess.run(
            ("git", "-C", str(clone), "gc", "-q", "--prune=now"), capture_output=True, check=False
        )

    def line_cuts(self) -> None:
        """Each connection after some bytes, now in the words of ssh and now in a pack."""
        self.line.cut_back = self.chance.randrange(100, 8000)

    def line_is_slow(self) -> None:
        self.line.rate = 2000

    def hook(self, text: str) -> None:
        hook(self.remote, "pre-receive", text)

    def a_lock_is_left(self) -> None:
        (self.remote / "refs" / "heads" / "main.lock").touch()

    def mends(self) -> None:
        self.mode.unlink(missing_ok=True)
        self.line.mend()
        self.line.up()
        (self.remote / "hooks" / "pre-receive").unlink(missing_ok=True)
        (self.remote / "refs" / "heads" / "main.lock").unlink(missing_ok=True)
        self._sends(signal.SIGCONT)

    def faults(self) -> dict[str, Callable[[], object]]:
        modes = {f"server {mode}": lambda mode=mode: self.mode.write_text(mode) for mode in MODES}
        return modes | {
            "killed": self.is_killed,
            "restarted": self.is_restarted,
            "stopped": self.is_stopped,
            "a person": self.somebody_pushes,
            "clone damaged": self.clone_is_damaged,
            "clone packed": self.clone_is_packed,
            "line down": self.line.down,
            "line cuts": self.line_cuts,
            "line slow": self.line_is_slow,
            "hook declines": lambda: self.hook("echo not today >&2; exit 1"),
            "hook slow": lambda: self.hook("sleep 4"),
            "lock left": self.a_lock_is_left,
        }

    def answers(self) -> bool:
        with suppress(OSError):
            return bool(self.status())
        return self.process.poll() is not None

    def status(self) -> dict:
        with urlopen(f"http://127.0.0.1:{self.port}/status", timeout=10) as answer:
            return json.load(answer)

    def current(self) -> str:
        files = {"prefix.yaml": git(self.remote, "show", "main:prefix.yaml").encode()}
        status = read_inventory(files, Settings()).dynamic_prefixes["home-ipv6"].status
        return str(status.current) if status else ""


def storm(home: Home, seconds: float) -> Counter[str]:
    """One fault after the other, and a renumbering in the middle of each."""
    drawn: Counter[str] = Counter()
    faults = home.faults()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        name = home.chance.choice(sorted(faults))
        drawn[name] += 1
        time.sleep(home.chance.uniform(0, 1))
        if home.chance.random() < 0.8:
            home.renumbers()
        time.sleep(home.chance.uniform(0, 1))
        faults[name]()
        time.sleep(home.chance.uniform(0, 6))
        home.mends()
        if home.process.poll() is not None:
            raise SystemExit(f"the daemon left with {home.process.returncode} after: {name}")
    return drawn


def check(home: Home) -> list[str]:
    """What is wrong in the end; nothing should be."""
    until(lambda: home.current() == home.prefix, f"{home.prefix} on the branch", PATIENCE)
    wrong = []
    ours = [
        block.split("\0")
        for block in git(
            home.remote, "log", "--reverse", "--format=%(trailers:key=Previous-Prefix,valueonly)%x00"
            "%(trailers:key=Current-Prefix,valueonly)%x00%H%x01", "main"
        ).split("\x01")
    ]  # fmt: skip
    chain = [
        (before.strip(), after.strip(), commit)
        for before, after, commit in (b for b in ours if len(b) == 3)
    ]
    chain = [each for each in chain if each[1]]
    for (_, current, _), (previous, _, commit) in pairwise(chain):
        if previous != current:
            wrong.append(f"{commit[:12]} follows {previous}, and {current} was there")
    commits = set(git(home.remote, "rev-list", "main").split())
    wrong += [
        f"{commit[:12]} of a person is lost" for commit in home.theirs if commit not in commits
    ]
    wrong += [
        f"{commit[:12]} is not whole" for _, _, commit in chain if not is_whole(home.remote, commit)
    ]
    until(lambda: home.status()["publication"]["failures"] == 0, "no failure", PATIENCE)
    lines = Path(f"/proc/{home.process.pid}/status").read_text().splitlines()
    resident = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    if resident > 70 * 1024:
        wrong.append(f"the daemon has {resident // 1024} MiB")
    logged = (home.directory / "log").read_text()
    if "Traceback" in logged:
        wrong.append("there is a traceback in the log")
    print(f"{len(chain)} changes of ours, {len(home.theirs)} of a person; {resident // 1024} MiB")
    print(f"the slowest end after SIGTERM took {home.slowest_end:.1f} s")
    return wrong


def main(seconds: float, seed: int) -> int:
    """Run, and print what was drawn."""
    print(f"seed {seed}, {seconds:g} s", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="random-faults-"))
    with ExitStack() as stack:
        home = Home(directory, stack, seed)
        home.renumbers()
        until(lambda: home.current() == home.prefix, "the first prefix", PATIENCE)
        drawn = storm(home, seconds)
        print(", ".join(f"{name} {count}" for name, count in sorted(drawn.items())))
        home.renumbers()
        wrong = check(home)
    print("\n".join(wrong) or "the branch is right, and its history whole")
    if wrong:
        print(f"what was there is kept: {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return bool(wrong)


if __name__ == "__main__":
    given = [*sys.argv[1:], *("3600", str(random.randrange(10**6)))[len(sys.argv) - 1 :]]
    with suppress(URLError):
        sys.exit(main(float(given[0]), int(given[1])))
