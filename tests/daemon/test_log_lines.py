"""What the log says of each fault, and what can leave through its door."""

import io
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gitops_prefix.daemon.logs import PassLog, configure
from gitops_prefix.daemon.outcome import (
    Committed,
    Decided,
    Invalid,
    NotLeading,
    Outcome,
    Proposed,
    Pushed,
    Rehearsed,
    Stopped,
    Unconfirmed,
    UpToDate,
)
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import PrefixSource, Status
from gitops_prefix.errors import Place, Problem, Severity
from gitops_prefix.plan.occasion import Occasion, StatusChange
from gitops_prefix.publish.failure import Failed, Reason
from gitops_prefix.publish.stages import Stage
from gitops_prefix.render.binding import Change

HOUR = 3600.0
A, B, C = (Prefix.parse(f"2001:db8:{each}::/64") for each in "abc")
OURS, THEIRS = "1" * 40, "2" * 40
NOTHING = Decided(THEIRS, {"home": None})
DNS = Failed(Reason.DNS, "could not resolve host", Stage.LOOK)
ROUTE = Failed(Reason.UNREACHABLE, "No route to host", Stage.LOOK)
HOOK = Failed(Reason.HOOK, "pre-receive hook declined; only on weekdays", Stage.PUSH)
IDENTITY = Failed(Reason.IDENTITY, "Host key verification failed", Stage.LOOK)
ERRORS = Failed(Reason.INVALID, "the repository has errors", Stage.RENDER)
DRY = Failed(Reason.REHEARSED, "a dry run: 1 field would change (pool.yaml)", Stage.PUSH)
WRONG = Problem("yaml-syntax", "what is this")


def lost(line: int) -> Problem:
    return Problem(
        "ipv4-would-be-lost",
        "the Service would lose its IPv4",
        Place("svc.yaml", line, 5),
        Severity.WARNING,
    )


def unknown(number: int) -> Problem:
    message = f'"pods-{number}" is not a subnet'
    return Problem("unknown-subnet", message, Place("pool.yaml", 4, 5), Severity.WARNING)


def status(prefix: Prefix) -> Status:
    return Status(prefix, PrefixSource.ROUTER_ADVERTISEMENT, datetime(2026, 11, 24, tzinfo=UTC))


def moving(before: Prefix, after: Prefix, *fields: str) -> Decided:
    changed = StatusChange("home", status(before), status(after))
    changes = tuple(Change("pool.yaml", 0, "Pool", "", "home", field, "", "") for field in fields)
    return replace(NOTHING, occasion=Occasion((changed,)), changes=changes)


def contested(tip: str) -> Failed:
    words = f"the branch shows {tip[:12]} after the push of {OURS[:12]}"
    return Failed(Reason.CONTESTED, words, Stage.CONFIRM)


UP_TO_DATE = UpToDate(NOTHING)
AWAY = Unconfirmed(NOTHING, DNS)
Passes = list[tuple[float, Outcome]]
BY_FAULT: dict[str, tuple[Passes, list[str]]] = {
    "nothing happens": ([(0, UP_TO_DATE), (300, UP_TO_DATE)], []),
    "a change": (
        [(0, Pushed(moving(A, B, "spec.x", "spec.y"), OURS, THEIRS))],
        [f"INFO home: {A} -> {B}", "INFO published 111111111111: 2 fields"],
    ),
    "an outage of three hours, with nothing to publish": (
        [*((30.0 * each, AWAY) for each in range(360)), (3 * HOUR, UP_TO_DATE), (4 * HOUR, AWAY)],
        [
            "WARNING unreachable: could not resolve host",
            "WARNING unreachable: could not resolve host (121 failed tries in 1h)",
            "WARNING unreachable: could not resolve host (241 failed tries in 2h)",
            "INFO no longer unreachable (360 failed tries in 3h)",
            "WARNING unreachable: could not resolve host",
        ],
    ),
    "other words, and the first ones again": (
        [(0, AWAY), (30, Unconfirmed(NOTHING, ROUTE)), (60, AWAY), (90, UP_TO_DATE)],
        [
            "WARNING unreachable: could not resolve host",
            "WARNING unreachable: No route to host (2 failed tries in 30s)",
            "INFO no longer unreachable (3 failed tries in 1m30s)",
        ],
    ),
    "a change in an outage, and another": (
        [
            (0, Committed(moving(A, B, "spec.x"), OURS, DNS)),
            (30, Committed(NOTHING, OURS, DNS)),
            (60, Committed(moving(B, C, "spec.x", "spec.y"), OURS, DNS)),
            (90, Pushed(NOTHING, OURS, THEIRS)),
        ],
        [
            f"INFO home: {B} instead of {A} waits to be published",
            "WARNING unreachable: could not resolve host; our commit is kept",
            f"INFO home: {C} instead of {B} waits to be published",
            "INFO no longer unreachable (3 failed tries in 1m30s)",
            f"INFO home: {A} -> {C}",
            "INFO published 111111111111: 2 fields",
        ],
    ),
    "a commit of an earlier process": (
        [(0, Committed(NOTHING, OURS, DNS)), (9, Pushed(NOTHING, OURS, THEIRS))],
        [
            "WARNING unreachable: could not resolve host; our commit is kept",
            "INFO no longer unreachable (1 failed try in 9s)",
            "INFO published 111111111111: what waited",
        ],
    ),
    "a branch that moves, and another daemon that comes first": (
        [
            (0, Committed(moving(A, B, "spec.x"), OURS, contested("3" * 40))),
            (1, Committed(NOTHING, OURS, contested("4" * 40))),
            (3, UP_TO_DATE),
            (9, Pushed(NOTHING, OURS, THEIRS)),
        ],
        [
            f"INFO home: {B} instead of {A} waits to be published",
            "WARNING contested: the branch shows 333333333333 after the push of 111111111111; "
            "our commit is kept",
            "INFO no longer contested (2 failed tries in 3s)",
            "INFO published 111111111111: what waited",
        ],
    ),
    "a hook that declines": (
        [(0, Committed(NOTHING, OURS, HOOK)), (300, Committed(NOTHING, OURS, HOOK))],
        ["ERROR refused: pre-receive hook declined; only on weekdays; our commit is kept"],
    ),
    "another server than it was": (
        [(0, Stopped(IDENTITY)), (300, Stopped(IDENTITY)), (400, UP_TO_DATE)],
        [
            "ERROR refused: Host key verification failed",
            "INFO no longer refused (2 failed tries in 6m40s)",
        ],
    ),
    "errors in the repository, mended, and there again": (
        [
            (0, Invalid(ERRORS, (WRONG,))),
            (300, Invalid(ERRORS, (WRONG,))),
            (600, UP_TO_DATE),
            (900, Invalid(ERRORS, (WRONG,))),
        ],
        [
            "ERROR what is this [yaml-syntax]",
            "WARNING invalid: the repository has errors",
            "INFO no longer invalid (2 failed tries in 10m)",
            "ERROR what is this [yaml-syntax]",
            "WARNING invalid: the repository has errors",
        ],
    ),
    "two Services with one fault, which are moved down, and one of them mended": (
        [
            (0, UpToDate(replace(NOTHING, problems=(lost(4), lost(9))))),
            (300, UpToDate(replace(NOTHING, problems=(lost(5), lost(10))))),
            (600, UpToDate(replace(NOTHING, problems=(lost(10),)))),
            (900, UpToDate(replace(NOTHING, problems=(lost(5), lost(10))))),
        ],
        [
            "WARNING svc.yaml:4:5: the Service would lose its IPv4 [ipv4-would-be-lost]",
            "WARNING svc.yaml:9:5: the Service would lose its IPv4 [ipv4-would-be-lost]",
            "WARNING svc.yaml:10:5: the Service would lose its IPv4 [ipv4-would-be-lost]",
        ],
    ),
    "a person who mends one mistake, and makes the next": (
        [(60, UpToDate(replace(NOTHING, problems=(unknown(number),)))) for number in (1, 2, 2, 3)],
        [
            f'WARNING pool.yaml:4:5: "pods-{number}" is not a subnet [unknown-subnet]'
            for number in (1, 2, 3)
        ],
    ),
    "a branch of ours that others merge": (
        [(0, Proposed(moving(A, B, "spec.x"), OURS))],
        [f"INFO home: {A} -> {B} is proposed", "INFO proposed 111111111111: 1 field"],
    ),
    "a status alone": (
        [(0, Pushed(moving(A, A), OURS, THEIRS))],
        ["INFO published 111111111111: the status"],
    ),
    "a dry run": (
        [
            (0, Rehearsed(moving(A, B, "spec.x"), DRY)),
            (300, Rehearsed(moving(A, B, "spec.x"), DRY)),
            (600, Rehearsed(moving(A, C, "spec.x"), DRY)),
            (900, Rehearsed(moving(A, A), DRY)),
        ],
        [
            f"INFO home: would be {B} instead of {A}",
            f"WARNING rehearsed: {DRY.words}",
            f"INFO home: would be {C} instead of {A}",
        ],
    ),
    "another daemon leads": (
        [(0, NotLeading()), (300, NotLeading())],
        ["INFO we do not lead, so we do not publish this"],
    ),
}


@pytest.mark.parametrize(("passes", "lines"), BY_FAULT.values(), ids=BY_FAULT)
def test_the_log_of_a_fault(caplog, passes, lines):
    """A failure when its words change, then hourly; its end once; "A -> B" when the branch has B."""
    caplog.set_level(logging.INFO, logger="gitops_prefix")
    at = 0.0
    log = PassLog("main", lambda: at)
    for second, outcome in passes:
        at = second
        log.report(outcome, watches=True)
    assert [f"{each.levelname} {each.getMessage()}" for each in caplog.records] == lines


NEXT = {
    "a hook that declines": (
        Committed(NOTHING, OURS, HOOK),
        299.7,
        "refused: pre-receive hook declined; only on weekdays; our commit is kept; "
        "the next try is in 5m, or when the branch moves",
    ),
    "another server than it was": (
        Stopped(IDENTITY),
        90.0,
        "refused: Host key verification failed; the next try is in 1m30s",
    ),
    "a remote that is away is tried within half a minute": (
        AWAY,
        12.0,
        "unreachable: could not resolve host",
    ),
}


@pytest.mark.parametrize(("outcome", "seconds", "line"), NEXT.values(), ids=NEXT)
def test_a_refusal_says_when_the_next_try_is(caplog, outcome, seconds, line):
    log = PassLog("main", lambda: 0.0)
    log.report(outcome, watches=True, next_try_in=seconds)
    log.report(outcome, watches=True, next_try_in=seconds / 2)
    assert caplog.messages == [line]


SAME = {
    "git's own names for what it writes": (
        "fatal: unable to write /c/pack/tmp_pack_BpqitY: No space left",
        "fatal: unable to write /c/pack/tmp_pack_tZxNPH: No space left",
    ),
    "the server's": (
        "remote: unable to migrate objects/tmp_objdir-incoming-CaQ6ez to permanent storage",
        "remote: unable to migrate objects/tmp_objdir-incoming-pwQPNo to permanent storage",
    ),
    "the id of a request": (
        "remote: Internal Server Error. Request ID: D3C5:2B1C:3F2A",
        "remote: Internal Server Error. Request ID: 6D1A:9C:1AC3F",
    ),
    "how long it took": (
        "Failed to connect to git.example.com port 443 after 3 ms",
        "Failed to connect to git.example.com port 443 after 131 ms",
    ),
}


@pytest.mark.parametrize("tries", SAME.values(), ids=SAME)
def test_what_differs_at_each_try_is_no_news(caplog, tries):
    log = PassLog("main", lambda: 0.0)
    for words in tries:
        log.report(Unconfirmed(NOTHING, replace(DNS, words=words)), watches=True)
    assert len(caplog.records) == 1


def test_many_warnings_are_not_logged_again_at_each_pass(caplog):
    log = PassLog("main", lambda: 0.0)
    many = tuple(lost(line) for line in range(300))
    for _ in range(3):
        log.report(UpToDate(replace(NOTHING, problems=many)), watches=True)
    assert len(caplog.records) == 300


def test_a_server_that_says_something_new_each_time_fills_no_memory(caplog):
    """Every line is news, and only the last ones are remembered."""
    log = PassLog("main", lambda: 0.0)
    for each in range(300):
        words = "x" * each
        log.report(Unconfirmed(NOTHING, replace(DNS, words=words)), watches=True)
    assert len(caplog.records) == 300


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


HARMFUL = {
    "an escape sequence": "\x1b]0;pwn\x07\x1b[31m",
    "a control character of one byte": "\x9b31m",
    "a line of its own": "eth0\nERROR all is lost",
    "a carriage return": "eth0\rall is well",
    "text from right to left": "a\u202eb\u2066c",
    "nothing to see": "a\u200bb\u2060c\ufeff",
    "half a character": "a\udce9b",
    "beyond the first plane": "a\U000e0041b",
}


@pytest.mark.parametrize("stream", [io.StringIO, Terminal], ids=["JSON", "terminal"])
@pytest.mark.parametrize("text", HARMFUL.values(), ids=HARMFUL)
def test_nothing_that_a_terminal_obeys_leaves(text, stream):
    """Whoever wrote it, in the message and beside it."""
    out = stream()
    configure(out)
    logging.getLogger("gitops_prefix.x").warning("link %s", text, extra={"router": text})
    line = out.getvalue()
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    if stream is io.StringIO:
        assert json.loads(line)["message"] == f"link {text}"


def test_a_traceback_keeps_its_lines():
    out = Terminal()
    configure(out)
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int("\x1b[31m")
    error = ValueError("\x1b[31m").with_traceback(caught.value.__traceback__)
    logging.getLogger("gitops_prefix.x").warning("it broke", exc_info=error)
    assert "it broke\nTraceback" in out.getvalue()
    assert r"ValueError: \u001b[31m" in out.getvalue()
    assert "\x1b" not in out.getvalue()
