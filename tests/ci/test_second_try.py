"""What CI runs a second time, and what it never does."""

import pytest

from tests.second_try import AT_MOST, to_run_again

FAILED, INTERRUPTED = pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED


def report(name, *markers):
    where = ("tests/test_a.py", 1, name)
    return pytest.TestReport(name, where, dict.fromkeys(markers, 1), "failed", "why", "call")


SLOW = [report(f"slow {number}", "slow") for number in range(AT_MOST + 1)]


@pytest.mark.parametrize(
    ("exit_code", "failed", "again"),
    [
        pytest.param(FAILED, SLOW[:1], ["slow 0"], id="one on real parts"),
        pytest.param(FAILED, SLOW[:AT_MOST], ["slow 0", "slow 1", "slow 2"], id="three"),
        pytest.param(FAILED, SLOW, [], id="four are no chance"),
        pytest.param(FAILED, [SLOW[0], SLOW[0]], ["slow 0"], id="its call and its teardown"),
        pytest.param(FAILED, [SLOW[0], report("pure")], [], id="a pure test is always right"),
        pytest.param(FAILED, [], [], id="a failure without a test"),
        pytest.param(
            FAILED,
            [pytest.CollectReport("tests/faults/test_a.py", "failed", "why", None)],
            [],
            id="a module that cannot be imported",
        ),
        pytest.param(INTERRUPTED, SLOW[:1], [], id="a run that ended early"),
        pytest.param(pytest.ExitCode.OK, [], [], id="nothing failed"),
    ],
)
def test_what_runs_again(exit_code, failed, again):
    assert to_run_again(exit_code, failed) == again


def test_a_run_that_was_ended_at_its_first_failure_is_no_run():
    assert to_run_again(FAILED, SLOW[:1], ended_early="stopping after 1 failures") == []
