"""Two things timed in turn, and their ratio with its spread."""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple


class Ratio(NamedTuple):
    """Ours over theirs: median, and the quartiles of the pairs."""

    ours: float
    theirs: float
    median: float
    low: float
    high: float


def measure(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> Ratio:
    """Time both in turn, so that what the machine does meanwhile hits both."""
    ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    ratios = sorted(a / b for a, b in pairs)
    low, median, high = statistics.quantiles(ratios, n=4)
    return Ratio(
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        median,
        low,
        high,
    )


def seconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def show(row: str, ratio: Ratio, goal: str, *, faster: bool = False) -> None:
    """Print one row; `faster` turns the ratio round: how many times as fast we are."""
    low, middle, high = ratio.low, ratio.median, ratio.high
    if faster:
        low, middle, high = 1 / high, 1 / middle, 1 / low
    print(
        f"{row:<58} {middle:6.2f} x  (quartiles {low:.2f} to {high:.2f}; "
        f"{_time(ratio.ours)} against {_time(ratio.theirs)})  goal {goal}"
    )


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"
