"""Waiting for a deadline or a nudge, whichever comes first.

A pipe, because a signal handler may nudge too: it must not take a lock.
"""

import contextlib
import os
import select
from math import isinf


class Wakeup:
    """One waits, in one thread; anybody nudges."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def nudge(self) -> None:
        """End the wait that is under way, or the next one."""
        # A full pipe is a nudge already.
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"!")

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` (inf is for ever).

        Returns:
            Whether somebody nudged.
        """
        timeout = None if isinf(seconds) else max(0.0, seconds)
        ready, _, _ = select.select([self._reader], [], [], timeout)
        if ready:
            os.read(self._reader, 4096)
        return bool(ready)

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._reader)
        os.close(self._writer)
