"""git, asked by argument lists in a scrubbed environment, with a time limit.

GitPython starts the process; its keyword-to-option mapping, its object database and
its persistent processes stay unused: that is where its advisories and leaks are.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.errors import OutsideError
from gitops_prefix.publish.scrub import scrub

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import git

LOCAL_SECONDS = 60.0
"""For what git does on the disk alone."""
NETWORK_SECONDS = 60.0
"""For what git does with a remote."""

_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_INHERITED = (
    "HOME",
    "PATH",
    "TMPDIR",
    "SSL_CERT_FILE",
    "GIT_SSL_CAINFO",
    "https_proxy",
    "no_proxy",
)
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "protocol.file.allow": "always",
    "protocol.http.allow": "always",
    "protocol.https.allow": "always",
    "protocol.ssh.allow": "always",
    "safe.directory": "*",
}


class Answer(NamedTuple):
    """What git said."""

    status: int
    stdout: bytes
    stderr: str

    def lines(self) -> list[str]:
        """Standard output as lines."""
        return self.stdout.decode(errors="surrogateescape").splitlines()

    def word(self) -> str:
        """Standard output, when it is one word."""
        return self.stdout.decode().strip()


class GitFailedError(OutsideError):
    """git said no, or did not answer in time.

    Attributes:
        answer: what it said; the status is -1 when its time was over.
    """

    def __init__(self, what: str, answer: Answer) -> None:
        words = answer.stderr.strip() or f"exit status {answer.status}"
        super().__init__(f"git {what}: {words}")
        self.answer = answer


class Git:
    """git in one directory."""

    def __init__(self, directory: Path, *, environment: Mapping[str, str] | None = None) -> None:
        """Name a directory, which may not exist yet.

        Args:
            directory: where git runs.
            environment: added to the scrubbed one, for credentials.
        """
        self._directory = directory
        program = shutil.which("git")
        if program is None:
            raise OutsideError("git is not on PATH: install it")
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        variables = {**inherited, **_ENVIRONMENT, **(environment or {})}
        # GitPython only adds to the environment, and ours must not reach git.
        self._command = ["env", "-i", *(f"{name}={text}" for name, text in variables.items())]
        self._command.append(program)
        for name, text in _SETTINGS.items():
            self._command += ["-c", f"{name}={text}"]

    def ask(self, *arguments: str, stdin: bytes = b"", seconds: float = LOCAL_SECONDS) -> Answer:
        """Run git, whatever it answers; a time that is over is status -1."""
        process = git.Git(str(self._directory)).execute(
            [*self._command, *arguments],
            istream=subprocess.PIPE,
            as_process=True,
            start_new_session=True,
        )
        try:
            stdout, stderr = process.communicate(stdin, timeout=seconds)
        except subprocess.TimeoutExpired:
            _end_group(process.pid)
            process.communicate()
            return Answer(-1, b"", f"no answer within {seconds:g} s")
        except BaseException:
            _end_group(process.pid)
            raise
        return Answer(process.returncode, stdout, scrub(stderr.decode(errors="replace")))

    def run(self, *arguments: str, stdin: bytes = b"", seconds: float = LOCAL_SECONDS) -> Answer:
        """Run git.

        Raises:
            GitFailedError: it did not answer with status 0.
        """
        answer = self.ask(*arguments, stdin=stdin, seconds=seconds)
        if answer.status != 0:
            raise GitFailedError(arguments[0], answer)
        return answer


def _end_group(process_id: int) -> None:
    """End git and what it started: ssh, a remote helper."""
    with suppress(ProcessLookupError):
        os.killpg(process_id, signal.SIGKILL)
