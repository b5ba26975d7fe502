"""Log lines: for people on a terminal, JSON for everything else."""

import json
import logging
import sys
import time
from typing import TextIO

from gitops_prefix.publish.scrub import redact

_STANDARD = set(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """One JSON object a line, with what `extra` added."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class _Redacting(logging.StreamHandler[TextIO]):
    """The last door: no secret that was read leaves in a line, whoever wrote it."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure(stream: TextIO = sys.stderr, *, verbose: bool = False) -> None:
    """Send the project's log to `stream`, in the form that suits it."""
    handler = _Redacting(stream)
    if stream.isatty():
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
        )
    else:
        handler.setFormatter(JsonLines())
    logger = logging.getLogger("gitops_prefix")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False


class OncePerMinute:
    """Lets one line a minute through for each key, and counts the others.

    A link can send thousands of bad packets a second; the log stays readable.
    """

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}

    def admit(self, key: str, now: float) -> int | None:
        """How many were held back since the last line for `key`, or None to hold this one."""
        since = self._since.get(key)
        if since is not None and now - since < 60:
            self._suppressed[key] = self._suppressed.get(key, 0) + 1
            return None
        self._since[key] = now
        return self._suppressed.pop(key, 0)
