"""Log lines: for people on a terminal, JSON for everything else; and what a pass is worth."""

import json
import logging
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from math import ceil, inf, isinf
from typing import TextIO

from gitops_prefix.daemon.clocks import waits_for_branch
from gitops_prefix.daemon.outcome import (
    Committed,
    Decided,
    NotLeading,
    Outcome,
    Proposed,
    Pushed,
    Rehearsed,
    Result,
)
from gitops_prefix.decide.fields import format_duration
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.plan.occasion import StatusChange
from gitops_prefix.publish.message import change_line
from gitops_prefix.publish.scrub import redact

log = logging.getLogger(__name__)

_HOUR = 3600.0
_MOST_WORDS = 64
"""Failures of one outage that are remembered; a server may say something new each time."""
_MOST_PROBLEMS = 10_000
"""Of the repository; with more of them, those that are forgotten are logged again at each pass."""
_VARIES = re.compile(r"tmp_[\w.-]+|[0-9a-f]{7,}|(?<![\w:-])[\w:-]*[0-9][\w:-]*")
"""What differs between two tries: commit ids, counts, ids of requests, temporary files."""
_PLACE = re.compile(r"(?<=\.)(\w+):[0-9]+(:[0-9]+)?\b")
"""The ending of a file's name, with a line and a column behind it."""
_ENDING = r"\1"
_COMMAND = re.compile(r"\bgit [a-z-]+: ")
"""Which call failed: a push and the looks after it fail in the same words for the same reason."""

_STANDARD = set(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """One JSON object a line, with what `extra` added."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class _Terminal(logging.Formatter):
    """One line for people; only a traceback has more."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's
        return _visible(super().formatMessage(record), keep="")


class _LastDoor(logging.StreamHandler[TextIO]):
    """What every line passes, whoever wrote it.

    No secret that was read leaves here, and no character that a terminal obeys or that shows
    a text as another: escape sequences, bidirectional controls, zero-width characters.
    """

    def format(self, record: logging.LogRecord) -> str:
        return _visible(redact(super().format(record)), keep="\n")


def _visible(text: str, *, keep: str) -> str:
    """Escape as JSON does, so that a line of JSON stays one."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else json.dumps(each)[1:-1] for each in text
    )


def configure(stream: TextIO = sys.stderr, *, verbose: bool = False) -> None:
    """Send the project's log to `stream`, in the form that suits it."""
    handler = _LastDoor(stream)
    if stream.isatty():
        handler.setFormatter(_Terminal("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    else:
        handler.setFormatter(JsonLines())
    logger = logging.getLogger("gitops_prefix")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False


class OnceEvery:
    """Lets one line through for each key in so many seconds, and counts the others.

    A link can send thousands of bad packets a second; the log stays readable.
    """

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._since: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}

    def admit(self, key: str, now: float) -> int | None:
        """How many were held back since the last line for `key`, or None to hold this one."""
        since = self._since.get(key)
        if since is not None and now - since < self._seconds:
            self._suppressed[key] = self._suppressed.get(key, 0) + 1
            return None
        self._since[key] = now
        return self._suppressed.pop(key, 0)


class _Repeated:
    """Says when what comes again and again is worth a line: when new, then once an hour."""

    def __init__(self, most: int) -> None:
        self._logged: dict[str, float] = {}
        self._most = most

    def admit(self, key: str, now: float) -> bool:
        """Whether to log it now."""
        at = self._logged.get(key)
        if at is not None and now - at < _HOUR:
            return False
        self._logged.pop(key, None)
        self._logged[key] = now
        if len(self._logged) > self._most:
            del self._logged[next(iter(self._logged))]
        return True

    def keep(self, keys: Iterable[str]) -> None:
        """Forget what is not said any more: when it comes back, it is news."""
        kept = set(keys)
        self._logged = {key: at for key, at in self._logged.items() if key in kept}


def _same(words: str) -> str:
    """The words without what differs between two tries that fail for one reason."""
    return _VARIES.sub("#", _COMMAND.sub("", words))


def _with_keys(problems: Iterable[Problem]) -> Iterator[tuple[str, Problem]]:
    """Each problem with a key that stays when its line moves, and that no other problem has."""
    seen: Counter[str] = Counter()
    for problem in problems:
        path = problem.place.path if problem.place else ""
        key = f"{path}: {problem.code}: {_PLACE.sub(_ENDING, problem.message)}"
        seen[key] += 1
        yield f"{key} {seen[key]}", problem


class _Outage:
    """The passes that failed in a row: what is logged of them, and of their end."""

    def __init__(self) -> None:
        self._words = _Repeated(_MOST_WORDS)
        self._began: float | None = None
        self._result: Result | None = None
        self._tries = 0

    def fail(self, result: Result, words: str, now: float) -> str | None:
        """Note a failed pass, and return its line; None if the line would say nothing new."""
        if self._began is None:
            self._began, self._tries = now, 0
        self._tries += 1
        self._result = result
        line = f"{result}: {words}"
        if not self._words.admit(_same(line), now):
            return None
        return line if self._tries == 1 else f"{line} ({self._lasted(now)})"

    def end(self, now: float) -> str:
        """Note a pass that did not fail, and return the line about the end; empty without one."""
        if self._began is None:
            return ""
        line = f"no longer {self._result} ({self._lasted(now)})"
        self._began = None
        self._words.keep(())
        return line

    def _lasted(self, now: float) -> str:
        seconds = timedelta(seconds=round(now - (now if self._began is None else self._began)))
        return f"{self._tries} failed {'try' if self._tries == 1 else 'tries'} in " + (
            format_duration(seconds)
        )


class PassLog:
    """The log lines of passes.

    A failure is logged when its words change, then once an hour with a count, and its end
    once. A change is "A -> B" only when the branch holds B.
    """

    def __init__(self, branch: str, clock: Callable[[], float]) -> None:
        """Log passes over this branch."""
        self._branch, self._clock = branch, clock
        self._outage, self._problems = _Outage(), _Repeated(_MOST_PROBLEMS)
        self._others = OnceEvery()
        self._follows = False
        # What our waiting commits change: by DynamicPrefix, and by field.
        self._waiting: dict[str, StatusChange] = {}
        self._fields: set[tuple[object, ...]] = set()
        self._rehearsed: list[Sequence[str]] = []

    def report(self, outcome: Outcome, *, watches: bool, next_try_in: float = inf) -> None:
        """Log a pass.

        Args:
            outcome: of the pass.
            watches: whether there is a DynamicPrefix.
            next_try_in: seconds until the next try; inf: nobody tries again.
        """
        now = self._clock()
        self._report_problems(outcome, now)
        failed = outcome.failed
        if failed is None and (over := self._outage.end(now)):
            log.info("%s", over)
        if outcome.decided is not None:
            self._report_decided(outcome, outcome.decided, now, watches=watches)
        if isinstance(outcome, NotLeading) and not self._follows:
            log.info("we do not lead, so we do not publish this")
        self._follows = isinstance(outcome, NotLeading)
        if failed is not None:
            waits = "; our commit is kept" if isinstance(outcome, Committed) else ""
            line = self._outage.fail(outcome.result, f"{failed.words}{waits}", now)
            if line is not None:
                # Refused means that a person must act.
                level = logging.ERROR if outcome.result is Result.REFUSED else logging.WARNING
                log.log(level, "%s%s", line, _next_try(outcome, next_try_in))

    def _report_problems(self, outcome: Outcome, now: float) -> None:
        found = tuple(_with_keys(outcome.problems))
        for key, problem in found:
            if self._problems.admit(key, now):
                wrong = problem.severity is Severity.ERROR
                level = logging.ERROR if wrong else logging.WARNING
                log.log(level, "%s [%s]", problem, problem.code)
        if outcome.decided is not None and outcome.failed is None:
            self._problems.keep(key for key, _ in found)

    def _report_decided(
        self, outcome: Outcome, decided: Decided, now: float, *, watches: bool
    ) -> None:
        # One that has an error is there, and is reported.
        wrong = any(problem.severity is Severity.ERROR for problem in outcome.problems)
        missing = not watches and not wrong
        if missing and self._others.admit("nothing to follow", now) is not None:
            log.warning(
                'no DynamicPrefix is on "%s" where it is searched (--path, --exclude), so nothing '
                "is followed: `gitops-prefix init` writes one",
                self._branch,
            )
        for line in map(change_line, decided.occasion.by_hand):
            if self._others.admit(f"by hand {line}", now) is not None:
                log.warning("edited by hand, and rendered again: %s", line)
        match outcome:
            case Committed():
                self._report_waiting(decided)
            case Rehearsed():
                self._report_rehearsed(decided)
            case Pushed() | Proposed():
                self._report_published(outcome, decided)
            case _:
                self._forget_waiting()

    def _report_rehearsed(self, decided: Decided) -> None:
        """Say once what a dry run would change, though it would at every pass."""
        moved = [_sides(change) for change in decided.occasion.transitions if change.moved]
        for sides in moved if moved != self._rehearsed else ():
            log.info("%s: would be %s instead of %s", *sides)
        self._rehearsed = moved

    def _report_waiting(self, decided: Decided) -> None:
        self._note(decided)
        for change in decided.occasion.transitions:
            if change.moved:
                log.info("%s: %s instead of %s waits to be published", *_sides(change))

    def _report_published(self, outcome: Pushed | Proposed, decided: Decided) -> None:
        self._note(decided)
        pushed = isinstance(outcome, Pushed)
        line = "%s: %s -> %s" if pushed else "%s: %s -> %s is proposed"
        for change in self._waiting.values():
            if change.moved:
                name, current, before = _sides(change)
                log.info(line, name, before, current)
        verb, count = "published" if pushed else "proposed", len(self._fields)
        fields = f"{count} {'field' if count == 1 else 'fields'}"
        # A commit of an earlier process, or one that only changes a status.
        about = fields if count else "the status" if self._waiting else "what waited"
        log.info("%s %s: %s", verb, outcome.commit[:12], about)
        self._forget_waiting()

    def _note(self, decided: Decided) -> None:
        for change in decided.occasion.transitions:
            first = self._waiting.get(change.name, change)
            self._waiting[change.name] = StatusChange(
                change.name, first.previous, change.current, change.router
            )
        self._fields |= {each[:6] for each in decided.changes}

    def _forget_waiting(self) -> None:
        self._waiting, self._fields = {}, set()


def _sides(change: StatusChange) -> Sequence[str]:
    """The name, the prefix after the change, and the one before it."""
    before = str(change.previous.current) if change.previous else "none"
    return change.name, str(change.current.current), before


def _next_try(outcome: Outcome, seconds: float) -> str:
    """When a refusal is tried again; whatever else fails is tried within half a minute."""
    if isinf(seconds) or outcome.result not in {Result.REFUSED, Result.HELD}:
        return ""
    wait = format_duration(timedelta(seconds=ceil(max(1.0, seconds))))
    moves = ", or when the branch moves" if waits_for_branch(outcome) else ""
    return f"; the next try is in {wait}{moves}"
