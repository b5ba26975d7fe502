"""The CronJob: the daemon's pod, started anew each time; nothing else of it differs."""

import copy

import pytest

from tests.examples.deployments import built, pod_of
from tests.examples.pod_security import baseline, restricted
from tests.examples.repositories import build, example, of_kind

SERVES = ("ports", "livenessProbe", "readinessProbe")


@pytest.fixture
def objects():
    return build(example("cronjob"))


@pytest.fixture
def cron_job(objects):
    (found,) = of_kind("CronJob", objects)
    return found


@pytest.fixture
def pod(cron_job):
    return cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_it_is_in_place_of_the_daemon(objects):
    kinds = sorted(one["kind"] for one in objects)
    assert kinds == ["CronJob", "Namespace", "ServiceAccount"]


def test_the_pod_is_the_daemons_but_for_what_serves_and_what_ends(pod):
    """So what the daemon's tests say of its pod holds here."""
    daemons = copy.deepcopy(pod_of(built()))
    (container,) = daemons["containers"]
    for key in SERVES:
        del container[key]
    container["env"] = [one for one in container["env"] if one["name"] != "GITOPS_PREFIX_LISTEN"]
    container["args"] = ["run", "--once", "--wait=30s"]
    assert pod == daemons | {"restartPolicy": "Never"}


def test_it_breaks_no_more_of_the_standards_than_the_daemon(pod):
    daemons = pod_of(built())
    # Without a port of the container, hostNetwork gives it none of the node; and nobody probes it.
    spared = {"hostPort", "probe or lifecycle host"}
    assert baseline(pod) == baseline(daemons) - spared
    assert restricted(pod) == restricted(daemons) - spared


def test_one_at_a_time_and_each_ends_before_the_next(cron_job):
    """A clone has one owner; a failure is tried again by the next start, and by nothing else."""
    spec = cron_job["spec"]
    job = spec["jobTemplate"]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["schedule"] == "*/5 * * * *"
    assert job["activeDeadlineSeconds"] < 5 * 60
    assert job["backoffLimit"] == 0
