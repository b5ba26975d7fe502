"""A real API server that takes its time, or has too much to do: nothing is lost, and it is obeyed.

`python -m tests.apply.many` measures 500 objects at 0.25 s an answer.
"""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.apply.live import sync
from tests.apply.manifests import A
from tests.apply.many import NEW, OLD, first_blocks, overriding, pools
from tests.netns import until
from tests.slow_api import Wait, slow_api
from tests.web_stand_in import Says

MANY = 24


def kill_child() -> None:
    """End the process that talks to the API server, as the kernel does when memory is short."""
    killed = 0
    for entry in Path("/proc").iterdir():
        # A process may end while it is looked at.
        with suppress(OSError, IndexError):
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            words = (entry / "cmdline").read_bytes()
            if parent == str(os.getpid()) and b"gitops_prefix.apply.kube_child" in words:
                os.kill(int(entry.name), signal.SIGKILL)
                killed += 1
    assert killed


def test_what_was_done_is_kept_when_the_process_ends(cluster, namespace, tmp_path):
    files, reports = pools(MANY), []
    sync(cluster, namespace, files, A)
    slow = slow_api(cluster, tmp_path, lambda _: Wait(0.02))
    with slow as proxy, overriding(proxy, files, reports):
        until(lambda: reports, "the first reports")
        kill_child()
        until(lambda: len(reports) >= MANY, "all reports")
        until(lambda: NEW in first_blocks(cluster).values(), "the blocks")
        assert set(first_blocks(cluster).values()) == {NEW}
        # Each is read once, but for those of the question that was cut off.
        reads = proxy.count("GET", "/ciliumloadbalancerippools/")
        assert reads <= MANY + 8


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_time_is_given_it(cluster, namespace, tmp_path, status):
    """Retry-After is obeyed for the object that was refused; the others are not kept waiting."""
    files, reports, refused, again = pools(4), [], [], []
    sync(cluster, namespace, files, A)

    def rule(asked):
        if not asked.path.partition("?")[0].endswith("/lan-2") or asked.method != "PATCH":
            return None
        if not refused:
            refused.append(time.monotonic())
            body = {"kind": "Status", "message": "not now", "code": status}
            return Says(status, json.dumps(body).encode(), {"Retry-After": "4"})
        again.append(time.monotonic())
        return None

    with slow_api(cluster, tmp_path, rule) as proxy, overriding(proxy, files, reports):
        until(lambda: len(reports) >= 4, "the first reports")
        blocks = first_blocks(cluster)
        assert blocks.pop("lan-2") == OLD or again
        assert set(blocks.values()) == {NEW}
        until(lambda: set(first_blocks(cluster).values()) == {NEW}, "the last one")
    assert again[0] - refused[0] >= 4
