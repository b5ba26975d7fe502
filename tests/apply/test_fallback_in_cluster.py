"""The daemon's side against a real API server: overriding, reverts, and giving back after a kill."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gitops_prefix.apply.applying import Applying
from gitops_prefix.apply.child import ClusterAccess, ClusterProcess
from gitops_prefix.apply.kube_apply import apply_object, release_object
from gitops_prefix.apply.policy import ApplyMode, ApplyPolicy, BranchState
from tests.apiserver import ApiServer
from tests.apply.live import FALLBACK, RECONCILER, RESOURCES, connect, look, sync
from tests.apply.manifests import POOL, A, B, configurations
from tests.netns import until

FILES = {"pool.yaml": POOL}
AWAY = BranchState.BEHIND, "ours"
BACK = BranchState.PUBLISHED, "ours"
UP = BranchState.RIGHT, "tip"


@contextmanager
def applying(
    cluster: ApiServer, namespace: str, *, mode: str = "fallback", now: float = 100.0
) -> Iterator[Applying]:
    """A daemon's thread and its child, at a time at which Git is long away, or just went."""
    process = ClusterProcess(ClusterAccess(str(cluster.kubeconfig("admin"))))
    commits = {"ours": (A, B), "tip": (A,)}
    made = Applying(
        ApplyPolicy(ApplyMode(mode), 60.0),
        process,
        lambda: now,
        lambda commit: configurations(FILES, namespace, *commits[commit]),
    )
    made.start()
    try:
        yield made
    finally:
        made.stop()
        assert not process.runs


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
    with applying(cluster, namespace) as daemon:
        daemon._count = counted.append
        daemon.take(*UP, 0.0)
        until(lambda: counted, "the look for what a daemon before us left")
        daemon.take(*BACK, 100.0)
    assert look(cluster, namespace, "pool.yaml", "lan") == before


def test_before_the_time_nothing_is_applied(cluster, namespace):
    sync(cluster, namespace, FILES, A)
    before = look(cluster, namespace, "pool.yaml", "lan")
    with applying(cluster, namespace, now=59.0) as daemon:
        daemon.take(*AWAY, 0.0)
        until(lambda: daemon._cluster.runs, "the child is got ready")
        daemon.take(*BACK, 59.0)
    assert look(cluster, namespace, "pool.yaml", "lan") == before


def test_what_a_daemon_that_was_killed_left_is_given_back_by_the_next(cluster, namespace):
    sync(cluster, namespace, FILES, A)
    with applying(cluster, namespace) as daemon:
        daemon.take(*AWAY, 0.0)
        until(lambda: blocks(cluster, namespace) == NEW, "the new blocks")
    assert owned(cluster)
    with applying(cluster, namespace) as daemon:
        daemon.take(*UP, 0.0)
        until(lambda: not owned(cluster), "our entry is gone")
    assert blocks(cluster, namespace) == NEW


def test_an_apply_that_is_put_back_twice_ends(cluster, namespace, caplog):
    sync(cluster, namespace, FILES, A)
    logger = logging.getLogger("gitops_prefix")
    logger.addHandler(caplog.handler)
    try:
        with applying(cluster, namespace) as daemon:
            for _ in range(2):
                daemon.take(*AWAY, 0.0)
                until(lambda: blocks(cluster, namespace) == NEW, "the new blocks")
                sync(cluster, namespace, FILES, A)
            daemon.take(*AWAY, 0.0)
            until(lambda: "put spec.blocks back 2 times" in caplog.text, "that it is given up")
            daemon.take(*AWAY, 0.0)
            daemon.take(*BACK, 100.0)
            until(lambda: not daemon._state.owing, "that all is given back")
    finally:
        logger.removeHandler(caplog.handler)
    assert RECONCILER in caplog.text
    assert blocks(cluster, namespace) == OLD


def test_a_child_that_is_killed_is_started_again_and_the_cluster_follows(cluster, namespace):
    sync(cluster, namespace, FILES, A)
    with applying(cluster, namespace) as daemon:
        daemon.take(*UP, 0.0)
        until(lambda: not daemon._state.owing, "the look for what a daemon before us left")
        daemon._cluster._child.kill()
        until(lambda: not daemon._cluster.runs, "its end")
        daemon.take(*AWAY, 0.0)
        until(lambda: blocks(cluster, namespace) == NEW, "the new blocks")


@pytest.mark.parametrize("mode", ["never", "fallback", "always"])
def test_each_mode_with_git_up(cluster, namespace, mode):
    """`always` applies what nobody owns; what a reconciler owns is left to it while Git is up."""
    sync(cluster, namespace, FILES)
    (wanted,) = configurations(FILES, namespace, A)
    connection = connect(cluster)
    apply_object(connection, wanted, FALLBACK)
    release_object(connection, wanted)
    with applying(cluster, namespace, mode=mode) as daemon:
        daemon.take(*BACK, 0.0)
        if mode != "never":
            until(lambda: not daemon._state.owing, "that all is given back")
    assert blocks(cluster, namespace) == (NEW if mode == "always" else OLD)
    assert not owned(cluster)
