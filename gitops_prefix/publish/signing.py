"""Signing commits with a key of ssh's or of gpg's, and verifying those of others; git does both.

git-commit-tree(1), -S; git-verify-commit(1).

The key is read anew for each commit, so that a rotated key is used at once. gpg reads keys
from a directory only: it is made for one signature, in memory where the machine has
/dev/shm. The next signature removes what a killed process left.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.credentials import OPENSSH, read_private_key, read_secret
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.running import reap_orphans
from gitops_prefix.publish.scrub import learn, scrub

MEMORY = Path("/dev/shm")  # noqa: S108  a file system in memory, and no path of ours in it
PREFIX = "gitops-prefix-gpg-"
_KEYBOX = b"KBXf"
"""What gpg's own keyring has behind its first eight bytes."""
_NO_PROGRAM = "false"
"""In place of a program that verifies: a signature of that kind is never good."""
_SECONDS = 30.0
_CODE = "invalid-signing-key"
_NAME = "--signing-key"


class Keyring(NamedTuple):
    """A GNUPGHOME, and the fingerprints of its secret keys."""

    home: Path
    fingerprints: tuple[str, ...]


@contextmanager
def secret_keyring(key: bytes, passphrase: bytes | None, loan: Loan) -> Iterator[Keyring]:
    """Make a keyring with an exported secret key, and remove it at the end.

    Args:
        key: armoured or binary.
        passphrase: opens the key, if the key needs one.
        loan: holds key and passphrase in memory, for gpg to inherit.

    Raises:
        OutsideError: gpg refuses the key, or the directory cannot be made.
    """
    with _private_directory() as home:
        settings = ["batch", "no-tty", "pinentry-mode loopback"]
        if passphrase is not None:
            settings.append(f"passphrase-file /proc/self/fd/{loan.hide(passphrase)}")
        (home / "gpg.conf").write_text("\n".join(settings) + "\n")
        # A slow hash of the passphrase protects a key that lies somewhere for years; this copy
        # is in memory, for one signature, and gpg would take up to seconds for it.
        (home / "gpg-agent.conf").write_text("disable-scdaemon\ns2k-count 65536\n")
        try:
            _gpg(home, loan, "--import", f"/proc/self/fd/{loan.hide(key)}")
            yield Keyring(home, _fingerprints(_gpg(home, loan, "--with-colons", "-K")))
        finally:
            _end_agent(home)


def _gpg(home: Path, loan: Loan, *words: str, option: str = "--signing-key") -> str:
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
        raise OutsideError(f"{option} is not taken by gpg: {said[:500]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutsideError(f"gpg does not work: {error}") from error
    return answer.stdout.decode(errors="replace")


def _fingerprints(listing: str) -> tuple[str, ...]:
    """The primary keys' fingerprints: the first `fpr` after each `sec` (gnupg's doc/DETAILS)."""
    found = []
    primary = False
    for line in listing.splitlines():
        fields = line.split(":")
        if fields[0] == "fpr" and primary:
            found.append(fields[9])
        primary = fields[0] == "sec" or (primary and fields[0] != "fpr")
    return tuple(found)


def _end_agent(home: Path) -> None:
    """End the agent that gpg started; without this it ends when its home is gone."""
    # The agent leaves every group; a dead one of an earlier signature may still be ours to reap.
    reap_orphans("gpg-agent")
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            ["gpgconf", "--homedir", str(home), "--kill", "all"],
            env=_environment(),
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )


def _environment() -> Mapping[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": "/dev/null"}


@contextmanager
def _private_directory() -> Iterator[Path]:
    """A directory of mode 0700, locked until the `with` ends."""
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
    """Remove keyrings of dead processes: nobody holds their lock."""
    for left in base.glob(f"{PREFIX}*"):
        with suppress(OSError):
            descriptor = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid():
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(descriptor)


class SigningFormat(StrEnum):
    """git's `gpg.format`; the values are those of the option."""

    SSH = "ssh"
    GPG = "gpg"


class Signing(Protocol):
    """A key that signs commits."""

    def lend(self) -> AbstractContextManager[Loan]:
        """Lend git what it needs to sign, until the `with` ends.

        Raises:
            InputError: a file that an option names cannot be read, or holds something else.
            OutsideError: the signing program is missing, or fails.
        """
        ...


@dataclass(frozen=True, slots=True)
class SshSigning:
    """Signs by ssh-keygen, with a private key without a passphrase."""

    key: Path

    @contextmanager
    def lend(self) -> Iterator[Loan]:
        """Lend the key as a descriptor that ssh-keygen inherits."""
        _need("ssh-keygen", "openssh-client")
        with Loan() as loan:
            key = read_private_key(self.key, _NAME, _CODE)
            hidden = loan.hide(key)
            if not key.startswith(OPENSSH):
                _convert(hidden, loan)
            loan.configure("gpg.format", "ssh")
            loan.configure("user.signingKey", f"/proc/self/fd/{hidden}")
            yield loan


@dataclass(frozen=True, slots=True)
class GpgSigning:
    """Signs by gpg, with an exported secret key."""

    key: Path
    passphrase_file: Path | None = None

    @contextmanager
    def lend(self) -> Iterator[Loan]:
        """Lend a keyring that holds only this key."""
        _need("gpg", "gnupg")
        key = read_secret(self.key, _NAME)
        learn(key.decode(errors="replace"))
        passphrase = None
        if self.passphrase_file is not None:
            passphrase = read_secret(self.passphrase_file, "--signing-passphrase-file")
            # gpg(1), --passphrase-file: gpg reads only the first line.
            learn(passphrase.partition(b"\n")[0].decode(errors="replace"))
        with Loan() as loan, secret_keyring(key, passphrase, loan) as keyring:
            found = len(keyring.fingerprints)
            if found != 1:
                message = (
                    f"{_NAME} {self.key} holds {found} secret keys of gpg's, and one is needed: "
                    "`gpg --armor --export-secret-keys FINGERPRINT` writes it"
                )
                raise InputError(Problem(_CODE, message))
            loan.variables["GNUPGHOME"] = str(keyring.home)
            loan.configure("gpg.format", "openpgp")
            loan.configure("user.signingKey", keyring.fingerprints[0])
            yield loan


_PARENT = "--require-signed-parent"
_SIGNERS = "invalid-signers"
_PUBLIC_KEY = re.compile(r"(ssh-|ecdsa-|sk-)[-a-z0-9@.]+ AAAA")
_ALLOWED = re.compile(r"[^\s#]\S*\s+(.*\s)?((ssh-|ecdsa-|sk-)[-a-z0-9@.]+)\s+AAAA")


@dataclass(frozen=True, slots=True)
class Signers:
    """The keys of those on whose commits we build.

    Attributes:
        file: ssh's allowed signers (ssh-keygen(1), ALLOWED SIGNERS), or public keys of gpg's.
    """

    file: Path

    def form(self) -> SigningFormat:
        """The format, by the first bytes.

        Raises:
            InputError: the file cannot be read, or is neither.
        """
        content = read_secret(self.file, _PARENT)
        if content[8:12] == _KEYBOX or content[:1] > b"\x7f" or b"-----BEGIN PGP PUBLIC" in content:
            return SigningFormat.GPG
        lines = content.decode(errors="replace").splitlines()
        if any(map(_ALLOWED.match, lines)) and not any(map(_PUBLIC_KEY.match, lines)):
            return SigningFormat.SSH
        message = (
            f"{_PARENT} {self.file} is neither a file of ssh's allowed signers (a line is `NAME "
            "ssh-ed25519 AAAA...`) nor public keys of gpg's (`gpg --armor --export`)"
        )
        raise InputError(Problem(_SIGNERS, message))

    @contextmanager
    def lend(self) -> Iterator[Loan]:
        """Lend git what it needs to verify a commit, until the `with` ends.

        Raises:
            InputError: the file cannot be read, or is neither.
            OutsideError: the program is missing, or fails.
        """
        form = self.form()
        with Loan() as loan:
            loan.configure("gpg.x509.program", _NO_PROGRAM)
            if form is SigningFormat.SSH:
                _need("ssh-keygen", "openssh-client")
                loan.configure("gpg.program", _NO_PROGRAM)
                loan.configure("gpg.ssh.allowedSignersFile", str(self.file.absolute()))
                # A good signature of a key that is not in the file is trusted less.
                loan.configure("gpg.minTrustLevel", "fully")
                yield loan
                return
            _need("gpg", "gnupg")
            loan.configure("gpg.ssh.program", _NO_PROGRAM)
            with _private_directory() as home:
                self._fill(home, loan)
                loan.variables["GNUPGHOME"] = str(home)
                yield loan

    def _fill(self, home: Path, loan: Loan) -> None:
        """Make a keyring of public keys, all of which are trusted."""
        content = read_secret(self.file, _PARENT)
        settings = ["batch", "no-tty", "no-autostart", "trust-model always"]
        if content[8:12] == _KEYBOX:
            (home / "signers.kbx").write_bytes(content)
            settings += ["no-default-keyring", f"keyring {home}/signers.kbx"]
        (home / "gpg.conf").write_text("\n".join(settings) + "\n")
        if content[8:12] != _KEYBOX:
            _gpg(home, loan, "--import", f"/proc/self/fd/{loan.hide(content)}", option=_PARENT)


def signing_by(
    key: Path, form: SigningFormat | None = None, passphrase_file: Path | None = None
) -> Signing:
    """Return the signing method for the key in a file.

    Args:
        key: as ssh-keygen or `gpg --export-secret-keys` writes it.
        form: the format; None detects it by the first bytes.
        passphrase_file: opens the key; only for gpg.

    Raises:
        InputError: the file cannot be read, or does not fit the other options.
    """
    form = form or _detect(read_secret(key, _NAME))
    if form is SigningFormat.GPG:
        return GpgSigning(key, passphrase_file)
    if passphrase_file is not None:
        message = (
            "--signing-passphrase-file goes with a key of gpg's: leave it out, and take an ssh key "
            "without a passphrase"
        )
        raise InputError(Problem(_CODE, message))
    return SshSigning(key)


def _convert(hidden: int, loan: Loan) -> None:
    """Convert to OpenSSH's own format, in place: ssh-keygen cannot sign with a PEM key."""
    words = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "", "-f", f"/proc/self/fd/{hidden}"]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    try:
        subprocess.run(
            words,
            env=environment,
            pass_fds=loan.descriptors,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=30,
        )
    except subprocess.CalledProcessError as error:
        said = scrub(error.stderr.decode(errors="replace")).strip()
        raise InputError(Problem(_CODE, f"{_NAME} is not taken by ssh-keygen: {said}")) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutsideError(f"ssh-keygen does not work: {error}") from error


def _detect(content: bytes) -> SigningFormat:
    """Detect the format by the first bytes: armour, or a secret-key packet (RFC 4880 4.2)."""
    binary = content[:1] in {b"\x94", b"\x95", b"\x96", b"\xc5"}
    armoured = content.lstrip().startswith(b"-----BEGIN PGP ")
    return SigningFormat.GPG if binary or armoured else SigningFormat.SSH


def _need(program: str, package: str) -> None:
    if shutil.which(program) is None:
        raise OutsideError(
            f"{program} is not on PATH, and commits are to be signed: install {package}"
        )
