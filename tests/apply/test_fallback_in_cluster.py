"""The daemon's side against a real API server: overriding, reverts, and giving back after a kill."""

import logging
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gitops_prefix.apply.applying import Applying
from gitops_prefix.apply.child import ClusterAccess, ClusterProcess
from gitops_prefix.apply.fields import ObjectResult
from gitops_prefix.apply.policy import ApplyMode, ApplyPolicy, BranchState
from tests.apiserver import ApiServer
from tests.apply.live import RECONCILER, RESOURCES, look, sync
from tests.apply.manifests import BY_FLUX, POOL, A, B, configurations
from tests.netns import until

FILES = {"pool.yaml": POOL}
BY_FLUX_FILES = {"pool.yaml": BY_FLUX}
AWAY = BranchState.AWAY, "ours"
BACK = BranchState.PUBLISHED, "ours"
UP = BranchState.RIGHT, "tip"


class Hand:
    """A clock that the test moves."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@contextmanager
def applying(
    cluster: ApiServer,
    namespace: str,
    *,
    mode: str = "fallback",
    now: float = 100.0,
    clock: Hand | None = None,
    process: ClusterProcess | None = None,
    files: dict[str, str] | None = None,
    **options,
) -> Iterator[Applying]:
    """A daemon's thread and its child, at a time at which Git is long away, or just went."""
    process = process or child(cluster)
    commits = {"ours": (A, B), "tip": (A,)}
    made = Applying(
        ApplyPolicy(ApplyMode(mode), 60.0),
        process,
        clock or Hand(now),
        lambda commit: configurations(files or FILES, namespace, *commits[commit]),
        **options,
    )
    made.start()
    try:
        yield made
    finally:
        made.stop()
        assert not process.runs


def child(cluster: ApiServer) -> ClusterProcess:
    return ClusterProcess(ClusterAccess(str(cluster.kubeconfig("admin"))))


def blocks(cluster: ApiServer, namespace: str) -> list[str]:
    live = look(cluster, namespace, "pool.yaml", "lan")["spec"]["blocks"]
    return [one.get("start") or one["cidr"] for one in live]


OLD = ["2001:db8:a:0:f000::", "192.168.42.0/24"]
NEW = ["2001:db8:b:0:f000::", *OLD]


def owned(cluster: ApiServer) -> bool:
    return "gitops-prefix" in cluster.managers(RESOURCES["pool.yaml"], "lan")


def test_while_git_is_away_the_cluster_follows_and_is_given_back(cluster, namespace):
    sync(cluster, namespace, FILES, A)
    with applying(cluster, namespace) as daemon:
        daemon.take(*AWAY, 0.0)
        until(lambda: blocks(cluster, namespace) == NEW, "the new blocks")
        assert daemon.overrides and owned(cluster)
        daemon.take(*BACK, 100.0)
        until(lambda: not owned(cluster), "our entry is gone")
        assert blocks(cluster, namespace) == NEW and not daemon.overrides


def test_while_git_is_up_nothing_is_applied(cluster, namespace):
    sync(cluster, namespace, FILES, A)
    before = look(cluster, namespace, "pool.yaml", "lan")
    counted = []
    with applying(cluster, namespace, count=counted.append) as daemon:
        daemon.take(*UP, 0.0)
        until(lambda: counted, "the look for what a daemon before us left")
        daemon.take(*BACK, 100.0)
    assert look(cluster, namespace, "pool.yaml", "lan") == before


def test_before_the_time_nothing_is_applied(cluster, namespace):
    sync(cluster, namespace, FILES, A)
    before = look(cluster, namespace, "pool.yaml", "lan")
    process = child(cluster)
    with applying(cluster, namespace, now=59.0, process=process) as daemon:
        daemon.take(*AWAY, 0.0)
        until(lambda: process.runs, "the child is got ready")
        daemon.take(*BACK, 59.0)
    assert look(cluster, namespace, "pool.yaml", "lan") == before


@pytest.mark.parametrize(("state", "expected"), [(BACK, NEW), (UP, OLD)], ids=["ours", "theirs"])
def test_what_a_killed_daemon_left_is_released_with_the_values_of_the_branch(
    cluster, namespace, state, expected
):
    sync(cluster, namespace, FILES, A)
    with applying(cluster, namespace) as daemon:
        daemon.take(*AWAY, 0.0)
        until(lambda: blocks(cluster, namespace) == NEW, "the new blocks")
    assert owned(cluster)
    with applying(cluster, namespace) as daemon:
        daemon.take(*state, 0.0)
        until(lambda: not owned(cluster), "our entry is gone")
    assert blocks(cluster, namespace) == expected


def goes_by(
    seconds: float, clock: Hand, daemon: Applying, state: tuple[BranchState, str] = AWAY
) -> None:
    """Time, for a thread that may not have looked at the clock since it was answered."""
    clock.now += seconds
    daemon.take(*state, 0.0)


def test_an_apply_that_is_put_back_twice_ends(cluster, namespace, caplog):
    sync(cluster, namespace, FILES, A)
    logger = logging.getLogger("gitops_prefix")
    logger.addHandler(caplog.handler)
    try:
        clock = Hand(100.0)
        with applying(cluster, namespace, clock=clock) as daemon:
            for _ in range(2):
                daemon.take(*AWAY, 0.0)
                until(
                    lambda: blocks(cluster, namespace) == NEW or goes_by(30.0, clock, daemon),
                    "the new blocks",
                )
                sync(cluster, namespace, FILES, A)
                clock.now += 30.0
            until(
                lambda: (
                    "put spec.blocks back 2 times" in caplog.text or goes_by(30.0, clock, daemon)
                ),
                "that it is given up",
            )
            daemon.take(*AWAY, 0.0)
            daemon.take(*UP, 100.0)
            until(lambda: not daemon.owing, "that all is released")
    finally:
        logger.removeHandler(caplog.handler)
    assert RECONCILER in caplog.text
    assert blocks(cluster, namespace) == OLD


def test_a_child_that_is_killed_is_started_again_and_the_cluster_follows(cluster, namespace):
    sync(cluster, namespace, FILES, A)
    process = child(cluster)
    with applying(cluster, namespace, process=process) as daemon:
        daemon.take(*UP, 0.0)
        until(lambda: not daemon.owing, "the look for what a daemon before us left")
        [pid] = subprocess.run(
            ["pgrep", "-f", f"kube_child --kubeconfig={cluster.kubeconfig('admin')} --context=$"],
            capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
        os.kill(int(pid), signal.SIGKILL)
        until(lambda: not process.runs, "its end")
        daemon.take(*AWAY, 0.0)
        until(lambda: blocks(cluster, namespace) == NEW, "the new blocks")


MODES = {
    "never": ("never", "kubectl", OLD, False),
    "fallback": ("fallback", "kubectl", OLD, False),
    "always: a person's field": ("always", "kubectl", NEW, True),
    "always: what kubectl apply left": ("always", "kubectl-client-side-apply", NEW, True),
    "always: a reconciler's field": ("always", RECONCILER, OLD, False),
}


@pytest.mark.parametrize(("mode", "manager", "expected", "kept"), MODES.values(), ids=MODES)
def test_each_mode_with_git_up(cluster, namespace, mode, manager, expected, kept):
    """`always` takes what no reconciler claims, and keeps it; the rest is the reconciler's."""
    sync(cluster, namespace, FILES, A, manager=manager)
    with applying(cluster, namespace, mode=mode) as daemon:
        daemon.take(*BACK, 0.0)
        if mode != "never":
            until(lambda: not daemon.owing, "the end of it")
    assert blocks(cluster, namespace) == expected
    assert owned(cluster) is kept


def hold(cluster: ApiServer) -> str | None:
    annotations = look(cluster, "", "pool.yaml", "lan")["metadata"].get("annotations") or {}
    return annotations.get("kustomize.toolkit.fluxcd.io/reconcile")


def test_who_gains_the_lead_releases_what_another_daemon_held(cluster, namespace):
    """It had nothing to do until then; the other one was killed between push and release."""
    sync(cluster, namespace, BY_FLUX_FILES, A)
    files = {"files": BY_FLUX_FILES}
    with applying(cluster, namespace, **files) as second:
        second.take(*UP, 0.0)
        until(lambda: not second.owing, "the look at its start")
        with applying(cluster, namespace, **files) as first:
            first.take(*AWAY, 0.0)
            until(lambda: hold(cluster) == "disabled", "the hold")
        second.lead()
        second.take(*BACK, 1.0)
        until(lambda: not owned(cluster), "our entry is gone")
    assert hold(cluster) is None and blocks(cluster, namespace) == NEW


def test_a_right_that_is_missing_for_a_while_leaves_nothing_held(cluster, namespace):
    sync(cluster, namespace, BY_FLUX_FILES, A)
    rules = [{"apiGroups": ["cilium.io"], "resources": ["*"], "verbs": ["get", "patch"]}]
    user = cluster.account("daemon", rules, namespace=namespace)
    process = ClusterProcess(ClusterAccess(str(cluster.kubeconfig(user))))
    clock, reports = Hand(100.0), []
    options = {"clock": clock, "process": process, "count": reports.append}
    with applying(cluster, namespace, files=BY_FLUX_FILES, **options) as daemon:
        daemon.take(*AWAY, 0.0)
        until(lambda: hold(cluster) == "disabled", "the hold")
        binding = cluster.kubectl("get", "clusterrolebinding", user, "-o", "json")
        cluster.kubectl("delete", "clusterrolebinding", user)
        daemon.take(*BACK, 100.0)
        until(lambda: reports and reports[-1].result is ObjectResult.FORBIDDEN, "the refusal")
        assert daemon.owing and daemon.held == 1
        cluster.kubectl("apply", "-f", "-", stdin=binding)
        right = BranchState.RIGHT, "ours"
        until(lambda: not daemon.owing or goes_by(30.0, clock, daemon, right), "the end of it")
    assert hold(cluster) is None and not owned(cluster)
