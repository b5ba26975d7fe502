"""A router and a node on one machine: two network namespaces joined by a veth pair.

Nothing here reaches any network but its own; everything is gone afterwards.
"""

import ctypes
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNET = 0x40000000

RADVD = """
interface lan0 {{
  AdvSendAdvert on;
  # Mobile IPv6 intervals, so that tests need not wait for a router's patience.
  AdvIntervalOpt on;
  MinRtrAdvInterval 0.1;
  MaxRtrAdvInterval 0.3;
  MinDelayBetweenRAs 0.05;
  {prefixes}
}};
"""
PREFIX = "prefix {prefix} {{ AdvValidLifetime {valid}; AdvPreferredLifetime {preferred}; }};"


def run(*command: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=120, **options
    )


def until(condition: Callable[[], object], what: str, seconds: float = 120.0):
    """Wait for a condition; its value is the answer. The limit is for a machine that is busy."""
    end = time.monotonic() + seconds
    while True:
        # Whoever was not given the processor for so long looks once more.
        late = time.monotonic() >= end
        value = condition()
        if value:
            return value
        if late:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


def replace_program(path: Path, text: str) -> Path:
    """Write a script in place of another one, which may be running, or just be started.

    Such a file cannot be written to (ETXTBSY), and a shell reads what is written into it.
    """
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.chmod(0o755)
    return new.replace(path)


def whole_lines(log: Path) -> list[str]:
    """The lines of a log that is written meanwhile; its last one may have no end yet."""
    return log.read_text().rpartition("\n")[0].splitlines()


@dataclass(frozen=True)
class Namespace:
    name: str
    link: str

    def command(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words: str, **options) -> subprocess.CompletedProcess[str]:
        return run(*self.command(*words), **options)

    def has_address(self) -> bool:
        """Whether its link can send and hear: it has a carrier, and its link-local address."""
        words = (
            "ip",
            "-6",
            "address",
            "show",
            "dev",
            self.link,
            "scope",
            "link",
            "-tentative",
            "up",
        )
        return "fe80::" in self.run(*words).stdout

    def has_carrier(self) -> bool:
        """Whether its link is up, and so is the other end."""
        return " state UP " in self.run("ip", "link", "show", "dev", self.link).stdout

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread's sockets are the namespace's while it lasts, and stay so."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            _enter(there)
            yield
        finally:
            _enter(home)
            os.close(there)
            os.close(home)

    @contextmanager
    def start(self, *words: str, **options) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            self.command(*words), text=True, start_new_session=True, **options
        )
        try:
            yield process
        finally:
            end(process)


def _enter(namespace: int) -> None:
    # os.setns is Python 3.12's.
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            # The daemon has ten seconds; a machine that is busy adds to them.
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=120)
    for stream in (process.stdout, process.stderr, process.stdin):
        if stream is not None:
            stream.close()


@dataclass(frozen=True)
class Lab:
    router: Namespace
    node: Namespace

    def connect(self) -> None:
        """Lay the cable, or lay it anew."""
        router, node = ((one.link, "netns", one.name) for one in (self.router, self.node))
        run("ip", "link", "add", *router, "type", "veth", "peer", "name", *node)
        for namespace in (self.router, self.node):
            namespace.run("ip", "link", "set", namespace.link, "up")
        for namespace in (self.router, self.node):
            until(namespace.has_address, f"a link-local address on {namespace.link}")

    def link(self, state: str) -> None:
        """Set the node's link; when it is up, the router's frames arrive, too."""
        self.node.run("ip", "link", "set", self.node.link, state)
        if state == "up":
            for namespace in (self.router, self.node):
                until(namespace.has_carrier, f"a carrier on {namespace.link}")


@contextmanager
def lab() -> Iterator[Lab]:
    """Namespaces `router` (link lan0) and `node` (link eth0)."""
    # By chance, since what another run left has the name of a process that may come again.
    tag = f"gp{secrets.token_hex(4)}"
    router, node = Namespace(f"{tag}r", "lan0"), Namespace(f"{tag}n", "eth0")
    try:
        for namespace in (router, node):
            run("ip", "netns", "add", namespace.name)
            # No wait for duplicate address detection: nobody else is here.
            namespace.run(
                "sysctl",
                "-qw",
                "net.ipv6.conf.all.accept_dad=0",
                "net.ipv6.conf.default.accept_dad=0",
            )
            namespace.run("ip", "link", "set", "lo", "up")
        router.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        # Whoever solicits on the node's links is the program: an answer finds it listening.
        node.run("sysctl", "-qw", "net.ipv6.conf.default.router_solicitations=0")
        made = Lab(router, node)
        made.connect()
        yield made
    finally:
        for namespace in (router, node):
            subprocess.run(["ip", "netns", "del", namespace.name], check=False, capture_output=True)


class Radvd:
    """A real router whose prefixes change."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self._lab = lab
        self._configuration = directory / "radvd.conf"
        self._pid = directory / "radvd.pid"

    def _write(self, *prefixes: str, valid: int = 86400, preferred: int = 14400) -> None:
        lines = [PREFIX.format(prefix=p, valid=valid, preferred=preferred) for p in prefixes]
        self._configuration.write_text(RADVD.format(prefixes="\n  ".join(lines)))

    @contextmanager
    def advertising(self, *prefixes: str) -> Iterator["Radvd"]:
        self._write(*prefixes)
        words = (
            "radvd",
            "-n",
            "-m",
            "stderr",
            "-C",
            str(self._configuration),
            "-p",
            str(self._pid),
        )
        log = (self._configuration.parent / "radvd.log").open("w")
        with log, self._lab.router.start(*words, stderr=log) as process:
            self._process = process
            yield self

    def advertise(self, *prefixes: str, **lifetimes: int) -> None:
        """Change the configuration, and have it read."""
        self._write(*prefixes, **lifetimes)
        os.kill(int(self._pid.read_text()), signal.SIGHUP)
