"""`make coverage`: every branch of the pure packages is taken by the tests that belong to them.

Each rule has its row, so nothing is left over: a branch that no row takes is a rule that nobody
states, or code that nobody needs. The rest of the suite does not count here, whatever it runs by
the way.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What is measured, and which tests belong to it.
PARTS = {
    "gitops_prefix/decide": ["tests/decide"],
    "gitops_prefix/render": ["tests/render", "tests/golden"],
    "gitops_prefix/plan": ["tests/plan"],
    "gitops_prefix/watch/codec.py": [
        "tests/watch/test_codec.py",
        "tests/watch/test_encode.py",
        "tests/watch/test_codec_oracle.py",
    ],
}


def measure(tests: list[str], report: Path) -> int:
    """Runs the tests, and writes coverage's JSON; returns pytest's exit code."""
    cores = str(len(os.sched_getaffinity(0)))
    words = [sys.executable, "-m", "pytest", "--quiet", "--no-header", "--numprocesses", cores]
    words += ["--dist", "worksteal", "--cov", "--cov-branch", "--cov-report", f"json:{report}"]
    # Rows, not chance, take the branches.
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "few"}
    environment["COVERAGE_FILE"] = str(report.with_suffix(".data"))
    return subprocess.run([*words, *tests], cwd=ROOT, env=environment, check=False).returncode


def missing(files: dict, part: str) -> Iterator[str]:
    """Each line that no test runs, and each jump that none takes."""
    for name, measured in sorted(files.items()):
        if name != part and not name.startswith(f"{part}/"):
            continue
        lines = set(measured["missing_lines"])
        yield from (f"{name}:{line}: no test gets here" for line in sorted(lines))
        for begin, end in measured["missing_branches"]:
            if end not in lines:
                yield f"{name}:{begin}: never goes on " + (
                    f"to line {end}" if end > 0 else "to its end"
                )


def main() -> int:
    tests = [
        path
        for paths in PARTS.values()
        for path in paths
        if list(ROOT.glob(f"{path}/**/test_*.py")) or path.endswith(".py")
    ]
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "coverage.json"
        if code := measure(tests, report):
            return code
        files = json.loads(report.read_text())["files"]
    failed = False
    for part in PARTS:
        faults = list(missing(files, part))
        print(*faults, f"{part}: {len(faults)} missing", sep="\n")
        failed |= bool(faults) or not any(name.startswith(part) for name in files)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
