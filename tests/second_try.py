"""Which tests CI runs a second time.

The timers of RFC 4861, of DHCPv6 and of TCP run in real time: on a machine that stalls for
seconds, a test on real parts can fail where the program is right. Such a test runs once more,
alone, and CI names it. A fault of the program fails twice, and so does the CI run.
"""

from collections.abc import Collection

import pytest

AT_MOST = 3
"""More than these do not fail by chance."""


def to_run_again(
    exit_code: int,
    failed: Collection[pytest.TestReport | pytest.CollectReport],
    *,
    ended_early: object = False,
) -> list[str]:
    """The names of the failed tests, sorted, if each may fail by chance; else nothing.

    A test without a real part (one that is not marked `slow`) never fails by chance, and neither
    does a run that ended before its last test.
    """
    if exit_code != pytest.ExitCode.TESTS_FAILED or ended_early:
        return []
    names = {report.nodeid for report in failed}
    # A module that cannot be imported has no keywords.
    marks = [getattr(report, "keywords", ()) for report in failed]
    if len(names) > AT_MOST or any("slow" not in mark for mark in marks):
        return []
    return sorted(names)
