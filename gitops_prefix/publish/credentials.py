"""Credentials for the remote: an ssh key, a token, or none.

A secret stays in its file or variable, and is lent to git for one call at a time (loan.py).
Command lines and environments hold the place of a secret, never the secret.
"""

import base64
import binascii
import errno
import re
import selectors
import shlex
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic  # noqa: TID251  how long a connection takes, and no date
from typing import Any, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.loan import SSH_COMMAND, Loan, answer_with, ssh_destination, ssh_place
from gitops_prefix.publish.scrub import learn, scrub

OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_MAGIC = b"openssh-key-v1\0"
_PEM = tuple(b"-----BEGIN %sPRIVATE KEY-----" % kind for kind in (b"", b"RSA ", b"EC ", b"DSA "))
_PUBLIC = (
    b"ssh-",
    b"ecdsa-",
    b"sk-",
    b"---- BEGIN SSH2",
    b"-----BEGIN PUBLIC",
    b"-----BEGIN RSA PUBLIC",
)
_END = re.compile(rb"-----END [A-Z ]*PRIVATE KEY-----\n")
"""ssh reads no further: a comment may follow."""
_LINES = re.compile(rb"\A-----BEGIN [A-Z ]*PRIVATE KEY-----\n[\s\S]*\n-----END ")
"""What a secret that went through a shell or a template often has no more."""
_LOCKED = (
    "is protected by a passphrase, and nobody is there to type it: make one without, by "
    '`ssh-keygen -t ed25519 -N "" -f FILE`'
)
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# "ext::sh -c …" is a program for git to run, gitremote-helpers(7).
_PROGRAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.-]*::")
_FAMILIES = {int(socket.AF_INET): "inet", int(socket.AF_INET6): "inet6"}
_CONNECT_SECONDS = 3.0
_OTHERS_SECONDS, _ALONE_SECONDS = 3, 10
"""For an address of a host that has others, and for the only one."""
_STAGGER_SECONDS = 0.25
"""Before the next address is tried (RFC 8305, 5)."""
_FOUND_SECONDS = 10.0
"""What was found counts for the calls of one pass."""
_SSH = {"ssh", "git+ssh", "ssh+git"}
_SHORTAGE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Our own machine's, and no fault of the file."""
# The protocols that git.py allows; "git://" and "ftp://" authenticate nobody.
_PROTOCOLS = {"file", "http", "https"} | _SSH
_SCP_LIKE = re.compile(r"[^/:\s]+@?[^/:\s]*:(?!//)\S+")


def usable_key(content: bytes) -> bytes:
    """The key as ssh reads it: with LF line ends, and one at its end.

    The key must open without a passphrase.

    Raises:
        ValueError: what the file holds instead, to be read after the file's name.
    """
    key = content.replace(b"\r\n", b"\n").strip() + b"\n"
    if not key.strip():
        raise ValueError("is empty: write the private key into it")
    if key.startswith(_PUBLIC):
        raise ValueError("is the public half of a key: name the file without .pub")
    if key.startswith(b"PuTTY-User-Key-File"):
        raise ValueError("is PuTTY's: convert it by `puttygen FILE -O private-openssh`")
    if _END.search(key) and not _LINES.search(key):
        raise ValueError("has lost its line ends: copy it again, line by line as it was")
    if key.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") or b"\nProc-Type: 4,ENC" in key:
        raise ValueError(_LOCKED)
    if key.startswith(OPENSSH):
        if _cipher(key) != b"none":
            raise ValueError(_LOCKED)
    elif not key.startswith(_PEM):
        raise ValueError("is no private key of ssh's: `ssh-keygen -t ed25519` makes one")
    if not _END.search(key):
        raise ValueError("is not whole: copy it again")
    return key


def _cipher(key: bytes) -> bytes:
    """The cipher's name: the first string after the magic (openssh's PROTOCOL.key).

    Raises:
        ValueError: the key is not whole.
    """
    body = key.removeprefix(OPENSSH).partition(b"-----END")[0]
    try:
        binary = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("is not whole: copy it again") from error
    rest = binary.removeprefix(_MAGIC)
    length = int.from_bytes(rest[:4], "big")
    if rest == binary or len(rest) < 4 + length:
        raise ValueError("is not whole: copy it again")
    return rest[4 : 4 + length]


class Credentials(Protocol):
    """A way to authenticate to a remote."""

    def lend(self, url: str, loan: Loan) -> None:
        """Add the credentials to the loan for one call to the remote at `url`.

        Raises:
            InputError: a file that an option names cannot be read, or holds something else.
        """
        ...

    def doubt(self) -> None:
        """The remote refused us: forget what may be out of date."""
        ...


@dataclass(frozen=True, slots=True)
class NoCredentials:
    """For a remote that asks for no credentials."""

    def lend(self, url: str, loan: Loan) -> None:
        """Nothing."""

    def doubt(self) -> None:
        """Nothing is remembered."""


@dataclass(slots=True)
class Route:
    """Finds the address family over which a host with both answers.

    ssh tries the addresses of a host one after another and waits ten seconds for each, in
    each of the four calls of a change. After a renumbering IPv6 is often dead for a while.

    Attributes:
        resolve: as socket.getaddrinfo does.
    """

    resolve: Callable[..., Sequence[tuple[Any, ...]]] = socket.getaddrinfo
    _found: dict[tuple[str, int], tuple[str, float]] = field(default_factory=dict)
    _several: dict[tuple[str, int], bool] = field(default_factory=dict)
    _lookup: threading.Thread | None = None

    def family(self, host: str, port: int) -> str:
        """Return ssh's name of the family: `inet`, `inet6`, or `any` if there is no choice."""
        known, until = self._found.get((host, port), ("", 0.0))
        if known and monotonic() < until:
            return known
        addresses = self._addresses(host, port)
        choice = len({family for family, _ in addresses}) > 1
        first = _first_to_answer(addresses, _CONNECT_SECONDS) if choice else None
        found = _FAMILIES.get(first, "any") if first is not None else "any"
        self._found = {(host, port): (found, monotonic() + _FOUND_SECONDS)}
        usable = [family for family, _ in addresses if found in {"any", _FAMILIES.get(family)}]
        self._several = {(host, port): len(usable) > 1}
        return found

    def patience(self, host: str, port: int) -> int:
        """Return how long, in seconds, ssh should wait for one address of the host.

        The time counts until the server has sent its first line.
        """
        return _OTHERS_SECONDS if self._several.get((host, port)) else _ALONE_SECONDS

    def _addresses(self, host: str, port: int) -> list[tuple[int, Any]]:
        """Resolve in a thread: a lookup has no limit, and a late one must not pile up."""
        if self._lookup is not None and self._lookup.is_alive():
            return []
        answers: list[tuple[int, Any]] = []

        def look_up() -> None:
            with suppress(OSError, UnicodeError):
                found = self.resolve(host, port, type=socket.SOCK_STREAM)
                answers.extend((int(entry[0]), entry[4]) for entry in found)

        self._lookup = threading.Thread(target=look_up, name="lookup", daemon=True)
        self._lookup.start()
        self._lookup.join(_CONNECT_SECONDS)
        return list(answers)


def _first_to_answer(addresses: Sequence[tuple[int, Any]], seconds: float) -> int | None:
    """Return the family of the first address that accepts a connection (RFC 8305)."""
    end, rest, late = monotonic() + seconds, list(addresses), False
    with selectors.DefaultSelector() as pending, ExitStack() as connections:
        while not late and (rest or pending.get_map()):
            # A busy machine may have been late itself: who has answered meanwhile counts.
            late = monotonic() >= end
            if rest:
                family, address = rest.pop(0)
                connection = connections.enter_context(socket.socket(family, socket.SOCK_STREAM))
                connection.settimeout(0.0)
                if connection.connect_ex(address) in {0, errno.EINPROGRESS}:
                    pending.register(connection, selectors.EVENT_WRITE, family)
            wait = _STAGGER_SECONDS if rest else max(0.0, end - monotonic())
            for key, _ in pending.select(wait) if pending.get_map() else ():
                answered = key.fileobj
                pending.unregister(answered)
                assert isinstance(answered, socket.socket)  # noqa: S101  registered above
                if not answered.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    return int(key.data)
    return None


@dataclass(frozen=True, slots=True)
class SshKey:
    """A deploy key, and the trusted host keys; there is no insecure default.

    Attributes:
        route: chooses the address family of a host that has both.
    """

    key: Path
    known_hosts: Path
    route: Route = field(default_factory=Route, compare=False, repr=False)

    def lend(self, url: str, loan: Loan) -> None:
        """Set GIT_SSH_COMMAND, with a copy of the key that ssh accepts.

        Kubernetes mounts secrets readable for a group, and ssh refuses such a key. The file
        is read for each call, so that a rotated key is used.
        """
        if not is_ssh(url):
            # A path, or https: ssh would take it for the name of a host.
            return
        hidden = loan.hide(self.read())
        self.check_hosts()
        family = "any" if loan.connected else self.route.family(*ssh_place(url))
        options = {
            "AddressFamily": family,
            "BatchMode": "yes",
            "ConnectTimeout": str(self.route.patience(*ssh_place(url))),
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "ServerAliveInterval": "10",
            "StrictHostKeyChecking": "yes",
            # ssh expands percent signs (ssh_config(5), TOKENS).
            "UserKnownHostsFile": f'"{str(self.known_hosts.absolute()).replace("%", "%%")}"',
        }
        words = ["ssh", "-F", "/dev/null"]
        for name, text in options.items():
            words += ["-o", f"{name}={text}"]
        # ssh closes every inherited descriptor (closefrom(2)). The shell that waits for ssh
        # holds the key open, and ssh reads it there.
        command = f'{shlex.join(words)} -i "/proc/$$/fd/{hidden}" "$@"'
        loan.variables[SSH_COMMAND] = f"f() {{ {command}; exit $?; }}; f"
        loan.variables["GIT_SSH_VARIANT"] = "ssh"
        loan.destination = ssh_destination(url)

    def read(self) -> bytes:
        """Return the key.

        Raises:
            InputError: the file cannot be read, or holds no key that opens.
        """
        return read_private_key(self.key, "--ssh-key", "invalid-ssh-key")

    def check_hosts(self) -> None:
        """Refuse a file without a host key.

        Raises:
            InputError: it is so, or cannot be read.
        """
        lines = read_secret(self.known_hosts, "--known-hosts").splitlines()
        if not any(line.strip() and not line.lstrip().startswith(b"#") for line in lines):
            remedy = "`ssh-keyscan HOST` prints them"
            message = f"--known-hosts {self.known_hosts} holds no host key: {remedy}"
            raise InputError(Problem("no-known-hosts", message))

    def doubt(self) -> None:
        """Nothing to forget: the files are read for each call."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token for https.

    Attributes:
        read: returns the token; called for each use.
        username: sent with the token; most forges ignore it.
    """

    read: Callable[[], str]
    username: str = "x-access-token"

    def lend(self, url: str, loan: Loan) -> None:
        """Configure a credential helper that answers for this remote's host only.

        Raises:
            InputError: the token or the user is empty, or longer than one line.
        """
        token = self.read().strip()
        # Each becomes one line of the helper's answer; a line break would add another answer.
        if not token or not token.isprintable():
            message = "the token must be one line: write it, and nothing else, into --token-file"
            raise InputError(Problem("no-token", message))
        if not self.username or not self.username.isprintable():
            raise InputError(Problem("invalid-username", "--username must be one line, not empty"))
        learn(token, user=self.username)
        hidden = loan.hide(f"username={self.username}\npassword={token}\n".encode())
        parts = urlsplit(url)
        loan.configure(f"credential.{parts.scheme}://{parts.netloc}.helper", answer_with(hidden))

    def doubt(self) -> None:
        """Nothing to forget: `read` reads for each use."""


def token_from(path: Path, name: str = "--token-file") -> Token:
    """A token in a file; `name` is the option that names the file.

    Raises:
        InputError: the file cannot be read.
    """
    read_secret(path, name)
    return Token(lambda: read_secret(path, name).decode(errors="replace"))


def one_line(read: Callable[[], str], name: str) -> Callable[[], str]:
    """Return a reader of a token that is learnt whenever it is read.

    `name` says in an error which token it is.
    """

    def learnt() -> str:
        token = read().strip()
        if not token or not token.isprintable():
            raise InputError(Problem("no-token", f"{name} must be one line, not empty"))
        learn(token)
        return token

    return learnt


def check_url(url: str, credentials: Credentials) -> None:
    """Check the URL of a remote.

    Raises:
        InputError: a secret in the URL, ssh without a key, or no valid URL.
    """
    parts = _split(url)
    if _PROGRAM.match(url) or (parts and url.partition("://")[0] not in _PROTOCOLS):
        message = "--repo is in a protocol that is not spoken: give an https or ssh URL, or a path"
        raise InputError(Problem("invalid-repo", message))
    lacks_host = parts and parts.scheme != "file" and not parts.hostname
    # git refuses a dash as well, though only when it runs: ssh would read an option.
    if lacks_host or (is_ssh(url) and ssh_place(url)[0].startswith("-")):
        message = f'--repo "{scrub(url)}" names no host: write https://git.example.com/home-ops.git'
        raise InputError(Problem("invalid-repo", message))
    # A token may also stand in place of the user, and URLs are shown everywhere.
    if parts is not None and (
        parts.password or (parts.username and parts.scheme in {"http", "https"})
    ):
        message = (
            "--repo holds what stands before an @, which may be a secret: leave it out, put the "
            "token in a file, and give --token-file (and --username)"
        )
        raise InputError(Problem("secret-in-url", message))
    clear = parts is not None and parts.scheme == "http" and parts.hostname not in LOOPBACK
    if clear and not isinstance(credentials, NoCredentials | SshKey):
        message = "a token would travel over http in the clear: use https"
        raise InputError(Problem("token-over-http", message))
    if is_ssh(url) and not isinstance(credentials, SshKey):
        raise InputError(
            Problem("no-ssh-key", "--repo is reached over ssh: give --ssh-key and --known-hosts")
        )


def is_ssh(url: str) -> bool:
    """Whether a URL leads over ssh, also `user@host:path`."""
    scheme, is_url, _ = url.partition("://")
    return scheme in _SSH if is_url else bool(_SCP_LIKE.fullmatch(url))


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
    """The directory that a URL names; None for a server."""
    if url.startswith("file://"):
        # As git does: percent escapes are decoded, "?" and "#" are plain characters.
        return Path(unquote(url.removeprefix("file://")))
    if "://" in url or _SCP_LIKE.fullmatch(url):
        return None
    return Path(url)


def read_private_key(path: Path, name: str, code: str) -> bytes:
    """An ssh private key; `name` is the option that names the file.

    Raises:
        InputError: the file cannot be read (unreadable), or is no usable key (`code`).
    """
    try:
        key = usable_key(read_secret(path, name))
    except ValueError as error:
        raise InputError(Problem(code, f"{name} {path} {error}")) from error
    learn(key.decode(errors="replace"))
    return key


def read_secret(path: Path, name: str) -> bytes:
    """A secret's file; `name` is the option that names it. It may be replaced at any time.

    Raises:
        InputError: the file cannot be read.
        OutsideError: this machine is short of descriptors or memory.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno in _SHORTAGE:
            raise OutsideError(f"{name} cannot be read now: {error.strerror}") from error
        problem = Problem("unreadable", f"{name} {path}: {error.strerror}")
        raise InputError(problem) from error
