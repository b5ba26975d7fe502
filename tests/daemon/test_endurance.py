"""A few hundred changes in one process leave nothing behind; bench/endurance.py makes ten thousand."""

import statistics

from bench.endurance import samples

_TOLERANCE_KIB = 512
"""Of the allocator: a rendering's files, kept after each change, were 7 KiB a change."""


def test_changes_cost_no_memory_and_no_open_file(tmp_path):
    """Open files are exactly as many after each change; memory in the second half is that of the first."""
    taken = [*samples(tmp_path, 300)]
    assert len({one.descriptors for one in taken}) == 1
    # The first tenth is still filling caches: commits that are remembered, regular expressions.
    steady = taken[2:]
    half = len(steady) // 2
    first, second = (
        statistics.median(one.resident for one in part) for part in (steady[:half], steady[half:])
    )
    assert second - first < _TOLERANCE_KIB
