"""Signing commits with a key of ssh's or of gpg's; git does it (git-commit-tree(1), -S).

The key is read anew for each commit, so that a rotated one counts.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.credentials import read_private_key, read_secret
from gitops_prefix.publish.gpg import secret_keyring
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.private_key import OPENSSH
from gitops_prefix.publish.scrub import learn, scrub

_CODE = "invalid-signing-key"
_NAME = "--signing-key"


class SigningFormat(StrEnum):
    """What git calls `gpg.format`; the values are the option's."""

    SSH = "ssh"
    GPG = "gpg"


class Signing(Protocol):
    """A key that commits are signed with."""

    def lend(self) -> AbstractContextManager[Loan]:
        """What git needs to sign, as long as the `with` lasts.

        Raises:
            InputError: a file that was named cannot be read, or holds something else.
            OutsideError: the program that signs is not there, or fails.
        """
        ...


@dataclass(frozen=True, slots=True)
class SshSigning:
    """By ssh-keygen, with a private key that has no passphrase."""

    key: Path

    @contextmanager
    def lend(self) -> Iterator[Loan]:
        """The key as ssh-keygen inherits it."""
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
    """By gpg, with an exported secret key."""

    key: Path
    passphrase_file: Path | None = None

    @contextmanager
    def lend(self) -> Iterator[Loan]:
        """A keyring that holds the key, and nothing else."""
        _need("gpg", "gnupg")
        key = read_secret(self.key, _NAME)
        learn(key.decode(errors="replace"))
        passphrase = None
        if self.passphrase_file is not None:
            passphrase = read_secret(self.passphrase_file, "--signing-passphrase-file")
            # gpg(1), --passphrase-file: only the first line counts.
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


def signing_by(
    key: Path, form: SigningFormat | None = None, passphrase_file: Path | None = None
) -> Signing:
    """Signing with the key in a file.

    Args:
        key: as ssh-keygen or `gpg --export-secret-keys` writes it.
        form: what it is; None looks at its first bytes.
        passphrase_file: what opens it; gpg alone takes one.

    Raises:
        InputError: it cannot be read, or does not go with the rest.
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
    """To OpenSSH's own format, in place: ssh-keygen finds no public half in PEM when it signs."""
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
    """What a key is by its first bytes: armour, or a secret-key packet (RFC 4880 4.2, tag 5)."""
    binary = content[:1] in {b"\x94", b"\x95", b"\x96", b"\xc5"}
    armoured = content.lstrip().startswith(b"-----BEGIN PGP ")
    return SigningFormat.GPG if binary or armoured else SigningFormat.SSH


def _need(program: str, package: str) -> None:
    if shutil.which(program) is None:
        raise OutsideError(
            f"{program} is not on PATH, and commits are to be signed: install {package}"
        )
