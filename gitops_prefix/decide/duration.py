"""Durations as Kubernetes writes them: Go's "48h", "1m30s", "0s"."""

import re
from datetime import timedelta

LONGEST = timedelta(days=36_525)
"""A century: more than any prefix lives, and little enough to add to any date."""

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")


def parse_duration(text: str) -> timedelta:
    """The time that `text` says, in Go's form with days added.

    Raises:
        ValueError: it is no duration; a bare number has no unit and is refused.
    """
    if text == "0":
        return timedelta(0)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f'{text!r} is not a duration: write a number and a unit, as in "48h"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds > LONGEST.total_seconds():
        raise ValueError(f'{text!r} is longer than any prefix lives: write at most "876600h"')
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """In whole seconds, as in "1d2h"; 90 s is "1m30s", and nothing is "0s"."""
    left = int(duration.total_seconds())
    words = ""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        words += f"{count}{unit}" if count else ""
    return words or "0s"
