"""What one call of git is lent: secrets, authorities, a proxy, and the ssh connection of a pass.

A secret becomes a file in memory without a name (memfd_create(2)), which git and what it
starts inherit as a descriptor: nothing of it is left when we are killed. A proxy is the
environment's, as curl reads it; its password goes the way of a token, and stands in no
process's environment.
"""

import os
import re
import select
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic  # noqa: TID251  how long a connection takes, and no date
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.running import MOST_WORDS, Limits, end_group
from gitops_prefix.publish.scrub import learn, scrub

_NOEXEC_SEAL = 0x0008
"""MFD_NOEXEC_SEAL, since Linux 6.3; vm.memfd_noexec may require it."""
PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""libcurl reads both spellings, but http_proxy only in lower case."""
EXCEPTIONS = ("no_proxy", "NO_PROXY")
_SSH_PORT = 22
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
SSH_COMMAND = "GIT_SSH_COMMAND"
_SOCKET = "ssh-connection"
"""Of the shared connection, in the directory of the clone."""
_CONNECTED_WITHIN = 30.0
"""ssh's ConnectTimeout does not count what a server does after the first handshake."""
_POLL_SECONDS = 0.005
# ssh reads the key from this shell's descriptor, as in every call of git (credentials.py).
# When we end, or are killed, the shell reads the end of its input, and ends ssh.
_SHELL = shutil.which("sh") or "/bin/sh"
_NO_SOCKET = re.compile(r"unix_listener|muxserver_listen|too long for Unix domain socket")
_UNTIL_WE_END = (
    f'%s "$@" </dev/null & exec >/dev/null 2>&1; read -r _; rm -f {_SOCKET}; kill -KILL 0'
)


class Loan:
    """Variables, git settings, and secrets, until the `with` ends.

    Attributes:
        variables: for git's environment; never a secret.
        destination: what ssh calls the server, with its port; empty if ssh is not used.
        connected: whether ssh has a connection already.
    """

    def __init__(self, *, connected: bool = False) -> None:
        self.variables: dict[str, str] = {}
        self.destination: Sequence[str] = ()
        self.connected = connected
        self._settings: list[tuple[str, str]] = []
        self._descriptors: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del kind, error, trace
        while self._descriptors:
            os.close(self._descriptors.pop())

    def configure(self, name: str, text: str) -> None:
        """Add a git setting (git-config(1)), for this call only."""
        self._settings.append((name, text))

    def hide(self, secret: bytes) -> int:
        """Return a descriptor with the secret, which the child inherits under the same number.

        The child opens `/proc/self/fd/N`, as often as it likes. ssh requires that only the
        owner can read the file.

        Raises:
            OutsideError: the machine is short of memory or descriptors.
        """
        try:
            descriptor = _nameless()
            self._descriptors.append(descriptor)
            os.fchmod(descriptor, 0o600)
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(secret)
        except OSError as error:
            raise OutsideError(f"a secret cannot be kept in memory: {error.strerror}") from error
        return descriptor

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors that the child inherits."""
        return tuple(self._descriptors)

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables and the settings, as git reads them (git-config(1), ENVIRONMENT)."""
        settings: dict[str, str] = {}
        for number, (name, text) in enumerate(self._settings):
            settings |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": text}
        count = {"GIT_CONFIG_COUNT": str(len(self._settings))} if settings else {}
        return {**self.variables, **count, **settings}


def _nameless() -> int:
    with suppress(OSError):
        # An older kernel does not support the flag.
        return os.memfd_create("gitops-prefix", os.MFD_CLOEXEC | _NOEXEC_SEAL)
    return os.memfd_create("gitops-prefix", os.MFD_CLOEXEC)


class Proxy(NamedTuple):
    """The parts of a proxy's URL.

    Attributes:
        url: without the password, for the environment.
        place: without user and password.
        password: decoded, or empty.
    """

    url: str
    place: str
    password: str


def read_proxy(text: str) -> Proxy:
    """Split a proxy's URL as git does; the default scheme is http."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
    userinfo, at, host = rest.rpartition("@")
    user, _, password = userinfo.partition(":")
    place = f"{scheme}://{host.partition('/')[0]}"
    if not at or not password:
        return Proxy(text, place, "")
    return Proxy(f"{scheme}://{user}@{host}", place, unquote(password))


@dataclass(frozen=True, slots=True)
class Transport:
    """What https needs beside a token.

    Attributes:
        ca_file: trusted in place of the machine's authorities, if given.
        proxies: the environment that names proxies.
    """

    ca_file: Path | None = None
    proxies: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def lend(self, loan: Loan) -> None:
        """Add authorities and proxies to a loan.

        Raises:
            InputError: the file of authorities cannot be read, or holds no certificate.
        """
        if self.ca_file is not None:
            loan.variables["GIT_SSL_CAINFO"] = str(_checked(self.ca_file).absolute())
        for name in EXCEPTIONS:
            if name in self.proxies:
                loan.variables[name] = self.proxies[name]
        for name, proxy in self._passwords():
            loan.variables[name] = proxy.url
            if proxy.password:
                learn(proxy.password)
                hidden = loan.hide(f"password={proxy.password}\n".encode())
                loan.configure(f"credential.{proxy.place}.helper", answer_with(hidden))

    def _passwords(self) -> Iterator[tuple[str, Proxy]]:
        for name in PROXIES:
            if not self.proxies.get(name):
                continue
            proxy = read_proxy(self.proxies[name])
            if not proxy.password.isprintable():
                message = f"{name} holds a password that is more than a line: correct it"
                raise InputError(Problem("invalid-proxy", message))
            yield name, proxy


def answer_with(descriptor: int) -> str:
    """Return a credential helper (gitcredentials(7)) that answers with a hidden secret."""
    source = shlex.quote(f"/proc/self/fd/{descriptor}")
    return f'!f() {{ test "$1" = get && cat {source}; }}; f'


def _checked(ca_file: Path) -> Path:
    try:
        content = ca_file.read_bytes()
    except OSError as error:
        problem = Problem("unreadable", f"--ca-file {ca_file}: {error.strerror}")
        raise InputError(problem) from error
    if _CERTIFICATE not in content:
        message = f'--ca-file {ca_file} holds no certificate in PEM ("-----BEGIN CERTIFICATE-----")'
        raise InputError(Problem("no-certificate", message))
    return ca_file


def ssh_place(url: str) -> tuple[str, int]:
    """Return host and port of an ssh URL, or of `user@host:path`."""
    if "://" in url:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or _SSH_PORT
    host = url.partition("@")[2] if "@" in url.partition(":")[0] else url
    bracketed = re.match(r"\[([^\]]+)\]", host)
    return (bracketed[1] if bracketed else host.partition(":")[0]), _SSH_PORT


def ssh_destination(url: str) -> tuple[str, ...]:
    """The server in words of ssh: port, user and host."""
    host, port = ssh_place(url)
    user = (urlsplit(url).username or "") if "://" in url else url.rpartition("@")[0]
    name = f"{unquote(user)}@{host}" if user else host
    # git refuses it, too: ssh would read an option.
    return () if not host or name.startswith("-") else ("-p", str(port), name)


class SharedLine:
    """One ssh connection for all calls of a pass (ssh_config(5), ControlMaster).

    A connection costs several round trips, and a change needs three or four calls. If a server
    gives a connection only one session, ssh connects again for each other call.
    """

    def __init__(self, directory: Path) -> None:
        """Connect nothing yet; the directory is the clone's, and ours alone."""
        self._directory = directory
        self._socket = directory / _SOCKET
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False
        self._impossible = False

    @property
    def group(self) -> int:
        """The process group of ssh; 0 without a connection."""
        return 0 if self._process is None else self._process.pid

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Share a connection among the calls of the body; it ends with the body."""
        self._wanted = True
        try:
            yield
        finally:
            self._wanted = False
            self.drop()

    def drop(self) -> None:
        """End the connection: the next call makes another."""
        process, self._process = self._process, None
        if process is not None:
            end_group(process)
            with suppress(OSError):
                self._socket.unlink()

    def is_up(self) -> bool:
        """Whether there is a connection."""
        return self._process is not None and self._socket.exists() and _listen(self._process) != b""

    def join(self, loan: Loan, limits: Limits) -> str:
        """Have a call of git use the connection, which is made if there is none.

        Args:
            loan: what the call is lent.
            limits: of the call; ssh must connect within them.

        Returns:
            Why ssh cannot connect, since git would only try the same again; empty if it can.
        """
        if not self._wanted or self._impossible or not loan.destination:
            return ""
        if not self.is_up():
            self.drop()
            try:
                words = self._connect(loan, limits)
            except OSError as error:
                words = f"git cannot be started: {error}"
            if words:
                self.drop()
                # No file system for sockets: each call connects by itself.
                self._impossible = _NO_SOCKET.search(words) is not None
                return "" if self._impossible else words
        loan.variables[SSH_COMMAND] += f" -o ControlPath=../{_SOCKET} -o ControlMaster=no"
        return ""

    def _connect(self, loan: Loan, limits: Limits) -> str:
        with suppress(OSError):
            # Of a daemon that was killed; ssh would not take its place.
            self._socket.unlink()
        shared = ("-M", "-N", "-o", f"ControlPath={_SOCKET}")
        script = _UNTIL_WE_END % loan.variables[SSH_COMMAND]
        self._process = subprocess.Popen(
            [_SHELL, "-c", script, "sh", *shared, *loan.destination],
            cwd=self._directory,
            env={"HOME": "/dev/null", "LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=loan.descriptors,
            start_new_session=True,
        )
        return self._await(self._process, limits)

    def _await(self, process: "subprocess.Popen[bytes]", limits: Limits) -> str:
        """Wait for the connection; return what ssh says if it ends instead."""
        seconds = min(limits.seconds, _CONNECTED_WITHIN)
        said, began = bytearray(), monotonic()
        asked = began
        while not self._socket.exists():
            now = monotonic()
            if now - began > seconds:
                return f"no answer within {seconds:g} s"
            if limits.stop is not None and now - asked > 1:
                asked = now
                if words := limits.stop(process.pid):
                    return words
            chunk = _listen(process, _POLL_SECONDS)
            if chunk is None:
                continue
            said += chunk
            if not chunk:
                words = scrub(said.decode(errors="replace")) or "ssh ended without a word"
                return f"{words}\nfatal: Could not read from remote repository."
            if len(said) > MOST_WORDS:
                return f"the server sends more than {MOST_WORDS} bytes of words"
        return ""


def _listen(process: "subprocess.Popen[bytes]", seconds: float = 0.0) -> bytes | None:
    """What ssh says; None if it says nothing now, and empty when it has ended."""
    assert process.stderr is not None  # noqa: S101  PIPE gives it
    if not select.select([process.stderr], [], [], seconds)[0]:
        return None
    return os.read(process.stderr.fileno(), MOST_WORDS)
