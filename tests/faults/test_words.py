"""Each fault, provoked, and every line that the log has of it until a change is published."""

import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from gitops_prefix.daemon.logs import PassLog
from gitops_prefix.publish.repository import TimeLimits
from tests.faults.conftest import Forge
from tests.faults.house import A, B, House, hook, house
from tests.git_servers import SshServer, free_port, listener, new_key
from tests.web_stand_in import Says, stand_in

HOUR = 3600.0
SILENCE, PUSH = 10.0, 15.0
"""For what never answers."""


@dataclass(frozen=True)
class Place:
    """Where a fault is made.

    Attributes:
        git: the program that we run as git; a file of this test's own.
    """

    forge: Forge
    sshd: SshServer
    git: Path
    directory: Path

    @contextmanager
    def down(self) -> Iterator[None]:
        self.forge.line.down()
        yield
        self.forge.line.up()

    @contextmanager
    def another_server(self, port: int) -> Iterator[None]:
        before, self.forge.line.to = self.forge.line.to, port
        yield
        self.forge.line.to = before

    @contextmanager
    def silent(self) -> Iterator[None]:
        with listener() as nobody, self.another_server(nobody.getsockname()[1]):
            yield

    @contextmanager
    def says(self, answer: Says) -> Iterator[None]:
        with (
            stand_in(lambda _: answer) as there,
            self.another_server(int(there.url.rpartition(":")[2])),
        ):
            yield

    @contextmanager
    def moved(self) -> Iterator[None]:
        new = f"http://127.0.0.1:{free_port()}/x.git"
        with self.says(Says(301, b"", {"Location": f"{new}/info/refs?service=git-upload-pack"})):
            yield

    @contextmanager
    def hook(self, name: str, text: str) -> Iterator[None]:
        path = hook(self.forge.remote, name, text)
        yield
        path.unlink()

    @contextmanager
    def lock(self) -> Iterator[None]:
        path = self.forge.remote / "refs" / "heads" / "main.lock"
        path.touch()
        yield
        path.unlink()

    @contextmanager
    def file(self, name: str, text: str) -> Iterator[None]:
        """Another secret, or other keys of hosts."""
        path = self.directory / name
        before = path.read_text()
        path.write_text(text)
        yield
        path.write_text(before)

    @contextmanager
    def runs(self, command: str) -> Iterator[None]:
        """What stands at the server in the place of git."""
        allowed = self.sshd.directory / "authorized_keys"
        gated = self.directory / "gated"
        with allowed.open("a") as file:
            file.write(f'command="{command}" {new_key(gated)}')
        with self.file("key", gated.read_text()):
            yield

    @contextmanager
    def no_git(self) -> Iterator[None]:
        with self.file(str(self.git), "#!/nonexistent/interpreter\n"):
            yield

    def another_host_key(self) -> AbstractContextManager[None]:
        stranger = (self.sshd.directory / "stranger.pub").read_text()
        name = self.forge.credentials.known_hosts.read_text().split()[0]
        return self.file("known_hosts", f"{name} {stranger}")

    def reader(self) -> AbstractContextManager[None]:
        return self.file("key", (self.sshd.directory / "reader").read_text())


class Fault(NamedTuple):
    """A fault, and what the log says of it.

    Attributes:
        breaks: the context in which it is there.
        words: a pattern.
        result: how the passes end.
        kept: whether a commit could be made.
    """

    breaks: Callable[[Place], AbstractContextManager[None]]
    words: str
    result: str = "unreachable"
    kept: bool = True


OVER_HTTP = {
    "a host that takes no connection": Fault(lambda at: at.down(), "Connection refused|Couldn't connect"),
    "a host that never speaks": Fault(lambda at: at.silent(), r"no answer within 10 s \(not a byte came\)"),
    "a host in trouble": Fault(lambda at: at.says(Says(503)), "returned error: 503"),
    "a repository that moved": Fault(
        lambda at: at.moved(), r"the repository moved to http://127.0.0.1:\d+/x.git/?: give that as --repo", "refused"
    ),
    "a repository that is gone": Fault(lambda at: at.says(Says(404)), r"not found \(correct --repo", "refused"),
    "a token that expired": Fault(lambda at: at.file("token", "expired"), "Authentication failed .*--token-file", "refused"),
    "a hook that declines, in colour": Fault(
        lambda at: at.hook("pre-receive", r"printf '\033]0;pwn\007\033[31mnot today\033[0m\n' >&2; exit 1"),
        "pre-receive hook declined.*not today",
        "refused",
    ),
    "a hook that never ends": Fault(lambda at: at.hook("pre-receive", "exec sleep 90"), "no answer within 15 s"),
    "a lock that was left": Fault(lambda at: at.lock(), "cannot lock ref|failed to update ref", "contested"),
    "git that cannot be started": Fault(lambda at: at.no_git(), "git cannot be started", kept=False),
}  # fmt: skip
OVER_SSH = {
    "another host key": Fault(lambda at: at.another_host_key(), "Host key verification failed", "refused"),
    "a key that may only read": Fault(lambda at: at.reader(), "marked as read only", "refused"),
    "words without end": Fault(lambda at: at.runs("yes spam >&2"), r"the server sends more than \d+ bytes"),
    "a host that hangs behind the login": Fault(lambda at: at.runs("sleep 90"), "no answer within 10 s"),
    "a host that has too much to do": Fault(lambda at: at.runs("echo rate limit exceeded >&2; exit 1"), "rate limit exceeded"),
}  # fmt: skip
# `make soak` provokes all of them; some wait for half a minute.
IN_THE_SUITE = {
    "a repository that moved",
    "a hook that declines, in colour",
    "a lock that was left",
    "git that cannot be started",
    "another host key",
    "words without end",
}
FAULTS = {
    name: (over, fault)
    for over, faults in (("http", OVER_HTTP), ("ssh", OVER_SSH))
    for name, fault in faults.items()
    if name in IN_THE_SUITE or os.environ.get("SOAK")
}


def logged(ours: House, log: PassLog, clock: list[float]) -> None:
    """A second of the loop, with what the log says of its passes."""
    already = len(ours.outcomes)
    ours.lives(1)
    for second, outcome in ours.outcomes[already:]:
        clock[0] = second
        again = ours.loop.progress.next_try_at - ours.time.monotonic()
        log.report(outcome, watches=True, next_try_in=again)


@pytest.mark.parametrize(("over", "fault"), FAULTS.values(), ids=FAULTS)
def test_what_the_log_says_of_a_fault_from_its_first_try_to_the_change(
    tmp_path, request, caplog, monkeypatch, sshd, over, fault
):
    """When its words are new, an hour later with a count; then its end, and "A -> B" once it is so."""
    caplog.set_level(logging.INFO, logger="gitops_prefix")
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shutil.which("git")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    forge = request.getfixturevalue(over)
    at = Place(forge, sshd, program, tmp_path)
    clock = [0.0]
    log = PassLog("main", lambda: clock[0])
    hangs = "no answer" in fault.words
    limits = TimeLimits(ask=60.0, push=PUSH, silence=SILENCE) if hangs else TimeLimits()
    with house(tmp_path / "clone", forge.url, forge.credentials, limits=limits) as ours:
        ours.lives(1)
        ours.hears(A)
        logged(ours, log, clock)
        caplog.clear()
        with fault.breaks(at):
            ours.hears(B)
            logged(ours, log, clock)
            ours.waits(HOUR)
            logged(ours, log, clock)
        ours.waits(HOUR)
        logged(ours, log, clock)
    level = "ERROR" if fault.result == "refused" else "WARNING"
    kept = "; our commit is kept" if fault.kept else ""
    words = f"{level} {fault.result}: .*({fault.words}).*{kept}"
    again = (
        r"; the next try is in (5m|4m\d+s)(, or when the branch moves)?" if level == "ERROR" else ""
    )
    home = "INFO home-ipv6: "
    waits = [re.escape(f"{home}{B} instead of {A} waits to be published")]
    expected = [
        *(waits if fault.kept else ()),
        f"{words}{again}",
        rf"{words} \(\d+ failed tries in 1h(\d+s)?\){again}",
        rf"INFO no longer {fault.result} \(\d+ failed tries in 2h(\d+s)?\)",
        re.escape(f"{home}{A} -> {B}"),
        r"INFO published [0-9a-f]{12}: 3 fields",
    ]
    lines = [
        f"{each.levelname} {each.getMessage()}"
        for each in caplog.records
        if each.name == "gitops_prefix.daemon.logs"
    ]
    assert len(lines) == len(expected), "\n".join(lines)
    for pattern, line in zip(expected, lines, strict=True):
        assert re.fullmatch(pattern, line)
