"""What holds for every test."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import apiserver, second_try

# Compiled modules are kept: to compile the tests takes five seconds of each process.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell that starts us in the background ignores Ctrl-C, and so would every program that we start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The cluster, and a namespace in it, for every test that asks for them.
_cluster, _namespace = apiserver.fixtures


# The home of those who have none. A program that root starts with it makes it, closed to others,
# and from then on git fails for every user who has it.
_NO_HOME = Path("/nonexistent")


@pytest.fixture(autouse=True)
def _leaves_nothing() -> Iterator[None]:
    """A command that ran in this process configured the log; the next test reads its own lines."""
    logger = logging.getLogger("gitops_prefix")
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    had_no_home = not _NO_HOME.exists()
    yield
    logger.handlers[:], logger.propagate = handlers, propagate
    logger.setLevel(level)
    assert not (had_no_home and _NO_HOME.exists()), f"this test, or one beside it, made {_NO_HOME}"


# The same examples on every machine, so that a run says something about a change.
# HYPOTHESIS_PROFILE=thorough (`make soak`) tries ten times as many, and `explore` looks for new
# ones; what it finds becomes a named row. `few` is for `make coverage` and `make mutation`.
# However slow the machine is, no example takes too long, and none is drawn too slowly.
_AT_EASE = {"deadline": None, "suppress_health_check": (HealthCheck.too_slow,)}
settings.register_profile("stable", derandomize=True, max_examples=30, **_AT_EASE)
settings.register_profile("thorough", derandomize=True, max_examples=300, **_AT_EASE)
settings.register_profile("explore", max_examples=2000, **_AT_EASE)
settings.register_profile("few", derandomize=True, max_examples=12, **_AT_EASE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "stable"))

# `make test-fast` leaves out what works with git, servers, links, clusters and whole daemons: these
# directories, the modules that use anything of these, and tests with `@pytest.mark.slow`.
SLOW = {"charts", "ci", "daemon", "e2e", "examples", "faults", "lab"}
REAL = {
    "apiserver",
    "branch",
    "forges",
    "git_servers",
    "gitrepo",
    "lab_router",
    "netns",
    "static_source",
    "topology",
}
_TESTS = Path(__file__).parent


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A process a core, and more where tests wait for servers and for timers of protocols.

    Of the whole suite that is half of the time; of what takes root, nearly all.
    """
    cores = len(os.sched_getaffinity(0))
    if config.getoption("markexpr") == "not slow":
        return cores
    return cores + (3 if ONLY in os.environ else 2)


def _is_slow(item: pytest.Item) -> bool:
    if SLOW & set(item.path.relative_to(_TESTS).parts[:1]) or "cluster" in item.fixturenames:
        return True
    used = vars(item.getparent(pytest.Module).obj).values()
    return any(
        getattr(value, "__module__", "") in {f"tests.{name}" for name in REAL} for value in used
    )


# .ci/run runs the suite as an ordinary user, who writes down what he had to skip, and that as root.
# What it runs a second time, tests/second_try.py says.
SKIPPED, ONLY, AGAIN = "GITOPS_PREFIX_SKIPPED", "GITOPS_PREFIX_ONLY", "GITOPS_PREFIX_AGAIN"
_ENDED_EARLY = pytest.StashKey[bool]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What lies in a slow directory is slow; and only what was skipped before, where that is asked."""
    for item in items:
        if _is_slow(item):
            item.add_marker(pytest.mark.slow)
    if ONLY in os.environ:
        chosen = set(Path(os.environ[ONLY]).read_text().splitlines())
        others = [item for item in items if item.nodeid not in chosen]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item.nodeid in chosen]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Note whether the session ended before its last test (`-x`, `--maxfail`)."""
    session.config.stash[_ENDED_EARLY] = bool(session.shouldfail or session.shouldstop)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: pytest.ExitCode, config: pytest.Config
) -> None:
    """The names of the skipped tests, and of those to run again, a line each."""
    stats = terminalreporter.stats
    if SKIPPED in os.environ:
        _write(SKIPPED, sorted({report.nodeid for report in stats.get("skipped", ())}))
    if AGAIN in os.environ:
        failed = [*stats.get("failed", ()), *stats.get("error", ())]
        ended_early = config.stash.get(_ENDED_EARLY, True)
        _write(AGAIN, second_try.to_run_again(exitstatus, failed, ended_early=ended_early))


def _write(variable: str, names: list[str]) -> None:
    Path(os.environ[variable]).write_text("".join(f"{name}\n" for name in names))
