"""What holds for every test."""

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tests import apiserver

# Compiled modules are kept: to compile the tests takes five seconds of each process.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell that starts us in the background ignores Ctrl-C, and so would every program that we start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The cluster, and a namespace in it, for every test that asks for them.
_cluster, _namespace = apiserver.fixtures

# The same examples on every machine, so that a run says something about a change.
# HYPOTHESIS_PROFILE=thorough (`make soak`) tries ten times as many, and `explore` looks for new
# ones; what it finds becomes a named row. `mutation` is for tests/mutation.py.
settings.register_profile("stable", derandomize=True, deadline=None, max_examples=30)
settings.register_profile("thorough", derandomize=True, deadline=None, max_examples=300)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.register_profile("mutation", derandomize=True, deadline=None, max_examples=12)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "stable"))

# Directories that work with servers, links, clusters and whole daemons; `make test-fast` leaves
# them out, and each test elsewhere that says `@pytest.mark.slow`.
SLOW = {"charts", "cluster", "e2e", "examples", "faults", "lab"}
_TESTS = Path(__file__).parent


# .ci/run runs the suite as an ordinary user, who writes down what he had to skip, and that as root.
SKIPPED, ONLY = "GITOPS_PREFIX_SKIPPED", "GITOPS_PREFIX_ONLY"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What lies in a slow directory is slow; and only what was skipped before, where that is asked."""
    for item in items:
        if SLOW & set(item.path.relative_to(_TESTS).parts[:1]):
            item.add_marker(pytest.mark.slow)
    if ONLY in os.environ:
        chosen = set(Path(os.environ[ONLY]).read_text().splitlines())
        others = [item for item in items if item.nodeid not in chosen]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item.nodeid in chosen]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The names of the skipped tests, a line each."""
    if SKIPPED in os.environ:
        names = sorted({report.nodeid for report in terminalreporter.stats.get("skipped", ())})
        Path(os.environ[SKIPPED]).write_text("".join(f"{name}\n" for name in names))
