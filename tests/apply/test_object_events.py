"""Events on the objects that a publication moved, against a real API server."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gitops_prefix.apply.child import ClusterAccess
from gitops_prefix.apply.events import (
    ClusterNotices,
    NotifiedCluster,
    ObjectEvents,
    event_of_report,
)
from gitops_prefix.apply.fields import LiveChange, ObjectReport, ObjectResult
from gitops_prefix.apply.kube import Connection
from gitops_prefix.apply.kube_child import answer
from gitops_prefix.apply.protocol import Acknowledged
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import PrefixSource, Status
from gitops_prefix.errors import OutsideError
from gitops_prefix.plan.occasion import StatusChange
from gitops_prefix.render.binding import Change
from tests.apply.rules import rules

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def change(kind: str, namespace: str, name: str, api_version: str = "v1") -> Change:
    return Change("a.yaml", 0, kind, namespace, name, "spec", None, None, api_version)


def changes(namespace: str) -> tuple[Change, ...]:
    pool = change("CiliumLoadBalancerIPPool", "", "lan", "cilium.io/v2")
    return (pool, pool, change("Service", namespace, "plex"))


def teller(cluster, user: str = "admin") -> ObjectEvents:
    connection = Connection(str(cluster.kubeconfig(user)))
    return ObjectEvents(
        lambda question: answer(question, connection),
        lambda: NOON,
        lambda: 0.0,
        "node-1",
    )


def publish(events: ObjectEvents, *changed: Change, commit: str = "1234567890abcdef") -> None:
    events.remember(changed, ())
    events.publish(commit)
    assert events.drain(30)


def told(cluster, namespace: str) -> list[str]:
    words = ["get", "events", "-n", namespace, "-o", "jsonpath={range .items[*]}{.reason} "]
    words[-1] += "{.involvedObject.kind} {.involvedObject.name} {.message}{'\\n'}{end}"
    return sorted(cluster.kubectl(*words).splitlines())


def test_each_object_that_moved_has_one_event(cluster, namespace):
    """A pool's stands in `default`, as kubectl looks for it."""
    before = told(cluster, "default")
    publish(teller(cluster), *changes(namespace))
    note = "published as 1234567890ab"
    assert told(cluster, namespace) == [f"PrefixChanged Service plex {note}"]
    assert len(told(cluster, "default")) == len(before) + 1
    shown = cluster.kubectl("events", "--for", "service/plex", "-n", namespace)
    assert note in shown


def test_what_waited_for_git_is_told_when_it_is_there(cluster, namespace):
    events = teller(cluster)
    events.remember(changes(namespace), ())
    assert told(cluster, namespace) == []
    publish(events, commit="1")
    assert len(told(cluster, namespace)) == 1
    publish(events, commit="2")
    assert len(told(cluster, namespace)) == 1
    events.remember(changes(namespace), ())
    events.forget()
    publish(events, commit="3")
    assert len(told(cluster, namespace)) == 1


NOT_TOLD = {
    "a Service whose namespace comes later": change("Service", "", "plex"),
    "a document that is no object": change("", "", "", ""),
    "a DynamicPrefix, which lives in Git": change("DynamicPrefix", "", "home", "dynamic-prefix.io/v1alpha1"),
}  # fmt: skip


@pytest.mark.parametrize("one", NOT_TOLD.values(), ids=NOT_TOLD)
def test_of_what_the_cluster_cannot_know_nothing_is_told(one):
    asked = []
    events = ObjectEvents(lambda *words: asked.append(words), lambda: NOON, lambda: 0.0, "node-1")
    publish(events, one)
    assert not asked


def test_a_commit_that_lost_many_races_is_told_once():
    asked = []

    def ask(question):
        asked.extend(question.events)
        return Acknowledged()

    events = ObjectEvents(ask, lambda: NOON, lambda: 0.0, "node-1")
    b, c = (Status(Prefix.parse(f"2001:db8:{n}::/64"), PrefixSource.STATIC, NOON) for n in "bc")
    # A field's values may be lists, as those of a pool are.
    again = (Change("a.yaml", 0, "Service", "media", "plex", "spec", [], [{}], "v1"),)
    moved = (StatusChange("home", None, b), StatusChange("home", b, c))
    for _ in range(4):
        events.remember(again, moved)
    events.publish("1")
    assert events.drain(30)
    [event] = asked
    moves = "home: none -> 2001:db8:b::/64, home: 2001:db8:b::/64 -> 2001:db8:c::/64"
    assert event["note"] == f"{moves}, published as 1"


def test_a_thousand_objects_are_fifty_events():
    asked = []

    def ask(question):
        asked.extend(question.events)
        return Acknowledged()

    events = ObjectEvents(ask, lambda: NOON, lambda: 0.0, "node-1")
    many = tuple(change("Service", "media", f"s{number}") for number in range(1000))
    publish(events, *many)
    assert len(asked) == 50


def test_the_rule_of_the_example_is_enough_and_without_it_one_line_says_so(
    cluster, namespace, caplog
):
    allowed = cluster.account("tells", rules("events"), namespace=namespace)
    publish(teller(cluster, allowed), *changes(namespace))
    assert len(told(cluster, namespace)) == 1
    assert not caplog.records
    forbidden = teller(cluster, cluster.account("silent", namespace=namespace))
    for _ in range(3):
        publish(forbidden, *changes(namespace))
    [line] = [record.getMessage() for record in caplog.records]
    assert 'verbs: ["create"]' in line and 'apiGroups: ["events.k8s.io"]' in line


def test_a_namespace_that_is_gone_takes_no_other_event_with_it(cluster, namespace):
    gone = change("Service", "nowhere", "a")
    publish(teller(cluster), gone, *changes(namespace))
    assert len(told(cluster, namespace)) == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OutsideError("it hangs"), "it hangs"),
        (RuntimeError("odd"), "unexpectedly: RuntimeError: odd"),
    ],
    ids=["away", "what nobody foresaw"],
)
def test_what_keeps_events_from_being_made_is_one_line(caplog, error, words):
    def ask(question):
        raise error

    events = ObjectEvents(ask, lambda: NOON, lambda: 0.0, "node-1")
    for _ in range(3):
        publish(events, *changes("media"))
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"Events are not made: {words}"]


REPORTS = {
    ObjectResult.APPLIED: (
        "AppliedDirectly",
        "spec.blocks applied directly",
        False,
    ),
    ObjectResult.RELEASED: ("Released", "Git says the same: released", False),
    ObjectResult.LEFT: ("Left", "left alone", True),
}


@pytest.mark.parametrize("standing", ObjectResult)
def test_what_direct_apply_did_is_told_and_what_it_did_not_is_not(standing):
    changes = (LiveChange("spec.blocks", None, None),)
    kind = "CiliumLoadBalancerIPPool"
    report = ObjectReport(
        "a.yaml", kind, "", "lan", standing, "left alone", changes, (), "cilium.io/v2"
    )
    event = event_of_report(report)
    assert (event and (event.reason, event.note, event.warning)) == REPORTS.get(standing)
    given_up = event_of_report(report, given_up=True)
    assert (given_up.reason, given_up.note, given_up.warning) == ("Reverted", "left alone", True)


def test_the_child_process_tells_what_direct_apply_did(cluster, namespace):
    """The true way: a process that is started for it, and ended with the daemon."""
    access = ClusterAccess(str(cluster.kubeconfig("admin")))
    told_cluster = NotifiedCluster(ClusterNotices(events=True), access, lambda: NOON, lambda: 0.0)
    field = (LiveChange("metadata.annotations", None, None),)
    report = ObjectReport(
        "a.yaml", "Service", namespace, "plex", ObjectResult.APPLIED, "", field, (), "v1"
    )
    try:
        told_cluster.report(report)
        told_cluster.report(replace(report, message="twice"), given_up=True)
        told_cluster.report(replace(report, result=ObjectResult.RELEASED))
        assert told_cluster.events.drain(120)
    finally:
        told_cluster.close()
    assert [one.partition(" ")[0] for one in told(cluster, namespace)] == [
        "AppliedDirectly",
        "Released",
        "Reverted",
    ]


def test_who_does_not_want_events_starts_no_process():
    told_cluster = NotifiedCluster(
        ClusterNotices(), ClusterAccess("/nonexistent"), lambda: NOON, lambda: 0.0
    )
    told_cluster.report(
        ObjectReport("a", "Service", "a", "b", ObjectResult.APPLIED, api_version="v1")
    )
    assert told_cluster.events is None
    told_cluster.close()
