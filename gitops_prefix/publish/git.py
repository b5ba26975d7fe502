"""git, run by argument lists in a scrubbed environment.

GitPython starts the process. Its keyword-to-option mapping, its object database and its
persistent processes are not used: its advisories and leaks are about those.
"""

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic  # noqa: TID251  how long git runs, and no date
from typing import NamedTuple

from gitops_prefix.errors import OutsideError
from gitops_prefix.publish.failure import words_of_git
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.running import LOCAL, Limits, Talk, end_group, reap_group
from gitops_prefix.publish.scrub import scrub

log = logging.getLogger(__name__)


def search_path() -> str:
    """PATH without relative directories: a git in the working directory is not to be trusted."""
    words = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(word for word in words if Path(word).is_absolute())


# ssh-keygen and gpg are found by the same PATH. When GitPython is imported, it runs git with
# our whole environment; here it finds no git to run.
os.environ["PATH"] = search_path()
os.environ["GIT_PYTHON_REFRESH"] = "quiet"
os.environ["GIT_PYTHON_GIT_EXECUTABLE"] = "/nonexistent/git"

import git  # noqa: E402  see above

_MOST_SHOWN = 500

_ENVIRONMENT = {
    # The .netrc of whoever started us holds no credential for us.
    "HOME": "/dev/null",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    # Missing contents are fetched in one request (remote.py), never blob by blob.
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
_BLANK_IS_ENOUGH = re.compile(
    r"(?!GIT_|SSH_|GNUPG|LD_)(HOSTNAME|PWD|OLDPWD|SHLVL|USER|LOGNAME|SHELL|TERM|LANG|LC_\w+|_|PYTHON\w*|GPG_KEY"
    r"|GITOPS_PREFIX_\w+|\w+_SERVICE_(HOST|PORT\w*)|\w+_PORT(_\d+_\w+)?"
    r"|(NOTIFY|LISTEN)_\w+|WATCHDOG_\w+|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_\w+"
    r"|(STATE|CACHE|RUNTIME|LOGS|CONFIGURATION|CREDENTIALS)_DIRECTORY"
    r"|(http|https|all|no)_proxy|(HTTP|HTTPS|ALL|NO)_PROXY)"
)
"""Variables of containers and units. Empty, they are for git and its transports as if unset."""
_SETTINGS = {
    # An unpublished commit survives a power cut: its pack and its reference are on the disk
    # before git ends. Loose objects would be synced one by one.
    "core.fsync": "committed,-loose-object,reference",
    "fastimport.unpackLimit": "1",
    "core.hooksPath": "/dev/null",
    "gc.auto": "0",
    # A line on which nothing moves is dead (remote.py says after how long); credentials.py sets
    # the same for ssh.
    # A redirect could lead to plain http, or to a server that nobody named.
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "30",
    "maintenance.auto": "false",
    # A large file of a server that cannot leave it out goes to the disk in pieces.
    "core.bigFileThreshold": "32m",
    # Each thread of index-pack takes 8 MiB of the memory that git may allocate (running.py).
    "pack.threads": "2",
    "protocol.allow": "never",
    "protocol.file.allow": "always",
    "protocol.http.allow": "always",
    "protocol.https.allow": "always",
    "protocol.ssh.allow": "always",
    "safe.directory": "*",
}

_ENV_FAILED = (126, 127)
"""How env(1) ends when it cannot start what it was to start."""


class Answer(NamedTuple):
    """What git answered."""

    status: int
    stdout: bytes
    stderr: str

    def lines(self) -> list[str]:
        """Standard output as lines."""
        text = self.stdout.decode(errors="surrogateescape")
        return [line for line in text.split("\n") if line]

    def word(self) -> str:
        """Standard output as one word."""
        return self.stdout.decode().strip()


_NO_REPOSITORY = "is no Git repository: name one, or make it with git init"
_TOO_NEW = "unknown repository extension"


class GitFailedError(OutsideError):
    """git failed, or did not answer in time.

    Attributes:
        answer: what git answered; a negative status means that git did not end by itself.
    """

    def __init__(self, what: str, answer: Answer) -> None:
        words = words_of_git(answer.stderr) or f"exit status {answer.status}"
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
            directory: where git runs; git never searches the directories above it.
            environment: added to the scrubbed environment.
            loan: credentials and settings for these calls.
            keeps: descriptors that git inherits, and keeps open when we are gone.
        """
        search = search_path()
        program = shutil.which("git", path=search)
        if program is None:
            raise OutsideError("git is not on PATH: install it")
        directory = directory.resolve()
        # A damaged directory must not lead git to a repository around it.
        ceiling = {"GIT_CEILING_DIRECTORIES": str(directory.parent)}
        self._variables = {**_ENVIRONMENT, "PATH": search, **ceiling, **(environment or {})}
        self._env = shutil.which("env", path=search) or "/usr/bin/env"
        self._descriptors: tuple[int, ...] = ()
        self._keeps = keeps
        if loan is not None:
            self._variables |= loan.environment
            self._descriptors = loan.descriptors
        # GitPython ignores a directory that is gone, and git would run in ours.
        self._command = [program, "-C", str(directory)]
        for name, text in _SETTINGS.items():
            self._command += ["-c", f"{name}={text}"]

    def ask(
        self,
        *arguments: str,
        stdin: bytes = b"",
        limits: Limits = LOCAL,
        settings: Sequence[str] = (),
    ) -> Answer:
        """Run git and return its answer; status -1 means that it was ended, or never ran.

        Args:
            arguments: a git command and its arguments.
            stdin: standard input.
            limits: at which git is ended.
            settings: `-c NAME=TEXT`, before the command.
        """
        began = monotonic()
        answer = self._ask(arguments, stdin, limits, settings)
        if log.isEnabledFor(logging.DEBUG):
            took = monotonic() - began
            log.debug("git %s: exit %d in %.3f s", _shown(arguments), answer.status, took)
        return answer

    def _ask(
        self, arguments: Sequence[str], stdin: bytes, limits: Limits, settings: Sequence[str]
    ) -> Answer:
        # GitPython only adds to the environment, and ours must not reach git. Our variables
        # stay out of the command line, which every user of the machine can read.
        foreign = os.environ.keys() - set(_INHERITED) - self._variables.keys()
        harmful = sorted(name for name in foreign if not _BLANK_IS_ENOUGH.fullmatch(name))
        unset = [word for name in harmful for word in ("-u", name)]
        scrubbing = [self._env, *unset] if unset else []
        # `env` itself must not have a token of our environment, either.
        blank = dict.fromkeys(foreign, "")
        try:
            wrapper = git.Git().execute(
                [*scrubbing, *self._command, *settings, *arguments],
                istream=subprocess.PIPE,
                as_process=True,
                env={**blank, **self._variables},
                pass_fds=(*self._descriptors, *self._keeps()),
                start_new_session=True,
            )
        except (OSError, git.GitCommandNotFound) as error:
            # No memory, no process left, or too long a command line.
            return Answer(-1, b"", f"git cannot be started: {error}")
        process = wrapper.proc
        assert process is not None  # noqa: S101  it has just begun
        try:
            ended = Talk(process, stdin, limits).run()
        except OSError as error:
            # No descriptor is left to wait with.
            end_group(process)
            return Answer(-1, b"", f"git cannot be started: {error}")
        except BaseException:
            end_group(process)
            raise
        if ended.early:
            end_group(process)
            return Answer(-1, b"", ended.early)
        reap_group(process.pid)
        stderr = scrub(ended.stderr)
        if process.returncode in _ENV_FAILED and stderr.startswith(f"{self._env}: "):
            return Answer(-1, b"", f"git cannot be started: {stderr}")
        return Answer(process.returncode, ended.stdout, stderr)

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        limits: Limits = LOCAL,
        settings: Sequence[str] = (),
    ) -> Answer:
        """Run git and return its answer.

        Raises:
            GitFailedError: the status is not 0.
        """
        answer = self.ask(*arguments, stdin=stdin, limits=limits, settings=settings)
        if answer.status != 0:
            raise GitFailedError(arguments[0], answer)
        return answer


def _shown(arguments: Sequence[str]) -> str:
    """The command for a log, without secrets and userinfo, and cut to a length."""
    rest = list(arguments)
    while rest[:1] == ["-c"]:
        # The settings of a call are always the same.
        del rest[:2]
    text = " ".join(scrub(" ".join(rest)).split())
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def why_no_directory(path: Path) -> str:
    """Why a path can be no repository; empty when there is such a directory."""
    try:
        return "" if path.is_dir() else _NO_REPOSITORY
    except OSError as error:  # a directory above is closed to us, for example
        return f"cannot be read: {error.strerror}: give yourself the right to read it"


def why_no_repository(path: Path) -> str:
    """Why git takes a directory for no repository and no checkout; empty when it does."""
    if reason := why_no_directory(path):
        return reason
    answer = Git(path.absolute()).ask("rev-parse", "--git-dir")
    if answer.status == 0:
        return ""
    if _TOO_NEW not in answer.stderr:
        return _NO_REPOSITORY
    words = " ".join(answer.stderr.removeprefix("fatal: ").split())
    return f"needs a newer git than the one here ({words}): reftable needs git 2.45"
