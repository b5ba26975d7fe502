"""git, asked by argument lists in a scrubbed environment, with a time limit.

GitPython starts the process; its keyword-to-option mapping, its object database and
its persistent processes stay unused: that is where its advisories and leaks are.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.errors import OutsideError
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.scrub import scrub


def search_path() -> str:
    """PATH without what is not absolute: a git where we happen to be started is not ours."""
    words = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(one for one in words if Path(one).is_absolute())


# GitPython runs git when it is imported, and ssh-keygen or gpg are looked for as git is.
os.environ["PATH"] = search_path()
os.environ["GIT_PYTHON_REFRESH"] = "quiet"
os.environ["GIT_PYTHON_GIT_EXECUTABLE"] = shutil.which("git") or "/nonexistent/git"

import git  # noqa: E402  see above

LOCAL_SECONDS = 60.0
"""For what git does on the disk alone."""
_LAST_WORDS_SECONDS = 1.0

_ENVIRONMENT = {
    # A .netrc of whoever started us is no credential of ours.
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    # What a clone leaves out is asked for at once (remote.py), never blob by blob.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_INHERITED = (
    "PATH",
    "TMPDIR",
    "SSL_CERT_FILE",
    "GIT_SSL_CAINFO",
)
_SETTINGS = {
    # After a power cut, a commit that waits for its remote is there: its pack and its
    # reference are on the disk before git ends. Loose objects would be synced one by one.
    "core.fsync": "committed,-loose-object,reference",
    "fastimport.unpackLimit": "1",
    "core.hooksPath": "/dev/null",
    "gc.auto": "0",
    # A line on which nothing moves is dead; ssh is told the same in credentials.py.
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "30",
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
        text = self.stdout.decode(errors="surrogateescape")
        return [line for line in text.split("\n") if line]

    def word(self) -> str:
        """Standard output, when it is one word."""
        return self.stdout.decode().strip()


class GitFailedError(OutsideError):
    """git said no, or did not answer in time.

    Attributes:
        answer: what it said; the status is negative when it did not come to an answer.
    """

    def __init__(self, what: str, answer: Answer) -> None:
        words = answer.stderr.strip() or f"exit status {answer.status}"
        super().__init__(f"git {what}: {words}")
        self.answer = answer


class Git:
    """git in one directory."""

    def __init__(
        self,
        directory: Path,
        *,
        environment: Mapping[str, str] | None = None,
        loan: Loan | None = None,
        keeps: Callable[[], tuple[int, ...]] = tuple,
    ) -> None:
        """Name a directory, which may not exist yet.

        Args:
            directory: where git runs; it is never looked for further up.
            environment: added to the scrubbed one.
            loan: what a call that needs credentials is lent.
            keeps: descriptors that stay open while git runs, also when we are gone.
        """
        search = search_path()
        program = shutil.which("git", path=search)
        if program is None:
            raise OutsideError("git is not on PATH: install it")
        directory = directory.resolve()
        # A directory that is damaged must not lead git to a repository around it.
        ceiling = {"GIT_CEILING_DIRECTORIES": str(directory.parent)}
        self._variables = {**_ENVIRONMENT, "PATH": search, **ceiling, **(environment or {})}
        self._env = shutil.which("env", path=search) or "/usr/bin/env"
        self._descriptors: tuple[int, ...] = ()
        self._keeps = keeps
        if loan is not None:
            self._variables |= loan.environment
            self._descriptors = loan.descriptors
        # GitPython leaves out a directory that is gone, and git would work in ours.
        self._command = [program, "-C", str(directory)]
        for name, text in _SETTINGS.items():
            self._command += ["-c", f"{name}={text}"]

    def ask(
        self,
        *arguments: str,
        stdin: bytes = b"",
        seconds: float = LOCAL_SECONDS,
        settings: Sequence[str] = (),
    ) -> Answer:
        """Run git, whatever it answers; -1 is no answer: its time was over, or it never ran.

        Args:
            arguments: a command of git's, and its words.
            stdin: what it reads.
            seconds: how long it may take.
            settings: `-c NAME=TEXT`, in front of the command.
        """
        # GitPython only adds to the environment, and ours must not reach git. What is
        # added stays out of the command line, which every user of the machine can read.
        foreign = os.environ.keys() - set(_INHERITED) - self._variables.keys()
        unset = [word for name in sorted(foreign) for word in ("-u", name)]
        # A token that we were started with is not in the environment of `env`, either.
        blank = dict.fromkeys(foreign, "")
        try:
            process = git.Git().execute(
                [self._env, *unset, *self._command, *settings, *arguments],
                istream=subprocess.PIPE,
                as_process=True,
                env={**blank, **self._variables},
                pass_fds=(*self._descriptors, *self._keeps()),
                start_new_session=True,
            )
        except (OSError, git.GitCommandNotFound) as error:
            # No memory, no process left, a line too long: git had no say.
            return Answer(-1, b"", f"git cannot be started: {error}")
        try:
            stdout, stderr = process.communicate(stdin, timeout=seconds)
        except subprocess.TimeoutExpired:
            _end_group(process.pid)
            with suppress(subprocess.TimeoutExpired):
                # What left the group may still hold the pipes.
                process.communicate(timeout=_LAST_WORDS_SECONDS)
            return Answer(-1, b"", f"no answer within {seconds:g} s")
        except BaseException:
            _end_group(process.pid)
            raise
        return Answer(process.returncode, stdout, scrub(stderr.decode(errors="replace")))

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        seconds: float = LOCAL_SECONDS,
        settings: Sequence[str] = (),
    ) -> Answer:
        """Run git.

        Raises:
            GitFailedError: it did not answer with status 0.
        """
        answer = self.ask(*arguments, stdin=stdin, seconds=seconds, settings=settings)
        if answer.status != 0:
            raise GitFailedError(arguments[0], answer)
        return answer


def _end_group(process_id: int) -> None:
    """End git and what it started: ssh, a remote helper."""
    with suppress(ProcessLookupError):
        os.killpg(process_id, signal.SIGKILL)
