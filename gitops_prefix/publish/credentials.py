"""Who we are to the remote: an ssh key, a token, or nobody.

What is secret stays in a file that only this process's user can read: git and ssh
are told where it is, and never what it holds.
"""

import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.scrub import scrub

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# "ext::sh -c …" is a program for git to run, gitremote-helpers(7).
_PROGRAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*::")
_SSH = {"ssh", "git+ssh", "ssh+git"}
# What git.py lets git speak; "git://" and "ftp://" prove nobody's identity.
_PROTOCOLS = {"file", "http", "https"} | _SSH
_SCP_LIKE = re.compile(r"[^/:\s]+@?[^/:\s]*:(?!//)\S+")


class Credentials(Protocol):
    """Something that makes a remote believe us."""

    def environment(self, url: str, private: Path) -> Mapping[str, str]:
        """Variables for git.

        Args:
            url: the remote.
            private: a directory that only we can read, for files of ours.

        Raises:
            InputError: a file that was named cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class NoCredentials:
    """A remote that asks for none."""

    def environment(self, url: str, private: Path) -> Mapping[str, str]:
        """Nothing."""
        del url, private
        return {}


@dataclass(frozen=True, slots=True)
class SshKey:
    """A deploy key, and the host keys that are believed; there is no insecure default."""

    key: Path
    known_hosts: Path

    def environment(self, url: str, private: Path) -> Mapping[str, str]:
        """GIT_SSH_COMMAND, with a copy of the key that ssh accepts.

        Kubernetes mounts secrets readable for a group, and ssh refuses such a key; it
        is read anew each time, so that a rotated one counts.
        """
        del url
        copy = private / "ssh-key"
        _write_private(copy, _read(self.key, "--ssh-key").rstrip(b"\n") + b"\n")
        _read(self.known_hosts, "--known-hosts")
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "ServerAliveInterval": "10",
            "StrictHostKeyChecking": "yes",
            # ssh replaces what begins with a percent sign (ssh_config(5), TOKENS).
            "UserKnownHostsFile": f'"{str(self.known_hosts.absolute()).replace("%", "%%")}"',
        }
        words = ["ssh", "-F", "/dev/null", "-i", str(copy)]
        for name, text in options.items():
            words += ["-o", f"{name}={text}"]
        return {"GIT_SSH_COMMAND": shlex.join(words), "GIT_SSH_VARIANT": "ssh"}


@dataclass(frozen=True, slots=True)
class Token:
    """A token for https.

    Attributes:
        read: gives the token, anew at each use.
        username: what forges expect beside a token; most ignore it.
    """

    read: Callable[[], str]
    username: str = "x-access-token"

    def environment(self, url: str, private: Path) -> Mapping[str, str]:
        """A credential helper that answers for this remote's host, and no other.

        Raises:
            InputError: the token is empty, or more than a line.
        """
        answer = private / "credential"
        token = self.read().strip()
        if not token or len(token.splitlines()) > 1:
            message = "--token-file must hold the token, in one line, and nothing else"
            raise InputError(Problem("no-token", message))
        fields = f"username={self.username}\npassword={token}\n"
        _write_private(answer, fields.encode())
        parts = urlsplit(url)
        helper = f'!f() {{ test "$1" = get && cat {shlex.quote(str(answer))}; }}; f'
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"credential.{parts.scheme}://{parts.netloc}.helper",
            "GIT_CONFIG_VALUE_0": helper,
        }


def token_from(path: Path) -> Token:
    """A token in a file; only the file's name is remembered.

    Raises:
        InputError: it cannot be read.
    """
    _read(path, "--token-file")
    return Token(lambda: _read(path, "--token-file").decode(errors="replace"))


def check_url(url: str, credentials: Credentials) -> None:
    """Refuse a remote that we would have to guess about.

    Raises:
        InputError: a secret in the URL, ssh without a key, or no URL at all.
    """
    parts = _split(url)
    if _PROGRAM.match(url) or (parts and url.partition("://")[0] not in _PROTOCOLS):
        message = "--repo is in a protocol that is not spoken: give an https or ssh URL, or a path"
        raise InputError(Problem("invalid-repo", message))
    # A token may also stand where a name does, and a URL is seen by everybody.
    if parts is not None and (
        parts.password or (parts.username and parts.scheme in {"http", "https"})
    ):
        message = (
            "--repo holds what stands before an @, which may be a secret: leave it out, put the "
            "token in a file, and give --token-file (and --username)"
        )
        raise InputError(Problem("secret-in-url", message))
    clear = parts is not None and parts.scheme == "http" and parts.hostname not in _LOOPBACK
    if clear and isinstance(credentials, Token):
        message = "--token-file over http would send the token in the clear: use https"
        raise InputError(Problem("token-over-http", message))
    is_ssh = parts.scheme in _SSH if parts else bool(_SCP_LIKE.fullmatch(url))
    if is_ssh and not isinstance(credentials, SshKey):
        raise InputError(
            Problem("no-ssh-key", "--repo is reached over ssh: give --ssh-key and --known-hosts")
        )


def _split(url: str) -> SplitResult | None:
    problem = Problem("invalid-repo", f'--repo "{scrub(url)}" is no URL, and no path')
    if not url or url.startswith("-"):
        raise InputError(problem)
    if "://" not in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InputError(problem) from error
    return parts


def local_path(url: str) -> Path | None:
    """The directory that a URL names, when it names one."""
    if url.startswith("file://"):
        # As git does: percent signs are decoded, "?" and "#" are characters.
        return Path(unquote(url.removeprefix("file://")))
    if "://" in url or _SCP_LIKE.fullmatch(url):
        return None
    return Path(url)


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        problem = Problem("unreadable", f"{name} {path}: {error.strerror}")
        raise InputError(problem) from error


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
