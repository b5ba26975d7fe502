"""We lead until the moment that the process beside us named, and not a moment longer."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gitops_prefix.apply.child import ClusterAccess
from gitops_prefix.apply.lease import Alone, Candidacy, Leadership
from tests.netns import until

ECHO = "import sys\nfor line in sys.argv[1:]: print(line, flush=True)\n"
THEN_WAIT = "sys.stdin.read()\n"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


class Hand:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def leadership(
    script: str, *lines: str, silence: float = 60.0
) -> Iterator[tuple[Leadership, Hand, list[str]]]:
    clock, led = Hand(), []
    command = [sys.executable, "-c", script, *lines]
    one = Leadership(command, clock, lambda: led.append("lead"), again=0.01, silence=silence)
    one.start()
    try:
        yield one, clock, led
    finally:
        one.stop()


def says(until: float | None, holder: str = "us") -> str:
    return json.dumps({"until": until, "holder": holder})


def test_nobody_leads_before_anything_was_said():
    with leadership(ECHO + THEN_WAIT, says(None, "other")) as (one, _, led):
        assert not one.leads()
        assert led == []


def test_a_process_that_hangs_ends_our_lead_in_time():
    """Nothing more is heard of it; the clock does it."""
    with leadership(ECHO + THEN_WAIT, says(110)) as (one, clock, led):
        until(one.leads, "the lead")
        clock.now = 109.9
        assert one.leads()
        clock.now = 110
        assert not one.leads()
        assert led == ["lead"]


def test_a_renewal_is_no_new_lead_and_a_loss_is_at_once():
    lines = (says(110), says(111), says(None, "other"))
    with leadership(ECHO + THEN_WAIT, *lines) as (one, _, led):
        until(lambda: led and not one.leads(), "the loss")
        assert led == ["lead"]


def test_a_process_that_dies_ends_our_lead_and_is_started_again():
    with leadership(ECHO, says(1e9)) as (one, _, led):
        until(lambda: len(led) > 2, "the third")
    assert not one.leads()


def test_a_process_that_hangs_is_ended_and_another_one_leads(caplog):
    """A program that a kubeconfig names for its tokens may never come back."""
    with leadership(ECHO + THEN_WAIT, says(1e9), silence=0.3) as (_, _, led):
        until(lambda: len(led) > 2, "the third")
    assert "said nothing for 0.3 s" in caplog.text


def test_what_is_no_answer_is_none(caplog):
    """A library that prints, or a line that was cut."""
    lines = ("hello", '{"until": 1e9', "[]", '{"error": "forbidden"}', says(110))
    with leadership(ECHO + THEN_WAIT, *lines) as (one, _, _):
        until(one.leads, "the lead")
    assert "Lease: forbidden" in [record.getMessage() for record in caplog.records]


def test_after_a_stop_we_lead_no_more_whatever_is_said():
    with leadership(STUBBORN + ECHO + THEN_WAIT, says(1e9)) as (one, _, _):
        until(one.leads, "the lead")
        one.stop()
        assert not one.leads()


def test_a_program_that_is_not_there_is_told_and_tried_again(caplog):
    one = Leadership(["/nonexistent"], Hand(), lambda: None, again=0.01)
    one.start()
    until(lambda: len(caplog.records) > 1, "the second try")
    one.stop()
    assert "cannot ask for the Lease" in caplog.records[0].getMessage()


def test_without_a_lease_each_leads():
    alone = Alone()
    alone.start()
    assert alone.leads()
    alone.stop()
    assert alone.leads()


def test_the_childs_command_has_all_that_it_needs_and_no_secret():
    words = Candidacy(namespace="home").command(ClusterAccess("/k", "c"))
    assert words[1:4] == ["-P", "-m", "gitops_prefix.apply.kube_lease"]
    assert {"--name=gitops-prefix", "--namespace=home", "--lease=15.0"} < set(words)
    assert words[-2:] == ["--kubeconfig=/k", "--context=c"]
