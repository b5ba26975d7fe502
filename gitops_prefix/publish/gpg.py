"""A keyring of gpg's for one signature: made, used, and gone.

gpg reads keys from a directory alone. It is in memory where the machine has /dev/shm,
and what a killed process left is swept when the next one signs.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.errors import OutsideError
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.scrub import scrub

MEMORY = Path("/dev/shm")  # noqa: S108  a file system in memory, and no path of ours in it
PREFIX = "gitops-prefix-gpg-"
_SECONDS = 30.0


class Keyring(NamedTuple):
    """A GNUPGHOME, and the secret keys that it holds."""

    home: Path
    fingerprints: tuple[str, ...]


@contextmanager
def secret_keyring(key: bytes, passphrase: bytes | None, loan: Loan) -> Iterator[Keyring]:
    """A keyring that holds an exported secret key.

    Args:
        key: armoured or binary.
        passphrase: what opens it, when something has to.
        loan: holds key and passphrase in memory, for gpg to inherit.

    Raises:
        OutsideError: gpg does not take the key, or the directory cannot be made.
    """
    with _private_directory() as home:
        settings = ["batch", "no-tty", "pinentry-mode loopback"]
        if passphrase is not None:
            settings.append(f"passphrase-file /proc/self/fd/{loan.hide(passphrase)}")
        (home / "gpg.conf").write_text("\n".join(settings) + "\n")
        (home / "gpg-agent.conf").write_text("disable-scdaemon\n")
        try:
            _gpg(home, loan, "--import", f"/proc/self/fd/{loan.hide(key)}")
            yield Keyring(home, _fingerprints(_gpg(home, loan, "--with-colons", "-K")))
        finally:
            _end_agent(home)


def _gpg(home: Path, loan: Loan, *words: str) -> str:
    try:
        answer = subprocess.run(
            ["gpg", "--homedir", str(home), *words],
            env=_environment(),
            pass_fds=loan.descriptors,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        said = " ".join(scrub(error.stderr.decode(errors="replace")).split())
        raise OutsideError(f"--signing-key is not taken by gpg: {said[:500]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutsideError(f"gpg does not work: {error}") from error
    return answer.stdout.decode(errors="replace")


def _fingerprints(listing: str) -> tuple[str, ...]:
    """Those of the primary keys: the first `fpr` behind each `sec` (gnupg's doc/DETAILS)."""
    found = []
    primary = False
    for line in listing.splitlines():
        fields = line.split(":")
        if fields[0] == "fpr" and primary:
            found.append(fields[9])
        primary = fields[0] == "sec" or (primary and fields[0] != "fpr")
    return tuple(found)


def _end_agent(home: Path) -> None:
    """The agent that gpg started; one that does not hear this ends when its home is gone."""
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            ["gpgconf", "--homedir", str(home), "--kill", "all"],
            env=_environment(),
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )


def _environment() -> Mapping[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": "/nonexistent"}


@contextmanager
def _private_directory() -> Iterator[Path]:
    """A directory of mode 0700 that is ours as long as its lock is held."""
    try:
        directory, lock = _locked_directory()
    except OSError as error:
        raise OutsideError(f"a keyring for gpg cannot be made: {error.strerror}") from error
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _locked_directory() -> tuple[Path, int]:
    base = MEMORY if os.access(MEMORY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    _sweep(base)
    directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return directory, lock


def _sweep(base: Path) -> None:
    """Remove what was left by a process that is dead: nobody holds its lock."""
    for left in base.glob(f"{PREFIX}*"):
        with suppress(OSError):
            descriptor = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid():
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(descriptor)
