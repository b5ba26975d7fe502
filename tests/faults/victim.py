"""A daemon that is there to be killed: a job a line on stdin, each in a child of its own.

What would take most of the time, starting Python, is done once. For each job the number
of the process is answered, and how it ended.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.publish.credentials import Credentials, NoCredentials, SshKey, token_from
from tests.faults.house import Time, house
from tests.git_servers import USER
from tests.gitrepo import ROOT

PATIENCE = 60
"""Simulated seconds: enough for a router that is new, and for a try or two."""


def numbered(number: int) -> Prefix:
    """The prefix that comes as number so and so."""
    return Prefix.parse(f"2001:db8:{0x1000 + number:x}::/64")


@dataclass
class Job:
    """What a child does.

    Attributes:
        diary: a file where it writes, before and after: "hears N", "commits N", "done N".
        first: the number of the prefix that it hears first.
        many: how many it hears, each when the one before is published.
        path: a directory with a git of the test's, or empty.
    """

    clone: str
    url: str
    diary: str
    first: int
    many: int
    key: str = ""
    known_hosts: str = ""
    token: str = ""
    path: str = ""

    @property
    def credentials(self) -> Credentials:
        if self.key:
            return SshKey(Path(self.key), Path(self.known_hosts))
        if self.token:
            token = token_from(Path(self.token))
            return type(token)(token.read, USER)
        return NoCredentials()

    def note(self, text: str) -> None:
        descriptor = os.open(self.diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{text}\n".encode())
        os.close(descriptor)

    def work(self) -> None:
        if self.path:
            os.environ["PATH"] = f"{self.path}:{os.environ['PATH']}"
        with house(
            Path(self.clone), self.url, self.credentials, time=Time(self.first * 3600.0)
        ) as ours:
            commit = ours.repository.commit
            number = self.first

            def noted(*words):
                made = commit(*words)
                self.note(f"commits {number}")
                return made

            ours.repository.commit = noted
            ours.lives(1)
            for number in range(self.first, self.first + self.many):
                self.note(f"hears {number}")
                ours.hears(numbered(number))
                ours.lives(PATIENCE)
                assert ours.is_right, ours.outcome
                self.note(f"done {number}")
                ours.time.seconds = (number + 1) * 3600.0


@dataclass
class Victim:
    """The process that has the children."""

    process: subprocess.Popen

    def start(self, job: Job) -> int:
        """The number of the child's process."""
        self.process.stdin.write(json.dumps(job.__dict__) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self) -> int:
        """How the child ended, as subprocess has it."""
        return os.waitstatus_to_exitcode(int(self.process.stdout.readline()))


@contextmanager
def victim() -> Iterator[Victim]:
    words = [sys.executable, "-m", "tests.faults.victim"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=ROOT, **pipes) as process:
        yield Victim(process)
        process.stdin.close()


def kill_tree(process_id: int) -> None:
    """End a process and all that it started, as the end of a container does."""
    stopped: set[int] = set()
    while new := {process_id, *_below(process_id)} - stopped:
        for one in new:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGSTOP)
        stopped |= new
    for one in stopped:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


def _below(process_id: int) -> set[int]:
    try:
        words = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    except OSError:
        return set()
    return {int(word) for word in words}.union(*(_below(int(word)) for word in words))


def _serve() -> None:
    for line in sys.stdin:
        process_id = os.fork()
        if process_id == 0:
            os.setsid()
            Job(**json.loads(line)).work()
            os._exit(0)
        print(process_id, flush=True)
        _, status = os.waitpid(process_id, 0)
        print(status, flush=True)


if __name__ == "__main__":
    _serve()
