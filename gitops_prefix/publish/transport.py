"""How https reaches the remote: the authorities that are believed, and a proxy.

The proxy is the environment's, as curl reads it. Its password goes the way of a token:
git asks a helper of ours for it, and no process has it in its environment.
"""

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.scrub import learn

PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""libcurl reads either spelling, but http_proxy in small letters alone."""
EXCEPTIONS = ("no_proxy", "NO_PROXY")
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


class Proxy(NamedTuple):
    """A proxy's URL taken apart.

    Attributes:
        url: without the password, for the environment.
        place: without the user, too.
        password: decoded; empty when there is none.
    """

    url: str
    place: str
    password: str


def read_proxy(text: str) -> Proxy:
    """Take a proxy's URL apart as git does: without a scheme it is http."""
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
        ca_file: believed instead of the machine's authorities, when given.
        proxies: the environment that names them.
    """

    ca_file: Path | None = None
    proxies: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def lend(self, loan: Loan) -> None:
        """Add it to what git is lent.

        Raises:
            InputError: the file of authorities cannot be read, or holds none.
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
    """A credential helper (gitcredentials(7)) that answers with what is hidden there."""
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
