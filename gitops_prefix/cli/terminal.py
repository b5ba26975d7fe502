"""A terminal that is drawn anew, and given back as it was. No library: six sequences.

The alternate screen, as `less` and `top` use it: a resize cannot leave half-wrapped
lines behind, and what stood there before comes back. See docs/dependencies.md.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

_ENTER = "\x1b[?1049h\x1b[?25l"  # the alternate screen, no cursor
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


def is_live(stream: TextIO) -> bool:
    """Whether it is a terminal that can be drawn on."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def printable(text: str) -> str:
    """Text that a stranger chose, without a character that a terminal obeys."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


class Screen:
    """Whole pictures, one after the other."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def size(self) -> tuple[int, int]:
        """Columns and rows, as they are now."""
        columns, rows = os.get_terminal_size(self._stream.fileno())
        return max(columns, 20), max(rows, 4)

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines, which fit, and nothing else."""
        rows = self.size()[1]
        if len(lines) > rows:
            hidden = len(lines) - rows + 1
            lines = [*lines[: rows - 1], f"... {hidden} more lines"]
        drawn = f"{_REST_OF_LINE}\n".join(lines)
        self._write(_HOME + drawn + _REST_OF_LINE + _REST_OF_SCREEN)

    def _write(self, text: str) -> None:
        # A link may have a name that the terminal's encoding has not.
        encoding = self._stream.encoding or "ascii"
        self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self._stream.flush()

    @contextmanager
    def taken(self, resized: Callable[[], None]) -> Iterator[None]:
        """Have the terminal; `resized` is called from a signal handler."""
        handlers = {
            signal.SIGWINCH: lambda *_: resized(),
            # `kill`: leave as by Ctrl-C.
            signal.SIGTERM: signal.default_int_handler,
        }
        kept = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        self._write(_ENTER)
        try:
            yield
        finally:
            self._write(_LEAVE)
            for number, handler in kept.items():
                signal.signal(number, handler)
