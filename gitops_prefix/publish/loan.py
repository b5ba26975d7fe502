"""What one call of git is lent, and which is gone when the call is over.

A secret becomes a file in memory without a name (memfd_create(2)), which git and what
it starts inherit as a descriptor: nothing of it is left when we are killed.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from gitops_prefix.errors import OutsideError

_NOEXEC_SEAL = 0x0008
"""MFD_NOEXEC_SEAL, since Linux 6.3; some machines allow no other (vm.memfd_noexec)."""


class Loan:
    """Variables, settings of git's, and secrets, for as long as the `with` lasts.

    Attributes:
        variables: for git's environment; none of them is a secret.
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
        """A setting of git's (git-config(1)), for this call alone."""
        self._settings.append((name, text))

    def hide(self, secret: bytes) -> int:
        """A descriptor that the child will have under the same number.

        It reads it by opening `/proc/self/fd/N`, as often as it likes. As ssh asks of a
        key, the file is its owner's alone.

        Raises:
            OutsideError: the machine has no memory for it.
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
        """What the child inherits."""
        return tuple(self._descriptors)

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables, with the settings as git reads them (git-config(1), ENVIRONMENT)."""
        settings: dict[str, str] = {}
        for number, (name, text) in enumerate(self._settings):
            settings |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": text}
        count = {"GIT_CONFIG_COUNT": str(len(self._settings))} if settings else {}
        return {**self.variables, **count, **settings}


def _nameless() -> int:
    with suppress(OSError):
        # An older kernel does not know the flag.
        return os.memfd_create("gitops-prefix", os.MFD_CLOEXEC | _NOEXEC_SEAL)
    return os.memfd_create("gitops-prefix", os.MFD_CLOEXEC)
