"""Some changes in one process leave nothing behind; bench/endurance.py makes ten thousand."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

from tests.gitrepo import ROOT

_CHANGES, _EVERY, _FIRST = 60, 4, 20
_TOLERANCE_KIB = 60
"""Of the allocator: a rendering's files, kept after each change, were 7 KiB a change."""
_SCRIPT = """
import json, pathlib, sys
from bench.endurance import samples
taken = [(one.resident, one.descriptors) for one in samples(pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:]))]
print(json.dumps(taken))
"""


def test_changes_cost_no_memory_and_no_open_file(tmp_path):
    """Open files are exactly as many after each change; memory does not grow from third to third.

    On a machine with much else to do, a git that takes long is looked at in /proc, and half a
    mebibyte is taken for good, once. What leaks does so in each third, and again.
    """
    growths = (_growth(tmp_path / name) for name in ("once", "again"))
    assert any(growth < _TOLERANCE_KIB for growth in growths)


def _growth(directory: Path) -> float:
    """KiB from third to third, the least of both, in a process of its own, as the daemon is."""
    directory.mkdir()
    command = [sys.executable, "-c", _SCRIPT, str(directory), str(_CHANGES), str(_EVERY)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    taken = json.loads(done.stdout.splitlines()[-1])
    assert len({descriptors for _, descriptors in taken}) == 1
    # The first are still filling caches: commits that are remembered, regular expressions.
    steady = [resident for resident, _ in taken[_FIRST // _EVERY :]]
    third = len(steady) // 3
    first, second, last = (
        statistics.median(steady[begin : begin + third]) for begin in (0, third, 2 * third)
    )
    return min(second - first, last - second)
