"""What one call of git is lent: secrets, authorities, a proxy; all gone when the call is over.

A secret becomes a file in memory without a name (memfd_create(2)), which git and what it
starts inherit as a descriptor: nothing of it is left when we are killed. A proxy is the
environment's, as curl reads it; its password goes the way of a token, and stands in no
process's environment.
"""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import unquote

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.scrub import learn

_NOEXEC_SEAL = 0x0008
"""MFD_NOEXEC_SEAL, since Linux 6.3; vm.memfd_noexec may require it."""
PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""libcurl reads both spellings, but http_proxy only in lower case."""
EXCEPTIONS = ("no_proxy", "NO_PROXY")
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


class Loan:
    """Variables, git settings, and secrets, until the `with` ends.

    Attributes:
        variables: for git's environment; never a secret.
    """

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}
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
