"""A change over ssh with a round trip of 20 ms, over what `git fetch` and `git push` cost by hand.

Before sshd stands a line that holds each piece for 10 ms in either direction. By hand there are
two connections, for a fetch that finds nothing new and for the push; the daemon has one, looks
at the branch again after the push, and makes the commit meanwhile.
"""

import itertools
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.home_repository import make
from bench.publishing import publisher
from bench.ratio import seconds
from gitops_prefix.publish.credentials import SshKey
from tests.git_servers import SshServer, free_port, ssh_server

_DELAY = 0.010
_CHANGES = 30
_FILES, _MANAGED = 5_000, 50


class _Turn(NamedTuple):
    """Seconds of one change, ours and by hand."""

    ours: float
    by_hand: float


def main(directory: Path, changes: int = _CHANGES) -> None:
    """Print the row."""
    turns = [*_turns(directory, changes)]
    ours, by_hand = (statistics.median(turn[at] for turn in turns) for at in (0, 1))
    print(
        f"3 a change over ssh, 20 ms round trip, {_FILES:,} files, over git fetch and git push by hand: "
        f"{ours / by_hand:.2f} x ({ours * 1e3:.0f} ms against {by_hand * 1e3:.0f})  goal <= 1.3 x"
    )


def _turns(directory: Path, changes: int) -> Iterator[_Turn]:
    (directory / "ours").mkdir(parents=True)
    (directory / "by-hand").mkdir()
    _, remote = make(directory / "ours", _FILES, _MANAGED)
    tree, other = make(directory / "by-hand", _FILES, _MANAGED)
    with ssh_server(directory / "sshd") as server, _far_away(server.port) as port:
        key = _key(directory, server, port)
        far = SshServer(server.directory, port)
        command = f"ssh -F /dev/null -i {key.key} -o UserKnownHostsFile={key.known_hosts}"
        environment = {**os.environ, "GIT_SSH_COMMAND": f"{command} -o IdentitiesOnly=yes"}

        def by_hand(number: int) -> float:
            path = tree / "by-hand.txt"
            path.write_text(f"{number}\n")
            _git(tree, environment, "add", "by-hand.txt")
            _git(tree, environment, "commit", "-qm", f"by hand {number}")
            began = time.perf_counter()
            _git(tree, environment, "fetch", "-q", far.url(other), "main")
            _git(tree, environment, "push", "-q", far.url(other), "HEAD:main")
            return time.perf_counter() - began

        with publisher(far.url(remote), directory / "clone", credentials=key) as publish:
            for number in itertools.count():
                turn = _Turn(seconds(publish), by_hand(number))
                if number > changes:
                    return
                if number:
                    yield turn


def _key(directory: Path, server: SshServer, port: int) -> SshKey:
    known = (server.directory / "known_hosts").read_text()
    known_hosts = directory / "known_hosts"
    known_hosts.write_text(known.replace(f":{server.port} ", f":{port} "))
    return SshKey(server.directory / "deploy", known_hosts)


def _git(tree: Path, environment: dict[str, str], *words: str) -> None:
    subprocess.run(
        ("git", "-C", str(tree), *words), env=environment, check=True, capture_output=True
    )


@contextmanager
def _far_away(to: int) -> Iterator[int]:
    """A port from which a server is 20 ms away; the line is a process of its own."""
    port = free_port()
    words = [sys.executable, "-m", "bench.over_ssh", str(port), str(to)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as line:
        assert line.stdout is not None
        line.stdout.readline()
        try:
            yield port
        finally:
            line.kill()


def _carry(source: socket.socket, target: socket.socket) -> None:
    """Pass pieces on, each after the delay, and in their order."""
    pieces: list[tuple[float, bytes]] = []
    arrived = threading.Condition()

    def send() -> None:
        while True:
            with arrived:
                arrived.wait_for(lambda: pieces)
                at, piece = pieces.pop(0)
            time.sleep(max(0.0, at - time.monotonic()))
            try:
                target.sendall(piece)
                if not piece:
                    target.shutdown(socket.SHUT_WR)
            except OSError:
                return
            if not piece:
                return

    threading.Thread(target=send, daemon=True).start()
    piece = b"begin"
    while piece:
        try:
            piece = source.recv(65536)
        except OSError:
            piece = b""
        with arrived:
            pieces.append((time.monotonic() + _DELAY, piece))
            arrived.notify()


def _line(port: int, to: int) -> None:
    with socket.create_server(("127.0.0.1", port)) as server:
        print("up", flush=True)
        while True:
            near, _ = server.accept()
            # The handshake of TCP is a round trip, too.
            time.sleep(2 * _DELAY)
            far = socket.create_connection(("127.0.0.1", to))
            for one, other in ((near, far), (far, near)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=_carry, args=(one, other), daemon=True).start()


if __name__ == "__main__":
    _line(int(sys.argv[1]), int(sys.argv[2]))
