"""A process of ours that is asked by lines, one answer for each; its death loses nothing."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

from gitops_prefix.errors import OutsideError
from gitops_prefix.publish.scrub import scrub

_LAST_WORDS = 2000


class Child:
    """One process, from its start to its end."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it, in a process group of its own.

        Raises:
            OutsideError: it cannot be started.
        """
        # What it says beside its answers is kept, and read only when it dies.
        self._said = os.memfd_create("said")
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._said)
            raise OutsideError(f"{command[0]} cannot be started: {error}") from error
        self._requests, self._answers = _pipe(self._process.stdin), _pipe(self._process.stdout)

    def runs(self) -> bool:
        """Whether it is there to be asked."""
        return self._process.poll() is None

    def ask(self, line: bytes, seconds: float) -> bytes:
        """One line in, one line out.

        Raises:
            OutsideError: it ended before it answered; after `seconds` it is made to.
        """
        watchdog = threading.Timer(seconds, self.kill)
        watchdog.daemon = True
        watchdog.start()
        answer = b""
        with suppress(OSError):
            self._requests.write(line)
            self._requests.flush()
            answer = self._answers.readline()
        watchdog.cancel()
        if not answer.endswith(b"\n"):
            self.kill()
            raise OutsideError(f"it ended before it answered: {self._last_words()}")
        return answer

    def kill(self) -> None:
        """End it and what it started: a kubeconfig may name a program for its tokens."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End it, and give everything back."""
        self.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with suppress(OSError):
                pipe.close()
        os.close(self._said)

    def _last_words(self) -> str:
        code = self._process.wait()
        start = max(0, os.fstat(self._said).st_size - _LAST_WORDS)
        said = os.pread(self._said, _LAST_WORDS, start).decode(errors="replace")
        lines = scrub(said).strip().splitlines()
        return lines[-1] if lines else f"exit code {code}"


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("pipes were asked for")
    return pipe
