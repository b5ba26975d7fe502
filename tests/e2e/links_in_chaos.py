"""Links and routers in chaos for as long as you like, and whether the right prefix stands after it.

`python -m tests.e2e.links_in_chaos [SECONDS [SEED]]` (as root, with radvd): a daemon and a real router
on each of three links. A round is a second or two of events, tens of milliseconds apart: links go
down and up at either end, are renamed, deleted and made anew; routers start, say farewell, are killed,
renumber; the daemon is stopped meanwhile, so that events pile up, or are lost. Then it is quiet, and the branch
must hold the prefix of a living router on a link that is up, within GRACE, and keep it.
The same seed draws the same events.
"""

import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from math import inf
from pathlib import Path

from tests.gitrepo import bare_clone, commit_all, git
from tests.netns import PREFIX, RADVD, Namespace, end, run, until

LINKS = 3
GRACE = 60.0
"""Seconds for what the rules need: three intervals, two questions, a push; and a busy machine."""
BUSY = 0.5
"""Of a core, in the quiet: more is a loop that spins."""
DOCUMENT = """apiVersion: dynamic-prefix.io/v1alpha1
kind: DynamicPrefix
metadata:
  name: home
spec:
  acquisition: {{routerAdvertisement: {{interfaces: [{links}]}}}}
  transition: {{maxChangesPerHour: 3600}}
"""


class Uplink:
    """One link of the node, and the router at its other end."""

    def __init__(
        self, number: int, node: Namespace, directory: Path, prefixes: Iterator[str]
    ) -> None:
        self.name = f"eth{number}"
        self._node, self._next = node, prefixes
        self.router = Namespace(f"{node.name}r{number}", "lan0")
        self._directory = directory / self.name
        self._directory.mkdir()
        self._configuration = self._directory / "radvd.conf"
        self._pid = self._directory / "radvd.pid"
        self._log = (self._directory / "radvd.log").open("w")
        self._process: subprocess.Popen[bytes] | None = None
        self.prefix, self.state = "", "up"
        self._farewell_at = -inf
        run("ip", "netns", "add", self.router.name)
        self.router.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        self.router.run("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
        self.make()

    def make(self) -> None:
        """Lay the cable, with both ends up."""
        ends = (self.router.link, "netns", self.router.name), (self.name, "netns", self._node.name)
        run("ip", "link", "add", *ends[0], "type", "veth", "peer", "name", *ends[1])
        self.set_node("up")
        self.set_router("up")

    def make_anew(self) -> None:
        self._ip(self._node, "link", "delete", self.name)
        self.make()

    def rename(self) -> None:
        """Another name for a moment; a link that is up keeps its index."""
        away = f"{self.name}away"
        self._ip(self._node, "link", "set", self.name, "down")
        self._ip(self._node, "link", "set", self.name, "name", away)
        self._ip(self._node, "link", "set", away, "name", self.name)
        self._ip(self._node, "link", "set", self.name, "up")

    def set_node(self, state: str) -> None:
        self._ip(self._node, "link", "set", self.name, state)

    def set_router(self, state: str) -> None:
        self._ip(self.router, "link", "set", self.router.link, state)

    def _ip(self, namespace: Namespace, *words: str) -> None:
        run("ip", "-n", namespace.name, *words)

    def _write(self) -> None:
        self.prefix = next(self._next)
        line = PREFIX.format(prefix=self.prefix, valid=86400, preferred=14400)
        self._configuration.write_text(RADVD.format(prefixes=line))

    @property
    def advertises(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """A router starts, with a prefix that nobody has seen."""
        self.kill()
        self._write()
        words = ("radvd", "-n", "-m", "stderr", "-C", self._configuration, "-p", self._pid)
        self._pid.unlink(missing_ok=True)
        command = self.router.command(*map(str, words))
        self._process = subprocess.Popen(command, stderr=self._log, start_new_session=True)

    def renumber(self) -> None:
        if self.advertises and self._pid.exists() and self._pid.read_text().strip():
            self._write()
            self._signal(signal.SIGHUP)

    def say_farewell(self) -> None:
        self._farewell_at = time.monotonic()
        self._signal(signal.SIGTERM)

    @property
    def may_be_deaf(self) -> bool:
        """Whether it can have been heard since its farewell.

        A router of which only the farewell was heard never was a default router. Its prefix then
        stands for its lifetime, as that of any router beside the default one.
        """
        return time.monotonic() > self._farewell_at + 3

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def _signal(self, number: int) -> None:
        if self.advertises:
            os.killpg(self._process.pid, number)

    def close(self) -> None:
        self.kill()
        self._log.close()
        run("ip", "netns", "del", self.router.name)


class Node:
    """The machine of the daemon, its links, and its repository."""

    def __init__(self, directory: Path, stack: ExitStack, seed: int) -> None:
        self.chance = random.Random(seed)
        self._directory, self._stack = directory, stack
        self.namespace = Namespace(f"gp{secrets.token_hex(4)}n", "eth0")
        run("ip", "netns", "add", self.namespace.name)
        stack.callback(run, "ip", "netns", "del", self.namespace.name)
        self.namespace.run("ip", "link", "set", "lo", "up")
        prefixes = (f"2001:db8:{number:x}::/64" for number in count(1))
        self.uplinks = [
            Uplink(number, self.namespace, directory, prefixes) for number in range(LINKS)
        ]
        for uplink in self.uplinks:
            stack.callback(uplink.close)
        tree = directory / "tree"
        tree.mkdir()
        links = ", ".join(uplink.name for uplink in self.uplinks)
        (tree / "home.yaml").write_text(DOCUMENT.format(links=links))
        commit_all(tree)
        self._bare = bare_clone(tree, directory / "remote.git")
        self._log = stack.enter_context((directory / "daemon.log").open("w"))
        self._daemon = self._start()
        stack.callback(lambda: end(self._daemon))
        self._stopped_until = 0.0

    def _start(self) -> subprocess.Popen[bytes]:
        words = [
            "--repo",
            self._bare,
            "--clone-dir",
            self._directory / "clone",
            "--interval",
            "10m",
        ]
        command = [sys.executable, "-m", "gitops_prefix", "run", *map(str, words), "--verbose"]
        return subprocess.Popen(
            self.namespace.command(*command),
            stderr=self._log,
            start_new_session=True,
            cwd=self._directory,
        )

    def round(self) -> None:
        """Chaos, and what it leaves."""
        chance = self.chance
        acts: list[tuple[int, Callable[[Uplink], None]]] = [
            (4, lambda uplink: uplink.set_node("down")),
            (6, lambda uplink: uplink.set_node("up")),
            (2, lambda uplink: uplink.set_router("down")),
            (4, lambda uplink: uplink.set_router("up")),
            (1, Uplink.rename),
            (1, Uplink.make_anew),
            (3, Uplink.start),
            (2, Uplink.renumber),
            (1, Uplink.say_farewell),
            (1, Uplink.kill),
            (3, lambda _: self._pause(chance.choice([0.05, 0.3, 1.0, 3.0]))),
            (1, lambda _: self._overflow()),
        ]
        for _ in range(chance.randrange(3, 60)):
            uplink = chance.choice(self.uplinks)
            [(_, act)] = chance.choices(acts, [weight for weight, _ in acts])
            act(uplink)
            time.sleep(chance.choice([0, 0, 0.01, 0.05, 0.2]))
            self._go_on()
        if chance.random() < 0.1:
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = self._start()
        self._rest()

    def _pause(self, seconds: float) -> None:
        self._daemon.send_signal(signal.SIGSTOP)
        self._stopped_until = time.monotonic() + seconds

    def _overflow(self) -> None:
        """The daemon is stopped during more changes of links than the kernel keeps for it."""
        self._pause(3.0)
        changes = "\n".join(f"link set lo mtu {number}" for number in range(2000, 2900))
        self.namespace.run("ip", "-batch", "-", input=changes)

    def _go_on(self) -> None:
        if time.monotonic() >= self._stopped_until:
            self._daemon.send_signal(signal.SIGCONT)

    def _rest(self) -> None:
        """Every link is as one was drawn to end, and at least one router is left."""
        for position, uplink in enumerate(self.chance.sample(self.uplinks, LINKS)):
            state = (
                self.chance.choice(["up", "down", "pulled", "deaf", "deaf"]) if position else "up"
            )
            if state == "deaf" and not uplink.may_be_deaf:
                state = "up"
            uplink.set_router("down" if state == "pulled" else "up")
            uplink.set_node("down" if state == "down" else "up")
            # A router that is there speaks for certain; one that is not says no farewell.
            uplink.kill() if state == "deaf" else uplink.start()
            uplink.state = state
        if self.chance.random() < 0.5:
            time.sleep(self.chance.random())
        self._daemon.send_signal(signal.SIGCONT)

    def right(self) -> set[str]:
        return {uplink.prefix for uplink in self.uplinks if uplink.state == "up"}

    def current(self) -> str:
        text = git(self._bare, "show", "main:home.yaml")
        return text.partition("currentPrefix: ")[2].partition("\n")[0].strip('"')

    def settles(self) -> float:
        """The seconds until a right prefix stands, which then has to stay; and nothing spins."""
        began = time.monotonic()
        try:
            until(lambda: self.current() in self.right(), "a right prefix", GRACE)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self}") from None
        took = time.monotonic() - began
        stands, before = self.current(), self._used()
        time.sleep(1.0)
        assert self.current() == stands, f"{self}: it moved again, from {stands}"
        assert self._used() - before < BUSY, f"{self}: it used {self._used() - before} s in 1 s"
        return took

    def _used(self) -> float:
        """Seconds of processor that the daemon used."""
        fields = Path(f"/proc/{self._daemon.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __str__(self) -> str:
        states = ", ".join(f"{each.name} {each.state} {each.prefix}" for each in self.uplinks)
        return f"{states}; the branch has {self.current()}"


def main(seconds: float, seed: int) -> None:
    """Rounds until the time is over."""
    if os.geteuid() or not shutil.which("radvd"):
        print("links in chaos: skipped; it takes root and radvd")
        return
    print(f"seed {seed}", flush=True)
    directory = tempfile.mkdtemp()
    with ExitStack() as stack:
        node = Node(Path(directory), stack, seed)
        print(directory, flush=True)
        until_then = time.monotonic() + seconds
        slowest = 0.0
        for number in count(1):
            node.round()
            took = node.settles()
            slowest = max(slowest, took)
            if took > 12 or not number % 10:
                print(f"round {number}: {took:.1f} s; {node}; slowest {slowest:.1f}", flush=True)
            if time.monotonic() > until_then:
                return


if __name__ == "__main__":
    drawn = int(sys.argv[2]) if len(sys.argv) > 2 else secrets.randbelow(1 << 32)
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 600.0, drawn)
